"""The decision for an object whose target is recorded: compare, repair, wait, or find it gone."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import LIST_LAG, NOWHERE, TWO_READS, ErrorKind, Record, Row, State
from mcp_gateway_operator.targets.rules import ownership
from mcp_gateway_operator.targets.rules.awaited_reads import await_first_list, idle, next_read, unlisted
from mcp_gateway_operator.targets.rules.consent import pending, unchanged
from mcp_gateway_operator.targets.rules.drift import compare
from mcp_gateway_operator.targets.rules.failed_target import failed
from mcp_gateway_operator.targets.rules.outage_words import reason_of, why_unlisted
from mcp_gateway_operator.targets.rules.ownership import remove_twin, status_names_strays, stray_note, twin_of
from mcp_gateway_operator.targets.rules.retries import STALLING, attempt, earliest
from mcp_gateway_operator.targets.rules.rivalry import NAME_AGAIN
from mcp_gateway_operator.targets.rules.tool_sync import next_sync, sync_tools
from mcp_gateway_operator.targets.shape import FAILED, PENDING_AUTH, TRANSIENT, TargetStatus

_IN_PROGRESS = {
    TargetStatus.CREATING: Reason.CREATING,
    TargetStatus.UPDATING: Reason.UPDATING,
    TargetStatus.SYNCHRONIZING: Reason.SYNCHRONIZING,
    TargetStatus.DELETING: Reason.DELETING,
}


def plan_recorded(state: State, *, lost: Callable[[State], act.Step | act.Wait]) -> act.Step | act.Wait:
    """Return the next action for a live object with a record; `lost` decides when the target is gone."""
    assert state.record is not None
    row = state.recorded
    if row is None:
        return plan_absent(state, state.record, lost=lost)
    if (wait := _gateway_lost(state, row)) is not None:
        return wait
    status = row.summary.status
    if status not in TRANSIENT and not row.settled:
        # As it was before our last write: whose it was then does not matter, for that write was allowed.
        return _in_progress(state, row)
    if (why := ownership.objection(state, row)) is not None:
        if state.marked:
            # A record that was put there by hand: the marker tells which target is this object's.
            return lost(state)
        return act.Blocked(reason=Reason.FOREIGN_MARKER, message=why, stalled=True)
    if status in TRANSIENT:
        return _in_progress(state, row)
    for rule in _RULES_PENDING if status in PENDING_AUTH else _RULES_FAILED if status in FAILED else _RULES:
        if (action := rule(state, row)) is not None:
            return action
    return _settled(state, row)


def _gateway_lost(state: State, row: Row) -> act.Await | act.Blocked | None:
    """A row says nothing once Lists say twice that its gateway does not exist, until one succeeds."""
    view = state.view(row.place)
    again = act.Await(
        reason=Reason.GATEWAY_NOT_FOUND,
        message=f"Gateway {row.place.gateway_id} was not found; looking again.",
        place=row.place,
        quiet=True,
    )
    if view.missing_since is None or view.error is None or view.error.kind is not ErrorKind.NOT_FOUND:
        # That AWS cannot be asked now does not bring it back.
        return again if view.missing else None
    believed = view.missing_since + TWO_READS
    if state.now >= believed:
        return unlisted(state, row.place)
    return msgspec.structs.replace(again, until=believed, list_since=believed)


def plan_absent(
    state: State, record: Record, *, lost: Callable[[State], act.Step | act.Wait]
) -> act.Step | act.Wait:
    """Believe that a recorded target is gone only on proof that lagging reads cannot give."""
    if (action := unlisted(state, record.place)) is not None:
        return action
    if state.absences is None:
        return attempt(state, act.Read(place=record.place, target_id=record.target_id))
    first, last = state.absences
    # An id that no List of this process has shown may be newer than what Lists show.
    bound = 0.0 if state.was_listed else state.settings.started_at + LIST_LAG
    due = max(first + TWO_READS, bound)
    if state.still_listed:
        return act.Await(
            reason=Reason.DRIFTED,
            message=f"Target {record.target_id} was not found, but is still listed; looking again.",
            place=record.place,
            list_since=last,
        )
    if last >= due:
        return lost(state)
    if state.now >= due:
        return attempt(state, act.Read(place=record.place, target_id=record.target_id))
    return act.Await(
        reason=Reason.DRIFTED,
        message=f"Target {record.target_id} was not found; looking again before it is created again.",
        until=due,
    )


def _in_progress(state: State, row: Row) -> act.Await:
    status, error = row.summary.status, state.view(row.place).error
    if error is not None and error.kind in STALLING:
        # Nobody will hear how it ends before somebody has acted.
        why = f"AWS reported the target as {status}, and what became of it is not known"
        message = f"{why}: {why_unlisted(row.place, error)}"
        return act.Await(reason=reason_of(error, row.place), message=message, place=row.place, busy=True)
    doubt = "" if status in TRANSIENT else " Waiting for a read that confirms it after our last write."
    return act.Await(
        reason=_IN_PROGRESS.get(status, Reason.UPDATING),
        message=f"AWS reports the target as {status}.{doubt}",
        place=row.place,
        busy=True,
    )


def _settled(state: State, row: Row) -> act.Step | act.Wait:
    summary = row.summary
    if summary.status != TargetStatus.READY:
        return act.Blocked(
            reason=Reason.TARGET_FAILED,
            message=f"AWS reports the state {summary.status}, which this version does not know.",
            synced=True,
            place=row.place,
            busy=True,
        )
    if not row.ready:
        return _in_progress(state, row)
    due = state.memory.held.next_sweep
    if due is not None and state.now >= due:
        # It waits for Lists that succeed.
        due = None
    if idle(state, row):
        due = earliest(due, next_read(state))
    marked = (*state.marked, *state.astray)
    others = any(other.target != row.target for other in marked)
    if others and (twin := twin_of(state, row)) is not None:
        action = remove_twin(state, twin)
        if not isinstance(action, act.Blocked):
            return action
        # What keeps the superfluous one from going away takes nothing from the one that is kept.
        due = action.until
    indexes = state.tools_due is not None or names.SYNC_ANNOTATION in state.obj.metadata.annotations
    if indexes and (sync := sync_tools(state, row)) is not None:
        return sync
    if state.unseen != NOWHERE and status_names_strays(state.obj):
        # Before status ceases to speak of targets that it told of.
        return await_first_list(state.unseen, reason=Reason.DUPLICATE_MARKER)
    if state.rename_blocked:
        return act.Blocked(
            reason=Reason.NAME_CONFLICT,
            message=state.rename_blocked,
            stalled=True,
            until=state.now + NAME_AGAIN,
        )
    until = earliest(due, next_sync(state)) if indexes else due
    return act.Settled(until=until, note=stray_note(state) if others else "")


_RULES = (compare,)
_RULES_PENDING = (pending, compare, unchanged)
_RULES_FAILED = (compare, failed)
"""What a settled target is asked in turn, by its state; the last word is `_settled`."""
