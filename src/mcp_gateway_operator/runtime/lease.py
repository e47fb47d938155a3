"""The Lease that makes one process the only writer, as client-go's leader election uses it.

Whether another holder's lease has run out is judged by how long it has not changed before our own eyes, never
by comparing clocks of two machines. How long our own lease is good is counted from before the renewing
request was sent, so that it never outlasts what the others see. What the holder does takes time, too: a call
may begin only while the lease outlives it (`may_begin`), so the lease has to be the longer one, see `spare`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from datetime import datetime

from mcp_gateway_operator.runtime.backoff import Jitter, default_jitter
from mcp_gateway_operator.runtime.cluster import LEASES, ApiError, Cluster
from mcp_gateway_operator.runtime.lease_record import Metadata, Record, Sight, Spec, decode, shown
from mcp_gateway_operator.runtime.term import Term

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

_NO_ANSWER = "the API server did not answer in time"


class LeaseLost(Exception):  # noqa: N818  -- an event that ends the process; the name says which
    """This process may not write any more."""


class LeaseForbidden(Exception):  # noqa: N818  -- as LeaseLost
    """The cluster does not let this process take the Lease.

    Attributes:
        terminating: nor anybody else, for its namespace is being deleted.
    """

    def __init__(self, message: str, *, terminating: bool = False) -> None:
        super().__init__(message)
        self.terminating = terminating


def spare(duration: float, retry_period: float) -> float:
    """Return the seconds for which a lease is good at every moment while renewals succeed in good time.

    That is within `RENEWAL_SECONDS`, or half of the sum of these and a retry period that is shorter.

    Args:
        duration: of the lease, in seconds.
        retry_period: seconds between the beginnings of two renewals.
    """
    return duration - retry_period - RENEWAL_SECONDS


class Lease(Term):
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
        clock: seconds that also count while the machine sleeps, and never run backwards; the event loop's
            when None.
        jitter: spreads the looks of several standbys.
        strict: a lease that ran out, or was deleted, is lost, also when nobody else took it meanwhile:
            somebody may have looked and found it free.
        on_wait: told of each holder that is waited for; a line in the log when None.
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
        clock: Callable[[], float] | None = None,
        jitter: Jitter | None = None,
        strict: bool = False,
        on_wait: Callable[[str], None] | None = None,
        predecessor_dead: Callable[[str], bool] = lambda _: False,
    ) -> None:
        if not retry_period < renew_deadline < duration:
            raise ValueError(
                "The lease times must grow: retry period "
                f"({retry_period:g} s) < renew deadline ({renew_deadline:g} s) < duration ({duration:g} s)."
            )
        if call_seconds > spare(duration, retry_period) or duration > LONGEST:
            raise ValueError(f"A lease of {duration:g} s does not fit calls of {call_seconds:g} s.")
        super().__init__(
            duration=duration,
            call_seconds=call_seconds,
            clock=clock or asyncio.get_running_loop().time,
            what={"lease": f"{namespace}/{name}", "identity": identity},
        )
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self.identity = identity
        self._renew_deadline = renew_deadline
        self._retry_period = retry_period
        self._request_timeout = min(REQUEST_TIMEOUT, renew_deadline / 2)
        self._wall = wall
        self._strict = strict
        self._jitter = jitter or default_jitter()
        self._predecessor_dead = predecessor_dead
        self._held: Record | None = None
        self._sight = Sight()
        self.trouble: str | None = None
        """Why the latest try to take the lease failed; None while it is held, or another's."""
        self.homeless = False
        """Whether that was because its namespace does not exist."""
        self._on_wait = on_wait or (lambda holder: self._log.info("waiting for the lease", holder=holder))

    @property
    def place(self) -> tuple[str, str]:
        """Namespace and name."""
        return self._namespace, self._name

    async def acquire(self, *, when: asyncio.Event | None = None) -> None:
        """Return when this process holds the lease.

        A free lease, one of ours and one of a process known to be dead are taken at once; another one when it
        has not been renewed for its own duration. Errors are retried for ever.

        Args:
            when: until this is set the lease is looked at and not taken, so that no time is lost then.

        Raises:
            LeaseForbidden: RBAC refuses; nothing but a change of the cluster's roles helps.
        """
        told = ""
        while True:
            wanted = when is None or when.is_set()
            holder = await self._attempt(take=wanted)
            if holder is None:
                return
            if holder and wanted and holder != told:
                self._on_wait(holder)
                told = holder
            pause = self._until_next_read(holder)
            if when is None or wanted:
                await asyncio.sleep(pause)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await when.wait()

    async def reconsider(self) -> str:
        """Try to take a lease that was waived; return who else holds it, "" when it is held from now on.

        Raises:
            LeaseForbidden: it still cannot be had.
        """
        holder = await self._attempt(take=True)
        if holder is None:
            self.demand()
        return holder or ""

    async def renew(self) -> None:
        """Renew until the lease is lost.

        Raises:
            LeaseLost: another process holds it, or no renewal succeeded before the deadline.
        """
        if self.waived:
            await asyncio.get_running_loop().create_future()
        began = self._clock()
        while True:
            # From beginning to beginning: what one renewal took does not also put off the next.
            await asyncio.sleep(max(0.0, began + self._retry_period - self._clock()))
            began = self._clock()
            deadline = self._good_until - self._duration + self._renew_deadline
            try:
                async with asyncio.timeout(max(1.0, min(self._request_timeout, deadline - began))):
                    await self._renew_once()
            except (ApiError, TimeoutError) as error:
                if _is_last(error):
                    raise LeaseForbidden(str(error), terminating=True) from error
                reason = str(error) or _NO_ANSWER
                if self._clock() >= deadline:
                    self._held = None
                    self._end()
                    raise LeaseLost(
                        f"The lease {self._namespace}/{self._name} could not be renewed for "
                        f"{self._renew_deadline:g} s: {reason}."
                    ) from None
                self._log.warning("the lease was not renewed; trying again", error=reason)
                self._tell_if_shut()

    async def release(self) -> None:
        """Give the lease up so that another process can take it at once; failures are logged only."""
        held, self._held = self._held, None
        self._end()
        if held is None:
            return
        try:
            async with asyncio.timeout(self._request_timeout):
                await self._give_up(held)
        except (ApiError, TimeoutError) as error:
            self._log.warning("the lease could not be released; it runs out", error=str(error) or "timeout")
        else:
            self._log.info("lease released")

    async def _give_up(self, held: Record) -> None:
        spec = self._spec(held.spec)
        spec.holder_identity, spec.lease_duration_seconds = "", 1
        try:
            await self._cluster.replace(LEASES, *self.place, Record(held.metadata, spec))
        except ApiError as error:
            if not error.conflict:
                raise
            # A renewal was under way and is stored; its answer was not waited for.
            current = await self._read()
            if current is not None and current.holder == self.identity:
                await self._cluster.replace(LEASES, *self.place, Record(current.metadata, spec))

    async def _attempt(self, *, take: bool) -> str | None:
        """Take the lease if it may be taken; return None when it was, else its holder or "".

        Raises:
            LeaseForbidden: RBAC refuses.
        """
        try:
            async with asyncio.timeout(self._request_timeout):
                holder = await self._try_to_take() if take else await self._read_holder()
        except (ApiError, TimeoutError) as error:
            if isinstance(error, ApiError) and error.forbidden:
                raise LeaseForbidden(str(error), terminating=_is_last(error)) from error
            if not _is_race(error):
                before, self.trouble = self.trouble, str(error) or _NO_ANSWER
                self.homeless = isinstance(error, ApiError) and error.not_found
                if before != self.trouble:
                    self._log.warning("the lease could not be read or taken", error=self.trouble)
            return ""
        self.trouble, self.homeless = None, False
        if holder is None:
            self._log.info("lease acquired")
        return holder

    async def _read_holder(self) -> str:
        """Return the holder, without taking the lease."""
        record = await self._read()
        return "" if record is None or self._is_free(record) else record.holder

    async def _read(self) -> Record | None:
        try:
            return decode(await self._cluster.get(LEASES, self._namespace, self._name))
        except ApiError as error:
            if error.not_found:
                return None
            raise

    async def _try_to_take(self) -> str | None:
        record = await self._read()
        if record is None:
            body = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self._name, "namespace": self._namespace},
                "spec": self._spec(),
            }
            sent = self._clock()
            self._take_over(decode(await self._cluster.create(LEASES, self._namespace, body)), sent)
            return None
        if not self._is_free(record):
            return record.holder
        transitions = (record.spec.lease_transitions or 0) + (record.holder != self.identity)
        sent = self._clock()
        await self._write(record.metadata, self._spec(transitions=transitions), sent)
        return None

    async def _write(self, metadata: Metadata, spec: Spec, sent: float) -> None:
        answer = await self._cluster.replace(LEASES, self._namespace, self._name, Record(metadata, spec))
        self._take_over(decode(answer), sent)

    def _until_next_read(self, holder: str) -> float:
        """Return seconds, less than a retry period: what is given up is taken within one."""
        period = min(self._retry_period, LOOK_PERIOD) * (0.5 + 0.3 * self._jitter())
        return max(0.0, min(period, self._sight.free_at - self._clock())) if holder else period

    def _is_free(self, record: Record) -> bool:
        run_out = self._sight.has_run_out(record, self._clock(), duration=self._duration)
        holder = record.holder
        return run_out or not holder or holder == self.identity or self._predecessor_dead(holder)

    async def _renew_once(self) -> None:
        held = self._held
        assert held is not None, "renew follows acquire"
        sent = self._clock()
        try:
            await self._write(held.metadata, self._spec(held.spec), sent)
        except ApiError as error:
            if not (error.conflict or error.not_found):
                raise
            # Our own write whose answer was lost, someone's edit, a restored etcd, or another holder: look.
            await self._settle_conflict(sent)

    async def _settle_conflict(self, sent: float) -> None:
        current = await self._read()
        if current is None and not self._strict:
            await self._try_to_take()
            return
        if current is None or current.holder != self.identity:
            self._held = None
            self._end()
            holder = (current and shown(current.holder)) or "nobody"
            raise LeaseLost(f"The lease {self._namespace}/{self._name} is held by {holder} now.")
        await self._write(current.metadata, self._spec(current.spec), sent)

    def _take_over(self, record: Record, sent: float) -> None:
        if self._strict and self._held is not None and not self.held:
            self._held = None
            raise LeaseLost(f"The lease {self._namespace}/{self._name} had run out before it was renewed.")
        self._held = record
        self._begin(sent)

    def _spec(self, old: Spec | None = None, *, transitions: int = 0) -> Spec:
        now = self._stamp()
        return Spec(
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


def _is_last(error: Exception) -> bool:
    """Whether nobody can make the Lease again, for its namespace is being deleted."""
    return isinstance(error, ApiError) and error.forbidden and "being terminated" in error.message


def _is_race(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.conflict
