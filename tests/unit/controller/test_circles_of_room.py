"""Objects that want each other's room on full gateways, in circles, and rings of names and room together."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from agentcore_simulator.settings import Durations
from agentcore_simulator.settings import Settings as SimulatorSettings
from tests.support.world import World, condition
from tests.unit.controller.test_circles import writes_of_each

CONFIG: dict[str, Any] = {"owner_ids": ("cluster-a",), "drift_interval": 30.0}
ROOM = "wait for each other's room in a circle"
BOTH = "wait for each other's names and room in a circle"
WAYS_OUT = "a gateway that has room, or make room for one more target on one of theirs"
FREE = "free-abcdefghij"
"""A gateway with room."""


def gateway(number: int) -> str:
    return f"gateway-{number}-abcdefghij"


def full_world(count: int, *, targets: int = 1) -> World:
    """Return a world with so many gateways that take so many targets each, and one that nobody uses."""
    durations = Durations(creating=1.0, updating=1.0, deleting=1.0)
    settings = SimulatorSettings(durations=durations)
    settings.quotas.targets_per_gateway = targets
    world = World(simulator=settings)
    for gateway_id in (*map(gateway, range(count)), FREE):
        world.aws.create_gateway(gateway_id)
    return world


async def settle(world: World, on: dict[str, int], **names: str) -> None:
    """Make objects with targets on their gateways, and wait until nothing happens any more."""
    for name, number in on.items():
        await world.create(name, gatewayId=gateway(number), targetName=names.get(name, name))
    for name in on:
        await world.until_ready(name)
    await world.pass_time(60)


async def go(world: World, name: str, to: str | int, **spec: Any) -> None:
    await world.edit(name, spec={"gatewayId": to if isinstance(to, str) else gateway(to), **spec})


async def says(world: World, words: str, *names: str) -> bool:
    """Whether all of them say so."""
    return all([words in condition(await world.get(name)).message for name in names])


async def silent(world: World, *names: str) -> bool:
    """Whether none of them speaks of a circle."""
    return not any(["in a circle" in condition(await world.get(name)).message for name in names])


@pytest.mark.parametrize("length", [2, 3, 9])
async def test_all_in_a_circle_say_who_is_in_it_and_what_ends_it(length: int) -> None:
    world, names = full_world(length), [f"n{number}" for number in range(length)]
    async with world.operator(**CONFIG):
        await settle(world, {name: number for number, name in enumerate(names)})
        for number, name in enumerate(names[:-1]):
            await go(world, name, number + 1)
        await world.pass_time(10)
        assert await silent(world, *names)
        await world.until_reason("GatewayFull", names[0])
        world.forget_calls()
        await go(world, names[-1], 0)
        await world.until(lambda: says(world, ROOM, *names), within=10)
        await world.pass_time(30)
        # The last of them also enters where it goes before it asks.
        assert all(count <= 1 + (name == names[-1]) for name, count in writes_of_each(world).items())
        assert await says(world, WAYS_OUT, *names)
        for name, following in itertools.pairwise((*names, names[0])):
            assert f"MCPServers team-a/{name}" in condition(await world.get(name)).message
            assert f"team-a/{following}" in condition(await world.get(name)).message
        await go(world, names[-1], FREE)
        for name in names:
            await world.until_ready(name, within=60)
        assert len(world.targets(FREE)) == 1
        await go(world, names[-1], 0)
        await world.until_ready(names[-1], within=60)
        await world.pass_time(60)
        assert [len(world.targets(gateway(number))) for number in range(length)] == [1] * length


async def test_room_that_somebody_makes_ends_it() -> None:
    """Also where others settle on these gateways, who go nowhere."""
    world = full_world(2, targets=2)
    async with world.operator(**CONFIG):
        await settle(world, {"a": 0, "b": 1, "stays-0": 0, "stays-1": 1})
        await go(world, "a", 1)
        await go(world, "b", 0)
        await world.until(lambda: says(world, ROOM, "a", "b"), within=10)
        assert await silent(world, "stays-0", "stays-1")
        await world.delete("stays-1")
        await world.until_ready("a", within=30)
        await world.until_ready("b", within=30)
        assert {target["name"] for target in world.targets(gateway(0))} == {"b", "stays-0"}
        assert await silent(world, "a", "b")


async def test_where_one_can_leave_by_itself_nobody_speaks_of_a_circle() -> None:
    world = full_world(2, targets=2)
    async with world.operator(**CONFIG):
        await settle(world, {"a": 0, "b": 1, "c": 0, "d": 1})
        await go(world, "a", 1)
        await world.until_reason("GatewayFull", "a")
        await go(world, "c", FREE)
        await go(world, "b", 0)
        for _ in range(60):
            await world.pass_time(1)
            assert await silent(world, "a", "b", "c", "d")
        for name in "abc":
            await world.until_ready(name)


async def test_one_that_waits_behind_a_circle_is_not_in_it() -> None:
    world = full_world(3)
    async with world.operator(**CONFIG):
        await settle(world, {"a": 0, "b": 1, "c": 2})
        await go(world, "a", 1)
        await go(world, "b", 0)
        await go(world, "c", 0)
        await world.until(lambda: says(world, ROOM, "a", "b"), within=10)
        await world.until_reason("GatewayFull", "c")
        await world.pass_time(30)
        assert await silent(world, "c")


async def test_names_and_room_in_one_circle() -> None:
    """One wants a name that the other holds, which wants its room."""
    world = full_world(2, targets=2)
    async with world.operator(**CONFIG):
        await settle(world, {"a": 0, "b": 1, "stays": 0}, a="shared", b="shared")
        await go(world, "a", 1)
        await go(world, "b", 0, targetName="other")
        await world.until(lambda: says(world, BOTH, "a", "b"), within=10)
        assert await says(world, "a spec.targetName that is free, a gateway that has room", "a", "b")
        await go(world, "a", 1, targetName="free")
        await world.until_ready("a", within=60)
        await world.until_ready("b", within=60)
        assert await silent(world, "a", "b")


@pytest.mark.parametrize(
    "patch",
    [
        {"metadata": {"annotations": {"mcpgateway.bedrock.aws/paused": "true"}}},
        {"spec": {"managementPolicy": "Observe"}},
        {"spec": {"gatewayId": gateway(2)}},
    ],
    ids=["paused", "observed", "back"],
)
async def test_who_would_not_act_stands_in_no_circle(patch: dict[str, Any]) -> None:
    world = full_world(3)
    async with world.operator(**CONFIG):
        await settle(world, {"a": 0, "b": 1, "c": 2})
        for name, to in (("a", 1), ("b", 2), ("c", 0)):
            await go(world, name, to)
        await world.until(lambda: says(world, ROOM, "a", "b", "c"), within=10)
        await world.edit("c", **patch)
        await world.until(lambda: silent(world, "a", "b"), within=10)


async def test_a_new_process_comes_to_say_the_same() -> None:
    """It first makes sure that its predecessor has made nothing."""
    world = full_world(2)
    async with world.operator(**CONFIG):
        await settle(world, {"a": 0, "b": 1})
        await go(world, "a", 1)
        await go(world, "b", 0)
        await world.until(lambda: says(world, ROOM, "a", "b"), within=10)
        await world.pass_time(5)
    world.forget_calls()
    async with world.operator(**CONFIG):
        await world.pass_time(5)
        await world.until(lambda: says(world, ROOM, "a", "b"), within=120)
        assert max(writes_of_each(world).values()) <= 3
