"""Clocks that jump: the loop's after the process stood still, and AWS's against ours."""

from __future__ import annotations

import asyncio

import pytest

from mcp_gateway_operator.agentcore.quota import Quotas
from tests.support.virtual_time import VirtualTimeLoop
from tests.support.world import World

DRIFT = 30.0


async def settled(world: World) -> None:
    """Create a few objects and let them come to rest."""
    for number in range(5):
        await world.create(f"server-{number}")
    for number in range(5):
        await world.until_ready(f"server-{number}")
    await world.pass_time(2 * DRIFT)
    world.forget_calls()


@pytest.mark.parametrize("seconds", [120.0, 900.0])
async def test_a_process_that_stood_still_goes_on_without_a_write(seconds: float) -> None:
    """After a SIGSTOP or a paused machine one List is due, not one for each that was missed."""
    world = World()
    async with world.operator(drift_interval=DRIFT, quotas=Quotas()):
        await settled(world)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop._jumping.now += seconds
        await world.pass_time(0.5 * DRIFT)
        assert world.calls()["ListGatewayTargets"] <= 2
        await world.pass_time(3 * DRIFT)
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}
        assert world.writes() == []
        await world.edit("server-0", spec={"description": "new"})
        await world.until_ready("server-0", within=5)


def set_clock(world: World, ahead: float) -> None:
    """Let AWS's clock be ahead of ours by so many seconds from now on."""
    now = world.engine.clock
    world.engine.clock = lambda: now() + ahead  # type: ignore[assignment]


@pytest.mark.parametrize(("at_first", "later"), [(600.0, 0.0), (-600.0, 0.0), (0.0, 600.0), (-600.0, 600.0)])
async def test_ten_minutes_between_our_clock_and_awss_change_nothing(at_first: float, later: float) -> None:
    """Moments of AWS's are compared with moments of AWS's; ours only stamps."""
    world = World()
    set_clock(world, at_first)
    async with world.operator(drift_interval=DRIFT, quotas=Quotas()):
        await settled(world)
        set_clock(world, later)
        await world.pass_time(5 * DRIFT)
        assert set(world.calls()) <= {"ListGatewayTargets"}
        assert world.writes() == []
        await world.edit("server-0", spec={"description": "new"})
        await world.until_ready("server-0", within=10)
        assert world.calls()["UpdateGatewayTarget"] == 1
        await world.create("another")
        await world.until_ready("another", within=10)
        await world.delete("another")
        await world.until(lambda: not world.exists("another"), within=30)
