"""A target in a failed state: AWS does not retry by itself, so the operator does, with backoff."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Failure, Row, State
from mcp_gateway_operator.targets.rules.awaited_reads import next_read
from mcp_gateway_operator.targets.rules.consent import asks_person, renew
from mcp_gateway_operator.targets.rules.drift import changed_hands, differences, update
from mcp_gateway_operator.targets.rules.failure_reasons import advice_on, quoted
from mcp_gateway_operator.targets.rules.retries import attempt, backoff, earliest, read
from mcp_gateway_operator.targets.rules.tool_sync import indexed
from mcp_gateway_operator.targets.shape import FAILED, Target

REPAIR_BASE: Final = 30.0
REPAIR_MAX: Final = 3600.0
"""Seconds between two repairs of a failed target: doubling from the first to the second."""
HEALED: Final = 3600.0
"""Seconds for which a target must stay READY before its failures are forgotten."""


def failed(state: State, row: Row) -> act.Step | act.Wait:
    """Repair a failed target with backoff; AWS does not retry by itself."""
    memory = state.memory
    details = memory.details
    explained = details is not None and details.fingerprint == row.fingerprint
    if not explained and (details is None or state.now >= next_read(state)):
        return read(state, row, budgeted=True)
    if asks_person(state):
        return renew(state, row)
    due = memory.failure.due
    target = state.read_now(row.place, row.summary.target_id)
    if due is not None and target is None:
        # A repair rests on a read made after it fell due.
        due = max(due, next_read(state))
    if due is not None and state.now >= due:
        return read(state, row, budgeted=True) if target is None else _repair(state, row, target)
    if not explained:
        due = earliest(due, next_read(state))
    words = quoted(memory.reasons)
    advice = advice_on(memory.reasons, state.obj.spec)
    return act.Blocked(
        reason=Reason.TARGET_FAILED,
        message=f"{row.summary.status}: {words}. {advice} The operator tries again by itself.",
        synced=target is None or not differences(state, target),
        until=due,
    )


def _repair(state: State, row: Row, target: Target) -> act.Step | act.Wait:
    """Have AWS connect again: by Synchronize where that is possible and the configuration is right."""
    if (why := changed_hands(state, row, target)) is not None:
        return why
    diffs = differences(state, target)
    if diffs or not indexed(state):
        return update(state, row, act.Cause.FAILURE, diffs)
    target_id = row.summary.target_id
    return attempt(state, act.Synchronize(place=row.place, target_id=target_id, cause=act.Cause.FAILURE))


def follow_failure(failure: Failure, row: Row, now: float, spread: Callable[[], float]) -> Failure:
    """Date the next repair of a failed target, and count on from the one before while it flaps.

    A target that was READY for a moment only has not recovered: the attempts are forgotten after an hour of
    health.

    Args:
        failure: what is remembered of this generation's failures.
        row: the target, settled.
        now: loop time.
        spread: draws a number from 0 to 1, so that the repairs of many do not come together.
    """
    if row.ready:
        since = now if failure.healthy_since is None else failure.healthy_since
        return msgspec.structs.replace(failure, due=None, healthy_since=since)
    if row.summary.status not in FAILED:
        return failure
    healed = failure.healthy_since is not None and now >= failure.healthy_since + HEALED
    attempts = 0 if healed else failure.attempts
    due = failure.due
    if due is None:
        due = now + backoff(attempts, base=REPAIR_BASE, maximum=REPAIR_MAX) * (1 + spread() / 5)
    return msgspec.structs.replace(failure, attempts=attempts, due=due, healthy_since=None)


def repaired(failure: Failure) -> Failure:
    """Count a repair that was sent; its result dates the next one."""
    return msgspec.structs.replace(failure, attempts=failure.attempts + 1, due=None)
