"""A status lost while a target moves and is renamed: what carries the marker elsewhere is told, and goes."""

from __future__ import annotations

import pytest

from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition
from tests.unit.controller.moving import (
    GATEWAYS,
    THIRD_GATEWAY,
    asked,
    assert_quiet,
    events,
    made,
    move,
    moving_world,
)

DRIFT = 10.0
MOMENTS = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0]
"""Seconds after the edit: before and after each step of a move whose calls take 0.3 s."""


def slow_world() -> World:
    """Return a world in which a call, and what it begins, takes a while."""
    world = moving_world(creating=1.5, deleting=1.5)
    world.latency = 0.3
    return world


def held(world: World) -> dict[str, str]:
    """Return the names of all targets, by gateway."""
    return {gateway_id: target["name"] for gateway_id in GATEWAYS for target in world.targets(gateway_id)}


async def half_moved(world: World, moment: float = 1.5, *, to: str = OTHER_GATEWAY) -> None:
    """End the process in the middle of a move with a new name, and lose the status."""
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world, to, targetName="forecast")
        await world.pass_time(moment)
    await world.set_status({})


async def gone(world: World) -> None:
    """Delete the object, and see that nothing is left of it."""
    await world.delete()
    await world.until(lambda: not world.exists(), within=240)
    assert held(world) == {}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_two_targets_after_a_lost_status_are_told_and_go_with_the_object(moment: float) -> None:
    world = slow_world()
    await half_moved(world, moment)
    async with world.operator(drift_interval=DRIFT):
        obj = await world.until_ready(within=240)
        await world.pass_time(3 * DRIFT)
        left = held(world)
        assert left.pop(OTHER_GATEWAY) == "forecast"
        message = condition(await world.get()).message
        assert ("The marker of this object" in message) == ("DuplicateMarker" in events(world)) == bool(left)
        assert all(f"({name}) on gateway {gateway_id}" in message for gateway_id, name in left.items())
        assert obj.status.gateway_id == OTHER_GATEWAY
        await assert_quiet(world)
        await gone(world)
        assert asked(world, OTHER_GATEWAY) == {"DeleteGatewayTarget": 1}
        assert asked(world, GATEWAY)["DeleteGatewayTarget"] == len(left)


async def test_what_was_told_is_not_forgotten_by_a_restart() -> None:
    """The gateway is nobody's but by default, and still looked at; nothing is written, and no Event told."""
    world = slow_world()
    await half_moved(world)
    async with world.operator(drift_interval=DRIFT):
        await world.until_ready(within=240)
        await assert_quiet(world)
    async with world.operator(drift_interval=DRIFT):
        await assert_quiet(world)
        assert f"(weather) on gateway {GATEWAY}" in condition(await world.get()).message
        assert events(world).count("DuplicateMarker") == 1


@pytest.mark.parametrize("failures", range(3))
async def test_a_deletion_right_after_a_restart_waits_for_the_first_look(failures: int) -> None:
    world = slow_world()
    await half_moved(world)
    async with world.operator(drift_interval=DRIFT):
        await world.until_ready(within=240)
    await world.delete()
    if failures:
        world.aws.add_fault(
            operation="ListGatewayTargets", gateway=GATEWAY, code="InternalServerException", count=failures
        )
    async with world.operator(drift_interval=DRIFT):
        await world.until(lambda: not world.exists(), within=240)
        assert held(world) == {}


async def test_a_gateway_that_another_object_uses_is_looked_at_too() -> None:
    """Nothing that is written anywhere names the first gateway any more."""
    world = slow_world()
    async with world.operator(drift_interval=DRIFT):
        await world.create("other", gatewayId=OTHER_GATEWAY)
        await world.until_ready("other")
        await made(world, gatewayId=OTHER_GATEWAY)
        await move(world, THIRD_GATEWAY, targetName="forecast")
        await world.pass_time(1.5)
    await world.set_status({})
    async with world.operator(drift_interval=DRIFT):
        await world.until_ready(within=240)
        await world.pass_time(3 * DRIFT)
        assert f"(weather) on gateway {OTHER_GATEWAY}" in condition(await world.get()).message
        await world.delete()
        await world.until(lambda: not world.exists(), within=240)
        assert held(world) == {OTHER_GATEWAY: "other"}


async def test_a_target_elsewhere_that_cannot_be_deleted_holds_the_object_back() -> None:
    world = slow_world()
    await half_moved(world)
    async with world.operator(drift_interval=DRIFT):
        await world.until_ready(within=240)
        world.aws.add_fault(
            operation="DeleteGatewayTarget", gateway=GATEWAY, code="AccessDeniedException", count=None
        )
        await world.delete()
        await world.until(lambda: not world.targets(OTHER_GATEWAY))
        await world.until_reason("AccessDenied")
        await world.pass_time(60)
        assert world.exists()
        world.aws.clear_faults()
        await world.until(lambda: not world.exists(), within=1500)
        assert held(world) == {}


async def test_a_copy_on_another_gateway_is_told_of_and_forgotten_with_its_end() -> None:
    world = moving_world()
    async with world.operator(drift_interval=DRIFT):
        await world.create("other", gatewayId=OTHER_GATEWAY)
        obj = await made(world)
        mine = world.aws.target(obj.status.target_id)
        config = mine["targetConfiguration"]
        copy = world.aws.create_target(
            OTHER_GATEWAY, name="copy", description=mine["description"], targetConfiguration=config
        )

        async def told() -> bool:
            return copy["targetId"] in condition(await world.get()).message

        await world.until(told)
        assert condition(await world.get()).status == "True"
        await assert_quiet(world)
        world.aws.delete_target(copy["targetId"])

        async def forgotten() -> bool:
            return not await told()

        await world.until(forgotten)
        await assert_quiet(world)
