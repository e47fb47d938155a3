"""A second target of the same name with our marker is superfluous; how it is removed."""

from __future__ import annotations

from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import NOWHERE, Row, State
from mcp_gateway_operator.targets.rules import ownership
from mcp_gateway_operator.targets.rules.not_yet import attempt, doubted, read
from mcp_gateway_operator.targets.shape import TRANSIENT

_ON_OTHERS = "that is left alone until this object is deleted"
RECORDED_AFTER = 1.0
"""Seconds within which the status with a new record is written."""


def twin_of(state: State, row: Row) -> Row | None:
    """Return a second target with our marker and the kept one's name: only such a one is superfluous."""
    for other in state.marked:
        same_name = other.summary.name == row.summary.name and other.place == row.place
        if (
            same_name
            and other.summary.target_id != row.summary.target_id
            and other.summary.status not in TRANSIENT
            and not doubted(state, other)
        ):
            return other
    return None


def stray_note(state: State) -> str:
    """Return the sentences about other targets with our marker: while the object lives they are left alone.

    What is on another gateway goes with the object, for only a move that nobody remembers can have left it.
    """
    same, further = [], []
    for row in ownership.stray_rows(state):
        text, gateway_id = f"{row.summary.target_id} ({row.summary.name})", row.place.gateway_id
        if row.place == state.place:
            same.append(text)
        else:
            further.append(f"{text} on gateway {gateway_id}")
    marker, sentences = "The marker of this object is on", []
    if same:
        sentences.append(
            f"{marker} {', '.join(same)}, too; that is left alone. Delete it if nothing needs it."
        )
    if further:
        advice = "Delete it sooner if nothing needs it."
        sentences.append(f"{marker} {', '.join(further)}, too; {_ON_OTHERS}. {advice}")
    return " ".join(sentences)


def status_names_strays(obj: MCPServer) -> bool:
    """Return whether status speaks of such targets on other gateways."""
    ready = obj.status.condition(ConditionType.READY)
    return ready is not None and _ON_OTHERS in ready.message


def await_first_lists(state: State) -> act.Await | None:
    """Wait until every gateway was listed before status ceases to speak of targets it told of."""
    if state.unseen == NOWHERE or not status_names_strays(state.obj):
        return None
    return act.Await(
        reason=Reason.DUPLICATE_MARKER,
        message=f"Waiting for the first list of the targets of gateway {state.unseen.gateway_id}.",
        place=state.unseen,
        list_since=0.0,
        quiet=True,
    )


def remove_twin(state: State, twin: Row) -> act.Step | act.Wait:
    """Delete a superfluous target once this pass has read it and found it still ours and still the same.

    Which of two is kept the status says as the API server has it now: another process may have recorded the
    one that seems superfluous here.
    """
    target_id = twin.summary.target_id
    if state.memory.record is not None:
        return act.Blocked(
            reason=Reason.DUPLICATE_MARKER,
            message=f"Target {target_id}, a second one of this name, is deleted once status names the first.",
            until=state.now + RECORDED_AFTER,
        )
    target = state.read_now(target_id)
    if target is None:
        return read(state, twin, urgent=False)
    ours = ownership.carries_our_marker(state, target.summary)
    if not ours or target.summary.name != twin.summary.name:
        return act.Await(
            reason=Reason.DUPLICATE_MARKER,
            message=f"Reads of target {target_id}, a second one of this name, disagree; looking again.",
            place=twin.place,
            list_since=state.now,
            quiet=True,
        )
    if not state.fresh:
        return act.Fetch()
    return attempt(state, act.Delete(place=twin.place, target_id=target_id, duplicate=True))
