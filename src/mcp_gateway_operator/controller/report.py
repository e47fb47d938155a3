"""Last part of a pass: the status that tells the truth, written only when it says something new."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import (
    Condition,
    FailureState,
    MCPServer,
    MCPServerStatus,
    MoveEntry,
    ObservedState,
)
from mcp_gateway_operator.controller.authorized import asks, authorized
from mcp_gateway_operator.controller.schema import keep_served
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets import ownership
from mcp_gateway_operator.targets.consent import asks_person
from mcp_gateway_operator.targets.failures import classify
from mcp_gateway_operator.targets.model import FAILED, PENDING_AUTH, instant
from mcp_gateway_operator.targets.state import Record, State

MAX_REASONS = 10
MAX_REASON = 512
MAX_MESSAGE = 4096


def stamp(moment: datetime) -> str:
    """Return a Kubernetes timestamp: RFC 3339, whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def status_of(state: State, action: act.Action, *, wall: datetime) -> MCPServerStatus | None:
    """Return the status to write after a pass that ended in `action`, None when it says nothing new."""
    verdict = _verdict(state, action)
    if verdict is None:
        return None
    old = state.obj.status
    new = msgspec.structs.replace(
        old,
        observed_generation=state.obj.metadata.generation,
        conditions=_with_authorized(state, _conditions(state.obj, verdict, wall), wall),
        **_record_fields(state),
        **_target_fields(state, action, wall),
    )
    served = state.settings.status_fields
    new = keep_served(new, served)
    if _without_stamps(new) == _without_stamps(old):
        return None
    row = state.recorded
    stamped = msgspec.structs.replace(
        new,
        last_synchronized=stamp(wall),
        observed=_observed(state) if row else old.observed,
    )
    return keep_served(stamped, served)


def _observed(state: State) -> ObservedState:
    assert state.recorded is not None
    filled = state.memory.defaults
    return ObservedState(
        updated_at=state.recorded.summary.updated_at,
        defaults={name: msgspec.json.encode(filled[name]).decode() for name in sorted(filled)},
    )


def with_record(
    obj: MCPServer, record: Record, moves: Iterable[Record], *, wall: datetime
) -> MCPServerStatus:
    """Return an object's status with a record that is stored before anything is known of its target."""
    verdict = _Verdict(
        ready=False,
        synced=False,
        reconciling=True,
        reason=Reason.CREATING,
        message=f"Target {record.target_id} is recorded; its state follows.",
    )
    return msgspec.structs.replace(
        obj.status,
        target_id=record.target_id,
        recorded_for=obj.metadata.uid,
        gateway_id=record.gateway_id,
        gateway_arn=record.gateway_arn,
        target_name=record.target_name,
        moves=entries_of(moves),
        observed_generation=obj.metadata.generation,
        conditions=_conditions(obj, verdict, wall),
    )


def entries_of(places: Iterable[Record]) -> tuple[MoveEntry, ...]:
    """Return the other gateways of a moving object as status says them."""
    return tuple(
        MoveEntry(
            gateway_id=place.gateway_id,
            target_id=place.target_id,
            gateway_arn=place.gateway_arn,
            target_name=place.target_name,
        )
        for place in places
    )


def _without_stamps(status: MCPServerStatus) -> MCPServerStatus:
    """Return what of a status is worth a write of its own."""
    return msgspec.structs.replace(status, last_synchronized="", observed=None)


def _record_fields(state: State) -> dict[str, object]:
    record = state.record
    if record is None:
        return {}
    old = state.obj.status
    row = state.recorded
    # A record of the Go operator becomes one of this object only when nothing speaks against it.
    proven = not record.legacy or (row is not None and ownership.objection(state, row) is None)
    name = row.summary.name if row else record.target_name or old.target_name
    return {
        "target_id": record.target_id,
        "recorded_for": state.obj.metadata.uid if proven else old.recorded_for,
        "gateway_id": record.gateway_id,
        "gateway_arn": record.gateway_arn or old.gateway_arn,
        "target_name": name,
        "moves": entries_of(state.moves),
    }


def _target_fields(state: State, action: act.Action, wall: datetime) -> dict[str, object]:
    row = state.recorded
    memory = state.memory
    old = state.obj.status
    record = state.record
    if record is not None and row is None and state.view(record.gateway_id).listed_at is None:
        # Nothing was read yet: what a predecessor of this process knew stands.
        return {}
    # What AWS did not keep is remembered for this generation, whatever else goes on, until it does keep it.
    unkept = "" if isinstance(action, act.Settled) or not _told(state) else old.not_converging
    fields: dict[str, object] = {"failure": None, "not_converging": unkept, "status_reasons": ()}
    fields |= {"authorization_url": "", "authorization_expires": ""}
    if row is None:
        return fields if record is None else fields | {"target_status": ""}
    summary = row.summary
    fields["target_status"] = summary.status
    fields["last_sync_request"] = memory.synced_request or old.last_sync_request
    if summary.last_synchronized_at and summary.last_synchronized_at != old.tools_synchronized_at:
        fields["tools_synchronized_at"] = stamp(instant(summary.last_synchronized_at))
    details = memory.details
    if details is not None and details.fingerprint == row.fingerprint:
        fields["status_reasons"] = tuple(reason[:MAX_REASON] for reason in details.reasons[:MAX_REASONS])
    observed = state.obj.spec.management_policy == "Observe"
    if summary.status in PENDING_AUTH and memory.consent is not None:
        fields["authorization_url"] = memory.consent.url
        fields["authorization_expires"] = stamp(memory.consent.expires)
    repaired = not observed and not asks_person(state)
    if summary.status in FAILED and memory.failure_next is not None and repaired:
        # The stored moment stands while it lies ahead, so that re-computing it does not cost a write.
        stored = old.failure
        due = wall + timedelta(seconds=max(0.0, memory.failure_next - state.now))
        same = stored is not None and stored.attempts == memory.failure_attempts and stored.next_attempt
        fields["failure"] = FailureState(
            class_=classify(details.reasons if details else ()),
            attempts=memory.failure_attempts,
            next_attempt=stored.next_attempt if stored is not None and same else stamp(due),
        )
    if isinstance(action, act.Blocked) and action.signature:
        fields["not_converging"] = action.signature
    return fields


def _told(state: State) -> bool:
    """Whether status speaks of this generation."""
    return state.obj.status.observed_generation == state.obj.metadata.generation


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


class _Verdict(msgspec.Struct, frozen=True, kw_only=True):
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


def _verdict(state: State, action: act.Action) -> _Verdict | None:
    match action:
        case act.Settled():
            row = state.recorded
            where = (
                f"Target {row.summary.target_id} is READY on gateway {row.gateway_id}." if row else "READY."
            )
            if state.request and len(state.obj.spec.description) > len(
                str(state.want.get("description", ""))
            ):
                where += " Its description is shortened to leave room for the ownership marker."
            where = f"{where} {action.note}".rstrip()
            rest = action.rest
            if rest is None:
                return _Verdict(ready=True, synced=True, reason=Reason.READY, message=where)
            stalled = isinstance(rest, act.Blocked) and rest.stalled
            return _Verdict(
                ready=True,
                synced=True,
                reconciling=not stalled,
                stalled=stalled,
                reason=Reason.READY,
                progress=rest.reason if isinstance(rest, act.Blocked) else Reason.MOVING,
                message=f"{where} {_leaving(state, rest)}",
            )
        case act.Await(quiet=False):
            return _Verdict(
                synced=_synced(state, action.reason),
                reconciling=True,
                reason=action.reason,
                message=action.message,
            )
        case act.Blocked():
            return _Verdict(
                synced=action.synced or _synced(state, action.reason),
                reconciling=not action.stalled and action.reason not in _RESTING,
                stalled=action.stalled,
                reason=action.reason,
                message=f"{action.message} {_leaving(state, action.rest)}".rstrip(),
            )
        case act.Reject():
            return _Verdict(stalled=True, reason=action.reason, message=action.message)
        case _:
            return None


def _leaving(state: State, rest: act.Await | act.Blocked | None) -> str:
    """Return the sentence on what a move has left behind; one for all its states, but for what stops it."""
    if rest is None:
        return ""
    where = ", ".join(place.gateway_id for place in state.leftovers)
    words = f"What it had on gateway {where} is being removed."
    return f"{words} {rest.message}" if isinstance(rest, act.Blocked) else words


def _synced(state: State, reason: str) -> bool | None:
    """Return False when AWS does not hold this generation, None when it did and that is all we know."""
    return None if reason in _UNTOLD and not state.edited else False


_SYNCED = {
    True: "AWS holds this generation's configuration.",
    None: "AWS held this generation's configuration when it was last compared.",
}


def _conditions(obj: MCPServer, verdict: _Verdict, wall: datetime) -> tuple[Condition, ...]:
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
    before = next((each for each in obj.status.conditions if each.type == kind), None)
    kept = before is not None and before.status == status and before.last_transition_time
    return Condition(
        type=kind,
        status=status,
        observed_generation=obj.metadata.generation,
        last_transition_time=before.last_transition_time if before is not None and kept else stamp(wall),
        reason=reason,
        message=message,
    )


def _with_authorized(
    state: State, conditions: tuple[Condition, ...], wall: datetime
) -> tuple[Condition, ...]:
    """Add what is known of a person's consent; take it away where nobody has to consent."""
    told = authorized(state) if asks(state.obj.spec) else None
    if told is None and asks(state.obj.spec):
        return conditions
    others = tuple(each for each in conditions if each.type != ConditionType.AUTHORIZED)
    return others if told is None else (*others, _condition(state.obj, ConditionType.AUTHORIZED, *told, wall))
