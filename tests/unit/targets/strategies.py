"""Valid specs, and what AWS may answer for them."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from mcp_gateway_operator.api.types import ApiKeySpec, IamSpec, MCPServerSpec, McpToolSchema, S3ToolSchema
from mcp_gateway_operator.targets.shape.diff import POLICY_SESSION_HEADER
from tests.unit.targets.builders import ACCOUNT, PROVIDER, REGION

ALPHANUMERIC = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
KEY_PROVIDER = (
    f"arn:aws:bedrock-agentcore:{REGION}:{ACCOUNT}:token-vault/default/apikeycredentialprovider/key"
)


def words(alphabet: str = ALPHANUMERIC, *, longest: int = 12) -> st.SearchStrategy[str]:
    """Texts of at least one character."""
    return st.text(alphabet, min_size=1, max_size=longest)


def optional(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts or absence."""
    return st.just("") | values


HEADERS = st.lists(words("abcXYZ019_-").map(lambda text: f"X-{text}"), max_size=5).map(tuple)
TOOL_SCHEMAS = st.one_of(
    st.none(),
    st.builds(McpToolSchema, inline=st.just('{"tools": []}')),
    st.builds(
        McpToolSchema,
        s3=st.builds(
            S3ToolSchema,
            uri=st.just("s3://my-bucket/tools.json"),
            bucket_owner_account_id=optional(st.just(ACCOUNT)),
        ),
    ),
)
PRIVATE_ENDPOINTS: st.SearchStrategy[dict[str, Any] | None] = st.one_of(
    st.none(),
    st.just({"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}}),
    st.fixed_dictionaries(
        {
            "vpcIdentifier": st.just("vpc-0a1b2c3d"),
            "subnetIds": st.lists(
                st.sampled_from([f"subnet-0000000{digit}" for digit in range(9)]),
                min_size=1,
                max_size=4,
                unique=True,
            ),
            "endpointIpAddressType": st.sampled_from(["IPV4", "IPV6"]),
            "securityGroupIds": st.lists(
                st.sampled_from([f"sg-0000000{digit}" for digit in range(9)]), max_size=3, unique=True
            ),
            "routingDomain": optional(st.just("mcp.internal")),
            "tags": st.dictionaries(words(), optional(words()), max_size=2),
        }
    ).map(lambda resource: {"managedVpcResource": resource}),
)
CERTIFICATES: st.SearchStrategy[tuple[dict[str, Any], ...]] = st.sampled_from(
    [
        (),
        ({"s3": {"uri": "s3://my-bucket/ca.pem"}},),
        ({"secretsManager": {"secretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:ca-AbCdEf"}},),
    ]
)
COMMON: dict[str, Any] = {
    "endpoint": words().map(lambda text: f"https://{text}.example.com/mcp"),
    "capabilities": st.just(("tools",)),
    "description": st.text(max_size=200).filter(lambda text: "[mcps " not in text),
    "allowed_request_headers": HEADERS,
    "allowed_query_parameters": st.lists(words(), max_size=5).map(tuple),
    "allowed_response_headers": HEADERS,
    "listing_mode": st.sampled_from(["", "DEFAULT", "DYNAMIC"]),
    "mcp_tool_schema": TOOL_SCHEMAS,
    "resource_priority": st.none() | st.integers(0, 1000),
    "private_endpoint": PRIVATE_ENDPOINTS,
    "certificate_configurations": CERTIFICATES,
}
AUTHORIZATIONS: tuple[dict[str, Any], ...] = (
    {"auth_type": st.just("NoAuth")},
    {
        "auth_type": st.sampled_from(["", "OAuth2"]),
        "oauth_provider_arn": st.just(PROVIDER),
        "oauth_scopes": st.lists(words(), max_size=4).map(tuple),
        "oauth_grant_type": st.sampled_from(
            ["", "CLIENT_CREDENTIALS", "AUTHORIZATION_CODE", "TOKEN_EXCHANGE"]
        ),
        "oauth_default_return_url": optional(st.just("https://portal.example.com/")),
        "oauth_custom_parameters": st.dictionaries(words(), words(), max_size=3),
    },
    {
        "auth_type": st.just("GatewayIamRole"),
        "iam": st.builds(
            IamSpec, service=st.just("bedrock-agentcore"), region=optional(st.just("eu-west-1"))
        ),
    },
    {
        "auth_type": st.just("ApiKey"),
        "api_key": st.builds(
            ApiKeySpec,
            provider_arn=st.just(KEY_PROVIDER),
            location=st.sampled_from(["", "HEADER", "QUERY_PARAMETER"]),
            parameter_name=optional(words()),
            prefix=optional(words()),
        ),
    },
)


def specs() -> st.SearchStrategy[MCPServerSpec]:
    """Specs that AWS would take."""
    return st.one_of([st.builds(MCPServerSpec, **COMMON, **fields) for fields in AUTHORIZATIONS])


@st.composite
def answers(draw: st.DrawFn, body: dict[str, Any]) -> dict[str, Any]:
    """What AWS may show for a request: reordered, re-cased, defaulted, with nulls and a header of its own."""
    held = copy.deepcopy(body)
    held["metadataConfiguration"] = _metadata(draw, held.get("metadataConfiguration", {}))
    for provider in held.get("credentialProviderConfigurations", ()):
        _credentials(draw, provider)
    server = held["targetConfiguration"]["mcp"]["mcpServer"]
    _default(draw, server, "listingMode", "DEFAULT")
    _default(draw, server, "resourcePriority", 1000)
    resource = (held.get("privateEndpoint") or {}).get("managedVpcResource") or {}
    for kind in ("subnetIds", "securityGroupIds"):
        if kind in resource:
            resource[kind] = draw(st.permutations(resource[kind]))
    for key in ("privateEndpoint", "certificateConfigurations", "credentialProviderConfigurations"):
        _default(draw, held, key, draw(st.sampled_from([[], {}])))
    return held


def _metadata(draw: st.DrawFn, sent: dict[str, list[str]]) -> dict[str, list[str]] | None:
    held: dict[str, list[str]] = {}
    for kind in ("allowedRequestHeaders", "allowedResponseHeaders"):
        names = draw(st.permutations(sent.get(kind, [])))
        held[kind] = [draw(st.sampled_from([name, name.lower(), name.upper()])) for name in names]
    held["allowedQueryParameters"] = draw(st.permutations(sent.get("allowedQueryParameters", [])))
    own = [[], [POLICY_SESSION_HEADER], [POLICY_SESSION_HEADER.title()]]
    held["allowedRequestHeaders"] += draw(st.sampled_from(own))
    return None if not any(held.values()) and draw(st.booleans()) else held


def _credentials(draw: st.DrawFn, provider: dict[str, Any]) -> None:
    (fields,) = provider["credentialProvider"].values()
    match provider["credentialProviderType"]:
        case "OAUTH":
            fields["scopes"] = draw(st.permutations(fields["scopes"]))
        case "GATEWAY_IAM_ROLE":
            _default(draw, fields, "region", REGION)
        case _:
            _default(draw, fields, "credentialLocation", "HEADER")


def _default(draw: st.DrawFn, fields: dict[str, Any], key: str, value: object) -> None:
    """Fill in a field that was not sent, or show it as null, or not at all."""
    if key not in fields and draw(st.booleans()):
        fields[key] = draw(st.sampled_from([value, None]))
