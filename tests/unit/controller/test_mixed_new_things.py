"""What 0.2 knew nothing of, or told otherwise, in a rolling upgrade: MCPGateways, circles, consent.

0.2 drops at its next write what it does not know. What it leaves has to be enough: nothing is sent to AWS,
and status says after it what it said before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from agentcore_simulator.settings import Settings as SimulatorSettings
from agentcore_simulator.settings import Switches
from mcp_gateway_operator.controller.ports import MCPSERVERS
from tests.support.accounts import SPOKE, Cloud, role
from tests.support.classes import ALLOW, GATEWAY, OTHER_GATEWAY, Platform, arn
from tests.support.version_0_2 import Reader, passed_through
from tests.support.world import World, condition

CONFIG: dict[str, Any] = {"owner_ids": ("cluster-a",), "drift_interval": 10.0}
WRITES = {"CreateGatewayTarget", "UpdateGatewayTarget", "DeleteGatewayTarget", "SynchronizeGatewayTargets"}
REF: dict[str, Any] = {"gatewayRef": {"name": "tools"}}
FAR = arn(GATEWAY, account=SPOKE)
Story = Callable[[World], Awaitable[Any]]


async def raw_of(world: World, name: str) -> dict[str, Any]:
    """Return an object as it is stored."""
    found: dict[str, Any] = msgspec.json.decode(await world.user.get(MCPSERVERS, "team-a", name))
    return found


async def governed(world: World) -> None:
    await Platform(world).make()
    await world.create(**REF)
    await world.until_ready()


async def frozen(world: World) -> None:
    platform = Platform(world)
    await platform.make()
    await world.create(**REF)
    await world.until_ready()
    await platform.edit(spec={"allow": []})
    await world.edit(spec={"description": "What is not permitted"})


async def circle(world: World) -> None:
    for name in ("weather", "other"):
        await world.create(name)
        await world.until_ready(name)
    await world.edit("weather", spec={"targetName": "other"})
    await world.edit("other", spec={"targetName": "weather"})
    await world.until(lambda: _says(world, "in a circle"))


async def circle_of_gateways(world: World) -> None:
    """Each holds the name that the other wants on the gateway where it wants to go."""
    for name, gateway in (("weather", GATEWAY), ("other", OTHER_GATEWAY)):
        await world.create(name, gatewayId=gateway)
        await world.until_ready(name)
    await world.edit("weather", spec={"targetName": "other", "gatewayId": OTHER_GATEWAY})
    await world.edit("other", spec={"targetName": "weather", "gatewayId": GATEWAY})
    await world.until(lambda: _says(world, "in a circle"))


async def _says(world: World, words: str) -> bool:
    return words in condition(await world.get()).message


async def pending(world: World) -> None:
    await world.create(oauthGrantType="AUTHORIZATION_CODE")
    await world.until_reason("PendingAuthorization", within=10)


async def run_out(world: World) -> None:
    await pending(world)
    await world.pass_time(900)


async def given(world: World) -> None:
    await pending(world)
    world.aws.consent(world.targets()[0]["targetId"])
    await world.until_ready(within=30)


STORIES = {
    each.__name__: each for each in (governed, frozen, circle, circle_of_gateways, pending, run_out, given)
}


async def said(world: World) -> dict[str, dict[str, tuple[str, str]]]:
    """Return the status and reason of each condition of each object."""
    found = {}
    for name in ("weather", "other"):
        if world.exists(name):
            obj = await world.get(name)
            found[name] = {each.type: (each.status, each.reason) for each in obj.status.conditions}
    return found


@pytest.mark.parametrize("story", STORIES)
async def test_what_0_2_leaves_of_a_status_is_enough(story: str) -> None:
    world = World(simulator=SimulatorSettings(switches=Switches(pending_auth_at_once=True)))
    async with world.operator(**CONFIG):
        await STORIES[story](world)
        await world.pass_time(60)
    before, told = held(world), await said(world)
    for name in told:
        raw = await raw_of(world, name)
        record = Reader(raw).record
        # What 0.2 would update, and delete with the object, is the target that is there.
        assert record in before
        await world.set_status(passed_through(raw), name)
    world.forget_calls()
    async with world.operator(**CONFIG):
        await world.pass_time(200)
        assert await said(world) == told
        assert not WRITES.intersection(world.calls())
        assert held(world) == before


def held(world: World) -> dict[tuple[str, str], str]:
    """Return what AWS holds: the status of each target by gateway and id."""
    return {
        (each, row["targetId"]): row["status"]
        for each in (GATEWAY, OTHER_GATEWAY)
        for row in world.targets(each)
    }


async def test_of_a_gateway_in_another_account_0_2_touches_nothing_and_leaves_enough() -> None:
    world = World()
    platform = Platform(world)
    cloud = world.opener = Cloud(world)
    cloud.aws().create_gateway(GATEWAY)
    await platform.make(gateway_arn=FAR, aws={"roleArn": role()}, allow=[{**ALLOW, "authTypes": ["*"]}])
    async with world.operator(**CONFIG):
        await world.create(**REF, authType="NoAuth", oauthProviderArn=None, oauthScopes=None)
        told = (await world.until_ready()).status
    raw = await raw_of(world, "weather")
    # AWS answers to an ARN in place of an id, under the operator's own credentials, that this is denied.
    assert Reader(raw).record == (FAR, told.target_id)
    await world.set_status(passed_through(raw))
    async with world.operator(**CONFIG):
        await world.pass_time(100)
        obj = await world.get()
        assert condition(obj).status == "True"
        assert (obj.status.target_id, obj.status.gateway_id) == (told.target_id, FAR)
        await world.delete()
        await world.until(lambda: not world.exists(), within=120)
    assert cloud.targets(GATEWAY) == []
    assert cloud.requests().count("CreateGatewayTarget") == 1
