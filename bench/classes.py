"""B10: what an edit of an MCPGateway costs that governs thousands of MCPServers.

Operator, API server and AWS run in this process. The CPU that is told is the operator's: what the stand-in of
the API server takes for its writes is told beside it. Time is virtual, so all other figures are the same on
every machine: where the program would wait, its clock jumps.

    PYTHONPATH=. python bench/classes.py 1000
    PYTHONPATH=. python bench/classes.py 10000
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
from collections import Counter
from typing import Any, Final

import structlog
from tests.support.classes import ALLOW, GATEWAY, OTHER_GATEWAY, Platform
from tests.support.memory_store import Store
from tests.support.virtual_time import run_virtual
from tests.support.world import World, clients, condition

from agentcore_simulator.settings import Quotas
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import NAMESPACES as KUBERNETES_NAMESPACES

REF: Final[dict[str, Any]] = {"gatewayRef": {"name": "tools"}}
NAMESPACES: Final = 10
SOLO: Final = "solo"
"""Namespace and name of an object that the MCPGateway has nothing to say about."""
QUIET: Final = 5.0
"""Seconds without a pass or a write after which an edit is taken to be over."""
LIMIT: Final = 3600.0


class StandIn:
    """Counts the CPU that the API server's stand-in takes for patches.

    Attributes:
        seconds: so far.
    """

    def __init__(self, store: Store) -> None:
        self.seconds = 0.0
        self._patch = store.patch
        # The one place where all patches pass.
        store.patch = self._timed  # type: ignore[method-assign]

    def _timed(self, *args: Any, **kwargs: Any) -> bytes:
        began = time.process_time()
        try:
            return self._patch(*args, **kwargs)
        finally:
            self.seconds += time.process_time() - began


class Bench:
    """One MCPGateway, and all MCPServers on its gateway."""

    def __init__(self, objects: int) -> None:
        self.world = World(
            simulator=SimulatorSettings(quotas=Quotas(targets_per_gateway=objects + 10)), latency=0.001
        )
        self.platform = Platform(self.world)
        # What tests look for in each write would take longer than all else.
        self.world.api.store.on_change = self.world.sinks._next  # noqa: SLF001
        self.stand_in = StandIn(self.world.api.store)
        self.objects = objects
        self.allow = {**ALLOW, "namespaces": {}}

    async def fill(self) -> None:
        """Make all MCPServers and wait until they are Ready."""
        await self.platform.make(allow=[self.allow])
        for name in (SOLO, *(f"ns-{number}" for number in range(NAMESPACES))):
            self.world.api.store.create(KUBERNETES_NAMESPACES, None, {"metadata": {"name": name}})
        await self.world.create(SOLO, namespace=SOLO, gatewayId=OTHER_GATEWAY)
        for number in range(self.objects):
            await self.world.create(f"server-{number}", namespace=f"ns-{number % NAMESPACES}", **REF)
        await self.world.until(self._all_ready, within=LIMIT)
        await self._quiet()

    def _all_ready(self) -> bool:
        held = self.world.targets(GATEWAY)
        return len(held) == self.objects and all(each["status"] == "READY" for each in held)

    async def edit(self, *, user: bool, **spec: Any) -> dict[str, Any]:
        """Edit the MCPGateway, and return what comes of it until all is quiet.

        Args:
            user: a user edits an object meanwhile, on another gateway.
            spec: what is edited.
        """
        gc.collect()
        self.world.forget_calls()
        self.world.passes.clear()
        before, aside, began = time.process_time(), self.stand_in.seconds, now()
        await self.platform.edit(spec=spec)
        served = await self._user() if user else None
        quiet_at = await self._quiet()
        seconds = quiet_at - began
        calls = self.world.calls()
        writes = Counter(self.platform.object_writes())
        told = writes["patch status"] - (1 if user else 0)  # the user's object takes one
        spent, aside = time.process_time() - before, self.stand_in.seconds - aside
        return {
            "passes": self.world.passes.total(),
            "cpu_seconds": round(spent - aside, 3),
            "cpu_seconds_of_the_api_server": round(aside, 2),
            "seconds": round(seconds, 1),
            "status_writes": told,
            "status_writes_a_second": round(told / seconds, 1) if seconds else 0.0,
            "aws_calls": dict(calls),
            "class_status_writes": len(self.platform.object_writes(names.CLASS_PLURAL)),
            "seconds_of_a_users_edit": served,
        }

    async def _user(self) -> float:
        await asyncio.sleep(0.5)
        began = now()
        await self.world.edit(SOLO, namespace=SOLO, spec={"description": "edited"})

        async def served() -> bool:
            obj = await self.world.get(SOLO, namespace=SOLO)
            ready = condition(obj)
            return (ready.status, ready.observed_generation) == ("True", obj.metadata.generation)

        await self.world.until(served, within=LIMIT)
        return round(now() - began, 2)

    async def _quiet(self) -> float:
        """Wait until nothing has happened for a while; return when something did for the last time."""
        last, at = -1, now()
        while now() < at + QUIET:
            if (passes := self.world.passes.total()) != last:
                last, at = passes, now()
            await asyncio.sleep(0.5)
        return at


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


async def run(objects: int) -> dict[str, Any]:
    """Return the figures of all edits."""
    bench = Bench(objects)
    found: dict[str, Any] = {"objects": objects}
    began = time.process_time()
    async with bench.world.operator(drift_interval=3600.0):
        await bench.fill()
        found["cpu_seconds_until_all_are_ready"] = round(time.process_time() - began, 1)
        permitted = [bench.allow, {**ALLOW, "authTypes": ["NoAuth"]}]
        found["still permitted"] = await bench.edit(user=False, allow=permitted)
        found["newly forbidden"] = await bench.edit(user=True, allow=[{**bench.allow, "providers": ["no"]}])
        found["permitted again"] = await bench.edit(user=False, allow=[bench.allow])
    return found


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("objects", type=int, nargs="?", default=1000)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    clients()
    print(json.dumps(run_virtual(run(parser.parse_args().objects)), indent=2))


if __name__ == "__main__":
    main()
