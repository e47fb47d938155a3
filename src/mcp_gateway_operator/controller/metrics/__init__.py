"""What one process measures: declared in `declared`, read at each scrape in `collectors`."""

from __future__ import annotations

from mcp_gateway_operator.controller.metrics.declared import DECLARED, MAX_GATEWAYS
from mcp_gateway_operator.controller.metrics.operator_metrics import OperatorMetrics
from mcp_gateway_operator.controller.metrics.reasons import ACTS, Actor

__all__ = ["ACTS", "DECLARED", "MAX_GATEWAYS", "Actor", "OperatorMetrics"]
