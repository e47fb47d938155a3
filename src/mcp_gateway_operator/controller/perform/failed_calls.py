"""What a failed AWS call means for its object: the words for the status, and when to try again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mcp_gateway_operator.agentcore.quota import Op
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind, State, Trouble
from mcp_gateway_operator.targets.rules import Cause, backoff, cause_of, what_is_shown

_BACKOFF: Final = {
    # first and longest wait in seconds; a refusal is re-checked slowly, for only a change can help
    ErrorKind.VALIDATION: (600.0, 3600.0),
    ErrorKind.ACCESS_DENIED: (600.0, 3600.0),
    ErrorKind.NOT_FOUND: (60.0, 600.0),
    ErrorKind.CONFLICT: (1.0, 30.0),
    ErrorKind.THROTTLED: (1.0, 30.0),
    ErrorKind.QUOTA: (1.0, 30.0),
    ErrorKind.TRANSIENT: (1.0, 300.0),
    ErrorKind.FULL: (300.0, 300.0),
}
_BY_OP: Final = {
    Op.CREATE: Reason.CREATION_ERROR,
    Op.UPDATE: Reason.UPDATE_ERROR,
    Op.SYNCHRONIZE: Reason.UPDATE_ERROR,
    Op.DELETE: Reason.DELETION_ERROR,
    Op.GET: Reason.AWS_UNAVAILABLE,
}
_BUSY: Final = frozenset({ErrorKind.CONFLICT, ErrorKind.THROTTLED, ErrorKind.QUOTA})


def trouble_of(
    error: AgentCoreError, op: Op, state: State, *, full: bool, spread: Callable[[], float]
) -> Trouble:
    """Return what is remembered of a failed call of `op` for this object.

    Args:
        error: how it failed.
        op: what was called.
        state: what it was decided on.
        full: the gateway is known to hold as many targets as AWS allows.
        spread: draws a number from 0 to 1, so that the tries of many do not come together.
    """
    earlier, generation = state.memory.trouble, state.obj.metadata.generation
    attempts = earlier.attempts + 1 if earlier is not None and earlier.generation == generation else 1
    cause = cause_of(error, identity=state.settings.identity, known=_ids(state))
    kind, reason, message = error.kind, cause.reason if cause else _BY_OP[op], _words(error, op, cause)
    text = error.message.lower()
    spoken = kind is ErrorKind.QUOTA and "too many targets" in text
    if op is Op.CREATE and (spoken or (full and kind in _BUSY)):
        kind, reason = ErrorKind.FULL, Reason.GATEWAY_FULL
        message = (
            f"Gateway {state.place.gateway_id} takes no more targets ({error.message or error.code}). Raise "
            "its quota, remove targets, or name another gateway in spec.gatewayId."
        )
    elif op is Op.CREATE and kind is ErrorKind.NOT_FOUND and cause is None and "gateway" in text:
        reason = Reason.GATEWAY_NOT_FOUND
    first, longest = _BACKOFF[kind]
    pause = backoff(attempts - 1, base=first, maximum=longest) * (1 + spread() / 5)
    return Trouble(
        kind=kind,
        reason=reason,
        message=message,
        generation=generation,
        attempts=attempts,
        until=state.now + (pause if kind is ErrorKind.FULL else max(pause, error.retry_after or 0.0)),
        at=state.now,
        op=op,
        shown=what_is_shown(state),
    )


def _ids(state: State) -> tuple[str, ...]:
    """Return what AWS may repeat of the object, and what says nothing of what is wrong."""
    return (state.place.gateway_id, state.record.target_id if state.record else "")


def _words(error: AgentCoreError, op: Op, cause: Cause | None) -> str:
    if error.kind in _BUSY:
        return f"AWS is busy with this gateway and is asked again shortly ({error.code}: {error.message})."
    if error.kind is ErrorKind.TRANSIENT:
        return f"{op.title()} did not succeed and is tried again: {error.message or error.code}"
    words = f"AWS refused to {op.lower()} the target: {(error.message or error.code).rstrip('.')}."
    if cause is None:
        return words
    denied = error.kind is ErrorKind.ACCESS_DENIED
    way_out = ", or set spec.deletionPolicy to Retain to leave the target in AWS" if op is Op.DELETE else ""
    again = "; it is tried again by itself" if denied else ""
    return f"{words} {cause.advice}{way_out}{again} (to act: {cause.actor})."
