"""Exponential backoff with jitter."""

from __future__ import annotations

import random
from collections.abc import Callable

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
