"""One MCPGateway, what it permits, and everything that comes close and is refused."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from mcp_gateway_operator.api.mcpgateway import Allow, LabelSelector, MCPGatewaySpec
from mcp_gateway_operator.api.mcpgateway_rules import GatewayArn
from mcp_gateway_operator.api.types import MCPServerSpec
from mcp_gateway_operator.targets.permit import Refusal, Use, refusal

ARN: Final = "arn:aws:bedrock-agentcore:eu-west-1:222222222222:gateway/tools-abcdefghij"
VAULT: Final = "arn:aws:bedrock-agentcore:eu-west-1:222222222222:token-vault/default"
IDP: Final = f"{VAULT}/oauth2credentialprovider/team-a_idp"
KEY: Final = f"{VAULT}/apikeycredentialprovider/team-a_key"
ALLOW: Final = Allow(
    namespaces=LabelSelector(match_labels={"kubernetes.io/metadata.name": "team-a"}),
    auth_types=("OAuth2", "ApiKey", "NoAuth", "GatewayIamRole"),
    grant_types=("CLIENT_CREDENTIALS",),
    endpoints=(
        "https://*.a.mcp.example.com",
        "https://shared.example.com/team-a",
        "https://slash.example.com/team-a/",
        "https://port.example.com:8443",
        "https://spelled.example.com/arn%3Aaws%2Fteam-a",
        "https://192.0.2.7",
    ),
    providers=("${namespace}_*", "shared", "common-*"),
)
POLICY: Final = MCPGatewaySpec(gateway_arn=ARN, allow=(ALLOW,))
PLAIN: Final[dict[str, Any]] = {
    "endpoint": "https://orders.a.mcp.example.com/mcp",
    "capabilities": ["tools"],
    "authType": "OAuth2",
    "oauthProviderArn": IDP,
}

PERMITTED: Final[dict[str, dict[str, Any]]] = {
    "as it is": {},
    "without what is the default": {"authType": ""},
    "two labels deep": {"endpoint": "https://x.y.a.mcp.example.com"},
    "the port spelled that is meant": {"endpoint": "https://orders.a.mcp.example.com:443/mcp"},
    "a query": {"endpoint": "https://orders.a.mcp.example.com/mcp?next=https://x//y/../z%2F"},
    "the prefix itself": {"endpoint": "https://shared.example.com/team-a"},
    "the prefix and a query": {"endpoint": "https://shared.example.com/team-a?v=1"},
    "below the prefix": {"endpoint": "https://shared.example.com/team-a/mcp"},
    "below a prefix with a slash": {"endpoint": "https://slash.example.com/team-a/mcp"},
    "a port that is named": {"endpoint": "https://port.example.com:8443/mcp"},
    "an escape that the entry spells": {"endpoint": "https://spelled.example.com/arn%3Aaws%2Fteam-a/mcp"},
    "an address that the entry spells": {"endpoint": "https://192.0.2.7/mcp"},
    "an escape that is one character": {"endpoint": "https://orders.a.mcp.example.com/a%20b%3Ac"},
    "dots that are a name": {"endpoint": "https://orders.a.mcp.example.com/.well-known/a..b"},
    "a provider that is named": {"oauthProviderArn": f"{VAULT}/oauth2credentialprovider/shared"},
    "a provider by its beginning": {"oauthProviderArn": f"{VAULT}/oauth2credentialprovider/common-x"},
    "a key": {"authType": "ApiKey", "apiKey": {"providerArn": KEY}},
    "nothing to log in with": {"authType": "NoAuth", "oauthProviderArn": ""},
    "the gateway's role": {"authType": "GatewayIamRole", "iam": {"service": "lambda", "region": "eu-west-1"}},
    "adoption declined": {"adoptionPolicy": "Never"},
    "a grant that is not used": {"authType": "NoAuth", "oauthGrantType": "TOKEN_EXCHANGE"},
}

_HOST = "https://orders.a.mcp.example.com"
REFUSED: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    **{
        f"endpoint {endpoint}": ("endpoints", {"endpoint": endpoint})
        for endpoint in (
            # hosts
            "https://a.mcp.example.com/mcp",
            "https://.a.mcp.example.com/mcp",
            "https://x..a.mcp.example.com/mcp",
            "https://xa.mcp.example.com/mcp",
            "https://x.b.mcp.example.com/mcp",
            "https://Orders.a.mcp.example.com/mcp",
            "https://orders.A.mcp.example.com/mcp",
            "https://orders.a.mcp.example.com./mcp",
            "https://orders.a.mcp.example.com.evil.example/mcp",
            "https://a_b.a.mcp.example.com/mcp",
            "https://-x.a.mcp.example.com/mcp",
            "https://x-.a.mcp.example.com/mcp",
            f"https://{'x' * 64}.a.mcp.example.com/mcp",
            f"https://{'x.' * 130}a.mcp.example.com/mcp",
            "https://évil.a.mcp.example.com/mcp",
            "https://x。a.mcp.example.com/mcp",
            "https://%6frders.a.mcp.example.com/mcp",
            "https://evil.example#.a.mcp.example.com/mcp",
            "https://evil.example?.a.mcp.example.com/mcp",
            "https://evil.example/.a.mcp.example.com/mcp",
            "https://evil.example\\.a.mcp.example.com/mcp",
            "https://user@orders.a.mcp.example.com/mcp",
            "https://orders.a.mcp.example.com@evil.example/mcp",
            "https://orders.a.mcp.example.com:443@evil.example/mcp",
            "https://orders.a.mcp.example.com?@evil.example/mcp",
            "https://orders.a.mcp.example.com?\\@evil.example/mcp",
            "https://orders.a.mcp.example.com:443?@evil.example/mcp",
            "https://",
            "https:///mcp",
            "http://orders.a.mcp.example.com/mcp",
            "HTTPS://orders.a.mcp.example.com/mcp",
            "https:/orders.a.mcp.example.com/mcp",
            "//orders.a.mcp.example.com/mcp",
            " https://orders.a.mcp.example.com/mcp",
            "https://orders.a.mcp.example.com/mcp\n",
            "https://orders.a.mcp.example.com\n/mcp",
            "https://[::1]/mcp",
            "https://192.0.2.8/mcp",
            "https://192.0.2.07/mcp",
            "https://192.0.519/mcp",
            "https://3221225991/mcp",
            "https://0xc0000207/mcp",
            "https://0xc0.0.2.7/mcp",
            "https://localhost/mcp",
            # ports
            f"{_HOST}:8443/mcp",
            f"{_HOST}:0443/mcp",
            f"{_HOST}:/mcp",
            f"{_HOST}:4430/mcp",
            "https://port.example.com/mcp",
            "https://port.example.com:443/mcp",
            "https://port.example.com:84430/mcp",
            # paths
            "https://shared.example.com/",
            "https://shared.example.com/team-ab/mcp",
            "https://shared.example.com/Team-a/mcp",
            "https://shared.example.com/team-a/../team-b/mcp",
            "https://shared.example.com/team-a/..",
            "https://shared.example.com/team-a/./mcp",
            "https://shared.example.com/team-a/%2e%2e/team-b/mcp",
            "https://shared.example.com/team-a/.%2E/team-b/mcp",
            "https://shared.example.com/team-a/%252e%252e/team-b/mcp",
            "https://shared.example.com/team-a/..;/team-b/mcp",
            "https://shared.example.com/team-a/..%3b/team-b/mcp",
            "https://shared.example.com/team-a%2F../team-b",
            "https://shared.example.com/team-a%2fteam-b",
            "https://shared.example.com/team-a/%2Fteam-b",
            "https://shared.example.com/team-a/x%2F..%2F..%2Fteam-b",
            "https://shared.example.com/team-a/%5C..%5Cteam-b",
            "https://shared.example.com/team-a/%255c..%255cteam-b",
            "https://shared.example.com/team-a/\\..\\team-b",
            "https://shared.example.com/team-a//team-b",
            "https://shared.example.com//team-a/mcp",
            "https://shared.example.com/x/../team-a/mcp",
            "https://shared.example.com/%74eam-a/mcp",
            "https://shared.example.com/team-a/%00",
            "https://shared.example.com/team-a/%0d%0aHost:%20evil",
            "https://shared.example.com/team-a/..%c0%afteam-b/mcp",
            "https://shared.example.com/team-a/%c0%ae%c0%ae/team-b/mcp",
            "https://shared.example.com/team-a/%EF%BC%8E%EF%BC%8E/team-b/mcp",
            "https://shared.example.com/team-a/..%20/team-b/mcp",
            "https://shared.example.com/team-a/%20../team-b/mcp",
            "https://shared.example.com/team-a/..%3Fx",
            "https://shared.example.com/team-a/..%23x",
            "https://shared.example.com/team-a/%",
            "https://shared.example.com/team-a/%zz",
            "https://shared.example.com/team-a/%2",
            "https://shared.example.com/team-a/%2%66..%2%66team-b",
            "https://shared.example.com/team-a/%25",
            "https://shared.example.com/team-a/%25zz",
            "https://shared.example.com/team-a/%%32%46..",
            "https://shared.example.com/team-a/%25%32%46..%25%32%46team-b",
            "https://shared.example.com/team-a/%7f",
            "https://shared.example.com/team-a/%80",
            "https://shared.example.com/team-a;/mcp",
            "https://shared.example.com/team-a#/mcp",
            "https://shared.example.com/team-a/mcp#x",
            "https://slash.example.com/team-a",
            "https://slash.example.com/team-a//mcp",
            "https://slash.example.com/team-a/../team-b",
            "https://spelled.example.com/arn%3Aaws%2Fteam-ab",
            "https://spelled.example.com/arn%3aaws%2fteam-a/mcp",
            "https://spelled.example.com/arn:aws/team-a/mcp",
            "https://spelled.example.com/arn%3Aaws%2Fteam-a%2Fmcp",
            f"{_HOST}/a%2Fb",
            f"{_HOST}//mcp",
            f"{_HOST}/..",
            # other spellings of a host, a port and a path
            "https://xn--80ak6aa92e.xn--p1ai/mcp",
            "https://a.mcp.example.com.xn--e1afmkfd.com/mcp",
            "https://evil\uff61a.mcp.example.com/mcp",
            "https://@evil.example/.a.mcp.example.com/",
            "https://x:a.mcp.example.com@evil.example/",
            "https:\\\\evil.example/.a.mcp.example.com/",
            "https:///evil.example/.a.mcp.example.com",
            "https://evil.example\t.a.mcp.example.com/mcp",
            f"{_HOST}:+443/mcp",
            f"{_HOST}:65979/mcp",
            "https://[fe80::1%25eth0]/mcp",
            "https://[::ffff:192.0.2.7]/mcp",
            "https://0300.0.2.7/mcp",
            "https://192.000.002.007/mcp",
            "https://shared.example.com/team-a%252f..%252fteam-b",
            "https://shared.example.com/team-a\u2215..\u2215team-b",
            "https://shared.example.com/team-a;/../team-b",
            "https://shared.example.com/team-a%62",
        )
    },
    **{
        f"provider {arn}": ("providers", {"oauthProviderArn": arn})
        for arn in (
            f"{VAULT}/oauth2credentialprovider/team-ab_idp",
            f"{VAULT}/oauth2credentialprovider/team-b_idp",
            f"{VAULT}/oauth2credentialprovider/team-a-idp",
            f"{VAULT}/oauth2credentialprovider/team-a",
            f"{VAULT}/oauth2credentialprovider/Team-a_idp",
            f"{VAULT}/oauth2credentialprovider/sharedx",
            f"{VAULT}/oauth2credentialprovider/xshared",
            f"{VAULT}/oauth2credentialprovider/",
            f"{VAULT}/oauth2credentialprovider/x/team-a_idp",
            f"{VAULT}/apikeycredentialprovider/team-a_key",
            f"{VAULT}/workloadidentity/team-a_idp",
            IDP.replace("222222222222", "333333333333"),
            IDP.replace("eu-west-1", "us-east-1"),
            IDP.replace("arn:aws:", "arn:aws-cn:"),
            IDP.replace("default", "other"),
            IDP.replace("default/", "default/../other/"),
            IDP.replace("bedrock-agentcore", "secretsmanager"),
            IDP.replace("token-vault", "vault"),
            f"{IDP}:x",
            f" {IDP}",
            f"{IDP}\n",
            "team-a_idp",
            f"{VAULT}/oauth2credentialprovider/${{namespace}}_idp",
            f"{VAULT}/oauth2credentialprovider/team-a_{'x' * 130}",
            f"{VAULT}/oauth2credentialprovider/team_a_idp",
            f"{VAULT}/oauth2credentialprovider/team-a_idp/../team-b_idp",
            f"{VAULT}2/oauth2credentialprovider/team-a_idp",
        )
    },
    "a key of the other kind": ("providers", {"authType": "ApiKey", "apiKey": {"providerArn": IDP}}),
    "a key of another": (
        "providers",
        {"authType": "ApiKey", "apiKey": {"providerArn": KEY.replace("team-a_", "team-b_")}},
    ),
    "a key that is not named": ("providers", {"authType": "ApiKey"}),
    "consent": ("grantTypes", {"oauthGrantType": "AUTHORIZATION_CODE"}),
    "exchange": ("grantTypes", {"oauthGrantType": "TOKEN_EXCHANGE"}),
    "a role in another Region": (
        "iam.region",
        {"authType": "GatewayIamRole", "iam": {"service": "lambda", "region": "us-east-1"}},
    ),
    "a private endpoint": (
        "privateEndpoint",
        {
            "privateEndpoint": {
                "selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}
            }
        },
    ),
    "a certificate": (
        "certificateConfigurations",
        {"certificateConfigurations": [{"s3": {"uri": "s3://bucket/ca.pem"}}]},
    ),
    "tools from a bucket": ("mcpToolSchema.s3", {"mcpToolSchema": {"s3": {"uri": "s3://bucket/t"}}}),
    "parameters": ("oauthCustomParameters", {"oauthCustomParameters": {"audience": "x"}}),
    "parameters that are not sent": (
        "oauthCustomParameters",
        {"authType": "NoAuth", "oauthCustomParameters": {"audience": "x"}},
    ),
    "a return address": ("oauthDefaultReturnUrl", {"oauthDefaultReturnUrl": "https://evil.example"}),
    "adoption": ("adoptionPolicy", {"adoptionPolicy": "IfExists"}),
}
"""The rule that refuses, and what is written otherwise than in `PLAIN`."""


def spec_of(written: dict[str, Any]) -> MCPServerSpec:
    """Return `PLAIN` with other fields."""
    return msgspec.convert({**PLAIN, **written}, MCPServerSpec)


def ask(
    written: dict[str, Any] | None = None,
    *,
    policy: MCPGatewaySpec = POLICY,
    namespace: str = "team-a",
    labels: dict[str, str] | None = None,
) -> Refusal | None:
    """Return what the MCPGateway says to a spec, from a namespace that has its own name as label."""
    gateway = GatewayArn.parse(policy.gateway_arn)
    assert gateway is not None
    known = {"kubernetes.io/metadata.name": namespace} if labels is None else labels
    use = Use(namespace=namespace, labels=known, spec=spec_of(written or {}), gateway=gateway)
    return refusal(policy, use)
