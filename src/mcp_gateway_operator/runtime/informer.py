"""A local copy of one kind of object, kept fresh by list and watch, that tells what changed.

It survives a stream that is silent but dead (bookmarks are asked for, and their absence ends the watch), a
compacted version (list again and report what vanished), broken lines, objects that this program cannot
decode, and an etcd that was restored to an older state (a full list at intervals replaces the copy).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec
import structlog

from mcp_gateway_operator.runtime.backoff import Jitter, default_jitter, exponential
from mcp_gateway_operator.runtime.cache import Key, KubeObject, ObjectCache, OnEvent, Remembered
from mcp_gateway_operator.runtime.cluster import UNREADABLE, ApiError, Cluster, Resource, WatchEvent
from mcp_gateway_operator.runtime.pages import pages

T = TypeVar("T", bound=KubeObject)

LONGEST_RETRY_AFTER = 60.0
"""Seconds that a server may ask us to stay away: longer would leave the cache stale for no good."""
TRIES_WITH_PAGES = 3
"""After so many lists whose continue token expired, ask for everything at once."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class InformerTimes:
    """How long things may take, in seconds; pairs are the ends of a jittered range."""

    watch: tuple[float, float] = (300.0, 600.0)
    """The timeout asked of the server for one watch."""
    relist: tuple[float, float] = (1800.0, 3600.0)
    """Between two full lists."""
    silence: float = 130.0
    """The API server sends a bookmark about once a minute: two missing ones mean a dead stream."""
    page: float = 60.0
    """For one page of a list."""
    backoff: tuple[float, float] = (0.5, 10.0)
    """First and longest pause after an error."""
    short: tuple[float, float] = (4.0, 60.0)
    """The longest pause in the first so many seconds of errors."""
    outage: float = 30.0
    """After errors for so long start over with a list: the server may come back with another history."""
    regression: float = 60.0
    """At most one list in this time because a write's answer was older than the cache."""
    dead: float = 900.0
    """Without a sign of life of the loop itself for so long, `healthy` is false."""


class _Head(msgspec.Struct, frozen=True, rename="camel"):
    """What identifies an object that cannot be decoded in full."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class _Headed(msgspec.Struct, frozen=True):
    metadata: _Head = _Head()


class _Status(msgspec.Struct, frozen=True):
    """metav1.Status, as an ERROR event carries it."""

    code: int = 500
    reason: str = ""
    message: str = ""


_decode_head = msgspec.json.Decoder(_Headed).decode
_decode_status = msgspec.json.Decoder(_Status).decode


@dataclass(slots=True)
class _Scope:
    """One list and watch: of one namespace, or of all (None)."""

    namespace: str | None
    version: str = ""
    """Where the watch goes on; empty when a list is due."""
    listed: bool = False
    relist_at: float = 0.0
    expired_lists: int = 0
    regression_at: float = float("-inf")
    failing_since: float | None = None
    outage_since: float | None = None
    failures: int = 0
    trouble: ApiError | None = None
    deadline: asyncio.Timeout | None = field(default=None, repr=False)


class Informer(Generic[T]):
    """Keeps objects of one resource in memory and reports each change once.

    Args:
        cluster: where the objects are.
        resource: what they are.
        decode: makes an object of its JSON; keep only what is needed, it stays in memory.
        on_event: called with (old, new) for every change, None for what is not there; the same name with a
            new uid arrives as (old, new). Must not block.
        on_recovery: called when lists and watches work again after an error: what failed may be tried again.
        namespaces: which to watch, each with a list and watch of its own; empty means all.
        times: time limits; the defaults suit a production cluster.
        jitter: returns a number in [0, 1), injected so that tests are repeatable.
    """

    def __init__(
        self,
        cluster: Cluster,
        resource: Resource,
        *,
        decode: Callable[[bytes | msgspec.Raw], T],
        on_event: OnEvent[T] | None = None,
        on_recovery: Callable[[], None] = lambda: None,
        namespaces: Sequence[str] = (),
        times: InformerTimes | None = None,
        jitter: Jitter | None = None,
    ) -> None:
        self._cluster = cluster
        self._resource = resource
        self._decode = decode
        self.on_event = on_event
        """Set it before `run` where it is not known from the start."""
        self._on_recovery = on_recovery
        self._times = times or InformerTimes()
        self._jitter = jitter or default_jitter()
        self._cache: ObjectCache[T] = ObjectCache(self._on_event)
        self._scopes = [_Scope(namespace) for namespace in dict.fromkeys(namespaces)] or [_Scope(None)]
        self._unsynced = len(self._scopes)
        self._undecodable: dict[Key, str] = {}
        self._log = log.bind(resource=str(resource))
        self.synced = asyncio.Event()
        """Set once every list was complete for the first time."""
        self.last_sign: float | None = None
        """The loop time of the last attempt or contact: how `healthy` knows that the loop lives."""

    def get(self, key: Key) -> T | None:
        """Return the object with this namespace and name, or None."""
        return self._cache.get(key)

    def values(self) -> Iterable[T]:
        """Return a snapshot of all objects."""
        return self._cache.values()

    def __len__(self) -> int:
        return len(self._cache)

    @property
    def trouble(self) -> ApiError | None:
        """What the last list or watch failed with; None once one worked again."""
        return next((scope.trouble for scope in self._scopes if scope.trouble is not None), None)

    @property
    def failing_since(self) -> float | None:
        """Since when lists and watches have failed, in loop seconds."""
        return min((at for each in self._scopes if (at := each.failing_since) is not None), default=None)

    @property
    def undecodable(self) -> Iterable[Key]:
        """The keys of objects that `decode` refused."""
        return tuple(self._undecodable)

    def remember(self, answer: bytes | T) -> T:
        """Take a write's answer into the cache and return it decoded; an older event never overwrites it.

        Raises:
            Exception: whatever `decode` raises for bytes it refuses.
        """
        obj = self._decode(answer) if isinstance(answer, bytes) else answer
        if self._cache.remember(obj) is Remembered.REGRESSED:
            self._suspect_rollback(obj.metadata.namespace)
        held = self._cache.get((obj.metadata.namespace, obj.metadata.name))
        # The event may have come before the answer: whoever keeps the object keeps the one that is here.
        return held if held is not None and held == obj else obj

    def forget(self, key: Key, uid: str) -> None:
        """Drop an object whose end this process has just brought about (its last finalizer is gone)."""
        self._cache.forget(key, uid)

    def list_soon(self) -> None:
        """List anew now: objects read differently, and no event will say so (their schema has changed)."""
        for scope in self._scopes:
            self._relist(scope)

    def healthy(self, now: float) -> bool:
        """Return whether the informer's loop is alive; a silent API server is not its fault."""
        return self.last_sign is None or now - self.last_sign < self._times.dead

    async def run(self) -> None:
        """List and watch until cancelled; errors are logged and retried, never raised."""
        async with asyncio.TaskGroup() as tasks:
            for scope in self._scopes:
                tasks.create_task(
                    self._run(scope), name=f"informer {self._resource} {scope.namespace or '*'}"
                )

    async def _run(self, scope: _Scope) -> None:
        while True:
            self.last_sign = self._now()
            try:
                if not scope.version or self._now() >= scope.relist_at:
                    await self._list(scope)
                await self._watch(scope)
            except ApiError as error:
                await self._pause(scope, error)
            except (*UNREADABLE, TimeoutError) as error:
                await self._pause(scope, ApiError(0, type(error).__name__, str(error) or "no answer in time"))
            except Exception as error:  # noqa: BLE001  -- a bug in here must not end the operator's only view
                self._log.exception("informer failed unexpectedly")
                await self._pause(scope, ApiError(0, "Unexpected", repr(error)))

    async def _list(self, scope: _Scope) -> None:
        """Replace this scope's part of the cache by what the server has, page by page."""
        since = self._cache.writes
        seen: set[Key] = set()
        # A continue token that keeps expiring means that the server compacts faster than we read pages.
        whole = scope.expired_lists >= TRIES_WITH_PAGES
        version = ""
        read = pages(
            self._cluster, self._resource, namespace=scope.namespace, seconds=self._times.page, whole=whole
        )
        try:
            async for page in read:
                self.last_sign = self._now()
                for raw in page.items:
                    self._take_listed(raw, seen, since)
                version = page.resource_version
        except ApiError as error:
            scope.expired_lists += error.gone
            raise
        self._cache.vanished(seen, namespace=scope.namespace, since=since)
        self._undecodable = {
            key: uid
            for key, uid in self._undecodable.items()
            if key in seen or (scope.namespace is not None and key[0] != scope.namespace)
        }
        first = not scope.listed
        scope.listed, scope.expired_lists = True, 0
        scope.version, scope.outage_since, scope.trouble = version, None, None
        scope.relist_at = self._now() + self._between(self._times.relist)
        if first:
            self._unsynced -= 1
            if not self._unsynced:
                self.synced.set()

    def _take_listed(self, raw: msgspec.Raw, seen: set[Key], since: int) -> None:
        obj = self._try_decode(raw)
        if obj is not None:
            seen.add((obj.metadata.namespace, obj.metadata.name))
            self._cache.listed(obj, since=since)
            return
        head = _decode_head(raw).metadata
        seen.add((head.namespace, head.name))
        self._replace_undecodable(head)

    async def _watch(self, scope: _Scope) -> None:
        """Follow one watch to its end, which is normal after the timeout asked for."""
        started = self._now()
        timeout = max(1.0, min(self._between(self._times.watch), scope.relist_at - started))
        stream = self._cluster.watch(
            self._resource,
            namespace=scope.namespace,
            resource_version=scope.version,
            timeout=timeout,
            on_open=lambda: self._opened(scope),
        )
        events = 0
        try:
            async with contextlib.aclosing(stream), asyncio.timeout(self._times.silence) as deadline:
                scope.deadline = deadline
                async for event in stream:
                    self.last_sign = self._now()
                    self._apply(event, scope)
                    events += 1
                    if scope.failing_since is not None:
                        self._recovered(scope)
                    if self._now() >= scope.relist_at:
                        return
                    deadline.reschedule(self._now() + self._times.silence)
        except TimeoutError:
            if self._now() >= scope.relist_at:
                return
            raise TimeoutError(f"neither event nor bookmark for {self._times.silence:g} s") from None
        finally:
            scope.deadline = None
        if not events and self._now() - started < 1.0:
            raise ApiError(0, "EmptyWatch", "the server ended the watch at once")
        self.last_sign = self._now()
        if scope.failing_since is not None:
            self._recovered(scope)

    def _apply(self, event: WatchEvent, scope: _Scope) -> None:
        if event.type == "ERROR":
            status = _decode_status(event.object)
            raise ApiError(status.code, status.reason, status.message)
        obj = self._try_decode(event.object) if event.type != "BOOKMARK" else None
        meta = obj.metadata if obj is not None else _decode_head(event.object).metadata
        if event.type == "DELETED":
            self._undecodable.pop((meta.namespace, meta.name), None)
            self._cache.deleted((meta.namespace, meta.name), meta.uid)
        elif obj is not None:
            self._cache.event(obj)
        elif event.type != "BOOKMARK":
            self._replace_undecodable(_decode_head(event.object).metadata)
        if meta.resource_version:
            scope.version = meta.resource_version

    def _try_decode(self, raw: msgspec.Raw) -> T | None:
        try:
            obj = self._decode(raw)
        except Exception as error:  # noqa: BLE001  -- whatever the decoder cannot read is one object's problem
            head = _decode_head(raw).metadata
            key = (head.namespace, head.name)
            if self._undecodable.get(key) != head.uid:
                self._undecodable[key] = head.uid
                self._log.warning(
                    "object cannot be decoded; it is left alone until it changes",
                    namespace=head.namespace,
                    name=head.name,
                    error=str(error),
                )
            return None
        self._undecodable.pop((obj.metadata.namespace, obj.metadata.name), None)
        return obj

    def _replace_undecodable(self, head: _Head) -> None:
        """Keep the last readable version of an object, unless it belonged to an earlier incarnation."""
        key = (head.namespace, head.name)
        old = self._cache.get(key)
        if old is not None and old.metadata.uid != head.uid:
            self._cache.deleted(key, old.metadata.uid)

    async def _pause(self, scope: _Scope, error: ApiError) -> None:
        now = self._now()
        scope.trouble = error
        if scope.failing_since is None:
            scope.failing_since = now
            words = "list or watch failed; it is retried"
            self._log.warning(words, namespace=scope.namespace, error=str(error))
        if scope.outage_since is None:
            scope.outage_since = now
        base, cap = self._times.backoff
        if now - scope.failing_since < self._times.short[1]:
            cap = min(cap, self._times.short[0])
        delay = exponential(scope.failures, base=base, cap=cap, jitter=self._jitter)
        scope.failures += 1
        if error.gone or now - scope.outage_since >= self._times.outage:
            scope.version = ""
        await asyncio.sleep(max(delay, min(error.retry_after or 0.0, LONGEST_RETRY_AFTER)))

    def _opened(self, scope: _Scope) -> None:
        if scope.failing_since is not None:
            self._on_recovery()

    def _recovered(self, scope: _Scope) -> None:
        self._log.info("list and watch work again", namespace=scope.namespace, attempts=scope.failures)
        scope.failing_since = scope.outage_since = scope.trouble = None
        scope.failures = 0

    def _suspect_rollback(self, namespace: str) -> None:
        """List soon: an answer older than the cache is mostly a race, but true after a restore of etcd."""
        now = self._now()
        for scope in self._scopes:
            if scope.namespace in (None, namespace) and now - scope.regression_at >= self._times.regression:
                scope.regression_at = now
                self._relist(scope)

    def _relist(self, scope: _Scope) -> None:
        now = self._now()
        scope.relist_at = min(scope.relist_at, now)
        if scope.deadline is not None and not scope.deadline.expired():
            scope.deadline.reschedule(now)

    def _on_event(self, old: T | None, new: T | None) -> None:
        if self.on_event is None:
            return
        try:
            self.on_event(old, new)
        except Exception:  # noqa: BLE001  -- one object's handler must not cost the others their events
            obj = new if new is not None else old
            assert obj is not None, "every event has an object"
            self._log.exception(
                "event handler failed", namespace=obj.metadata.namespace, name=obj.metadata.name
            )

    def _between(self, bounds: tuple[float, float]) -> float:
        low, high = bounds
        return low + (high - low) * self._jitter()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
