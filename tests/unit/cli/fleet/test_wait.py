"""`wait`: ends when it is so, or when it can never be."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway_operator.cli.fleet import wait
from mcp_gateway_operator.controller.ports import MCPSERVERS
from tests.support.memory_cluster import Fault
from tests.unit.cli.fleet.conftest import Desk

STALLED: dict[str, Any] = {"conditions": [{"type": "Stalled", "status": "True", "reason": "NameConflict"}]}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look without a pause."""
    monkeypatch.setattr(wait, "LOOK", 0.001)


def test_what_is_ready_is_not_waited_for(desk: Desk) -> None:
    desk.put("orders", reason="GatewayTargetReady")
    assert desk("wait", "orders").output == "team-a/orders is Ready.\n"


def test_it_ends_at_once_where_somebody_must_help(desk: Desk) -> None:
    desk.put("orders", reason="NameConflict", message="Choose another name.", status=STALLED)
    desk.put("stock", reason="Creating")
    said = desk("wait", "--all", exits=2).output
    assert said == "team-a/orders is stalled: NameConflict: Choose another name.\n"


def test_time_runs_out_and_it_says_what_is_missing(desk: Desk) -> None:
    desk.put("orders", reason="Creating", message="AWS makes it.")
    said = desk("wait", "orders", "--timeout", "10ms", exits=2).output
    assert said == "team-a/orders is not Ready after 0.01 s: Creating: AWS makes it.\n"


def test_it_waits_until_all_are_ready_or_gone(desk: Desk) -> None:
    desk.put("orders", reason="GatewayTargetReady")
    looks = 0

    def later(_: object) -> Fault | None:
        nonlocal looks
        looks += 1
        if looks == 3:
            desk.api.store.delete(MCPSERVERS, "team-a", "orders")
        return None

    desk.faults = later
    desk("wait", "orders", "--for", "deleted")
    assert looks == 3
    desk("wait", "orders", "--for", "deleted")
    assert "no MCPServer 'orders'" in desk("wait", "orders", exits=1).output
