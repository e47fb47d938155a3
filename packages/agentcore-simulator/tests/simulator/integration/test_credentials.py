"""boto3 finding its own credentials in the simulator, as in a pod."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from agentcore_simulator import SimulatorServer

from .conftest import GATEWAY


@pytest.fixture(autouse=True)
def bare_environment(simulator: SimulatorServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the developer's own AWS configuration, and the simulator as endpoint."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", simulator.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    (tmp_path / "token").write_text("a.b.c")


def test_irsa(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/operator")
    monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "pod-1")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    session = boto3.Session(region_name="us-east-1")
    arn = session.client("sts").get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::123456789012:assumed-role/operator/pod-1"
    (row,) = session.client("bedrock-agentcore-control").list_gateways()["items"]
    assert row["gatewayId"] == GATEWAY


def test_pod_identity(simulator: SimulatorServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{simulator.url}/v1/credentials")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    session = boto3.Session(region_name="us-east-1")
    credentials = session.get_credentials()
    assert credentials is not None
    assert credentials.get_frozen_credentials().account_id == "123456789012"
    (row,) = session.client("bedrock-agentcore-control").list_gateways()["items"]
    assert row["gatewayId"] == GATEWAY
