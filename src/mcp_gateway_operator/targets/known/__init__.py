"""What decisions rest on: the rows read from AWS, the record, the memory, and the state made of them."""

from __future__ import annotations

from mcp_gateway_operator.targets.known.errors import AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.known.memory import (
    BLANK,
    Address,
    Consent,
    Details,
    Doubt,
    Drift,
    Ending,
    Failure,
    Held,
    HeldValues,
    Indexing,
    ObjectMemory,
    Reads,
    TargetMemory,
    Telling,
    Trouble,
    Verified,
    Written,
)
from mcp_gateway_operator.targets.known.records import (
    NOWHERE,
    Place,
    Record,
    applied_generation,
    stored_defaults,
    stored_moves,
    stored_record,
)
from mcp_gateway_operator.targets.known.rows import LIST_LAG, TWO_READS, GatewayView, Row
from mcp_gateway_operator.targets.known.state import CALL_SECONDS, Settings, State

__all__ = [
    "BLANK",
    "CALL_SECONDS",
    "LIST_LAG",
    "NOWHERE",
    "TWO_READS",
    "Address",
    "AgentCoreError",
    "Consent",
    "Details",
    "Doubt",
    "Drift",
    "Ending",
    "ErrorKind",
    "Failure",
    "GatewayView",
    "Held",
    "HeldValues",
    "Indexing",
    "ObjectMemory",
    "Place",
    "Reads",
    "Record",
    "Row",
    "Settings",
    "State",
    "TargetMemory",
    "Telling",
    "Trouble",
    "Verified",
    "Written",
    "applied_generation",
    "stored_defaults",
    "stored_moves",
    "stored_record",
]
