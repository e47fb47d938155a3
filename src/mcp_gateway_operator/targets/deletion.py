"""The decision for an object that is being deleted: the finalizer goes only when the target is gone."""

from __future__ import annotations

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets import naming, ownership
from mcp_gateway_operator.targets.model import TRANSIENT
from mcp_gateway_operator.targets.state import CREATE_TIMEOUT, LIST_LAG, Record, Row, State
from mcp_gateway_operator.targets.waiting import attempt, unlisted

STALE_AFTER_DELETE = 10.0
"""Seconds for which a target may still look undeleted after AWS accepted the Delete, as Terraform allows."""
GATEWAY_GONE_AFTER = 300.0
"""Seconds of 404 before a missing gateway is believed."""


def plan_deletion(state: State) -> act.Action:
    """Return the next action for an object with a deletionTimestamp."""
    if not state.protected:
        return act.Nothing()
    if state.obj.metadata.annotations.get(names.PAUSED_ANNOTATION) == "true":
        return act.Blocked(
            reason=Reason.PAUSED,
            message=f"Paused: nothing is deleted until the annotation {names.PAUSED_ANNOTATION} is removed.",
        )
    if state.obj.spec.management_policy == "Observe":
        return act.Release(
            event="Released", message="managementPolicy is Observe: nothing was deleted in AWS."
        )
    policy = state.obj.spec.deletion_policy or state.settings.default_deletion_policy
    if policy == "Retain":
        return act.Release(event="Retained", message="deletionPolicy is Retain: the target stays in AWS.")
    if state.record is not None:
        return _delete_recorded(state, state.record)
    return _delete_unrecorded(state)


def _delete_recorded(state: State, record: Record) -> act.Action:
    row = state.recorded
    if row is None:
        return _await_gone(state, record.gateway_id, record.target_id)
    if (why := ownership.objection(state, row)) is not None:
        return act.Release(event=Reason.FOREIGN_MARKER, message=f"Released without a call to AWS. {why}")
    return _delete_row(state, row)


def _delete_row(state: State, row: Row) -> act.Action:
    """Delete one target that is ours, on a row read since the deletion was seen."""
    memory = state.memory
    status = row.summary.status
    seen = state.now if memory.deleting_since is None else memory.deleting_since
    if row.read_began < seen:
        return act.Await(
            reason=Reason.DELETING,
            message="Reading the target once more before it is deleted.",
            gateway_id=row.gateway_id,
            list_since=seen,
            quiet=True,
        )
    if status == "DELETING":
        return _deleting(row, "AWS is deleting the target.")
    if memory.delete_asked is not None and state.now < memory.delete_asked + STALE_AFTER_DELETE:
        return _deleting(row, f"AWS accepted the deletion and still reports {status}.")
    if status in TRANSIENT:
        return _deleting(row, f"AWS deletes no target in {status}: waiting until that ends.")
    return attempt(state, act.Delete(gateway_id=row.gateway_id, target_id=row.summary.target_id))


def _deleting(row: Row, message: str) -> act.Action:
    return act.Await(reason=Reason.DELETING, message=message, gateway_id=row.gateway_id, busy=True)


def _await_gone(state: State, gateway_id: str, target_id: str) -> act.Action:
    """Gone is: a Get answers 404, and a List of the gateway begun after it succeeds without the target."""
    if (action := _gateway_missing(state, gateway_id)) is not None:
        return action
    if (action := unlisted(state, gateway_id)) is not None:
        return action
    if state.absences is None:
        return attempt(state, act.Read(gateway_id=gateway_id, target_id=target_id))
    absent_since = state.absences[0]
    listed_at = state.gateways[gateway_id].listed_at
    if listed_at is not None and listed_at > absent_since:
        return act.Release(event="Deleted", message=f"Target {target_id} is gone.")
    return act.Await(
        reason=Reason.DELETING,
        message="The target is gone; waiting for a list of the gateway that confirms it.",
        gateway_id=gateway_id,
        list_since=absent_since,
        quiet=True,
    )


def _delete_unrecorded(state: State) -> act.Action:
    """Nothing is recorded: look for our marker; release only when no Create can still come to light."""
    memory = state.memory
    nothing_sent = memory.protected_here and memory.unsure_since is None
    if nothing_sent or not state.gateways:
        return act.Release(event="Released", message="No target was made for this object.")
    for gateway_id in state.gateways:
        action = _gateway_missing(state, gateway_id) or unlisted(state, gateway_id)
        if action is not None and not memory.gateway_gone:
            return action
    row = ownership.choose(state)
    if row is not None:
        if state.target is None and row.summary.status != "DELETING":
            return attempt(state, act.Read(gateway_id=row.gateway_id, target_id=row.summary.target_id))
        return _delete_row(state, row)
    last = max(state.settings.started_at, memory.unsure_since or 0.0)
    bound = last + LIST_LAG + CREATE_TIMEOUT
    for gateway_id, view in state.gateways.items():
        if view.listed_at is None or view.listed_at < bound:
            return act.Await(
                reason=Reason.DELETING,
                message="No target is recorded; making sure that none of ours comes to light.",
                gateway_id=gateway_id,
                list_since=bound,
                until=bound,
            )
    return act.Release(event="Released", message="No target carries this object's marker.")


def _gateway_missing(state: State, gateway_id: str) -> act.Action | None:
    """Believe that a gateway is gone after five minutes of 404 in the recorded account and Region."""
    view = state.gateways[gateway_id]
    if view.missing_since is None:
        return None
    arn = state.obj.status.gateway_arn
    settings = state.settings
    if arn:
        recorded = naming.account_and_region(arn)
        ours = (settings.account, settings.region)
        if not settings.account or recorded != ours:
            return act.Blocked(
                reason=Reason.WRONG_ACCOUNT_OR_REGION,
                message=(
                    f"The target was made in account {recorded[0]}, Region {recorded[1]}, but the operator "
                    f"works in {' '.join(filter(None, ours)) or 'an unknown account'}: nothing is forgotten. "
                    "Start it with the credentials and Region of that account, or set deletionPolicy to Retain."
                ),
                stalled=True,
                gateway_id=gateway_id,
                list_since=state.now,
            )
    if state.memory.gateway_gone:
        return act.Release(
            event="Released", message=f"Gateway {gateway_id} is gone, and its targets with it."
        )
    due = view.missing_since + GATEWAY_GONE_AFTER
    if state.now < due:
        return act.Blocked(
            reason=Reason.GATEWAY_NOT_FOUND,
            message=f"Gateway {gateway_id} was not found; it is believed gone after five minutes of that.",
            until=due,
            gateway_id=gateway_id,
        )
    return attempt(state, act.CheckGateway(gateway_id=gateway_id))
