"""Values that a newer rule refuses and that AWS holds from before: objects of an older operator or CRD."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServerSpec
from mcp_gateway_operator.targets.shape import target_request
from tests.support.world import GATEWAY, World, condition, manifest_spec

DRIFT: Final = 30.0
READS: Final = {"ListGatewayTargets", "GetGatewayTarget"}
OWNER: Final = ("cluster-a",)
VAULT: Final = "token-vault/default"
NO_AUTH: Final[dict[str, Any]] = {"authType": "NoAuth", "oauthProviderArn": None, "oauthScopes": None}
TWICE: Final = '{"tools": [{"name": "a", "inputSchema": {}}, {"name": "a", "inputSchema": {}}]}'
ODD: Final[dict[str, dict[str, Any]]] = {
    "underscore": {"endpoint": "https://my_server.example.com/mcp"},
    "password": {"endpoint": "https://u:p@mcp.example.com/mcp"},
    "fragment": {"endpoint": "https://mcp.example.com/mcp#top"},
    "placeholder": {"endpoint": "https://mcp.example.com/{tenant}/mcp"},
    "percent": {"endpoint": "https://mcp.example.com/100%"},
    "port": {"endpoint": "https://mcp.example.com:70000/mcp"},
    "arn": {"oauthProviderArn": "arn:aws:x:us-east-1:123456789012:y"},
    "kind of arn": {
        "oauthProviderArn": f"arn:aws:acps:us-east-1:123456789012:{VAULT}/apikeycredentialprovider/a"
    },
    "region": {"oauthProviderArn": f"arn:aws:acps:eu-west-1:123456789012:{VAULT}/oauth2credentialprovider/a"},
    "account": {
        "oauthProviderArn": f"arn:aws:acps:us-east-1:210987654321:{VAULT}/oauth2credentialprovider/a"
    },
    "left-over arn": {**NO_AUTH, "oauthProviderArn": "arn:aws:x:us-east-1:123456789012:y"},
    "key": {
        **NO_AUTH,
        "authType": "ApiKey",
        "apiKey": {"providerArn": "arn:aws:x:us-east-1:123456789012:y"},
    },
    "iam": {**NO_AUTH, "authType": "GatewayIamRole", "iam": {"service": "lambda", "region": "US-EAST-1"}},
    "tools": {"mcpToolSchema": {"inline": TWICE}},
    "bucket": {"mcpToolSchema": {"s3": {"uri": "s3://b/k"}}},
    "certificate": {"certificateConfigurations": [{"s3": {"uri": "s3://my-bucket/"}}]},
}
each = pytest.mark.parametrize("name", ODD)


def odd_spec(name: str) -> dict[str, Any]:
    """Return the whole spec, without what the change takes away."""
    return {key: value for key, value in {**manifest_spec(), **ODD[name]}.items() if value is not None}


async def held(world: World, name: str) -> str:
    """Make an object and its READY target as an older operator left them; return the target's id."""
    await world.create(**ODD[name])
    spec = msgspec.convert(odd_spec(name), MCPServerSpec)
    made = world.aws.create_target(GATEWAY, **target_request(spec, name="weather", mark=None))
    await world.edit(metadata={"finalizers": [names.FINALIZER]})
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "GatewayTargetReady",
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    await world.set_status(
        {
            "targetId": made["targetId"],
            "gatewayArn": made["gatewayArn"],
            "targetStatus": "READY",
            "observedGeneration": 1,
            "conditions": [ready],
        }
    )
    await world.pass_time(10)
    world.forget_calls()
    return str(made["targetId"])


@each
async def test_what_aws_holds_goes_on_working_without_a_write(name: str) -> None:
    world = World()
    await held(world, name)
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        for _ in range(20):
            await world.pass_time(2)
            assert condition(await world.get()).status == "True"
        assert (await world.get()).status.recorded_for
        assert set(world.calls()) <= READS
        assert world.calls()["GetGatewayTarget"] == 1
    world.forget_calls()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.pass_time(4 * DRIFT)
        assert world.writes() == []
        assert set(world.calls()) == {"ListGatewayTargets"}


# AWS itself refuses the two others in every request.
@pytest.mark.parametrize("name", [name for name in ODD if name not in {"region", "account"}])
async def test_another_field_can_be_edited(name: str) -> None:
    world = World()
    await held(world, name)
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.pass_time(10)
        await world.edit(spec={"description": "Forecasts"})
        await world.pass_time(5)
        obj = await world.until_ready(within=120)
        assert obj.status.observed_generation == obj.metadata.generation
        assert world.calls()["UpdateGatewayTarget"] == 1
        (target,) = world.targets()
        assert target["description"].startswith("Forecasts")
        assert target["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"] == odd_spec(name)["endpoint"]


@each
async def test_a_new_object_gets_no_target_with_it(name: str) -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create("other")
        await world.until_ready("other")
        await world.create(**ODD[name])
        await world.until_reason("ValidationError")
        await world.pass_time(2 * DRIFT)
        assert world.calls()["CreateGatewayTarget"] == 1
        await world.delete()
        await world.until(lambda: not world.exists())


@each
async def test_a_target_that_vanished_is_not_made_again_with_it(name: str) -> None:
    world = World()
    target_id = await held(world, name)
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.pass_time(DRIFT)
        world.aws.delete_target(target_id)
        await world.until_reason("ValidationError", within=200)
        assert "CreateGatewayTarget" not in world.calls()
        await world.delete()
        await world.until(lambda: not world.exists(), within=300)


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "https://my_other_server.example.com/mcp"},
        {"oauthProviderArn": "arn:aws:x:us-east-1:123456789012:z"},
        {"authType": "NoAuth", "iam": {"service": "lambda"}},
    ],
)
async def test_an_edit_to_another_value_that_a_rule_refuses_is_refused(change: dict[str, Any]) -> None:
    world = World()
    await held(world, "underscore")
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.pass_time(10)
        await world.edit(spec=change)
        await world.until_reason("ValidationError")
        await world.pass_time(2 * DRIFT)
        assert set(world.calls()) <= READS
        assert world.calls()["GetGatewayTarget"] <= 3
        await world.edit(spec={**dict.fromkeys(change), **{k: odd_spec("underscore").get(k) for k in change}})
        await world.until_ready()
        assert set(world.calls()) <= READS
