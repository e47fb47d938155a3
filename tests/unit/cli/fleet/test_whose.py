"""`why`, `owner` and `orphans`: one object's story, and whose targets are."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from agentcore_simulator import AdminClient
from mcp_gateway_operator.cli.fleet.reads import Paced
from mcp_gateway_operator.controller.metrics.reasons import ACTS as WHO
from mcp_gateway_operator.controller.metrics.reasons import Actor
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import NAMESPACES, ApiError, PatchType
from tests.support.memory_cluster import Fault
from tests.support.world import GATEWAY, OTHER_GATEWAY
from tests.unit.cli.fleet.account import nothing_written, server, settle, unreadable
from tests.unit.cli.fleet.conftest import Desk
from tests.unit.cli.fleet.platform import refuse

ROOT = Path(__file__).parents[4]


def test_a_ready_object_is_what_its_spec_says_and_nobody_has_to_act(desk: Desk, aws: AdminClient) -> None:
    target_id = settle(desk, aws, "orders")
    aws.clear_requests()
    said = desk("why", "orders").output
    assert said.startswith("team-a/orders: GatewayTargetReady")
    assert f"  Target {target_id} (orders) is READY, with this object's marker" in said
    assert "  Field by field it is what the spec says" in said
    assert "The operator would change nothing in AWS" in said
    assert "Who has to act: nobody: all is as it should be." in said
    nothing_written(desk, aws)


def test_drift_is_told_field_by_field_and_what_the_operator_would_do(desk: Desk, aws: AdminClient) -> None:
    target_id = settle(desk, aws, "orders")
    aws.edit_target(target_id, targetConfiguration=server())
    aws.clear_requests()
    said = desk("why", "orders").output
    assert '  AWS -> spec: endpoint: "https://other.example.com/mcp" -> "https://weather' in said
    assert "The operator would update it: Update." in said
    nothing_written(desk, aws)


def test_a_name_that_is_taken_says_by_what_and_who_has_to_act(desk: Desk, aws: AdminClient) -> None:
    made = aws.create_target(GATEWAY, name="orders", targetConfiguration=server())
    desk.put("orders", namespace="team-b")
    desk.put("orders")
    desk.api.store.patch(
        MCPSERVERS,
        "team-a",
        "orders",
        {
            "status": {
                "conditions": [
                    {"type": "Ready", "status": "False", "reason": "NameConflict", "observedGeneration": 1}
                ]
            }
        },
        kind=PatchType.MERGE,
        subresource="status",
    )
    aws.clear_requests()
    said = desk("why", "orders", exits=2).output
    assert f"  Its name is taken by target {made['targetId']}, without a marker." in said
    assert "Who has to act: the object's author.\n  kubectl patch mcpserver orders -n team-a" in said
    nothing_written(desk, aws)


def test_without_aws_the_rest_is_told(desk: Desk, aws: AdminClient) -> None:
    settle(desk, aws, "orders")
    aws.configure(denied_actions=["*"])
    said = desk("why", "orders").output
    assert f"  AWS does not list the targets of gateway {GATEWAY} for you: AccessDenied" in said
    assert "Who has to act" in said


def test_an_owner_is_found_by_target_and_by_marker(desk: Desk, aws: AdminClient) -> None:
    target_id = settle(desk, aws, "orders")
    human = aws.create_target(GATEWAY, name="by-hand", targetConfiguration=server())["targetId"]
    other = aws.create_target(
        GATEWAY, name="theirs", description="[mcps aaaaaa/bbbbbbbbbbbb]", targetConfiguration=server()
    )["targetId"]
    aws.clear_requests()
    said = desk("owner", target_id).output
    assert said == f"{target_id} (orders) on {GATEWAY} is READY and belongs to MCPServer team-a/orders.\n"
    marker = aws.targets(GATEWAY)[0]["description"].rpartition("[mcps ")[2].rstrip("]")
    assert "is the marker of MCPServer team-a/orders" in desk("owner", marker).output
    assert "carries no marker" in desk("owner", human, exits=2).output
    assert "another installation, aaaaaa" in desk("owner", other, exits=2).output
    assert "another installation, aaaaaa" in desk("owner", "aaaaaa/bbbbbbbbbbbb", exits=2).output
    assert "No gateway that was listed has a target 'ABSENT'" in desk("owner", "ABSENT", exits=1).output
    nothing_written(desk, aws)


def test_without_the_owner_nobody_can_say_whose_a_target_is(desk: Desk, aws: AdminClient) -> None:
    target_id = settle(desk, aws, "orders")
    (row,) = aws.targets(GATEWAY)
    marker = row["description"].rpartition("[mcps ")[2].rstrip("]")
    no = ApiError(403, "Forbidden", "no")
    desk.faults = lambda request: Fault(refuse=no) if request.resource == NAMESPACES else None
    for what in (target_id, marker):
        assert "give --owner-id" in desk("owner", what, exits=1).output
    assert "give --owner-id" in desk("orphans", exits=1).output


def test_an_orphan_needs_proof_and_comes_with_the_line_that_removes_it(desk: Desk, aws: AdminClient) -> None:
    settle(desk, aws, "kept")
    orphan = settle(desk, aws, "gone")
    far = settle(desk, aws, "far", OTHER_GATEWAY)
    for name in ("gone", "far"):
        desk.api.store.patch(
            MCPSERVERS, "team-a", name, {"metadata": {"finalizers": None}}, kind=PatchType.MERGE
        )
        desk.api.store.delete(MCPSERVERS, "team-a", name)
    aws.create_target(GATEWAY, name="by-hand", targetConfiguration=server())
    aws.create_target(
        GATEWAY, name="theirs", description="[mcps aaaaaa/bbbbbbbbbbbb]", targetConfiguration=server()
    )
    aws.clear_requests()
    (found,) = desk.json("orphans", exits=2)["orphans"]
    assert found["targetId"] == orphan
    assert found["proof"] == (
        f"its gateway was listed just now; {found['marker'].partition('/')[0]} in its marker is this "
        "installation; of 1 MCPServer in all namespaces none has the marker, and none records it"
    )
    said = desk("orphans", "--gateway", OTHER_GATEWAY, exits=2).output
    assert f"delete-gateway-target --gateway-identifier {OTHER_GATEWAY} --target-id {far}" in said
    assert f"\n  proof: {found['proof']}\n" in said
    assert "Orphans: 2 of 5 targets." in said
    nothing_written(desk, aws)

    aws.configure(denied_actions=["ListGatewayTargets"])
    assert f"{GATEWAY} could not be listed: AccessDenied" in desk("orphans", exits=1).output


def test_an_object_that_cannot_be_read_hides_no_other_and_lets_nothing_count_as_an_orphan(
    desk: Desk, aws: AdminClient
) -> None:
    target_id = settle(desk, aws, "orders")
    lost = settle(desk, aws, "odd")
    bad = {"spec": {"capabilities": "tools"}}
    desk.api.store.patch(MCPSERVERS, "team-a", "odd", bad, kind=PatchType.MERGE)
    unreadable(desk, "second")
    aws.clear_requests()
    assert f"Target {target_id} (orders) is READY" in desk("why", "orders").output
    assert "MCPServer team-a/odd cannot be read" in desk("why", "odd", exits=1).output
    assert "belongs to MCPServer team-a/odd." in desk("owner", lost).output
    assert "2 MCPServers cannot be read, so nothing proves" in desk("orphans", exits=1).output
    nothing_written(desk, aws)


@pytest.mark.parametrize("arguments", [("owner", "ABCDE12345"), ("orphans",), ("import", GATEWAY)])
def test_who_may_not_read_all_namespaces_is_not_told_to_name_one(
    desk: Desk, aws: AdminClient, arguments: tuple[str, ...]
) -> None:
    refuse(desk, MCPSERVERS)
    said = desk(*arguments, exits=1).output
    assert "reads all namespaces: ask for the ClusterRole mcpserver-viewer-role" in said
    assert "(-n)" not in said
    assert ("--no-cluster" in said) == ("import" in arguments)
    nothing_written(desk, aws)


@pytest.mark.parametrize("verb", ["create", "update", "delete", "synchronize"])
def test_what_reads_from_aws_has_no_way_to_write(verb: str) -> None:
    assert not [name for name in dir(Paced) if name.startswith(verb)]


def test_the_rule_that_decided_is_named_and_what_is_waited_for(desk: Desk, aws: AdminClient) -> None:
    """Under the name by which docs/rules.md has it."""
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    settle(desk, aws, "orders")
    target_id = settle(desk, aws, "stock")
    aws.edit_target(target_id, targetConfiguration=server())
    aws.create_target(GATEWAY, name="taken", targetConfiguration=server())
    desk.put("taken")
    for name, rule, waits, exits in (
        ("orders", "rules/recorded.py: _settled", "until the next full comparison", 0),
        ("stock", "rules/drift.py: update", "", 0),
        ("taken", "rules/creation.py: _name_taken", "a person has to help", 2),
    ):
        said = desk("why", name, exits=exits).output
        assert f"  The rule that decided: {rule} (docs/rules.md).\n" in said
        file, _, function = rule.partition(": ")
        assert f"`{function}`" in page
        assert f"`{file}`" in page
        assert ("  Not sooner: " in said) == bool(waits)
        assert waits in said


@pytest.mark.parametrize("reason", [each for each, actor in WHO.items() if actor is not Actor.NOBODY])
def test_whoever_has_to_act_is_given_a_command(desk: Desk, reason: str) -> None:
    """For each reason that does not pass by itself, whatever stops the rest of the story."""
    desk.put("orders", reason=reason, gatewayRef={"name": "tools"})
    said = desk("why", "orders", exits=2).output
    who, command, *_ = said.partition("Who has to act: ")[2].splitlines()
    assert who != "nobody: it goes on by itself."
    assert re.match(r"  (kubectl|mcps|aws) ", command)
    assert not re.search(r"[{}]", command.replace("'{.status.authorizationUrl}'", "").partition(" -p ")[0])
    if " -p " in command:
        assert json.loads(shlex.split(command)[-1])["spec"]
