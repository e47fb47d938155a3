"""The commands where MCPGateways name gateways of other accounts and Regions."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from agentcore_simulator import AdminClient
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import PatchType
from tests.support.accounts import FAR_REGION, OWN, REGION, SPOKE, Cloud, role
from tests.support.classes import ALLOW, arn
from tests.support.world import GATEWAY
from tests.unit.cli.fleet.account import server, settle
from tests.unit.cli.fleet.conftest import Desk
from tests.unit.cli.fleet.platform import label, make_class

FAR = arn(GATEWAY, account=SPOKE)
REF: dict[str, Any] = {
    "gatewayId": "",
    "gatewayRef": {"name": "tools"},
    "authType": "NoAuth",
    "oauthProviderArn": None,
    "oauthScopes": None,
}
ANY: list[dict[str, Any]] = [{**ALLOW, "authTypes": ["*"]}]
ASSUME = "--assume-class-roles"


@pytest.fixture
def spoke(desk: Desk, cloud: Cloud, aws: AdminClient) -> AdminClient:  # noqa: ARG001  -- the own account, too
    """Another account with a gateway of the same id as the own one, and its MCPGateway."""
    far = cloud.aws()
    far.create_gateway(GATEWAY)
    make_class(desk, gatewayArn=FAR, allow=ANY, aws={"roleArn": role()})
    label(desk, "team-a")
    return far


def settle_far(desk: Desk, far: AdminClient, name: str = "far", gateway: str = FAR) -> str:
    """Let an object have its target elsewhere, as an operator records it."""
    target_id = settle(desk, far, name, **REF)
    patch = {"status": {"gatewayId": gateway, "gatewayArn": gateway}}
    desk.api.store.patch(MCPSERVERS, "team-a", name, patch, kind=PatchType.MERGE, subresource="status")
    return target_id


def accept(desk: Desk, name: str = "tools") -> None:
    """Let the operator have said that it works by an MCPGateway, with seven targets on it."""
    accepted = {"type": "Accepted", "status": "True", "reason": "Accepted"}
    status = {"status": {"conditions": [accepted], "targets": {"used": 7}}}
    desk.api.store.patch(MCPGATEWAYS, None, name, status, kind=PatchType.MERGE, subresource="status")


def remove(desk: Desk, name: str) -> None:
    """Let an object be gone without its target."""
    off = {"metadata": {"finalizers": None}}
    desk.api.store.patch(MCPSERVERS, "team-a", name, off, kind=PatchType.MERGE)
    desk.api.store.delete(MCPSERVERS, "team-a", name)


def test_plan_of_another_account_is_not_known_until_its_role_may_be_assumed(
    desk: Desk, cloud: Cloud, spoke: AdminClient
) -> None:
    desk.put("orders", **REF)
    desk.put("near")
    found = {each["name"]: each for each in desk.json("plan", exits=1)["objects"]}
    assert found["near"]["action"] == "create"
    assert found["orders"]["action"] == "not known"
    said = found["orders"]["message"]
    assert f"it is in account {SPOKE}, and your credentials are of account {OWN}" in said
    assert "--assume-class-roles" in said
    assert cloud.asked == [], "nobody asked for a role"
    found = {each["name"]: each for each in desk.json("plan", ASSUME, exits=2)["objects"]}
    assert {name: (each["action"], each["gateway"]) for name, each in found.items()} == {
        "near": ("create", GATEWAY),
        "orders": ("create", FAR),
    }
    assert [each.identity.role_arn for each in cloud.asked] == [role()]
    assert spoke.targets(GATEWAY) == []


def test_plan_where_sts_denies_the_role_is_not_known_and_asks_once(
    desk: Desk, cloud: Cloud, spoke: AdminClient
) -> None:
    desk.put("orders", **REF)
    cloud.denied.add(role())
    (row,) = desk.json("plan", ASSUME, exits=1)["objects"]
    assert row["action"] == "not known"
    assert f"Role {role()} cannot be assumed: AccessDenied" in row["message"]
    assert len(cloud.asked) == 1
    assert spoke.requests(limit=10) == []


def test_equal_ids_in_two_accounts_are_two_targets_for_every_command(
    desk: Desk, aws: AdminClient, spoke: AdminClient
) -> None:
    near, far = settle(desk, aws, "near"), settle_far(desk, spoke)
    assert near == far, "or this test would show less"
    said = desk("owner", near).output
    assert f"{near} (near) on {GATEWAY} is READY and belongs to MCPServer team-a/near." in said
    assert f"{FAR} could not be listed: it is in account {SPOKE}" in said
    said = desk("owner", near, ASSUME).output
    place = f"{SPOKE}:{REGION}/{far}"
    assert f"{place} (far) on {FAR} is READY and belongs to MCPServer team-a/far." in said
    assert "team-a/far" in desk("owner", place, ASSUME).output
    assert "team-a/near" not in desk("owner", place, ASSUME).output
    rows = desk.json("plan", ASSUME)["objects"]
    assert {(each["name"], each["gateway"], each["action"]) for each in rows} == {
        ("near", GATEWAY, "none"),
        ("far", FAR, "none"),
    }
    remove(desk, "near")
    (lost,) = desk.json("orphans", ASSUME, "--gateway", GATEWAY, exits=2)["orphans"]
    assert (lost["gateway"], lost["targetId"]) == (GATEWAY, near)
    assert "--region" not in lost["remove"]


def test_an_orphan_elsewhere_is_proven_there_and_removed_there(
    desk: Desk, aws: AdminClient, spoke: AdminClient
) -> None:
    settle(desk, aws, "near")
    target_id = settle_far(desk, spoke)
    settle_far(desk, spoke, "kept")
    remove(desk, "far")
    said = desk("orphans", exits=1).output
    assert "Orphans: 0 of 1 target." in said
    assert f"{FAR} could not be listed: it is in account {SPOKE}" in said
    (row,) = desk.json("orphans", ASSUME, exits=2)["orphans"]
    assert row["gateway"] == FAR
    assert row["remove"] == (
        f"aws bedrock-agentcore-control delete-gateway-target --gateway-identifier {GATEWAY} "
        f"--target-id {target_id} --region {REGION}  # as account {SPOKE}"
    )


def test_another_region_of_the_own_account_needs_no_role(desk: Desk, cloud: Cloud, aws: AdminClient) -> None:
    there = cloud.aws(OWN, FAR_REGION)
    there.create_gateway(GATEWAY)
    place = arn(GATEWAY, region=FAR_REGION)
    make_class(desk, gatewayArn=place, allow=ANY)
    label(desk, "team-a")
    target_id = settle_far(desk, there, "far", place)
    desk.put("new", **REF)
    settle(desk, aws, "near")
    assert f"on {place} is READY" in desk("owner", target_id).output
    rows = desk.json("plan", exits=2)["objects"]
    assert {each["name"]: (each["action"], each["gateway"]) for each in rows} == {
        "far": ("none", place),
        "near": ("none", GATEWAY),
        "new": ("create", place),
    }
    assert "Orphans: 0 of 2 targets" in desk("orphans").output


def test_a_caller_of_the_gateways_own_account_needs_no_role_and_the_hubs_is_not_read(
    desk: Desk, cloud: Cloud, aws: AdminClient, spoke: AdminClient
) -> None:
    settle(desk, aws, "near")
    target_id = settle_far(desk, spoke)
    cloud.home = SPOKE
    aws.clear_requests()
    said = desk("owner", target_id).output
    assert f"{target_id} (far) on {GATEWAY} is READY and belongs to MCPServer team-a/far." in said
    assert f"{arn(GATEWAY)} could not be listed: it is in account {OWN}" in said
    assert aws.requests(limit=10) == []


def test_why_tells_where_a_target_is_or_what_to_do_to_see_it(desk: Desk, spoke: AdminClient) -> None:
    target_id = settle_far(desk, spoke)
    said = desk("why", "far").output
    assert f"In AWS, gateway {FAR}:" in said
    assert f"it is in account {SPOKE}, and your credentials are of account {OWN}" in said
    assert "What the operator would do is not known." in said
    said = desk("why", "far", ASSUME).output
    assert f"  Target {target_id} (far) is READY, with this object's marker" in said
    assert "  Field by field it is what the spec says" in said


def test_import_writes_a_reference_where_only_that_leads(desk: Desk, spoke: AdminClient) -> None:
    spoke.create_target(GATEWAY, name="by-hand", targetConfiguration=server())
    for gateway in ("tools", FAR):
        found = yaml.safe_load(desk("import", gateway, ASSUME).stdout)
        assert found["spec"]["gatewayRef"] == {"name": "tools"}
        assert "gatewayId" not in found["spec"]
    assert "never permits adoption" in desk("import", "tools", ASSUME, "--adopt", exits=2).output
    assert f"it is in account {SPOKE}" in desk("import", FAR, ASSUME, "--no-cluster", exits=1).output
    assert "There is no MCPGateway 'tolls'" in desk("import", "tolls", ASSUME, exits=1).output


def test_doctor_says_which_gateway_was_not_looked_at_and_how_full_each_is(
    desk: Desk, aws: AdminClient, spoke: AdminClient
) -> None:
    settle(desk, aws, "near")
    settle_far(desk, spoke)
    said = desk("doctor").output
    assert f"Gateway {GATEWAY} has 1/100 targets" in said
    assert f"??  Gateway {FAR} was not looked at: it is in account {SPOKE}" in said
    assert f"Gateway {FAR} has 1/100 targets" in desk("doctor", ASSUME).output


def test_credentials_of_another_account_than_the_operators_are_told_apart(
    desk: Desk, cloud: Cloud, aws: AdminClient
) -> None:
    settle(desk, aws, "near")
    assert desk.json("plan")["notes"] == []
    cloud.home = SPOKE
    (note,) = desk.json("plan", exits=1)["notes"]
    assert f"of account {OWN} and Region {REGION} by their ids alone" in note
    assert f"your credentials act in account {SPOKE}" in note
    assert "give the operator's --aws-region, and credentials of its account" in note


def test_status_calls_a_gateway_elsewhere_by_account_and_region(
    desk: Desk, aws: AdminClient, spoke: AdminClient
) -> None:
    accept(desk)
    settle(desk, aws, "near")
    settle_far(desk, spoke)
    desk.put("new", **REF)
    said = desk("status", exits=2).output
    place = f"{SPOKE}:{REGION}/{GATEWAY}"
    (far,) = (line.split() for line in said.splitlines() if line.startswith(place))
    assert far == [place, "1", "1", "7/100", "tools"]
    (near,) = (line.split() for line in said.splitlines() if line.startswith(GATEWAY))
    assert near == [GATEWAY, "1", "0", "1", "-"]
    for on in (place, FAR, "tools"):
        rows = desk.json("status", "--gateway", on, exits=2)["objects"]
        assert [(each["name"], each["gateway"]) for each in rows] == [("far", FAR), ("new", FAR)]
    (row,) = desk.json("status", "--gateway", GATEWAY)["objects"]
    assert row["name"] == "near"
