"""Several accounts and Regions in one simulator: equal ids, and what one sees of the other (nothing)."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from agentcore_simulator import AdminRefusedError

from .conftest import GATEWAY, Simulation, server
from .refusals import refusal

OTHER = "222222222222"
TARGET = "ABCDEFGHIJ"


def two_equal_gateways(sim: Simulation) -> Any:
    """A gateway of the same id, with a target of the same id, in another account and Region."""
    place = sim.admin.account(OTHER, "eu-west-1")
    place.create_gateway(GATEWAY)
    sim.admin.create_target(GATEWAY, name="ours", targetId=TARGET, targetConfiguration=server())
    place.create_target(GATEWAY, name="theirs", targetId=TARGET, targetConfiguration=server())
    return place


def test_equal_ids_in_two_accounts_are_two_targets(sim: Simulation) -> None:
    place = two_equal_gateways(sim)
    theirs = sim.client(OTHER, "eu-west-1")
    assert sim.get(TARGET)["name"] == "ours"
    assert theirs.get_gateway_target(gatewayIdentifier=GATEWAY, targetId=TARGET)["name"] == "theirs"
    theirs.update_gateway_target(
        gatewayIdentifier=GATEWAY, targetId=TARGET, name="renamed", targetConfiguration=server()
    )
    sim.advance(1)
    sim.delete(TARGET)
    sim.advance(1)
    assert sim.admin.targets(GATEWAY) == []
    assert [row["name"] for row in place.targets(GATEWAY)] == ["renamed"]
    assert place.targets(GATEWAY)[0]["gatewayArn"].split(":")[3:5] == ["eu-west-1", OTHER]


def test_edits_from_outside_mean_the_account_they_name_and_else_the_one_of_the_settings(
    sim: Simulation,
) -> None:
    place = two_equal_gateways(sim)
    place.edit_target(TARGET, description="edited")
    place.set_status(TARGET, "FAILED", ["gone"])
    assert "description" not in sim.admin.target(TARGET)
    assert (place.target(TARGET)["description"], place.target(TARGET)["status"]) == ("edited", "FAILED")
    sim.admin.delete_target(TARGET)
    assert sim.admin.targets(GATEWAY) == []
    assert place.target(TARGET)["name"] == "theirs"
    place.edit_gateway(GATEWAY, status="FAILED")
    assert sim.control.get_gateway(gatewayIdentifier=GATEWAY)["status"] == "READY"
    place.delete_gateway(GATEWAY)
    assert [found["account"] for found in sim.admin.state()["gateways"]] == ["123456789012"]


def test_what_is_in_several_accounts_has_to_be_told_apart(sim: Simulation) -> None:
    for account in (OTHER, "333333333333"):
        sim.admin.account(account, "eu-west-1").create_gateway("far-abcdefghij")
    with pytest.raises(AdminRefusedError, match=f"{OTHER}/eu-west-1/far-abcdefghij") as caught:
        sim.admin.delete_gateway("far-abcdefghij")
    assert caught.value.status == 400
    sim.admin.account(OTHER).delete_gateway("far-abcdefghij")
    sim.admin.delete_gateway("far-abcdefghij")  # only one is left
    assert [found["gateway"]["gatewayId"] for found in sim.admin.state()["gateways"]] == [GATEWAY]


def test_equal_target_ids_in_two_gateways_of_one_account(sim: Simulation) -> None:
    sim.admin.create_gateway("other-abcdefghij")
    for gateway in (GATEWAY, "other-abcdefghij"):
        sim.admin.create_target(gateway, name="same", targetId=TARGET, targetConfiguration=server())
    with pytest.raises(AdminRefusedError, match="say which"):
        sim.admin.target(TARGET)
    sim.admin.edit_target(TARGET, gateway=GATEWAY, description="mine")
    assert sim.get(TARGET)["description"] == "mine"
    assert "description" not in sim.admin.target(TARGET, gateway="other-abcdefghij")


@pytest.mark.parametrize(("target_id", "text"), [("short", "not a target id"), (TARGET, "exists already")])
def test_a_target_id_that_cannot_be_is_refused(sim: Simulation, target_id: str, text: str) -> None:
    sim.admin.create_target(GATEWAY, name="one", targetId=TARGET, targetConfiguration=server())
    with pytest.raises(AdminRefusedError, match=text):
        sim.admin.create_target(GATEWAY, name="two", targetId=target_id, targetConfiguration=server())


def test_counted_ids_are_equal_in_equal_gateways_and_never_used_again(sim: Simulation) -> None:
    sim.configure(switches={"target_ids": "counted"})
    sim.admin.account(OTHER, "us-east-1").create_gateway(GATEWAY)
    theirs = sim.client(OTHER).create_gateway_target(
        gatewayIdentifier=GATEWAY, name="tools", targetConfiguration=server()
    )
    ours = sim.ready()
    assert ours == theirs["targetId"] == "T000000001"
    sim.delete(ours)
    sim.advance(1)
    sim.admin.restore(sim.admin.snapshot())
    assert sim.ready() == "T000000002"


def test_the_log_and_the_counts_tell_accounts_and_regions_apart(sim: Simulation) -> None:
    place = two_equal_gateways(sim)
    sim.get(TARGET)
    assert place.requests() == []
    sim.client(OTHER, "eu-west-1").get_gateway_target(gatewayIdentifier=GATEWAY, targetId=TARGET)
    (entry,) = place.requests()
    assert (entry["account"], entry["region"], entry["name"]) == (OTHER, "eu-west-1", "theirs")
    assert place.counts()["targets"] == {TARGET: {"GetGatewayTarget": 1}}
    assert sim.admin.counts()["targets"] == {TARGET: {"GetGatewayTarget": 2}}
    assert sim.admin.account(OTHER).counts()["operations"] == {"GetGatewayTarget": 1}
    assert sim.admin.account(OTHER, "us-east-1").counts()["operations"] == {}


def test_a_region_that_never_answers_is_the_only_one(sim: Simulation) -> None:
    place = two_equal_gateways(sim)
    sim.admin.add_fault(region="eu-west-1", kind="hang", count=None)
    with pytest.raises(ReadTimeoutError):
        sim.client(OTHER, "eu-west-1").list_gateways()
    with pytest.raises(ReadTimeoutError):
        sim.client(service="sts", region="eu-west-1").get_caller_identity()
    sim.get(TARGET)
    sim.admin.clear_faults()
    place.add_fault(kind="hang", count=None)
    sim.client(region="eu-west-1").list_gateways()
    with pytest.raises(ReadTimeoutError):
        sim.client(OTHER, "eu-west-1").list_gateways()


def test_scenarios_and_writers_can_be_of_one_account(sim: Simulation) -> None:
    place = two_equal_gateways(sim)
    place.add_scenario(outcome="failed", reasons=["not here"])
    sim.admin.add_writer(every=10, edit={"description": "drift"}, account=OTHER)
    theirs = sim.client(OTHER, "eu-west-1").create_gateway_target(
        gatewayIdentifier=GATEWAY, name="tools", targetConfiguration=server()
    )
    ours = sim.ready()
    assert sim.status(ours) == "READY"
    assert place.target(theirs["targetId"])["status"] == "FAILED"
    sim.advance(10)
    assert place.target(TARGET)["description"] == "drift"
    assert "description" not in sim.get(TARGET)


def test_consent_is_given_in_the_account_of_the_target(sim: Simulation) -> None:
    sim.admin.add_scenario(outcome="consent")
    target = sim.ready()
    waits = sim.get(target)["authorizationData"]["oauth2"]
    uri = waits["authorizationUrl"].partition("request_uri=")[2].replace("%3A", ":")
    asked = {"userIdentifier": {"userId": waits["userId"]}, "sessionUri": uri}
    data = sim.client(OTHER, service="bedrock-agentcore")
    with refusal("ResourceNotFoundException", 404):
        data.complete_resource_token_auth(**asked)
    sim.client(service="bedrock-agentcore").complete_resource_token_auth(**asked)
    assert sim.status(target) == "READY"
    (entry,) = sim.admin.requests(operation="CompleteResourceTokenAuth", status=200)
    assert (entry["target"], entry["name"]) == (target, "tools")


def test_accounts_survive_in_a_snapshot(sim: Simulation) -> None:
    place = two_equal_gateways(sim)
    sim.admin.restore(sim.admin.snapshot())
    assert (sim.admin.target(TARGET)["name"], place.target(TARGET)["name"]) == ("ours", "theirs")


def test_a_situation_names_account_and_region(sim: Simulation) -> None:
    elsewhere = {"account": OTHER, "region": "eu-west-1"}
    target = {"gatewayId": GATEWAY, "name": "theirs", "targetConfiguration": server()}
    for _ in range(2):  # the second time, everything is there
        sim.admin.apply(
            gateways=[{"gatewayId": GATEWAY, **elsewhere}],
            targets=[{**target, **elsewhere, "targetId": TARGET}, {**target, "name": "ours"}],
        )
    assert [row["name"] for row in sim.admin.account(OTHER).targets(GATEWAY)] == ["theirs"]
    assert [row["name"] for row in sim.admin.targets(GATEWAY)] == ["ours"]
    with pytest.raises(AdminRefusedError, match="no gateway"):
        sim.admin.apply(targets=[{**target, "account": "333333333333"}])
