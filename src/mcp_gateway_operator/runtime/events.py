"""Kubernetes Events about objects: what `kubectl describe` shows under them.

Recording never blocks and never fails. Identical events become one with a count, one object cannot flood the
API server (a burst of 25, then one each 5 minutes, as client-go has it), and a cluster that forbids Events
costs one log line.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

import structlog

from mcp_gateway_operator.runtime.backoff import exponential
from mcp_gateway_operator.runtime.cluster import EVENTS, ApiError, Cluster, PatchType

EventType = Literal["Normal", "Warning"]

BURST = 25
REFILL = 300.0
"""Seconds after which an object that used up its burst may have one more event."""
BUFFER = 1000
"""Events waiting to be sent; the oldest give way."""
SENDERS = 4
"""Events under way at a time, each about another object: more would hold up the real work."""
REMEMBERED = 4096
"""Events and objects remembered for counting and limiting."""
TRIES = 4
MESSAGE = 1024
"""The API server refuses longer messages."""
REQUEST_TIMEOUT = 15.0

log = structlog.get_logger(__name__)

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """The object that an event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class _Event:
    ref: ObjectRef
    type: EventType
    reason: str
    message: str
    at: datetime

    @property
    def identity(self) -> tuple[str, str, str, str, str]:
        return (self.ref.uid, self.ref.name, self.type, self.reason, self.message)


@dataclass(slots=True)
class _Sent:
    name: str
    count: int


class EventRecorder:
    """Sends events in the background; start `run` as a task.

    Args:
        cluster: where to.
        component: the reporting controller's name.
        instance: the reporting process, for example the pod.
        wall: the clock for the stamps.
        rng: makes the names of events and spreads retries.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        component: str,
        instance: str,
        wall: Callable[[], datetime],
        rng: random.Random | None = None,
    ) -> None:
        self._cluster = cluster
        self._component = component
        self._instance = instance
        self._wall = wall
        self._rng = rng or random.Random()  # noqa: S311  -- names of events, no secrets
        self._waiting: deque[_Event] = deque(maxlen=BUFFER)
        self._sending: set[str] = set()
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._sent: OrderedDict[tuple[str, ...], _Sent] = OrderedDict()
        self._allowance: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._forbidden = False
        self.dropped = 0
        """Events that were not sent: over an object's limit, over the buffer, or refused."""

    def record(self, ref: ObjectRef, type_: EventType, reason: str, message: str) -> None:
        """Note that something happened to an object; returns at once."""
        if self._forbidden or not self._allowed(ref):
            self.dropped += 1
            return
        if len(self._waiting) == BUFFER:
            self.dropped += 1
        self._waiting.append(_Event(ref, type_, reason, message[:MESSAGE], self._wall()))
        self._idle.clear()
        self._changed.set()

    async def run(self) -> None:
        """Send what is recorded, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(SENDERS):
                tasks.create_task(self._send_all(), name=f"events {number}")

    async def _send_all(self) -> None:
        while True:
            await self._changed.wait()
            while (event := self._next()) is not None:
                self._sending.add(event.ref.uid)
                try:
                    await self._send(event)
                finally:
                    self._sending.discard(event.ref.uid)
            self._changed.clear()
            if not self._waiting and not self._sending:
                self._idle.set()

    def _next(self) -> _Event | None:
        """Take the oldest event about an object of which none is under way: they stay in order."""
        for event in self._waiting:
            if event.ref.uid not in self._sending:
                self._waiting.remove(event)
                return event
        return None

    async def flush(self, timeout: float) -> None:  # noqa: ASYNC109  -- a limit, not an error, to the caller
        """Wait until everything recorded was sent, but no longer than `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            log.warning("events were not sent in time", waiting=len(self._waiting))

    async def _send(self, event: _Event) -> None:
        for attempt in range(TRIES):
            try:
                async with asyncio.timeout(REQUEST_TIMEOUT):
                    await self._write(event)
            except (ApiError, TimeoutError) as error:
                if not self._may_retry(error):
                    break
                delay = exponential(attempt, base=1.0, cap=10.0, jitter=self._rng.random)
                after = error.retry_after if isinstance(error, ApiError) else None
                await asyncio.sleep(max(delay, min(after or 0.0, 60.0)))
            else:
                return
        self.dropped += 1

    def _may_retry(self, error: ApiError | TimeoutError) -> bool:
        if isinstance(error, TimeoutError) or error.unavailable:
            return True
        # A namespace in deletion refuses new objects with 403 too; that says nothing about the others.
        if error.forbidden and "being terminated" not in error.message:
            self._forbidden = True
            self.dropped += len(self._waiting)
            self._waiting.clear()
            log.warning(
                "Events are forbidden here, so there will be none: allow create and patch on events",
                error=error.message,
            )
        return False

    async def _write(self, event: _Event) -> None:
        namespace = event.ref.namespace or "default"
        stamp = event.at.strftime("%Y-%m-%dT%H:%M:%SZ")
        sent = self._sent.get(event.identity)
        if sent is not None:
            again = {"count": sent.count + 1, "lastTimestamp": stamp}
            try:
                await self._cluster.patch(EVENTS, namespace, sent.name, again, kind=PatchType.MERGE)
            except ApiError as error:
                if not error.not_found:
                    raise
                # Events live for an hour by default; the counted one has expired.
                del self._sent[event.identity]
            else:
                sent.count += 1
                return
        name = f"{event.ref.name[:200]}.{self._rng.getrandbits(64):016x}"
        await self._cluster.create(EVENTS, namespace, self._body(event, namespace, name, stamp))
        _remember(self._sent, event.identity, _Sent(name, 1))

    def _body(self, event: _Event, namespace: str, name: str, stamp: str) -> dict[str, Any]:
        ref = event.ref
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": ref.api_version,
                "kind": ref.kind,
                "namespace": ref.namespace,
                "name": ref.name,
                "uid": ref.uid,
                "resourceVersion": ref.resource_version,
            },
            "type": event.type,
            "reason": event.reason,
            "message": event.message,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }

    def _allowed(self, ref: ObjectRef) -> bool:
        """Take one token of the object's bucket."""
        now = asyncio.get_running_loop().time()
        tokens, since = self._allowance.get(ref.uid, (float(BURST), now))
        tokens = min(float(BURST), tokens + (now - since) / REFILL)
        allowed = tokens >= 1.0
        _remember(self._allowance, ref.uid, (tokens - 1.0 if allowed else tokens, now))
        return allowed


def _remember(table: OrderedDict[K, V], key: K, value: V) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > REMEMBERED:
        table.popitem(last=False)
