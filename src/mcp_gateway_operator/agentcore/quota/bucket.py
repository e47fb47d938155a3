"""A token bucket that AWS's own bucket never refuses, and that learns when it does all the same."""

from __future__ import annotations

import math
from typing import Final

PACE: Final = 0.98
"""Share of the quota that is used. The rest absorbs two clocks that do not run alike."""

BURST: Final = 0.4
"""Burst in seconds of the quota. A service bucket of one second's worth stays ahead of ours by the rest:
calls still find their token there that are delayed unevenly, by up to 600 ms, by the network or by the read
of the object between a grant and its Create. A grant keeps its token, so a small burst costs no pace.
"""

DECREASE: Final = 0.7
"""What a refusal leaves of the rate."""

RECOVERY: Final = 60.0
"""Seconds from rate 0 back to the whole quota: slow, for the quota is shared with other tools."""

LEAST: Final = 0.1
"""Share of the quota that is kept however often AWS refuses, so that everything still ends."""


class Bucket:
    """Tokens of one operation. All times are seconds of one monotonic clock and never run backwards.

    `quota` None means no limit; then only `pause` holds calls back.
    """

    def __init__(self, quota: float | None, now: float) -> None:
        self._quota = quota
        self._ceiling = math.inf if quota is None else quota * PACE
        self._capacity = math.inf if quota is None else max(1.0, quota * BURST)
        self._rate = self._ceiling
        self._level = self._capacity
        self._at = now
        self._paused_until = now
        self._decreased_at = -math.inf

    def rate(self, now: float) -> float | None:
        """Return the calls per second used at present; None without a quota."""
        self._advance(now)
        return None if self._quota is None else self._rate

    def available(self, now: float) -> bool:
        """Whether a token can be taken."""
        self._advance(now)
        # Sums of refills fall short of a whole token by rounding, and a timer may fire a clock tick early;
        # without the tolerance it would find nothing and be set again.
        return now >= self._paused_until and self._level >= 1 - 1e-6

    def take(self) -> None:
        """Take a token; `available` said that there is one."""
        self._level -= 1

    def give_back(self) -> None:
        """Return a token that was not used."""
        self._level = min(self._capacity, self._level + 1)

    def next_at(self, now: float) -> float:
        """Return when a token can be taken, at the latest."""
        self._advance(now)
        missing = max(0.0, 1 - self._level)
        refilled = now if math.isinf(self._rate) else now + missing / self._rate
        return max(refilled, self._paused_until)

    def refused(self, now: float, pause: float) -> None:
        """Note that AWS throttled a call: no call for `pause` seconds, and fewer afterwards.

        The answers to one burst arrive together and are one lesson: the rate falls once a second at most.
        """
        self._advance(now)
        self._paused_until = max(self._paused_until, now + pause)
        if self._quota is None or now < self._decreased_at + 1:
            return
        self._decreased_at = now
        self._rate = max(self._ceiling * LEAST, self._rate * DECREASE)
        self._level = min(self._level, 0.0)

    def _advance(self, now: float) -> None:
        elapsed = now - self._at
        if elapsed <= 0 or self._quota is None:
            return
        self._at = now
        before = self._rate
        self._rate = min(self._ceiling, before + self._ceiling * elapsed / RECOVERY)
        self._level = min(self._capacity, self._level + elapsed * (before + self._rate) / 2)
