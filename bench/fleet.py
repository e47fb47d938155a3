"""A whole installation with N objects: real API server, simulated AWS over HTTP, the operator's process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from costs import Costs, cpu_seconds, machine_seconds, megabytes, writes
from rawkube import MERGE, RawKube
from view import Key, View

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator.runtime.transport import connect
from mcp_gateway_operator_demo.environment import GATEWAY, Environment

NAMESPACE: Final = "bench"
ALONE: Final = "alone"
"""Namespace of the objects that come while all others wait; on a gateway of their own."""
ALONE_GATEWAY: Final = "bench-gateway-alone00000"
TARGETS_PER_GATEWAY: Final = 100
"""AWS's quota."""
AT_ONCE: Final = 32
"""Requests of the benchmark under way at a time, as those of a few busy pipelines."""
QUIET_SECONDS: Final = 3.0
"""Without a write or a call other than Lists for so long, everything has settled."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Under which a fleet is measured; times in seconds."""

    objects: int
    drift_interval: float = 60.0
    quotas: str = "unlimited"
    """The operator's --aws-quotas; AWS keeps its own when this is not "unlimited"."""
    latency: float = 0.02
    creating: float = 0.5

    @property
    def gateways(self) -> int:
        """How many gateways N objects need."""
        return -(-self.objects // TARGETS_PER_GATEWAY)


@dataclass
class Fleet:
    """The installation and the objects on it."""

    conditions: Conditions
    environment: Environment
    kube: RawKube
    view: View
    keys: list[Key] = field(default_factory=list)
    """The objects there are, but for those alone."""
    alone: list[Key] = field(default_factory=list)
    own_patches: int = 0
    """Patches of objects that were the benchmark's, not the operator's."""

    @property
    def limit(self) -> float:
        """Seconds after which a fleet of this size counts as stuck."""
        return 300.0 + 0.3 * self.conditions.objects

    @property
    def everybody(self) -> list[Key]:
        """All objects."""
        return [*self.keys, *self.alone]

    def start_operator(self) -> None:
        """Start the operator and wait until it is ready."""
        self.environment.start_operator(
            f"--aws-quotas={self.conditions.quotas}",
            f"--drift-interval={self.conditions.drift_interval:g}s",
            seconds=self.limit,
        )

    def kill_operator(self) -> None:
        """End the operator without any warning and wait for its end."""
        os.kill(self.environment.operator.pid, signal.SIGKILL)
        assert self.environment.operator.wait(10.0)

    # -- the objects ----------------------------------------------------------------------------------

    def name(self, count: int) -> list[Key]:
        """Add so many objects to the fleet; they are still to be created."""
        new = [
            (NAMESPACE, f"server-{number:05d}") for number in range(len(self.keys), len(self.keys) + count)
        ]
        self.keys += new
        return new

    async def create(self, keys: Iterable[Key]) -> None:
        """Create these objects at once."""
        await self._each(keys, self._create)

    async def create_alone(self) -> Key:
        """Create one object in a namespace of its own."""
        key = (ALONE, f"alone-{len(self.alone)}")
        self.alone.append(key)
        await self._create(key)
        return key

    async def edit(self, keys: Iterable[Key], *, version: int) -> None:
        """Change the endpoint of these objects at once."""

        async def one(key: Key) -> None:
            self.own_patches += 1
            body = {"spec": {"endpoint": endpoint_of(key, version)}}
            await self.kube.send("PATCH", MCPSERVERS.path(*key), body, kind=MERGE)

        await self._each(keys, one)

    async def delete(self) -> None:
        """Delete all objects at once."""
        await self._each(self.everybody, lambda key: self.kube.send("DELETE", MCPSERVERS.path(*key)))

    async def _create(self, key: Key) -> None:
        body = {
            "apiVersion": f"{names.GROUP}/{names.VERSION}",
            "kind": names.KIND,
            "metadata": {"name": key[1], "namespace": key[0]},
            "spec": {
                "endpoint": endpoint_of(key, 1),
                "gatewayId": gateway_of(key),
                "capabilities": ["tools"],
                "authType": "NoAuth",
            },
        }
        await self.kube.send("POST", MCPSERVERS.path(key[0]), body)

    async def _each(self, keys: Iterable[Key], do: Callable[[Key], Awaitable[object]]) -> None:
        left = iter(tuple(keys))

        async def work() -> None:
            for key in left:
                await do(key)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(work())

    # -- what it costs --------------------------------------------------------------------------------

    async def costs(self) -> Costs:
        """Return what everything has cost so far."""
        counts = await asyncio.to_thread(self.environment.simulator.admin.counts)
        written = writes((await self.kube.send("GET", "/metrics")).decode())
        written["object"] -= self.own_patches
        calls = Counter[str](counts["operations"])
        return Costs(calls=calls, writes=written, cpu=self._cpu(), machine=machine_seconds())

    def resident(self) -> float:
        """Return the operator's resident memory in MB."""
        return megabytes(self.environment.operator.pid, "VmRSS")

    def peak(self) -> float:
        """Return the most memory in MB that the operator has had resident since its start."""
        return megabytes(self.environment.operator.pid, "VmHWM")

    async def settled(self) -> None:
        """Wait until the operator does nothing any more but look.

        Raises:
            TimeoutError: it never does.
        """
        async with asyncio.timeout(self.limit):
            before = None
            while (now := await self._activity()) != before:
                before = now
                await asyncio.sleep(QUIET_SECONDS)

    async def _activity(self) -> tuple[object, object]:
        costs = await self.costs()
        # Looks, the sweep's among them, never end.
        for quiet in ("ListGatewayTargets", "GetGatewayTarget", "sts:GetCallerIdentity"):
            costs.calls.pop(quiet, None)
        costs.writes.pop("leases", None)
        return costs.calls, costs.writes

    def _cpu(self) -> dict[str, float]:
        etcd, api_server = self.environment.cluster.pids
        pids = {
            "operator": self.environment.operator.pid,
            "kube-apiserver": api_server,
            "etcd": etcd,
            "simulator": self.environment.simulator.pid,
            "benchmark": os.getpid(),
        }
        return {name: cpu_seconds(pid) for name, pid in pids.items()}


def endpoint_of(key: Key, version: int) -> str:
    """Return the endpoint of an object after so many edits, less one."""
    return f"https://{key[1]}.example.com/v{version}/mcp"


def gateway_of(key: Key) -> str:
    """Return the gateway of an object."""
    if key[0] == ALONE:
        return ALONE_GATEWAY
    index = int(key[1].rpartition("-")[2]) // TARGETS_PER_GATEWAY
    return f"bench-gateway-{index:010d}" if index else GATEWAY


@contextlib.asynccontextmanager
async def installation(conditions: Conditions) -> AsyncIterator[Fleet]:
    """Start everything, with gateways enough, and no object yet."""
    with (
        tempfile.TemporaryDirectory(prefix="mcps-bench-") as scratch,
        Environment(Path(scratch)) as environment,
    ):
        environment.start_cluster(lambda _line: None)
        environment.start_simulator("--latency", f"{conditions.latency * 1000:g}")
        _set_up_aws(environment, conditions)
        for namespace in (NAMESPACE, ALONE):
            environment.cluster.kubectl("create", "namespace", namespace)
        cluster = connect(kubeconfig=str(environment.cluster.kubeconfig), user_agent="bench")
        kube = RawKube(environment.cluster.kubeconfig, Path(scratch), connections=AT_ONCE)
        view = View(cluster)
        fleet = Fleet(conditions, environment, kube, view)
        await asyncio.to_thread(fleet.start_operator)
        following = asyncio.create_task(view.follow())
        try:
            yield fleet
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError, ApiError):
                await following
            await kube.close()
            await cluster.close()


def _set_up_aws(environment: Environment, conditions: Conditions) -> None:
    admin = environment.simulator.admin
    admin.configure(
        durations={"creating": conditions.creating, "updating": conditions.creating},
        quotas={"enabled": conditions.quotas != "unlimited"},
        log_size=100_000,
    )
    for number in range(TARGETS_PER_GATEWAY, conditions.objects, TARGETS_PER_GATEWAY):
        admin.create_gateway(gateway_of((NAMESPACE, f"server-{number}")))
    admin.create_gateway(ALONE_GATEWAY)
