"""Who may make the next call to AWS."""

from __future__ import annotations

from mcp_gateway_operator.agentcore.quota.quotas import Lane, Op, Quotas
from mcp_gateway_operator.agentcore.quota.scheduler import RESERVED_SECONDS, QuotaScheduler
from mcp_gateway_operator.agentcore.quota.ticket_queue import Ticket

__all__ = [
    "RESERVED_SECONDS",
    "Lane",
    "Op",
    "QuotaScheduler",
    "Quotas",
    "Ticket",
]
