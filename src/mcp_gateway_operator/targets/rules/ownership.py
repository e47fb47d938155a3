"""Whose is this target? Proof comes from the marker and the record, never from what a user can write."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.targets.known import Row, State
from mcp_gateway_operator.targets.rules.not_yet import doubted
from mcp_gateway_operator.targets.shape import TargetStatus, TargetSummary, instant

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
        return f"MCPServer {other} records it, too; one of the two has to go"
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
