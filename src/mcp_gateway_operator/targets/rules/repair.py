"""A target in a failed state: AWS does not retry by itself, so the operator does, with backoff."""

from __future__ import annotations

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Row, State
from mcp_gateway_operator.targets.rules import failures
from mcp_gateway_operator.targets.rules.compare import changed_hands, differences, update
from mcp_gateway_operator.targets.rules.consent import asks_person, renew
from mcp_gateway_operator.targets.rules.not_yet import attempt, earliest, read
from mcp_gateway_operator.targets.rules.read_budget import next_read
from mcp_gateway_operator.targets.rules.tool_sync import indexed
from mcp_gateway_operator.targets.shape import FAILED, Target


def failed(state: State, row: Row) -> act.Action | None:
    """Repair a failed target with backoff; AWS does not retry by itself."""
    status = row.summary.status
    if status not in FAILED:
        return None
    memory = state.memory
    details = memory.details
    told = details is not None and details.fingerprint == row.fingerprint
    if not told and (details is None or state.now >= next_read(state)):
        return read(state, row, look=True)
    if asks_person(state):
        return renew(state, row)
    due = memory.failure_next
    target = state.read_now(row.summary.target_id)
    if due is not None and target is None:
        # A repair rests on a read made after it fell due.
        due = max(due, next_read(state))
    if due is not None and state.now >= due:
        return read(state, row, look=True) if target is None else _repair(state, row, target)
    if not told:
        due = earliest(due, next_read(state))
    words = failures.quoted(memory.reasons)
    advice = failures.ADVICE[failures.classify(memory.reasons)]
    return act.Blocked(
        reason=Reason.TARGET_FAILED,
        message=f"{status}: {words}. {advice} The operator tries again by itself.",
        synced=target is None or not differences(state, target),
        until=due,
    )


def _repair(state: State, row: Row, target: Target) -> act.Action:
    """Have AWS connect again: by Synchronize where that is possible and the configuration is right."""
    if (why := changed_hands(state, row, target)) is not None:
        return why
    diffs = differences(state, target)
    if diffs or not indexed(state):
        return update(state, row, act.Cause.FAILURE, diffs)
    target_id = row.summary.target_id
    return attempt(
        state, act.Synchronize(gateway_id=row.gateway_id, target_id=target_id, cause=act.Cause.FAILURE)
    )
