"""What one process measures: declared in `declared`, read at each scrape in `collectors`."""

from __future__ import annotations

from mcp_gateway_operator.controller.metrics.operator_metrics import OperatorMetrics

__all__ = ["OperatorMetrics"]
