"""When a call that failed is made again, and the backoff that all repeated work shares."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import LIST_LAG, ErrorKind, Row, Shown, State, Trouble

C = TypeVar("C", bound=act.Call)

STALLING = frozenset({ErrorKind.VALIDATION, ErrorKind.ACCESS_DENIED, ErrorKind.FULL, ErrorKind.NOT_FOUND})
"""Kinds of trouble that only a user can end."""
CALM = 3
"""Failed tries of a mere read before a Ready object's status says so."""


def attempt(state: State, call: C) -> C | act.Await | act.Blocked:
    """Return the call, or the wait that an earlier failure of this generation asks for."""
    trouble = state.memory.trouble
    if trouble is None or state.now >= trouble.until or trouble.generation != state.obj.metadata.generation:
        return call
    stalled = trouble.kind in STALLING
    if isinstance(call, act.Read) and not stalled and trouble.attempts < CALM:
        return act.Await(reason=trouble.reason, message=trouble.message, until=trouble.until, quiet=True)
    return act.Blocked(
        reason=trouble.reason, message=trouble.message, stalled=stalled, until=trouble.until, synced=False
    )


def read(
    state: State, row: Row, *, urgent: bool = True, budgeted: bool = False
) -> act.Read | act.Await | act.Blocked:
    """Return the Get of a target, or the wait that an earlier failure asks for; options as of `act.Read`."""
    target_id = row.summary.target_id
    return attempt(state, act.Read(place=row.place, target_id=target_id, urgent=urgent, budgeted=budgeted))


def backoff(attempts: int, *, base: float, maximum: float) -> float:
    """Return the seconds to wait after `attempts` tries, before jitter."""
    return min(base * 2.0 ** min(attempts, 32), maximum)


def earliest(*moments: float | None) -> float | None:
    """Return the first of some moments, None where there are none."""
    return min((moment for moment in moments if moment is not None), default=None)


def what_is_shown(state: State) -> Shown:
    """Return what Lists show now of an object's target, to be compared with later."""
    row = state.recorded
    ids = frozenset(each.summary.target_id for each in (*state.marked, *state.named))
    return Shown(row.fingerprint if row is not None else None, ids)


def as_shown(state: State, trouble: Trouble) -> Trouble:
    """Return a trouble that no longer holds back what it did where Lists show something else since.

    What became of the target meanwhile may be what the call was for, so the decision is made anew: at once
    where a target of the object's has come to light or gone, and a minute after the failure where its row
    has changed, for somebody may change it all the time.
    """
    then, now = trouble.shown, what_is_shown(state)
    if then is None or then == now:
        return trouble
    if then.ids != now.ids or (then.row is None) != (now.row is None):
        until = state.now
    elif then.row is not None and now.row is not None and not now.row.configured_like(then.row):
        until = max(state.now, trouble.at + LIST_LAG)
    else:
        return trouble
    return msgspec.structs.replace(trouble, until=min(until, trouble.until))
