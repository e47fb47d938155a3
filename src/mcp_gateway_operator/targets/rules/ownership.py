"""Whose is this target? Proof comes from the marker and the record, never from what a user can write.

A second target of the same name with our marker is superfluous, and removed; others with it are told of.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Row, State
from mcp_gateway_operator.targets.rules.awaited_reads import doubted
from mcp_gateway_operator.targets.rules.retries import attempt, read
from mcp_gateway_operator.targets.shape import TRANSIENT, TargetStatus, TargetSummary, instant

LEGACY_TOLERANCE = timedelta(minutes=5)
"""A target of the Go operator is created after its object; clocks may differ by this much."""


def objection(state: State, row: Row) -> str | None:
    """Return why a recorded target must not be touched, or None when it is provably ours.

    A foreign marker beats any record. Without an owner id markers mean nothing and the record decides.
    """
    mark = row.summary.marker if state.settings.marks else None
    if mark is not None:
        if mark in state.settings.markers_of(state.obj):
            return None
        if state.settings.owns(mark):
            return (
                f"Target {row.summary.target_id} carries the marker [mcps {mark}] of another MCPServer of "
                "this installation; it is left alone. Remove this object, or give it a targetName of its own."
            )
        return (
            f"Target {row.summary.target_id} carries the marker [mcps {mark}] of another installation; it is "
            "left alone. If that installation was this one, add its id to the operator's --owner-id."
        )
    if state.shared:
        return (
            f"Target {row.summary.target_id} is recorded by another MCPServer too and carries no marker; it "
            "is left alone. Delete one of the two objects."
        )
    return None


def legacy_doubt(obj: MCPServer, summary: TargetSummary, *, other: str) -> str:
    """Return why a record of the Go operator is not believed, "" when it is; nothing else proves it.

    Args:
        obj: whose record it is.
        summary: the recorded target, which carries no marker.
        other: another MCPServer that records the same target, or "".
    """
    born = obj.metadata.creation_timestamp
    if other:
        return f"MCPServer {other} records it, too; one of the two must go"
    if born and instant(summary.created_at) < instant(born) - LEGACY_TOLERANCE:
        return "it is older than this object"
    return ""


def carries_our_marker(state: State, summary: TargetSummary) -> bool:
    """Return whether a target carries this object's marker, under any owner id of ours."""
    return summary.marker in state.settings.markers_of(state.obj)


def stray_rows(state: State) -> tuple[Row, ...]:
    """Return targets that carry this object's marker, too, and are not deleted for it while it lives.

    On the recorded one's gateway they are those of other names, on others those where it has no place.
    """
    own = state.recorded
    if own is None:
        return ()
    beside_own = (
        row
        for row in state.marked
        if row.place == own.place
        and row.summary.name != own.summary.name
        and row.summary.target_id != own.summary.target_id
    )
    return tuple(
        row
        for row in (*beside_own, *state.astray)
        if row.summary.status != TargetStatus.DELETING and not doubted(state, row)
    )


def row_to_keep(state: State, rows: Iterable[Row]) -> Row:
    """Return the row to keep of those with our marker: the desired name first, then the oldest.

    Raises:
        ValueError: there are no rows.
    """
    name = state.want.get("targetName")
    return min(rows, key=lambda row: (row.summary.name != name, instant(row.summary.created_at)))


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
    for row in stray_rows(state):
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
    target = state.read_now(twin.place, target_id)
    if target is None:
        return read(state, twin, urgent=False)
    ours = carries_our_marker(state, target.summary)
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
