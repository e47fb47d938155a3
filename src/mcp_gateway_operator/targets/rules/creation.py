"""The decision for an object that has no target yet: what it waits for, and when the Create is sent.

The rules in their order: every gateway where one may be is listed; a target with our marker is taken up; the
name is free, or its holder is adopted; a Create of which nobody knows what it made has come to light; no
object that comes first wants the name; the last failure allows another try; the annotation names the gateway.
"""

from __future__ import annotations

import msgspec

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import (
    LIST_LAG,
    AgentCoreError,
    Doubt,
    ErrorKind,
    Place,
    State,
)
from mcp_gateway_operator.targets.rules.adoption import adopt, advice
from mcp_gateway_operator.targets.rules.awaited_reads import await_agreement, await_doubted, doubted, unlisted
from mcp_gateway_operator.targets.rules.ownership import carries_our_marker, row_to_keep
from mcp_gateway_operator.targets.rules.retries import attempt, read
from mcp_gateway_operator.targets.rules.rivalry import (
    NAME_AGAIN,
    deciding_row,
    holder_words,
    way_out,
    yield_name,
)
from mcp_gateway_operator.targets.shape import TargetStatus


def plan_creation(state: State) -> act.Step | act.Wait:
    """Look for a target that is ours already, then for the name, then create."""
    # Where nothing may be made, only what was made is looked for.
    to_be = () if state.ruling.frozen is not None else (state.place,)
    for place in dict.fromkeys((*to_be, *state.gateways)):
        if (wait := unlisted(state, place)) is not None:
            return wait
    action = _take_up(state) if state.marked else _name_taken(state) if state.named else None
    action = action or _settle_doubt(state) or yield_name(state)
    if action is not None:
        return action
    create = attempt(state, act.Create(place=state.place, request=state.request, digest=state.want_digest))
    if not isinstance(create, act.Create):
        return create
    return _note(state) or (create if state.fresh else act.Fetch())


def _note(state: State) -> act.Protect | act.Await | None:
    """Note where the Create goes, once nothing can come to light any more where one may have gone before.

    AWS keeps names unique within one gateway only, so on another no second target would be refused; nor here
    under another name, which a spec that was edited may have had when a predecessor sent its Create.
    """
    noted, doubt = state.noted, state.memory.doubt
    stays = noted == state.place
    if stays and state.obj.metadata.generation == 1:
        return None
    view = state.gateways.get(noted)
    only_writer = doubt.only_writer and doubt.unsure_since is None
    settings = state.settings
    bound = max(settings.started_at, doubt.unsure_since or 0.0) + LIST_LAG + settings.call_seconds
    if view is not None and not only_writer and (view.listed_at is None or view.listed_at < bound):
        return act.Await(
            reason=Reason.CREATING,
            message=f"Making sure that gateway {noted.gateway_id} holds no earlier target of this object.",
            place=noted,
            list_since=bound,
            until=bound if state.now < bound else None,
        )
    return None if stays else act.Protect(place=state.place)


def _take_up(state: State) -> act.Step | act.Wait:
    """Take up a target with our marker, whatever its name: only on a fresh Get, never one in DELETING."""
    row = row_to_keep(state, state.marked)
    target_id = row.summary.target_id
    if row.summary.status == TargetStatus.DELETING:
        return act.Await(
            reason=Reason.CREATING,
            message=f"Waiting until the earlier target {target_id} is gone.",
            place=row.place,
            busy=True,
        )
    if doubted(state, row):
        return await_doubted(row, reason=Reason.CREATING)
    target = state.read_now(row.place, target_id)
    if target is None:
        return read(state, row)
    if target.summary.status == TargetStatus.DELETING or not carries_our_marker(state, target.summary):
        return await_agreement(row, reason=Reason.CREATING, since=state.now)
    return act.TakeUp(place=row.place, target=target)


def _settle_doubt(state: State) -> act.Await | None:
    """After a Create without a clear answer: look until a List would show the target, then create again.

    After a Conflict one List is enough: if it shows no such name, the gateway was busy.
    """
    doubt = state.memory.doubt
    if doubt.unsure_since is not None:
        bound = doubt.unsure_since + LIST_LAG
        for place, view in state.gateways.items():
            if view.listed_at is None or view.listed_at < bound:
                return act.Await(
                    reason=Reason.CREATING,
                    message=(
                        "AWS did not answer the last Create clearly; looking for its target before trying "
                        "again."
                    ),
                    place=place,
                    list_since=min(state.now, bound),
                    until=bound if state.now < bound else None,
                )
    listed_at = state.view(state.place).listed_at
    since = doubt.conflict_since
    if since is None or (listed_at is not None and listed_at >= since):
        return None
    return act.Await(
        reason=Reason.CREATING,
        message="AWS refused the Create with a conflict; listing the gateway to see why.",
        place=state.place,
        list_since=since,
        quiet=True,
    )


def _name_taken(state: State) -> act.Step | act.Wait:
    """Wait for the wanted name, or take over the target that holds it, where that is allowed."""
    row = deciding_row(state.named)
    summary = row.summary
    if summary.status == TargetStatus.DELETING:
        return act.Await(
            reason=Reason.CREATING,
            message=f"Waiting until target {summary.target_id}, which still holds the name, is gone.",
            place=state.place,
            busy=True,
        )
    if doubted(state, row):
        return await_doubted(row, reason=Reason.CREATING)
    unread = state.read_now(row.place, summary.target_id) is None
    if not summary.description and state.settings.marks and unread:
        # A List need not show descriptions, and the marker decides whether the name is taken or ours.
        return read(state, row)
    if (action := adopt(state, row)) is not None:
        return action
    return act.Blocked(
        reason=Reason.NAME_CONFLICT,
        message=(
            f"The name {summary.name!r} is taken on gateway {state.place.gateway_id} by target "
            f"{summary.target_id}, {holder_words(state, row)}. "
            + way_out(
                state,
                "Choose another spec.targetName, or delete that target: it is created here as soon as the "
                "name is free.",
            )
            + advice(state, row)
        ),
        stalled=True,
        until=state.now + NAME_AGAIN,
    )


def unanswered(doubt: Doubt, place: Place, error: AgentCoreError, now: float) -> Doubt:
    """Return what is not known after a Create in a place that failed at this moment."""
    if error.maybe_applied:
        doubt = msgspec.structs.replace(doubt, unsure_since=now, unsure_in=doubt.unsure_in | {place})
    if error.kind is ErrorKind.CONFLICT:
        doubt = msgspec.structs.replace(doubt, conflict_since=now)
    return doubt
