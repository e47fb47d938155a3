"""Why AWS is written to, in one word: what a counter and a log line can say of a write."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import State


class WriteCause(StrEnum):
    """Causes of writes to AWS."""

    CREATE = "create"
    """An object's first target."""
    EDIT = "edit"
    DRIFT = "drift"
    """Somebody changed or deleted the target outside."""
    REPAIR = "repair"
    """AWS reports the target as failed."""
    MOVE = "move"
    RESYNC = "resync"
    """Tools are to be indexed, on request or by schedule."""
    ADOPTION = "adoption"
    DELETE = "delete"
    DUPLICATE = "duplicate"
    """A second target with the marker of an object that keeps another one."""


_OF_PLAN: Final = {
    act.Cause.EDIT: WriteCause.EDIT,
    act.Cause.DRIFT: WriteCause.DRIFT,
    act.Cause.FAILURE: WriteCause.REPAIR,
    act.Cause.REQUEST: WriteCause.RESYNC,
    act.Cause.SCHEDULE: WriteCause.RESYNC,
    act.Cause.ADOPTION: WriteCause.ADOPTION,
}


def write_cause(state: State, step: act.AtTarget) -> WriteCause | None:
    """Return why a step writes to AWS, None when it does not.

    Args:
        state: what the step was decided on, of the place that it is for.
        step: what is carried out.
    """
    match step:
        case act.Create():
            if state.aside:
                return WriteCause.MOVE
            return WriteCause.CREATE if state.record is None else WriteCause.DRIFT
        case act.Update(cause=cause) | act.Synchronize(cause=cause):
            return _OF_PLAN[cause]
        case act.Delete(duplicate=True):
            return WriteCause.DUPLICATE
        case act.Delete():
            left_over = state.aside and not state.obj.metadata.deletion_timestamp
            return WriteCause.MOVE if left_over else WriteCause.DELETE
        case _:
            return None
