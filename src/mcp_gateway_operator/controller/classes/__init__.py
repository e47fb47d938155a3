"""MCPGateways: which there are, what they say of an object, and their own status and life."""

from __future__ import annotations

from mcp_gateway_operator.controller.classes.class_rulings import ClassSettings, Rulings
from mcp_gateway_operator.controller.classes.keeper import Keeper
from mcp_gateway_operator.controller.classes.registry import (
    MCPGATEWAYS,
    Registry,
    acts_elsewhere,
    identity_at,
)

__all__ = [
    "MCPGATEWAYS",
    "ClassSettings",
    "Keeper",
    "Registry",
    "Rulings",
    "acts_elsewhere",
    "identity_at",
]
