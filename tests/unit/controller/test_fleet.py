"""What many objects at once cost: calls follow what happens at AWS, not how long the work waits here."""

from __future__ import annotations

from tests.support.memory_cluster import Fault, Request
from tests.support.world import World, condition

SLOW = 1.0
"""Seconds that the API server takes for a status, so that passes pile up."""


def slow_status(request: Request) -> Fault | None:
    return Fault(delay=SLOW) if request.subresource == "status" else None


async def test_targets_that_are_ready_are_not_listed_again_while_their_status_waits_to_be_written() -> None:
    world = World()
    names = [f"server-{number:02d}" for number in range(80)]
    async with world.operator(faults=slow_status):
        for name in names:
            await world.create(name, endpoint=f"https://{name}.example.com/mcp")
        creating = await world.until(lambda: world.calls()["CreateGatewayTarget"] == len(names))
        await world.pass_time(2)
        world.forget_calls()

        async def all_ready() -> bool:
            return all([condition(await world.get(name)).status == "True" for name in names])

        writing = await world.until(all_ready)

    assert writing > creating + 5
    assert world.calls()["ListGatewayTargets"] <= 1
    assert world.writes() == ["patch status"] * len(world.writes())
