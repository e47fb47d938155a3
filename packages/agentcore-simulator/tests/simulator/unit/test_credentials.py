"""Temporary credentials: roles, web identities, pod identities."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from agentcore_simulator import Request, attach

from .conftest import Simulation
from .refusals import refusal

ROLE = "arn:aws:iam::210987654321:role/team/operator"
SESSION_ARN = "arn:aws:sts::210987654321:assumed-role/operator/pod-1"


def client_with(sim: Simulation, credentials: Any, service: str = "sts") -> Any:
    client = boto3.client(
        service,
        region_name="us-east-1",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    attach(client, sim.engine)
    return client


def web_identity(sim: Simulation, **members: Any) -> Any:
    request = {"RoleArn": ROLE, "RoleSessionName": "pod-1", "WebIdentityToken": "a.b.c", **members}
    return sim.sts.assume_role_with_web_identity(**request)


def test_a_web_identity_becomes_a_session_in_the_account_of_its_role(sim: Simulation) -> None:
    answer = web_identity(sim)
    assert answer["AssumedRoleUser"]["Arn"] == SESSION_ARN
    assert answer["Credentials"]["Expiration"] == datetime.fromtimestamp(sim.now + 3600, UTC)
    identity = client_with(sim, answer["Credentials"]).get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == ("210987654321", SESSION_ARN)
    control = client_with(sim, answer["Credentials"], "bedrock-agentcore-control")
    assert control.list_gateways()["items"] == []  # another account than the default one


def test_a_web_identity_needs_no_signature(sim: Simulation) -> None:
    body = f"Action=AssumeRoleWithWebIdentity&RoleArn={ROLE}&RoleSessionName=pod-1&WebIdentityToken=x"
    assert sim.engine.handle(Request("POST", "/", body=body.encode())).status == 200
    assert sim.engine.handle(Request("POST", "/", body=b"Action=GetCallerIdentity")).status == 403


def test_sessions_expire(sim: Simulation) -> None:
    sim.configure(credential_seconds=1200)
    short = web_identity(sim, DurationSeconds=900)["Credentials"]
    capped = web_identity(sim, DurationSeconds=43200)["Credentials"]
    sim.advance(899)
    client_with(sim, short).get_caller_identity()
    sim.advance(1)
    with refusal("ExpiredToken", 403, "The security token included in the request is expired"):
        client_with(sim, short).get_caller_identity()
    client_with(sim, capped).get_caller_identity()
    sim.advance(300)
    with refusal("ExpiredTokenException", 403):
        client_with(sim, capped, "bedrock-agentcore-control").list_gateways()


def test_a_role_can_be_assumed_by_a_user(sim: Simulation) -> None:
    answer = sim.sts.assume_role(RoleArn=ROLE, RoleSessionName="pod-1")
    assert answer["AssumedRoleUser"]["Arn"] == SESSION_ARN


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"RoleArn": "arn:aws:iam::1:role/x-and-more-of-it"}, "ValidationError"),
        ({"RoleSessionName": "no spaces"}, "ValidationError"),
        ({"DurationSeconds": 899}, "ValidationError"),
        ({"DurationSeconds": 50_000}, "ValidationError"),
    ],
)
def test_bad_requests_are_refused(sim: Simulation, members: dict[str, Any], code: str) -> None:
    body = "&".join(
        f"{key}={value}"
        for key, value in {
            "Action": "AssumeRoleWithWebIdentity",
            "RoleArn": ROLE,
            "RoleSessionName": "pod-1",
            "WebIdentityToken": "x",
            **members,
        }.items()
    )
    answer = sim.engine.handle(Request("POST", "/", body=body.encode()))
    assert answer.status == 400
    assert f"<Code>{code}</Code>".encode() in answer.body


def test_an_empty_web_identity_token_is_refused(sim: Simulation) -> None:
    body = f"Action=AssumeRoleWithWebIdentity&RoleArn={ROLE}&RoleSessionName=pod-1&WebIdentityToken="
    answer = sim.engine.handle(Request("POST", "/", body=body.encode()))
    assert b"InvalidIdentityToken" in answer.body


def test_the_pod_identity_endpoint_gives_credentials_with_an_account(sim: Simulation) -> None:
    answer = sim.engine.handle(Request("GET", "/v1/credentials", headers={"authorization": "token"}))
    credentials = json.loads(answer.body)
    assert credentials["AccountId"] == "123456789012"
    credentials["SessionToken"] = credentials["Token"]
    arn = client_with(sim, credentials).get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::123456789012:assumed-role/pod-identity/eks-simulator"
    assert sim.engine.handle(Request("GET", "/v1/credentials")).status == 403
