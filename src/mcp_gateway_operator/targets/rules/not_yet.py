"""When not to act yet: a gateway not listed, a call that failed, or a target not found, a moment ago."""

from __future__ import annotations

from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import LIST_LAG, Row, State

STALLING = frozenset({"validation", "access-denied", "quota-targets"})
"""Kinds of trouble that only a user can end."""
CALM = 3
"""Failed tries of a mere read before a Ready object's status says so."""


def attempt(state: State, action: act.Action) -> act.Action:
    """Return the action, or the wait that an earlier failure of this generation asks for."""
    trouble = state.memory.trouble
    if trouble is None or state.now >= trouble.until or trouble.generation != state.obj.metadata.generation:
        return action
    stalled = trouble.kind in STALLING
    if isinstance(action, act.Read) and not stalled and trouble.attempts < CALM:
        return act.Await(reason=trouble.reason, message=trouble.message, until=trouble.until, quiet=True)
    return act.Blocked(
        reason=trouble.reason, message=trouble.message, stalled=stalled, until=trouble.until, synced=False
    )


def read(state: State, row: Row, *, urgent: bool = True, look: bool = False) -> act.Action:
    """Return the Get of a target, or the wait that an earlier failure asks for; options as of `act.Read`."""
    target_id = row.summary.target_id
    return attempt(state, act.Read(gateway_id=row.gateway_id, target_id=target_id, urgent=urgent, look=look))


def earliest(*moments: float | None) -> float | None:
    """Return the first of some moments, None where there are none."""
    return min((moment for moment in moments if moment is not None), default=None)


def doubted(state: State, row: Row) -> bool:
    """Return whether a Get answered 404 so recently that a List may show the target for lag alone."""
    return row.absent_at is not None and state.now < row.absent_at + LIST_LAG


def await_doubted(row: Row, *, reason: str) -> act.Action:
    """Return the wait for a List without a doubted row, or for the time to ask for it once more."""
    assert row.absent_at is not None
    return act.Await(
        reason=reason,
        message=f"Target {row.summary.target_id} was not found, but is still listed; looking again.",
        gateway_id=row.gateway_id,
        until=row.absent_at + LIST_LAG,
        busy=True,
    )


def await_agreement(row: Row, *, reason: str, since: float) -> act.Action:
    """Return the wait for a List that settles it when a Get denied what the last List showed of a target."""
    return act.Await(
        reason=reason,
        message=f"Reads of target {row.summary.target_id} disagree; looking again.",
        gateway_id=row.gateway_id,
        list_since=since,
    )


def was_ready(state: State) -> bool:
    """Return whether status says that this very generation is Ready."""
    ready = state.obj.status.condition(ConditionType.READY)
    return (
        ready is not None
        and ready.status == "True"
        and ready.observed_generation == state.obj.metadata.generation
    )


def unlisted(state: State, gateway_id: str) -> act.Action | None:
    """Return what to wait for while a gateway's targets are not known, None when they are.

    While its Lists fail nobody waits for the next one: all are woken when they fail otherwise or succeed.
    """
    view = state.view(gateway_id)
    if view.error is None:
        if view.listed_at is not None:
            return None
        return act.Await(
            reason=Reason.QUEUED,
            message=f"Waiting for the first list of the targets of gateway {gateway_id}.",
            gateway_id=gateway_id,
            list_since=0.0,
            quiet=True,
        )
    kind, message = view.error
    if kind == "not-found":
        where = f" in account {state.settings.account}, Region {state.settings.region}" * bool(
            state.settings.account
        )
        return act.Blocked(
            reason=Reason.GATEWAY_NOT_FOUND,
            message=f"Gateway {gateway_id} does not exist{where}. Correct spec.gatewayId or --gateway-id.",
            stalled=True,
            gateway_id=gateway_id,
        )
    if kind in STALLING:
        return act.Blocked(
            reason=Reason.ACCESS_DENIED if kind == "access-denied" else Reason.VALIDATION_ERROR,
            message=f"The targets of gateway {gateway_id} cannot be listed: {message}",
            stalled=True,
            gateway_id=gateway_id,
        )
    if _stands(state, listed=view.listed_at is not None):
        return act.Await(
            reason=Reason.AWS_UNAVAILABLE,
            message=message,
            gateway_id=gateway_id,
            quiet=True,
        )
    return act.Blocked(
        reason=Reason.AWS_UNAVAILABLE,
        message=f"The targets of gateway {gateway_id} cannot be listed: {message}",
        gateway_id=gateway_id,
    )


def _stands(state: State, *, listed: bool) -> bool:
    """Whether the last known state stands: an outage of the control plane says nothing of a live target."""
    return (listed or was_ready(state)) and not state.obj.metadata.deletion_timestamp
