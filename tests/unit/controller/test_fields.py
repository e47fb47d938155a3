"""Every optional field: set, cleared, written in another way, and rewritten or filled in by AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api.types import MCPServerSpec
from mcp_gateway_operator.simulator import views
from mcp_gateway_operator.targets import marker
from tests.support.world import GATEWAY, PROVIDER, World, condition

KEY_PROVIDER = PROVIDER.replace("oauth2credentialprovider/idp", "apikeycredentialprovider/key")
TOOLS = '{"tools": [{"name": "forecast", "description": "", "inputSchema": {"type": "object"}}]}'
CODE = {"oauthGrantType": "AUTHORIZATION_CODE", "mcpToolSchema": {"inline": TOOLS}}
KEY = {"authType": "ApiKey", "apiKey": {"providerArn": KEY_PROVIDER}}
IAM = {"authType": "GatewayIamRole", "iam": {"service": "lambda"}}
VPC = {
    "managedVpcResource": {
        "vpcIdentifier": "vpc-0a1b2c3d",
        "subnetIds": ["subnet-0a1b2c3d", "subnet-0a1b2c3e"],
        "endpointIpAddressType": "IPV4",
    }
}

Config = dict[str, Any]


def server(target: Config) -> Config:
    """Return the part of a target that describes its server."""
    found: Config = target["targetConfiguration"]["mcp"]["mcpServer"]
    return found


def provider(target: Config) -> Config:
    """Return the fields of a target's credential provider."""
    (one,) = target["credentialProviderConfigurations"]
    (fields,) = one["credentialProvider"].values()
    found: Config = fields
    return found


def metadata(target: Config) -> Config:
    """Return what a target passes on."""
    found: Config = target.get("metadataConfiguration", {})
    return found


def vpc(target: Config) -> Config:
    """Return a target's private endpoint in a VPC."""
    found: Config = target["privateEndpoint"]["managedVpcResource"]
    return found


def text(target: Config) -> str | None:
    """Return a target's description as its user wrote it."""
    return marker.strip(target.get("description")) or None


def managed(**more: Any) -> Config:
    """Return a spec's private endpoint with more members."""
    return {"privateEndpoint": {"managedVpcResource": {**VPC["managedVpcResource"], **more}}}


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
    *("gatewayId", "targetName"),
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
        await world.pass_time(3600)
        assert world.calls()["UpdateGatewayTarget"] == 1
        assert condition(await world.get()).status == "True"
        assert len(world.writes()) <= 2


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


# -- what AWS makes of it ---------------------------------------------------------------------------------


def fill(where: Callable[[Config], Config], **values: Any) -> Callable[[Config], None]:
    """Return what adds members that are absent."""

    def change(target: Config) -> None:
        part = where(target)
        for key, value in values.items():
            part.setdefault(key, value)

    return change


def rewrite(
    where: Callable[[Config], Config], key: str, how: Callable[[Any], Any]
) -> Callable[[Config], None]:
    """Return what writes a member in another way, if it is there."""

    def change(target: Config) -> None:
        part = where(target)
        if key in part:
            part[key] = how(part[key])

    return change


def whole(target: Config) -> Config:
    """Return the target itself."""
    return target


def passed(target: Config) -> Config:
    """Return what a target passes on, made if it is not there."""
    found: Config = target.setdefault("metadataConfiguration", {})
    return found


FILLED: dict[str, tuple[Config, Callable[[Config], None]]] = {
    "apiKey.parameterName": (KEY, fill(provider, credentialParameterName="Authorization")),
    "apiKey.prefix": (KEY, fill(provider, credentialPrefix="Bearer")),
    "oauthDefaultReturnUrl": (CODE, fill(provider, defaultReturnUrl="https://console.example.com/")),
    "oauthCustomParameters": ({}, fill(provider, customParameters={"resource": "a"})),
    "mcpToolSchema.bucketOwnerAccountId": (
        {"mcpToolSchema": {"s3": {"uri": "s3://my-bucket/tools.json"}}},
        fill(lambda target: server(target)["mcpToolSchema"]["s3"], bucketOwnerAccountId="123456789012"),
    ),
    "allowedRequestHeaders": ({}, fill(passed, allowedRequestHeaders=["X-Trace"])),
    "allowedResponseHeaders": ({}, fill(passed, allowedResponseHeaders=["X-Trace"])),
    "allowedQueryParameters": ({}, fill(passed, allowedQueryParameters=["trace"])),
    "privateEndpoint.managedVpcResource.securityGroupIds": (
        managed(),
        fill(vpc, securityGroupIds=["sg-0a1b2c3d"]),
    ),
    "certificateConfigurations.0.s3.bucketOwnerAccountId": (
        {"certificateConfigurations": [{"s3": {"uri": "s3://my-bucket/ca.pem"}}]},
        fill(
            lambda target: target["certificateConfigurations"][0]["s3"], bucketOwnerAccountId="123456789012"
        ),
    ),
}
KNOWN_DEFAULTS: dict[str, tuple[Config, Callable[[Config], None]]] = {
    "listingMode": ({}, fill(server, listingMode="DEFAULT")),
    "resourcePriority": ({}, fill(server, resourcePriority=1000)),
    "apiKey.location": (KEY, fill(provider, credentialLocation="HEADER")),
    "iam.region": (IAM, fill(provider, region="us-east-1")),
    "empty lists": (
        {"authType": "NoAuth", "oauthScopes": []},
        fill(whole, credentialProviderConfigurations=[], certificateConfigurations=[]),
    ),
    "empty metadata": ({}, fill(passed, allowedRequestHeaders=[], allowedQueryParameters=[])),
    "policy session header": (
        {"allowedRequestHeaders": ["X-A"]},
        rewrite(
            metadata,
            "allowedRequestHeaders",
            lambda names: ["X-Amzn-Bedrock-AgentCore-Policy-Session-Id", *names],
        ),
    ),
    "order of parameters": (
        {"oauthCustomParameters": {"a": "1", "b": "2"}},
        rewrite(provider, "customParameters", lambda fields: dict(reversed(fields.items()))),
    ),
    "case of headers": (
        {"allowedRequestHeaders": ["X-A"]},
        rewrite(metadata, "allowedRequestHeaders", lambda names: [name.upper() for name in names]),
    ),
    "case of the host": (
        {"endpoint": "https://Weather.example.com/mcp"},
        rewrite(server, "endpoint", str.lower),
    ),
    "slash after the host": (
        {"endpoint": "https://weather.example.com"},
        rewrite(server, "endpoint", lambda url: url if url.endswith("/") else f"{url}/"),
    ),
    "order of subnets": (managed(), rewrite(vpc, "subnetIds", lambda ids: ids[::-1])),
}
REWRITTEN: dict[str, tuple[Config, Callable[[Config], None]]] = {
    "endpoint": ({}, rewrite(server, "endpoint", lambda url: f"{url}/")),
    "listingMode": ({}, fill(server, listingMode="DYNAMIC")),
    "resourcePriority": ({}, fill(server, resourcePriority=500)),
    "oauthProviderArn": ({}, rewrite(provider, "providerArn", lambda arn: arn.replace("idp", "IDP"))),
    "oauthScopes": ({}, rewrite(provider, "scopes", lambda scopes: ["openid", *scopes])),
    "oauthGrantType": ({}, rewrite(provider, "grantType", lambda _: "TOKEN_EXCHANGE")),
    "oauthCustomParameters": (
        {"oauthCustomParameters": {"a": "1"}},
        rewrite(provider, "customParameters", lambda fields: {**fields, "b": "2"}),
    ),
    "apiKey.location": (KEY, fill(provider, credentialLocation="QUERY_PARAMETER")),
    "apiKey.prefix": (
        {**KEY, "apiKey": {**KEY["apiKey"], "prefix": "bearer"}},  # type: ignore[dict-item]  -- a dict
        rewrite(provider, "credentialPrefix", str.title),
    ),
    "iam.region": (IAM, fill(provider, region="eu-west-1")),
    "allowedQueryParameters": (
        {"allowedQueryParameters": ["a"]},
        rewrite(metadata, "allowedQueryParameters", lambda names: [name.upper() for name in names]),
    ),
    "mcpToolSchema": (
        {"mcpToolSchema": {"s3": {"uri": "s3://my-bucket/tools.json"}}},
        rewrite(server, "mcpToolSchema", lambda _: {"s3": {"uri": "s3://my-bucket/other.json"}}),
    ),
    "privateEndpoint.managedVpcResource.routingDomain": (
        managed(routingDomain="mcp.internal"),
        rewrite(vpc, "routingDomain", lambda domain: f"{domain}."),
    ),
}

Rewriting = Callable[[Callable[[Config], None], bool], None]


@pytest.fixture
def appearance(monkeypatch: pytest.MonkeyPatch) -> Rewriting:
    """Let AWS show a target otherwise than it was sent: at once, or only once it has settled."""
    plain = views.shown_config

    def apply(change: Callable[[Config], None], at_once: bool) -> None:
        def shown(target: Any, switches: Any) -> bytes:
            config = msgspec.json.decode(plain(target, switches))
            if at_once or target.status == "READY":
                change(config)
            return msgspec.json.encode(config)

        monkeypatch.setattr(views, "shown_config", shown)

    return apply


AT_ONCE = pytest.mark.parametrize("at_once", [True, False], ids=["at once", "when it has settled"])


async def lives(world: World, base: Config) -> None:
    """Create an object, and let an operator and its successor look at it for hours."""
    async with world.operator(sweep_interval=600.0, drift_interval=60.0):
        await world.create(**base)
        await world.pass_time(3 * 3600)
    async with world.operator(sweep_interval=600.0, drift_interval=60.0):
        await world.pass_time(3 * 3600)


@AT_ONCE
@pytest.mark.parametrize("name", KNOWN_DEFAULTS)
async def test_known_defaults_and_spellings_are_no_drift(
    appearance: Rewriting, name: str, at_once: bool
) -> None:
    base, change = KNOWN_DEFAULTS[name]
    world = World()
    appearance(change, at_once)
    await lives(world, base)
    assert world.calls()["UpdateGatewayTarget"] == 0
    assert condition(await world.get()).status == "True"


@pytest.mark.parametrize("name", FILLED)
async def test_what_aws_fills_in_is_no_drift_but_a_change_of_it_is(appearance: Rewriting, name: str) -> None:
    base, change = FILLED[name]
    world = World()
    appearance(change, at_once=True)
    await lives(world, base)
    assert world.calls()["UpdateGatewayTarget"] == 0
    obj = await world.get()
    assert condition(obj).status == "True"
    assert obj.status.observed is not None
    assert set(obj.status.observed.defaults) == {name}


@pytest.mark.parametrize("name", FILLED)
async def test_what_aws_fills_in_later_is_reported_after_one_update(appearance: Rewriting, name: str) -> None:
    """AWS's answers to our writes do not show it, so that it looks like somebody's edit."""
    base, change = FILLED[name]
    world = World()
    appearance(change, at_once=False)
    await lives(world, {**base, "driftPolicy": "Repair"})
    assert world.calls()["UpdateGatewayTarget"] == 1
    assert condition(await world.get()).reason == "NotConverging"


@AT_ONCE
@pytest.mark.parametrize("name", REWRITTEN)
async def test_what_aws_rewrites_is_reported_and_not_fought(
    appearance: Rewriting, name: str, at_once: bool
) -> None:
    base, change = REWRITTEN[name]
    world = World()
    appearance(change, at_once)
    await lives(world, base)
    assert world.calls()["UpdateGatewayTarget"] <= 1
    obj = await world.get()
    assert condition(obj).reason == "NotConverging"
    assert name in condition(obj).message


async def test_a_filled_in_field_is_cleared_and_repaired_like_any_other(appearance: Rewriting) -> None:
    base, change = FILLED["apiKey.parameterName"]
    world = World()
    appearance(change, at_once=True)
    async with world.operator(drift_interval=10.0):
        await world.create(**base)
        obj = await world.until_ready()
        await world.edit(spec={"apiKey": {"parameterName": "X-Key"}})
        await world.until_ready(within=10)
        world.forget_calls()
        await world.edit(spec={"apiKey": {"parameterName": ""}})
        await world.until_ready(within=10)
        assert world.calls()["UpdateGatewayTarget"] == 1
        world.forget_calls()
        credentials = world.targets()[0]["credentialProviderConfigurations"]
        provider({"credentialProviderConfigurations": credentials})["credentialParameterName"] = "X-Evil"
        world.aws.edit_target(obj.status.target_id, credentialProviderConfigurations=credentials)
        await world.until(lambda: "X-Evil" not in str(world.targets()), within=30)
        await world.until_ready(within=10)
        await world.pass_time(600)
        assert world.calls()["UpdateGatewayTarget"] == 1


async def test_a_field_that_aws_does_not_clear_is_reported(appearance: Rewriting) -> None:
    world = World()
    async with world.operator():
        await world.create(**KEY)
        await world.until_ready()
        await world.edit(spec={"apiKey": {"prefix": "Bearer"}})
        await world.until_ready(within=10)
        appearance(fill(provider, credentialPrefix="Bearer"), at_once=True)
        world.forget_calls()
        await world.edit(spec={"apiKey": {"prefix": ""}})
        obj = await world.until_reason("NotConverging", within=20)
        assert 'apiKey.prefix: "Bearer" -> absent' in condition(obj).message
        await world.pass_time(7 * 3600)
        assert world.calls()["UpdateGatewayTarget"] == 1


@pytest.mark.parametrize("engine", [True, False], ids=["policy engine", "no policy engine"])
async def test_the_header_of_a_policy_engine_is_never_sent_and_never_fought(engine: bool) -> None:
    world = World()
    world.aws.edit_gateway(GATEWAY, policyEngine=engine)
    world.aws.configure(switches={"header_case": "lower", "list_order": "reversed", "shows_defaults": True})
    async with world.operator(sweep_interval=600.0):
        await world.create(allowedRequestHeaders=["X-A", "X-B"])
        await world.until_ready()
        world.aws.edit_gateway(GATEWAY, policyEngine=not engine)
        await world.pass_time(3600)
        assert world.calls()["UpdateGatewayTarget"] == 0
        await world.edit(spec={"allowedRequestHeaders": None})
        await world.until_ready(within=10)
        await world.pass_time(3600)
        assert world.calls()["UpdateGatewayTarget"] == 1
