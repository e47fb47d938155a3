"""A simulator on a free port, and boto3 clients that find it there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from agentcore_simulator import Settings, SimulatorServer

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


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Poll the real clock of the server until `condition` holds."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        pause.wait(0.02)


@pytest.fixture
def simulator() -> Iterator[SimulatorServer]:
    """A running simulator with one gateway."""
    with SimulatorServer(Settings(), gateways=[GATEWAY]) as running:
        yield running
