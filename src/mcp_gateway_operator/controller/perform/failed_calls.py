"""What a failed AWS call means for its object: the words for the status, and when to try again."""

from __future__ import annotations

import random
from typing import Final

from mcp_gateway_operator.agentcore.quota import Op
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind, State, Trouble
from mcp_gateway_operator.targets.rules import backoff

TARGETS_PER_GATEWAY: Final = 100
"""AWS's default quota; AWS may refuse a full gateway with an error that says no more than "conflict"."""
FULL: Final = "quota-targets"

_BACKOFF: Final = {
    # first and longest wait in seconds; a refusal is re-checked slowly, for only a change can help
    ErrorKind.VALIDATION: (600.0, 3600.0),
    ErrorKind.ACCESS_DENIED: (600.0, 3600.0),
    ErrorKind.NOT_FOUND: (60.0, 600.0),
    ErrorKind.CONFLICT: (1.0, 30.0),
    ErrorKind.THROTTLED: (1.0, 30.0),
    ErrorKind.QUOTA: (1.0, 30.0),
    ErrorKind.TRANSIENT: (1.0, 300.0),
}
_BY_OP: Final = {
    Op.CREATE: Reason.CREATION_ERROR,
    Op.UPDATE: Reason.UPDATE_ERROR,
    Op.SYNCHRONIZE: Reason.UPDATE_ERROR,
    Op.DELETE: Reason.DELETION_ERROR,
    Op.GET: Reason.AWS_UNAVAILABLE,
}
_BY_KIND: Final = {
    ErrorKind.ACCESS_DENIED: Reason.ACCESS_DENIED,
    ErrorKind.THROTTLED: Reason.THROTTLED,
    ErrorKind.TRANSIENT: Reason.AWS_UNAVAILABLE,
}
_BUSY: Final = frozenset({ErrorKind.CONFLICT, ErrorKind.THROTTLED, ErrorKind.QUOTA})


def trouble_of(error: AgentCoreError, op: Op, state: State, rng: random.Random) -> Trouble:
    """Return what is remembered of a failed call of `op` for this object."""
    earlier = state.memory.trouble
    same = earlier is not None and earlier.generation == state.obj.metadata.generation
    attempts = earlier.attempts + 1 if earlier is not None and same else 1
    if op is Op.CREATE and _is_full(error, state):
        return _trouble(
            state,
            kind=FULL,
            reason=Reason.GATEWAY_FULL,
            message=(
                f"Gateway {state.gateway_id} takes no more targets ({error.message or error.code}). Raise "
                "its quota, remove targets, or name another gateway in spec.gatewayId."
            ),
            attempts=attempts,
            wait=300.0 * (1 + rng.random() / 5),
        )
    first, longest = _BACKOFF[error.kind]
    wait = backoff(attempts - 1, base=first, maximum=longest) * (1 + rng.random() / 5)
    reason = _BY_KIND.get(error.kind, _BY_OP[op])
    if error.kind is ErrorKind.NOT_FOUND and op is Op.CREATE:
        reason = Reason.GATEWAY_NOT_FOUND
    return _trouble(
        state,
        kind=error.kind,
        reason=reason,
        message=_words(error, op),
        attempts=attempts,
        wait=max(wait, error.retry_after or 0.0),
    )


def _trouble(state: State, *, kind: str, reason: str, message: str, attempts: int, wait: float) -> Trouble:
    return Trouble(
        kind=str(kind),
        reason=reason,
        message=message,
        generation=state.obj.metadata.generation,
        attempts=attempts,
        until=state.now + wait,
        at=state.now,
    )


def _is_full(error: AgentCoreError, state: State) -> bool:
    if error.kind is ErrorKind.QUOTA and "too many targets" in error.message.lower():
        return True
    view = state.gateways.get(state.gateway_id)
    return error.kind in _BUSY and view is not None and view.targets >= TARGETS_PER_GATEWAY


def _words(error: AgentCoreError, op: Op) -> str:
    if error.kind in _BUSY:
        return f"AWS is busy with this gateway and is asked again shortly ({error.code}: {error.message})."
    if error.kind is ErrorKind.TRANSIENT:
        return f"{op.title()} did not succeed and is tried again: {error.message or error.code}"
    words = f"AWS refused to {op.lower()} the target: {(error.message or error.code).rstrip('.')}."
    if error.kind is not ErrorKind.ACCESS_DENIED:
        return words
    way_out = ", or set deletionPolicy to Retain to leave the target in AWS" if op is Op.DELETE else ""
    return f"{words} Allow it in the operator's IAM policy{way_out}; it is tried again within the hour."
