"""Durations as Go writes them: what Kubernetes users and flags expect."""

from __future__ import annotations

import re
from typing import Final

_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_TERM = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_LONGEST: Final = (2**63 - 1) * 1e-9
"""Seconds: Go counts durations in nanoseconds in 64 bits, and so does the API server's CEL."""


def parse_duration(text: str) -> float:
    """Return the seconds in a Go duration such as "6h30m", "1.5h", "250ms" or "-10s".

    Raises:
        ValueError: the text is not a duration or is longer than 292 years; the message says what to write.
    """
    sign, unsigned = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if unsigned == "0":
        return 0.0
    total, position = 0.0, 0
    while (term := _TERM.match(unsigned, position)) is not None:
        total += float(term[1]) * _SECONDS[term[2]]
        position = term.end()
    if not unsigned or position != len(unsigned) or total > _LONGEST:
        raise ValueError(
            f"{text!r} is not a duration: write numbers with units (h, m, s, ms, us, ns), for example 6h30m."
        )
    return sign * total
