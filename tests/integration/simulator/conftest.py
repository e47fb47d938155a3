"""A simulator on a free port, and boto3 clients that find it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from mcp_gateway_operator.simulator import Settings, SimulatorServer

if TYPE_CHECKING:
    from collections.abc import Iterator

GATEWAY = "demo-abcdefghij"


def client(url: str, service: str = "bedrock-agentcore-control", **options: Any) -> Any:
    """A boto3 client without retries."""
    settings = {
        "endpoint_url": url,
        "region_name": "us-east-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
        "config": Config(retries={"total_max_attempts": 1}, read_timeout=10, connect_timeout=5),
        **options,
    }
    return boto3.client(service, **settings)


def server(endpoint: str = "https://tools.example.com/mcp") -> dict[str, Any]:
    """A targetConfiguration for an MCP server."""
    return {"mcp": {"mcpServer": {"endpoint": endpoint}}}


@pytest.fixture
def simulator() -> Iterator[SimulatorServer]:
    """A running simulator with one gateway."""
    with SimulatorServer(Settings(), gateways=[GATEWAY]) as running:
        yield running
