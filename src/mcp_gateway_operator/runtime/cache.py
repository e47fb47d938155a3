"""The informer's table of objects, and the rules by which lists, events and write answers change it.

Resource versions are compared only between a write's answer and what the same watch session brings: a list
taken later replaces the table whatever the versions say, because after a restore of etcd they start again
from an older number. Pure: no I/O and no waiting.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, Protocol, TypeVar

Key = tuple[str, str]
"""Namespace and name; the namespace of a cluster-scoped object is empty."""

TOMBSTONES = 4096
"""How many deletions are remembered, so that a late write's answer does not bring a deleted object back."""


class Meta(Protocol):
    """The metadata that the machinery reads."""

    @property
    def name(self) -> str: ...  # noqa: D102  -- Kubernetes ObjectMeta
    @property
    def namespace(self) -> str: ...  # noqa: D102
    @property
    def uid(self) -> str: ...  # noqa: D102
    @property
    def resource_version(self) -> str: ...  # noqa: D102


class KubeObject(Protocol):
    """Any decoded object. Equality means equal contents: after a restore equal versions do not suffice."""

    @property
    def metadata(self) -> Meta: ...  # noqa: D102


T = TypeVar("T", bound=KubeObject)
OnEvent = Callable[[T | None, T | None], None]


class Remembered(Enum):
    """What became of a write's answer."""

    TAKEN = auto()
    STALE = auto()
    """The table already holds a newer version, or the object is known to be deleted."""
    REGRESSED = auto()
    """The answer is older than the table: a newer event came first, or the server was rolled back."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """A write's answer that the watch has not caught up with."""

    uid: str
    version: int
    written: int


class ObjectCache(Generic[T]):
    """Objects by key; every change is reported as `on_event(old, new)`, a deletion as `(old, None)`."""

    def __init__(self, on_event: OnEvent[T]) -> None:
        self._on_event = on_event
        self._objects: dict[Key, T] = {}
        self._marks: dict[Key, _Mark] = {}
        self._deleted: OrderedDict[str, None] = OrderedDict()
        self._writes = 0

    def get(self, key: Key) -> T | None:
        """Return the object under `key`."""
        return self._objects.get(key)

    def values(self) -> Iterable[T]:
        """Return a snapshot of all objects."""
        return tuple(self._objects.values())

    def keys(self) -> Iterable[Key]:
        """Return a snapshot of all keys."""
        return tuple(self._objects)

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def writes(self) -> int:
        """How many write answers were taken so far: a list notes it when it begins."""
        return self._writes

    def remember(self, new: T) -> Remembered:
        """Take a write's answer into the table."""
        meta = new.metadata
        key = (meta.namespace, meta.name)
        if meta.uid in self._deleted:
            return Remembered.STALE
        version = as_number(meta.resource_version)
        old = self._objects.get(key)
        if old == new:
            return Remembered.TAKEN
        if old is not None and old.metadata.uid == meta.uid:
            held = as_number(old.metadata.resource_version)
            if version is not None and held is not None and version < held:
                return Remembered.REGRESSED
        if version is not None:
            self._writes += 1
            self._marks[key] = _Mark(meta.uid, version, self._writes)
        self._put(key, old, new)
        return Remembered.TAKEN

    def forget(self, key: Key, uid: str) -> None:
        """Drop an object that this process knows to be gone, before the watch says so."""
        self._bury(uid)
        old = self._objects.get(key)
        if old is not None and old.metadata.uid == uid:
            self._drop(key, old)

    def event(self, new: T) -> None:
        """Apply an ADDED or MODIFIED event."""
        meta = new.metadata
        key = (meta.namespace, meta.name)
        if meta.uid in self._deleted:
            return
        mark = self._marks.get(key)
        if mark is not None:
            version = as_number(meta.resource_version)
            if version is not None and version < mark.version:
                return
            del self._marks[key]
        old = self._objects.get(key)
        if old == new:
            return
        self._put(key, old, new)

    def deleted(self, key: Key, uid: str) -> None:
        """Apply a DELETED event; it never removes another incarnation of the name."""
        self.forget(key, uid)

    def listed(self, new: T, *, since: int) -> None:
        """Apply an item of a list that began when `writes` was `since`."""
        meta = new.metadata
        key = (meta.namespace, meta.name)
        old = self._objects.get(key)
        mark = self._marks.get(key)
        if mark is not None:
            version = as_number(meta.resource_version)
            if (
                mark.written > since
                and mark.uid == meta.uid
                and version is not None
                and version < mark.version
            ):
                return
            del self._marks[key]
        self._deleted.pop(meta.uid, None)
        if old == new:
            return
        self._put(key, old, new)

    def vanished(self, seen: set[Key], *, namespace: str | None, since: int) -> None:
        """Drop what a finished list of `namespace` (None: of all), begun at write `since`, did not show."""
        for key in [key for key in self._objects if namespace is None or key[0] == namespace]:
            if key not in seen:
                old = self._objects[key]
                mark = self._marks.get(key)
                if mark is None or mark.written <= since:
                    # Written during the list, it may be younger than the list: the watch may still bring it.
                    self._bury(old.metadata.uid)
                self._drop(key, old)

    def _put(self, key: Key, old: T | None, new: T) -> None:
        self._objects[key] = new
        if old is not None and old.metadata.uid != new.metadata.uid:
            self._bury(old.metadata.uid)
        self._on_event(old, new)

    def _drop(self, key: Key, old: T) -> None:
        del self._objects[key]
        self._marks.pop(key, None)
        self._on_event(old, None)

    def _bury(self, uid: str) -> None:
        self._deleted[uid] = None
        self._deleted.move_to_end(uid)
        while len(self._deleted) > TOMBSTONES:
            self._deleted.popitem(last=False)


def as_number(version: str) -> int | None:
    """Return a resource version as a number, or None when this server does not number its versions."""
    return int(version) if version.isdecimal() else None
