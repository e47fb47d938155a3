"""How a pass that ended in a wait goes on: what it waits for, until when, and whether it says so."""

from __future__ import annotations

import msgspec

from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import State
from mcp_gateway_operator.targets.rules import earliest, was_ready

QUEUED_AFTER = 30.0
"""Seconds an object waits for its turn before its status says so."""


def waits_of(action: act.Action) -> tuple[act.Await | act.Blocked, ...]:
    """Return what an action that has nothing to do now waits for."""
    if isinstance(action, act.Await):
        return (action,)
    if not isinstance(action, act.Settled | act.Blocked):
        return ()
    rest = () if action.rest is None else (action.rest,)
    return rest if isinstance(action, act.Settled) else (action, *rest)


def queued(state: State, action: act.Action, *, leaving: bool) -> act.Action:
    """Return the wait for a quota ticket; a target that is merely to be looked at stays what it is.

    So does one that another is to make room for, `leaving` its gateway.
    """
    looks = leaving or isinstance(action, act.Read | act.CheckGateway | act.Synchronize)
    return act.Await(
        reason=Reason.QUEUED,
        message="Waiting for a turn within AWS's request quotas.",
        quiet=looks or not was_ready(state),
    )


def deadline(action: act.Action) -> float | None:
    """Return the loop time of the next look at an object, None when something else wakes it."""
    match action:
        case act.Settled() | act.Await() | act.Blocked():
            return earliest(action.until, *(wait.until for wait in waits_of(action)))
        case act.Nothing():
            return action.until
        case _:
            return None


def patient(state: State, action: act.Action) -> act.Action:
    """Hold back a wait that says little, and let it be said once it has taken long.

    One that says nothing new is never said while status speaks of this generation already.
    """
    memory = state.memory
    slight = isinstance(action, act.Await) and (action.quiet or action.reason == Reason.QUEUED)
    if not isinstance(action, act.Await) or not slight or (action.quiet and _told(state.obj)):
        memory.waiting_since = None
        return action
    if memory.waiting_since is None:
        memory.waiting_since = state.now
    due = memory.waiting_since + QUEUED_AFTER
    if state.now >= due:
        return msgspec.structs.replace(action, quiet=False)
    return msgspec.structs.replace(action, quiet=True, until=earliest(action.until, due))


def _told(obj: MCPServer) -> bool:
    """Whether status speaks of the newest generation."""
    ready = obj.status.condition(ConditionType.READY)
    return ready is not None and ready.observed_generation == obj.metadata.generation
