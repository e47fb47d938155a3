"""Targets for tests."""

from __future__ import annotations

from typing import Any

from mcp_gateway_operator.agentcore.observe import GatewayTable
from mcp_gateway_operator.targets.shape import Target, TargetStatus, TargetSummary

ARN = "arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/g"


def stamp(seconds: float) -> str:
    """Return an AWS timestamp so many seconds after noon."""
    return f"2026-01-01T12:{int(seconds) // 60:02d}:{seconds % 60:09.6f}Z"


def summary(
    target_id: str = "t1", status: str = "READY", *, updated: float = 0.0, **fields: Any
) -> TargetSummary:
    """Return a row of a List; `updated` is in seconds after noon."""
    values: dict[str, Any] = {"name": f"name-{target_id}", "created_at": stamp(0), **fields}
    known = TargetStatus(status)
    return TargetSummary(target_id=target_id, status=known, updated_at=stamp(updated), **values)


def target(target_id: str = "t1", status: str = "READY", *, updated: float = 0.0, **fields: Any) -> Target:
    """Return a full target."""
    return Target(summary=summary(target_id, status, updated=updated, **fields), gateway_arn=ARN, config={})


def is_ready(table: GatewayTable, target_id: str) -> bool:
    """Return whether a target is READY, credibly so."""
    row = table.row(target_id)
    return row is not None and row.ready


def is_settled(table: GatewayTable, target_id: str) -> bool:
    """Return whether a target is in a state that does not end by itself, credibly so."""
    row = table.row(target_id)
    return row is not None and row.settled


def absent_at(table: GatewayTable, target_id: str) -> float | None:
    """Return when the latest Get began that answered 404 for a target that is seen."""
    row = table.row(target_id)
    return row.absent_at if row is not None else None
