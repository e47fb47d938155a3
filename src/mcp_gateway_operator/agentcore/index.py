"""A reverse index from a text to the ids that carry it."""

from __future__ import annotations

from collections.abc import KeysView


class Index:
    """Ids by key. Nearly every key has one id, so tuples cost less than sets."""

    def __init__(self) -> None:
        self._ids: dict[str, tuple[str, ...]] = {}

    def keys(self) -> KeysView[str]:
        """Return the keys that have ids; a live view."""
        return self._ids.keys()

    def get(self, key: str) -> tuple[str, ...]:
        """Return the ids under a key, oldest entry first."""
        return self._ids.get(key, ())

    def move(self, item: str, before: str | None, after: str | None) -> None:
        """Take an id from one key to another; None is no key."""
        if before == after:
            return
        if before is not None:
            left = tuple(each for each in self._ids[before] if each != item)
            if left:
                self._ids[before] = left
            else:
                del self._ids[before]
        if after is not None:
            self._ids[after] = (*self._ids.get(after, ()), item)
