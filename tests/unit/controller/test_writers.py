"""Two operators that write the same objects at once, as nothing but a broken Lease allows."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from agentcore_simulator.settings import Consistency, Durations, Switches
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.targets.shape import marker_of
from tests.support.memory_cluster import LOST
from tests.support.world import GATEWAY, World, condition, record_of
from tests.unit.controller.test_faults import status_writes

OWNER = "cluster-a"
DRIFT = 30.0
CONFIG = {"mcp": {"mcpServer": {"endpoint": "https://weather.example.com/mcp"}}}


def world_of(
    duplicate_names: Any = "allow", *, creating: float = 0.5, seed: int = 0, **settings: Any
) -> World:
    """Return a world in which nothing but the marker keeps two Creates from making two targets."""
    simulator = SimulatorSettings(
        switches=Switches(duplicate_names=duplicate_names, client_token_seconds=0),
        durations=Durations(creating=creating, deleting=1.0),
        **settings,
    )
    return World(simulator=simulator, seed=seed)


def operators(world: World, stack: AsyncExitStack) -> Callable[..., Any]:
    """Return what starts one more operator of the same installation."""

    async def start(**config: Any) -> Any:
        defaults = {"owner_ids": (OWNER,), "drift_interval": DRIFT}
        return await stack.enter_async_context(world.operator(**{**defaults, **config}))

    return start


def alive(world: World) -> list[str]:
    """Return the ids of the targets that stay."""
    return [target["targetId"] for target in world.targets() if target["status"] != "DELETING"]


def creates(world: World) -> int:
    """Return how many Creates took effect."""
    entries = world.aws.requests(limit=100_000)
    return sum(e["operation"] == "CreateGatewayTarget" and e["status"] < 300 for e in entries)


async def quiet(world: World) -> None:
    """Both have nothing to say and nothing to ask, Lists aside."""
    await world.pass_time(3 * DRIFT)
    world.forget_calls()
    await world.pass_time(4 * DRIFT)
    assert world.writes() == []
    assert set(world.calls()) <= {"ListGatewayTargets"}


@pytest.mark.parametrize("rule", ["conflict", "validation", "allow"])
@pytest.mark.parametrize("creating", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("list_lag", [0.0, 20.0])
async def test_one_target_is_left_and_both_agree_on_it(rule: str, creating: float, list_lag: float) -> None:
    """One superfluous Create at most, which AWS refuses or the rule of duplicates removes."""
    world = world_of(rule, creating=creating, consistency=Consistency(list_lag=list_lag))
    async with AsyncExitStack() as stack:
        start = operators(world, stack)
        await start()
        await start()
        await world.create()
        await world.until_ready(within=60)
        await world.pass_time(30 + 2 * list_lag)
        assert creates(world) <= (2 if rule == "allow" else 1)
        assert world.calls()["CreateGatewayTarget"] <= (4 if list_lag else 2)
        obj = await world.get()
        assert alive(world) == [obj.status.target_id]
        assert condition(obj).status == "True"
        assert len(world.writes()) <= (20 if list_lag else 12)
        await quiet(world)
        await world.edit(spec={"description": "edited"})
        await world.until_ready(within=60)
        await quiet(world)
        assert alive(world) == [obj.status.target_id]
        await world.delete()
        await world.until(lambda: not world.exists(), within=200)
        await world.pass_time(30)
        assert world.targets() == []


async def test_record_that_the_other_stored_first_stands() -> None:
    """The first record is lost on its way; meanwhile another process has stored the one of its own target."""
    world = world_of()
    async with AsyncExitStack() as stack:
        start = operators(world, stack)
        await start(faults=status_writes(1, refuse=LOST))
        await world.create()
        await world.until(world.targets)
        (mine,) = alive(world)
        twin = world.aws.create_target(
            GATEWAY,
            name="weather",
            description=f"[mcps {marker_of(OWNER, 'team-a', 'weather')}]",
            targetConfiguration=CONFIG,
        )
        obj = await world.get()
        await world.set_status(
            {
                **record_of(obj),
                "targetId": twin["targetId"],
                "recordedFor": obj.metadata.uid,
                "gatewayId": GATEWAY,
                "gatewayArn": twin["gatewayArn"],
                "targetName": "weather",
            }
        )
        await world.until_ready(within=60)
        await world.until(lambda: alive(world) == [twin["targetId"]], within=60)
        assert mine != twin["targetId"]
        assert (await world.get()).status.target_id == twin["targetId"]
        await quiet(world)


@pytest.mark.parametrize("other", ["gone", "foreign", "nothing"])
async def test_record_of_a_target_that_is_not_there_or_not_ours_does_not_stand(other: str) -> None:
    world = world_of()
    foreign = world.aws.create_target(
        GATEWAY,
        name="elsewhere",
        description=f"[mcps {marker_of('cluster-b', 'team-a', 'weather')}]",
        targetConfiguration=CONFIG,
    )
    async with AsyncExitStack() as stack:
        start = operators(world, stack)
        await start(faults=status_writes(1, refuse=LOST))
        await world.create()
        await world.until(lambda: len(world.targets()) > 1)
        (mine,) = set(alive(world)) - {foreign["targetId"]}
        obj = await world.get()
        if other != "nothing":
            await world.set_status(
                {
                    **record_of(obj),
                    "targetId": foreign["targetId"] if other == "foreign" else "TARGETGONE",
                    "recordedFor": obj.metadata.uid,
                    "gatewayId": GATEWAY,
                    "gatewayArn": foreign["gatewayArn"],
                }
            )

        async def recorded() -> bool:
            held = await world.get()
            return held.status.target_id == mine and condition(held).status == "True"

        await world.until(recorded, within=150)
        assert set(alive(world)) == {mine, foreign["targetId"]}
        await quiet(world)


async def test_two_that_do_not_agree_write_ever_more_slowly() -> None:
    """Two installations in one cluster: what is Ready to one carries a foreign marker to the other."""
    world = world_of("conflict")
    async with AsyncExitStack() as stack:
        start = operators(world, stack)
        await start()
        await world.create()
        await world.until_ready()
        world.forget_calls()
        await start(owner_ids=("cluster-b",))
        await world.pass_time(3600)
        assert 20 <= len(world.writes()) <= 60
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}
        # What a user asks for is not held back for longer than the quarrel makes it.
        await world.pass_time(3600)
        world.forget_calls()
        await world.pass_time(3600)
        assert len(world.writes()) <= 26
        await world.edit(spec={"description": "edited"})
        await world.until(lambda: world.targets()[0]["description"].startswith("edited"), within=10)


async def test_status_that_a_user_replaces_is_put_right_at_once() -> None:
    """Once in a while is no quarrel."""
    world = world_of("conflict")
    async with AsyncExitStack() as stack:
        await operators(world, stack)()
        await world.create()
        held = await world.until_ready()
        for _ in range(3):
            await world.set_status({**record_of(held), "conditions": []})
            await world.until_ready(within=1)
            await world.pass_time(1300)


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_two_of_them_do_at_once_ends_well(seed: int) -> None:
    """Random edits, deletions and restarts under two writers; renames only where no second target can be.

    One that is superfluous when the other is renamed has another name than that, and so is left.
    """
    rng = random.Random(seed)  # noqa: S311  -- repeatable, not secret
    rule = rng.choice(("conflict", "allow"))
    world = world_of(
        rule,
        creating=rng.choice((0.5, 5.0)),
        seed=seed,
        consistency=Consistency(list_lag=rng.choice((0.0, 5.0))),
    )
    names = ("alpha", "beta", "gamma")
    async with AsyncExitStack() as first, AsyncExitStack() as stack:
        await operators(world, first)()
        second = operators(world, stack)
        await second()
        for _ in range(20):
            name = rng.choice(names)
            what = rng.choice(("create", "edit", "rename", "delete", "restart"))
            if what == "restart":
                await stack.aclose()
                await second()
            elif what == "create" and not world.exists(name):
                await world.create(name)
            elif what == "edit" and world.exists(name):
                await world.edit(name, spec={"description": f"number {rng.randrange(100)}"})
            elif what == "rename" and world.exists(name) and rule == "conflict":
                await world.edit(name, spec={"targetName": f"{name}-{rng.randrange(2)}"})
            elif what == "delete" and world.exists(name):
                await world.delete(name)
            await world.pass_time(rng.choice((0.0, 0.05, 1.0, 4.0)))
        await world.pass_time(400)
        left = [await world.get(name) for name in names if world.exists(name)]
        assert all(condition(obj).status == "True" for obj in left), [condition(obj) for obj in left]
        assert sorted(alive(world)) == sorted(obj.status.target_id for obj in left)
        await quiet(world)
