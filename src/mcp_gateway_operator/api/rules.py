"""The rules of the resource beyond sizes and enumerations, each with what to write instead.

Patterns are in the common subset of RE2 (the API server's) and Python's `re`; their sources are the
bedrock-agentcore-control service model and the AgentCore gateway pages of the AWS documentation.
"""

from __future__ import annotations

import re
from typing import Any

from mcp_gateway_operator.api.aws_ids import REGION
from mcp_gateway_operator.api.durations import parse_duration
from mcp_gateway_operator.api.schema import Rule

MINIMUM_SYNC_INTERVAL = 600.0
"""Seconds. AWS bills the indexing of tools, so a shorter interval is refused."""


def matches(pattern: str, message: str) -> Rule:
    """Return the rule that a text is empty (that is, absent) or matches `pattern` from end to end."""
    compiled = re.compile(pattern, re.ASCII)
    return Rule(
        cel=f"self == '' || self.matches(r'^(?:{pattern})$')",
        message=message,
        holds=lambda text: not text or compiled.fullmatch(text) is not None,
    )


def lacks(pattern: str, message: str) -> Rule:
    """Return the rule that `pattern` occurs nowhere in a text."""
    compiled = re.compile(pattern, re.ASCII)
    return Rule(
        cel=f"!self.matches(r'{pattern}')", message=message, holds=lambda text: compiled.search(text) is None
    )


def exactly_one(*names: str, texts: frozenset[str] = frozenset(), message: str) -> Rule:
    """Return the rule that an object has exactly one of two fields; those in `texts` may be "" for absent."""
    first, second = (_has(n) if n in texts else f"has(self.{n})" for n in names)
    return Rule(
        cel=f"{first} != {second}",
        message=message,
        holds=lambda value: sum(value.get(name) not in (None, "") for name in names) == 1,
    )


def _has(name: str) -> str:
    return f"(has(self.{name}) && self.{name} != '')"


CAPABILITIES = (
    Rule(
        cel="'tools' in self",
        message="capabilities must include tools, the capability that AgentCore gateways require: add "
        "'tools'",
        holds=lambda items: "tools" in items,
    ),
)

GATEWAY_ID = (
    lacks(
        r"^\s*arn:",
        "gatewayId takes the gateway's id, not its ARN: write only what follows 'gateway/' at the end of the"
        " ARN, for example tools-abcdefghij",
    ),
    matches(
        r"\s*|\s*arn:.*|\s*[0-9a-zA-Z][0-9a-zA-Z-]*\s*",
        "gatewayId holds letters, digits and dashes: write the id as the console shows it, for example"
        " tools-abcdefghij",
    ),
)

GATEWAY_REF_NAME = (
    matches(
        "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?",
        "name must be the name of an MCPGateway: write lower-case letters, digits, '-' and '.', for example"
        " tools-prod",
    ),
)

TARGET_NAME = (
    matches(
        "([0-9a-zA-Z]-?){1,100}",
        "targetName holds at most 100 letters and digits with single dashes between them: replace other"
        " characters by '-', for example github-tools",
    ),
)

DESCRIPTION = (
    lacks(
        r"\[mcps [^\[\]]*\]",
        "description must not contain text like '[mcps ...]': the operator marks its own targets with it;"
        " remove that part",
    ),
)


RETURN_URL = (
    matches(
        r"\w+:/?/?\S+",
        "oauthDefaultReturnUrl must be a URL without white space: write for example"
        " https://portal.example.com/connected",
    ),
)
PARAMETER_KEYS = (
    Rule(
        cel="self.all(key, size(key) >= 1 && size(key) <= 256)",
        message="oauthCustomParameters must have keys of 1 to 256 characters: shorten or fill in the key",
        holds=lambda parameters: all(1 <= len(key) <= 256 for key in parameters),  # noqa: PLR2004  -- the limits
    ),
)
HEADER = (
    matches(
        "[a-zA-Z0-9_-]+",
        "header names hold letters, digits, '-' and '_': write for example X-Tenant-Id, without a colon or"
        " a value",
    ),
)
SIGNING_SERVICE = (
    matches(
        "[a-zA-Z0-9._-]+",
        "iam.service must be the signing name of an AWS service: write for example bedrock-agentcore,"
        " execute-api or lambda",
    ),
)
SIGNING_REGION = (
    matches(
        REGION,
        "iam.region must be the code of an AWS Region, not its name or a zone of it: write for example"
        " us-east-1",
    ),
)
S3_URI = (
    matches(
        r"s3://[a-zA-Z0-9][a-zA-Z0-9._-]{1,253}[a-zA-Z0-9]/([^\x00-\x1f\x7f]*[^\x00-\x1f\x7f/])",
        "uri must be the address of an S3 object, bucket and key: write for example s3://my-bucket/tools.json",
    ),
)
ACCOUNT_ID = (
    matches(
        "[0-9]{12}",
        "bucketOwnerAccountId must be the 12 digits of an AWS account, in quotes: write for example"
        ' "123456789012"',
    ),
)
TOOL_SCHEMA = (
    exactly_one(
        "inline",
        "s3",
        texts=frozenset({"inline"}),
        message="mcpToolSchema takes exactly one of inline and s3: write one of them, or remove mcpToolSchema"
        " to let AgentCore list the tools itself",
    ),
)


def _long_enough(text: str) -> bool:
    try:
        return parse_duration(text) >= MINIMUM_SYNC_INTERVAL
    except ValueError:
        return True  # the rule on the form reports it


# At most six digits: with the field's 20 characters no interval exceeds the 292 years that CEL can count.
_DURATION = r"([0-9]{1,6}([.][0-9]*)?(ns|us|ms|s|m|h))+"

SYNC_INTERVAL = (
    matches(_DURATION, "toolSync.interval must be a duration with units: write for example 6h or 1h30m"),
    Rule(
        cel=f"!self.matches(r'^{_DURATION}$') || duration(self) >= duration('10m')",
        message="toolSync.interval must be at least 10m, because AWS bills each indexing of tools: write for"
        " example 6h",
        holds=_long_enough,
    ),
)
PRIVATE_ENDPOINT = (
    exactly_one(
        "selfManagedLatticeResource",
        "managedVpcResource",
        message="privateEndpoint takes exactly one of selfManagedLatticeResource and managedVpcResource: "
        "write one of them, or remove privateEndpoint for a server with a public address",
    ),
)
VPC = (
    matches(
        "vpc-([0-9a-z]{8}|[0-9a-z]{17})", "vpcIdentifier must be a VPC id: write for example vpc-0a1b2c3d"
    ),
)
SUBNET = (
    matches(
        "subnet-[0-9a-zA-Z]{8,17}", "subnetIds holds subnet ids: write for example subnet-0a1b2c3d4e5f67890"
    ),
)
SECURITY_GROUP = (
    matches(
        "sg-([0-9a-z]{8}|[0-9a-z]{17})",
        "securityGroupIds holds security group ids: write for example sg-0a1b2c3d",
    ),
)
ROUTING_DOMAIN = (
    matches(
        ".{3,}", "routingDomain must be a domain of at least 3 characters: write for example mcp.internal"
    ),
)
CERTIFICATE = (
    exactly_one(
        "s3",
        "secretsManager",
        message="a certificate configuration takes exactly one of s3 and secretsManager: write one of them",
    ),
)


def _auth(spec: dict[str, Any]) -> str:
    return spec.get("authType") or "OAuth2"


_OTHER_AUTH = "(has(self.authType) && !(self.authType in ['', 'OAuth2']))"


def _auth_block(auth: str, block: str, example: str) -> tuple[Rule, Rule]:
    chosen = f"(has(self.authType) && self.authType == '{auth}')"
    return (
        Rule(
            cel=f"!{chosen} || has(self.{block})",
            message=f"{block} is required when authType is {auth}: write for example {example}",
            holds=lambda spec: _auth(spec) != auth or spec.get(block) is not None,
            field=block,
            reason="FieldValueRequired",
        ),
        Rule(
            cel=f"{chosen} || !has(self.{block})",
            message=f"{block} is only for authType {auth}: remove {block} or set authType: {auth}",
            holds=lambda spec: _auth(spec) == auth or spec.get(block) is None,
            field=block,
            reason="FieldValueForbidden",
        ),
    )


_AUTHORIZATION_CODE = "(has(self.oauthGrantType) && self.oauthGrantType == 'AUTHORIZATION_CODE')"

SPEC = (
    Rule(
        cel=f"{_OTHER_AUTH} || {_has('oauthProviderArn')}",
        message="oauthProviderArn is required when authType is OAuth2, which is the default: write the ARN "
        "of an AgentCore OAuth2 credential provider, or set authType: NoAuth for a server without "
        "authorization",
        holds=lambda spec: _auth(spec) != "OAuth2" or bool(spec.get("oauthProviderArn")),
        field="oauthProviderArn",
        reason="FieldValueRequired",
        ratchet=True,
    ),
    Rule(
        cel=f"!has(self.gatewayRef) || !{_has('gatewayId')}",
        message="gatewayRef and gatewayId name the gateway twice: write one of them",
        holds=lambda spec: spec.get("gatewayRef") is None or not spec.get("gatewayId"),
        field="gatewayRef",
        reason="FieldValueForbidden",
    ),
    *_auth_block("GatewayIamRole", "iam", "iam: {service: bedrock-agentcore}"),
    *_auth_block("ApiKey", "apiKey", "apiKey: {providerArn: ARN of an API key credential provider}"),
    Rule(
        cel=f"!{_has('oauthDefaultReturnUrl')} || {_AUTHORIZATION_CODE}",
        message="oauthDefaultReturnUrl is only for the authorization code grant: remove it or set"
        " oauthGrantType: AUTHORIZATION_CODE",
        holds=lambda spec: (
            not spec.get("oauthDefaultReturnUrl") or spec.get("oauthGrantType") == "AUTHORIZATION_CODE"
        ),
        field="oauthDefaultReturnUrl",
        reason="FieldValueForbidden",
    ),
    Rule(
        cel=f"{_OTHER_AUTH} || !{_AUTHORIZATION_CODE} || !has(self.listingMode)"
        " || self.listingMode != 'DYNAMIC'",
        message="listingMode DYNAMIC cannot be used with oauthGrantType AUTHORIZATION_CODE: set listingMode:"
        " DEFAULT or another grant type",
        holds=lambda spec: (
            _auth(spec) != "OAuth2"
            or spec.get("oauthGrantType") != "AUTHORIZATION_CODE"
            or spec.get("listingMode") != "DYNAMIC"
        ),
        field="listingMode",
    ),
    Rule(
        cel=f"{_OTHER_AUTH} || !has(self.oauthGrantType) || self.oauthGrantType != 'TOKEN_EXCHANGE'"
        " || !has(self.mcpToolSchema)",
        message="mcpToolSchema cannot be used with oauthGrantType TOKEN_EXCHANGE: remove mcpToolSchema or set"
        " another grant type",
        holds=lambda spec: (
            _auth(spec) != "OAuth2"
            or spec.get("oauthGrantType") != "TOKEN_EXCHANGE"
            or spec.get("mcpToolSchema") is None
        ),
        field="mcpToolSchema",
        reason="FieldValueForbidden",
    ),
)

OBJECT = (
    Rule(
        cel="has(self.spec)",
        message="spec is required: write at least endpoint, capabilities and authorization under spec",
        holds=lambda value: value.get("spec") is not None,
        field="spec",
        reason="FieldValueRequired",
        ratchet=True,
    ),
)
