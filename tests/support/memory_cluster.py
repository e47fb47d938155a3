"""An API server in memory, and connections to it that implement the runtime's cluster port.

Each connection may have faults of its own: an operator that is cut off sees nothing while others go on. Give
each `MemoryCluster` a `faults` function that looks at a request and says what goes wrong with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from mcp_gateway_operator.runtime.cluster import (
    EVENTS,
    LEASES,
    MAX_PAGE,
    ApiError,
    Page,
    PatchType,
    Resource,
    WatchEvent,
    refuse_null,
)
from tests.support.memory_store import Change, Kind, Store

T = TypeVar("T")

BOOKMARKS = 60.0
"""Seconds between two bookmarks, as kube-apiserver sends them."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as fault functions and the log see it."""

    number: int
    client: str
    verb: str
    resource: Resource | None
    namespace: str | None = None
    name: str = ""
    subresource: str = ""
    body: object = field(default=None, repr=False)
    path: str = ""

    @property
    def what(self) -> tuple[str, str, str]:
        """Verb, plural and subresource: what requests are counted by."""
        return (self.verb, self.resource.plural if self.resource else self.path, self.subresource)

    @property
    def mutates(self) -> bool:
        """Whether the request is a write."""
        return self.verb in ("create", "patch", "replace", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one request, in this order; every part is optional."""

    before: Callable[[], None] | None = None
    """Called first: another writer, a crash."""
    delay: float = 0.0
    """Seconds that pass before the request arrives."""
    refuse: BaseException | None = None
    """Raised instead of carrying the request out."""
    hang: bool = False
    """The request never arrives and no answer comes: waits until cancelled."""
    after: Callable[[], None] | None = None
    """Called when the request was carried out, before the answer."""
    lose: BaseException | None = None
    """Raised instead of the answer: applied, answer lost."""
    hang_applied: bool = False
    """Applied, then no answer comes: waits until cancelled."""


LOST = ApiError(0, "ReadError", "connection lost")

Faults = Callable[[Request], Fault | None]


class MemoryApiServer:
    """The server: a store, its watches, a log of requests."""

    def __init__(self, *, wall: Callable[[], datetime] | None = None, history: int = 1000) -> None:
        self.store = Store(wall=wall or (lambda: datetime.now(UTC)), history=history)
        self.store.on_change = self._wake
        self.log: list[Request] = []
        self.paths: dict[str, bytes] = {
            "/version": b'{"major":"1","minor":"37","gitVersion":"v1.37.2"}',
            "/readyz": b"ok",
        }
        self.streams: dict[Stream, None] = {}
        """Watches in the order they began: a set's order would differ between runs."""

    def serve(
        self, resource: Resource, kind: str, validate: Callable[[Any], str | None] | None = None
    ) -> None:
        """Serve a custom resource with a status subresource."""
        self.store.serve(Kind(resource, kind, status_subresource=True, generation=True, validate=validate))

    def connect(self, name: str = "", *, faults: Faults | None = None) -> MemoryCluster:
        """Return a new connection."""
        return MemoryCluster(self, name=name, faults=faults)

    def counts(self) -> Counter[tuple[str, str, str]]:
        """Return how many requests of each verb, plural and subresource came."""
        return Counter(request.what for request in self.log)

    def writes(self, *, client: str | None = None) -> list[Request]:
        """Return the writes to anything but leases and events."""
        return [
            request
            for request in self.log
            if request.mutates
            and request.resource not in (LEASES, EVENTS)
            and client in (None, request.client)
        ]

    def break_watches(self, error: ApiError | None = LOST) -> None:
        """End every watch: with an error, or (None) as if its time were over."""
        for stream in self.streams:
            stream.end(error)

    def silence_watches(self) -> None:
        """Let every present watch go silent without an end, like a connection whose other side is gone."""
        for stream in self.streams:
            stream.silent = True

    def inject(self, event: WatchEvent) -> None:
        """Put an event of the test's own making into every watch."""
        for stream in self.streams:
            stream.extra.append(event)
        self._wake()

    def _wake(self) -> None:
        for stream in self.streams:
            stream.wake()


@dataclass(eq=False)
class Stream:
    """The server's side of one watch."""

    resource: Resource
    namespace: str | None
    position: int
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    extra: list[WatchEvent] = field(default_factory=list)
    ended: bool = False
    silent: bool = False
    error: ApiError | None = None

    def wake(self) -> None:
        """Something may be there to be read."""
        self.changed.set()

    def end(self, error: ApiError | None) -> None:
        """Stop the stream."""
        self.ended, self.error = True, error
        self.wake()

    def wants(self, change: Change) -> bool:
        """Whether this watch is about the changed object."""
        return change.resource == self.resource and self.namespace in (None, change.namespace)


class MemoryCluster:
    """One connection to a `MemoryApiServer`; implements the cluster port.

    Attributes:
        faults: looks at each request and returns what goes wrong with it, or None.
        latency: seconds that a request takes before it arrives; a seeded function gives varied interleavings.
        frozen: while true, watches are silent: no events, no bookmarks, no end (a half-open connection).
        drop: looks at each change that a watch is about to deliver; true loses it.
    """

    def __init__(
        self, server: MemoryApiServer | None = None, *, name: str = "", faults: Faults | None = None
    ) -> None:
        self.server = server or MemoryApiServer()
        self.name = name
        self.faults = faults
        self.latency: Callable[[Request], float] | None = None
        self.frozen = False
        self.drop: Callable[[Change], bool] | None = None
        self._continue: dict[str, tuple[int, str, list[bytes]]] = {}

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        name: str = "",
        labels: str = "",
        limit: int = 500,
        continue_token: str = "",
    ) -> Page:
        """Return one page of a consistent list; of label selectors only `name=value` is known here."""
        return await self._perform(
            "list",
            resource,
            namespace,
            name,
            act=lambda: self._page(resource, namespace, name, labels, limit, continue_token),
        )

    async def get(self, resource: Resource, namespace: str | None, name: str) -> bytes:
        """Read one object."""
        store = self.server.store
        return await self._perform(
            "get", resource, namespace, name, act=lambda: store.get(resource, namespace, name)
        )

    async def create(self, resource: Resource, namespace: str | None, body: object) -> bytes:
        """Create an object."""
        store = self.server.store
        return await self._perform(
            "create", resource, namespace, body=body, act=lambda: store.create(resource, namespace, body)
        )

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: object,
        *,
        kind: PatchType,
        subresource: str = "",
    ) -> bytes:
        """Patch an object or its status."""
        refuse_null(body, kind)
        store = self.server.store
        return await self._perform(
            "patch",
            resource,
            namespace,
            name,
            subresource=subresource,
            body=body,
            act=lambda: store.patch(resource, namespace, name, body, kind=kind, subresource=subresource),
        )

    async def replace(self, resource: Resource, namespace: str | None, name: str, body: object) -> bytes:
        """Replace an object."""
        store = self.server.store
        return await self._perform(
            "replace",
            resource,
            namespace,
            name,
            body=body,
            act=lambda: store.replace(resource, namespace, name, body),
        )

    async def delete(self, resource: Resource, namespace: str | None, name: str, *, uid: str = "") -> None:
        """Delete an object."""
        store = self.server.store
        await self._perform(
            "delete", resource, namespace, name, act=lambda: store.delete(resource, namespace, name, uid=uid)
        )

    async def get_path(self, path: str) -> bytes:
        """Read one of the server's `paths`."""

        def read() -> bytes:
            if path not in self.server.paths:
                raise ApiError(404, "NotFound", "the server could not find the requested resource")
            return self.server.paths[path]

        return await self._perform("get", None, path=path, act=read)

    async def close(self) -> None:
        """Nothing to close."""

    async def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        resource_version: str,
        timeout: float,  # noqa: ASYNC109  -- the server's limit, part of the port
        on_open: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Stream changes and bookmarks until the timeout."""
        stream = Stream(resource, namespace, int(resource_version))
        await self._perform("watch", resource, namespace, act=lambda: self.server.store.kind(resource))
        self.server.streams[stream] = None
        on_open()
        try:
            async for event in self._follow(stream, timeout):
                yield event
        finally:
            self.server.streams.pop(stream, None)

    async def _follow(self, stream: Stream, duration: float) -> AsyncGenerator[WatchEvent, None]:
        now = asyncio.get_running_loop().time
        end, bookmark = now() + duration, now() + BOOKMARKS
        while True:
            stream.changed.clear()
            for event in self._pending(stream):
                yield event
                if event.type == "ERROR":
                    return
            if self._is_over(stream, late=now() >= end):
                return
            if now() >= bookmark:
                bookmark = now() + BOOKMARKS
                if not self.frozen and not stream.silent and stream.position <= self.server.store.revision:
                    yield _bookmark(self.server.store.revision)
            if not stream.changed.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(min(bookmark, end) if now() < end else bookmark):
                        await stream.changed.wait()

    def _pending(self, stream: Stream) -> Iterator[WatchEvent]:
        store = self.server.store
        if self.frozen or stream.silent or stream.ended:
            return
        while stream.extra:
            yield stream.extra.pop(0)
        if stream.position < store.compacted:
            yield _expired(stream.position, store.revision)
            return
        for change in store.changes_since(stream.position):
            stream.position = change.revision
            if stream.wants(change) and not (self.drop and self.drop(change)):
                yield WatchEvent(change.type, msgspec.Raw(change.body))

    def _is_over(self, stream: Stream, *, late: bool) -> bool:
        if self.frozen or stream.silent:
            return False
        if stream.ended and stream.error is not None:
            raise copy.copy(stream.error)
        return late or stream.ended or stream.resource not in self.server.store.kinds

    def _page(
        self, resource: Resource, namespace: str | None, name: str, labels: str, limit: int, token: str
    ) -> Page:
        store = self.server.store
        if token:
            revision, _, rest = self._continue.get(token, (-1, "", []))
            if revision < store.compacted:
                raise ApiError(410, "Expired", "The provided continue parameter is too old")
        else:
            selected = store.select(resource, namespace)
            revision, rest = (
                store.revision,
                [body for key, body in selected if name in ("", key[1]) and _selects(labels, body)],
            )
        page, rest = (rest[:limit], rest[limit:]) if limit else (rest, [])
        if sum(map(len, page)) > MAX_PAGE:
            raise ApiError(0, "TooLong", f"the answer is longer than {MAX_PAGE} bytes")
        token = ""
        if rest:
            token = f"{revision}.{len(self.server.log)}"
            self._continue[token] = (revision, token, rest)
        size = sum(map(len, page))
        return Page([msgspec.Raw(body) for body in page], str(revision), token, size)

    async def _perform(
        self,
        verb: str,
        resource: Resource | None,
        namespace: str | None = None,
        name: str = "",
        *,
        act: Callable[[], T],
        subresource: str = "",
        body: object = None,
        path: str = "",
    ) -> T:
        log = self.server.log
        request = Request(len(log), self.name, verb, resource, namespace, name, subresource, body, path)
        log.append(request)
        fault = (self.faults and self.faults(request)) or Fault()
        if fault.before:
            fault.before()
        # A real request always gives other tasks a turn before it arrives, and again before its answer is
        # read.
        await asyncio.sleep(fault.delay + (self.latency(request) if self.latency else 0.0))
        if fault.hang:
            await asyncio.get_running_loop().create_future()
        if fault.refuse:
            # A copy: an exception object raised again and again drags all its tracebacks along.
            raise copy.copy(fault.refuse)
        answer = act()
        if fault.after:
            fault.after()
        if fault.hang_applied:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0)
        if fault.lose:
            raise copy.copy(fault.lose)
        return answer


def _bookmark(revision: int) -> WatchEvent:
    return WatchEvent(
        "BOOKMARK", msgspec.Raw(b'{"metadata":{"resourceVersion":"%d","creationTimestamp":null}}' % revision)
    )


def _expired(position: int, revision: int) -> WatchEvent:
    status = {
        "kind": "Status",
        "status": "Failure",
        "code": 410,
        "reason": "Expired",
        "message": f"too old resource version: {position} ({revision})",
    }
    return WatchEvent("ERROR", msgspec.Raw(msgspec.json.encode(status)))


def _selects(labels: str, body: bytes) -> bool:
    if not labels:
        return True
    if (several := re.fullmatch(r"(\S+) in \((.*)\)", labels)) is not None:
        return _labels(body).get(several[1]) in several[2].split(",")
    wanted = dict(part.split("=") for part in labels.split(","))
    labelled = _labels(body)
    return wanted.items() <= labelled.items()


def _labels(body: bytes) -> dict[str, str]:
    found: dict[str, str] = msgspec.json.decode(body)["metadata"].get("labels", {})
    return found
