"""The operations on gateways."""

from __future__ import annotations

from typing import Any

from .conftest import GATEWAY, Simulation
from .refusals import refusal

ROLE = "arn:aws:iam::123456789012:role/gateway"
ENGINE = "arn:aws:bedrock-agentcore:us-east-1:123456789012:policy-engine/engine-abcdefghij"


def make(sim: Simulation, name: str = "Mine", **members: Any) -> Any:
    return sim.control.create_gateway(name=name, roleArn=ROLE, authorizerType="AWS_IAM", **members)


def test_the_life_of_a_gateway(sim: Simulation) -> None:
    made = make(sim, description="for tests", tags={"team": "a"})
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert made["status"] == "CREATING"
    gateway = made["gatewayId"]
    assert gateway.startswith("mine-")
    assert made["gatewayUrl"] == f"https://{gateway}.gateway.bedrock-agentcore.us-east-1.amazonaws.com/mcp"
    with refusal("ConflictException", 409, "CREATING"):
        sim.create(gatewayIdentifier=gateway)
    sim.advance(1)
    target = sim.create(gatewayIdentifier=gateway)["targetId"]
    with refusal("ValidationException", 400, f"Gateway {gateway} has targets associated with it."):
        sim.control.delete_gateway(gatewayIdentifier=gateway)
    sim.advance(1)
    sim.control.delete_gateway_target(gatewayIdentifier=gateway, targetId=target)
    with refusal("ValidationException", 400, "Delete all targets before deleting the gateway."):
        sim.control.delete_gateway(gatewayIdentifier=gateway)
    sim.advance(1)
    answer = sim.control.delete_gateway(gatewayIdentifier=gateway)
    assert (answer["gatewayId"], answer["status"]) == (gateway, "DELETING")
    sim.advance(1)
    with refusal("ResourceNotFoundException", 404):
        sim.control.get_gateway(gatewayIdentifier=gateway)


def test_a_gateway_update_replaces_everything_but_the_name(sim: Simulation) -> None:
    gateway = make(sim, description="old", policyEngineConfiguration={"arn": ENGINE, "mode": "ENFORCE"})[
        "gatewayId"
    ]
    sim.advance(1)
    target = sim.create(gatewayIdentifier=gateway)["targetId"]
    request = {"gatewayIdentifier": gateway, "roleArn": ROLE, "authorizerType": "NONE"}
    with refusal("ValidationException", 400, "name"):
        sim.control.update_gateway(name="Other", **request)
    answer = sim.control.update_gateway(name="Mine", **request)
    assert answer["status"] == "UPDATING"
    with refusal("ConflictException", 409, "UPDATING"):
        sim.control.update_gateway(name="Mine", **request)
    sim.advance(1)
    shown = sim.control.get_gateway(gatewayIdentifier=gateway)
    assert (shown["status"], shown["authorizerType"]) == ("READY", "NONE")
    assert "description" not in shown
    assert "policyEngineConfiguration" not in shown
    shown = sim.control.get_gateway_target(gatewayIdentifier=gateway, targetId=target)
    assert "metadataConfiguration" not in shown  # the header went with the policy engine


def test_gateway_names_and_numbers_are_limited(sim: Simulation) -> None:
    make(sim)
    with refusal("ConflictException", 409):
        make(sim)
    sim.configure(quotas={"gateways": 2})
    with refusal("ServiceQuotaExceededException", 402):
        make(sim, "Another")


def test_a_jwt_gateway_needs_its_configuration(sim: Simulation) -> None:
    with refusal("ValidationException", 400, "AuthorizerConfiguration is required"):
        sim.control.create_gateway(name="Mine", roleArn=ROLE, authorizerType="CUSTOM_JWT")


def test_gateways_are_listed_in_pages(sim: Simulation) -> None:
    for number in range(4):
        make(sim, f"g{number}")
    pages = sim.control.get_paginator("list_gateways").paginate(PaginationConfig={"PageSize": 2})
    names = [[row["name"] for row in page["items"]] for page in pages]
    assert names == [["demo", "g0"], ["g1", "g2"], ["g3"]]


def test_unknown_gateways_are_not_found(sim: Simulation) -> None:
    with refusal("ResourceNotFoundException", 404, "nowhere-abcdefghij"):
        sim.control.list_gateway_targets(gatewayIdentifier="nowhere-abcdefghij")
    with refusal("ResourceNotFoundException", 404):
        sim.create(gatewayIdentifier="nowhere-abcdefghij")


def test_a_gateway_that_vanishes_takes_its_targets_along(sim: Simulation) -> None:
    target = sim.ready()
    sim.admin.delete_gateway(GATEWAY)
    with refusal("ResourceNotFoundException", 404):
        sim.get(target)
    sim.admin.create_gateway(GATEWAY)
    assert sim.rows() == []


def test_gateways_have_tags_and_targets_have_none(sim: Simulation) -> None:
    made = make(sim, tags={"team": "a", "env": "test"})
    arn = made["gatewayArn"]
    sim.control.tag_resource(resourceArn=arn, tags={"env": "prod", "cost": "7"})
    sim.control.untag_resource(resourceArn=arn, tagKeys=["team", "unknown"])
    assert sim.control.list_tags_for_resource(resourceArn=arn)["tags"] == {"env": "prod", "cost": "7"}
    with refusal("ServiceQuotaExceededException", 402):
        sim.control.tag_resource(resourceArn=arn, tags={f"k{number}": "v" for number in range(50)})
    for other in (f"{arn}x", arn.replace("us-east-1", "eu-west-1"), arn.replace("gateway/", "runtime/")):
        with refusal("ResourceNotFoundException", 404):
            sim.control.list_tags_for_resource(resourceArn=other)
