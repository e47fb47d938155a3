"""The Lease that makes one process the only writer, as client-go's leader election uses it.

Whether another holder's lease has run out is judged by how long it has not changed before our own eyes, never
by comparing clocks of two machines. How long our own lease is good is counted from before the renewing
request was sent, so that it never outlasts what the others see. What the holder does takes time, too: a call
may begin only while the lease outlives it (`may_begin`), so the lease has to be the longer one, see `spare`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import structlog

from mcp_gateway_operator.runtime.backoff import Jitter, default_jitter
from mcp_gateway_operator.runtime.cluster import LEASES, ApiError, Cluster

REQUEST_TIMEOUT = 10.0
"""Seconds for one request at most. An API server that hangs must leave time for more tries before the renew
deadline, so it is half of that where that is less, as in controller-runtime."""
RENEWAL_SECONDS = 3.0
"""Seconds of a lease that are kept for a renewal under way."""
LOOK_PERIOD = 2.0
"""Seconds between two looks at another's lease at most: from the look that sees a renewal on the lease is
given its whole duration, so what passes between two looks adds to a take-over."""
LONGEST = 2**31 - 1
"""Seconds: the API keeps the duration in 32 bits."""

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


def spare(duration: float, retry_period: float) -> float:
    """Return the seconds for which a lease is good at every moment while renewals succeed in good time.

    That is within `RENEWAL_SECONDS`, or half of the sum of these and a retry period that is shorter.

    Args:
        duration: of the lease, in seconds.
        retry_period: seconds between the beginnings of two renewals.
    """
    return duration - retry_period - RENEWAL_SECONDS


class Lease:
    """One named Lease, held by at most one process.

    Args:
        cluster: a connection that nothing else uses, so that a renewal never queues behind other requests.
        namespace: where the Lease is.
        name: its name.
        identity: this process, unique among all that may be alive.
        duration: seconds after its last renewal at which others may take it.
        renew_deadline: seconds without a successful renewal after which `renew` gives up.
        retry_period: seconds between two renewals, and the most between two looks at another's lease.
        call_seconds: how long something that the holder begins may take; no more than `spare`.
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
        call_seconds: float = 0.0,
        jitter: Jitter | None = None,
        predecessor_dead: Callable[[str], bool] = lambda _: False,
    ) -> None:
        if not retry_period < renew_deadline < duration:
            raise ValueError(
                "The lease times must grow: retry period "
                f"({retry_period:g} s) < renew deadline ({renew_deadline:g} s) < duration ({duration:g} s)."
            )
        if call_seconds > spare(duration, retry_period) or duration > LONGEST:
            raise ValueError(f"A lease of {duration:g} s does not fit calls of {call_seconds:g} s.")
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self.identity = identity
        self._duration = duration
        self._renew_deadline = renew_deadline
        self._retry_period = retry_period
        self._request_timeout = min(REQUEST_TIMEOUT, renew_deadline / 2)
        self._call_seconds = call_seconds
        self._wall = wall
        self._jitter = jitter or default_jitter()
        self._predecessor_dead = predecessor_dead
        self._clock: Callable[[], float] = lambda: float("inf")
        self._good_until = float("-inf")
        self._held: _Lease | None = None
        self._seen: tuple[str, float] = ("", 0.0)
        self._free_at = 0.0
        self._waived = False
        self._retired = False
        self._shut_since = 0.0
        self._told_shut = False
        self.trouble: str | None = None
        """Why the latest try to take the lease failed; None while it is held, or another's."""
        self._log = log.bind(lease=f"{namespace}/{name}", identity=identity)

    @property
    def held(self) -> bool:
        """Whether this process holds the lease now, or works without one."""
        return self.valid_for(0.0)

    def valid_for(self, seconds: float) -> bool:
        """Return whether the lease outlives the next `seconds`. Callable from any thread."""
        return self._waived or self._clock() + seconds < self._good_until

    def may_begin(self) -> bool:
        """Return whether a call may begin now: the lease outlives it. Callable from any thread."""
        return not self._retired and self.valid_for(self._call_seconds)

    @property
    def shut_for(self) -> float:
        """For how many seconds the lease has been held and yet no call may begin; 0 while one may.

        Renewals that fail or take too long do that.
        """
        if self._waived or self._retired or not self.held:
            return 0.0
        return max(0.0, self._clock() - self._shut_since)

    def retire(self) -> None:
        """Let nothing begin any more; the lease is held until `release`, so that what has begun can end."""
        self._retired = True

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
                    self.trouble = str(error) or "the API server did not answer in time"
                    self._log.warning("the lease could not be read or taken", error=self.trouble)
                holder = None
            else:
                self.trouble = None
                if not holder:
                    self._log.info("lease acquired")
                    return
            if holder and holder != told:
                self._log.info("waiting for the lease", holder=holder)
                told = holder
            await asyncio.sleep(self._until_next_look(holder))

    async def renew(self) -> None:
        """Renew until the lease is lost.

        Raises:
            LeaseLost: another process holds it, or no renewal succeeded before the deadline.
        """
        if self._waived:
            await asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            # From beginning to beginning: what one renewal took does not also put off the next.
            await asyncio.sleep(max(0.0, began + self._retry_period - loop.time()))
            began = loop.time()
            deadline = self._good_until - self._duration + self._renew_deadline
            try:
                async with asyncio.timeout(max(1.0, min(self._request_timeout, deadline - began))):
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
                self._tell_if_shut()

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
            async with asyncio.timeout(self._request_timeout):
                await self._cluster.replace(LEASES, self._namespace, self._name, held)
        except (ApiError, TimeoutError) as error:
            self._log.warning("the lease could not be released; it runs out", error=str(error) or "timeout")
        else:
            self._log.info("lease released")

    async def _try_to_take(self) -> str:
        """Take the lease if it may be taken, else return its holder."""
        async with asyncio.timeout(self._request_timeout):
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

    def _until_next_look(self, holder: str | None) -> float:
        """Return seconds, less than a retry period: what is given up is taken within one."""
        period = min(self._retry_period, LOOK_PERIOD) * (0.5 + 0.3 * self._jitter())
        return max(0.0, min(period, self._free_at - self._clock())) if holder else period

    def _is_free(self, lease: _Lease, holder: str) -> bool:
        now = self._clock()
        if self._seen[0] != lease.version:
            self._seen = (lease.version, now)
        if not holder or holder == self.identity or self._predecessor_dead(holder):
            return True
        duration = lease.spec.lease_duration_seconds
        self._free_at = self._seen[1] + (self._duration if duration is None else duration)
        return now >= self._free_at

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
        now = self._clock()
        if self._held is None:
            self._shut_since = now
        self._tell_if_shut()
        self._held = lease
        self._good_until = sent + self._duration
        if self.may_begin():
            self._shut_since = self._good_until - self._call_seconds

    def _tell_if_shut(self) -> None:
        """Say once that a fence is shut although the lease is held, until it was seen to stay open."""
        shut = self.shut_for
        if shut and not self._told_shut:
            self._log.warning(
                "nothing is written: the lease is held, but renewals fail or take so long that it may end "
                "before a call does",
                seconds=round(shut, 1),
                call_seconds=self._call_seconds,
            )
        self._told_shut = shut > 0

    def _spec(self, old: _Spec | None = None, *, transitions: int = 0) -> _Spec:
        now = self._stamp()
        return _Spec(
            holder_identity=self.identity,
            # Never less than what this process believes.
            lease_duration_seconds=math.ceil(self._duration),
            acquire_time=old.acquire_time if old else now,
            renew_time=now,
            lease_transitions=old.lease_transitions if old else transitions,
        )

    def _stamp(self) -> str:
        """Return now as a MicroTime."""
        return self._wall().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _is_race(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.conflict
