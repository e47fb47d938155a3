"""What stories of moves share: two gateways, what each of them holds, and what each of them was asked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from agentcore_simulator.settings import Durations
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import EVENTS
from tests.support.world import GATEWAY, LOOK, OTHER_GATEWAY, World, condition

THIRD_GATEWAY = "third-abcdefghij"
GATEWAYS = (GATEWAY, OTHER_GATEWAY, THIRD_GATEWAY)
NEAR = 0.15
"""Seconds from either end of a state within which a crash is to come."""
MUTATIONS = ("CreateGatewayTarget", "UpdateGatewayTarget", "SynchronizeGatewayTargets", "DeleteGatewayTarget")


def moving_world(**durations: float) -> World:
    """Return a world with three gateways."""
    world = World(simulator=SimulatorSettings(durations=Durations(**durations)))
    world.aws.create_gateway(THIRD_GATEWAY)
    return world


async def made(world: World, **spec: Any) -> MCPServer:
    """Make the object, wait until it is Ready on the first gateway, and count from here on."""
    await world.create(**spec)
    obj = await world.until_ready()
    await world.pass_time(5)
    world.forget_calls()
    return obj


async def move(world: World, gateway_id: str | None = OTHER_GATEWAY, **spec: Any) -> None:
    """Let the user name another gateway."""
    await world.edit(spec={"gatewayId": gateway_id, **spec})


async def until_made(world: World, gateway_id: str = OTHER_GATEWAY) -> None:
    """Let time pass until status names the target on the new gateway."""

    async def recorded() -> bool:
        return (await world.get()).status.gateway_id == gateway_id

    await world.until(recorded)


async def at_rest(world: World, gateway_id: str, *, within: float = 120.0) -> MCPServer:
    """Let time pass until the object is Ready on a gateway and has nothing on any other."""

    async def rests() -> bool:
        obj = await world.get()
        ready = condition(obj)
        newest = ready.status == "True" and ready.observed_generation == obj.metadata.generation
        return newest and obj.status.gateway_id == gateway_id and not obj.status.moves

    await world.until(rests, within=within)
    obj = await world.get()
    held = {each: [target["targetId"] for target in world.targets(each)] for each in GATEWAYS}
    assert held.pop(gateway_id) == [obj.status.target_id]
    assert not any(held.values()), held
    assert condition(obj, "Stalled").status == condition(obj, "Reconciling").status == "False"
    return obj


def asked(world: World, gateway_id: str) -> Counter[str]:
    """Return how often a gateway was asked to change something."""
    entries = world.aws.requests(limit=100_000)
    return Counter(
        entry["operation"]
        for entry in entries
        if entry["operation"] in MUTATIONS and entry.get("gateway") == gateway_id
    )


def status_writes(world: World) -> int:
    """Return how many times a status was written."""
    return world.writes().count("patch status")


def events(world: World) -> str:
    """Return all Events as text."""
    return str([body for _, body in world.api.store.select(EVENTS, None)])


async def assert_quiet(world: World) -> None:
    """Nothing is written, and nothing but Lists is asked, for five minutes."""
    await world.pass_time(10)
    world.forget_calls()
    await world.pass_time(300)
    assert world.writes() == []
    assert set(world.calls()) <= {"ListGatewayTargets"}


async def assert_met(
    world: World, targets: Callable[[], list[list[Any]]], moments: list[float]
) -> list[tuple[float, float]]:
    """Each state that a crash can leave behind is met by a moment near its beginning and one near its end.

    Two crashes between the same two steps leave the same object and the same targets to whoever starts. The
    moments reach to the end of the move.
    Returns when each state begins and ends.
    """
    began: list[float] = []
    last: object = None
    for number in range(round((moments[-1] + NEAR) / LOOK)):
        body = json.loads(world.api.store.get(MCPSERVERS, "team-a", "weather"))
        state = body["metadata"].get("finalizers"), body["spec"], body["status"], targets()
        if state != last:
            began.append(number * LOOK)
        last = state
        await world.pass_time(LOOK)
    assert not (await world.get()).status.moves
    assert len([target for each in targets() for target in each]) == 1
    spans = list(zip(began, [*began[1:], moments[-1] + NEAR], strict=True))
    for begin, end in spans:
        within = [moment for moment in moments if begin <= moment < end]
        assert within, (begin, end)
        assert within[0] <= begin + NEAR, (begin, end)
        assert within[-1] >= end - LOOK - NEAR, (begin, end)
    return spans
