"""The decision while a target moves to another gateway: make before break.

`status.moves` names every gateway that holds, or may hold, a target of the object beside the recorded one.
A gateway is entered before a Create can go there, the entries change places with the record when a target
there is known, and one leaves only when nothing of the object is left on it. So a crash between any two
steps leaves nothing that nobody looks for.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mcp_gateway_operator.api.mcpgateway_rules import GatewayArn
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import NOWHERE, Place, Record, State
from mcp_gateway_operator.targets.rules import ownership
from mcp_gateway_operator.targets.rules.awaited_reads import await_agreement, unlisted
from mcp_gateway_operator.targets.rules.deletion import Clearing, clear, soonest, step_aside, with_way_out
from mcp_gateway_operator.targets.rules.not_permitted import no_return
from mcp_gateway_operator.targets.rules.recorded import plan_absent
from mcp_gateway_operator.targets.rules.retries import read
from mcp_gateway_operator.targets.rules.rivalry import circle_words
from mcp_gateway_operator.targets.shape import Target, TargetStatus, instant

Create = Callable[[State], act.Step | act.Wait]


def plan_move(state: State, destination: State, *, create: Create) -> act.Step | act.Wait:
    """Return the next step towards a target on the gateway that the spec names.

    The recorded target serves on meanwhile, and nothing is sent to it.

    Args:
        state: the object where its record is.
        destination: the object where its spec wants it.
        create: decides for an object that has nothing yet.
    """
    if (wait := _unproven(state)) is not None:
        return wait
    record = destination.record
    action: act.Step | act.Wait | None = no_return(destination)
    if action is None:
        action = create(destination) if record is None else _take_back(destination, record, create=create)
    entered = any(each.place == destination.place for each in state.moves)
    if isinstance(action, act.Protect | act.Fetch | act.Create) and not entered:
        return act.Move(
            place=destination.place, message=_words(state, destination, "the target is made there.")
        )
    if isinstance(action, act.Await):
        words = _words(state, destination, action.message)
        return msgspec.structs.replace(action, reason=Reason.MOVING, message=words)
    if isinstance(action, act.Blocked):
        words = action.message
        if action.reason == Reason.GATEWAY_FULL:
            words = f"{words} {circle_words(destination.circle)}".rstrip()
        return msgspec.structs.replace(action, message=_words(state, destination, words))
    return act.AtPlace(place=destination.place, step=action) if isinstance(action, act.AtTarget) else action


def _unproven(state: State) -> act.Await | None:
    """Wait for the List that proves whose a target of the Go operator is: only then can it be left over."""
    assert state.record is not None
    wait = unlisted(state, state.record.place) if state.record.legacy else None
    return wait if isinstance(wait, act.Await) else None


def _words(state: State, destination: State, what: str) -> str:
    assert state.record is not None
    old = state.record
    return (
        f"Moving from gateway {old.place.gateway_id} to {destination.place.gateway_id}: {what} Until it is "
        f"READY, target {old.target_id} on {old.place.gateway_id} stays as it is."
    )


def _take_back(destination: State, record: Record, *, create: Create) -> act.Step | act.Wait:
    """Return to a target that an earlier move left behind: on a fresh Get, never to one in DELETING."""
    if (action := unlisted(destination, destination.place)) is not None:
        return action
    row = destination.recorded
    if row is None:
        return plan_absent(destination, record, lost=create)
    if (why := ownership.objection(destination, row)) is not None:
        return act.Forget(place=destination.place, event=Reason.FOREIGN_MARKER, message=why)
    if row.summary.status == TargetStatus.DELETING:
        return act.Await(
            reason=Reason.MOVING,
            message=f"Waiting until the earlier target {record.target_id} is gone.",
            place=destination.place,
            busy=True,
        )
    target = destination.read_now(row.place, record.target_id)
    if target is None:
        return read(destination, row)
    shown = msgspec.structs.replace(row, summary=target.summary)
    if target.summary.status == TargetStatus.DELETING or ownership.objection(destination, shown) is not None:
        return await_agreement(row, reason=Reason.MOVING, since=destination.now)
    return act.TakeUp(place=destination.place, target=target)


def clear_up(state: State, action: act.Step | act.Wait) -> act.Step | act.Wait:
    """Remove what is left on other gateways, once the recorded target is READY and status says which it is.

    Args:
        state: the object, recorded where it belongs.
        action: what its own target asks for; anything to do there comes first.
    """
    if state.immovable != NOWHERE and isinstance(action, act.Settled):
        return _refuse(state)
    if not state.leftovers:
        return action
    if isinstance(action, act.Await):
        return msgspec.structs.replace(
            action, reason=Reason.MOVING, message=f"{action.message} {_until_ready(state)}"
        )
    if not isinstance(action, act.Settled | act.Blocked):
        return action
    row = state.recorded
    if row is None or not row.ready or ownership.objection(state, row) is not None:
        if isinstance(action, act.Blocked):
            return msgspec.structs.replace(action, message=f"{action.message} {_until_ready(state)}")
        return action
    waits: list[act.Await | act.Blocked] = []
    for left in state.leftovers:
        step = _remove(state, left)
        if isinstance(step, act.Await | act.Blocked):
            waits.append(step)
        else:
            return step_aside(left, step)
    return msgspec.structs.replace(action, leftover=soonest(waits) if waits else None)


def _until_ready(state: State) -> str:
    where = ", ".join(left.place.gateway_id for left in state.leftovers)
    return f"What it has on gateway {where} stays until the target on {state.place.gateway_id} is READY."


def _remove(state: State, left: State) -> Clearing:
    """Remove what is left in one place: on reads made since the target in the other one was seen READY."""
    if left.memory.ending.since is None or state.memory.record is not None:
        return act.Await(
            reason=Reason.MOVING,
            message=f"Reading the targets of gateway {left.place.gateway_id} before one is deleted.",
            place=left.place,
            list_since=state.now,
        )
    action = clear(left)
    if not isinstance(action, act.Blocked) or not action.stalled:
        return action
    if state.obj.spec.deletion_policy == "Retain":
        # As with a deletion that cannot be done, that is the way out. A default is none: it may be another's.
        return act.Release(
            event="Retained", message=f"Left as it is because deletionPolicy is Retain. {action.message}"
        )
    return with_way_out(action)


def forgotten_leftovers(state: State, taken: Target, taken_on: Place) -> tuple[Record, ...]:
    """Return what carries the marker and the name of a target that is taken up, on other gateways.

    Only a move that nobody remembers can have left it there; one on each gateway, the oldest.
    """
    found: dict[Place, Record] = {}
    for row in sorted(state.marked, key=lambda each: instant(each.summary.created_at)):
        if row.place != taken_on and row.summary.name == taken.summary.name:
            record = Record(
                place=row.place,
                target_id=row.summary.target_id,
                gateway_arn=_arn_of(row.place, state, taken),
                target_name=row.summary.name,
            )
            found.setdefault(row.place, record)
    return tuple(found.values())


def _arn_of(place: Place, state: State, taken: Target) -> str:
    """Return a gateway's ARN, as far as that of a target in the same partition and the settings tell it."""
    if any(place.account_and_region):
        return place.gateway_id
    arn = GatewayArn.parse(taken.gateway_arn)
    if arn is None:
        return ""
    account, region = state.settings.account or arn.account, state.settings.region or arn.region
    return arn._replace(account=account, region=region, gateway_id=place.gateway_id).text


def _refuse(state: State) -> act.Blocked:
    return act.Blocked(
        reason=Reason.MOVING,
        message=(
            f"The target stays on gateway {state.place.gateway_id}: to move it to "
            f"{state.immovable.gateway_id} a newer CustomResourceDefinition is needed. Run "
            "`mcp-gateway-operator crd | kubectl apply --server-side --force-conflicts -f -` and restart the "
            "operator, or set spec.gatewayId back."
        ),
        stalled=True,
    )
