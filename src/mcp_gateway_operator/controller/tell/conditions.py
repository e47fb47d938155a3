"""The conditions: what a pass that ended in a wait says of its object, and since when.

While AWS cannot be asked its last word stands, in doubt, and then it is not known.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.annotations import notes
from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import Condition, MCPServer
from mcp_gateway_operator.shown import shown
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import State
from mcp_gateway_operator.targets.rules import OUTAGES, reason_of, stamp, stray_note, uses_grant, why_unheard
from mcp_gateway_operator.targets.shape import FAILED, PENDING_AUTH

MAX_MESSAGE = 4096
"""Characters of a message as it is shown; the CRD would take 32768."""

_BY_CHOICE = frozenset({Reason.PAUSED, Reason.OBSERVED})
"""What waits for a user by the user's own choice: nothing is in progress, and nothing is wrong."""
_UNKNOWN = (OUTAGES | {Reason.QUEUED}) - {Reason.VALIDATION_ERROR}
"""What keeps the operator from telling whether AWS still holds what it held."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the conditions say; None is what is not known.

    Attributes:
        ready: of Ready; None when AWS has not been heard of for too long.
        synced: of Synced; None when AWS held this generation and may not any more.
        progress: the reason of Reconciling and Stalled where it is not that of Ready.
        unheard: reason and message of Synced where they are not those of Ready.
    """

    ready: bool | None = False
    synced: bool | None = False
    reconciling: bool = False
    stalled: bool = False
    reason: str
    progress: str = ""
    message: str
    unheard: tuple[str, str] | None = None


def verdict_of(state: State, wait: act.Wait) -> Verdict | None:
    """Return what the conditions say after a pass that ended so, None where there is nothing to say."""
    verdict = _verdict(state, wait)
    return None if verdict is None else unheard(state, wait, verdict)


def _verdict(state: State, wait: act.Wait) -> Verdict | None:
    match wait:
        case act.Nothing():
            return None
        case act.Settled():
            return _ready(state, wait)
        case act.Await():
            return Verdict(
                synced=_synced(state, wait.reason),
                reconciling=True,
                reason=wait.reason,
                message=wait.message,
            )
        case act.Blocked():
            strays = "" if state.obj.metadata.deletion_timestamp else stray_note(state)
            message = " ".join(filter(None, (wait.message, _leaving(state, wait.leftover), strays)))
            return Verdict(
                synced=wait.synced or _synced(state, wait.reason),
                reconciling=not wait.stalled and wait.reason not in _BY_CHOICE,
                stalled=wait.stalled,
                reason=wait.reason,
                message=message,
            )
        case act.Reject():
            return Verdict(stalled=True, reason=wait.reason, message=wait.message)
        case _:
            assert_never(wait)


def _ready(state: State, wait: act.Settled) -> Verdict:
    row, leftover = state.recorded, wait.leftover
    where = f"Target {row.summary.target_id} is READY on gateway {row.place.gateway_id}." if row else "READY."
    if state.request and len(state.obj.spec.description) > len(str(state.want.get("description", ""))):
        where += " Its description is shortened to leave room for the ownership marker."
    where = f"{where} {wait.note}".rstrip()
    if leftover is None:
        return Verdict(ready=True, synced=True, reason=Reason.READY, message=where)
    stalled = isinstance(leftover, act.Blocked) and leftover.stalled
    return Verdict(
        ready=True,
        synced=True,
        reconciling=not stalled,
        stalled=stalled,
        reason=Reason.READY,
        progress=leftover.reason if isinstance(leftover, act.Blocked) else Reason.MOVING,
        message=f"{where} {_leaving(state, leftover)}",
    )


def _leaving(state: State, leftover: act.Await | act.Blocked | None) -> str:
    """Return the sentence on what a move has left behind; one for all its states, but for what stops it."""
    if leftover is None:
        return ""
    where = ", ".join(left.place.gateway_id for left in state.leftovers)
    words = f"What it had on gateway {where} is being removed."
    return f"{words} {leftover.message}" if isinstance(leftover, act.Blocked) else words


def _synced(state: State, reason: str) -> bool | None:
    """Return False when AWS does not hold this generation, None when it did and that is all we know."""
    return None if reason in _UNKNOWN and not state.edited else False


PAUSED_MESSAGE = (
    "Nothing is written to AWS, and nothing is deleted, until annotation "
    f"{names.PAUSED_ANNOTATION} is removed."
)
_SYNCED = {
    True: "AWS holds this generation's configuration.",
    None: "AWS held this generation's configuration when it was last compared.",
}


def conditions_of(obj: MCPServer, verdict: Verdict, wall: datetime) -> tuple[Condition, ...]:
    """Return the conditions; lastTransitionTime moves only when a status does, others' are kept."""
    message = verdict.message
    synced = verdict.synced
    why, doubt = verdict.unheard or (verdict.reason, _SYNCED.get(synced, message))
    rows: list[tuple[str, bool | None, str, str]] = [
        (ConditionType.READY, verdict.ready, verdict.reason, _noted(obj, message)),
        (
            ConditionType.SYNCED,
            synced,
            Reason.SYNCED if synced else why,
            doubt,
        ),
        (
            ConditionType.RECONCILING,
            verdict.reconciling,
            (verdict.progress or verdict.reason) if verdict.reconciling else Reason.SETTLED,
            message if verdict.reconciling else "Nothing is in progress.",
        ),
        (
            ConditionType.STALLED,
            verdict.stalled,
            (verdict.progress or verdict.reason) if verdict.stalled else Reason.SETTLED,
            message if verdict.stalled else "Nothing waits for a user.",
        ),
    ]
    if obj.paused:
        rows.append((ConditionType.PAUSED, True, Reason.PAUSED, PAUSED_MESSAGE))
    old = {each.type: each for each in obj.status.conditions if each.type != ConditionType.PAUSED}
    made = {row[0]: _condition(obj, *row, wall) for row in rows}
    return tuple({**old, **made}.values())


def _noted(obj: MCPServer, message: str) -> str:
    """Return a message with what there is to say of the object's annotations, however long it is itself."""
    note = "" if obj.metadata.deletion_timestamp else " ".join(notes(obj.metadata.annotations))
    return f"{shown(message, MAX_MESSAGE - len(note) - 1)} {note}" if note else message


def _condition(
    obj: MCPServer, kind: str, holds: bool | None, reason: str, message: str, wall: datetime
) -> Condition:
    status = "Unknown" if holds is None else str(holds)
    before = obj.status.condition(kind)
    same = before is not None and before.status == status and before.last_transition_time
    return Condition(
        type=kind,
        status=status,
        observed_generation=obj.metadata.generation,
        last_transition_time=before.last_transition_time if before is not None and same else stamp(wall),
        reason=reason,
        message=shown(message, MAX_MESSAGE),
    )


def with_authorized(state: State, conditions: tuple[Condition, ...], wall: datetime) -> tuple[Condition, ...]:
    """Add what is known of a person's consent; take it away where nobody has to consent."""
    asks = uses_grant(state.obj.spec)
    known = _authorized(state) if asks else None
    if asks and known is None:
        return conditions
    others = tuple(each for each in conditions if each.type != ConditionType.AUTHORIZED)
    if known is None:
        return others
    return (*others, _condition(state.obj, ConditionType.AUTHORIZED, *known, wall))


def _authorized(state: State) -> tuple[bool, str, str] | None:
    """Return status, reason and message of the condition, None when it stays as it is.

    What is in progress, and what failed for another reason, says nothing of a consent.
    """
    row = state.recorded
    if row is None or not row.settled:
        return None
    status, before = row.summary.status, state.obj.status.condition(ConditionType.AUTHORIZED)
    if status in PENDING_AUTH:
        message = "A person must open the address in status.authorizationUrl and consent."
        return False, Reason.PENDING_AUTHORIZATION, message
    if status in FAILED and before is not None and before.status == "False":
        return False, Reason.PENDING_AUTHORIZATION, "No consent was given in time."
    if row.ready and not state.edited:
        return True, Reason.AUTHORIZED, "AWS could index the tools: consent was given, or none was needed."
    return None


def with_permitted(state: State, conditions: tuple[Condition, ...], wall: datetime) -> tuple[Condition, ...]:
    """Add whether an MCPGateway permits the object; take it away where none has anything to say."""
    others = tuple(each for each in conditions if each.type != ConditionType.PERMITTED)
    there = state.destination
    frozen = state.ruling.frozen or (there.ruling.frozen if there is not None else None)
    if frozen is not None:
        row = (ConditionType.PERMITTED, False, frozen.reason, frozen.message)
    elif state.ruling.placed_by is not None:
        name = state.ruling.placed_by.class_
        row = (ConditionType.PERMITTED, True, Reason.PERMITTED, f"MCPGateway {name} permits this.")
    else:
        return others
    return (*others, _condition(state.obj, *row, wall))


def unheard(state: State, wait: act.Wait, verdict: Verdict) -> Verdict:
    """Return what is left of a verdict that rests on what AWS showed last.

    First the configuration is in doubt, and Ready stands as it was. When the outage is lost, Ready is not
    known either, and nobody is asked to act on the object. What says something is in progress says why
    nothing is heard of it. What does not rest on what AWS showed stays: an invalid spec, a refused call, an
    edit that AWS does not hold, an object that is being deleted.
    """
    outage, obj = state.outage, state.obj
    if outage is None or state.record is None or obj.metadata.deletion_timestamp or _refused(state, wait):
        return verdict
    reason, message = reason_of(outage.error, state.place), why_unheard(state, outage)
    synced = False if state.edited else None
    if outage.lost or obj.in_doubt:
        ready = False if state.edited else None
        return Verdict(ready=ready, synced=synced, reconciling=True, reason=reason, message=message)
    told = obj.status.condition(ConditionType.READY)
    goes_on = isinstance(wait, act.Await) or (state.edited and not verdict.stalled)
    if goes_on and not obj.was_ready:
        return Verdict(synced=synced, reconciling=True, reason=reason, message=message)
    if isinstance(wait, act.Await) and told is not None:
        verdict = Verdict(ready=True, reason=told.reason, message=told.message)
    if state.edited:
        return verdict
    return msgspec.structs.replace(verdict, synced=None, unheard=(reason, message))


def _refused(state: State, wait: act.Wait) -> bool:
    """Whether the spec or a call of ours was refused: AWS has spoken, or need not be asked."""
    trouble = state.memory.trouble
    if isinstance(wait, act.Reject):
        return True
    return (
        isinstance(wait, act.Blocked)
        and wait.stalled
        and trouble is not None
        and trouble.reason == wait.reason
    )
