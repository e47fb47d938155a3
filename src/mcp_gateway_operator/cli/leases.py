"""The Leases of `run`: the one that its replicas compete for, and the guard against other installations."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from mcp_gateway_operator.api import names
from mcp_gateway_operator.cli.lease_times import LeaseTimes
from mcp_gateway_operator.runtime.cluster import Cluster
from mcp_gateway_operator.runtime.events import EventRecorder, ObjectRef
from mcp_gateway_operator.runtime.guard import Guard, where_of
from mcp_gateway_operator.runtime.guard_places import ALL, Lookout, Places
from mcp_gateway_operator.runtime.identity import DeathProof, Identity
from mcp_gateway_operator.runtime.lease import Lease

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

log = structlog.get_logger(__name__)


def now() -> datetime:
    """Return the time of day, for stamps."""
    return datetime.now(UTC)


def uptime() -> float:
    """Return seconds that go on while the machine sleeps: a laptop that wakes up holds no lease any more."""
    return time.clock_gettime(_CLOCK)


class Leases:
    """Makes the Leases of one process.

    Args:
        cluster: a connection for them alone.
        server: the API server's address; processes of one host prove each other's death by it and the Lease.
        namespace: where the Lease of the replicas is; its own namespace, in a pod.
        times: of each Lease.
    """

    def __init__(self, cluster: Cluster, *, server: str, namespace: str, times: LeaseTimes) -> None:
        self._cluster = cluster
        self._server = server
        self._namespace = namespace
        self._times = times
        self._identity = Identity(os.environ)

    def replicas(self) -> Lease:
        """Return the Lease for which the replicas of one installation compete."""
        return self._lease((self._namespace, names.LEASE_NAME), self._identity.name)

    def guard(self, events: EventRecorder, namespaces: Sequence[str], *, home: str) -> Guard:
        """Return what keeps other installations from the same targets, and this one from theirs.

        Args:
            events: where the namespaces are told that another operator is at work.
            namespaces: those that are watched; none means all.
            home: where the guard's Leases are; "" for the usual places.
        """
        places = Places(names.GUARD_NAME, home)
        identity = self._identity.name
        if self._identity.in_pod:
            # Pods of two namespaces may have one name.
            identity = f"{self._namespace}/{identity}"

        def lease_for(namespace: str, on_wait: Callable[[str], None]) -> Lease:
            return self._lease(places.of(namespace), identity, strict=True, on_wait=on_wait)

        lookout = Lookout(
            self._cluster, places, identity=identity, duration=self._times.duration, clock=uptime
        )
        tell = partial(_tell, events, places)
        return Guard(namespaces, lease_for=lease_for, lookout=lookout, tell=tell)

    def _lease(
        self,
        place: tuple[str, str],
        identity: str,
        *,
        strict: bool = False,
        on_wait: Callable[[str], None] | None = None,
    ) -> Lease:
        times, (namespace, name) = self._times, place
        # A pod goes on under its name; for other processes a file proves who is dead.
        proof = None if self._identity.in_pod else DeathProof(self._lock_file(namespace, name), identity)
        return Lease(
            self._cluster,
            namespace=namespace,
            name=name,
            identity=identity,
            duration=times.duration,
            renew_deadline=times.renew_deadline,
            retry_period=times.retry_period,
            call_seconds=times.call_seconds,
            wall=now,
            clock=uptime,
            strict=strict,
            on_wait=on_wait,
            predecessor_dead=proof.is_dead if proof else lambda _: False,
        )

    def _lock_file(self, namespace: str, name: str) -> Path:
        """Return a file that all of this user's processes on this host use for one Lease."""
        # Not in /tmp: another user could put a file of that name there first.
        directory = os.environ.get("XDG_RUNTIME_DIR") or str(Path.home() / ".cache")
        digest = hashlib.sha256(f"{self._server} {namespace}/{name}".encode()).hexdigest()[:16]
        return Path(directory, "mcp-gateway-operator") / f"{digest}.lock"


@dataclass(frozen=True, slots=True)
class Writer:
    """Where this process may write: it has to hold the Lease of its replicas, and the guard.

    Attributes:
        lease: of the replicas.
        guard: against other installations.
    """

    lease: Lease
    guard: Guard

    def mine(self, namespace: str) -> bool:
        """Return whether it works in a namespace."""
        return self.guard.mine(namespace)

    def since(self, namespace: str) -> float:
        """Return the loop time since which it does."""
        return self.guard.since(namespace)

    def may_begin(self, namespace: str) -> bool:
        """Return whether a call for an object there may begin now: both outlive it."""
        return self.lease.may_begin() and self.guard.may_begin(namespace)

    @property
    def shut_for(self) -> float:
        """For how many seconds nothing may begin although it is held; 0 when all is well."""
        return max(self.lease.shut_for, self.guard.shut_for)


def _tell(events: EventRecorder, places: Places, namespace: str, holder: str) -> None:
    """Say in the log and in an Event that another operator is at work."""
    where = where_of(namespace)
    sentence = (
        f"Another operator, {holder}, works on the MCPServers of {where}, so this one waits and writes "
        "nothing there. Stop one of the two, for example by scaling its Deployment to 0, or give each "
        "namespaces of its own with --watch-namespaces."
    )
    log.warning(sentence, holder=holder)
    # In the namespace that it is about: this account may write Events there.
    home, name = places.of(ALL) if namespace == ALL else (namespace, places.single)
    ref = ObjectRef("coordination.k8s.io/v1", "Lease", home, name, "")
    events.record(ref, "Warning", "AnotherOperator", sentence)
