"""The decision for an object that is being deleted: the finalizer goes only when its targets are gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import LIST_LAG, NOWHERE, Ending, ErrorKind, Place, Record, Row, State
from mcp_gateway_operator.targets.rules import consent, ownership
from mcp_gateway_operator.targets.rules.awaited_reads import (
    await_doubted,
    await_first_list,
    doubted,
    unlisted,
)
from mcp_gateway_operator.targets.rules.gateway_gone import gateway_missing
from mcp_gateway_operator.targets.rules.not_permitted import covered_by_nobody, policy_unknown, unproven
from mcp_gateway_operator.targets.rules.retries import attempt, earliest, read
from mcp_gateway_operator.targets.shape import TRANSIENT, TargetStatus

Clearing = (
    act.Read
    | act.Delete
    | act.CheckGateway
    | act.CallTheRoll
    | act.TakeUp
    | act.Await
    | act.Blocked
    | act.Release
)
"""What is done, or waited for, until nothing of an object is left in one place; then a Release."""

STALE_AFTER_DELETE = 10.0
"""Seconds for which a target may still look undeleted after AWS accepted the Delete, as Terraform allows.

For as long an answer that it does not exist is believed over a List that shows it.
"""


def plan_deletion(state: State) -> act.Step | act.Wait:
    """Return the next action for an object with a deletionTimestamp."""
    if not state.protected:
        return act.Nothing()
    if state.obj.paused:
        return act.Blocked(
            reason=Reason.PAUSED,
            message=f"Paused: nothing is deleted until the annotation {names.PAUSED_ANNOTATION} is removed.",
        )
    if state.obj.spec.management_policy == "Observe":
        return act.Release(
            event="Released", message="managementPolicy is Observe: nothing was deleted in AWS."
        )
    if (wait := policy_unknown(state)) is not None:
        return wait
    if state.obj.spec.deletion_policy == "Retain":
        return act.Release(event="Retained", message=_retained(state, state.moves))
    if not retains(state) and (wait := covered_by_nobody(state)) is not None:
        return wait
    return _delete_everywhere(state)


def with_way_out(wait: act.Await | act.Blocked) -> act.Await | act.Blocked:
    """Return the wait for what cannot be deleted elsewhere, with what lets it stay there."""
    if not isinstance(wait, act.Blocked) or not wait.stalled or "deletionPolicy" in wait.message:
        return wait
    way_out = "To leave it there, set spec.deletionPolicy of this MCPServer to Retain."
    return msgspec.structs.replace(wait, message=f"{wait.message} {way_out}")


def retains(state: State) -> bool:
    """Return whether the object's targets outlive it."""
    said = state.obj.spec.deletion_policy or state.ruling.deletion_policy
    return (said or state.settings.default_deletion_policy) == "Retain"


def lets_go(state: State) -> bool:
    """Return whether it is known that the object's target in a place goes with it."""
    return policy_unknown(state) is None and not retains(state)


def _retained(state: State, beside: Iterable[Record]) -> str:
    places = [each.place.gateway_id for each in beside]
    if state.record is None or not places:
        return "deletionPolicy is Retain: the target stays in AWS."
    where = ", ".join((state.record.place.gateway_id, *places))
    return f"deletionPolicy is Retain: what the object has on the gateways {where} stays in AWS."


def _delete_everywhere(state: State) -> Clearing | act.AtPlace | act.Forget:
    """Delete the target, and what a move or a lost status has left on other gateways, each as if alone.

    What holds one of them back does not hold back the others; and where the MCPGateway of another place has
    targets kept, that one stays.
    """
    kept, stays = [], retains(state)
    action = act.Release(event="Retained", message="") if stays else clear(state)
    if not isinstance(action, act.Await | act.Blocked | act.Release):
        return action
    waits = [] if isinstance(action, act.Release) else [action]
    for left in state.leftovers:
        if (wait := policy_unknown(left)) is None and retains(left):
            kept += [each for each in state.moves if each.place == left.place]
            continue
        step = wait or clear(left)
        if not isinstance(step, act.Await | act.Blocked):
            return step_aside(left, step)
        waits.append(with_way_out(step))
    if waits:
        return soonest(waits)
    if stays:
        return act.Release(event="Retained", message=_retained(state, kept))
    if state.unseen == NOWHERE:
        return action
    message = f"Making sure that gateway {state.unseen.gateway_id} holds no target of this object."
    return await_first_list(state.unseen, reason=Reason.DELETING, message=message)


def step_aside(left: State, action: act.AtTarget | act.Release) -> act.AtPlace | act.Forget:
    """Return a step of one place as a step of its object."""
    if isinstance(action, act.Release):
        return act.Forget(place=left.place, event=action.event, message=action.message)
    return act.AtPlace(place=left.place, step=action)


def soonest(waits: Sequence[act.Await | act.Blocked]) -> act.Await | act.Blocked:
    """Return the wait of several that will go on by itself, until the first of all their deadlines."""
    until = earliest(*(wait.until for wait in waits))
    first = next((each for each in waits if isinstance(each, act.Await)), waits[0])
    return msgspec.structs.replace(first, until=until)


def clear(state: State) -> Clearing:
    """Return the next action until nothing of the object is left in its place, and then a Release.

    A recorded target is deleted on a row read since the deletion was seen: it may have changed hands.
    """
    record = state.record
    if record is None:
        return _delete_unrecorded(state)
    # A gateway that is gone lists nothing more, so a row of it would never be read again.
    missing = state.view(record.place).missing_since
    if missing is not None and (action := gateway_missing(state, record.place)) is not None:
        return action
    row = state.recorded
    if row is None:
        return _await_gone(state, record)
    seen = state.now if state.memory.ending.since is None else state.memory.ending.since
    if row.read_began < seen:
        return _reread(state, row, since=seen)
    if (why := ownership.objection(state, row) or unproven(state, row)) is not None:
        if state.marked:
            return _take_up(state, list(state.marked))
        return act.Release(event=Reason.FOREIGN_MARKER, message=f"Released without a call to AWS. {why}")
    return _delete_row(state, row, seen=seen)


def _reread(state: State, row: Row, *, since: float) -> act.Await | act.Blocked:
    if state.view(row.place).error is not None and (action := unlisted(state, row.place)):
        return action
    return act.Await(
        reason=Reason.DELETING,
        message="Reading the target once more before it is deleted.",
        place=row.place,
        list_since=since,
        quiet=True,
    )


def _delete_row(state: State, row: Row, *, seen: float) -> Clearing:
    """Ask AWS to delete a target that is ours, and again when it leaves DELETING without being gone.

    Whether AWS takes a Delete in a transient state is not documented, so it is asked once, and after a
    refusal the end of that state is awaited.
    """
    memory = state.memory
    status = row.summary.status
    if status == TargetStatus.DELETING:
        return _deleting(row, "AWS is deleting the target.")
    # A List may lag behind a 404 for a minute: a Delete for every such List would use up the quota of others.
    answered = memory.ending.asked_at
    if row.absent_at is not None and row.absent_at >= seen:
        answered = row.absent_at
    if answered is not None and state.now < answered + STALE_AFTER_DELETE:
        # Asked again in time: a target that stays as it is changes nothing in any List.
        asked_again = answered + STALE_AFTER_DELETE
        message = f"AWS was asked to delete the target and still reports {status}."
        return _deleting(row, message, until=asked_again)
    trouble = memory.trouble
    if (
        status in TRANSIENT
        and trouble is not None
        and trouble.kind is ErrorKind.CONFLICT
        and trouble.at >= seen
    ):
        return _deleting(row, f"AWS does not delete a target in {status}; waiting until that ends.")
    if trouble is not None and trouble.at >= seen and consent.refused(state, row):
        return consent.wait(state, row, "The target is deleted once consent is given or expires.")
    return attempt(state, act.Delete(place=row.place, target_id=row.summary.target_id))


def _deleting(row: Row, message: str, *, until: float | None = None) -> act.Await:
    return act.Await(reason=Reason.DELETING, message=message, place=row.place, busy=True, until=until)


def _await_gone(state: State, record: Record) -> Clearing:
    """Gone is: a Get answers 404, and a List of the gateway begun after it succeeds without the target."""
    place, target_id = record.place, record.target_id
    if (action := unlisted(state, place)) is not None:
        return action
    read = act.Read(place=place, target_id=target_id)
    if state.absences is None:
        return attempt(state, read)
    first, last = state.absences
    # An id that no List of this process has shown may be newer than what Gets and Lists show.
    bound = 0.0 if state.was_listed else state.settings.started_at + LIST_LAG
    if last < bound:
        if state.now >= bound:
            return attempt(state, read)
        return act.Await(
            reason=Reason.DELETING,
            message=f"Target {target_id} was not found; looking again before that is believed.",
            until=bound,
            quiet=True,
        )
    absent_since = last if state.still_listed or first < bound else first
    listed_at = state.view(place).listed_at
    if listed_at is None or listed_at <= absent_since or state.still_listed:
        return act.Await(
            reason=Reason.DELETING,
            message="The target is gone; waiting for a list of the gateway that confirms it.",
            place=place,
            list_since=absent_since,
            quiet=True,
        )
    return _after_gone(state, record)


def _after_gone(state: State, record: Record) -> Clearing:
    """Look for what a re-creation may have left that was never recorded, before the finalizer goes."""
    names_of_ours = {record.target_name, state.obj.status.target_name, state.want.get("targetName")} - {""}
    others = [
        row
        for row in state.marked
        if row.summary.target_id != record.target_id and row.summary.name in names_of_ours
    ]
    if others:
        return _take_up(state, others)
    # Only a target that is gone is created again: one that we saw and deleted has no successor.
    since_start = state.memory.ending.asked_at is None
    if (action := _await_strays(state, (record.place,), since_start=since_start)) is not None:
        return action
    return act.Release(event="Deleted", message=f"Target {record.target_id} is gone.")


def _delete_unrecorded(state: State) -> Clearing:
    """Nothing is recorded: look for our marker; release only when no Create can still come to light."""
    doubt = state.memory.doubt
    certain = doubt.unsure_since is None and _unexplained_conflict(state) is None
    untouched = doubt.only_writer and certain and state.memory.held.verified is None
    if untouched and not state.marked:
        return act.Release(event="Released", message="No target was made for this object.")
    if state.barred and state.ruling.unread and not state.aside:
        message = (
            f"{state.ruling.unread} Until that changes, what no record names is not looked for, and stays."
        )
        return act.Blocked(reason=Reason.DELETING, message=message, stalled=True)
    noted = NOWHERE if state.aside or state.noted in state.barred else state.noted
    living: list[Place] = []
    for place in dict.fromkeys((*state.gateways, noted)):
        if place == NOWHERE:
            continue
        missing = gateway_missing(state, place)
        if isinstance(missing, act.Release):
            continue
        if (action := missing or unlisted(state, place)) is not None:
            return action
        living.append(place)
    rows = [row for row in state.marked if row.place in living]
    if rows:
        return _take_up(state, rows)
    if (action := _await_strays(state, tuple(living), since_start=True)) is not None:
        return action
    return act.Release(event="Released", message=_nothing_found(state, looked=bool(living)))


def _nothing_found(state: State, *, looked: bool) -> str:
    message = "No target carries this object's marker." if looked else "No gateway holds a target of it."
    if state.disbelieved is not None:
        target_id, why = state.disbelieved
        message = f"Target {target_id} is left alone, because nothing proves that it is this object's: {why}."
    if state.barred and not state.aside:
        where = ", ".join(sorted(each.gateway_id for each in state.barred))
        message += (
            f" Gateway {where} was not looked at: no record says that it holds one, and this object is not"
            " permitted there."
        )
    return message


def _take_up(state: State, rows: list[Row]) -> Clearing:
    """Record a target with our marker, so that its deletion is followed like any other."""
    row = ownership.row_to_keep(state, rows)
    if doubted(state, row):
        return await_doubted(row, reason=Reason.DELETING)
    target = state.read_now(row.place, row.summary.target_id)
    if target is None:
        return read(state, row)
    if not ownership.carries_our_marker(state, target.summary):
        return _reread(state, row, since=state.now)
    return act.TakeUp(place=row.place, target=target)


def _unexplained_conflict(state: State) -> float | None:
    """Return when a Create met a name that no List has shown: a second writer may have made our target."""
    return None if state.named else state.memory.doubt.conflict_since


def _await_strays(state: State, places: tuple[Place, ...], *, since_start: bool) -> act.Await | None:
    """Return the wait for Lists that must show whatever a Create without an answer has made."""
    ends = [state.settings.started_at] if since_start else []
    ends += [at for at in (state.memory.doubt.unsure_since, _unexplained_conflict(state)) if at is not None]
    if not ends:
        return None
    bound = max(ends) + LIST_LAG + state.settings.call_seconds
    for place in places:
        listed_at = state.view(place).listed_at
        if listed_at is None or listed_at < bound:
            return act.Await(
                reason=Reason.DELETING,
                message="Making sure that this object has no target that was never recorded.",
                place=place,
                list_since=bound,
                until=bound if state.now < bound else None,
            )
    return None


def ending_begun(ending: Ending, now: float) -> Ending:
    """Note since when the end of a target is due."""
    return msgspec.structs.replace(ending, since=now) if ending.since is None else ending
