"""The Lease that makes one process the only writer, as client-go's leader election uses it.

Whether another holder's lease has run out is judged by how long it has not changed before our own eyes, never
by comparing clocks of two machines. How long our own lease is good is counted from before the renewing
request was sent, so that it never outlasts what the others see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import structlog

from mcp_gateway_operator.runtime.backoff import Jitter, default_jitter
from mcp_gateway_operator.runtime.cluster import LEASES, ApiError, Cluster

REQUEST_TIMEOUT = 10.0
"""Seconds for one request: an API server that hangs must leave time for more tries before the deadline."""

log = structlog.get_logger(__name__)


class LeaseLost(Exception):  # noqa: N818  -- an event that ends the process; the name says which
    """This process may not write any more."""


class LeaseForbidden(Exception):  # noqa: N818  -- as LeaseLost
    """The RBAC of the cluster does not let this process take the Lease."""


class _Spec(msgspec.Struct, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Lease(msgspec.Struct):
    metadata: dict[str, Any]
    spec: _Spec = msgspec.field(default_factory=_Spec)

    @property
    def version(self) -> str:
        return str(self.metadata["resourceVersion"])


_decode = msgspec.json.Decoder(_Lease).decode


class Lease:
    """One named Lease, held by at most one process.

    Args:
        cluster: a connection that nothing else uses, so that a renewal never queues behind other requests.
        namespace: where the Lease is.
        name: its name.
        identity: this process, unique among all that may be alive.
        duration: seconds after its last renewal at which others may take it.
        renew_deadline: seconds without a successful renewal after which `renew` gives up.
        retry_period: seconds between two renewals, and between two looks at another's lease.
        wall: the clock for the stamps that people read.
        jitter: spreads the looks of several standbys.
        predecessor_dead: whether the process with that identity is known to have ended.
    """

    def __init__(  # noqa: PLR0913  -- client-go's leader election settings, all by keyword
        self,
        cluster: Cluster,
        *,
        namespace: str,
        name: str,
        identity: str,
        wall: Callable[[], datetime],
        duration: float = 60.0,
        renew_deadline: float = 40.0,
        retry_period: float = 5.0,
        jitter: Jitter | None = None,
        predecessor_dead: Callable[[str], bool] = lambda _: False,
    ) -> None:
        if not retry_period < renew_deadline < duration:
            raise ValueError(
                "The lease times must grow: retry period "
                f"({retry_period:g} s) < renew deadline ({renew_deadline:g} s) < duration ({duration:g} s)."
            )
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self.identity = identity
        self._duration = duration
        self._renew_deadline = renew_deadline
        self._retry_period = retry_period
        self._wall = wall
        self._jitter = jitter or default_jitter()
        self._predecessor_dead = predecessor_dead
        self._clock: Callable[[], float] = lambda: float("inf")
        self._good_until = float("-inf")
        self._held: _Lease | None = None
        self._seen: tuple[str, float] = ("", 0.0)
        self._waived = False
        self._log = log.bind(lease=f"{namespace}/{name}", identity=identity)

    @property
    def held(self) -> bool:
        """Whether this process holds the lease now, or works without one."""
        return self.valid_for(0.0)

    def valid_for(self, seconds: float) -> bool:
        """Return whether the lease outlives the next `seconds`. Callable from any thread."""
        return self._waived or self._clock() + seconds < self._good_until

    def waive(self) -> None:
        """Work without the lease: the caller found that it cannot be had and goes on all the same."""
        self._waived = True

    async def acquire(self) -> None:
        """Return when this process holds the lease.

        A free lease, one of ours and one of a process known to be dead are taken at once; another one when it
        has not been renewed for its own duration. Errors are retried for ever.

        Raises:
            LeaseForbidden: RBAC refuses; nothing but a change of the cluster's roles helps.
        """
        self._clock = asyncio.get_running_loop().time
        told = ""
        while True:
            try:
                holder = await self._try_to_take()
            except (ApiError, TimeoutError) as error:
                if isinstance(error, ApiError) and error.forbidden:
                    raise LeaseForbidden(str(error)) from error
                if not _is_race(error):
                    self._log.warning("the lease could not be read or taken", error=str(error) or "timeout")
                holder = None
            else:
                if not holder:
                    self._log.info("lease acquired")
                    return
            if holder and holder != told:
                self._log.info("waiting for the lease", holder=holder)
                told = holder
            await asyncio.sleep(self._retry_period * (0.8 + 0.4 * self._jitter()))

    async def renew(self) -> None:
        """Renew until the lease is lost.

        Raises:
            LeaseLost: another process holds it, or no renewal succeeded before the deadline.
        """
        if self._waived:
            await asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._retry_period)
            deadline = self._good_until - self._duration + self._renew_deadline
            try:
                async with asyncio.timeout(max(1.0, min(REQUEST_TIMEOUT, deadline - loop.time()))):
                    await self._renew_once()
            except (ApiError, TimeoutError) as error:
                reason = str(error) or "the API server did not answer in time"
                if loop.time() >= deadline:
                    self._good_until = float("-inf")
                    raise LeaseLost(
                        f"The lease {self._namespace}/{self._name} could not be renewed for "
                        f"{self._renew_deadline:g} s: {reason}."
                    ) from None
                self._log.warning("the lease was not renewed; trying again", error=reason)

    async def release(self) -> None:
        """Give the lease up so that another process can take it at once; failures are logged only."""
        held, self._held = self._held, None
        self._good_until = float("-inf")
        if held is None:
            return
        held.spec.holder_identity = ""
        held.spec.lease_duration_seconds = 1
        held.spec.renew_time = self._stamp()
        try:
            async with asyncio.timeout(self._retry_period):
                await self._cluster.replace(LEASES, self._namespace, self._name, held)
        except (ApiError, TimeoutError) as error:
            self._log.warning("the lease could not be released; it runs out", error=str(error) or "timeout")
        else:
            self._log.info("lease released")

    async def _try_to_take(self) -> str:
        """Take the lease if it may be taken, else return its holder."""
        async with asyncio.timeout(REQUEST_TIMEOUT):
            try:
                lease = _decode(await self._cluster.get(LEASES, self._namespace, self._name))
            except ApiError as error:
                if not error.not_found:
                    raise
                body = {
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": {"name": self._name, "namespace": self._namespace},
                    "spec": self._spec(transitions=0),
                }
                sent = self._clock()
                self._take_over(_decode(await self._cluster.create(LEASES, self._namespace, body)), sent)
                return ""
            holder = lease.spec.holder_identity or ""
            if not self._is_free(lease, holder):
                return holder
            transitions = (lease.spec.lease_transitions or 0) + (holder != self.identity)
            sent = self._clock()
            lease.spec = self._spec(transitions=transitions)
            answer = await self._cluster.replace(LEASES, self._namespace, self._name, lease)
            self._take_over(_decode(answer), sent)
            return ""

    def _is_free(self, lease: _Lease, holder: str) -> bool:
        now = self._clock()
        if self._seen[0] != lease.version:
            self._seen = (lease.version, now)
        if not holder or holder == self.identity or self._predecessor_dead(holder):
            return True
        duration = lease.spec.lease_duration_seconds
        return now - self._seen[1] >= (self._duration if duration is None else duration)

    async def _renew_once(self) -> None:
        lease = self._held
        assert lease is not None, "renew follows acquire"
        sent = self._clock()
        wanted = _Lease(lease.metadata, self._spec(lease.spec))
        try:
            answer = await self._cluster.replace(LEASES, self._namespace, self._name, wanted)
        except ApiError as error:
            if not (error.conflict or error.not_found):
                raise
            # Our own write whose answer was lost, someone's edit, a restored etcd, or another holder: look.
            await self._settle_conflict(sent)
            return
        self._take_over(_decode(answer), sent)

    async def _settle_conflict(self, sent: float) -> None:
        try:
            current = _decode(await self._cluster.get(LEASES, self._namespace, self._name))
        except ApiError as error:
            if not error.not_found:
                raise
            await self._try_to_take()
            return
        holder = current.spec.holder_identity
        if holder != self.identity:
            self._good_until, self._held = float("-inf"), None
            raise LeaseLost(
                f"The lease {self._namespace}/{self._name} is held by {holder or 'nobody'} now; "
                "this process stops."
            )
        current.spec = self._spec(current.spec)
        answer = await self._cluster.replace(LEASES, self._namespace, self._name, current)
        self._take_over(_decode(answer), sent)

    def _take_over(self, lease: _Lease, sent: float) -> None:
        self._held = lease
        self._good_until = sent + self._duration

    def _spec(self, old: _Spec | None = None, *, transitions: int = 0) -> _Spec:
        now = self._stamp()
        return _Spec(
            holder_identity=self.identity,
            lease_duration_seconds=round(self._duration),
            acquire_time=old.acquire_time if old else now,
            renew_time=now,
            lease_transitions=old.lease_transitions if old else transitions,
        )

    def _stamp(self) -> str:
        """Return now as a MicroTime."""
        return self._wall().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _is_race(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.conflict
