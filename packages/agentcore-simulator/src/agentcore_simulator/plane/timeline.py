"""Scheduled state changes, run lazily when the clock is read: no timer, no thread."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class Timeline:
    """A heap of callbacks by due time; equal times run in the order they were scheduled."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self.ran = 0
        """How many actions have run."""

    def schedule(self, due: float, action: Callable[[float], None]) -> None:
        """Call `action` with its due time once the clock has reached `due` (epoch seconds)."""
        heapq.heappush(self._heap, (due, next(self._order), action))

    def advance(self, now: float) -> None:
        """Run everything that is due. An action may schedule more, which runs too when it is due already."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, _, action = heapq.heappop(heap)
            self.ran += 1
            action(due)

    def next_due(self) -> float | None:
        """When something happens next; None when nothing is scheduled."""
        return self._heap[0][0] if self._heap else None

    def clear(self) -> None:
        """Forget everything scheduled."""
        self._heap.clear()
