"""The admin API: logs, counts, edits behind the callers' backs, settings."""

from __future__ import annotations

from typing import Any

import pytest

from agentcore_simulator import AdminRefusedError, Request

from .conftest import GATEWAY, NOON, Simulation, server
from .refusals import refusal


def test_the_log_says_who_asked_what(sim: Simulation) -> None:
    target = sim.ready(clientToken="a-token-of-more-than-thirty-three-characters")
    with refusal("ConflictException", 409):
        sim.create()
    first, second = sim.admin.requests(operation="CreateGatewayTarget")
    assert first["time"] == NOON
    assert (first["account"], first["region"]) == ("123456789012", "us-east-1")
    assert (first["gateway"], first["target"], first["name"]) == (GATEWAY, target, "tools")
    assert (first["status"], first.get("error")) == (202, None)
    assert first["clientToken"] == "a-token-of-more-than-thirty-three-characters"
    assert (second["status"], second["error"]) == (409, "ConflictException")
    assert sim.admin.requests(status=409) == [second]
    assert sim.admin.requests(since=NOON + 0.5) == [second]
    assert sim.admin.requests(limit=1) == [second]
    assert sim.admin.requests(target=target) == [first]


def test_reads_by_id_are_logged_with_the_name(sim: Simulation) -> None:
    target = sim.ready()
    sim.synchronize(target)
    (entry,) = sim.admin.requests(operation="SynchronizeGatewayTargets")
    assert (entry["target"], entry["name"]) == (target, "tools")


def test_counts_are_by_operation_error_and_target(sim: Simulation) -> None:
    target = sim.ready()
    sim.get(target)
    sim.get(target)
    with refusal("ConflictException", 409):
        sim.create()
    counts = sim.admin.counts()
    assert counts["operations"] == {"CreateGatewayTarget": 2, "GetGatewayTarget": 2}
    assert counts["errors"] == {"ConflictException": 1}
    assert counts["targets"] == {target: {"CreateGatewayTarget": 1, "GetGatewayTarget": 2}}
    sim.admin.clear_requests()
    assert sim.admin.counts() == {"operations": {}, "errors": {}, "targets": {}}


def test_the_log_is_bounded(sim: Simulation) -> None:
    sim.admin.configure(log_size=3)
    for _ in range(5):
        sim.rows()
    assert len(sim.admin.requests()) == 3
    assert sim.admin.counts()["operations"]["ListGatewayTargets"] == 5


def test_edits_from_outside_merge_and_move_updated_at(sim: Simulation) -> None:
    target = sim.ready(description="mine", metadataConfiguration={"allowedRequestHeaders": ["x-a"]})
    before = sim.get(target)
    sim.admin.edit_target(
        target,
        description="theirs",
        targetConfiguration=server("https://theirs.example.com"),
        metadataConfiguration={"allowedResponseHeaders": ["x-b"]},
    )
    after = sim.get(target)
    assert after["description"] == "theirs"
    assert after["targetConfiguration"] == server("https://theirs.example.com")
    assert after["metadataConfiguration"] == {
        "allowedRequestHeaders": ["x-a"],
        "allowedResponseHeaders": ["x-b"],
    }
    assert after["updatedAt"] > before["updatedAt"]
    assert after["status"] == "READY"
    sim.advance(1)
    sim.admin.edit_target(target, touch=False, metadataConfiguration=None, name="renamed")
    quiet = sim.get(target)
    assert "metadataConfiguration" not in quiet
    assert (quiet["name"], quiet["updatedAt"]) == ("renamed", after["updatedAt"])
    sim.ready("tools")  # the old name is free


def test_targets_come_and_go_from_outside(sim: Simulation) -> None:
    made = sim.admin.create_target(GATEWAY, name="theirs", targetConfiguration=server())
    assert sim.get(made["targetId"])["status"] == "READY"
    with refusal("ConflictException", 409):
        sim.create("theirs")
    sim.admin.delete_target(made["targetId"], gradually=True)
    assert sim.status(made["targetId"]) == "DELETING"
    sim.advance(1)
    assert sim.rows() == []
    other = sim.ready("other")
    sim.admin.delete_target(other)
    with refusal("ResourceNotFoundException", 404):
        sim.get(other)


def test_state_shows_everything(sim: Simulation) -> None:
    target = sim.create()["targetId"]
    (dumped,) = sim.admin.state()["gateways"]
    assert (dumped["account"], dumped["region"]) == ("123456789012", "us-east-1")
    assert dumped["gateway"]["gatewayId"] == GATEWAY
    assert [row["targetId"] for row in dumped["targets"]] == [target]
    assert sim.admin.state()["nextTransition"] == NOON + 0.5
    assert sim.admin.targets(GATEWAY)[0]["name"] == "tools"
    assert sim.admin.targets("nowhere-abcdefghij") == []


def test_reset_leaves_nothing_but_settings(sim: Simulation) -> None:
    sim.admin.configure(latency=0.2)
    sim.admin.add_fault(operation="GetGateway")
    sim.admin.add_scenario(outcome="failed")
    sim.ready()
    sim.admin.reset()
    assert sim.admin.state() == {"gateways": [], "nextTransition": None}
    assert sim.admin.faults() == []
    assert sim.admin.requests() == []
    assert sim.admin.settings()["latency"] == 0.2


def test_gateways_are_made_in_any_account_and_region(sim: Simulation) -> None:
    made = sim.admin.create_gateway("far-abcdefghij", account="210987654321", region="eu-west-1")
    assert made["gatewayArn"] == "arn:aws:bedrock-agentcore:eu-west-1:210987654321:gateway/far-abcdefghij"
    with refusal("ResourceNotFoundException", 404):
        sim.control.get_gateway(gatewayIdentifier="far-abcdefghij")


def test_a_gateway_can_be_broken_from_outside(sim: Simulation) -> None:
    sim.admin.edit_gateway(GATEWAY, status="FAILED", statusReasons=["role"])
    shown = sim.control.get_gateway(gatewayIdentifier=GATEWAY)
    assert (shown["status"], shown["statusReasons"]) == ("FAILED", ["role"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "gateways", {"gatewayId": "Demo"}, 400, "is not a gateway id"),
        ("POST", "gateways", {"gatewayId": GATEWAY}, 400, "exists already"),
        ("POST", "gateways", {}, 400, "gatewayId"),
        ("PATCH", "settings", {"latancy": 1}, 400, "latancy"),
        ("PATCH", "settings", {"switches": {"transient_writes": "maybe"}}, 400, "maybe"),
        ("PATCH", "settings", {"latency": -1}, 400, "latency"),
        ("POST", "faults", {"kind": "explode"}, 400, "explode"),
        ("POST", "scenarios", {"outcome": "party"}, 400, "party"),
        ("GET", "targets/XXXXXXXXXX", None, 404, "no target"),
        ("DELETE", "gateways/nowhere-abcdefghij", None, 404, "no gateway"),
        ("POST", f"gateways/{GATEWAY}/targets", {"name": "x"}, 400, "targetConfiguration"),
        ("POST", f"gateways/{GATEWAY}/targets", {"targetConfiguration": server()}, 400, "needs a name"),
        (
            "POST",
            f"gateways/{GATEWAY}/targets",
            {"name": 7, "targetConfiguration": server()},
            400,
            "type string",
        ),
        (
            "POST",
            f"gateways/{GATEWAY}/targets",
            {"name": "x", "targetConfiguration": {"mcp": {}}},
            400,
            "exactly one",
        ),
        ("GET", "nothing", None, 404, "No admin request"),
        ("GET", "requests?colour=red", None, 400, "colour"),
        ("GET", "requests?since=yesterday", None, 400, "yesterday"),
        ("GET", "authorize?request_uri=x", None, 404, "authorization"),
    ],
)
def test_nonsense_is_refused_in_words(
    sim: Simulation, method: str, path: str, body: Any, status: int, text: str
) -> None:
    with pytest.raises(AdminRefusedError, match=text) as caught:
        sim.admin.call(method, path, body)
    assert caught.value.status == status


def test_broken_json_is_refused_in_words(sim: Simulation) -> None:
    answer = sim.engine.handle(Request("PATCH", "/_sim/settings", body=b"{"))
    assert answer.status == 400
    assert b"message" in answer.body


def test_an_edit_that_is_refused_changes_nothing(sim: Simulation) -> None:
    target = sim.ready()
    before = sim.get(target)
    with pytest.raises(AdminRefusedError, match="colour"):
        sim.admin.edit_target(target, name="x", colour="red")
    with pytest.raises(AdminRefusedError, match="endpoint"):
        sim.admin.edit_target(target, targetConfiguration=server("ftp://x"))
    with pytest.raises(AdminRefusedError, match="must not be null"):
        sim.admin.edit_target(target, targetConfiguration=None)
    with pytest.raises(AdminRefusedError, match="status"):
        sim.admin.set_status(target, "SLEEPING")
    after = sim.get(target)
    assert {**before, "ResponseMetadata": 0} == {**after, "ResponseMetadata": 0}
