"""The port over AWS: botocore in threads, its answers and its errors."""

from __future__ import annotations

from mcp_gateway_operator.agentcore.aws.adapter import Boto3AgentCore
from mcp_gateway_operator.agentcore.aws.sdk import choose_proxies, new_session
from mcp_gateway_operator.agentcore.aws.sessions import Boto3Sessions
from mcp_gateway_operator.agentcore.aws.threads import Threads

__all__ = [
    "Boto3AgentCore",
    "Boto3Sessions",
    "Threads",
    "choose_proxies",
    "new_session",
]
