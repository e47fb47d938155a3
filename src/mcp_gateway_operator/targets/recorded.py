"""The decision for an object whose target is recorded: compare, repair, wait, or find it gone."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets import diff, failures, naming, ownership
from mcp_gateway_operator.targets import marker as markers
from mcp_gateway_operator.targets.consent import asks_person, renew
from mcp_gateway_operator.targets.model import FAILED, PENDING_AUTH, TRANSIENT, Target, instant
from mcp_gateway_operator.targets.state import LIST_LAG, Record, Row, State
from mcp_gateway_operator.targets.tools import next_sync, sync_tools
from mcp_gateway_operator.targets.waiting import attempt, doubted, unlisted

OUTDATED_AGAIN = 5.0
"""Seconds after which a target is read again that AWS showed as it was before our last write."""
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
    if (action := _gateway_lost(state, row)) is not None:
        return action
    if (why := ownership.objection(state, row)) is not None:
        return act.Blocked(reason=Reason.FOREIGN_MARKER, message=why, stalled=True)
    if row.summary.status in TRANSIENT or not row.settled:
        return _in_progress(row)
    for rule in (_consent, _compare, _failed):
        if (action := rule(state, row)) is not None:
            return action
    return _settled(state, row)


def _gateway_lost(state: State, row: Row) -> act.Action | None:
    """A row says nothing any more when Lists say twice that its gateway does not exist."""
    view = state.view(row.gateway_id)
    if view.missing_since is None or view.error is None or view.error[0] != "not-found":
        return None
    believed = view.missing_since + TWO_READS
    if state.now >= believed:
        return unlisted(state, row.gateway_id)
    return act.Await(
        reason=Reason.GATEWAY_NOT_FOUND,
        message=f"Gateway {row.gateway_id} was not found; looking again.",
        gateway_id=row.gateway_id,
        until=believed,
        list_since=believed,
        quiet=True,
    )


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
    if state.still_listed:
        return act.Await(
            reason=Reason.DRIFTED,
            message=f"Target {record.target_id} was not found, but is still listed; looking again.",
            gateway_id=record.gateway_id,
            list_since=last,
        )
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
    status = row.summary.status
    doubt = "" if status in TRANSIENT else " Waiting for a read that confirms it after our last write."
    return act.Await(
        reason=_IN_PROGRESS.get(status, Reason.UPDATING),
        message=f"AWS reports the target as {status}.{doubt}",
        gateway_id=row.gateway_id,
        busy=True,
    )


def _compare(state: State, row: Row) -> act.Action | None:
    """Read the target in full when it, or the spec, is not what was verified; update on a real diff."""
    memory = state.memory
    verified = memory.verified
    target = _read_now(state, row)
    unchanged = (
        verified is not None
        and verified.digest == state.want_digest
        and verified.fingerprint == row.fingerprint
        # A read of this pass may be ahead of the Lists, and no List will tell of what it showed.
        and (target is None or target.summary.updated_at == verified.updated_at)
        and not memory.verify_after_repair
    )
    swept = memory.next_sweep is None or state.now < memory.next_sweep
    if unchanged and swept:
        return None
    if target is None:
        urgent = state.edited or (verified is not None and not unchanged)
        read = act.Read(gateway_id=row.gateway_id, target_id=row.summary.target_id, urgent=urgent)
        return attempt(state, read)
    if (why := _changed_hands(state, row, target)) is not None:
        return why
    diffs = differences(state, target)
    if not diffs:
        return act.Verify(digest=state.want_digest)
    if row.summary.status in FAILED and not state.edited:
        # AWS may keep the old configuration when an update fails; the repair of the failure sends it again.
        return None
    return _outdated(state, target) or _update(state, row, diffs)


def _outdated(state: State, target: Target) -> act.Action | None:
    """Return the wait when a read is older than our last write: it says nothing of what AWS holds now."""
    if state.memory.written is None:
        return None
    updated_at, answered = state.memory.written
    end = answered + LIST_LAG
    if state.now >= end or instant(target.summary.updated_at) >= instant(updated_at):
        return None
    return act.Await(
        reason=Reason.UPDATING,
        message="AWS accepted the update and still shows the target as it was before.",
        until=min(state.now + OUTDATED_AGAIN, end),
    )


def _read_now(state: State, row: Row) -> Target | None:
    """Return the row's target if this pass has read it in full."""
    target = state.target
    return target if target is not None and target.summary.target_id == row.summary.target_id else None


def _changed_hands(state: State, row: Row, target: Target) -> act.Action | None:
    """The target as read in full decides whose it is, whatever a List said before."""
    why = ownership.objection(state, msgspec.structs.replace(row, summary=target.summary))
    return act.Blocked(reason=Reason.FOREIGN_MARKER, message=why, stalled=True) if why else None


def differences(state: State, target: Target) -> tuple[diff.FieldDiff, ...]:
    """Return what a target lacks of the spec.

    A description that AWS holds in full, from before there was a marker to make room for, is no difference:
    a missing marker alone never is.
    """
    region = naming.account_and_region(target.gateway_arn)[1]
    have = diff.flatten_target(target, region=region)
    full = markers.strip(state.obj.spec.description)
    if full and have.get("description") == full and "description" in state.want:
        have["description"] = state.want["description"]
    return diff.compare(state.want, have)


def signature(diffs: tuple[diff.FieldDiff, ...]) -> str:
    """Return what stands for a difference in memory and status."""
    return diff.digest([(d.field, d.want, d.have) for d in diffs])


def _update(state: State, row: Row, diffs: tuple[diff.FieldDiff, ...]) -> act.Action:
    memory = state.memory
    text = diff.describe(diffs)
    if not state.edited:
        sign = signature(diffs)
        unkept = memory.verify_after_repair and memory.sent_diff == sign
        if unkept or state.obj.status.not_converging == sign:
            return act.Blocked(
                reason=Reason.NOT_CONVERGING,
                message=f"AWS does not keep what the spec asks for, and it is not sent again: {text}",
                stalled=True,
                signature=sign,
            )
        if _only_reports(state):
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


def _only_reports(state: State) -> bool:
    """Whether drift is left alone; so by default where an update would ask a person for consent again."""
    spec = state.obj.spec
    if spec.drift_policy:
        return spec.drift_policy == "Report"
    return asks_person(state)


def _consent(state: State, row: Row) -> act.Action | None:
    """Waiting for a person's consent is a settled state, not a failure; only an edit goes before it."""
    if row.summary.status not in PENDING_AUTH or state.edited:
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
    if asks_person(state):
        return renew(state, row)
    memory = state.memory
    details = memory.details
    due = memory.failure_next
    target = _read_now(state, row)
    if target is None and (due is None or state.now >= due):
        # A repair rests on a read made after it fell due, and a failure not dated yet gets its date by one.
        return attempt(state, act.Read(gateway_id=row.gateway_id, target_id=row.summary.target_id))
    if target is not None and due is not None and state.now >= due:
        return _repair(state, row, target)
    words = "; ".join(details.reasons) if details and details.reasons else "AWS gave no reason"
    advice = failures.ADVICE[failures.classify(details.reasons if details else ())]
    return act.Blocked(
        reason=Reason.TARGET_FAILED,
        message=f"{status}: {words.rstrip('.')}. {advice} The operator tries again by itself.",
        synced=target is None or not differences(state, target),
        until=due,
    )


def _repair(state: State, row: Row, target: Target) -> act.Action:
    """Have AWS connect again: by Synchronize where that is possible and the configuration is right."""
    if (why := _changed_hands(state, row, target)) is not None:
        return why
    target_id = row.summary.target_id
    diffs = differences(state, target)
    static = "mcpToolSchema" in state.want or state.want.get("listingMode") == "DYNAMIC"
    if diffs or static or state.sync_denied:
        return attempt(
            state,
            act.Update(
                gateway_id=row.gateway_id,
                target_id=target_id,
                request=state.request,
                digest=state.want_digest,
                cause=act.Cause.FAILURE,
                diffs=diffs,
            ),
        )
    return attempt(
        state, act.Synchronize(gateway_id=row.gateway_id, target_id=target_id, cause=act.Cause.FAILURE)
    )


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
    due = state.memory.next_sweep
    if (twin := _twin(state, row)) is not None:
        action = _remove(state, twin)
        if not isinstance(action, act.Blocked):
            return action
        # What keeps the superfluous one from going away takes nothing from the one that is kept.
        due = action.until
    if (sync := sync_tools(state, row)) is not None:
        return sync
    if state.rename_blocked:
        return act.Blocked(reason=Reason.NAME_CONFLICT, message=state.rename_blocked, stalled=True)
    return act.Settled(until=min(filter(None, (due, next_sync(state))), default=None))


def _twin(state: State, row: Row) -> Row | None:
    """Return a second target with our marker and the kept one's name: only such a one is superfluous."""
    for other in state.marked:
        same_name = other.summary.name == row.summary.name and other.gateway_id == row.gateway_id
        if (
            same_name
            and other.summary.target_id != row.summary.target_id
            and other.summary.status not in TRANSIENT
            and not doubted(state, other)
        ):
            return other
    return None


def _remove(state: State, twin: Row) -> act.Action:
    """Delete a superfluous target once this pass has read it and found it still ours and still the same."""
    target_id = twin.summary.target_id
    target = _read_now(state, twin)
    if target is None:
        return attempt(state, act.Read(gateway_id=twin.gateway_id, target_id=target_id, urgent=False))
    ours = ownership.carries_our_marker(state, target.summary)
    if not ours or target.summary.name != twin.summary.name:
        return act.Await(
            reason=Reason.DUPLICATE_MARKER,
            message=f"Reads of target {target_id}, a second one of this name, disagree; looking again.",
            gateway_id=twin.gateway_id,
            list_since=state.now,
            quiet=True,
        )
    return attempt(state, act.Delete(gateway_id=twin.gateway_id, target_id=target_id, duplicate=True))
