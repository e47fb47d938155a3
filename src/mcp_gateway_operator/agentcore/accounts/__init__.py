"""Several accounts and Regions behind one port, with a scheduler and an observer for each."""

from __future__ import annotations

from mcp_gateway_operator.agentcore.accounts.account_regions import (
    AccountRegion,
    AccountRegions,
    Observers,
    Schedulers,
)
from mcp_gateway_operator.agentcore.accounts.accounts import Accounts
from mcp_gateway_operator.agentcore.accounts.session import session_name

__all__ = ["AccountRegion", "AccountRegions", "Accounts", "Observers", "Schedulers", "session_name"]
