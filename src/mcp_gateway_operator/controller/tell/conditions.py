"""The conditions: what a pass that ended in an action says of its object, and since when."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import Condition, MCPServer
from mcp_gateway_operator.controller.tell.authorized import asks, authorized
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import State
from mcp_gateway_operator.targets.rules import stray_note

MAX_MESSAGE = 4096
"""Characters of a message; the CRD would take 32768."""

_RESTING = frozenset({Reason.PAUSED, Reason.OBSERVED})
"""What waits for a user by the user's own choice: nothing is in progress, and nothing is wrong."""
_UNTOLD = frozenset(
    {
        Reason.PAUSED,
        Reason.QUEUED,
        Reason.AWS_UNAVAILABLE,
        Reason.THROTTLED,
        Reason.ACCESS_DENIED,
    }
)
"""What keeps the operator from telling whether AWS still holds what it held."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the conditions say; `synced` is None when AWS held this generation and may not any more.

    `progress` is the reason of Reconciling and Stalled where it is not that of Ready.
    """

    ready: bool = False
    synced: bool | None = False
    reconciling: bool = False
    stalled: bool = False
    reason: str
    progress: str = ""
    message: str


def verdict_of(state: State, action: act.Action) -> Verdict | None:
    """Return what the conditions say after a pass that ended in `action`, None when that is nothing new."""
    match action:
        case act.Settled():
            return _ready(state, action)
        case act.Await(quiet=False):
            return Verdict(
                synced=_synced(state, action.reason),
                reconciling=True,
                reason=action.reason,
                message=action.message,
            )
        case act.Blocked():
            return Verdict(
                synced=action.synced or _synced(state, action.reason),
                reconciling=not action.stalled and action.reason not in _RESTING,
                stalled=action.stalled,
                reason=action.reason,
                message=" ".join(
                    filter(None, (action.message, _leaving(state, action.rest), _strays(state)))
                ),
            )
        case act.Reject():
            return Verdict(stalled=True, reason=action.reason, message=action.message)
        case _:
            return None


def _ready(state: State, action: act.Settled) -> Verdict:
    row = state.recorded
    where = f"Target {row.summary.target_id} is READY on gateway {row.gateway_id}." if row else "READY."
    if state.request and len(state.obj.spec.description) > len(str(state.want.get("description", ""))):
        where += " Its description is shortened to leave room for the ownership marker."
    where = f"{where} {action.note}".rstrip()
    rest = action.rest
    if rest is None:
        return Verdict(ready=True, synced=True, reason=Reason.READY, message=where)
    stalled = isinstance(rest, act.Blocked) and rest.stalled
    return Verdict(
        ready=True,
        synced=True,
        reconciling=not stalled,
        stalled=stalled,
        reason=Reason.READY,
        progress=rest.reason if isinstance(rest, act.Blocked) else Reason.MOVING,
        message=f"{where} {_leaving(state, rest)}",
    )


def _leaving(state: State, rest: act.Await | act.Blocked | None) -> str:
    """Return the sentence on what a move has left behind; one for all its states, but for what stops it."""
    if rest is None:
        return ""
    where = ", ".join(place.gateway_id for place in state.leftovers)
    words = f"What it had on gateway {where} is being removed."
    return f"{words} {rest.message}" if isinstance(rest, act.Blocked) else words


def _strays(state: State) -> str:
    """Return the sentence on other targets with the marker; at the object's end they go, too."""
    return "" if state.obj.metadata.deletion_timestamp else stray_note(state)


def _synced(state: State, reason: str) -> bool | None:
    """Return False when AWS does not hold this generation, None when it did and that is all we know."""
    return None if reason in _UNTOLD and not state.edited else False


_SYNCED = {
    True: "AWS holds this generation's configuration.",
    None: "AWS held this generation's configuration when it was last compared.",
}


def conditions_of(obj: MCPServer, verdict: Verdict, wall: datetime) -> tuple[Condition, ...]:
    """Return the conditions; lastTransitionTime moves only when a status does, others' are kept."""
    message = verdict.message[:MAX_MESSAGE]
    synced = verdict.synced
    rows = (
        (ConditionType.READY, verdict.ready, verdict.reason, message),
        (
            ConditionType.SYNCED,
            synced,
            Reason.SYNCED if synced else verdict.reason,
            _SYNCED.get(synced, message),
        ),
        (
            ConditionType.RECONCILING,
            verdict.reconciling,
            (verdict.progress or verdict.reason) if verdict.reconciling else Reason.SETTLED,
            message if verdict.reconciling else "Nothing is in progress.",
        ),
        (
            ConditionType.STALLED,
            verdict.stalled,
            (verdict.progress or verdict.reason) if verdict.stalled else Reason.SETTLED,
            message if verdict.stalled else "Nothing waits for a user.",
        ),
    )
    old = {condition.type: condition for condition in obj.status.conditions}
    made = {row[0]: _condition(obj, *row, wall) for row in rows}
    return tuple({**old, **made}.values())


def _condition(
    obj: MCPServer, kind: str, holds: bool | None, reason: str, message: str, wall: datetime
) -> Condition:
    status = "Unknown" if holds is None else str(holds)
    before = obj.status.condition(kind)
    kept = before is not None and before.status == status and before.last_transition_time
    return Condition(
        type=kind,
        status=status,
        observed_generation=obj.metadata.generation,
        last_transition_time=before.last_transition_time if before is not None and kept else stamp(wall),
        reason=reason,
        message=message,
    )


def with_authorized(state: State, conditions: tuple[Condition, ...], wall: datetime) -> tuple[Condition, ...]:
    """Add what is known of a person's consent; take it away where nobody has to consent."""
    told = authorized(state) if asks(state.obj.spec) else None
    if told is None and asks(state.obj.spec):
        return conditions
    others = tuple(each for each in conditions if each.type != ConditionType.AUTHORIZED)
    return others if told is None else (*others, _condition(state.obj, ConditionType.AUTHORIZED, *told, wall))


def stamp(moment: datetime) -> str:
    """Return a Kubernetes timestamp: RFC 3339, whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
