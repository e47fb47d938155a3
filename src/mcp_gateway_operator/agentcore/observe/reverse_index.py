"""A reverse index from a text to the ids that carry it."""

from __future__ import annotations

from collections.abc import KeysView


class ReverseIndex:
    """Ids by key. Nearly every key has one id, which then stands for itself; several stand in a tuple."""

    def __init__(self) -> None:
        self._ids: dict[str, str | tuple[str, ...]] = {}

    def keys(self) -> KeysView[str]:
        """Return the keys that have ids; a live view."""
        return self._ids.keys()

    def get(self, key: str) -> tuple[str, ...]:
        """Return the ids under a key, oldest entry first."""
        ids = self._ids.get(key, ())
        return (ids,) if isinstance(ids, str) else ids

    def move(self, item: str, before: str | None, after: str | None) -> None:
        """Take an id from one key to another; None is no key."""
        if before == after:
            return
        if before is not None:
            self._put(before, tuple(each for each in self.get(before) if each != item))
        if after is not None:
            self._put(after, (*self.get(after), item))

    def _put(self, key: str, ids: tuple[str, ...]) -> None:
        if ids:
            self._ids[key] = ids[0] if len(ids) == 1 else ids
        else:
            del self._ids[key]
