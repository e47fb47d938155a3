"""What is not done for an object that an MCPGateway does not permit, or not any more.

Frozen, not deleted: nothing is created, changed, synchronized, adopted or moved. What is the object's own is
read, recorded, deleted with it, and left over no longer than usual. This is the only place that decides it:
every decision passes here before it is a step. A gateway that has as many targets as its MCPGateway allows
is not open either, and nothing is deleted while nobody can say what the MCPGateway would have kept.
"""

from __future__ import annotations

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.shown import counted
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Frozen, Row, State, believed_placement


def not_permitted(state: State) -> act.Blocked | None:
    """Leave an object alone that may have nothing in its place, and of which nothing can be there."""
    frozen = state.ruling.frozen
    if frozen is None or state.problems or state.record is not None:
        return None
    looks = state.protected and state.gateways
    return None if looks else _blocked(frozen)


def withhold(state: State, action: act.Step | act.Wait) -> act.Step | act.Wait:
    """Return a decision for one place, or what stands in its way there."""
    ruling = state.ruling
    if (frozen := ruling.frozen) is not None:
        return _blocked(frozen) if _forbidden(action, frozen) else action
    if not isinstance(action, act.Create):
        return action
    if state.full:
        return _full(state)
    placed_by = ruling.placed_by
    if placed_by is None or state.aside:
        # In the other place of a move the entry in status.moves says it.
        return action
    noted = believed_placement(state.obj)
    if noted is not None and (noted.class_, noted.gateway_arn) == (placed_by.class_, placed_by.gateway_arn):
        return action
    return act.Note(placed_by=placed_by)


def no_return(destination: State) -> act.Blocked | None:
    """Keep an object from what an earlier move of it has left: to go back to that is a move, too."""
    frozen = destination.ruling.frozen
    return None if frozen is None or destination.record is None else _blocked(frozen)


def _forbidden(action: act.Step | act.Wait, frozen: Frozen) -> bool:
    match action:
        case act.Create() | act.Update() | act.Synchronize() | act.TakeUp(adopted=True):
            return True
        case act.Protect() | act.Fetch():
            # They come before a Create.
            return True
        case act.Settled():
            return frozen.at_destination
        case _:
            return False


def _blocked(frozen: Frozen) -> act.Blocked:
    return act.Blocked(reason=frozen.reason, message=frozen.message, stalled=True)


def _full(state: State) -> act.Blocked:
    name = state.ruling.placed_by.class_ if state.ruling.placed_by is not None else ""
    return act.Blocked(
        reason=Reason.GATEWAY_FULL,
        message=(
            f"MCPGateway {name} lets its gateway hold {counted(state.ruling.capacity or 0, 'target')}, and "
            "there are as many. Remove targets, name another MCPGateway in spec.gatewayRef, or ask the "
            "platform team to raise its spec.capacity.targets."
        ),
        stalled=True,
    )


def covered_by_nobody(state: State) -> act.Blocked | None:
    """Forget no target that the Go operator recorded while no MCPGateway says whether it may be there."""
    if state.disbelieved is None or not state.uncovered:
        return None
    return _nothing_deleted(
        f"no MCPGateway covers the gateway of target {state.disbelieved[0]}, and the operator works with "
        "--require-gateway-ref. Make one that permits this MCPServer, or set spec.deletionPolicy to Retain."
    )


def policy_unknown(state: State) -> act.Blocked | None:
    """Delete nothing while nobody can say whether the object's MCPGateway would have it kept."""
    if state.obj.spec.deletion_policy or state.ruling.policies_known:
        return None
    return _nothing_deleted(
        "the MCPGateway that has a default for deletionPolicy is not there, or cannot be read. Set "
        "spec.deletionPolicy, or bring the MCPGateway back."
    )


def _nothing_deleted(why: str) -> act.Blocked:
    return act.Blocked(reason=Reason.DELETING, message=f"Nothing is deleted: {why}", stalled=True)


def unproven(state: State, row: Row) -> str | None:
    """Return why a recorded target is not deleted, where only its marker would prove whose it is."""
    frozen = state.ruling.frozen
    if frozen is None or not frozen.unproven:
        return None
    if state.settings.marks and row.summary.marker in state.settings.markers_of(state.obj):
        return None
    return (
        f"Target {row.summary.target_id} does not carry this object's marker, and the object is not"
        f" permitted on its gateway, so nothing proves that it is its own; it is left in AWS."
        f" {frozen.message}"
    )
