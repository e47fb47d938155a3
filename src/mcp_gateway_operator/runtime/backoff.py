"""Exponential backoff with jitter, per key or for one loop."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

Jitter = Callable[[], float]
"""Returns a number in [0, 1), as `random.Random.random` does."""

MAX_DOUBLINGS = 60
"""Beyond it 2**n would outgrow a float long after every cap was reached."""


def exponential(failures: int, *, base: float, cap: float, jitter: Jitter) -> float:
    """Return the seconds to wait after `failures` earlier ones: base, 2 base, ..., cap, less up to 25 %."""
    full = min(cap, base * 2.0 ** min(failures, MAX_DOUBLINGS))
    return full * (1.0 - 0.25 * jitter())


def default_jitter() -> Jitter:
    """Return a jitter of its own seed, so that many processes do not retry in step."""
    return random.Random().random  # noqa: S311  -- spreads load; nothing secret depends on it


class Backoff(Generic[K]):
    """Counts failures per key and says how long to wait after each."""

    def __init__(self, *, base: float, cap: float, jitter: Jitter | None = None) -> None:
        self._base = base
        self._cap = cap
        self._jitter = jitter or default_jitter()
        self._failures: dict[K, int] = {}

    def next(self, key: K) -> float:
        """Count a failure of `key` and return the seconds to wait."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        return exponential(failures, base=self._base, cap=self._cap, jitter=self._jitter)

    def reset(self, key: K) -> None:
        """Forget the failures of `key`."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """Return how many failures of `key` are counted."""
        return self._failures.get(key, 0)
