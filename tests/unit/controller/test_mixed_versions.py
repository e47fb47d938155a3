"""A rolling upgrade from 0.2 and back: each reads what the other wrote, and no target is lost or doubled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from agentcore_simulator.settings import Durations
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.controller.ports import MCPSERVERS
from tests.support.version_0_2 import Reader, written
from tests.support.virtual_time import wall_clock
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition

CONFIG: dict[str, Any] = {"owner_ids": ("cluster-a",), "drift_interval": 10.0}
PAUSED = "mcpgateway.bedrock.aws/paused"
WRITES = {"CreateGatewayTarget", "UpdateGatewayTarget", "DeleteGatewayTarget", "SynchronizeGatewayTargets"}
Story = Callable[[World], Awaitable[Any]]


async def raw_of(world: World) -> dict[str, Any]:
    """Return the object as it is stored."""
    found: dict[str, Any] = msgspec.json.decode(await world.user.get(MCPSERVERS, "team-a", "weather"))
    return found


async def take_over(world: World) -> None:
    """Let 0.2 look at the object once, and write what it says of it."""
    raw = await raw_of(world)
    record = Reader(raw).record
    assert record is not None
    rows = {target["targetId"]: target for target in world.targets(record[0])}
    wall = wall_clock()().strftime("%Y-%m-%dT%H:%M:%SZ")
    await world.set_status(written(raw, updated_at=str(rows[record[1]]["updatedAt"]), wall=wall))


def refuse(*operations: str, code: str) -> Story:
    """Return what lets AWS refuse some calls."""

    async def story(world: World) -> None:
        for operation in operations:
            world.aws.add_fault(operation=operation, code=code, count=None)

    return story


def then(*stories: Story | float) -> Story:
    """Return one thing after the other; a number is seconds."""

    async def story(world: World) -> None:
        for each in stories:
            await (world.pass_time(each) if isinstance(each, float) else each(world))

    return story


DENIED = refuse("ListGatewayTargets", code="AccessDeniedException")
EXPIRED = refuse(
    "ListGatewayTargets", "GetGatewayTarget", "UpdateGatewayTarget", code="ExpiredTokenException"
)


async def nothing(_world: World) -> None:
    """Let it be."""


async def pause(world: World) -> None:
    await world.edit(metadata={"annotations": {PAUSED: "true"}})


async def change(world: World) -> None:
    await world.edit(spec={"description": "Other words"})


async def move(world: World) -> None:
    await world.edit(spec={"gatewayId": OTHER_GATEWAY})


SAYS = {
    "in doubt": ("True", "Unknown"),
    "not known any more": ("Unknown", "Unknown"),
    "credentials refused": ("True", "Unknown"),
    "credentials refused for long": ("Unknown", "Unknown"),
    "edited while AWS cannot be asked": ("False", "False"),
    "paused, and AWS cannot be asked": ("Unknown", "Unknown"),
    "a move that has just begun": ("False", "False"),
    "a move whose new target is made": ("False", "False"),
}
"""Status of Ready and of Synced that 0.2 finds, where it is not True of both."""
STORIES: dict[str, Story] = {
    "at rest": nothing,
    "in doubt": then(DENIED, 60.0),
    "not known any more": then(DENIED, 700.0),
    "credentials refused": then(EXPIRED, 60.0),
    "credentials refused for long": then(EXPIRED, 700.0),
    "edited while AWS cannot be asked": then(EXPIRED, 60.0, change, 60.0),
    "paused": then(pause, 10.0),
    "paused, and AWS cannot be asked": then(pause, DENIED, 700.0),
    "a move that has just begun": then(move, 0.5),
    "a move whose new target is made": then(move, 4.0),
    "a move that leaves the old target": then(
        refuse("DeleteGatewayTarget", code="AccessDeniedException"), move, 60.0
    ),
}


async def told(story: Story) -> World:
    """Let this version tell of what happens, and go; return the world after it, in which AWS answers."""
    durations = Durations(creating=8.0, updating=1.0, deleting=1.0)
    world = World(simulator=SimulatorSettings(durations=durations))
    async with world.operator(**CONFIG):
        await world.create(gatewayId=GATEWAY)
        await world.until_ready()
        await world.pass_time(30)
        await story(world)
    world.aws.clear_faults()
    return world


def held(world: World) -> dict[tuple[str, str], str]:
    """Return what AWS holds: the status of each target by gateway and id."""
    gateways = (GATEWAY, OTHER_GATEWAY)
    return {(each, row["targetId"]): row["status"] for each in gateways for row in world.targets(each)}


def assert_true(raw: dict[str, Any], world: World) -> None:
    """Assert that nothing that 0.2 reads in a status misleads it."""
    read, there = Reader(raw), held(world)
    assert read.record in there
    # Targets that a move has beside it are named where 0.2 keeps them.
    others = {gateway_id for gateway_id, target_id in there if (gateway_id, target_id) != read.record}
    assert others <= {each.gateway_id for each in read.status.moves}
    if read.ready:
        assert read.record[0] == raw["spec"]["gatewayId"]
        assert there[read.record] == "READY"


@pytest.mark.parametrize("story", STORIES)
async def test_both_write_in_turn_and_nothing_is_lost_or_doubled(story: str) -> None:
    world = await told(STORIES[story])
    assert_true(await raw_of(world), world)
    found = Reader(await raw_of(world)).told
    assert (found["Ready"].status, found["Synced"].status) == SAYS.get(story, ("True", "True"))
    before, allowed = held(world), {"UpdateGatewayTarget"} if "edited" in story else set[str]()
    for _ in range(2):
        await take_over(world)
        world.forget_calls()
        async with world.operator(**CONFIG):
            await world.pass_time(300)
            assert condition(await world.get()).status == "True"
            if story.startswith("paused"):
                assert condition(await world.get(), "Paused").status == "True"
        assert_true(await raw_of(world), world)
        if story.startswith("a move"):
            assert world.calls()["CreateGatewayTarget"] <= 1
            assert [gateway_id for gateway_id, _ in held(world)] == [OTHER_GATEWAY]
        else:
            assert {operation for operation in world.calls() if operation in WRITES} <= allowed
            assert held(world) == before


async def test_a_pause_that_ends_under_0_2_is_over() -> None:
    """0.2 keeps conditions that it does not know: Paused would stand for ever."""
    world = await told(then(pause, 10.0))
    await world.edit(metadata={"annotations": {PAUSED: None}})
    await take_over(world)
    assert "Paused" in Reader(await raw_of(world)).told
    async with world.operator(**CONFIG):
        await world.pass_time(60)
        obj = await world.get()
        assert condition(obj).status == "True"
        paused = obj.status.condition("Paused")
        assert paused is None or paused.status == "False"
