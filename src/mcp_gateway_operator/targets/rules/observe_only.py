"""What would be done for an object that is observed or paused: the usual decision, writes made sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import State
from mcp_gateway_operator.targets.rules import ownership
from mcp_gateway_operator.targets.rules.drift import differences
from mcp_gateway_operator.targets.rules.failure_reasons import quoted
from mcp_gateway_operator.targets.shape import FAILED, FieldDiff, describe_diffs

Pursue = Callable[[State], act.Step | act.Wait]


class Manner(NamedTuple):
    """How an object looks on.

    Attributes:
        reason: of what would be done.
        begins: how the sentence about that begins.
        note: what is said beside a target that needs nothing.
    """

    reason: str
    begins: str
    note: str


OBSERVED: Final = Manner(Reason.OBSERVED, "Observed only: would", "Observed only: nothing is written to AWS.")
PAUSED: Final = Manner(Reason.PAUSED, f"Paused by annotation {names.PAUSED_ANNOTATION}: would", "")
"""Ready goes on as if nothing was paused: that it is, a condition of its own says."""


def observe(state: State, *, pursue: Pursue, manner: Manner = OBSERVED) -> act.Step | act.Wait:
    """Return what to tell of an object that is observed or paused, or the read that must come first.

    Ready says the same as under Manage: that a target which is provably this object's holds this generation
    and is READY. A target that is the object's by its marker is recorded, for that writes nothing to AWS.

    Args:
        state: what is known.
        pursue: the decision under Manage, once the spec is valid, the object protected and in its place.
        manner: whether it is observed or paused.
    """
    if (move := _move(state, manner)) is not None:
        return move
    # When to repair is Manage's business: here it is said at once, and does not change with the time.
    memory = msgspec.structs.replace(
        state.memory,
        doubt=msgspec.structs.replace(state.memory.doubt, only_writer=True),
        drift=msgspec.structs.replace(state.memory.drift, not_before=0.0),
        failure=msgspec.structs.replace(state.memory.failure, due=state.now),
    )
    action = pursue(msgspec.structs.replace(state, memory=memory, fresh=True, leftovers=()))
    match action:
        case act.Settled():
            where = ", ".join(left.place.gateway_id for left in state.leftovers)
            also = f"Would remove what it still has on gateway {where}." if where and manner.note else ""
            note = " ".join(filter(None, (manner.note, action.note, also)))
            return msgspec.structs.replace(action, note=note)
        case act.Update(cause=act.Cause.FAILURE) | act.Synchronize() if _has_failed(state):
            return _failed(state, action, manner)
        case act.Synchronize():
            request = action.request or state.own.synced_request
            done = msgspec.structs.replace(state.own, synced_request=request)
            indexed = msgspec.structs.replace(state, own=done, tools_due=None)
            return _with_note("have AWS index its tools again", indexed, pursue, manner)
        case act.Decline() if not manner.note:
            done = msgspec.structs.replace(state.own, synced_request=action.request)
            return observe(msgspec.structs.replace(state, own=done), pursue=pursue, manner=manner)
        case act.Delete(target_id=target_id):
            marked = tuple(row for row in state.marked if row.summary.target_id != target_id)
            would = f"delete target {target_id}, a second one of the same name"
            return _with_note(would, msgspec.structs.replace(state, marked=marked), pursue, manner)
    sentence = _would(state, action)
    return action if sentence is None else _only(sentence, manner)


def _would(state: State, action: act.Step | act.Wait) -> str | None:
    """Return what a write would do, None for an action that writes nothing to AWS or the object."""
    match action:
        case act.Create() | act.Protect() | act.Fetch() | act.Note():
            return f"create target {state.request['name']} on gateway {state.place.gateway_id}"
        case act.TakeUp(adopted=True, target=target):
            names = _changes(differences(state, target), values=False)
            return f"adopt target {target.summary.target_id}{names}"
        case act.Update(cause=act.Cause.ADOPTION):
            return f"adopt target {action.target_id}{_changes(action.diffs, values=False)}"
        case act.Update():
            return f"update target {action.target_id}{_changes(action.diffs)}"
        case _:
            return None


def _move(state: State, manner: Manner) -> act.Blocked | None:
    """A move would be said before anything else: what the spec asks for, it asks for on another gateway."""
    record, destination, row = state.record, state.destination, state.recorded
    if record is None or destination is None:
        return None
    if row is not None and (why := ownership.objection(state, row)) is not None:
        return act.Blocked(reason=Reason.FOREIGN_MARKER, message=why, stalled=True)
    way = f"from gateway {record.place.gateway_id} to {destination.place.gateway_id}"
    return _only(f"move target {record.target_id} {way}", manner)


def _has_failed(state: State) -> bool:
    return state.recorded is not None and state.recorded.summary.status in FAILED


def _failed(state: State, action: act.Update | act.Synchronize, manner: Manner) -> act.Blocked:
    """A failed target: AWS's words, and what would be sent to repair it."""
    assert state.recorded is not None
    diffs = action.diffs if isinstance(action, act.Update) else ()
    repair = f"update the target{_changes(diffs)}" if isinstance(action, act.Update) else "synchronize it"
    words = f"{state.recorded.summary.status}: {quoted(state.memory.reasons)}"
    return act.Blocked(
        reason=Reason.TARGET_FAILED,
        message=f"{words}. {manner.begins} {repair}.",
        synced=not diffs,
    )


def _with_note(would: str, state: State, pursue: Pursue, manner: Manner) -> act.Step | act.Wait:
    """Return what is to be told once a write is made that takes nothing from being Ready, and that write."""
    action = observe(state, pursue=pursue, manner=manner)
    if not isinstance(action, act.Settled) or not manner.note:
        return action
    return msgspec.structs.replace(action, note=f"{action.note} Would {would}.")


def _only(would: str, manner: Manner) -> act.Blocked:
    return act.Blocked(reason=manner.reason, message=f"{manner.begins} {would}.")


def _changes(diffs: tuple[FieldDiff, ...], *, values: bool = True) -> str:
    """Return what a write would change: names alone where the target is not this object's yet."""
    how = "" if values else "changing "
    return f": {how}{describe_diffs(diffs, values=values)}" if diffs else ""
