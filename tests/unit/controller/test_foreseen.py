"""What `plan` foresees is what `run` does: at the end of random stories, with what their faults have left."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import msgspec

from mcp_gateway_operator.cli.fleet.foresee import Foreseen, Future, Recorder, foresee
from mcp_gateway_operator.cli.fleet.paper_cluster import Platform
from mcp_gateway_operator.cli.fleet.plan_command import planned
from mcp_gateway_operator.cli.fleet.reads import Paced
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.operator import Operator, OperatorConfig
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import NAMESPACES, Resource
from mcp_gateway_operator.targets.actions import Delete
from tests.support.accounts import Cloud
from tests.support.virtual_time import EPOCH
from tests.support.world import GATEWAY, EngineAgentCore, World
from tests.unit.controller.fuzz import DRIFT_INTERVAL, OWNER, Story
from tests.unit.controller.telling import tell

STORIES = range(15)
CHANGES = 5
"""What users and others change while no operator runs, so that there is something to foresee."""
SETTLED = 200.0
"""Seconds after which what AWS has begun is over, and Lists lag no more."""


def foreseen(world: World, *, cloud: Cloud | None = None, **config: Any) -> Future:
    """Return what an operator that starts now would do.

    Args:
        world: the cluster, and the operator's own account.
        cloud: the other accounts; MCPGateways are looked at where they are given.
        config: `OperatorConfig`.
    """
    port = EngineAgentCore(world.engine, latency=0.0, call_seconds=15.0)
    aws = nullcontext(Paced(port, opener=cloud or Cloud(world), rate=1e6))
    platform = Platform()
    if cloud is not None:
        classes, namespaces = _stored(world, MCPGATEWAYS), _stored(world, NAMESPACES)
        platform = Platform(served=True, classes=classes, namespaces=namespaces)
    settings = OperatorConfig(**{"gateway_id": GATEWAY, "owner_ids": (OWNER,), **config})
    now = EPOCH + timedelta(seconds=asyncio.get_running_loop().time())
    # A loop inside a loop, whose time stands still: nothing that is read waits for anything outside.
    outer = asyncio.get_running_loop()
    latency, world.latency = world.latency, 0.0
    asyncio._set_running_loop(None)
    try:
        return foresee(
            _stored(world, MCPSERVERS), config=settings, aws=aws, owner="", now=now, platform=platform
        )
    finally:
        asyncio._set_running_loop(outer)
        world.latency = latency


def _stored(world: World, resource: Resource) -> tuple[dict[str, Any], ...]:
    return tuple(msgspec.json.decode(body) for _, body in world.api.store.select(resource, None))


def kinds(future: Future) -> dict[str, str]:
    """Return what `plan` calls that which becomes of each object, by name."""
    keys = {*future.objects, *(each.key for each in future.steps)}
    by_key = {key: [each for each in future.steps if each.key == key] for key in keys}
    return {key[1]: planned(key, steps, future, Platform()).action for key, steps in by_key.items()}


def done(record: Recorder, operator: Operator) -> Future:
    """Return what an operator has done, in the shape of what is foreseen."""
    return Future(
        steps=tuple(record.steps),
        first=record.first,
        last=record.last,
        objects={obj.key: obj for obj in operator.informer.values()},
    )


def told(steps: Iterable[Foreseen]) -> dict[object, list[tuple[object, ...]]]:
    """Return the steps of each object; one that is tried again counts once.

    A Delete is asked for again wherever AWS takes its time.
    """
    found = defaultdict[object, list[tuple[object, ...]]](list)
    for each in steps:
        before = found[each.key]
        if each.shape not in (before if isinstance(each.step, Delete) else before[-1:]):
            before.append(each.shape)
    return dict(found)


class Foretold(Story):
    """A story whose end is foreseen before a fresh operator makes it, with all that users did meanwhile."""

    foreseen: tuple[Foreseen, ...] = ()

    async def _converge(self) -> None:
        await self._stack.aclose()
        self.say("nobody works, and users go on")
        changes = (self.create, self.edit, self.rename, self.move, self.delete)
        for change in self.rng.choices((*changes, self.edit_outside, self.delete_outside), k=CHANGES):
            await change()
        await self.world.pass_time(SETTLED)
        future = foreseen(self.world)
        record = Recorder()
        operator = await self._stack.enter_async_context(
            self.world.operator(owner_ids=(OWNER,), drift_interval=DRIFT_INTERVAL, sweep_interval=1e9)
        )
        operator.hooks.on_decision = record
        await super()._converge()
        assert told(future.steps) == told(record.steps)
        assert kinds(future) == kinds(done(record, operator))
        self.foreseen = future.steps


async def test_plan_foresees_the_steps_of_run(seed: int) -> None:
    await tell(Foretold(seed))
