"""What a watch says of the objects, for those who wait until they are Ready or gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator.runtime.pages import pages
from mcp_gateway_operator.runtime.transport import KubeCluster

Key = tuple[str, str]
"""Namespace and name."""
WATCH_SECONDS: Final = 3600.0


class _Condition(msgspec.Struct):
    type: str
    status: str
    observed_generation: int = msgspec.field(name="observedGeneration", default=0)


class _Status(msgspec.Struct):
    conditions: tuple[_Condition, ...] = ()


class _Metadata(msgspec.Struct):
    namespace: str
    name: str


class _Object(msgspec.Struct):
    metadata: _Metadata
    status: _Status = msgspec.field(default_factory=_Status)

    @property
    def key(self) -> Key:
        return self.metadata.namespace, self.metadata.name

    def ready(self) -> int:
        """Return the generation that is Ready, 0 for none."""
        for condition in self.status.conditions:
            if condition.type == "Ready" and condition.status == "True":
                return condition.observed_generation
        return 0


_decode = msgspec.json.Decoder(_Object).decode


class _Wait:
    """Somebody waits until only `left` keys are pending; a change costs the same however many there are."""

    def __init__(self, pending: set[Key], done: Callable[[Key], bool], left: int) -> None:
        self._pending = pending
        self._done = done
        self._left = left
        self.over = asyncio.get_running_loop().create_future()
        self._tell()

    def changed(self, key: Key) -> None:
        if key in self._pending and self._done(key):
            self._pending.discard(key)
            self._tell()

    def _tell(self) -> None:
        if len(self._pending) <= self._left and not self.over.done():
            self.over.set_result(None)


class View:
    """All MCPServers as the API server tells of them: by key, the generation that is Ready."""

    def __init__(self, cluster: KubeCluster) -> None:
        self._cluster = cluster
        self._ready: dict[Key, int] = {}
        self._waits: list[_Wait] = []

    async def follow(self) -> None:
        """List and watch until cancelled, anew when the API server ends a watch, as it may at any time."""
        while True:
            with contextlib.suppress(ApiError):
                await self._follow_once()

    async def _follow_once(self) -> None:
        objects, version = [], ""
        async for page in pages(self._cluster, MCPSERVERS, namespace=None, seconds=60.0):
            objects += [_decode(item) for item in page.items]
            version = page.resource_version
        before = self._ready
        self._ready = {seen.key: seen.ready() for seen in objects}
        for key in before.keys() | self._ready.keys():
            self._tell(key)
        events = self._cluster.watch(MCPSERVERS, resource_version=version, timeout=WATCH_SECONDS)
        async with contextlib.aclosing(events):
            async for event in events:
                if event.type == "ERROR":
                    return
                if event.type != "BOOKMARK":
                    self._take(event.type, _decode(event.object))

    def _take(self, what: str, seen: _Object) -> None:
        if what == "DELETED":
            self._ready.pop(seen.key, None)
        else:
            self._ready[seen.key] = seen.ready()
        self._tell(seen.key)

    def _tell(self, key: Key) -> None:
        for wait in self._waits:
            wait.changed(key)

    async def ready(self, keys: Iterable[Key], generation: int, *, seconds: float, but: int = 0) -> None:
        """Wait until these, all but so many, are Ready at this generation or a later one.

        Raises:
            TimeoutError: some still are not after so many seconds.
        """
        await self._until(keys, lambda key: self._ready.get(key, 0) >= generation, seconds, but)

    async def gone(self, keys: Iterable[Key], *, seconds: float) -> None:
        """Wait until these do not exist any more.

        Raises:
            TimeoutError: some still do after so many seconds.
        """
        await self._until(keys, lambda key: key not in self._ready, seconds, 0)

    async def _until(
        self, keys: Iterable[Key], done: Callable[[Key], bool], seconds: float, but: int
    ) -> None:
        wait = _Wait({key for key in keys if not done(key)}, done, but)
        self._waits.append(wait)
        try:
            async with asyncio.timeout(seconds):
                await wait.over
        finally:
            self._waits.remove(wait)
