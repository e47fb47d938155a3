"""Take N objects through their lives and say what each part took and cost: does it grow linearly?

Created at once, left alone for two drift intervals, looked after by an operator that was killed and started
again, edited at once, deleted at once. A hundred objects to a gateway, which is what AWS allows. The
conditions of the project's target: 20 ms a call, CREATING for half a second, no quotas. Real API server,
simulated AWS over HTTP, the operator as a process with its ServiceAccount's token. Prints one JSON object for
each N.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from mcp_gateway_operator.cli.environment import GATEWAY, Environment
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import ApiError, PatchType
from mcp_gateway_operator.runtime.transport import KubeCluster, connect

NAMESPACE: Final = "bench"
TARGETS_PER_GATEWAY: Final = 100
AT_ONCE: Final = 16
"""Requests of ours under way at a time, as those of a few busy pipelines."""
LIMIT_SECONDS: Final = 300.0
SETTLE_SECONDS: Final = 3.0
"""From the last object's Ready until the operator's own reads after its writes are over."""
MUTATIONS: Final = ("CreateGatewayTarget", "UpdateGatewayTarget", "DeleteGatewayTarget")

Figures = dict[str, Any]


class _Condition(msgspec.Struct):
    type: str
    status: str
    observed_generation: int = msgspec.field(name="observedGeneration", default=0)


class _Status(msgspec.Struct):
    conditions: tuple[_Condition, ...] = ()


class _Metadata(msgspec.Struct):
    name: str
    generation: int = 0


class _Object(msgspec.Struct):
    metadata: _Metadata
    status: _Status = msgspec.field(default_factory=_Status)

    def ready(self) -> int:
        """Return the generation that is Ready, 0 for none."""
        for condition in self.status.conditions:
            if condition.type == "Ready" and condition.status == "True":
                return condition.observed_generation
        return 0


class Costs(NamedTuple):
    """What everything has cost so far: calls, writes by kind, and the operator's CPU seconds."""

    calls: Counter[str]
    writes: Counter[str]
    cpu: float


class View:
    """What a watch says of the objects: by name, the generation that is Ready."""

    def __init__(self, cluster: KubeCluster) -> None:
        self._cluster = cluster
        self._ready: dict[str, int] = {}
        self._changed = asyncio.Condition()

    async def follow(self) -> None:
        """List and watch until cancelled, anew when the API server ends a watch, as it may at any time."""
        while True:
            with contextlib.suppress(ApiError):
                await self._follow_once()

    async def _follow_once(self) -> None:
        listed = await self._cluster.list(MCPSERVERS, namespace=NAMESPACE, limit=0)
        objects = [msgspec.json.decode(item, type=_Object) for item in listed.items]
        self._ready = {seen.metadata.name: seen.ready() for seen in objects}
        events = self._cluster.watch(
            MCPSERVERS, namespace=NAMESPACE, resource_version=listed.resource_version, timeout=LIMIT_SECONDS
        )
        async with contextlib.aclosing(events):
            async for event in events:
                if event.type == "ERROR":
                    return
                if event.type != "BOOKMARK":
                    self._take(event.type, msgspec.json.decode(event.object, type=_Object))
                async with self._changed:
                    self._changed.notify_all()

    def _take(self, what: str, seen: _Object) -> None:
        if what == "DELETED":
            self._ready.pop(seen.metadata.name, None)
        else:
            self._ready[seen.metadata.name] = seen.ready()

    async def all_ready(self, names: Iterable[str], generation: int) -> None:
        """Wait until all of these are Ready at this generation or a later one."""
        wanted = tuple(names)
        await self._until(lambda: all(self._ready.get(name, 0) >= generation for name in wanted))

    async def none_left(self) -> None:
        """Wait until no object is left."""
        await self._until(lambda: not self._ready)

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_SECONDS), self._changed:
            await self._changed.wait_for(holds)


class Run:
    """One N: the installation and the objects on it."""

    def __init__(
        self, environment: Environment, cluster: KubeCluster, view: View, arguments: Figures
    ) -> None:
        self._environment = environment
        self._cluster = cluster
        self._view = view
        self._interval: float = arguments["drift_interval"]
        self._names = [f"server-{number:05d}" for number in range(arguments["objects"])]
        self._now = asyncio.get_running_loop().time

    async def measure(self) -> Figures:
        """Go through all phases and return the figures of each."""
        figures: Figures = {}
        for phase, name in (
            (self.create, "created"),
            (self.idle, "idle"),
            (self.restart, "restarted"),
            (self.edit, "edited"),
            (self.delete, "deleted"),
        ):
            figures[name] = await phase()
            print(json.dumps({name: figures[name]}), file=sys.stderr, flush=True)
        return figures

    async def create(self) -> Figures:
        """Create all objects at once."""
        before, began = await self._costs(), self._now()
        await self._all_at_once(self._create)
        applied = self._now() - began
        await self._view.all_ready(self._names, 1)
        return {
            "seconds_until_all_ready": round(self._now() - began, 2),
            "seconds_to_create_the_objects": round(applied, 2),
            **await self._since(before),
        }

    async def idle(self) -> Figures:
        """Leave everything alone for two drift intervals."""
        await asyncio.sleep(SETTLE_SECONDS)
        before = await self._costs()
        await asyncio.sleep(2 * self._interval)
        return {"seconds": 2 * self._interval, **await self._since(before)}

    async def restart(self) -> Figures:
        """Kill the operator, create one more object, start it again and let a drift interval pass."""
        os.kill(self._environment.operator.pid, signal.SIGKILL)
        await asyncio.to_thread(self._environment.operator.wait, 10.0)
        before = await self._costs()
        extra = f"server-{len(self._names):05d}"
        await self._create(extra)
        began = self._now()
        await asyncio.to_thread(start_operator, self._environment, self._interval)
        await self._view.all_ready([extra], 1)
        taken = self._now() - began
        await asyncio.sleep(self._interval)
        self._names.append(extra)
        return {
            "seconds_until_a_new_object_is_ready": round(taken, 2),
            **await self._since(before),
        }

    async def edit(self) -> Figures:
        """Change the endpoint of all objects at once."""
        before, began = await self._costs(), self._now()
        await self._all_at_once(self._edit)
        await self._view.all_ready(self._names, 2)
        seconds = round(self._now() - began, 2)
        return {"seconds_until_all_ready": seconds, **await self._since(before, own=len(self._names))}

    async def delete(self) -> Figures:
        """Delete all objects at once."""
        before, began = await self._costs(), self._now()
        await self._all_at_once(lambda name: self._cluster.delete(MCPSERVERS, NAMESPACE, name))
        await self._view.none_left()
        return {"seconds_until_all_gone": round(self._now() - began, 2), **await self._since(before)}

    async def _create(self, name: str) -> None:
        number = int(name.rpartition("-")[2])
        gateway = gateway_of(number)
        spec = {
            "endpoint": f"https://{name}.example.com/mcp",
            "capabilities": ["tools"],
            "authType": "NoAuth",
        }
        body = {
            "apiVersion": f"{MCPSERVERS.group}/{MCPSERVERS.version}",
            "kind": "MCPServer",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": spec if gateway == GATEWAY else {**spec, "gatewayId": gateway},
        }
        await self._cluster.create(MCPSERVERS, NAMESPACE, body)

    async def _edit(self, name: str) -> None:
        body = {"spec": {"endpoint": f"https://{name}.example.com/v2/mcp"}}
        await self._cluster.patch(MCPSERVERS, NAMESPACE, name, body, kind=PatchType.MERGE)

    async def _all_at_once(self, do: Callable[[str], Any]) -> None:
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(name: str) -> None:
            async with turn:
                await do(name)

        await asyncio.gather(*map(one, self._names))

    async def _costs(self) -> Costs:
        """Return the AWS calls, and the writes on MCPServers and Events, as both servers count them."""
        calls = Counter[str](self._environment.simulator.admin.counts()["operations"])
        writes = Counter[str]()
        for line in (await self._cluster.get_path("/metrics")).decode().splitlines():
            if line.startswith("apiserver_request_total{"):
                labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
                what = (labels["verb"], labels["resource"])
                if what in {("PATCH", "mcpservers"), ("PUT", "mcpservers")}:
                    name = labels["subresource"] or "object"
                elif what in {("POST", "events"), ("PATCH", "events")}:
                    name = "events"
                else:
                    continue
                writes[name] += int(float(line.rpartition(" ")[2]))
        return Costs(calls, writes, self._cpu())

    async def _since(self, before: Costs, *, own: int = 0) -> Figures:
        """Return what it cost since then; `own` patches of objects were the benchmark's."""
        now = await self._costs()
        now.writes["object"] -= own
        return {
            "writes": dict(now.writes - before.writes),
            "aws_calls": dict(now.calls - before.calls),
            "cpu_seconds": round(now.cpu - before.cpu, 2),
            "rss_megabytes": round(self._rss(), 1),
        }

    def _rss(self) -> float:
        status = Path(f"/proc/{self._environment.operator.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def _cpu(self) -> float:
        """Return the CPU seconds of the operator, user and system; 0 for one that was killed."""
        if self._environment.operator.returncode is not None:
            return 0.0
        stat = Path(f"/proc/{self._environment.operator.pid}/stat").read_text(encoding="ascii")
        # Fields 14 and 15 of proc(5); the name in field 2 may hold blanks, so count behind its parenthesis.
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def gateway_of(number: int) -> str:
    """Return the gateway of an object: the default one for the first hundred."""
    index = number // TARGETS_PER_GATEWAY
    return f"bench-gateway-{index:010d}" if index else GATEWAY


def start_operator(environment: Environment, interval: float) -> None:
    """Start the operator without quotas and wait until it is ready."""
    environment.start_operator("--aws-quotas=unlimited", f"--drift-interval={interval:g}s")


@contextlib.asynccontextmanager
async def installation(arguments: Figures) -> AsyncIterator[Run]:
    """Start everything for one N, with a gateway for each hundred objects and one more."""
    with (
        tempfile.TemporaryDirectory(prefix="mcps-bench-") as scratch,
        Environment(Path(scratch)) as environment,
    ):
        environment.start_cluster(lambda _line: None)
        environment.start_simulator("--latency", "20")
        environment.simulator.admin.configure(durations={"creating": 0.5, "updating": 0.5})
        for number in range(TARGETS_PER_GATEWAY, arguments["objects"] + 1, TARGETS_PER_GATEWAY):
            environment.simulator.admin.create_gateway(gateway_of(number))
        environment.cluster.kubectl("create", "namespace", NAMESPACE)
        start_operator(environment, arguments["drift_interval"])
        cluster = connect(kubeconfig=str(environment.cluster.kubeconfig), user_agent="bench")
        view = View(cluster)
        following = asyncio.create_task(view.follow())
        try:
            yield Run(environment, cluster, view, arguments)
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError, ApiError):
                await following
            await cluster.close()


def check(figures: Figures, count: int) -> None:
    """Assert what does not depend on the machine: how many calls and writes each part costs.

    Raises:
        AssertionError: a part cost more than is promised.
    """
    calls = {part: Counter[str](figures[part]["aws_calls"]) for part in figures}
    writes = {part: Counter[str](figures[part]["writes"]) for part in figures}
    mutations = {
        "created": {"CreateGatewayTarget": count},
        "idle": {},
        "restarted": {"CreateGatewayTarget": 1},
        "edited": {"UpdateGatewayTarget": count + 1},
        "deleted": {"DeleteGatewayTarget": count + 1},
    }
    for part, wanted in mutations.items():
        made = {name: calls[part][name] for name in MUTATIONS if calls[part][name]}
        assert made == wanted, f"{part}: {made} instead of {wanted}"
    others = calls["created"].total() - count
    assert others <= 0.3 * count, f"created: {others} other calls for {count} objects"
    for part, most in {"created": 3 * count, "idle": 0, "restarted": 3, "edited": 3 * count + 3}.items():
        done = writes[part]["object"] + writes[part]["status"]
        assert done <= most, f"{part}: {done} writes instead of {most} at most"


async def bench(arguments: Figures) -> Figures:
    """Measure one N."""
    async with installation(arguments) as run:
        return await run.measure()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--drift-interval", type=float, default=10.0, help="seconds")
    parser.add_argument("--check", action="store_true", help="fail when calls or writes are too many")
    given = parser.parse_args()
    for count in given.objects:
        load = os.getloadavg()[0]
        figures = asyncio.run(bench({"objects": count, "drift_interval": given.drift_interval}))
        print(json.dumps({"objects": count, "load_before": round(load, 2), **figures}), flush=True)
        if given.check:
            check(figures, count)


if __name__ == "__main__":
    main()
