"""Accounts and Regions from the credential scope, and STS."""

from __future__ import annotations

import boto3
import pytest

from agentcore_simulator import Request, attach

from .conftest import GATEWAY, Simulation
from .refusals import refusal
from .test_validation import send


def test_accounts_and_regions_live_side_by_side(sim: Simulation) -> None:
    elsewhere = boto3.client(
        "bedrock-agentcore-control",
        region_name="eu-central-1",
        aws_access_key_id="210987654321",
        aws_secret_access_key="x",
    )
    attach(elsewhere, sim.engine)
    assert elsewhere.list_gateways()["items"] == []
    made = elsewhere.create_gateway(
        name="demo", roleArn="arn:aws:iam::210987654321:role/gateway", authorizerType="NONE"
    )
    assert made["gatewayArn"].startswith("arn:aws:bedrock-agentcore:eu-central-1:210987654321:gateway/demo-")
    assert [row["gatewayId"] for row in sim.control.list_gateways()["items"]] == [GATEWAY]


def test_who_am_i(sim: Simulation) -> None:
    answer = sim.sts.get_caller_identity()
    assert answer["Account"] == "123456789012"
    assert answer["Arn"] == "arn:aws:iam::123456789012:user/simulator"
    assert answer["UserId"]
    (entry,) = sim.admin.requests()
    assert entry["operation"] == "sts:GetCallerIdentity"


def test_other_actions_of_sts_say_that_they_are_not_simulated(sim: Simulation) -> None:
    with refusal("InvalidAction", 400, "GetSessionToken"):
        sim.sts.get_session_token()


@pytest.mark.parametrize(
    "authorization",
    [
        "AWS4-HMAC-SHA256 Credential=key/2026/us-east-1/bedrock-agentcore/aws4_request, Signature=0",
        "AWS4-HMAC-SHA256 Credential=key",
        "Bearer abc",
        "AWS4-HMAC-SHA256 Credential=a/20261122/us east/x/aws4_request",
    ],
)
def test_a_scope_that_cannot_be_read_is_access_denied(sim: Simulation, authorization: str) -> None:
    answer = sim.engine.handle(Request("GET", "/gateways/", headers={"authorization": authorization}))
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert b"Credential should be scoped" in answer.body


def test_a_scope_of_another_service_is_an_invalid_signature(sim: Simulation) -> None:
    scope = {"authorization": "AWS4-HMAC-SHA256 Credential=k/20261122/us-east-1/s3/aws4_request, Signature=0"}
    for method, path, query in (("GET", "/gateways/", ""), ("GET", "/", "Action=GetCallerIdentity")):
        answer = sim.engine.handle(Request(method, path, query, scope))
        assert answer.status == 403
        assert (
            b"InvalidSignatureException" in answer.body + answer.headers.get("x-amzn-errortype", "").encode()
        )
        assert b"Credential should be scoped to correct service" in answer.body
    sim.configure(switches={"require_signature": False})
    assert sim.engine.handle(Request("GET", "/gateways/", headers=scope)).status == 200


def test_unsigned_requests_are_refused_unless_allowed(sim: Simulation) -> None:
    assert sim.engine.handle(Request("GET", "/gateways/")).status == 403
    sim.configure(switches={"require_signature": False})
    answer = sim.engine.handle(Request("GET", "/gateways/"))
    assert answer.status == 200
    assert GATEWAY.encode() in answer.body


def test_presigned_urls_carry_a_scope_too(sim: Simulation) -> None:
    query = (
        "Action=GetCallerIdentity&Version=2011-06-15"
        "&X-Amz-Credential=210987654321%2F20261122%2Fus-east-1%2Fsts%2Faws4_request"
    )
    answer = sim.engine.handle(Request("GET", "/", query))
    assert b"<Account>210987654321</Account>" in answer.body


def test_dates_and_request_ids(sim: Simulation) -> None:
    scope = {
        "authorization": "AWS4-HMAC-SHA256 Credential=k/20261122/us-east-1/bedrock-agentcore/aws4_request"
    }
    answer = sim.engine.handle(Request("GET", "/gateways/", headers=scope))
    assert answer.headers["Date"] == "Wed, 18 Nov 2026 12:00:00 GMT"
    assert len(answer.headers["x-amzn-RequestId"]) == 36
    assert send(sim, "GET", "/gateways/")[0] == 200
