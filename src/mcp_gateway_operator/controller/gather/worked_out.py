"""What was worked out from an object's spec, kept for the next time the same is asked.

An object is looked at seven times on its way to READY, and then at each drift interval or so. To check its
spec and to make AWS's request of it was a fifth of what that takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

LIMIT: Final = 1024
"""Objects of which something is kept, some hundred bytes each beside the spec that the cache has anyway."""


class WorkedOut(Generic[T]):
    """The last answer for each of the objects that were asked about lately."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[object, T]] = {}

    def of(self, key: tuple[str, str], terms: object, work: Callable[[], T]) -> T:
        """Return what `work` returns for these terms, without asking it when they are those of the last time.

        Args:
            key: namespace and name of the object.
            terms: all that the answer depends on; compared, not hashed.
            work: works the answer out. Nobody changes it afterwards.
        """
        known = self._known.get(key)
        if known is None or known[0] != terms:
            if len(self._known) >= LIMIT:
                self._known.clear()
            known = self._known[key] = terms, work()
        return known[1]
