"""Objects that want each other's names, in circles: each says so, and what ends it, and nothing is sent."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agentcore_simulator.settings import Durations
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.controller.gather.circles import SHOWN, Circles
from mcp_gateway_operator.runtime.cluster import NAMESPACES
from tests.support.classes import ALLOW, Platform
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition

CONFIG: dict[str, Any] = {"owner_ids": ("cluster-a",), "drift_interval": 30.0}
CIRCLE = "wait for each other's names in a circle"
Key = tuple[str, str]


def world_of() -> World:
    """Return a world whose namespaces team-a, team-b and team-c exist."""
    durations = Durations(creating=1.0, updating=1.0, deleting=1.0)
    world = World(simulator=SimulatorSettings(durations=durations))
    for namespace in ("team-b", "team-c"):
        world.api.store.create(NAMESPACES, None, {"metadata": {"name": namespace}})
    return world


async def message(world: World, name: str, namespace: str = "team-a") -> str:
    """Return what Ready says, where that is about a name."""
    found = condition(await world.get(name, namespace=namespace))
    return found.message if found.reason == "NameConflict" else ""


async def in_circle(world: World, *names: str) -> bool:
    """Whether all of them say that they wait in a circle."""
    return all([CIRCLE in await message(world, name) for name in names])


async def in_no_circle(world: World, *names: str) -> bool:
    """Whether none of them says so."""
    return not any([CIRCLE in await message(world, name) for name in names])


async def make(world: World, *names: str, **spec: Any) -> None:
    """Make objects with targets of their names, and wait until nothing happens any more."""
    for name in names:
        await world.create(name, **spec)
    for name in names:
        await world.until_ready(name)
    await world.pass_time(60)


async def turn(world: World, *names: str) -> None:
    """Let each want the name of the next, and the last that of the first."""
    for name, wanted in itertools.pairwise((*names, names[0])):
        await world.edit(name, spec={"targetName": wanted})
        await world.pass_time(5)


def writes_of_each(world: World) -> Counter[str]:
    """Return how often the operator has written each object's status."""
    return Counter(
        request.name
        for request in world.api.writes()
        if request.client.startswith("operator") and request.subresource == "status"
    )


@pytest.mark.parametrize("length", [2, 3, 9])
async def test_all_in_a_circle_say_so_with_one_write_and_no_call(length: int) -> None:
    world, names = world_of(), [f"n{number}" for number in range(length)]
    async with world.operator(**CONFIG):
        await make(world, *names)
        for name, wanted in itertools.pairwise(names):
            await world.edit(name, spec={"targetName": wanted})
        await world.pass_time(10)
        assert await in_no_circle(world, *names)
        world.forget_calls()
        await world.edit(names[-1], spec={"targetName": names[0]})
        await world.until(lambda: in_circle(world, *names), within=5)
        await world.pass_time(120)
        assert set(writes_of_each(world).values()) == {1}
        assert set(world.calls()) <= {"ListGatewayTargets"}
        for name, holder in itertools.pairwise((*names, names[0])):
            words = await message(world, name)
            assert f"that of MCPServer team-a/{holder}" in words
            assert f"MCPServers team-a/{name}" in words
            assert "Give one of them a spec.targetName that is free" in words
            assert words.count("team-a/") <= SHOWN + 1
            assert (f" and {length - SHOWN} more" in words) is (length > SHOWN)


async def test_what_the_message_advises_ends_the_circle() -> None:
    world, names = world_of(), ("a", "b", "c")
    async with world.operator(**CONFIG):
        await make(world, *names)
        await turn(world, *names)
        assert await in_circle(world, *names)
        await world.edit("c", spec={"targetName": "free"})
        for name in names:
            await world.until_ready(name, within=30)
        await world.edit("c", spec={"targetName": "a"})
        await world.until_ready("c", within=30)
        assert sorted(target["name"] for target in world.targets()) == ["a", "b", "c"]


async def test_a_new_process_says_the_same_and_writes_nothing() -> None:
    world, names = world_of(), ("a", "b", "c")
    async with world.operator(**CONFIG):
        await make(world, *names)
        await turn(world, *names)
        said = [await message(world, name) for name in names]
    world.forget_calls()
    async with world.operator(**CONFIG):
        await world.pass_time(60)
        assert [await message(world, name) for name in names] == said
        assert not writes_of_each(world)
    assert all(CIRCLE in each for each in said)


@pytest.mark.parametrize("names", [("a", "a"), ("a", "b")], ids=["one name", "two names"])
async def test_objects_that_change_gateways_say_so(names: tuple[str, str]) -> None:
    """Each wants to go where the other holds the name that it wants."""
    world, (here, there) = world_of(), names
    async with world.operator(**CONFIG):
        await make(world, "one", gatewayId=GATEWAY, targetName=here)
        await make(world, "two", gatewayId=OTHER_GATEWAY, targetName=there)
        world.forget_calls()
        await world.edit("one", spec={"gatewayId": OTHER_GATEWAY, "targetName": there})
        await world.pass_time(5)
        assert await in_no_circle(world, "one")
        await world.edit("two", spec={"gatewayId": GATEWAY, "targetName": here})
        await world.until(lambda: in_circle(world, "one", "two"), within=5)
        await world.pass_time(60)
        assert set(world.calls()) <= {"ListGatewayTargets"}
        await world.edit("one", spec={"targetName": "free"})
        await world.until_ready("one")
        await world.until_ready("two")
        await world.pass_time(60)
        assert [target["name"] for target in world.targets()] == [here]
        assert [target["name"] for target in world.targets(OTHER_GATEWAY)] == ["free"]


Change = Callable[[World], Awaitable[Any]]
PAUSE = {"annotations": {"mcpgateway.bedrock.aws/paused": "true"}}
BREAKS: dict[str, tuple[Change, Change | None]] = {
    "observed": (
        lambda world: world.edit("c", spec={"managementPolicy": "Observe"}),
        lambda world: world.edit("c", spec={"managementPolicy": None}),
    ),
    "paused": (
        lambda world: world.edit("c", metadata=PAUSE),
        lambda world: world.edit("c", metadata={"annotations": {"mcpgateway.bedrock.aws/paused": None}}),
    ),
    "wants its own": (
        lambda world: world.edit("c", spec={"targetName": "c"}),
        lambda world: world.edit("c", spec={"targetName": "a"}),
    ),
}


@pytest.mark.parametrize("how", BREAKS)
async def test_a_circle_is_one_only_while_all_in_it_would_act(how: str) -> None:
    world, (breaks, mends) = world_of(), BREAKS[how]
    async with world.operator(**CONFIG):
        await make(world, "a", "b", "c")
        await turn(world, "a", "b", "c")
        assert await in_circle(world, "a", "b", "c")
        world.forget_calls()
        await breaks(world)
        await world.until(lambda: in_no_circle(world, "a", "b"), within=5)
        await world.pass_time(30)
        assert all(count == 1 for name, count in writes_of_each(world).items() if name != "c")
        assert mends is not None
        await mends(world)
        await world.until(lambda: in_circle(world, "a", "b", "c"), within=5)
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}


async def test_who_is_not_permitted_is_not_told_of_a_circle() -> None:
    """Nothing is done for it, whatever name it is given: the advice would lead nowhere."""
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator(**CONFIG):
        await make(world, "a", "b", gatewayRef={"name": "tools"})
        await turn(world, "a", "b")
        assert await in_circle(world, "a", "b")
        await platform.edit(spec={"allow": []})
        await world.until(lambda: in_no_circle(world, "a", "b"), within=10)
        assert condition(await world.get("a"), "Permitted").status == "False"
        await platform.edit(spec={"allow": [ALLOW]})
        await world.until(lambda: in_circle(world, "a", "b"), within=10)


async def test_deleting_one_ends_the_circle_and_the_others_follow() -> None:
    world = world_of()
    async with world.operator(**CONFIG):
        await make(world, "a", "b", "c")
        await turn(world, "a", "b", "c")
        await world.delete("c")
        await world.until_ready("b")
        await world.until_ready("a")
        assert sorted(target["name"] for target in world.targets()) == ["b", "c"]


async def test_one_that_waits_for_a_circle_is_not_in_it() -> None:
    world = world_of()
    async with world.operator(**CONFIG):
        await make(world, "a", "b", "c")
        await turn(world, "a", "b")
        await world.edit("c", spec={"targetName": "a"})
        await world.until(lambda: message(world, "c"), within=5)
        assert await in_no_circle(world, "c")
        assert await in_circle(world, "a", "b")


async def test_of_other_namespaces_only_who_holds_the_name_is_named() -> None:
    world = world_of()
    keys = [("team-a", "first"), ("team-b", "second"), ("team-c", "third"), ("team-a", "fourth")]
    async with world.operator(**CONFIG):
        for number, (namespace, name) in enumerate(keys):
            await world.create(name, namespace=namespace, targetName=f"t{number}")
        await world.pass_time(60)
        for number, (namespace, name) in enumerate(keys):
            await world.edit(name, namespace=namespace, spec={"targetName": f"t{(number + 1) % 4}"})
        await world.pass_time(10)
        words = await message(world, "first")
        assert "MCPServers team-a/first, team-b/second, team-a/fourth and 1 more wait" in words
        assert "team-c" not in words
        assert "t2" not in words
        words = await message(world, "third", "team-c")
        assert "MCPServers team-c/third, team-a/fourth and 2 more wait" in words
        assert "team-b" not in words


async def test_a_circle_of_many_costs_in_proportion_to_their_number(monkeypatch: Any) -> None:
    """Each object looks at few others, however many stand in the circle."""
    looks = Counter[int]()
    stance = Circles._stance

    def counted(self: Circles, obj: Any, **given: Any) -> Any:
        looks[length] += 1
        return stance(self, obj, **given)

    monkeypatch.setattr(Circles, "_stance", counted)
    for length in (10, 40):
        world, names = world_of(), [f"n{number:02}" for number in range(length)]
        async with world.operator(**CONFIG):
            await make(world, *names)
            for name, wanted in itertools.pairwise(names):
                await world.edit(name, spec={"targetName": wanted})
            await world.pass_time(10)
            looks.clear()
            await world.edit(names[-1], spec={"targetName": names[0]})
            await world.pass_time(10)
            assert await in_circle(world, *names)
            assert looks[length] <= 12 * length
