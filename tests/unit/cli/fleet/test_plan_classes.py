"""`plan` and `why` beside MCPGateways: the same permission as the operator's, as far as it may be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agentcore_simulator import AdminClient
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import NAMESPACES, ApiError
from tests.support.memory_cluster import Fault
from tests.support.world import GATEWAY
from tests.unit.cli.fleet.account import manifest, nothing_written, settle, written
from tests.unit.cli.fleet.conftest import Desk
from tests.unit.cli.fleet.platform import label, make_class, refuse

REF: dict[str, Any] = {"gatewayId": "", "gatewayRef": {"name": "tools"}}
PLATFORM = {"namespaces": {"matchLabels": {"tier": "gold"}}}


def actions(desk: Desk, *arguments: str, exits: int = 2) -> dict[str, str]:
    """Return what would be done for each object."""
    found = desk.json("plan", *arguments, exits=exits)["objects"]
    return {f"{each['namespace']}/{each['name']}": each["action"] for each in found}


def test_what_a_class_permits_is_created_and_the_rest_is_not_permitted(desk: Desk, aws: AdminClient) -> None:
    make_class(desk)
    for namespace in ("team-a", "team-b"):
        label(desk, namespace)
        desk.put("orders", namespace=namespace, **REF)
    desk.put("elsewhere", endpoint="https://evil.example.com/mcp", **REF)
    assert actions(desk, "-A") == {
        "team-a/orders": "create",
        "team-a/elsewhere": "not permitted",
        "team-b/orders": "not permitted",
    }
    said = desk("plan", "-A", exits=2).output
    assert f"+ create team-a/orders on {GATEWAY}" in said
    assert "! not permitted team-b/orders" in said
    assert "MCPGateway tools does not permit this: it names no namespace like team-b." in said
    assert said.endswith("1 create, 2 not permitted; 0 unchanged.\n")
    nothing_written(desk, aws)


def test_why_claims_nothing_of_a_gateway_that_was_not_looked_at(desk: Desk, aws: AdminClient) -> None:
    make_class(desk)
    label(desk, "team-b")
    desk.put("orders", namespace="team-b", **REF)
    said = desk("why", "orders", "-n", "team-b", exits=2).output
    assert f"In AWS, gateway {GATEWAY}:\n  It was not looked at" in said
    assert "It has no target" not in said
    nothing_written(desk, aws)


def test_an_edit_that_a_class_does_not_permit_is_told_of_an_object_that_is_ready(
    desk: Desk, aws: AdminClient, tmp_path: Path
) -> None:
    make_class(desk)
    label(desk, "team-a")
    settle(desk, aws, "orders")
    assert actions(desk, exits=0) == {"team-a/orders": "none"}
    file = written(tmp_path / "edit.yaml", manifest("orders", endpoint="https://evil.example.com/mcp"))
    (row,) = desk.json("plan", "-f", file, exits=2)["objects"]
    assert (row["action"], row["reason"]) == ("not permitted", "NotPermitted")
    assert "endpoint https://evil.example.com/mcp" in row["message"]
    nothing_written(desk, aws)


def test_a_class_that_is_missing_is_told(desk: Desk, aws: AdminClient) -> None:
    make_class(desk, "others")
    desk.put("orders", **REF)
    said = desk("plan", exits=2).output
    assert "! not permitted team-a/orders" in said
    assert "MCPGateway tools does not exist." in said
    nothing_written(desk, aws)


def test_without_the_right_to_read_classes_that_is_said_and_the_others_are_planned(
    desk: Desk, aws: AdminClient
) -> None:
    make_class(desk)
    desk.put("orders", **REF)
    desk.put("plain")
    refuse(desk, MCPGATEWAYS)
    assert actions(desk, exits=1) == {"team-a/orders": "not known", "team-a/plain": "create"}
    said = desk("plan", exits=1).output
    assert "MCPGateway tools decides about it: your account may not list MCPGateways." in said
    assert said.splitlines()[-1].endswith("(the ClusterRole mcpgateway-viewer-role).")
    assert len(desk.json("plan", exits=1)["notes"]) == 1
    told = desk("why", "orders", exits=2).output
    assert "What the operator would do is not known. MCPGateway tools decides about it" in told
    nothing_written(desk, aws)


def test_the_name_of_a_namespace_is_known_without_the_right_to_read_it(desk: Desk, aws: AdminClient) -> None:
    make_class(desk)
    desk.put("orders", **REF)
    refuse(desk, NAMESPACES)
    assert actions(desk) == {"team-a/orders": "create"}
    nothing_written(desk, aws)


def test_hidden_labels_make_the_answer_unknown_and_not_a_refusal(desk: Desk, aws: AdminClient) -> None:
    make_class(desk, allow=[PLATFORM])
    label(desk, "team-a", tier="gold")
    desk.put("orders", **REF)
    refuse(desk, NAMESPACES)
    (row,) = desk.json("plan", exits=1)["objects"]
    assert row["action"] == "not known"
    assert row["message"].startswith("Your account may not read the labels of namespace team-a.")
    refuse(desk, NAMESPACES, verbs=("list",))
    assert "labels" not in desk.json("plan", exits=2)["objects"][0]["message"]
    nothing_written(desk, aws)


def test_a_manifest_for_a_namespace_that_is_to_come_is_judged_by_its_name(
    desk: Desk, aws: AdminClient, tmp_path: Path
) -> None:
    names = {"matchLabels": {"kubernetes.io/metadata.name": "team-new"}}
    wide = {"authTypes": ["*"], "grantTypes": ["*"], "endpoints": ["*"], "providers": ["*"]}
    make_class(desk, allow=[{"namespaces": names, **wide}])
    file = written(tmp_path / "new.yaml", manifest("orders", **REF))
    assert actions(desk, "-f", file, "-n", "team-new") == {"team-new/orders": "create"}
    assert actions(desk, "-f", file, "-n", "team-a") == {"team-a/orders": "not permitted"}
    nothing_written(desk, aws)


def test_the_default_of_the_operator_may_be_a_class(desk: Desk, aws: AdminClient) -> None:
    make_class(desk)
    label(desk, "team-a")
    desk.put("orders", gatewayId="")
    assert actions(desk, "--default-gateway-ref", "tools") == {"team-a/orders": "create"}
    assert actions(desk, "--require-gateway-ref", "--gateway-id", "plain-abcdefghij") == {
        "team-a/orders": "not permitted"
    }
    nothing_written(desk, aws)


def test_a_namespace_alone_is_said_to_be_all_that_was_read(desk: Desk, aws: AdminClient) -> None:
    settle(desk, aws, "orders")
    refusal = Fault(refuse=ApiError(403, "Forbidden", "may not"))
    desk.faults = lambda request: (
        refusal if request.resource == MCPSERVERS and request.namespace is None else None
    )
    said = desk("plan").output
    assert said.startswith("Nothing to do; 1 unchanged.\nOnly the namespace team-a was read")
