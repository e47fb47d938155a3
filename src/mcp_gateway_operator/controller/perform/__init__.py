"""Second part of a pass: one step is carried out, and what came of it is remembered."""

from __future__ import annotations

from mcp_gateway_operator.controller.perform.moves import Mover
from mcp_gateway_operator.controller.perform.object_writes import ObjectWriter
from mcp_gateway_operator.controller.perform.performer import NoTicketError, Pass, Performer
from mcp_gateway_operator.controller.perform.remember import Outcome
from mcp_gateway_operator.controller.perform.second_writer import OtherWriters

__all__ = [
    "Mover",
    "NoTicketError",
    "ObjectWriter",
    "OtherWriters",
    "Outcome",
    "Pass",
    "Performer",
]
