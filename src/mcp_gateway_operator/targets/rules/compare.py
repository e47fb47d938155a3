"""Does AWS hold what the spec asks for? A full read, the differences, and the update that removes them."""

from __future__ import annotations

import msgspec

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import LIST_LAG, Row, State
from mcp_gateway_operator.targets.rules import ownership
from mcp_gateway_operator.targets.rules.consent import asks_person
from mcp_gateway_operator.targets.rules.not_yet import attempt, read, was_ready
from mcp_gateway_operator.targets.rules.read_budget import idle, next_read
from mcp_gateway_operator.targets.shape import (
    FAILED,
    FieldDiff,
    Target,
    account_and_region,
    describe_diffs,
    digest_of,
    field_diffs,
    flatten_target,
    instant,
    without_marker,
)

OUTDATED_AGAIN = 5.0
"""Seconds after which a target is read again that AWS showed as it was before our last write."""


def compare(state: State, row: Row) -> act.Action | None:
    """Read the target in full when it, or the spec, is not what was verified; update on a real diff."""
    memory = state.memory
    verified = memory.verified
    target = state.read_now(row.summary.target_id)
    unchanged = (
        verified is not None
        and verified.digest == state.want_digest
        and configured_alike(verified.fingerprint, row.fingerprint)
        # A read of this pass may be ahead of the Lists, and no List will tell of what it showed.
        and (target is None or target.summary.updated_at == verified.updated_at)
        and not memory.verify_after_repair
    )
    swept = memory.next_sweep is None or state.now < memory.next_sweep
    if unchanged and swept:
        return None
    if target is None:
        return _look(state, row, changed=not unchanged)
    if (why := changed_hands(state, row, target)) is not None:
        return why
    diffs = differences(state, target)
    if not diffs:
        return act.Verify(digest=state.want_digest)
    if row.summary.status in FAILED and not state.edited:
        # AWS may keep the old configuration when an update fails; the repair of the failure sends it again.
        return None
    return _outdated(state, target) or _update(state, row, diffs)


def configured_alike(one: tuple[object, ...] | None, other: tuple[object, ...] | None) -> bool:
    """Compare fingerprints but for the status: a target that fails and recovers keeps its configuration."""
    return one == other or (one is not None and other is not None and one[1:] == other[1:])


def _look(state: State, row: Row, *, changed: bool) -> act.Action | None:
    """Read the target in full: at once for an edit or after a write of ours, else as `looks` allows."""
    memory = state.memory
    urgent = state.edited or (memory.verified is not None and changed)
    look = changed and not state.edited
    ours = memory.written is not None and state.now < memory.written[1] + LIST_LAG
    until = next_read(state)
    if not look or ours or state.now >= until:
        return read(state, row, urgent=urgent, look=look)
    if row.summary.status in FAILED or (idle(state, row) and was_ready(state)):
        return None
    message = "Changed outside again and again; what was changed is read within ten minutes."
    if was_ready(state):
        return act.Blocked(reason=Reason.DRIFTED, message=message, until=until)
    return act.Await(reason=Reason.DRIFTED, message=message, until=until, quiet=True)


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


def changed_hands(state: State, row: Row, target: Target) -> act.Action | None:
    """The target as read in full decides whose it is, whatever a List said before."""
    why = ownership.objection(state, msgspec.structs.replace(row, summary=target.summary))
    return act.Blocked(reason=Reason.FOREIGN_MARKER, message=why, stalled=True) if why else None


def differences(state: State, target: Target) -> tuple[FieldDiff, ...]:
    """Return what a target lacks of the spec.

    A description that AWS holds in full, from before there was a marker to make room for, is no difference:
    a missing marker alone never is. Nor is what AWS itself filled in when we left it out.
    """
    region = account_and_region(target.gateway_arn)[1]
    have = flatten_target(target, region=region)
    full = without_marker(state.obj.spec.description)
    if full and have.get("description") == full and "description" in state.want:
        have["description"] = state.want["description"]
    for field, value in state.memory.defaults.items():
        if field not in state.want and have.get(field) == value:
            del have[field]
    return field_diffs(state.want, have)


def signature(diffs: tuple[FieldDiff, ...]) -> str:
    """Return what stands for a difference in memory and status."""
    return digest_of([(d.field, d.want, d.have) for d in diffs])


def _update(state: State, row: Row, diffs: tuple[FieldDiff, ...]) -> act.Action:
    memory = state.memory
    text = describe_diffs(diffs)
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
    return update(state, row, act.Cause.EDIT if state.edited else act.Cause.DRIFT, diffs)


def update(state: State, row: Row, cause: act.Cause, diffs: tuple[FieldDiff, ...]) -> act.Action:
    """Return the Update that makes AWS hold what the spec says, or the wait that a failure asks for."""
    return attempt(
        state,
        act.Update(
            gateway_id=row.gateway_id,
            target_id=row.summary.target_id,
            request=state.request,
            digest=state.want_digest,
            cause=cause,
            diffs=diffs,
        ),
    )


def _only_reports(state: State) -> bool:
    """Whether drift is left alone; so by default where an update would ask a person for consent again."""
    spec = state.obj.spec
    if spec.drift_policy:
        return spec.drift_policy == "Report"
    return asks_person(state)
