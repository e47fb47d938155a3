"""The decision for an object whose target is recorded: compare, repair, wait, or find it gone."""

from __future__ import annotations

from collections.abc import Callable

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets import diff, naming, ownership
from mcp_gateway_operator.targets.model import FAILED, PENDING_AUTH, TRANSIENT
from mcp_gateway_operator.targets.state import LIST_LAG, Record, Row, State
from mcp_gateway_operator.targets.waiting import attempt, unlisted

TWO_READS = 2.0
"""Seconds between two reads that together are believed (AWS reads may be stale for one poll)."""

_IN_PROGRESS = {
    "CREATING": Reason.CREATING,
    "UPDATING": Reason.UPDATING,
    "SYNCHRONIZING": Reason.SYNCHRONIZING,
    "DELETING": Reason.DELETING,
}


def plan_recorded(state: State, *, lost: Callable[[State], act.Action]) -> act.Action:
    """Return the next action for a live object with a record; `lost` decides when the target is gone."""
    assert state.record is not None
    row = state.recorded
    if row is None:
        return plan_absent(state, state.record, lost=lost)
    if (why := ownership.objection(state, row)) is not None:
        return act.Blocked(reason=Reason.FOREIGN_MARKER, message=why, stalled=True)
    if row.summary.status in TRANSIENT or not row.settled:
        return _in_progress(row)
    for rule in (_compare, _consent, _failed):
        if (action := rule(state, row)) is not None:
            return action
    return _settled(state, row)


def plan_absent(state: State, record: Record, *, lost: Callable[[State], act.Action]) -> act.Action:
    """Believe that a recorded target is gone only on proof that lagging reads cannot give."""
    if (action := unlisted(state, record.gateway_id)) is not None:
        return action
    if state.absences is None:
        return attempt(state, act.Read(gateway_id=record.gateway_id, target_id=record.target_id))
    first, last = state.absences
    # An id that no List of this process has shown may be newer than what Lists show.
    bound = 0.0 if state.was_listed else state.settings.started_at + LIST_LAG
    due = max(first + TWO_READS, bound)
    if last >= due:
        return lost(state)
    if state.now >= due:
        return attempt(state, act.Read(gateway_id=record.gateway_id, target_id=record.target_id))
    return act.Await(
        reason=Reason.DRIFTED,
        message=f"Target {record.target_id} was not found; looking again before it is created anew.",
        until=due,
    )


def _in_progress(row: Row) -> act.Action:
    reason = _IN_PROGRESS.get(row.summary.status, Reason.UPDATING)
    return act.Await(
        reason=reason,
        message=f"AWS reports the target as {row.summary.status}.",
        gateway_id=row.gateway_id,
        busy=True,
    )


def _compare(state: State, row: Row) -> act.Action | None:
    """Read the target in full when it, or the spec, is not what was verified; update on a real diff."""
    memory = state.memory
    verified = memory.verified
    unchanged = (
        verified is not None
        and verified.digest == state.want_digest
        and verified.fingerprint == row.fingerprint
        and not memory.verify_after_repair
    )
    swept = memory.next_sweep is None or state.now < memory.next_sweep
    if unchanged and swept:
        return None
    if state.target is None or state.target.summary.target_id != row.summary.target_id:
        urgent = state.edited or (verified is not None and not unchanged)
        read = act.Read(gateway_id=row.gateway_id, target_id=row.summary.target_id, urgent=urgent)
        return attempt(state, read)
    region = naming.account_and_region(state.target.gateway_arn)[1]
    diffs = diff.compare(state.want, diff.flatten_target(state.target, region=region))
    if not diffs:
        return act.Verify(digest=state.want_digest)
    return _update(state, row, diffs)


def _update(state: State, row: Row, diffs: tuple[diff.FieldDiff, ...]) -> act.Action:
    memory = state.memory
    text = diff.describe(diffs)
    if not state.edited:
        signature = diff.digest([(d.field, d.want, d.have) for d in diffs])
        unkept = memory.verify_after_repair and memory.sent_diff == signature
        if unkept or state.obj.status.not_converging == signature:
            return act.Blocked(
                reason=Reason.NOT_CONVERGING,
                message=f"AWS does not keep what the spec asks for, and it is not sent again: {text}",
                stalled=True,
                signature=signature,
            )
        if state.obj.spec.drift_policy == "Report":
            return act.Blocked(
                reason=Reason.DRIFTED,
                message=f"Changed outside, and driftPolicy is Report: {text}",
                stalled=True,
            )
        if state.now < memory.drift_next:
            return act.Blocked(
                reason=Reason.DRIFTED,
                message=f"Changed outside again; waiting before the next repair: {text}",
                until=memory.drift_next,
            )
    return attempt(
        state,
        act.Update(
            gateway_id=row.gateway_id,
            target_id=row.summary.target_id,
            request=state.request,
            digest=state.want_digest,
            cause=act.Cause.EDIT if state.edited else act.Cause.DRIFT,
            diffs=diffs,
        ),
    )


def _consent(state: State, row: Row) -> act.Action | None:
    """Waiting for a person's consent is a settled state, not a failure."""
    if row.summary.status not in PENDING_AUTH:
        return None
    if (action := _read_details(state, row)) is not None:
        return action
    return act.Blocked(
        reason=Reason.PENDING_AUTHORIZATION,
        message="AWS waits for consent: open the address in status.authorizationUrl.",
        synced=True,
        gateway_id=row.gateway_id,
        busy=True,
    )


def _failed(state: State, row: Row) -> act.Action | None:
    """Repair a failed target with backoff; AWS does not retry by itself."""
    status = row.summary.status
    if status not in FAILED:
        return None
    if (action := _read_details(state, row)) is not None:
        return action
    memory = state.memory
    details = memory.details
    due = memory.failure_next
    if due is not None and state.now >= due:
        server = state.obj.spec
        static = server.mcp_tool_schema is not None or server.listing_mode == "DYNAMIC"
        target_id = row.summary.target_id
        if static or state.sync_denied:
            return attempt(
                state,
                act.Update(
                    gateway_id=row.gateway_id,
                    target_id=target_id,
                    request=state.request,
                    digest=state.want_digest,
                    cause=act.Cause.FAILURE,
                ),
            )
        return attempt(
            state, act.Synchronize(gateway_id=row.gateway_id, target_id=target_id, cause=act.Cause.FAILURE)
        )
    words = "; ".join(details.reasons) if details and details.reasons else "AWS gave no reason"
    return act.Blocked(reason=Reason.TARGET_FAILED, message=f"{status}: {words}", synced=True, until=due)


def _read_details(state: State, row: Row) -> act.Action | None:
    details = state.memory.details
    if details is not None and details.fingerprint == row.fingerprint:
        return None
    return attempt(state, act.Read(gateway_id=row.gateway_id, target_id=row.summary.target_id))


def _settled(state: State, row: Row) -> act.Action:
    summary = row.summary
    if summary.status != "READY":
        return act.Blocked(
            reason=Reason.TARGET_FAILED,
            message=f"AWS reports the state {summary.status}, which this version does not know.",
            synced=True,
        )
    if not row.ready:
        return _in_progress(row)
    if (twin := _twin(state, row)) is not None:
        return attempt(
            state, act.Delete(gateway_id=twin.gateway_id, target_id=twin.summary.target_id, duplicate=True)
        )
    if state.rename_blocked:
        return act.Blocked(reason=Reason.NAME_CONFLICT, message=state.rename_blocked, stalled=True)
    return act.Settled(until=state.memory.next_sweep)


def _twin(state: State, row: Row) -> Row | None:
    """Return a second target with our marker and the kept one's name: only such a one is superfluous."""
    for other in state.marked:
        same_name = other.summary.name == row.summary.name and other.gateway_id == row.gateway_id
        if (
            same_name
            and other.summary.target_id != row.summary.target_id
            and other.summary.status != "DELETING"
        ):
            return other
    return None
