"""What an object's status says from before: the record, the other places of a move, what AWS held."""

from __future__ import annotations

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.targets.known.memory import Record
from mcp_gateway_operator.targets.shape import NO_FIELDS, Flat, gateway_of_arn


def applied_generation(obj: MCPServer) -> int:
    """Return the generation of the spec if status says that AWS has held it, else 0.

    The Go operator wrote Ready alone, and Ready said the same.
    """
    generation = obj.metadata.generation
    condition = obj.status.condition(ConditionType.SYNCED) or obj.status.condition(ConditionType.READY)
    if condition is None or generation not in (condition.observed_generation, obj.status.observed_generation):
        return 0
    held = condition.status in {"True", "Unknown"}
    held = held or condition.reason in {Reason.DRIFTED, Reason.NOT_CONVERGING}
    held = held or bool(obj.status.not_converging)
    return generation if held else 0


def stored_defaults(obj: MCPServer) -> Flat:
    """Return what status says AWS filled in where the spec says nothing."""
    observed = obj.status.observed
    if observed is None or not observed.defaults:
        return NO_FIELDS
    return {name: _decoded(text) for name, text in observed.defaults.items()}


def _decoded(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def stored_moves(obj: MCPServer) -> tuple[Record, ...]:
    """Return the other places in an object's status: believed where the record beside them is."""
    record = stored_record(obj)
    if record is None:
        return ()
    return tuple(
        Record(
            gateway_id=entry.gateway_id,
            target_id=entry.target_id,
            gateway_arn=entry.gateway_arn,
            target_name=entry.target_name,
        )
        for entry in obj.status.moves
        if entry.gateway_id not in {"", record.gateway_id}
    )


def stored_record(obj: MCPServer) -> Record | None:
    """Return the record in an object's status, if it is this very object's.

    `recordedFor` names the uid it was written for, so that a status restored onto another object or
    copied by hand proves nothing. The Go operator wrote none: its records count with our finalizer and
    a gateway ARN beside them.
    """
    status = obj.status
    if not status.target_id:
        return None
    legacy = (
        not status.recorded_for and names.FINALIZER in obj.metadata.finalizers and bool(status.gateway_arn)
    )
    if status.recorded_for != obj.metadata.uid and not legacy:
        return None
    gateway_id = status.gateway_id or gateway_of_arn(status.gateway_arn)
    if not gateway_id:
        return None
    return Record(
        gateway_id=gateway_id,
        target_id=status.target_id,
        gateway_arn=status.gateway_arn,
        target_name=status.target_name,
        legacy=legacy,
    )
