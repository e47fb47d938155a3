"""MCPGateways that change while a thread, which is about to send a request, finds out what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from mcp_gateway_operator.api.mcpgateway import ClassMeta, MCPGateway, MCPGatewaySpec
from mcp_gateway_operator.controller.classes import registry
from tests.support.classes import GATEWAY, OTHER_GATEWAY, arn
from tests.support.memory_cluster import MemoryApiServer, MemoryCluster


def made(name: str, age: int, gateway: str = GATEWAY) -> MCPGateway:
    meta = ClassMeta(name=name, uid=name, creation_timestamp=f"2026-01-01T00:00:{age:02}Z")
    return MCPGateway(metadata=meta, spec=MCPGatewaySpec(gateway_arn=arn(gateway), allow=()))


@pytest.fixture
def known() -> registry.Registry:
    """A registry with one MCPGateway, of which nothing has been asked yet."""
    known = registry.Registry(MemoryCluster(MemoryApiServer()), clock=lambda: 0.0)
    known.serve(served=True)
    known.classes._cache.event(made("young", 30))
    known.identify("123456789012", "us-east-1")
    return known


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Let something happen at the end of the next time that the MCPGateways are sorted."""
    index_of = registry._index_of

    def interrupted(classes: Iterable[MCPGateway]) -> registry._Index:
        found = index_of(classes)
        monkeypatch.setattr(registry, "_index_of", index_of)
        happens()
        return found

    monkeypatch.setattr(registry, "_index_of", interrupted)


def test_one_that_comes_meanwhile_governs_its_gateway(
    known: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda: known.classes._cache.event(made("other", 40, OTHER_GATEWAY)))
    assert known.governor(GATEWAY) is not None
    other = known.governor(OTHER_GATEWAY)
    assert other is not None
    assert other.name == "other"


def test_one_that_comes_meanwhile_and_is_older_is_the_one_that_counts(
    known: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda: known.classes._cache.event(made("old", 10)))
    young = known.get("young")
    assert young is not None
    known.verdict(young)
    assert known.verdict(young).reason == "Conflict"


def test_whose_credentials_these_are_counts_also_when_it_is_said_meanwhile(
    known: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda: known.identify("210987654321", "us-east-1"))
    young = known.get("young")
    assert young is not None
    known.verdict(young)
    assert known.verdict(young).reason == "WrongAccountOrRegion"
