"""The decision: from one state to the one next action. Pure and total.

Each step is a function that returns the action its rule asks for, or None to let the next rule speak;
the order of the rules is the design.
"""

from __future__ import annotations

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import LIST_LAG, State
from mcp_gateway_operator.targets.rules import (
    adopt,
    advice,
    attempt,
    await_agreement,
    await_doubted,
    carries_our_marker,
    clear_up,
    deciding_row,
    doubted,
    holder_words,
    observe,
    plan_deletion,
    plan_move,
    plan_recorded,
    read,
    row_to_keep,
    unlisted,
    yield_name,
)


def plan(state: State) -> act.Action:
    """Return what to do next for one MCPServer."""
    if state.obj.metadata.deletion_timestamp:
        return plan_deletion(state)
    observes = state.obj.spec.management_policy == "Observe"
    rules = (_held_headers, _reject) if observes else _RULES
    for rule in rules:
        if (action := rule(state)) is not None:
            return action
    if observes:
        return observe(state, pursue=_pursue)
    if state.record is not None and state.destination is not None:
        return plan_move(state, state.destination, create=_plan_unrecorded)
    return _pursue(state)


def _pursue(state: State) -> act.Action:
    """Decide for a target that is not to move."""
    if state.record is None:
        return _plan_unrecorded(state)
    return clear_up(state, plan_recorded(state, lost=_plan_unrecorded))


def _paused(state: State) -> act.Action | None:
    if not state.obj.paused:
        return None
    return act.Blocked(
        reason=Reason.PAUSED,
        message=f"Paused: nothing is written to AWS until annotation {names.PAUSED_ANNOTATION} is removed.",
    )


def _reprotect(state: State) -> act.Action | None:
    """Protect a managed object again that lost its finalizer, before anything else and whatever its spec."""
    if state.record is None or state.protected:
        return None
    return act.Protect(gateway_id=state.record.gateway_id)


def _held_headers(state: State) -> act.Action | None:
    """Learn which headers AWS holds before they are refused: what it took once goes on working."""
    if not state.headers_unknown or state.record is None:
        return None
    if state.recorded is None:
        return unlisted(state, state.record.gateway_id)
    return read(state, state.recorded, urgent=False)


def _reject(state: State) -> act.Action | None:
    if state.problems:
        return act.Reject(reason=Reason.VALIDATION_ERROR, message="; ".join(state.problems))
    if not state.gateway_id:
        return act.Reject(
            reason=Reason.CONFIGURATION_ERROR,
            message=(
                "No gateway: set spec.gatewayId, or start the operator with --gateway-id (GATEWAY_ID) "
                "for all objects that name none."
            ),
        )
    return None


def _protect(state: State) -> act.Action | None:
    """Finalizer before effect. An earlier note of a gateway stays until that place has been looked at."""
    if state.protected:
        return None
    return act.Protect(gateway_id=state.noted_gateway or state.gateway_id)


def _plan_unrecorded(state: State) -> act.Action:
    """Look for a target that is ours already, then for the name, then create."""
    for gateway_id in dict.fromkeys((state.gateway_id, *state.gateways)):
        if (action := unlisted(state, gateway_id)) is not None:
            return action
    for rule in (_take_up, _name_taken, _settle_doubt, yield_name):
        if (action := rule(state)) is not None:
            return action
    create = attempt(
        state, act.Create(gateway_id=state.gateway_id, request=state.request, digest=state.want_digest)
    )
    if not isinstance(create, act.Create):
        return create
    if (action := _note(state)) is not None:
        return action
    return create if state.fresh else act.Fetch()


def _note(state: State) -> act.Action | None:
    """Note where the Create goes, once nothing can come to light any more where one may have gone before.

    AWS keeps names unique within one gateway only, so elsewhere no second target would be refused; nor here
    under another name, which a spec that was edited may have had when a predecessor sent its Create.
    """
    noted, memory = state.noted_gateway, state.memory
    stays = noted == state.gateway_id
    if stays and state.obj.metadata.generation == 1:
        return None
    view = state.gateways.get(noted)
    only_writer = memory.protected_here and memory.unsure_since is None
    settings = state.settings
    bound = max(settings.started_at, memory.unsure_since or 0.0) + LIST_LAG + settings.call_seconds
    if view is not None and not only_writer and (view.listed_at is None or view.listed_at < bound):
        return act.Await(
            reason=Reason.CREATING,
            message=f"Making sure that gateway {noted} holds no earlier target of this object.",
            gateway_id=noted,
            list_since=bound,
            until=bound if state.now < bound else None,
        )
    return None if stays else act.Protect(gateway_id=state.gateway_id)


def _take_up(state: State) -> act.Action | None:
    """Take up a target with our marker, whatever its name: only on a fresh Get, never one in DELETING."""
    if not state.marked:
        return None
    row = row_to_keep(state, state.marked)
    target_id = row.summary.target_id
    if row.summary.status == "DELETING":
        return act.Await(
            reason=Reason.CREATING,
            message=f"Waiting until the earlier target {target_id} is gone.",
            gateway_id=row.gateway_id,
            busy=True,
        )
    if doubted(state, row):
        return await_doubted(row, reason=Reason.CREATING)
    target = state.read_now(target_id)
    if target is None:
        return read(state, row)
    if target.summary.status == "DELETING" or not carries_our_marker(state, target.summary):
        return await_agreement(row, reason=Reason.CREATING, since=state.now)
    return act.TakeUp(gateway_id=row.gateway_id, target=target)


def _settle_doubt(state: State) -> act.Action | None:
    """After a Create without a clear answer: look until a List would show the target, then create again.

    After a Conflict one List is enough: if it shows no such name, the gateway was busy.
    """
    memory = state.memory
    if memory.unsure_since is not None:
        bound = memory.unsure_since + LIST_LAG
        for gateway_id, view in state.gateways.items():
            if view.listed_at is None or view.listed_at < bound:
                return act.Await(
                    reason=Reason.CREATING,
                    message=(
                        "AWS did not answer the last Create clearly; looking for its target before trying "
                        "again."
                    ),
                    gateway_id=gateway_id,
                    list_since=min(state.now, bound),
                    until=bound if state.now < bound else None,
                )
    listed_at = state.view(state.gateway_id).listed_at
    if memory.conflict_since is None or (listed_at is not None and listed_at >= memory.conflict_since):
        return None
    return act.Await(
        reason=Reason.CREATING,
        message="AWS refused the Create with a conflict; listing the gateway to see why.",
        gateway_id=state.gateway_id,
        list_since=memory.conflict_since,
        quiet=True,
    )


def _name_taken(state: State) -> act.Action | None:
    if not state.named:
        return None
    row = deciding_row(state.named)
    summary = row.summary
    if summary.status == "DELETING":
        return act.Await(
            reason=Reason.CREATING,
            message=f"Waiting until target {summary.target_id}, which still holds the name, is gone.",
            gateway_id=state.gateway_id,
            busy=True,
        )
    if doubted(state, row):
        return await_doubted(row, reason=Reason.CREATING)
    unread = state.read_now(summary.target_id) is None
    if not summary.description and state.settings.marks and unread:
        # A List need not show descriptions, and the marker decides whether the name is taken or ours.
        return read(state, row)
    if (action := adopt(state, row)) is not None:
        return action
    return act.Blocked(
        reason=Reason.NAME_CONFLICT,
        message=(
            f"The name {summary.name!r} is taken on gateway {state.gateway_id} by target "
            f"{summary.target_id}, {holder_words(state, row)}. Choose another spec.targetName, or delete "
            "that target: it is created here as soon as the name is free."
            f"{advice(state, row)}"
        ),
        stalled=True,
    )


_RULES = (_reprotect, _paused, _held_headers, _reject, _protect)
"""What comes before the target of an object that is managed."""
