"""What is done to a fleet, and what it takes: all of B1 to B8.

Every scenario leaves the fleet settled for the next one and returns its figures: counts, and times that
depend on the machine.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from costs import Costs
from fleet import Fleet

Figures = dict[str, Any]
ALONE_SECONDS: Final = 120.0
"""The longest that an object on its own may take."""
SHARE: Final = 100
"""One target in so many is edited, and another one deleted, from outside."""


async def create(fleet: Fleet) -> Figures:
    """B1: create all objects at once; when half are Ready, one more comes in a namespace of its own."""
    before, began = await fleet.costs(), now()
    new = fleet.name(fleet.conditions.objects)
    waiting = asyncio.create_task(_alone_when_half_ready(fleet, generation=1))
    await fleet.create(new)
    accepted = now() - began
    await fleet.view.ready(fleet.keys, 1, seconds=fleet.limit)
    seconds = now() - began
    return {
        "seconds": round(seconds, 2),
        "seconds_until_all_were_accepted": round(accepted, 2),
        "seconds_of_one_alone": await waiting,
        **await _spent(fleet, before),
        "seconds_in_all": round(now() - began, 2),
    }


async def idle(fleet: Fleet, seconds: float) -> Figures:
    """B2: leave everything alone."""
    before = await fleet.costs()
    await asyncio.sleep(seconds)
    spent = await _spent(fleet, before, settle=False)
    lists = spent["aws_calls"].get("ListGatewayTargets", 0)
    return {
        "seconds": seconds,
        "lists_a_minute": round(lists * 60 / seconds, 1),
        "percent_of_one_core": round(spent["cpu_seconds"]["operator"] * 100 / seconds, 2),
        **spent,
    }


async def restart(fleet: Fleet) -> Figures:
    """B3: kill the operator, create an object in a namespace of its own, start the operator again."""
    await asyncio.to_thread(fleet.kill_operator)
    before = await fleet.costs()
    key = await fleet.create_alone()
    began = now()
    starting = asyncio.create_task(asyncio.to_thread(fleet.start_operator))
    await fleet.view.ready([key], 1, seconds=ALONE_SECONDS)
    seconds = now() - began
    await starting
    # Every gateway is listed once at the start, and once more in this time.
    await asyncio.sleep(1.2 * fleet.conditions.drift_interval)
    spent = await _spent(fleet, before)
    return {"seconds_of_one_alone": round(seconds, 2), "peak_megabytes": fleet.peak(), **spent}


async def edit(fleet: Fleet) -> Figures:
    """B4: change the endpoint of all objects at once; when half are done, a new one comes on its own."""
    before, began = await fleet.costs(), now()
    waiting = asyncio.create_task(_alone_when_half_ready(fleet, generation=2))
    await fleet.edit(fleet.keys, version=2)
    accepted = now() - began
    await fleet.view.ready(fleet.keys, 2, seconds=fleet.limit)
    return {
        "seconds": round(now() - began, 2),
        "seconds_until_all_were_accepted": round(accepted, 2),
        "seconds_of_one_alone": await waiting,
        **await _spent(fleet, before),
    }


async def restart_backlog(fleet: Fleet) -> Figures:
    """B7: edit all while no operator runs, start it, then create one in a namespace of its own."""
    await asyncio.to_thread(fleet.kill_operator)
    before = await fleet.costs()
    await fleet.edit(fleet.keys, version=3)
    began = now()
    await asyncio.to_thread(fleet.start_operator)
    started = now()
    key = await fleet.create_alone()
    await fleet.view.ready([key], 1, seconds=fleet.limit)
    alone = now() - started
    await fleet.view.ready(fleet.keys, 3, seconds=fleet.limit)
    return {
        "seconds": round(now() - began, 2),
        "seconds_of_one_alone": round(alone, 2),
        **await _spent(fleet, before),
        "peak_megabytes": fleet.peak(),
    }


async def outside(fleet: Fleet) -> Figures:
    """B8: edit one target in a hundred from outside, and delete as many others."""
    admin = fleet.environment.simulator.admin
    targets = {
        target["name"]: target["targetId"]
        for gateway in (await asyncio.to_thread(admin.state))["gateways"]
        for target in gateway["targets"]
    }
    names = [key[1] for key in fleet.keys]
    edited, deleted = names[::SHARE], names[SHARE // 2 :: SHARE]
    before, at = await fleet.costs(), await asyncio.to_thread(admin.time)
    server = {"endpoint": "https://elsewhere.example.com/mcp"}

    def change() -> None:
        for name in edited:
            admin.edit_target(targets[name], targetConfiguration={"mcp": {"mcpServer": server}})
        for name in deleted:
            admin.delete_target(targets[name])

    await asyncio.to_thread(change)
    done = await asyncio.to_thread(admin.time)
    spent = await _spent(fleet, before, quiet=1.2 * fleet.conditions.drift_interval)
    log = await asyncio.to_thread(lambda: admin.requests(since=at))
    gets = _first(log, "GetGatewayTarget", "target")
    updates, creates = (
        _first(log, "UpdateGatewayTarget", "target"),
        _first(log, "CreateGatewayTarget", "name"),
    )
    repaired = [(gets[targets[name]], updates[targets[name]]) for name in edited]
    made_again = [(gets[targets[name]], creates[name]) for name in deleted]
    return {
        "edited": len(edited),
        "deleted": len(deleted),
        "seconds_of_the_changes": round(done - at, 2),
        "seconds_until_noticed": round(max(seen for seen, _ in repaired + made_again) - at, 2),
        "seconds_from_noticed_to_repaired": round(max(end - seen for seen, end in repaired), 2),
        "seconds_from_noticed_to_made_again": round(max(end - seen for seen, end in made_again), 2),
        **spent,
    }


async def delete(fleet: Fleet) -> Figures:
    """B5: delete all objects at once."""
    before, began = await fleet.costs(), now()
    await fleet.delete()
    accepted = now() - began
    await fleet.view.gone(fleet.everybody, seconds=fleet.limit)
    return {
        "seconds": round(now() - began, 2),
        "seconds_until_all_were_accepted": round(accepted, 2),
        **await _spent(fleet, before),
    }


def now() -> float:
    """Return the event loop's time."""
    return asyncio.get_running_loop().time()


async def _alone_when_half_ready(fleet: Fleet, *, generation: int) -> float:
    """Create an object in a namespace of its own when half of all are Ready; return the seconds it takes."""
    await fleet.view.ready(fleet.keys, generation, seconds=fleet.limit, but=len(fleet.keys) // 2)
    began = now()
    key = await fleet.create_alone()
    await fleet.view.ready([key], 1, seconds=ALONE_SECONDS)
    return round(now() - began, 2)


async def _spent(fleet: Fleet, before: Costs, *, settle: bool = True, quiet: float = 0.0) -> Figures:
    """Return what was spent until the operator only looks."""
    if quiet:
        await asyncio.sleep(quiet)
    if settle:
        await fleet.settled()
    spent = (await fleet.costs()).since(before)
    return {"objects": len(fleet.everybody), **spent, "resident_megabytes": fleet.resident()}


def _first(log: list[Any], operation: str, member: str) -> dict[str, float]:
    """Return when each target was first called with this operation."""
    found: dict[str, float] = {}
    for entry in log:
        if entry["operation"] == operation and member in entry:
            found.setdefault(entry[member], entry["time"])
    return found
