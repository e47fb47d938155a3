"""How often a gateway's targets are listed."""

from __future__ import annotations

import math
from typing import Final

from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind

APART: Final = 1.0
"""Seconds between the starts of two Lists of one gateway, at least."""
SLOWEST_BUSY: Final = 10.0
"""Seconds between two Lists of a gateway on which something of ours has been in flight for minutes."""
STRETCH: Final = 30.0
"""Something in flight for n times as many seconds is looked at every n seconds."""
BUSY_SHARE: Final = 0.8
"""Share of the List quota for gateways on which something of ours is in flight."""
SILENT_SHARE: Final = 0.1
"""Share of the List quota for gateways that were asked and never answered."""
SILENT_LONGEST: Final = 600.0
"""Seconds between two Lists of a gateway that never answered, at most."""
RECORDED_LONGEST: Final = 60.0
"""The same where an object says that its target is there."""
IDLE_SHARE: Final = 0.5
"""Share of the List quota that looking for drift may use."""
JITTER: Final = 0.1
"""Share of an interval by which it varies, and by which a List may be late and still keep its place."""

_GOLDEN: Final = (math.sqrt(5) - 1) / 2

_SLOW_TO_CHANGE: Final = frozenset({ErrorKind.ACCESS_DENIED, ErrorKind.VALIDATION})


def drift_interval(wanted: float, gateways: int, quota: float | None) -> float:
    """Return the seconds between two Lists of an idle gateway: longer with more gateways than quota."""
    return wanted if quota is None else max(wanted, gateways / (IDLE_SHARE * quota))


def busy_interval(age: float, busy_gateways: int, quota: float | None) -> float:
    """Return the seconds between two Lists of a gateway whose youngest write is `age` seconds old."""
    stretched = min(max(age / STRETCH, APART), SLOWEST_BUSY)
    return stretched if quota is None else max(stretched, busy_gateways / (BUSY_SHARE * quota))


def failure_backoff(error: AgentCoreError, failures: int, drift: float, longest: float) -> float:
    """Return the seconds to leave a gateway alone after its nth failed List in a row.

    What only a person can change, or costs a hundred calls a look, is looked at again at the pace of drift
    first, and AWS's Retry-After is honoured.

    Args:
        error: of the last List.
        failures: in a row.
        drift: seconds between two Lists of an idle gateway.
        longest: the most seconds to wait, Retry-After aside.
    """
    slow = error.kind in _SLOW_TO_CHANGE or error.code == "TooManyPages"
    first = drift if slow else 2.0 * APART
    return max(error.retry_after or 0.0, min(longest, first * 2.0 ** min(failures - 1, 16)))


def silent_apart(quota: float | None) -> float:
    """Return the seconds between two Lists of all the gateways together that never answered."""
    return 0.0 if quota is None else 1.0 / (SILENT_SHARE * quota)


def dealt(number: int, now: float, interval: float) -> float:
    """Return the share of an interval until the next List of a gateway that is dealt a place of its own.

    Gateways whose Lists came together (all of them at the start, after the process stood still, after a
    shortage of tickets) would come together for long after. Multiples of the golden ratio fall evenly into
    the interval, however many there are.

    Args:
        number: how many gateways were dealt a place before.
        now: any clock's seconds.
        interval: seconds between two Lists of an idle gateway.
    """
    share = (number * _GOLDEN - now / interval) % 1.0
    return share if share >= JITTER else share + 1.0
