"""Several accounts and Regions behind one port, with a scheduler and an observer for each."""

from __future__ import annotations

from mcp_gateway_operator.agentcore.accounts.accounts import Accounts
from mcp_gateway_operator.agentcore.accounts.offices import Observers, Office, Offices, Schedulers
from mcp_gateway_operator.agentcore.accounts.session import session_name

__all__ = ["Accounts", "Observers", "Office", "Offices", "Schedulers", "session_name"]
