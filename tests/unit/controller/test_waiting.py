"""Waiting costs little, ends soon after its reason does, and status says what is waited for."""

from __future__ import annotations

import pytest

from agentcore_simulator.settings import Consistency, Durations
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.runtime.cluster import ApiError
from tests.support.memory_cluster import Fault, Request
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition

HOUR = 3600.0


async def test_place_that_gets_free_on_a_full_gateway_is_taken_by_who_waits_longest() -> None:
    """One attempt for one place: the others do not try, and are not refused."""
    settings = SimulatorSettings()
    settings.quotas.targets_per_gateway = 2
    world = World(simulator=settings)
    async with world.operator(drift_interval=30.0):
        for name in ("first", "second"):
            await world.create(name)
            await world.until_ready(name)
        for name in ("third", "fourth", "fifth"):
            await world.create(name)
            await world.until_reason("GatewayFull", name)
        await world.pass_time(5)
        world.forget_calls()
        await world.delete("first")
        await world.until_ready("third", within=10)
        assert world.calls()["CreateGatewayTarget"] == 1
        world.aws.delete_target((await world.get("second")).status.target_id)
        await world.until(lambda: world.calls()["CreateGatewayTarget"] > 1, within=45)
        await world.pass_time(10)
        assert len(world.targets()) == 2
        assert world.calls()["CreateGatewayTarget"] <= 3


async def test_room_that_gets_free_is_used_at_once_by_a_move_too() -> None:
    """Ours at once, what others free at the next List; the other gateway has nothing to do with it."""
    settings = SimulatorSettings()
    settings.quotas.targets_per_gateway = 1
    world = World(simulator=settings)
    async with world.operator(drift_interval=30.0):
        await world.create("first", gatewayId=OTHER_GATEWAY)
        await world.until_ready("first")
        await world.create("mover")
        await world.until_ready("mover")
        await world.edit("mover", spec={"gatewayId": OTHER_GATEWAY})
        await world.until_reason("GatewayFull", "mover", within=20)
        await world.pass_time(40)
        await world.delete("first")
        await world.until_ready("mover", within=10)
        assert len(world.targets(OTHER_GATEWAY)) == 1
        await world.create("next", gatewayId=OTHER_GATEWAY)
        await world.until_reason("GatewayFull", "next", within=20)
        await world.edit("next", spec={"targetName": "next-again"})
        await world.until_reason("GatewayFull", "next", within=20)
        await world.pass_time(40)
        world.aws.delete_target((await world.get("mover")).status.target_id)
        # The owner of the place is back before anybody who waits, or they take turns; nobody is doubled.
        await world.pass_time(60)
        assert len(world.targets(OTHER_GATEWAY)) == 1


async def test_object_that_no_longer_waits_for_room_keeps_nobody_from_it() -> None:
    settings = SimulatorSettings()
    settings.quotas.targets_per_gateway = 1
    world = World(simulator=settings)
    async with world.operator(drift_interval=30.0):
        await world.create("first")
        await world.until_ready("first")
        for name in ("second", "third"):
            await world.create(name)
            await world.until_reason("GatewayFull", name)
        await world.delete("second")
        await world.until(lambda: not world.exists("second"), within=30)
        await world.delete("first")
        await world.until_ready("third", within=10)


def hibernate(world: World, target_id: str) -> None:
    """Put a target into a state that AWS did not have when this was written; the admin API knows none."""
    gateway = world.engine.plane.gateway("123456789012", "us-east-1", GATEWAY)
    world.engine.plane.target(gateway, target_id).status = "HIBERNATING"


async def test_unknown_state_that_passes_is_followed_like_any_other() -> None:
    world = World()
    async with world.operator():
        await world.create()
        obj = await world.until_ready()
        await world.pass_time(61)
        hibernate(world, obj.status.target_id)
        await world.until_reason("TargetFailed", within=70)
        assert "HIBERNATING" in condition(await world.get()).message
        await world.pass_time(20)
        world.aws.set_status(obj.status.target_id, "READY")
        await world.until_ready(within=3)


async def test_unknown_state_that_stays_costs_few_lists_and_nothing_else() -> None:
    world = World()
    async with world.operator():
        await world.create()
        obj = await world.until_ready()
        hibernate(world, obj.status.target_id)
        await world.until_reason("TargetFailed", within=70)
        await world.pass_time(600)
        world.forget_calls()
        await world.pass_time(HOUR)
        assert set(world.calls()) == {"ListGatewayTargets"}
        assert world.calls()["ListGatewayTargets"] <= 400
        assert world.writes() == []


@pytest.mark.parametrize("code", ["InternalServerException", "AccessDeniedException"])
async def test_gateway_whose_lists_fail_for_hours_wakes_its_objects_once(code: str) -> None:
    """When it begins, when it is told, when it is lost and when it ends, not with every List."""
    world = World()
    async with world.operator(sweep_interval=1e7):
        for number in range(5):
            await world.create(f"server-{number}")
        for number in range(5):
            await world.until_ready(f"server-{number}")
        await world.pass_time(5)
        world.aws.add_fault(operation="ListGatewayTargets", code=code, count=100_000)
        await world.pass_time(70)
        await world.create("late")
        await world.pass_time(600)
        world.passes.clear()
        world.forget_calls()
        await world.pass_time(HOUR)
        assert sum(world.passes.values()) <= 1
        assert world.writes() == []
        assert world.calls()["ListGatewayTargets"] <= 75
        world.aws.clear_faults()
        await world.until_ready("late", within=80)
        await world.pass_time(5)
        assert all(count <= 4 for (_, name), count in world.passes.items() if name != "late")


async def test_short_outage_of_lists_is_over_soon_after_it_ends() -> None:
    world = World()
    async with world.operator():
        await world.pass_time(5)
        world.aws.add_fault(operation="ListGatewayTargets", code="InternalServerException", count=3)
        await world.create()
        await world.until_ready(within=25)
        assert len(world.writes()) <= 3


async def test_target_that_is_being_deleted_is_not_ready() -> None:
    """However soon it is gone: who waits for Ready must not take it for usable."""
    world = World(simulator=SimulatorSettings(durations=Durations(deleting=1.5)))
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.delete()
        await world.until(lambda: world.calls()["DeleteGatewayTarget"] == 1)
        await world.pass_time(0.1)
        found = condition(await world.get())
        assert (found.status, found.reason) == ("False", "Deleting")
        await world.until(lambda: not world.exists(), within=15)
        assert len([write for write in world.writes() if "status" in write]) <= 3


async def test_object_that_waits_half_a_minute_for_its_turn_says_so() -> None:
    world = World()
    async with world.operator(quotas=Quotas.parse("create=0.01")):
        await world.create("first")
        await world.create("second")
        await world.create("third")
        await world.pass_time(25)
        objects = [await world.get(name) for name in ("first", "second", "third")]
        waiting = [each.metadata.name for each in objects if not each.status.target_id]
        assert len(waiting) == 2
        assert not any(each.status.conditions for each in objects if not each.status.target_id)
        for name in waiting:
            obj = await world.until_reason("Queued", name, within=15)
            assert "quota" in condition(obj).message
        writes = len(world.writes())
        await world.pass_time(30)
        assert len(world.writes()) == writes
        for name in waiting:
            await world.until_ready(name, within=300)


async def test_status_of_a_process_that_was_stopped_does_not_replace_a_newer_one() -> None:
    """It was about to report when it stopped; its successor has recorded the target since."""
    world = World(simulator=SimulatorSettings(durations=Durations(creating=3.0)))
    stopped: list[Request] = []

    def stop(request: Request) -> Fault | None:
        if request.subresource != "status" or stopped:
            return None
        stopped.append(request)
        return Fault(delay=20.0)

    async with world.operator(faults=stop, fence=lambda: not stopped):
        await world.create()
        await world.until(lambda: stopped)
        async with world.operator():
            await world.edit(spec={"targetName": "forecast"})
            newer = await world.until_ready(within=15)
            await world.pass_time(30)
            assert (await world.get()).status.target_id == newer.status.target_id
            assert condition(await world.get()).status == "True"


@pytest.mark.parametrize("lag", [10.0, 45.0])
async def test_lagging_lists_after_an_update_are_waited_out(lag: float) -> None:
    """They agree with each other, and show the target as it was: that is not what the spec asks for."""
    world = World(simulator=SimulatorSettings(consistency=Consistency(list_lag=lag)))
    async with world.operator():
        await world.create()
        await world.until_ready(within=90)
        await world.pass_time(60)
        world.forget_calls()
        await world.edit(spec={"targetName": "forecast"})
        await world.pass_time(lag - 2)
        obj = await world.get()
        found = condition(obj)
        assert not (found.status == "True" and found.observed_generation == obj.metadata.generation)
        await world.until_ready(within=20)
        assert world.calls()["UpdateGatewayTarget"] == 1
        assert world.calls()["GetGatewayTarget"] <= 1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("away", [3.0, 20.0, 120.0])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_changes_reach_aws_soon_after_an_api_server_is_back(when: str, away: float, seed: int) -> None:
    """One that was seen just before, whose first write fails, and one that is made on its return."""
    world = World(seed=seed)
    gone = False

    def faults(_request: Request) -> Fault | None:
        return Fault(refuse=ApiError(0, "ConnectError", "nobody listens")) if gone else None

    async with world.operator(faults=faults):
        await world.create()
        await world.until_ready()
        await world.pass_time(100 + seed)
        if when == "before":
            await world.create("second")
        gone = True
        world.api.break_watches()
        await world.pass_time(away)
        gone = False
        if when == "after":
            await world.create("second")
        await world.until(lambda: len(world.targets()) > 1, within=10 if away < 60 else 15)


async def test_api_server_that_is_away_is_not_overrun_by_what_failed() -> None:
    """What failed is tried again in its own time while nothing works, and once when something does."""
    world = World()
    gone = False

    def faults(_request: Request) -> Fault | None:
        return Fault(refuse=ApiError(0, "ConnectError", "nobody listens")) if gone else None

    async with world.operator(faults=faults):
        await world.pass_time(5)
        for number in range(20):
            await world.create(f"server-{number}")
        gone = True
        world.api.break_watches()
        await world.pass_time(5)
        world.passes.clear()
        await world.pass_time(300)
        assert sum(world.passes.values()) <= 20 * 10
        gone = False
        await world.until(lambda: len(world.targets()) == 20, within=15)
