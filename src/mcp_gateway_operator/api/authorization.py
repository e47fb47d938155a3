"""How the gateway authenticates to the MCP server, beyond OAuth2."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from mcp_gateway_operator.api import rules
from mcp_gateway_operator.api.aws_values import API_KEY_PROVIDER
from mcp_gateway_operator.api.schema import Camel, Field


class AuthType(StrEnum):
    """How the gateway authenticates to the MCP server."""

    OAUTH2 = "OAuth2"
    NO_AUTH = "NoAuth"
    GATEWAY_IAM_ROLE = "GatewayIamRole"
    API_KEY = "ApiKey"


class IamSpec(Camel, frozen=True, kw_only=True):
    """Signing of the gateway's calls with its own IAM role (Signature Version 4)."""

    service: Annotated[
        str,
        Field(
            doc="Signing name of the AWS service that verifies the call: bedrock-agentcore for an AgentCore "
            "Runtime or another gateway, execute-api for API Gateway, lambda for a function URL.",
            required=True,
            min_length=1,
            max_length=64,
            rules=rules.SIGNING_SERVICE,
            example="bedrock-agentcore",
        ),
    ] = ""
    region: Annotated[
        str,
        Field(
            doc="Region to sign for. Default: the gateway's Region.",
            max_length=32,
            rules=rules.SIGNING_REGION,
            example="us-east-1",
        ),
    ] = ""


class ApiKeySpec(Camel, frozen=True, kw_only=True):
    """An API key that the gateway sends with each call."""

    provider_arn: Annotated[
        str,
        Field(
            doc="ARN of the AgentCore API key credential provider that holds the key, in the gateway's "
            "account and Region.",
            required=True,
            min_length=1,
            max_length=2048,
            rules=API_KEY_PROVIDER,
            example="arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default/apikeycredentialprovider/search",
        ),
    ] = ""
    location: Annotated[
        str,
        Field(
            doc="Where the key goes: HEADER or QUERY_PARAMETER. Default: left to AWS.",
            enum=("HEADER", "QUERY_PARAMETER"),
            example="HEADER",
        ),
    ] = ""
    parameter_name: Annotated[
        str,
        Field(
            doc="Name of the header or query parameter that carries the key, at most 64 characters.",
            max_length=64,
            example="X-Api-Key",
        ),
    ] = ""
    prefix: Annotated[
        str,
        Field(
            doc="Text that AWS puts before the key, at most 64 characters.", max_length=64, example="Bearer"
        ),
    ] = ""
