"""What is not known yet: a gateway not listed, a target that reads disagree on, or one read too often.

A List tells that a target changed, and only a Get what. Somebody who changes it every minute, or a target
that flaps, would cost sixty Gets an hour; so an object has ten at once and then one in ten minutes. Repairs
of a failed target, which become rare by themselves, stay within that; what an edit asks for is not counted.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import LIST_LAG, ErrorKind, Place, Reads, Row, State
from mcp_gateway_operator.targets.rules.outage_words import reason_of, why_unlisted
from mcp_gateway_operator.targets.rules.retries import STALLING


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
