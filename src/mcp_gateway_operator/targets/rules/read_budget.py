"""How many reads of one target the changes that others make to it may cost.

A List tells that a target changed, and only a Get what. Somebody who changes it every minute, or a target
that flaps, would cost sixty Gets an hour; so an object has ten at once and then one in ten minutes. Repairs
of a failed target, which become rare by themselves, stay within that; what an edit asks for is not counted.
"""

from __future__ import annotations

from typing import Final

from mcp_gateway_operator.targets.known import Row, State

AT_ONCE: Final = 10
EVERY: Final = 600.0
"""Seconds that one read costs, of which `AT_ONCE` reads' worth may be spent ahead."""


def next_read(state: State) -> float:
    """Return the loop time from which the target may be read again for what changed outside."""
    return state.memory.read_debt - (AT_ONCE - 1) * EVERY


def charge(debt: float, now: float) -> float:
    """Return the debt after one more read; it never grows beyond what some hours pay off."""
    return min(max(debt, now) + EVERY, now + 2 * AT_ONCE * EVERY)


def idle(state: State, row: Row) -> bool:
    """Whether `updatedAt` alone has moved, as it did so often for nothing that it is no sign of a change."""
    verified = state.memory.verified
    if state.memory.idle_reads < AT_ONCE or verified is None:
        return False
    if verified.fingerprint is None or row.fingerprint is None:
        return False
    return verified.fingerprint[1] != row.fingerprint[1] and verified.fingerprint[2:] == row.fingerprint[2:]
