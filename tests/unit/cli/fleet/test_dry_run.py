"""`run --dry-run`: all decisions in the log, and no write anywhere."""

from __future__ import annotations

from typing import Any

import msgspec

from agentcore_simulator import AdminClient
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import NAMESPACES, PatchType
from tests.support.world import GATEWAY
from tests.unit.cli.fleet.account import nothing_written, server, settle, unreadable
from tests.unit.cli.fleet.conftest import Desk
from tests.unit.cli.fleet.platform import label, make_class, refuse


def dry(desk: Desk, *flags: str, exits: int = 0) -> list[dict[str, Any]]:
    """Return the log of a dry run, and let nothing have been asked for but reads."""
    result = desk("run", "--dry-run", "--zap-encoder=json", *flags, exits=exits)
    assert {request.verb for request in desk.api.log} <= {"get", "list", "get_path"}
    return [msgspec.json.decode(line) for line in result.output.splitlines()]


def lines(log: list[dict[str, Any]], words: str) -> list[dict[str, Any]]:
    """Return the lines of the log with these words."""
    return [line for line in log if words in line["msg"]]


def test_every_decision_is_in_the_log_and_nothing_is_written(desk: Desk, aws: AdminClient) -> None:
    for name in ("kept", "edited", "gone"):
        settle(desk, aws, name)
    store = desk.api.store
    edit = {"spec": {"endpoint": "https://new.example.com/mcp?token=secret"}}
    store.patch(MCPSERVERS, "team-a", "edited", edit, kind=PatchType.MERGE)
    store.delete(MCPSERVERS, "team-a", "gone")
    desk.put("new")
    desk.put("taken")
    aws.create_target(GATEWAY, name="taken", targetConfiguration=server())
    unreadable(desk, "odd")
    aws.clear_requests()
    log = dry(desk)
    (create,) = lines(log, "would create")
    assert (create["namespace"], create["name"], create["gateway"]) == ("team-a", "new", GATEWAY)
    (update,) = lines(log, "would update")
    assert update["name"] == "edited"
    assert update["fields"] == {
        "endpoint": '["https://weather.example.com/mcp","https://new.example.com/mcp?…"]'
    }
    assert [line["name"] for line in lines(log, "would delete")] == ["gone"]
    assert [line["reason"] for line in lines(log, "would say")] == ["NameConflict"]
    assert [line["name"] for line in lines(log, "would leave alone")] == ["odd"]
    writes = {line["name"]: line["what"] for line in lines(log, "would write")}
    assert writes["new"] == ["finalizers", "annotations", "status"]
    assert log[-1]["msg"] == "dry run: nothing was written"
    assert log[-1]["changes"] == {"conflict": 1, "create": 1, "delete": 1, "update": 1}
    assert "secret" not in str(log)
    nothing_written(desk, aws)


def test_it_judges_by_mcpgateways_and_by_its_own_flags(desk: Desk, aws: AdminClient) -> None:
    make_class(desk)
    for namespace in ("team-a", "team-b"):
        label(desk, namespace)
        desk.put("orders", namespace=namespace, gatewayId="")
    log = dry(desk, "--default-gateway-ref=tools")
    assert log[-1]["changes"] == {"create": 1, "not permitted": 1}
    classes = [line for line in lines(log, "would write") if line["kind"] == "MCPGateway"]
    assert [line["name"] for line in classes] == ["tools"]
    watched = dry(desk, "--default-gateway-ref=tools", "--watch-namespaces=team-b")
    assert watched[-1]["changes"] == {"not permitted": 1}
    nothing_written(desk, aws)


def test_what_the_account_may_not_read_is_said(desk: Desk, aws: AdminClient) -> None:
    make_class(desk)
    desk.put("orders")
    refuse(desk, MCPGATEWAYS)
    assert any("may not list MCPGateways" in line["msg"] for line in dry(desk))
    refuse(desk, NAMESPACES, MCPSERVERS)
    (line,) = dry(desk, exits=1)
    assert line["level"] == "error"
    assert "mcpserver-viewer-role" in line["msg"]
    nothing_written(desk, aws)


def test_the_log_holds_a_fleet_as_a_whole(desk: Desk, aws: AdminClient) -> None:
    for number in range(20):
        desk.put(f"server-{number}")
    log = dry(desk, "--log-rate=1:1")
    assert len(lines(log, "would create")) == 20
    assert log[-1]["objects"] == 20
    nothing_written(desk, aws)
