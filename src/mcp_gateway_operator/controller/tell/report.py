"""Last part of a pass: the status that tells the truth, written only when it says something new."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import (
    Condition,
    FailureState,
    MCPServer,
    MCPServerStatus,
    MoveEntry,
    ObservedState,
    PlacedBy,
)
from mcp_gateway_operator.controller.tell.conditions import (
    Verdict,
    conditions_of,
    verdict_of,
    with_authorized,
    with_permitted,
)
from mcp_gateway_operator.shown import all_visible, shown, visible_all
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Place, Record, State, placement_in
from mcp_gateway_operator.targets.rules import OUTAGES, asks_person, classify, last_good_of, objection, stamp
from mcp_gateway_operator.targets.shape import FAILED, PENDING_AUTH, instant

S = TypeVar("S", bound=msgspec.Struct)

MAX_REASONS, MAX_REASON = 10, 512
"""Of AWS's reasons this many are shown, each with this many characters."""
_HOLDS_UP = (OUTAGES | {Reason.PAUSED}) - {Reason.VALIDATION_ERROR}
"""What keeps the operator from looking at a target."""


def status_of(state: State, wait: act.Wait, *, wall: datetime) -> MCPServerStatus | None:
    """Return the status to write after a pass that ended so, None when it says nothing new."""
    verdict = verdict_of(state, wait)
    if verdict is None:
        return None
    old = state.obj.status
    new = msgspec.structs.replace(
        old,
        observed_generation=state.obj.metadata.generation,
        conditions=_conditions(state, verdict, wall),
        **_record_fields(state),
        **_target_fields(state, wait, wall),
        last_reconcile_request=_served_wish(state, wait),
    )
    served = state.settings.status_fields
    if served is not None:
        new = keep_served(new, served)
    placed = _end_rests_on(state, new)
    if not placed and _without_stamps(new) == _without_stamps(old):
        return None
    # What holds text of others is news only if it reads differently. Most statuses end above, at less cost.
    new = fit_to_show(new)
    if not placed and _without_stamps(new) == _without_stamps(old):
        return None
    stamped = msgspec.structs.replace(
        new, last_synchronized=_confirmed(state, wall), observed=_observed(state, wait, verdict)
    )
    return fit_to_show(stamped if served is None else keep_served(stamped, served))


def fit_to_show(status: S) -> S:
    """Return a status in which nothing is hidden: the one border over which texts enter it."""
    if all_visible(msgspec.json.encode(status)):
        return status
    return msgspec.convert(visible_all(msgspec.to_builtins(status)), type(status))


def _conditions(state: State, verdict: Verdict, wall: datetime) -> tuple[Condition, ...]:
    basic = conditions_of(state.obj, verdict, wall)
    return with_permitted(state, with_authorized(state, basic, wall), wall)


def _confirmed(state: State, wall: datetime) -> str:
    """Return when the target's state was last confirmed: in an outage, by the last List before it."""
    if state.outage is None:
        return stamp(wall)
    return max(last_good_of(state, state.outage), state.obj.status.last_synchronized)


def _observed(state: State, wait: act.Wait, verdict: Verdict) -> ObservedState | None:
    """Return what was last compared; with an `updated_at` that, beside Ready, proves what AWS holds.

    Where it is not known whether the object is Ready, it does so only if the object was.
    """
    old, row, obj = state.obj.status.observed, state.recorded, state.obj
    if row is None:
        observed = old
    else:
        filled = state.memory.held.defaults
        observed = ObservedState(
            updated_at=row.summary.updated_at,
            defaults={name: msgspec.json.encode(filled[name]).decode() for name in sorted(filled)},
        )
    if verdict.ready is not None or isinstance(wait, act.Settled) or observed is None:
        return observed
    if obj.was_ready or obj.in_doubt:
        return old
    return msgspec.structs.replace(observed, updated_at="")


def with_record(
    obj: MCPServer, record: Record, moves: Iterable[Record], *, wall: datetime
) -> MCPServerStatus:
    """Return an object's status with a record that is stored before anything is known of its target."""
    verdict = Verdict(
        ready=False,
        synced=False,
        reconciling=True,
        reason=Reason.CREATING,
        message=f"Target {record.target_id} is recorded; its state follows.",
    )
    status = msgspec.structs.replace(
        obj.status,
        target_id=record.target_id,
        recorded_for=obj.metadata.uid,
        gateway_id=record.place.gateway_id,
        gateway_arn=record.gateway_arn,
        target_name=record.target_name,
        placed_by=placement_in(obj, record.place),
        moves=entries_of(moves),
        observed_generation=obj.metadata.generation,
        conditions=conditions_of(obj, verdict, wall),
    )
    return fit_to_show(status)


def with_placement(obj: MCPServer, placed_by: PlacedBy, *, wall: datetime) -> MCPServerStatus:
    """Return an object's status with the MCPGateway by which a target is about to be made.

    That makes the status this object's own: what it says of a target was never believed, and does not stay.
    """
    verdict = Verdict(
        reconciling=True, reason=Reason.CREATING, message=f"The target is made by {placed_by.class_}."
    )
    status = msgspec.structs.replace(
        obj.status if obj.status.recorded_for == obj.metadata.uid else _without_record(obj.status),
        placed_by=placed_by,
        recorded_for=obj.metadata.uid,
        observed_generation=obj.metadata.generation,
        conditions=conditions_of(obj, verdict, wall),
    )
    return fit_to_show(status)


def _without_record(status: MCPServerStatus) -> MCPServerStatus:
    """Return a status that says nothing of any target."""
    return MCPServerStatus(conditions=status.conditions, last_reconcile_request=status.last_reconcile_request)


def entries_of(records: Iterable[Record]) -> tuple[MoveEntry, ...]:
    """Return the other gateways of a moving object as status says them."""
    return tuple(
        MoveEntry(
            gateway_id=record.place.gateway_id,
            target_id=record.target_id,
            gateway_arn=record.gateway_arn,
            target_name=record.target_name,
            placed_by=record.placed_by,
        )
        for record in records
    )


def _without_stamps(status: MCPServerStatus) -> MCPServerStatus:
    """Return what of a status is worth a write of its own; that all is permitted is not."""
    conditions = tuple(
        each for each in status.conditions if (each.type, each.status) != (ConditionType.PERMITTED, "True")
    )
    return msgspec.structs.replace(
        status, last_synchronized="", observed=None, placed_by=None, gateway_url="", conditions=conditions
    )


def _end_rests_on(state: State, new: MCPServerStatus) -> bool:
    """Whether an MCPGateway is to be noted by whose default the target may be kept, should that be lost."""
    old, rests = state.obj.status.placed_by, new.placed_by
    if rests is None or not state.ruling.deletion_policy or state.obj.spec.deletion_policy:
        return False
    return old is None or (old.class_, old.gateway_arn) != (rests.class_, rests.gateway_arn)


def _record_fields(state: State) -> dict[str, object]:
    record = state.record
    if record is None:
        return {}
    old = state.obj.status
    row = state.recorded
    # A record of the Go operator becomes one of this object only when nothing speaks against it.
    proven = not record.legacy or (row is not None and objection(state, row) is None)
    name = row.summary.name if row else record.target_name or old.target_name
    return {
        "target_id": record.target_id,
        "recorded_for": state.obj.metadata.uid if proven else old.recorded_for,
        "gateway_id": record.place.gateway_id,
        "gateway_arn": record.gateway_arn or old.gateway_arn,
        "target_name": name,
        "moves": entries_of(state.moves),
        **_placement(state, record.place),
    }


def _placement(state: State, place: Place) -> dict[str, object]:
    """Return by which MCPGateway the recorded target is where it is.

    What was told of a place is not forgotten while the target is there: once nobody can read the MCPGateway,
    its default is known to be missing. And what is frozen stays as it was told, so that another MCPGateway of
    the same gateway does not take the place of the one that the object was placed by.
    """
    if state.obj.metadata.deletion_timestamp:
        return {}
    ruling, told = state.ruling, placement_in(state.obj, place)
    if ruling.frozen is None:
        return {"placed_by": ruling.placed_by or told, "gateway_url": ruling.gateway_url}
    here = state.obj.status.gateway_id in {"", place.gateway_id}
    return {"placed_by": told or ruling.placed_by} | ({} if here else {"gateway_url": ruling.gateway_url})


def _target_fields(state: State, wait: act.Wait, wall: datetime) -> dict[str, object]:
    row = state.recorded
    memory = state.memory
    old = state.obj.status
    record = state.record
    view = state.view(record.place) if record is not None else None
    if state.outage is not None:
        return {"target_status": ""}
    if view is not None and row is None and view.listed_at is None:
        # Nothing was read yet: what a predecessor of this process knew stands.
        return {} if view.error is None else {"target_status": ""}
    # What AWS did not keep is remembered for this generation, whatever else goes on, until it does keep it.
    unkept = "" if isinstance(wait, act.Settled) or not state.obj.speaks_of_generation else old.not_converging
    fields: dict[str, object] = {"failure": _failure(state, wall), "not_converging": unkept}
    fields |= {"status_reasons": (), "authorization_url": "", "authorization_expires": ""}
    if row is None:
        return fields if record is None else fields | {"target_status": ""}
    summary = row.summary
    # A gateway that is not found shows no row any more.
    gone = view is not None and (view.missing or view.missing_since is not None)
    fields["target_status"] = "" if gone else summary.status.value
    fields["last_sync_request"] = state.own.synced_request or old.last_sync_request
    if summary.last_synchronized_at and summary.last_synchronized_at != old.tools_synchronized_at:
        fields["tools_synchronized_at"] = stamp(instant(summary.last_synchronized_at))
    details = memory.details
    if details is not None and details.fingerprint == row.fingerprint:
        fields["status_reasons"] = tuple(
            shown(reason, MAX_REASON) for reason in details.reasons[:MAX_REASONS]
        )
    if summary.status in PENDING_AUTH and memory.consent.shown is not None:
        fields["authorization_url"] = memory.consent.shown.url
        fields["authorization_expires"] = stamp(memory.consent.shown.expires)
    if isinstance(wait, act.Blocked) and wait.signature:
        fields["not_converging"] = wait.signature
    return fields


def _served_wish(state: State, wait: act.Wait) -> str:
    """Return the last wish for a look that was served; until nothing holds that up, a restart asks again."""
    before = state.obj.status.last_reconcile_request
    held_up = isinstance(wait, act.Blocked) and wait.reason in _HOLDS_UP
    sweep = state.memory.held.next_sweep
    unread = isinstance(wait, act.Settled) and sweep is not None and sweep <= state.now
    if state.obj.paused or isinstance(wait, act.Await) or held_up or unread:
        return before
    return state.own.wish or before


def _failure(state: State, wall: datetime) -> FailureState | None:
    """Return the failure that is being repaired, and when the next repair is due."""
    memory, row, stored = state.memory, state.recorded, state.obj.status.failure
    looks_on = state.obj.paused or state.obj.spec.management_policy == "Observe"
    repaired = not looks_on and not asks_person(state)
    if row is None or row.summary.status not in FAILED or memory.failure.due is None or not repaired:
        return None
    # The stored moment stands while it is of the same repair: computed anew, it would cost a write.
    same = stored is not None and stored.attempts == memory.failure.attempts and stored.next_attempt
    due = wall + timedelta(seconds=max(0.0, memory.failure.due - state.now))
    return FailureState(
        class_=classify(memory.reasons),
        attempts=memory.failure.attempts,
        next_attempt=stored.next_attempt if stored is not None and same else stamp(due),
    )


def keep_served(status: MCPServerStatus, served: frozenset[str]) -> MCPServerStatus:
    """Return a status without what the API server would prune, so that it compares equal when read back."""
    return msgspec.structs.replace(status, **_blanks(served))


@lru_cache(maxsize=1)
def _blanks(served: frozenset[str]) -> dict[str, Any]:
    blank = MCPServerStatus()
    fields = msgspec.structs.fields(MCPServerStatus)
    return {field.name: getattr(blank, field.name) for field in fields if field.encode_name not in served}
