"""The slimmed data files hold all that the operations used need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore import loaders, session

from mcp_gateway_operator.agentcore.aws import sdk


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> session.Session:
    """A slim session with nothing of this machine's configuration."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return sdk.new_session("eu-west-1")


def without_prose(value: Any) -> Any:
    """Drop documentation, which the slim model does not have."""
    return sdk._without_prose(json.loads(json.dumps(value)))


def test_the_operations_used_are_those_of_the_whole_model(aws: session.Session) -> None:
    """The operations used are those of the whole model."""
    slim = aws.get_component("data_loader").load_service_model(sdk.SERVICE, "service-2")
    whole = loaders.Loader().load_service_model(sdk.SERVICE, "service-2")
    assert set(slim["operations"]) == sdk.OPERATIONS
    for name in sdk.OPERATIONS:
        assert slim["operations"][name] == without_prose(whole["operations"][name])
    assert slim["shapes"] == {name: without_prose(whole["shapes"][name]) for name in slim["shapes"]}
    assert slim["metadata"] == whole["metadata"]


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1"])
def test_endpoints_are_those_of_the_whole_table(aws: session.Session, region: str) -> None:
    """Endpoints are those of the whole table."""
    whole = session.Session()
    for service in (sdk.SERVICE, "sts", "sso", "sso-oidc"):
        urls = [each.create_client(service, region_name=region).meta.endpoint_url for each in (aws, whole)]
        assert urls[0] == urls[1]


def test_absent_data_is_absent(tmp_path: Path) -> None:
    """Absent data is absent."""
    assert sdk.SlimFileLoader().load_file(str(tmp_path / sdk.SERVICE / "service-2")) is None


def test_data_of_another_shape_is_read_as_botocore_reads_it(tmp_path: Path) -> None:
    """Data of another shape is read as botocore reads it."""
    (tmp_path / "endpoints.json").write_text('{"version": 4}', encoding="utf-8")
    assert sdk.SlimFileLoader().load_file(str(tmp_path / "endpoints")) == {"version": 4}


def test_one_attempt_a_call_within_the_time_limits(aws: session.Session) -> None:
    """One attempt a call within the time limits."""
    client = sdk.new_client(aws, user_agent="x/1", connections=16)
    config = client.meta.config
    assert config.retries["total_max_attempts"] == 1
    assert (config.connect_timeout, config.read_timeout) == (3, 10)
    assert config.max_pool_connections == 16


@pytest.mark.parametrize("call_seconds", [5.0, 10.0, 15.0])
def test_connect_and_read_together_stay_inside_a_call(call_seconds: float) -> None:
    """For every client of the session: the credential chain's own, too."""
    aws = sdk.new_session("eu-west-1", call_seconds=call_seconds)
    aws.set_credentials("test", "test")
    for client in (
        sdk.new_client(aws, user_agent="x/1", connections=1),
        sdk.new_sts_client(aws, user_agent="x/1"),
        aws.create_client("sts"),
    ):
        config = client.meta.config
        assert config.connect_timeout + config.read_timeout < call_seconds
