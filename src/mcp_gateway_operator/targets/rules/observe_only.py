"""What would be done for an object that is only observed: the usual decision, its writes made sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import State
from mcp_gateway_operator.targets.rules import ownership
from mcp_gateway_operator.targets.rules.compare import differences
from mcp_gateway_operator.targets.rules.failures import quoted
from mcp_gateway_operator.targets.shape import FAILED, FieldDiff, describe_diffs

Pursue = Callable[[State], act.Action]

_ONLY = "Observed only: nothing is written to AWS."


def observe(state: State, *, pursue: Pursue) -> act.Action:
    """Return what to tell of an object with `managementPolicy: Observe`, or the read that must come first.

    Ready says the same as under Manage: that a target which is provably this object's holds this generation
    and is READY. A target that is the object's by its marker is recorded, for that writes nothing to AWS.

    Args:
        state: what is known.
        pursue: the decision under Manage, once the spec is valid, the object protected and in its place.
    """
    if (action := _move(state)) is not None:
        return action
    # When to repair is Manage's business: here it is said at once, and does not change with the time.
    memory = replace(state.memory, protected_here=True, drift_next=0.0, failure_next=state.now)
    action = pursue(replace(state, memory=memory, fresh=True, leftovers=()))
    match action:
        case act.Settled():
            left = ", ".join(place.gateway_id for place in state.leftovers)
            also = f"Would remove what it still has on gateway {left}." if left else ""
            note = " ".join(filter(None, (_ONLY, action.note, also)))
            return msgspec.structs.replace(action, note=note)
        case act.Update(cause=act.Cause.FAILURE) | act.Synchronize() if _has_failed(state):
            return _failed(state, action)
        case act.Synchronize():
            done = replace(state.memory, synced_request=action.request or state.memory.synced_request)
            rest = replace(state, memory=done, tools_due=None)
            return _besides("have AWS index its tools again", rest, pursue)
        case act.Delete(target_id=target_id):
            marked = tuple(row for row in state.marked if row.summary.target_id != target_id)
            would = f"delete target {target_id}, a second one of the same name"
            return _besides(would, replace(state, marked=marked), pursue)
    sentence = _would(state, action)
    return action if sentence is None else _told(sentence)


def _would(state: State, action: act.Action) -> str | None:
    """Return what a write would do, None for an action that writes nothing to AWS or the object."""
    match action:
        case act.Create() | act.Protect() | act.Fetch():
            return f"create target {state.request['name']} on gateway {state.gateway_id}"
        case act.TakeUp(adopted=True, target=target):
            names = _changes(differences(state, target), values=False)
            return f"adopt target {target.summary.target_id}{names}"
        case act.Update(cause=act.Cause.ADOPTION):
            return f"adopt target {action.target_id}{_changes(action.diffs, values=False)}"
        case act.Update():
            return f"update target {action.target_id}{_changes(action.diffs)}"
        case _:
            return None


def _move(state: State) -> act.Action | None:
    """A move would be said before anything else: what the spec asks for, it asks for elsewhere."""
    record, there, row = state.record, state.destination, state.recorded
    if record is None or there is None:
        return None
    if row is not None and (why := ownership.objection(state, row)) is not None:
        return act.Blocked(reason=Reason.FOREIGN_MARKER, message=why, stalled=True)
    return _told(f"move target {record.target_id} from gateway {record.gateway_id} to {there.gateway_id}")


def _has_failed(state: State) -> bool:
    return state.recorded is not None and state.recorded.summary.status in FAILED


def _failed(state: State, action: act.Update | act.Synchronize) -> act.Action:
    """A failed target: AWS's words, and what would be sent to repair it."""
    assert state.recorded is not None
    diffs = action.diffs if isinstance(action, act.Update) else ()
    repair = f"update the target{_changes(diffs)}" if isinstance(action, act.Update) else "synchronize it"
    words = f"{state.recorded.summary.status}: {quoted(state.memory.reasons)}"
    return act.Blocked(
        reason=Reason.TARGET_FAILED,
        message=f"{words}. Observed only: would {repair}.",
        synced=not diffs,
    )


def _besides(would: str, rest: State, pursue: Pursue) -> act.Action:
    """Return what the rest of the state says, and beside it a write that takes nothing from being Ready."""
    action = observe(rest, pursue=pursue)
    if not isinstance(action, act.Settled):
        return action
    return msgspec.structs.replace(action, note=f"{action.note} Would {would}.")


def _told(would: str) -> act.Action:
    return act.Blocked(reason=Reason.OBSERVED, message=f"Observed only: would {would}.")


def _changes(diffs: tuple[FieldDiff, ...], *, values: bool = True) -> str:
    """Return what a write would change: names alone where the target is not this object's yet."""
    how = "" if values else "changing "
    return f": {how}{describe_diffs(diffs, values=values)}" if diffs else ""
