"""`status`: what an on-call person sees first."""

from __future__ import annotations

import re
import resource
import time

import pytest

from mcp_gateway_operator.cli.fleet import status_command, tables
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import ApiError, PatchType
from tests.support.memory_cluster import Fault
from tests.support.world import GATEWAY, OTHER_GATEWAY
from tests.unit.cli.fleet.conftest import Desk
from tests.unit.cli.fleet.platform import make_class, refuse


def test_nothing_but_ready_objects_is_said_in_a_line_and_ends_well(desk: Desk) -> None:
    desk.put("orders", reason="GatewayTargetReady")
    desk.put("stock", reason="GatewayTargetReady", namespace="team-b")
    said = desk("status", "-A").output
    assert said.startswith("2 MCPServers: 2 Ready, 0 not.")
    assert re.search(r"demo-abcdefghij +2 +0 +2/100", said)
    assert desk("status").output.startswith("1 MCPServer: 1 Ready")


def test_what_is_not_ready_is_grouped_with_the_oldest_first(desk: Desk) -> None:
    later = "2199-01-01T00:00:00Z"
    failing = {"failure": {"class": "unreachable", "attempts": 3, "nextAttempt": later}}
    desk.put("orders", reason="TargetFailed", age=600, status=failing, message="no answer")
    desk.put("stock", reason="TargetFailed", age=7300)
    desk.put("names", reason="NameConflict", age=86_400 * 3)
    desk.put("fine", reason="GatewayTargetReady")
    desk.put("new")
    said = desk("status", exits=2).output
    assert said.startswith("5 MCPServers: 1 Ready, 4 not.")
    assert re.search(r"^TargetFailed +2 +2h +in \d+d", said, re.MULTILINE)
    assert re.search(r"^NameConflict +1 +3d +-", said, re.MULTILINE)
    order = re.findall(r"^team-a/(\w+)", said, re.MULTILINE)
    assert order == ["names", "stock", "orders", "new"]
    assert "NotSeen" in said


def test_a_new_generation_that_nobody_looked_at_is_not_ready(desk: Desk) -> None:
    desk.put("orders", reason="GatewayTargetReady")
    body = {"spec": {"endpoint": "https://other.example.com/mcp"}}
    desk.api.store.patch(MCPSERVERS, "team-a", "orders", body, kind=PatchType.MERGE)
    assert "NotSeen" in desk("status", exits=2).output


def test_filters_choose_and_an_empty_choice_is_said(desk: Desk) -> None:
    desk.put("orders", reason="TargetFailed", metadata={"labels": {"app": "search"}})
    desk.put("stock", reason="NameConflict", status={"gatewayId": "other-abcdefghij"})
    assert [each["name"] for each in desk.json("status", "--reason", "TargetFailed", exits=2)["objects"]] == [
        "orders"
    ]
    assert "stock" not in desk("status", "-l", "app=search", exits=2).output
    assert "orders" not in desk("status", "--gateway", "other-abcdefghij", exits=2).output
    assert "No MCPServer found" in desk("status", "--reason", "Nothing").output


def test_json_has_a_schema_and_everything(desk: Desk) -> None:
    desk.put("orders", reason="TargetFailed", message="one\x1b[31m two")
    answer = desk.json("status", exits=2)
    assert answer["schema"] == "mcps.status/v1"
    assert (answer["total"], answer["ready"], answer["reasons"]) == (1, 0, {"TargetFailed": 1})
    (only,) = answer["objects"]
    assert only["name"] == "orders"
    assert "\x1b" not in only["message"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ApiError(403, "Forbidden", "user x cannot list mcpservers"), "mcpserver-viewer-role"),
        (ApiError(401, "Unauthorized", "Unauthorized"), "log in again"),
        (ApiError(404, "NotFound", "the server could not find it"), "crd | kubectl apply"),
        (ApiError(0, "ConnectError", "refused"), "cannot be reached: refused"),
        (ApiError(400, "BadRequest", "unable to parse requirement"), "Check -l"),
    ],
)
def test_a_refusal_says_what_to_do_and_ends_with_1(desk: Desk, error: ApiError, words: str) -> None:
    desk.faults = lambda _: Fault(refuse=error)
    assert words in desk("status", exits=1).output


def test_wrong_usage_ends_with_1_for_2_is_an_answer(desk: Desk) -> None:
    assert "-n names one namespace and -A means all" in desk("status", "-n", "x", "-A", exits=1).output
    desk("status", "--wrong", exits=1)


def test_300_objects_fit_one_screen_of_80_columns(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        reason = ("GatewayTargetReady", "TargetFailed", "NameConflict")[number % 7 % 3]
        held = {"gatewayId": f"gateway-number-{number % 9}-abcdefghij"}
        desk.put(f"server-{number}", reason=reason, age=number, message="long " * 40, status=held)
    # What a terminal is told by, which the runner's output is not.
    monkeypatch.setattr(tables, "on_terminal", lambda: True)
    monkeypatch.setattr(status_command, "on_terminal", lambda: True)
    desk.env = {"COLUMNS": "80", "LINES": "40"}
    lines = desk("status", exits=2).output.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 40
    assert lines[-1].startswith("... and ")


def test_10_000_objects_take_less_than_5_seconds_and_200_mb(desk: Desk) -> None:
    for number in range(10_000):
        reason = "TargetFailed" if number % 10 == 0 else "GatewayTargetReady"
        desk.put(f"server-{number}", reason=reason, age=number)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    said = desk("status", "-A", exits=2).output
    assert time.process_time() - began < 5
    assert said.startswith("10000 MCPServers: 9000 Ready, 1000 not.")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_gateways_of_classes_are_told_with_their_name_and_room(desk: Desk) -> None:
    make_class(desk)
    good = [{"type": "Accepted", "status": "True"}]
    status = {"status": {"conditions": good, "targets": {"used": 7, "limit": 20}}}
    desk.api.store.patch(MCPGATEWAYS, None, "tools", status, kind=PatchType.MERGE, subresource="status")
    desk.put("orders", reason="GatewayTargetReady")
    desk.put("new", gatewayId="", gatewayRef={"name": "tools"})
    desk.put("far", gatewayId=OTHER_GATEWAY)
    said = [line.split() for line in desk("status", "-A", exits=2).output.splitlines()]
    assert ["GATEWAY", "READY", "NOT", "READY", "TARGETS", "MCPGATEWAY"] in said
    assert [GATEWAY, "1", "1", "7/20", "tools"] in said
    assert [OTHER_GATEWAY, "0", "1", "0/100", "-"] in said
    (row,) = desk.json("status", "-A", exits=2)["gateways"]
    assert (row["mcpGateway"], row["targets"]) == ("tools", {"used": 7, "limit": 20})
    refuse(desk, MCPGATEWAYS)
    assert "MCPGATEWAY" not in desk("status", "-A", exits=2).output
