"""What to do about MCPServers that cannot be listed."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from mcp_gateway_operator.cli.explain import advice, explain_troubles, why_not_ready
from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator.runtime.informer import Informer
from tests.support.virtual_time import pass_time, run_virtual

MISSING = ApiError(404, "NotFound", "404 page not found")
FORBIDDEN = ApiError(403, "Forbidden", "mcpservers is forbidden: user x cannot list")
AWAY = ApiError(0, "ConnectError", "connection refused")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MISSING, "mcp-gateway-operator crd | kubectl apply"),
        (FORBIDDEN, "Helm chart"),
        (FORBIDDEN, "user x cannot list"),
        (ApiError(401, "Unauthorized", "Unauthorized"), "Renew the token or the kubeconfig"),
        (AWAY, "connection refused"),
        (ApiError(503, "ServiceUnavailable", "starting"), "tried again"),
    ],
)
def test_the_advice_says_what_to_do(error: ApiError, words: str) -> None:
    assert words in advice(error)


def _informer(trouble: ApiError | None) -> Any:
    return SimpleNamespace(trouble=trouble, synced=asyncio.Event())


def test_readiness_gives_the_reason_until_the_first_list() -> None:
    informer = _informer(MISSING)
    assert "CustomResourceDefinition" in str(why_not_ready(informer))
    informer.synced.set()
    assert why_not_ready(informer) is None
    assert why_not_ready(_informer(None)) is None


def test_each_trouble_is_told_once_when_it_begins() -> None:
    async def story() -> list[str]:
        informer = _informer(None)
        with capture_logs() as lines:
            task = asyncio.create_task(explain_troubles(cast(Informer[Any], informer)))
            for trouble in (None, MISSING, MISSING, AWAY, None, MISSING, FORBIDDEN):
                informer.trouble = trouble
                await pass_time(5)
            task.cancel()
        return [line["event"] for line in lines]

    told = run_virtual(story())
    assert told == [advice(MISSING), advice(MISSING), advice(FORBIDDEN)]
