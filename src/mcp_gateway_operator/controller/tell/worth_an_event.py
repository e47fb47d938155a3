"""Which changes of a status are worth an Event: turns for the worse, and back to Ready; not every look."""

from __future__ import annotations

from typing import NamedTuple

from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.runtime.events import EventType

_NOTEWORTHY = frozenset(
    {
        Reason.TARGET_FAILED,
        Reason.DRIFTED,
        Reason.PAUSED,
        Reason.PENDING_AUTHORIZATION,
        Reason.AWS_UNAVAILABLE,
    }
)
"""Reasons that are told although they need nobody's help; stalled objects are told of in any case."""


class Turn(NamedTuple):
    """An Event to be."""

    type: EventType
    reason: str
    message: str


def turn(before: MCPServer, after: MCPServer, told: str) -> Turn | None:
    """Return what a status write has to tell, None when it is nothing new.

    Args:
        before: the object as it was.
        after: the object as written.
        told: reason of the last turn for the worse that no Ready has followed, or "". A repair passes through
            other reasons and comes back to that one, again and again.
    """
    old, new = (obj.status.condition(ConditionType.READY) for obj in (before, after))
    if new is None or (old is not None and (old.status, old.reason) == (new.status, new.reason)):
        return None
    if new.status == "True":
        return Turn("Normal", new.reason, new.message) if old is None or old.status != "True" else None
    if new.reason == told or not (_holds(after, ConditionType.STALLED) or new.reason in _NOTEWORTHY):
        return None
    return Turn("Normal" if new.reason == Reason.PAUSED else "Warning", new.reason, new.message)


def shows_ready(obj: MCPServer) -> bool:
    """Whether status says Ready, of whatever generation."""
    return _holds(obj, ConditionType.READY)


def _holds(obj: MCPServer, kind: str) -> bool:
    condition = obj.status.condition(kind)
    return condition is not None and condition.status == "True"
