"""What is known of the targets of each gateway, kept by Lists."""

from __future__ import annotations

from mcp_gateway_operator.agentcore.observe.gateway_table import Change, GatewayTable
from mcp_gateway_operator.agentcore.observe.inquiries import Inquiries
from mcp_gateway_operator.agentcore.observe.listing import Users
from mcp_gateway_operator.agentcore.observe.observer import Observer
from mcp_gateway_operator.agentcore.observe.outage_clock import OutageClock

__all__ = [
    "Change",
    "GatewayTable",
    "Inquiries",
    "Observer",
    "OutageClock",
    "Users",
]
