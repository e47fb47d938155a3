"""The decision while a target moves to another gateway: make before break.

`status.moves` names every gateway that holds, or may hold, a target of the object beside the recorded one.
A gateway is entered before a Create can go there, the entries change places with the record when a target
there is known, and one leaves only when nothing of the object is left on it. So a crash between any two
steps leaves nothing that nobody looks for.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Record, State
from mcp_gateway_operator.targets.rules import ownership
from mcp_gateway_operator.targets.rules.deletion import clear, retains, soonest, step_elsewhere
from mcp_gateway_operator.targets.rules.not_yet import await_agreement, read, unlisted
from mcp_gateway_operator.targets.rules.recorded import plan_absent
from mcp_gateway_operator.targets.shape import Target, gateway_of_arn, instant

Create = Callable[[State], act.Action]


def plan_move(state: State, there: State, *, create: Create) -> act.Action:
    """Return the next step towards a target on the gateway that the spec names.

    The recorded target serves on meanwhile, and nothing is sent to it.

    Args:
        state: the object where its record is.
        there: the object where its spec wants it.
        create: decides for an object that has nothing yet.
    """
    if (action := _unproven(state)) is not None:
        return action
    action = _take_back(there, there.record, create=create) if there.record is not None else create(there)
    entered = any(place.gateway_id == there.gateway_id for place in state.moves)
    if isinstance(action, act.Protect | act.Fetch | act.Create) and not entered:
        return act.Move(
            gateway_id=there.gateway_id, message=_words(state, there, "the target is made there.")
        )
    if isinstance(action, act.Await):
        words = _words(state, there, action.message)
        return msgspec.structs.replace(action, reason=Reason.MOVING, message=words)
    if isinstance(action, act.Blocked):
        return msgspec.structs.replace(action, message=_words(state, there, action.message))
    if isinstance(action, act.Protect | act.Fetch | act.Forget):
        return action
    return act.AtPlace(gateway_id=there.gateway_id, step=action)


def _unproven(state: State) -> act.Action | None:
    """Wait for the List that proves whose a target of the Go operator is: only then can it be left over."""
    assert state.record is not None
    wait = unlisted(state, state.record.gateway_id) if state.record.legacy else None
    return wait if isinstance(wait, act.Await) else None


def _words(state: State, there: State, what: str) -> str:
    assert state.record is not None
    old = state.record
    return (
        f"Moving from gateway {old.gateway_id} to {there.gateway_id}: {what} Until it is READY, target "
        f"{old.target_id} on {old.gateway_id} stays as it is."
    )


def _take_back(there: State, record: Record, *, create: Create) -> act.Action:
    """Return to a target that an earlier move left behind: on a fresh Get, never to one in DELETING."""
    if (action := unlisted(there, there.gateway_id)) is not None:
        return action
    row = there.recorded
    if row is None:
        return plan_absent(there, record, lost=create)
    if (why := ownership.objection(there, row)) is not None:
        return act.Forget(gateway_id=there.gateway_id, event=Reason.FOREIGN_MARKER, message=why)
    if row.summary.status == "DELETING":
        return act.Await(
            reason=Reason.MOVING,
            message=f"Waiting until the earlier target {record.target_id} is gone.",
            gateway_id=there.gateway_id,
            busy=True,
        )
    target = there.read_now(record.target_id)
    if target is None:
        return read(there, row)
    shown = msgspec.structs.replace(row, summary=target.summary)
    if target.summary.status == "DELETING" or ownership.objection(there, shown) is not None:
        return await_agreement(row, reason=Reason.MOVING, since=there.now)
    return act.TakeUp(gateway_id=there.gateway_id, target=target)


def clear_up(state: State, action: act.Action) -> act.Action:
    """Remove what is left on other gateways, once the recorded target is READY and status says which it is.

    Args:
        state: the object, recorded where it belongs.
        action: what its own target asks for; anything to do there comes first.
    """
    if state.immovable and isinstance(action, act.Settled):
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
    for place in state.leftovers:
        step = _remove(state, place)
        if isinstance(step, act.Await | act.Blocked):
            waits.append(step)
        else:
            return step_elsewhere(place, step)
    return msgspec.structs.replace(action, rest=soonest(waits))


def _until_ready(state: State) -> str:
    where = ", ".join(place.gateway_id for place in state.leftovers)
    return f"What it has on gateway {where} stays until the target on {state.gateway_id} is READY."


def _remove(state: State, place: State) -> act.Action:
    """Remove what is left in one place: on reads made since the target in the other one was seen READY."""
    if place.memory.deleting_since is None or state.memory.record is not None:
        return act.Await(
            reason=Reason.MOVING,
            message=f"Reading the targets of gateway {place.gateway_id} before one is deleted.",
            gateway_id=place.gateway_id,
            list_since=state.now,
        )
    action = clear(place)
    if isinstance(action, act.Blocked) and action.stalled and retains(state):
        # As with a deletion that cannot be done, Retain is the way out.
        return act.Release(
            event="Retained", message=f"Left as it is, for deletionPolicy is Retain. {action.message}"
        )
    return action


def forgotten_leftovers(state: State, taken: Target) -> tuple[Record, ...]:
    """Return what carries the marker and the name of a target that is taken up, on other gateways.

    Only a move that nobody remembers can have left it there; one on each gateway, the oldest.
    """
    here = gateway_of_arn(taken.gateway_arn)
    found: dict[str, Record] = {}
    for row in sorted(state.marked, key=lambda each: instant(each.summary.created_at)):
        if row.gateway_id != here and row.summary.name == taken.summary.name:
            record = Record(
                gateway_id=row.gateway_id,
                target_id=row.summary.target_id,
                gateway_arn=f"{taken.gateway_arn.removesuffix(here)}{row.gateway_id}",
                target_name=row.summary.name,
            )
            found.setdefault(row.gateway_id, record)
    return tuple(found.values())


def _refuse(state: State) -> act.Action:
    return act.Blocked(
        reason=Reason.MOVING,
        message=(
            f"The target stays on gateway {state.gateway_id}: to move it to {state.immovable} a newer "
            "CustomResourceDefinition is needed. Run `mcp-gateway-operator crd | kubectl apply --server-side "
            "--force-conflicts -f -` and restart the operator, or set spec.gatewayId back."
        ),
        stalled=True,
    )
