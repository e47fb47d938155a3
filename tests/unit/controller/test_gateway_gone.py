"""Deletions after the gateway itself was deleted: how soon they end, what they cost, what is not believed."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.agentcore.port import CallerIdentity, Gateway, GatewayPage
from mcp_gateway_operator.runtime.cluster import EVENTS
from tests.support.world import GATEWAY, OTHER_GATEWAY, EngineAgentCore, World, condition

CONFIG: dict[str, Any] = {"owner_ids": ("cluster-a",), "drift_interval": 30.0}
SOON = (30.0, 60.0)
LATE = (240.0, 300.0)
"""Seconds after which it may be believed, and by which it is: before helm and Terraform give up."""
HIDDEN = ("ListGatewayTargets", "GetGateway")


async def bereaved(world: World, *names: str) -> None:
    """Make objects with targets on a gateway that is then deleted, and delete them."""
    for name in names or ("weather",):
        await world.create(name)
    for name in names or ("weather",):
        await world.until_ready(name)
    await world.pass_time(5)
    world.forget_calls()
    world.aws.delete_gateway(GATEWAY)
    for name in names or ("weather",):
        await world.delete(name)


async def ends(world: World, within: tuple[float, float], name: str = "weather") -> None:
    """Assert that an object goes, not before the one moment and not after the other."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await world.pass_time(within[0] - 1)
    assert world.exists(name)
    await world.until(lambda: not world.exists(name), within=began + within[1] - loop.time())


async def test_what_all_answers_agree_on_is_believed_after_half_a_minute() -> None:
    world = World()
    async with world.operator(**CONFIG):
        await bereaved(world)
        await ends(world, SOON)
        assert world.calls()["GetGateway"] == 1
        assert world.calls()["ListGateways"] == 2
        assert not world.calls()["DeleteGatewayTarget"]


async def test_many_objects_of_many_gateways_are_asked_for_once() -> None:
    """Ten gateways: ten GetGateways, and ListGateways as if it were one object."""
    world = World()
    gateways = [f"gone-{number:010}" for number in range(10)]
    for gateway_id in gateways:
        world.aws.create_gateway(gateway_id)
    names = [f"n{number:04}" for number in range(60)]
    async with world.operator(**CONFIG):
        for number, name in enumerate(names):
            await world.create(name, gatewayId=gateways[number % 10])
        await world.pass_time(60)
        for name in names:
            await world.until_ready(name)
        world.forget_calls()
        for gateway_id in gateways:
            world.aws.delete_gateway(gateway_id)
        for name in names:
            await world.delete(name)
        await world.pass_time(29)
        assert all(map(world.exists, names))
        await world.until(lambda: not any(map(world.exists, names)), within=45)
        calls = world.calls()
        assert calls["GetGateway"] == 10
        assert calls["ListGateways"] <= 3
        assert not calls["GetGatewayTarget"] + calls["DeleteGatewayTarget"]


@pytest.mark.parametrize("denied", ["ListGateways", "GetGateway"])
async def test_a_right_that_is_denied_costs_four_minutes_and_no_word(denied: str) -> None:
    world = World(simulator=SimulatorSettings(denied_actions=[denied]))
    async with world.operator(**CONFIG):
        await bereaved(world)
        await ends(world, LATE)
        assert world.calls()["ListGateways"] <= 2
        assert world.calls()["GetGateway"] <= 2
    events = [body for _, body in world.api.store.select(EVENTS, "team-a")]
    assert events
    assert b"ccess" not in b"".join(events)


async def test_without_sts_it_takes_four_minutes() -> None:
    """Nothing tells whose credentials these are, but what another gateway answers."""
    world = World()
    world.aws.add_fault(operation="sts:GetCallerIdentity", code="InternalServerException", count=None)
    async with world.operator(**CONFIG):
        await world.create("other", gatewayId=OTHER_GATEWAY)
        await world.until_ready("other")
        await bereaved(world)
        await ends(world, LATE)
        assert not world.calls()["ListGateways"]


async def test_a_gateway_that_is_shown_all_the_same_takes_four_minutes() -> None:
    world = World()
    async with world.operator(**CONFIG):
        await world.create()
        await world.until_ready()
        for operation in HIDDEN:
            world.aws.add_fault(operation=operation, code="ResourceNotFoundException", count=None)
        await world.delete()
        await world.pass_time(15)
        await ends(world, (LATE[0] - 15, LATE[1] - 15))
        assert world.calls()["ListGateways"] <= 25


async def test_a_gateway_that_answers_is_there_whatever_lists_say(monkeypatch: pytest.MonkeyPatch) -> None:
    async def get_gateway(_self: EngineAgentCore, _gateway_id: str) -> Gateway:
        return Gateway(status="READY")

    monkeypatch.setattr(EngineAgentCore, "get_gateway", get_gateway)
    world = World()
    async with world.operator(**CONFIG):
        await bereaved(world)
        await world.pass_time(1000)
        assert world.exists()
        assert "but the gateway is" in condition(await world.get()).message


async def test_a_gateway_that_is_back_in_time_loses_its_target_as_always() -> None:
    world = World()
    async with world.operator(**CONFIG):
        await world.create()
        await world.until_ready()
        for operation in HIDDEN:
            world.aws.add_fault(operation=operation, code="ResourceNotFoundException", count=None)
        await world.delete()
        await world.pass_time(28)
        assert world.exists()
        assert len(world.targets()) == 1
        world.aws.clear_faults()
        await world.until(lambda: not world.exists(), within=90)
        assert not world.targets()
        assert world.calls()["DeleteGatewayTarget"] == 1


@pytest.mark.parametrize("field", ["account", "region"])
async def test_credentials_that_were_exchanged_meanwhile_make_nothing_gone(
    monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """A profile that is written anew: from another account every gateway looks gone."""
    real, elsewhere = EngineAgentCore.caller_identity, False

    async def caller_identity(self: EngineAgentCore) -> CallerIdentity:
        found = await real(self)
        return msgspec.structs.replace(found, **{field: "elsewhere"}) if elsewhere else found

    monkeypatch.setattr(EngineAgentCore, "caller_identity", caller_identity)
    world = World()
    async with world.operator(**CONFIG):
        await world.create()
        await world.until_ready()
        for operation in HIDDEN:
            world.aws.add_fault(operation=operation, code="ResourceNotFoundException", count=None)
        elsewhere = True
        monkeypatch.setattr(EngineAgentCore, "list_gateways", _no_gateways)
        await world.delete()
        await world.pass_time(1000)
        assert world.exists()
        found = condition(await world.get())
        assert found.reason == "WrongAccountOrRegion"
        assert "elsewhere" in found.message
        elsewhere = False
        world.aws.clear_faults()
        await world.until(lambda: not world.exists(), within=120)
        assert not world.targets()


async def _no_gateways(_self: EngineAgentCore, *, next_token: str | None = None) -> GatewayPage:
    assert next_token is None
    return GatewayPage((), None)


async def test_a_target_of_which_no_account_is_known_takes_four_minutes() -> None:
    """A Create without an answer, and then no gateway: nothing says in which account it was sent."""
    world = World()
    async with world.operator(**CONFIG):
        world.aws.add_fault(operation="CreateGatewayTarget", kind="hang", commit=True)
        await world.create()
        await world.pass_time(1)
        world.aws.delete_gateway(GATEWAY)
        await world.delete()
        await ends(world, (LATE[0], 400.0))
        assert not world.calls()["ListGateways"]


async def test_an_old_gateway_that_is_gone_ends_a_move_soon() -> None:
    world = World()
    async with world.operator(**CONFIG):
        await world.create()
        await world.until_ready()
        world.aws.delete_gateway(GATEWAY)
        await world.edit(spec={"gatewayId": OTHER_GATEWAY})
        await world.until_ready()

        async def rests() -> bool:
            return not (await world.get()).status.moves

        await world.until(rests, within=SOON[1])
        assert len(world.targets(OTHER_GATEWAY)) == 1
        assert world.calls()["ListGateways"] == 2
