"""Last part of a pass: what status, conditions and Events say, and when."""

from __future__ import annotations

from mcp_gateway_operator.controller.tell.report import status_of, with_record
from mcp_gateway_operator.controller.tell.served_fields import keeps_moves
from mcp_gateway_operator.controller.tell.when_to_tell import deadline, patient, queued, waits_of
from mcp_gateway_operator.controller.tell.worth_an_event import shows_ready, turn

__all__ = [
    "deadline",
    "keeps_moves",
    "patient",
    "queued",
    "shows_ready",
    "status_of",
    "turn",
    "waits_of",
    "with_record",
]
