"""Every optional field: set, cleared, and written in another way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api.types import MCPServerSpec
from tests.support.world import World, condition
from tests.unit.controller.fields import (
    CODE,
    IAM,
    KEY,
    TOOLS,
    VPC,
    Config,
    managed,
    metadata,
    provider,
    server,
    text,
    vpc,
)

# What the spec holds besides, the optional field set, what clears it, and where AWS keeps it.
Clearing = tuple[Config, Config, Config, Callable[[Config], Any]]
CLEARED: dict[str, Clearing] = {
    "description": ({}, {"description": "Forecasts"}, {"description": None}, text),
    "listingMode": (
        {},
        {"listingMode": "DYNAMIC"},
        {"listingMode": None},
        lambda target: server(target).get("listingMode"),
    ),
    "resourcePriority": (
        {},
        {"resourcePriority": 0},
        {"resourcePriority": None},
        lambda target: server(target).get("resourcePriority"),
    ),
    "mcpToolSchema.inline": (
        {},
        {"mcpToolSchema": {"inline": TOOLS}},
        {"mcpToolSchema": None},
        lambda target: server(target).get("mcpToolSchema"),
    ),
    "mcpToolSchema.s3": (
        {},
        {"mcpToolSchema": {"s3": {"uri": "s3://my-bucket/tools.json"}}},
        {"mcpToolSchema": None},
        lambda target: server(target).get("mcpToolSchema"),
    ),
    "mcpToolSchema.s3.bucketOwnerAccountId": (
        {"mcpToolSchema": {"s3": {"uri": "s3://my-bucket/tools.json"}}},
        {"mcpToolSchema": {"s3": {"bucketOwnerAccountId": "123456789012"}}},
        {"mcpToolSchema": {"s3": {"bucketOwnerAccountId": ""}}},
        lambda target: server(target)["mcpToolSchema"]["s3"].get("bucketOwnerAccountId"),
    ),
    "allowedRequestHeaders": (
        {},
        {"allowedRequestHeaders": ["X-A"]},
        {"allowedRequestHeaders": []},
        lambda target: metadata(target).get("allowedRequestHeaders"),
    ),
    "allowedQueryParameters": (
        {},
        {"allowedQueryParameters": ["a"]},
        {"allowedQueryParameters": []},
        lambda target: metadata(target).get("allowedQueryParameters"),
    ),
    "allowedResponseHeaders": (
        {},
        {"allowedResponseHeaders": ["X-A"]},
        {"allowedResponseHeaders": None},
        lambda target: metadata(target).get("allowedResponseHeaders"),
    ),
    "oauthScopes": (
        {},
        {"oauthScopes": ["write"]},
        {"oauthScopes": None},
        lambda target: provider(target)["scopes"] or None,
    ),
    "oauthGrantType": (
        {"mcpToolSchema": {"inline": TOOLS}},
        {"oauthGrantType": "AUTHORIZATION_CODE"},
        {"oauthGrantType": ""},
        lambda target: {"CLIENT_CREDENTIALS": None}.get(provider(target)["grantType"], "another"),
    ),
    "oauthDefaultReturnUrl": (
        CODE,
        {"oauthDefaultReturnUrl": "https://portal.example.com/done"},
        {"oauthDefaultReturnUrl": ""},
        lambda target: provider(target).get("defaultReturnUrl"),
    ),
    "oauthCustomParameters": (
        {},
        {"oauthCustomParameters": {"audience": "a"}},
        {"oauthCustomParameters": {"audience": None}},
        lambda target: provider(target).get("customParameters"),
    ),
    "iam.region": (
        IAM,
        {"iam": {"region": "eu-west-1"}},
        {"iam": {"region": None}},
        lambda target: provider(target).get("region"),
    ),
    "apiKey.location": (
        KEY,
        {"apiKey": {"location": "QUERY_PARAMETER"}},
        {"apiKey": {"location": ""}},
        lambda target: provider(target).get("credentialLocation"),
    ),
    "apiKey.parameterName": (
        KEY,
        {"apiKey": {"parameterName": "X-Key"}},
        {"apiKey": {"parameterName": ""}},
        lambda target: provider(target).get("credentialParameterName"),
    ),
    "apiKey.prefix": (
        KEY,
        {"apiKey": {"prefix": "Bearer"}},
        {"apiKey": {"prefix": None}},
        lambda target: provider(target).get("credentialPrefix"),
    ),
    "privateEndpoint": (
        {},
        {"privateEndpoint": VPC},
        {"privateEndpoint": None},
        lambda target: target.get("privateEndpoint"),
    ),
    "privateEndpoint.securityGroupIds": (
        managed(),
        managed(securityGroupIds=["sg-0a1b2c3d"]),
        managed(securityGroupIds=[]),
        lambda target: vpc(target).get("securityGroupIds"),
    ),
    "privateEndpoint.tags": (
        managed(),
        managed(tags={"team": ""}),
        managed(tags=None),
        lambda target: vpc(target).get("tags"),
    ),
    "privateEndpoint.routingDomain": (
        managed(),
        managed(routingDomain="mcp.internal"),
        managed(routingDomain=""),
        lambda target: vpc(target).get("routingDomain"),
    ),
    "certificateConfigurations": (
        {},
        {"certificateConfigurations": [{"s3": {"uri": "s3://my-bucket/ca.pem"}}]},
        {"certificateConfigurations": []},
        lambda target: target.get("certificateConfigurations"),
    ),
    "certificateConfigurations.s3.bucketOwnerAccountId": (
        {"certificateConfigurations": [{"s3": {"uri": "s3://my-bucket/ca.pem"}}]},
        {
            "certificateConfigurations": [
                {"s3": {"uri": "s3://my-bucket/ca.pem", "bucketOwnerAccountId": "123456789012"}}
            ]
        },
        {"certificateConfigurations": [{"s3": {"uri": "s3://my-bucket/ca.pem"}}]},
        lambda target: target["certificateConfigurations"][0]["s3"].get("bucketOwnerAccountId"),
    ),
}
ELSEWHERE = {
    # Required by their authType, or only of interest to the operator.
    *("endpoint", "capabilities", "authType", "oauthProviderArn", "iam", "apiKey", "toolSync"),
    *("deletionPolicy", "driftPolicy", "managementPolicy", "adoptionPolicy"),
    # A change of these is a move and a rename.
    *("gatewayId", "gatewayRef", "targetName"),
}


def test_no_field_is_forgotten() -> None:
    fields = {each.encode_name for each in msgspec.structs.fields(MCPServerSpec)}
    assert fields - ELSEWHERE == {name.partition(".")[0] for name in CLEARED} - ELSEWHERE


@pytest.mark.parametrize("name", CLEARED)
async def test_clearing_a_field_clears_it_at_aws_with_one_update(name: str) -> None:
    base, field, cleared, where = CLEARED[name]
    world = World()
    async with world.operator(sweep_interval=600.0):
        await world.create(**base)
        await world.until_ready()
        assert name == "oauthScopes" or where(world.targets()[0]) is None
        await world.edit(spec=field)
        await world.until_ready(within=10)
        assert where(world.targets()[0]) is not None
        await world.pass_time(5)
        world.forget_calls()
        await world.edit(spec=cleared)
        await world.until_ready(within=10)
        assert where(world.targets()[0]) is None
        await world.pass_time(1300)
        assert world.calls()["UpdateGatewayTarget"] == 1
        assert condition(await world.get()).status == "True"
        assert len(world.writes()) <= 2


LATTICE = {"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}}
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mcp-ca-AbCdEf"
# One form of a field that has several, the other in a merge patch, and the other as AWS holds it.
FORMS: dict[str, tuple[Config, Config, Callable[[Config], Any], Any]] = {
    "mcpToolSchema": (
        {"mcpToolSchema": {"inline": TOOLS}},
        {"mcpToolSchema": {"inline": None, "s3": {"uri": "s3://my-bucket/tools.json"}}},
        lambda target: server(target)["mcpToolSchema"],
        {"s3": {"uri": "s3://my-bucket/tools.json"}},
    ),
    "privateEndpoint": (
        managed(tags={"team": "a"}),
        {"privateEndpoint": {"managedVpcResource": None, **LATTICE}},
        lambda target: target["privateEndpoint"],
        LATTICE,
    ),
    "certificateConfigurations": (
        {"certificateConfigurations": [{"s3": {"uri": "s3://my-bucket/ca.pem"}}]},
        {"certificateConfigurations": [{"secretsManager": {"secretArn": SECRET}}]},
        lambda target: target["certificateConfigurations"],
        [{"secretsManager": {"secretArn": SECRET}}],
    ),
}


@pytest.mark.parametrize("name", FORMS)
async def test_a_field_takes_its_other_form_with_one_update(name: str) -> None:
    form, other, where, held = FORMS[name]
    world = World()
    async with world.operator(sweep_interval=600.0):
        await world.create(**form)
        await world.until_ready()
        await world.edit(spec=other)
        await world.until_ready(within=10)
        assert where(world.targets()[0]) == held
        await world.pass_time(1300)
        assert world.calls()["UpdateGatewayTarget"] == 1


WRITTEN_OTHERWISE: dict[str, tuple[Config, Config]] = {
    "order and case of headers": (
        {"allowedRequestHeaders": ["X-A", "X-B"], "allowedResponseHeaders": ["X-C", "X-D"]},
        {"allowedRequestHeaders": ["x-b", "X-a"], "allowedResponseHeaders": ["X-D", "x-c"]},
    ),
    "order of query parameters": (
        {"allowedQueryParameters": ["a", "b"]},
        {"allowedQueryParameters": ["b", "a", "a"]},
    ),
    "order of scopes": ({"oauthScopes": ["a", "b"]}, {"oauthScopes": ["b", "a"]}),
    "order of subnets": (managed(), managed(subnetIds=["subnet-0a1b2c3e", "subnet-0a1b2c3d"])),
    "empty texts and lists": (
        {},
        {
            "description": "",
            "listingMode": "",
            "oauthGrantType": "",
            "oauthDefaultReturnUrl": "",
            "allowedRequestHeaders": [],
            "oauthCustomParameters": {},
            "certificateConfigurations": [],
        },
    ),
    "defaults spelled out": (
        {},
        {"listingMode": "DEFAULT", "resourcePriority": 1000, "oauthGrantType": "CLIENT_CREDENTIALS"},
    ),
    "a key's default place": (KEY, {"apiKey": {"location": "HEADER"}}),
    "the gateway's Region": (IAM, {"iam": {"region": "us-east-1"}}),
    "spelling of the address": ({}, {"endpoint": "https://Weather.example.com:443/mcp"}),
    "white space in a tool schema": (
        {"mcpToolSchema": {"inline": TOOLS}},
        {"mcpToolSchema": {"inline": TOOLS.replace(",", " ,\n")}},
    ),
    "white space around a description": ({"description": "Forecasts"}, {"description": " Forecasts "}),
    "what only the operator reads": (
        {},
        {"capabilities": ["tools", "prompts"], "deletionPolicy": "Retain", "driftPolicy": "Repair"},
    ),
}


@pytest.mark.parametrize("name", WRITTEN_OTHERWISE)
async def test_what_means_the_same_sends_nothing(name: str) -> None:
    base, other = WRITTEN_OTHERWISE[name]
    world = World()
    async with world.operator():
        await world.create(**base)
        await world.until_ready()
        await world.pass_time(5)
        world.forget_calls()
        await world.edit(spec=other)
        await world.until_ready(within=5)
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}
        assert world.calls()["GetGatewayTarget"] <= 1
        assert len(world.writes()) <= 1
