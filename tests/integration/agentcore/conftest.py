"""The botocore adapter against the simulator over loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agentcore_simulator import SimulatorServer
from mcp_gateway_operator.agentcore.aws import Boto3AgentCore
from mcp_gateway_operator.targets.known import CALL_SECONDS

GATEWAY = "demo-abcdefghij"
USER_AGENT = "mcp-gateway-operator/1.2.3"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment with static credentials and nothing of this machine's configuration."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return monkeypatch


@pytest.fixture
def simulator(aws: pytest.MonkeyPatch) -> Iterator[SimulatorServer]:
    """A simulator that AWS_ENDPOINT_URL points to."""
    with SimulatorServer(gateways=[GATEWAY]) as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


@pytest.fixture
def call_seconds() -> float:
    """How long a call of `port` may take; to be overridden."""
    return CALL_SECONDS


@pytest.fixture
async def port(aws: pytest.MonkeyPatch, call_seconds: float) -> AsyncIterator[Boto3AgentCore]:
    """An adapter in us-east-1."""
    del aws
    adapter = Boto3AgentCore(
        region="us-east-1",
        user_agent=USER_AGENT,
        call_seconds=call_seconds,
        at_a_time=2,
    )
    yield adapter
    await adapter.close()
