"""Kubernetes Events about objects: what `kubectl describe` shows under them.

Recording never blocks and never fails. Identical events become one with a count, and one object cannot flood
the API server (a burst of 25, then one each 5 minutes, as client-go has it). Namespaces take turns, and what
goes wrong in one is remembered for it alone: a policy or a quota refuses events there, a webhook of its own
does not answer. A cluster that forbids Events costs one log line and a request now and then.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeVar

import structlog

from mcp_gateway_operator.runtime.backoff import exponential
from mcp_gateway_operator.runtime.cluster import EVENTS, ApiError, Cluster, PatchType
from mcp_gateway_operator.shown import shown

EventType = Literal["Normal", "Warning"]

BURST = 25
REFILL = 300.0
"""Seconds after which an object that used up its burst may have one more event."""
BUFFER = 1000
"""Events waiting to be sent; the oldest give way of the namespace that has the most."""
SENDERS = 4
"""Events under way at a time, each about another object: more would hold up the real work."""
REMEMBERED = 4096
"""Events, objects and namespaces remembered for counting and limiting."""
TRIES = 4
REFUSED = (300.0, 3600.0)
"""Seconds after which a namespace that refused an event is tried again, the first time and at most."""
FAILED = (1.0, 10.0)
"""Seconds after which a namespace is tried again where sending failed, the first time and at most."""
LONGEST_RETRY_AFTER = 60.0
REFUSAL_LINES = 60.0
"""Seconds between two log lines about namespaces that refuse events."""
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
    tries: int = 0


@dataclass(slots=True)
class _Sent:
    name: str
    count: int


@dataclass(slots=True)
class _Trouble:
    """What keeps events out of a namespace: until then nothing is sent there."""

    until: float = 0.0
    times: int = 0
    refused: bool = False
    """Whether events were refused, and not only not taken: those of the meantime are not kept."""


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
        self._waiting: OrderedDict[str, deque[_Event]] = OrderedDict()
        self._sending: dict[str, str] = {}
        self._troubles: OrderedDict[str, _Trouble] = OrderedDict()
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._sent: OrderedDict[bytes, _Sent] = OrderedDict()
        self._allowance: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._told_of_refusal: float | None = None
        self.dropped = 0
        """Events that were not sent: over an object's limit, over the buffer, or refused."""

    def record(self, ref: ObjectRef, type_: EventType, reason: str, message: str) -> None:
        """Note that something happened to an object; returns at once."""
        trouble = self._troubles.get(ref.namespace)
        if (trouble and trouble.refused and self._now() < trouble.until) or not self._allowed(ref):
            self.dropped += 1
            return
        event = _Event(ref, type_, reason, shown(message, MESSAGE), self._wall())
        self._waiting.setdefault(ref.namespace, deque()).append(event)
        if sum(map(len, self._waiting.values())) > BUFFER:
            max(self._waiting.values(), key=len).popleft()
            self.dropped += 1
        self._idle.clear()
        self._changed.set()

    async def run(self) -> None:
        """Send what is recorded, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(SENDERS):
                tasks.create_task(self._send_all(), name=f"events {number}")

    async def _send_all(self) -> None:
        while True:
            event = self._next()
            if event is not None:
                self._sending[event.ref.uid] = event.ref.namespace
                try:
                    await self._send(event)
                finally:
                    del self._sending[event.ref.uid]
                continue
            if not self._waiting and not self._sending:
                self._idle.set()
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._next_trial()):
                    await self._changed.wait()

    def _next(self) -> _Event | None:
        """Take the oldest event of the namespace whose turn it is.

        Events about one object stay in order, so none goes while another is under way. One sender is left for
        other namespaces, and all but one where there is trouble.
        """
        busy = Counter(self._sending.values())
        for namespace, line in self._waiting.items():
            trouble = self._troubles.get(namespace)
            if busy[namespace] >= (1 if trouble else SENDERS - 1) or (
                trouble and self._now() < trouble.until
            ):
                continue
            event = next((each for each in line if each.ref.uid not in self._sending), None)
            if event is None:
                continue
            line.remove(event)
            self._waiting.move_to_end(namespace)
            if not line:
                del self._waiting[namespace]
            return event
        return None

    def _next_trial(self) -> float | None:
        """Return when the first of the namespaces in trouble for which something waits is tried again."""
        now = self._now()
        due = (self._troubles[each].until for each in self._waiting if each in self._troubles)
        return min((moment for moment in due if moment > now), default=None)

    async def flush(self, timeout: float) -> None:  # noqa: ASYNC109  -- a limit, not an error, to the caller
        """Wait until everything recorded was sent, but no longer than `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            log.warning("events were not sent in time", waiting=sum(map(len, self._waiting.values())))

    async def _send(self, event: _Event) -> None:
        namespace = event.ref.namespace
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                await self._write(event)
        except (ApiError, TimeoutError) as error:
            if isinstance(error, TimeoutError) or error.unavailable:
                self._failed(event, error)
            # A namespace in deletion refuses new objects with 403 too; the next of its name may not.
            elif error.forbidden and "being terminated" not in error.message:
                self._refused(namespace, error)
            else:
                self.dropped += 1
        else:
            trouble = self._troubles.pop(namespace, None)
            if trouble is not None and trouble.refused:
                log.info("events are accepted again", namespace=namespace)

    def _failed(self, event: _Event, error: ApiError | TimeoutError) -> None:
        """Put an event back, and leave its namespace alone for a while."""
        if event.tries + 1 < TRIES:
            line = self._waiting.setdefault(event.ref.namespace, deque())
            line.appendleft(replace(event, tries=event.tries + 1))
        else:
            self.dropped += 1
        trouble = self._pause(event.ref.namespace, *FAILED, refused=False)
        after = (error.retry_after if isinstance(error, ApiError) else None) or 0.0
        trouble.until = max(trouble.until, self._now() + min(after, LONGEST_RETRY_AFTER))

    def _refused(self, namespace: str, error: ApiError) -> None:
        """Drop what waits for a namespace that takes no events, and try it again much later."""
        new = not (trouble := self._troubles.get(namespace)) or not trouble.refused
        self._pause(namespace, *REFUSED, refused=True)
        self.dropped += 1 + len(self._waiting.pop(namespace, ()))
        now = self._now()
        if new and (self._told_of_refusal is None or now - self._told_of_refusal >= REFUSAL_LINES):
            tell = log.warning if self._told_of_refusal is None else log.info
            self._told_of_refusal = now
            tell(
                "Events are refused in this namespace, so there are none about its objects; that is tried "
                "again later. Allow create and patch on events there, and look at its policies and quotas.",
                namespace=namespace,
                error=error.message,
            )

    def _pause(self, namespace: str, first: float, longest: float, *, refused: bool) -> _Trouble:
        trouble = self._troubles.get(namespace, _Trouble())
        if trouble.refused != refused:
            trouble = _Trouble(refused=refused)
        delay = exponential(trouble.times, base=first, cap=longest, jitter=self._rng.random)
        trouble.times += 1
        trouble.until = self._now() + delay
        _remember(self._troubles, namespace, trouble)
        return trouble

    async def _write(self, event: _Event) -> None:
        namespace = event.ref.namespace or "default"
        stamp = event.at.strftime("%Y-%m-%dT%H:%M:%SZ")
        parts = (event.ref.uid, event.ref.name, event.type, event.reason, event.message)
        # A digest, for thousands are remembered.
        identity = hashlib.sha256("\0".join(parts).encode()).digest()
        sent = self._sent.get(identity)
        if sent is not None:
            again = {"count": sent.count + 1, "lastTimestamp": stamp}
            try:
                await self._cluster.patch(EVENTS, namespace, sent.name, again, kind=PatchType.MERGE)
            except ApiError as error:
                if not error.not_found:
                    raise
                # Events live for an hour by default; the counted one has expired.
                del self._sent[identity]
            else:
                sent.count += 1
                return
        name = f"{event.ref.name[:200]}.{self._rng.getrandbits(64):016x}"
        await self._cluster.create(EVENTS, namespace, self._body(event, namespace, name, stamp))
        _remember(self._sent, identity, _Sent(name, 1))

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
        now = self._now()
        tokens, since = self._allowance.get(ref.uid, (float(BURST), now))
        tokens = min(float(BURST), tokens + (now - since) / REFILL)
        allowed = tokens >= 1.0
        _remember(self._allowance, ref.uid, (tokens - 1.0 if allowed else tokens, now))
        return allowed

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _remember(table: OrderedDict[K, V], key: K, value: V) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > REMEMBERED:
        table.popitem(last=False)
