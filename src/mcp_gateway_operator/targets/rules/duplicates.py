"""A second target of the same name with our marker is superfluous; how it is removed."""

from __future__ import annotations

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Row, State
from mcp_gateway_operator.targets.rules import ownership
from mcp_gateway_operator.targets.rules.not_yet import attempt, doubted, read
from mcp_gateway_operator.targets.shape import TRANSIENT

RECORDED_AFTER = 1.0
"""Seconds within which the status with a new record is written."""


def twin_of(state: State, row: Row) -> Row | None:
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


def stray_note(state: State) -> str:
    """Return the sentence about targets with our marker that have another name: they are left alone."""
    ids = ", ".join(f"{row.summary.target_id} ({row.summary.name})" for row in ownership.stray_rows(state))
    if not ids:
        return ""
    return f"The marker of this object is on {ids}, too; that is left alone. Delete it if nothing needs it."


def remove_twin(state: State, twin: Row) -> act.Action:
    """Delete a superfluous target once this pass has read it and found it still ours and still the same.

    Which of two is kept the status says as the API server has it now: another process may have recorded the
    one that seems superfluous here.
    """
    target_id = twin.summary.target_id
    if state.memory.record is not None:
        return act.Blocked(
            reason=Reason.DUPLICATE_MARKER,
            message=f"Target {target_id}, a second one of this name, is deleted once status names the first.",
            until=state.now + RECORDED_AFTER,
        )
    target = state.read_now(target_id)
    if target is None:
        return read(state, twin, urgent=False)
    ours = ownership.carries_our_marker(state, target.summary)
    if not ours or target.summary.name != twin.summary.name:
        return act.Await(
            reason=Reason.DUPLICATE_MARKER,
            message=f"Reads of target {target_id}, a second one of this name, disagree; looking again.",
            gateway_id=twin.gateway_id,
            list_since=state.now,
            quiet=True,
        )
    if not state.fresh:
        return act.Fetch()
    return attempt(state, act.Delete(gateway_id=twin.gateway_id, target_id=target_id, duplicate=True))
