"""When not to act yet: a gateway not listed, a call that failed, a target not found, or one read too often.

A List tells that a target changed, and only a Get what. Somebody who changes it every minute, or a target
that flaps, would cost sixty Gets an hour; so an object has ten at once and then one in ten minutes. Repairs
of a failed target, which become rare by themselves, stay within that; what an edit asks for is not counted.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import LIST_LAG, ErrorKind, Place, Reads, Row, Shown, State, Trouble
from mcp_gateway_operator.targets.rules.outage_words import reason_of, why_unlisted

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


def doubted(state: State, row: Row) -> bool:
    """Return whether a Get answered 404 so recently that a List may show the target for lag alone."""
    return row.absent_at is not None and state.now < row.absent_at + LIST_LAG


def await_doubted(row: Row, *, reason: str) -> act.Await:
    """Return the wait for a List without a doubted row, or for the time to ask for it once more."""
    assert row.absent_at is not None
    return act.Await(
        reason=reason,
        message=f"Target {row.summary.target_id} was not found, but is still listed; looking again.",
        place=row.place,
        until=row.absent_at + LIST_LAG,
        busy=True,
    )


def await_agreement(row: Row, *, reason: str, since: float) -> act.Await:
    """Return the wait for a List that settles it when a Get denied what the last List showed of a target."""
    return act.Await(
        reason=reason,
        message=f"Reads of target {row.summary.target_id} disagree; looking again.",
        place=row.place,
        list_since=since,
    )


def await_first_list(place: Place, *, reason: str, message: str = "") -> act.Await:
    """Return the wait for the first List of a gateway."""
    message = message or f"Waiting for the first list of the targets of gateway {place.gateway_id}."
    return act.Await(reason=reason, message=message, place=place, list_since=0.0, quiet=True)


def _what_names(state: State) -> str:
    class_name = state.obj.spec.class_name
    return f"MCPGateway {class_name}, or name another" if class_name else "spec.gatewayId or --gateway-id"


def unlisted(state: State, place: Place) -> act.Await | act.Blocked | None:
    """Return what to wait for while a gateway's targets are not known, None when they are.

    While its Lists fail nobody waits for the next one: all are woken when they fail otherwise or succeed.
    """
    view = state.view(place)
    if view.error is None:
        if view.listed_at is not None:
            return None
        return await_first_list(place, reason=Reason.QUEUED)
    kind, why = view.error.kind, why_unlisted(place, view.error)
    if kind is ErrorKind.NOT_FOUND:
        where = f" in account {state.settings.account}, Region {state.settings.region}" * bool(
            state.settings.account and not any(place.account_and_region)
        )
        return act.Blocked(
            reason=Reason.GATEWAY_NOT_FOUND,
            message=(f"Gateway {place.gateway_id} does not exist{where}. Correct {_what_names(state)}."),
            stalled=True,
            place=place,
        )
    reason, obj = reason_of(view.error, place), state.obj
    # Another account than the one that the operator reaches is a matter for a person, too.
    stalls = kind in STALLING or reason == Reason.WRONG_ACCOUNT_OR_REGION
    told = stalls or kind is ErrorKind.CREDENTIALS
    # What Ready says is of the object's own target, and not of what a move has left elsewhere.
    last_word = (obj.was_ready or obj.in_doubt) and not (state.aside and told)
    known = last_word or (view.listed_at is not None and not told)
    if known and not obj.metadata.deletion_timestamp:
        # The last known state stands: that AWS cannot be asked says nothing of a live target.
        return act.Await(reason=reason, message=why, place=place, quiet=True)
    return act.Blocked(reason=reason, message=why, stalled=stalls, place=place)


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
