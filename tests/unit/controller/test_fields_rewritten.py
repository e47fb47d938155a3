"""What AWS rewrites or fills in of a target: at most one Update, said in the status, and never a loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import pytest

from agentcore_simulator.plane import views
from agentcore_simulator.plane.appearance import shown_config
from tests.support.world import GATEWAY, World, condition
from tests.unit.controller.fields import (
    CODE,
    IAM,
    KEY,
    Config,
    managed,
    metadata,
    provider,
    server,
    vpc,
)


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
        {**KEY, "apiKey": {**KEY["apiKey"], "prefix": "bearer"}},
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


class Rewriting(Protocol):
    """Has AWS show targets changed by a function."""

    def __call__(self, change: Callable[[Config], None], *, at_once: bool) -> None:
        """Begin to do so: in every answer, or in those of targets that have settled."""


@pytest.fixture
def appearance(monkeypatch: pytest.MonkeyPatch) -> Rewriting:
    """Let AWS show a target otherwise than it was sent: at once, or only once it has settled."""
    plain = shown_config

    def apply(change: Callable[[Config], None], *, at_once: bool) -> None:
        def shown(target: Any, switches: Any) -> bytes:
            config = msgspec.json.decode(plain(target, switches))
            if at_once or target.status == "READY":
                change(config)
            return msgspec.json.encode(config)

        monkeypatch.setattr(views, "shown_config", shown)

    return apply


AT_ONCE = pytest.mark.parametrize("at_once", [True, False], ids=["at once", "when it has settled"])


async def lives(world: World, base: Config) -> None:
    """Create an object, and let an operator and its successor sweep it several times."""
    async with world.operator(sweep_interval=600.0, drift_interval=300.0):
        await world.create(**base)
        await world.pass_time(1800)
    async with world.operator(sweep_interval=600.0, drift_interval=300.0):
        await world.pass_time(1800)


@AT_ONCE
@pytest.mark.parametrize("name", KNOWN_DEFAULTS)
async def test_known_defaults_and_spellings_are_no_drift(
    appearance: Rewriting, name: str, at_once: bool
) -> None:
    base, change = KNOWN_DEFAULTS[name]
    world = World()
    appearance(change, at_once=at_once)
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
    appearance(change, at_once=at_once)
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
