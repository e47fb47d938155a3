"""Operators of two installations on one cluster, in virtual time: who writes, and what is known then."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from mcp_gateway_operator.runtime.cluster import LEASES, PatchType
from tests.support.installations import CALL, DURATION, NAME, Installation
from tests.support.world import World, condition

TEAM = "team-a"
SINGLE = f"namespace-{NAME}"


@asynccontextmanager
async def installed(
    world: World, name: str, namespaces: Sequence[str] = (), *, orderly: bool = True
) -> AsyncIterator[Installation]:
    """Run an installation inside the block; at its end it is killed, or gives up what it holds first."""
    made = Installation(world.api, f"lease-{name}", namespaces)
    async with world.operator(
        territory=made.guard, call_seconds=CALL, namespaces=tuple(namespaces)
    ) as operator:
        made.guard.on_change = operator.reconciler.on_territory
        # It may have taken all before the operator was there to be told.
        operator.reconciler.on_territory("")
        yield made
        if orderly:
            await made.stop()
    await made.kill()


async def test_two_installations_make_one_target_and_write_as_one() -> None:
    world = World()
    async with installed(world, "one"), installed(world, "two"):
        await world.create()
        await world.until_ready()
        await world.edit(spec={"description": "Changed"})
        await world.until_ready()
        await world.pass_time(120)
    assert world.calls()["CreateGatewayTarget"] == 1
    assert world.calls()["UpdateGatewayTarget"] == 1
    assert len(world.writes()) == 3


async def test_a_standby_lists_no_gateway() -> None:
    world = World()
    async with installed(world, "one"):
        await world.create()
        await world.until_ready()
        await world.pass_time(100)
        world.forget_calls()
        await world.pass_time(600)
        alone = world.calls()["ListGatewayTargets"]
        async with installed(world, "two"):
            world.forget_calls()
            await world.pass_time(600)
            assert world.calls()["ListGatewayTargets"] <= alone + 1


async def test_the_other_goes_on_where_the_first_ended() -> None:
    world = World()
    async with AsyncExitStack() as stack:
        async with installed(world, "one"):
            await world.create()
            await world.until_ready()
            await stack.enter_async_context(installed(world, "two"))
            await world.pass_time(30)
            world.forget_calls()
        await world.edit(spec={"description": "By the second"})
        await world.until_ready(within=5)
        assert world.calls()["UpdateGatewayTarget"] == 1
        await world.pass_time(200)
        assert len(world.writes()) == 1
        await world.delete()
        await world.until(lambda: not world.exists(), within=10)
    assert world.targets() == []


async def test_what_another_may_have_sent_a_moment_ago_is_looked_for_after_the_guard_changed_hands() -> None:
    """The only writer since when: since the guard came, not since the process began."""
    world = World()
    async with AsyncExitStack() as stack:
        async with installed(world, "one", orderly=False) as first:
            # It protects the object, and is killed with its Create on the way, for all that anybody knows.
            first.guard.retire()
            await world.create()
            await world.pass_time(3)
            await stack.enter_async_context(installed(world, "two"))
            await world.pass_time(100)
        await world.delete()
        took = await world.until(lambda: not world.exists(), within=200)
        assert DURATION + 60 <= took <= DURATION + 60 + CALL + 10


async def test_a_namespace_that_was_lost_and_came_back_is_seen_afresh() -> None:
    """Meanwhile another one, which knows no guard, has edited and replaced what was there."""
    world = World()
    async with installed(world, "one", [TEAM]) as ours:
        await world.create()
        before = await world.until_ready()
        user = world.api.connect("tenant")
        await user.patch(LEASES, TEAM, SINGLE, {"spec": {"holderIdentity": "x"}}, kind=PatchType.MERGE)
        await world.until(lambda: not ours.guard.mine(TEAM))
        async with world.operator():
            gone = before.status.target_id
            world.aws.delete_target(gone)
            await world.until(lambda: {each["targetId"] for each in world.targets()} - {gone}, within=200)
            after = await world.until_ready(within=100)
            await world.edit(spec={"description": "Seen by the other"})
            await world.until_ready()
        assert after.status.target_id != before.status.target_id
        world.forget_calls()
        await user.delete(LEASES, TEAM, SINGLE)
        await world.until(lambda: ours.guard.mine(TEAM))
        await world.pass_time(100)
        assert world.writes() == []
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}
        await world.edit(spec={"description": "Ours again"})
        await world.until_ready(within=10)
    assert len(world.targets()) == 1


@pytest.mark.parametrize("seed", range(8))
async def test_installations_that_come_and_go_leave_each_object_one_target(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  -- repeatable
    world = World(seed=seed)
    kinds: list[list[str]] = [[], [TEAM]]
    async with AsyncExitStack() as all_of_them:
        alive: list[AsyncExitStack] = []
        for step in range(14):
            if len(alive) < 2:
                stack = await all_of_them.enter_async_context(AsyncExitStack())
                orderly = rng.random() < 0.5
                await stack.enter_async_context(
                    installed(world, f"{step}", rng.choice(kinds), orderly=orderly)
                )
                alive.append(stack)
            if step < 5:
                await world.create(f"server-{step}")
            else:
                await world.edit(f"server-{step % 5}", spec={"description": f"Edit {step}"})
            await world.pass_time(rng.random() * 30)
            if rng.random() < 0.4:
                await alive.pop(rng.randrange(len(alive))).aclose()
        if not alive:
            await all_of_them.enter_async_context(installed(world, "last"))
        for number in range(5):
            await world.until_ready(f"server-{number}", within=200)
        assert len(world.targets()) == 5
        assert world.calls()["CreateGatewayTarget"] == 5
        for number in range(5):
            assert condition(await world.get(f"server-{number}")).status == "True"
            await world.delete(f"server-{number}")
        await world.until(lambda: not any(world.exists(f"server-{n}") for n in range(5)), within=200)
    assert world.targets() == []
    await asyncio.sleep(0)
