"""How many reads of one target the changes that others make to it may cost.

A List tells that a target changed, and only a Get what. Somebody who changes it every minute, or a target
that flaps, would cost sixty Gets an hour; so an object has ten at once and then one in ten minutes. Repairs
of a failed target, which become rare by themselves, stay within that; what an edit asks for is not counted.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mcp_gateway_operator.targets.known import Reads, Row, State

AT_ONCE: Final = 10
EVERY: Final = 600.0
"""Seconds that one read costs, of which `AT_ONCE` reads' worth may be spent ahead."""


def next_read(state: State) -> float:
    """Return the loop time from which the target may be read again for what changed outside."""
    return state.memory.reads.debt - (AT_ONCE - 1) * EVERY


def charged(reads: Reads, now: float) -> Reads:
    """Return the reads with one more; their debt never grows beyond what some hours pay off."""
    debt = min(max(reads.debt, now) + EVERY, now + 2 * AT_ONCE * EVERY)
    return msgspec.structs.replace(reads, debt=debt)


def read_in_vain(reads: Reads, *, again: bool) -> Reads:
    """Count a read that found no difference; not `again` where the one before had another reason."""
    return msgspec.structs.replace(reads, idle=reads.idle + 1 if again else 0)


def idle(state: State, row: Row) -> bool:
    """Whether `updatedAt` alone has moved, as it did so often for nothing that it is no sign of a change."""
    verified = state.memory.held.verified
    if state.memory.reads.idle < AT_ONCE or verified is None:
        return False
    if verified.fingerprint is None or row.fingerprint is None:
        return False
    return verified.fingerprint.touched_like(row.fingerprint)
