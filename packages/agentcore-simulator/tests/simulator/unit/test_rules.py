"""Rules beyond the model: credentials by target type, headers, policy engine."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import GATEWAY, Simulation, oauth, server
from .refusals import refusal
from .test_targets import LAMBDA, STATIC

KEY_ARN = "arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default/apikeycredentialprovider/key"
ROLE = {"credentialProviderType": "GATEWAY_IAM_ROLE"}
SIGNED_ROLE = {**ROLE, "credentialProvider": {"iamCredentialProvider": {"service": "execute-api"}}}
API_KEY = {
    "credentialProviderType": "API_KEY",
    "credentialProvider": {
        "apiKeyCredentialProvider": {"providerArn": KEY_ARN, "credentialLocation": "HEADER"}
    },
}


@pytest.mark.parametrize(
    "credentials",
    [
        None,
        [SIGNED_ROLE],
        [API_KEY],
        oauth(),
        oauth(scopes=[]),
        oauth("TOKEN_EXCHANGE", customParameters={"subject_token_type": "jwt"}),
        oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/done"),
    ],
)
def test_what_an_mcp_server_target_accepts(sim: Simulation, credentials: Any) -> None:
    answer = sim.create(credentialProviderConfigurations=credentials)
    assert answer["credentialProviderConfigurations"] == (credentials or [])


@pytest.mark.parametrize(
    ("credentials", "text"),
    [
        ([ROLE], "IamCredentialProvider is required for mcpServer targets using IAM authentication"),
        ([{"credentialProviderType": "JWT_PASSTHROUGH"}], "JWT_PASSTHROUGH is not supported"),
        ([{"credentialProviderType": "CALLER_IAM_CREDENTIALS"}], "CALLER_IAM_CREDENTIALS is not supported"),
        ([{"credentialProviderType": "OAUTH"}], "oauthCredentialProvider is required"),
        ([{**API_KEY, "credentialProviderType": "OAUTH"}], "oauthCredentialProvider is required"),
        ([{**SIGNED_ROLE, "credentialProviderType": "API_KEY"}], "apiKeyCredentialProvider is required"),
    ],
)
def test_what_an_mcp_server_target_refuses(sim: Simulation, credentials: Any, text: str) -> None:
    with refusal("ValidationException", 400, text, reason="FieldValidationFailed"):
        sim.create(credentialProviderConfigurations=credentials)


@pytest.mark.parametrize("home", ["eu-west-1:123456789012", "us-east-1:999999999999"])
def test_credential_providers_live_beside_the_gateway(sim: Simulation, home: str) -> None:
    away = KEY_ARN.replace("us-east-1:123456789012", home)
    provider = {"apiKeyCredentialProvider": {"providerArn": away, "credentialLocation": "HEADER"}}
    credentials = [{**API_KEY, "credentialProvider": provider}]
    target = sim.ready()
    with refusal("ValidationException", 400, "same account and Region"):
        sim.create("other", credentialProviderConfigurations=credentials)
    with refusal("ValidationException", 400, "same account and Region"):
        sim.update(target, credentialProviderConfigurations=credentials)
    sim.configure(switches={"foreign_providers": "accept"})
    assert sim.create("other", credentialProviderConfigurations=credentials)["status"] == "CREATING"


def test_static_schemas_and_token_exchange_exclude_each_other(sim: Simulation) -> None:
    with refusal("ValidationException", 400, "TOKEN_EXCHANGE"):
        sim.create(
            targetConfiguration=server(**STATIC), credentialProviderConfigurations=oauth("TOKEN_EXCHANGE")
        )


def test_dynamic_listing_and_consent_exclude_each_other(sim: Simulation) -> None:
    with refusal("ValidationException", 400, "DYNAMIC"):
        sim.create(
            targetConfiguration=server(listingMode="DYNAMIC"),
            credentialProviderConfigurations=oauth("AUTHORIZATION_CODE"),
        )


def test_lambda_targets_take_the_role_and_nothing_else(sim: Simulation) -> None:
    sim.create("role", **LAMBDA)
    for credentials, text in (
        (None, "requires a credential provider"),
        ([SIGNED_ROLE], "IamCredentialProvider is not supported"),
        ([API_KEY], "API_KEY is not supported"),
    ):
        with refusal("ValidationException", 400, text):
            sim.create("other", **{**LAMBDA, "credentialProviderConfigurations": credentials})


RUNTIME: dict[str, Any] = {
    "http": {
        "agentcoreRuntime": {"arn": "arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/r-abcdefghij"}
    }
}


@pytest.mark.parametrize(("authorizer", "accepted"), [("AWS_IAM", True), ("NONE", False)])
def test_caller_credentials_need_an_iam_gateway(sim: Simulation, authorizer: str, accepted: bool) -> None:
    sim.admin.create_gateway("other-abcdefghij", authorizerType=authorizer)
    request: dict[str, Any] = {
        "gatewayIdentifier": "other-abcdefghij",
        "targetConfiguration": RUNTIME,
        "credentialProviderConfigurations": [{"credentialProviderType": "CALLER_IAM_CREDENTIALS"}],
    }
    if accepted:
        answer = sim.create(**request)
        assert answer["protocolType"] == "HTTP"
    else:
        with refusal("ValidationException", 400, "authorizer type"):
            sim.create(**request)


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "AUTHORIZATION",
        "cookie",
        "Host",
        "X-Amzn-Trace-Id",
        "x-amzn-bedrock-agentcore-policy-session-id",
        "X-Amzn-Bedrock-AgentCore-Runtime-Custom-",
        "X-Forwarded-For",
        "Sec-WebSocket-Key",
        "with space",
        "dotted.name",
        ":method",
    ],
)
@pytest.mark.parametrize("member", ["allowedRequestHeaders", "allowedResponseHeaders"])
def test_headers_that_cannot_be_passed_on(sim: Simulation, member: str, name: str) -> None:
    with refusal("ValidationException", 400, name):
        sim.create(metadataConfiguration={member: ["x-tenant", name]})


@pytest.mark.parametrize(
    "name", ["x-tenant", "Mcp-Session-Id", "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Team", "X_Under", "Age"]
)
def test_headers_that_can_be_passed_on(sim: Simulation, name: str) -> None:
    answer = sim.create(metadataConfiguration={"allowedRequestHeaders": [name]})
    assert answer["metadataConfiguration"]["allowedRequestHeaders"] == [name]


SESSION_HEADER = "x-amzn-bedrock-agentcore-policy-session-id"


def test_a_policy_engine_adds_its_header_and_takes_one_place(sim: Simulation) -> None:
    bare = sim.ready("bare")
    some = sim.ready("some", metadataConfiguration={"allowedRequestHeaders": ["x-tenant"]})
    before = sim.get(some)["updatedAt"]
    sim.admin.edit_gateway(GATEWAY, policyEngine=True)
    assert sim.get(bare)["metadataConfiguration"]["allowedRequestHeaders"] == [SESSION_HEADER]
    shown = sim.get(some)
    assert shown["metadataConfiguration"]["allowedRequestHeaders"] == ["x-tenant", SESSION_HEADER]
    assert shown["updatedAt"] == before
    with refusal("ValidationException", 400, SESSION_HEADER):
        sim.update(some, name="some", metadataConfiguration=shown["metadataConfiguration"])
    with refusal("ValidationException", 400, "at most 9"):
        sim.create("ten", metadataConfiguration={"allowedRequestHeaders": [f"x-{n}" for n in range(10)]})
    sim.create("nine", metadataConfiguration={"allowedRequestHeaders": [f"x-{n}" for n in range(9)]})
    sim.admin.edit_gateway(GATEWAY, policyEngine=False)
    assert "metadataConfiguration" not in sim.get(bare)


def test_the_policy_header_can_move_updated_at(sim: Simulation) -> None:
    sim.configure(switches={"policy_header_bumps_updated_at": True})
    target = sim.ready()
    before = sim.get(target)["updatedAt"]
    sim.admin.edit_gateway(GATEWAY, policyEngine=True)
    assert sim.get(target)["updatedAt"] > before
