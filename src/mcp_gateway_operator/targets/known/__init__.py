"""What decisions rest on: the rows read from AWS, the record, the memory, and the state made of them."""

from __future__ import annotations

from mcp_gateway_operator.targets.known.errors import AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.known.memory import Consent, Details, Memory, Record, Trouble, Verified
from mcp_gateway_operator.targets.known.records import (
    applied_generation,
    stored_defaults,
    stored_moves,
    stored_record,
)
from mcp_gateway_operator.targets.known.state import (
    CALL_SECONDS,
    LIST_LAG,
    TWO_READS,
    GatewayView,
    Row,
    Settings,
    State,
)

__all__ = [
    "CALL_SECONDS",
    "LIST_LAG",
    "TWO_READS",
    "AgentCoreError",
    "Consent",
    "Details",
    "ErrorKind",
    "GatewayView",
    "Memory",
    "Record",
    "Row",
    "Settings",
    "State",
    "Trouble",
    "Verified",
    "applied_generation",
    "stored_defaults",
    "stored_moves",
    "stored_record",
]
