"""A whole operator and its Lease, in virtual time: what it writes, and when another may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcp_gateway_operator.runtime.lease import Lease
from tests.support.virtual_time import wall_clock
from tests.support.world import World

SHORT: dict[str, Any] = {"duration": 15.0, "renew_deadline": 10.0, "retry_period": 2.0, "call_seconds": 10.0}
"""controller-runtime's own times, and what they leave for a call."""
DEFAULT: dict[str, Any] = {
    "duration": 60.0,
    "renew_deadline": 40.0,
    "retry_period": 5.0,
    "call_seconds": 15.0,
}


@asynccontextmanager
async def process(world: World, name: str, times: dict[str, Any], **config: Any) -> AsyncIterator[Lease]:
    """Run an operator that takes the Lease first; at the end of the block it is killed."""
    cluster = world.api.connect(f"lease-{name}")
    lease = Lease(cluster, namespace="default", name="operator", identity=name, wall=wall_clock(), **times)
    await lease.acquire()
    renewing = asyncio.create_task(lease.renew())
    try:
        async with world.operator(fence=lease.may_begin, call_seconds=times["call_seconds"], **config):
            yield lease
    finally:
        renewing.cancel()


@pytest.mark.parametrize("times", [SHORT, DEFAULT], ids=["short", "default"])
async def test_it_writes_at_every_moment_of_the_lease(times: dict[str, Any]) -> None:
    world = World()
    async with process(world, "one", times):
        for number in range(20):
            await world.create(f"server-{number}")
            await world.until_ready(f"server-{number}", within=2)
            await world.pass_time(number * 0.37)


@pytest.mark.parametrize("times", [SHORT, DEFAULT], ids=["short", "default"])
@pytest.mark.parametrize("phase", [0.0, 0.7, 1.9, 4.9])
async def test_another_writes_within_the_lease_and_five_seconds_of_a_kill(
    times: dict[str, Any], phase: float
) -> None:
    world = World()
    waiting: list[asyncio.Task[None]] = []

    async def second() -> None:
        async with process(world, "two", times):
            await asyncio.get_running_loop().create_future()

    async with process(world, "one", times):
        waiting.append(asyncio.create_task(second()))
        await world.create()
        await world.until_ready()
        await world.pass_time(60 + phase)
    await world.edit(spec={"description": "Changed while nobody led"})
    await world.until(lambda: world.calls()["UpdateGatewayTarget"] == 1, within=times["duration"] + 5)
    await world.until_ready()
    waiting[0].cancel()


async def test_a_fence_that_was_shut_for_a_while_delays_and_loses_nothing() -> None:
    world = World()
    shut = True
    async with world.operator(fence=lambda: not shut):
        await world.create()
        await world.pass_time(60)
        assert world.calls()["CreateGatewayTarget"] == 0
        shut = False
        await world.until_ready(within=8)
        shut = True
        await world.edit(spec={"description": "Changed"})
        await world.delete()
        await world.pass_time(60)
        assert world.exists()
        shut = False
        await world.until(lambda: not world.exists(), within=30)


@pytest.mark.parametrize("call_seconds", [5.0, 10.0, 15.0])
async def test_a_create_of_a_predecessor_is_looked_for_as_long_as_a_call_may_take(
    call_seconds: float,
) -> None:
    """A List may lag a minute behind a Create, and that may have been sent when its sender was killed."""
    world = World()
    async with world.operator(fence=lambda: False, call_seconds=call_seconds):
        await world.create()
        await world.pass_time(3)
    await world.delete()
    async with world.operator(call_seconds=call_seconds):
        took = await world.until(lambda: not world.exists(), within=120)
    assert 60 + call_seconds <= took <= 60 + call_seconds + 4
