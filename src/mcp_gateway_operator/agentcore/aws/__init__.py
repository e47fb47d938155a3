"""The port over AWS: botocore in threads, its answers and its errors."""

from __future__ import annotations

from mcp_gateway_operator.agentcore.aws.adapter import Boto3AgentCore
from mcp_gateway_operator.agentcore.aws.sdk import choose_proxies, new_session

__all__ = [
    "Boto3AgentCore",
    "choose_proxies",
    "new_session",
]
