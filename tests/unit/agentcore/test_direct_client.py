"""The short way from botocore to the engine, which most tests go, says what the long way says."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ParamValidationError, ReadTimeoutError

import agentcore_simulator
from agentcore_simulator import AdminClient, Engine, Response
from mcp_gateway_operator.agentcore.aws import sdk
from tests.support import direct_client
from tests.support.world import GATEWAY, PROVIDER

TARGET = {
    "gatewayIdentifier": GATEWAY,
    "name": "weather",
    "description": "ä & <b>",
    "targetConfiguration": {"mcp": {"mcpServer": {"endpoint": "https://weather.example.com/mcp?a=b%20c"}}},
    "credentialProviderConfigurations": [
        {
            "credentialProviderType": "OAUTH",
            "credentialProvider": {"oauthCredentialProvider": {"providerArn": PROVIDER, "scopes": ["read"]}},
        }
    ],
    "clientToken": "x" * 40,
}


class Way:
    """A pair of clients on an engine of their own."""

    def __init__(self, attach: Any) -> None:
        self.now = 1_000_000.0
        self.engine = Engine(clock=lambda: self.now)
        self.aws = AdminClient.in_process(self.engine)
        self.aws.create_gateway(GATEWAY)
        session = sdk.new_session("us-east-1")
        session.set_credentials("test", "test")
        self.agentcore: Any = sdk.new_client(session, user_agent="test/0", connections=1)
        self.sts: Any = sdk.new_sts_client(session, user_agent="test/0")
        for client in (self.agentcore, self.sts):
            attach(client, lambda: self.engine)

    def ask(self, operation: str, **given: Any) -> Any:
        """Return the answer, or the error with all that it has."""
        client = self.sts if operation in ("get_caller_identity", "assume_role") else self.agentcore
        try:
            answer = getattr(client, operation)(**given)
        except ClientError as error:
            return (
                type(error).__name__,
                str(error).replace(" (reached max retries: 0)", ""),
                _kept(error.response),
            )
        except (ConnectionClosedError, ReadTimeoutError, ParamValidationError) as error:
            return type(error), str(error).partition('"')[0]
        return _kept(answer)


def _kept(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without what it says of retries, of which there are none."""
    retries = ("RetryAttempts", "MaxAttemptsReached")
    metadata = {name: value for name, value in answer["ResponseMetadata"].items() if name not in retries}
    return {**answer, "ResponseMetadata": metadata}


class Both:
    """The long way and the short one, side by side."""

    def __init__(self) -> None:
        self.ways = [Way(agentcore_simulator.attach), Way(direct_client.attach)]

    def ask(self, operation: str, **given: Any) -> Any:
        """Return what both say alike."""
        long, short = (way.ask(operation, **given) for way in self.ways)
        assert short == long
        return short

    def list(self, most: object = 1000) -> Any:
        """List the targets."""
        return self.ask("list_gateway_targets", gatewayIdentifier=GATEWAY, maxResults=most)

    def pass_time(self, seconds: float) -> None:
        """Let time pass for both."""
        for way in self.ways:
            way.now += seconds


def test_every_answer_is_that_of_botocore_as_it_comes() -> None:
    both = Both()
    made = both.ask("create_gateway_target", **TARGET)
    target = {"gatewayIdentifier": GATEWAY, "targetId": made["targetId"]}
    for seconds in (0, 0, 60, 60):
        both.pass_time(seconds)
        seen = [
            both.list(),
            both.ask("get_gateway_target", **target),
            both.ask("get_gateway", gatewayIdentifier=GATEWAY),
            both.ask("list_gateways", maxResults=1),
        ]
        assert len({each["ResponseMetadata"]["RequestId"] for each in seen}) == len(seen)
    assert seen[0]["items"][0]["status"] == "READY", "the second answer is not the first again"
    changed = {name: value for name, value in TARGET.items() if name not in ("clientToken", "description")}
    both.ask("update_gateway_target", **changed, targetId=made["targetId"])
    assert "description" not in both.ask("get_gateway_target", **target)
    both.ask("synchronize_gateway_targets", gatewayIdentifier=GATEWAY, targetIdList=[made["targetId"]])
    both.ask("get_caller_identity")
    both.ask("assume_role", RoleArn="arn:aws:iam::123456789012:role/x", RoleSessionName="s")
    both.pass_time(60)
    assert both.ask("delete_gateway_target", **target)["status"] == "DELETING"
    both.pass_time(60)
    assert both.list()["items"] == []


def test_an_answer_that_was_changed_is_nobody_elses() -> None:
    both = Both()
    made = both.ask("create_gateway_target", **TARGET)
    target = {"gatewayIdentifier": GATEWAY, "targetId": made["targetId"]}
    for _ in range(2):
        both.list()["items"].append("another")
        both.list()["items"][0]["status"] = "FAILED"
        both.ask("get_gateway_target", **target)["targetConfiguration"]["mcp"].clear()


def test_every_error_is_that_of_botocore_as_it_comes() -> None:
    both = Both()
    missing = {"gatewayIdentifier": GATEWAY, "targetId": "nosuchidxx"}
    for _ in range(2):
        assert both.ask("get_gateway_target", **missing)[0] == "ResourceNotFoundException"
    both.ask("create_gateway_target", **TARGET)
    assert both.ask("create_gateway_target", **{**TARGET, "clientToken": "y" * 40})[0] == "ConflictException"
    for what in ({"code": "ThrottlingException"}, {"kind": "reset"}, {"kind": "hang"}):
        for way in both.ways:
            way.aws.add_fault(operation="ListGatewayTargets", count=1, **what)
        assert isinstance(both.list(), tuple)
    both.list(1000)
    for wrong in (1001, 1000.0, "1000", None):
        assert isinstance(both.list(wrong), tuple)


@pytest.mark.parametrize(
    "answer",
    [Response(200, {}, b'{"items": []}'), Response(200, {}, b"<html>"), Response(503, {}, b"<html>")],
    ids=["without an id", "of a proxy", "of a proxy that fails"],
)
def test_what_aws_never_says_is_read_as_botocore_reads_it(
    answer: Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Both()
    for way in both.ways:
        monkeypatch.setattr(way.engine, "handle", lambda _: answer)
    for _ in range(2):
        both.list()
