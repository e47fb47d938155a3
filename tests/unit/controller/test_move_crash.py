"""Moves cut short: by the end of the process at any moment, by lost writes, by the end of the object."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import ApiError
from tests.support.memory_cluster import LOST, Fault, Faults, Request
from tests.support.world import GATEWAY, OTHER_GATEWAY, World
from tests.unit.controller.moving import (
    GATEWAYS,
    THIRD_GATEWAY,
    asked,
    assert_met,
    assert_quiet,
    at_rest,
    events,
    made,
    move,
    moving_world,
    until_made,
)

DRIFT = 10.0
MOMENTS = [0.0, 0.2, 0.4, 0.5, 1.2, 1.85, 2.0, 2.25, 2.4, 2.7, 2.8, 3.5, 4.15, 4.3, 4.9, 5.55, 5.7]
"""Seconds after the edit: with calls of 0.3 s, before and after each step of a move, and in long waits."""
AMID = [0.2, 0.4, 1.2, 2.25, 2.7, 3.5, 4.9, 5.7]
"""One between each two steps."""


def slow_world() -> World:
    """Return a world in which a call, and what it begins, takes a while."""
    world = moving_world(creating=1.5, deleting=1.5)
    world.latency = 0.3
    return world


async def test_no_state_of_a_move_is_without_a_crash() -> None:
    world = slow_world()
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        spans = await assert_met(world, lambda: [world.targets(each) for each in GATEWAYS], MOMENTS)
    assert [sum(begin <= moment < end for moment in AMID) for begin, end in spans] == [1] * len(spans)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_crash_at_any_moment_neither_loses_nor_doubles(moment: float) -> None:
    world = slow_world()
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        await world.pass_time(moment)
    async with world.operator(drift_interval=DRIFT):
        await at_rest(world, OTHER_GATEWAY, within=240)
        assert asked(world, OTHER_GATEWAY) == {"CreateGatewayTarget": 1}
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}


@pytest.mark.parametrize("seed", range(20))
async def test_crash_after_crash(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  -- repeatable, not secret
    world = slow_world()
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        await world.pass_time(rng.uniform(0, 4))
    for _ in range(5):
        async with world.operator(drift_interval=DRIFT):
            await world.pass_time(rng.uniform(0, 8))
    async with world.operator(drift_interval=DRIFT):
        await at_rest(world, OTHER_GATEWAY, within=240)
        assert asked(world, OTHER_GATEWAY) == {"CreateGatewayTarget": 1}
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}
        await assert_quiet(world)


@pytest.mark.parametrize("moment", AMID)
async def test_a_crash_and_the_way_back_in_between(moment: float) -> None:
    """Whoever starts finds another spec than the one that was being followed."""
    world = slow_world()
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        await world.pass_time(moment)
    await move(world, GATEWAY)
    async with world.operator(drift_interval=DRIFT):
        await at_rest(world, GATEWAY, within=240)
        assert asked(world, OTHER_GATEWAY)["CreateGatewayTarget"] <= 1
        assert asked(world, GATEWAY)["CreateGatewayTarget"] == asked(world, GATEWAY)["DeleteGatewayTarget"]


@pytest.mark.parametrize("moment", AMID)
async def test_a_crash_and_a_third_gateway_in_between(moment: float) -> None:
    world = slow_world()
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        await world.pass_time(moment)
    await move(world, THIRD_GATEWAY)
    async with world.operator(drift_interval=DRIFT):
        await at_rest(world, THIRD_GATEWAY, within=240)
        assert asked(world, THIRD_GATEWAY) == {"CreateGatewayTarget": 1}
        assert asked(world, OTHER_GATEWAY)["CreateGatewayTarget"] <= 1


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("kind", ["refused", "lost", "conflict"])
async def test_a_write_to_the_object_that_fails_is_made_good(number: int, kind: str) -> None:
    world = moving_world(creating=4.0, deleting=4.0)
    writes = 0
    armed = False

    def fault(request: Request) -> Fault | None:
        nonlocal writes
        if not armed or request.resource != MCPSERVERS or not request.mutates:
            return None
        writes += 1
        if writes != number + 1:
            return None
        if kind == "lost":
            return Fault(lose=LOST)
        code = 409 if kind == "conflict" else 500
        return Fault(refuse=ApiError(code, "Conflict" if code == 409 else "InternalError", "no"))

    async with world.operator(drift_interval=DRIFT, faults=fault):
        await made(world)
        armed = True
        await move(world)
        await at_rest(world, OTHER_GATEWAY, within=240)
        assert writes >= 5
        assert asked(world, OTHER_GATEWAY) == {"CreateGatewayTarget": 1}
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}


async def test_a_start_in_the_middle_of_a_move_does_what_is_due_and_no_more() -> None:
    world = moving_world(creating=20.0)
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        await until_made(world)
    await world.pass_time(30)
    world.forget_calls()
    async with world.operator(drift_interval=DRIFT):
        await at_rest(world, OTHER_GATEWAY)
        assert not asked(world, OTHER_GATEWAY)
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}


@pytest.mark.parametrize("gateway_id", [OTHER_GATEWAY, GATEWAY])
async def test_a_status_lost_half_way_is_found_again_on_both_gateways(gateway_id: str) -> None:
    """The targets are known by their markers, whichever of them is taken up first."""
    world = moving_world(creating=20.0)
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        await until_made(world)
    await world.set_status({})
    await move(world, gateway_id)
    async with world.operator(drift_interval=DRIFT):
        await at_rest(world, gateway_id, within=240)
        assert asked(world, OTHER_GATEWAY)["CreateGatewayTarget"] == 1
        assert not asked(world, GATEWAY)["CreateGatewayTarget"]


async def test_a_status_lost_half_way_and_a_deletion_leave_nothing() -> None:
    world = moving_world(creating=20.0)
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        await until_made(world)
    await world.set_status({})
    await world.delete()
    async with world.operator(drift_interval=DRIFT):
        await world.until(lambda: not world.exists(), within=300)
        assert everything_gone(world)()


# -- the object's own end ---------------------------------------------------------------------------------


def everything_gone(world: World) -> Callable[[], bool]:
    """Return whether neither the object nor a target is left."""
    return lambda: (
        not world.exists()
        and not any(world.targets(gateway_id) for gateway_id in (GATEWAY, OTHER_GATEWAY, THIRD_GATEWAY))
    )


@pytest.mark.parametrize("invalid", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_deletion_at_any_moment_leaves_nothing(moment: float, invalid: bool) -> None:
    world = slow_world()
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        await world.pass_time(moment)
        if invalid:
            await world.edit(spec={"allowedRequestHeaders": ["Cookie"]})
        await world.delete()
        await world.until(lambda: not world.exists(), within=240)
        assert everything_gone(world)()
        assert asked(world, OTHER_GATEWAY)["CreateGatewayTarget"] <= 1
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}


@pytest.mark.parametrize("moment", AMID)
async def test_a_deletion_and_a_crash_leave_nothing(moment: float) -> None:
    world = slow_world()
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        await world.pass_time(moment)
    await world.delete()
    async with world.operator(drift_interval=DRIFT):
        await world.pass_time(moment)
    async with world.operator(drift_interval=DRIFT):
        await world.until(lambda: not world.exists(), within=240)
        assert everything_gone(world)()


async def test_a_deletion_in_the_middle_with_two_leftovers() -> None:
    world = moving_world(creating=10.0, deleting=3.0)
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        await until_made(world)
        await move(world, THIRD_GATEWAY)
        await until_made(world, THIRD_GATEWAY)
        await world.delete()
        await world.until(lambda: not world.exists(), within=120)
        assert everything_gone(world)()
        for gateway_id in (GATEWAY, OTHER_GATEWAY, THIRD_GATEWAY):
            # Whether AWS deletes a target in CREATING is not known, so it is asked once before that ends.
            assert 1 <= asked(world, gateway_id)["DeleteGatewayTarget"] <= 2


async def test_what_holds_one_delete_back_does_not_hold_back_the_other() -> None:
    world = moving_world(creating=5.0)
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        await until_made(world)
        world.aws.add_fault(
            operation="DeleteGatewayTarget", gateway=GATEWAY, code="AccessDeniedException", count=None
        )
        await world.delete()
        await world.until(lambda: not world.targets(OTHER_GATEWAY))
        await world.pass_time(60)
        assert world.exists(), "the finalizer stays until both are gone"
        obj = await world.until_reason("AccessDenied")
        assert [entry.gateway_id for entry in obj.status.moves] == [GATEWAY]
        world.aws.clear_faults()
        await world.until(lambda: not world.exists(), within=1500)
        assert everything_gone(world)()


async def test_a_paused_object_in_the_middle_of_a_move_keeps_everything() -> None:
    world = moving_world(creating=5.0)
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        await until_made(world)
        await world.edit(metadata={"annotations": {names.PAUSED_ANNOTATION: "true"}})
        await world.delete()
        await world.pass_time(60)
        assert world.exists()
        assert not asked(world, GATEWAY)
        await world.edit(metadata={"annotations": {names.PAUSED_ANNOTATION: None}})
        await world.until(lambda: not world.exists())
        assert everything_gone(world)()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"deletionPolicy": "Retain"}, f"the gateways {OTHER_GATEWAY}, {GATEWAY} stays in AWS"),
        ({"managementPolicy": "Observe"}, "nothing was deleted in AWS"),
    ],
)
async def test_what_is_kept_at_the_end_is_kept_on_both_gateways(spec: dict[str, str], words: str) -> None:
    world = moving_world(creating=20.0)
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        await until_made(world)
        await world.edit(spec=spec)
        await world.delete()
        await world.until(lambda: not world.exists())
        await world.pass_time(5)
        assert len(world.targets(GATEWAY)) == len(world.targets(OTHER_GATEWAY)) == 1
        assert not asked(world, GATEWAY)
        assert words in events(world)


# -- second and third edits, crossed with lost answers ----------------------------------------------------


def lost_answers() -> tuple[Faults, Callable[[int], None]]:
    """Return faults that apply the next status writes and lose their answers, and what sets how many."""
    left = 0

    def fault(request: Request) -> Fault | None:
        nonlocal left
        if request.subresource != "status" or not left:
            return None
        left -= 1
        return Fault(lose=LOST)

    def arm(number: int) -> None:
        nonlocal left
        left = number

    return fault, arm


@pytest.mark.parametrize("lost", [1, 2, 3])
@pytest.mark.parametrize("moment", [0.1, 1.0])
async def test_a_third_gateway_and_lost_answers_lose_no_record(moment: float, lost: int) -> None:
    """The record on the second gateway is not stored yet when the third, the default one, is entered.

    Nothing but the record names the first gateway, so whoever loses it looks there no more.
    """
    world = moving_world(creating=4.0, deleting=4.0)
    fault, arm = lost_answers()
    async with world.operator(drift_interval=DRIFT, faults=fault):
        await made(world, gatewayId=OTHER_GATEWAY)
        await move(world, THIRD_GATEWAY)
        await world.until(lambda: world.targets(THIRD_GATEWAY))
        await world.pass_time(moment)
        arm(lost)
        await move(world, GATEWAY)
        await at_rest(world, GATEWAY, within=240)
        assert asked(world, THIRD_GATEWAY)["CreateGatewayTarget"] == 1
        assert asked(world, GATEWAY) == {"CreateGatewayTarget": 1}
        assert asked(world, OTHER_GATEWAY) == {"DeleteGatewayTarget": 1}
        await world.delete()
        await world.until(lambda: not world.exists(), within=240)
        assert everything_gone(world)()


@pytest.mark.parametrize("creating", [0.1, 4.0])
@pytest.mark.parametrize("lost", [1, 3])
async def test_lost_answers_in_a_row_neither_stop_a_move_nor_double_it(creating: float, lost: int) -> None:
    world = moving_world(creating=creating)
    fault, arm = lost_answers()
    async with world.operator(drift_interval=DRIFT, faults=fault):
        await made(world)
        arm(lost)
        await move(world)
        await at_rest(world, OTHER_GATEWAY, within=240)
        assert asked(world, OTHER_GATEWAY) == {"CreateGatewayTarget": 1}
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}


ROUTES = {
    "on to a third": [{"gatewayId": THIRD_GATEWAY}, {"gatewayId": GATEWAY}],
    "and back": [{"gatewayId": THIRD_GATEWAY}, {"gatewayId": OTHER_GATEWAY}],
    "round": [{"gatewayId": THIRD_GATEWAY}, {"gatewayId": GATEWAY}, {"gatewayId": OTHER_GATEWAY}],
    "on with a new name": [
        {"gatewayId": THIRD_GATEWAY, "targetName": "forecast"},
        {"gatewayId": GATEWAY, "targetName": "climate"},
    ],
}


@pytest.mark.parametrize("fault", ["lost", "refused", "crash"])
@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("route", ROUTES)
async def test_edits_in_a_row_and_a_write_that_fails(route: str, number: int, fault: str) -> None:
    """Each edit comes when the one before has made a target that no status names yet."""
    world = moving_world(creating=4.0, deleting=4.0)
    writes = 0
    armed = False

    def fail(request: Request) -> Fault | None:
        nonlocal writes
        if not armed or request.resource != MCPSERVERS or not request.mutates:
            return None
        writes += 1
        if writes != number + 1:
            return None
        refused = Fault(refuse=ApiError(500, "InternalError", "no"))
        return {"lost": Fault(lose=LOST), "refused": refused, "crash": Fault(hang_applied=True)}[fault]

    async with world.operator(drift_interval=DRIFT, faults=fail):
        await made(world, gatewayId=OTHER_GATEWAY)
        armed = True
        for spec in ROUTES[route]:
            await world.edit(spec=spec)
            for _ in range(40):
                if world.targets(str(spec["gatewayId"])):
                    break
                await world.pass_time(0.05)
            await world.pass_time(0.3)
        if fault != "crash":
            await world.pass_time(20)
    async with world.operator(drift_interval=DRIFT):
        last = str(ROUTES[route][-1]["gatewayId"])
        await at_rest(world, last, within=300)
        for gateway_id in (THIRD_GATEWAY, GATEWAY):
            assert asked(world, gateway_id)["CreateGatewayTarget"] <= 1
        assert asked(world, OTHER_GATEWAY)["CreateGatewayTarget"] <= (last == OTHER_GATEWAY)
        await world.delete()
        await world.until(lambda: not world.exists(), within=240)
        assert everything_gone(world)()
