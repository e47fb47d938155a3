"""Second part of a pass: one step is carried out, and what came of it is remembered."""

from __future__ import annotations

from mcp_gateway_operator.controller.perform.kubernetes_writes import ObjectWriter, quarrelling
from mcp_gateway_operator.controller.perform.performer import NoTicketError, Pass, Performer
from mcp_gateway_operator.controller.perform.remember import OPS, concluded, unsent

__all__ = [
    "OPS",
    "NoTicketError",
    "ObjectWriter",
    "Pass",
    "Performer",
    "concluded",
    "quarrelling",
    "unsent",
]
