"""Requests built from a spec: what AWS's own model accepts, and nothing empty."""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.model import Shape
from botocore.validate import ParamValidator
from hypothesis import given, settings

from agentcore_simulator.protocol.request_validation import service_validator
from mcp_gateway_operator.api.types import ApiKeySpec, MCPServerSpec, McpToolSchema, S3ToolSchema
from mcp_gateway_operator.api.validation import validate
from mcp_gateway_operator.targets.shape import target_request
from tests.unit.targets.builders import GATEWAY, NAME, OURS, TARGET, spec
from tests.unit.targets.strategies import KEY_PROVIDER, specs


@cache
def shape(operation: str) -> Shape:
    """Return an operation's input as the service model has it."""
    model = botocore.session.get_session().get_service_model("bedrock-agentcore-control")
    return model.operation_model(operation).input_shape


def empty_parts(value: Any, path: str = "request") -> list[str]:
    """Return where a request holds an empty text, list or object; a tag's value may be empty."""
    if value in (None, "", [], {}):
        return [path]
    match value:
        case dict():
            members = {key: item for key, item in value.items() if not path.endswith(".tags")}
            return [at for key, item in members.items() for at in empty_parts(item, f"{path}.{key}")]
        case list():
            return [at for index, item in enumerate(value) for at in empty_parts(item, f"{path}[{index}]")]
    return []


@settings(deadline=None)
@given(specs())
def test_aws_accepts_every_request(of: MCPServerSpec) -> None:
    body = target_request(of, name=NAME, mark=OURS)
    for operation, ids in (
        ("CreateGatewayTarget", {"gatewayIdentifier": GATEWAY}),
        ("UpdateGatewayTarget", {"gatewayIdentifier": GATEWAY, "targetId": TARGET}),
    ):
        report = ParamValidator().validate({**body, **ids}, shape(operation))
        assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize(
    ("operation", "ids"),
    [
        ("CreateGatewayTarget", {"gatewayIdentifier": GATEWAY}),
        ("UpdateGatewayTarget", {"gatewayIdentifier": GATEWAY, "targetId": TARGET}),
    ],
)
@settings(deadline=None)
@given(of=specs())
def test_every_request_keeps_to_the_whole_service_model(
    operation: str, ids: dict[str, str], of: MCPServerSpec
) -> None:
    """Patterns, lengths and enumerations too, which botocore leaves to the service."""
    body = target_request(of, name=NAME, mark=OURS)
    sent = {**body, **ids}
    assert service_validator().validate(shape(operation).name, sent) == sent


@settings(deadline=None)
@given(specs())
def test_nothing_empty_is_sent(of: MCPServerSpec) -> None:
    parts = empty_parts(target_request(of, name=NAME, mark=None))
    assert [path for path in parts if not path.endswith(".scopes")] == []


@settings(deadline=None)
@given(specs())
def test_the_generated_specs_are_valid(of: MCPServerSpec) -> None:
    """Or the other tests would prove nothing; rules between fields and of texts are not generated."""
    ignored = (
        "spec.oauth",
        "spec.listingMode",
        "spec.mcpToolSchema",
        "spec.description",
        "spec.privateEndpoint",
    )
    problems = [
        problem for problem in validate(of) if not problem.path.startswith(ignored) and problem.path != "spec"
    ]
    assert problems == []


def test_empty_members_of_plain_values_are_left_out() -> None:
    body = target_request(
        spec(
            private_endpoint={
                "managedVpcResource": {
                    "vpcIdentifier": "vpc-0a1b2c3d",
                    "subnetIds": ["subnet-0a1b2c3d"],
                    "endpointIpAddressType": "IPV4",
                    "securityGroupIds": [],
                    "routingDomain": "",
                    "tags": {"team": "", "cost": "a"},
                },
                "selfManagedLatticeResource": None,
            },
            certificate_configurations=({"s3": {"uri": "s3://b/ca.pem"}, "secretsManager": {}},),
            mcp_tool_schema=McpToolSchema(inline="", s3=S3ToolSchema()),
        ),
        name=NAME,
        mark=None,
    )
    assert body["privateEndpoint"] == {
        "managedVpcResource": {
            "vpcIdentifier": "vpc-0a1b2c3d",
            "subnetIds": ["subnet-0a1b2c3d"],
            "endpointIpAddressType": "IPV4",
            "tags": {"team": "", "cost": "a"},
        }
    }
    assert body["certificateConfigurations"] == [{"s3": {"uri": "s3://b/ca.pem"}}]
    assert body["targetConfiguration"] == {
        "mcp": {"mcpServer": {"endpoint": "https://weather.example.com/mcp"}}
    }
    assert "description" not in body
    assert "metadataConfiguration" not in body


def test_no_authorisation_is_the_absence_of_a_provider() -> None:
    assert "credentialProviderConfigurations" not in target_request(
        spec(auth_type="NoAuth"), name=NAME, mark=None
    )


def test_priority_zero_is_a_priority() -> None:
    body = target_request(spec(resource_priority=0), name=NAME, mark=None)
    assert body["targetConfiguration"]["mcp"]["mcpServer"]["resourcePriority"] == 0


def test_scopes_are_sent_even_when_there_are_none() -> None:
    """The service model requires the member and allows it to be empty."""
    body = target_request(spec(oauth_scopes=()), name=NAME, mark=None)
    (provider,) = body["credentialProviderConfigurations"]
    assert provider["credentialProvider"]["oauthCredentialProvider"]["scopes"] == []


def test_an_api_key_is_sent_as_written() -> None:
    key = ApiKeySpec(provider_arn=KEY_PROVIDER, location="HEADER", parameter_name="X-Key", prefix="Key")
    body = target_request(spec(auth_type="ApiKey", api_key=key), name=NAME, mark=None)
    assert body["credentialProviderConfigurations"] == [
        {
            "credentialProviderType": "API_KEY",
            "credentialProvider": {
                "apiKeyCredentialProvider": {
                    "providerArn": KEY_PROVIDER,
                    "credentialLocation": "HEADER",
                    "credentialParameterName": "X-Key",
                    "credentialPrefix": "Key",
                }
            },
        }
    ]


@pytest.mark.parametrize("length", [174, 175, 200])
def test_a_long_description_gives_way_to_the_marker(length: int) -> None:
    text = "x" * length
    sent = target_request(spec(description=text), name=NAME, mark=OURS)["description"]
    assert sent.endswith(f" [mcps {OURS}]")
    assert len(sent) == min(200, length + len(f" [mcps {OURS}]"))
