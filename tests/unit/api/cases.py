"""Specs that must be refused and odd ones that must not, by the API server and by the offline checks."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

ARN: Final = "arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default"
OAUTH_ARN: Final = f"{ARN}/oauth2credentialprovider/github"
KEY_ARN: Final = f"{ARN}/apikeycredentialprovider/search"
SECRET_ARN: Final = "arn:aws:secretsmanager:eu-west-1:210987654321:secret:mcp-ca-AbCdEf"
LATTICE_ARN: Final = "arn:aws:vpc-lattice:eu-west-1:123456789012:resourceconfiguration/rcfg-0123456789abcdef0"

GOOD: Final[dict[str, Any]] = {
    "endpoint": "https://mcp.example.com/mcp",
    "capabilities": ["tools"],
    "authType": "NoAuth",
}
OAUTH: Final[dict[str, Any]] = {"authType": "OAuth2", "oauthProviderArn": OAUTH_ARN}
VPC: Final[dict[str, Any]] = {
    "vpcIdentifier": "vpc-0a1b2c3d",
    "subnetIds": ["subnet-0a1b2c3d"],
    "endpointIpAddressType": "IPV4",
}


@dataclass(frozen=True)
class Bad:
    """A change of GOOD (None removes a field), the field it breaks and words on what to write instead."""

    name: str
    change: dict[str, Any]
    path: str
    says: str
    offline: str = ""
    """What the offline check says, where the API server has a sentence of its own."""

    @property
    def spec(self) -> dict[str, Any]:
        """The whole spec."""
        return merged(self.change)


@dataclass(frozen=True)
class Odd:
    """A spec that looks wrong and is legal; `reported` are the paths that the operator reports still."""

    name: str
    change: dict[str, Any]
    reported: tuple[str, ...] = field(default=())

    @property
    def spec(self) -> dict[str, Any]:
        """The whole spec."""
        return merged(self.change)


def merged(change: dict[str, Any]) -> dict[str, Any]:
    """Return GOOD with `change` on top; None removes a field."""
    return {key: value for key, value in {**GOOD, **change}.items() if value is not None}


BAD: Final = (
    Bad("no endpoint", {"endpoint": None}, "spec.endpoint", "Required value", "write for example https://"),
    Bad("empty endpoint", {"endpoint": ""}, "spec.endpoint", "must begin with https://"),
    Bad("plain http", {"endpoint": "http://mcp.example.com"}, "spec.endpoint", "must begin with https://"),
    Bad("no scheme", {"endpoint": "mcp.example.com/mcp"}, "spec.endpoint", "must begin with https://"),
    Bad("no host", {"endpoint": "https:///mcp"}, "spec.endpoint", "must name a host after https://"),
    Bad("only a port", {"endpoint": "https://:8443/mcp"}, "spec.endpoint", "must name a host"),
    Bad("port is a word", {"endpoint": "https://mcp:https/"}, "spec.endpoint", "must have a port"),
    Bad(
        "password",
        {"endpoint": "https://u:p@mcp.example.com"},
        "spec.endpoint",
        "credentials through authType",
    ),
    Bad("fragment", {"endpoint": "https://mcp.example.com/#a"}, "spec.endpoint", "remove '#'"),
    Bad("space", {"endpoint": "https://mcp.example.com/a b"}, "spec.endpoint", "write a space as %20"),
    Bad("line break", {"endpoint": "https://mcp.example.com/mcp\n"}, "spec.endpoint", "white space"),
    Bad(
        "endless endpoint",
        {"endpoint": "https://mcp.example.com/" + "a" * 2048},
        "spec.endpoint",
        "may not be more than 2048",
        "to 2048 characters",
    ),
    Bad("endpoint is a number", {"endpoint": 5}, "spec.endpoint", "must be of type string", "must be a text"),
    Bad("no capabilities", {"capabilities": None}, "spec.capabilities", "Required value", "example [tools]"),
    Bad("empty capabilities", {"capabilities": []}, "spec.capabilities", "add 'tools'"),
    Bad("without tools", {"capabilities": ["resources"]}, "spec.capabilities", "add 'tools'"),
    Bad("gateway ARN", {"gatewayId": f"{ARN}:gateway/tools-abcdefghij"}, "spec.gatewayId", "not its ARN"),
    Bad("gateway ARN in spaces", {"gatewayId": " arn:aws:x "}, "spec.gatewayId", "write only what follows"),
    Bad("gateway with a dot", {"gatewayId": "tools.a"}, "spec.gatewayId", "for example tools-abcdefghij"),
    Bad(
        "target name with _", {"targetName": "git_hub"}, "spec.targetName", "replace other characters by '-'"
    ),
    Bad("target name with --", {"targetName": "git--hub"}, "spec.targetName", "single dashes"),
    Bad("target name begins with -", {"targetName": "-git"}, "spec.targetName", "letters and digits"),
    Bad("target name of 101 letters", {"targetName": "a" * 101}, "spec.targetName", "at most 100"),
    Bad(
        "long description",
        {"description": "a" * 201},
        "spec.description",
        "may not be more than 200",
        "to 200 characters",
    ),
    Bad(
        "description with a mark",
        {"description": "Mine [mcps abcdef/abcdefghijkl]"},
        "spec.description",
        "remove that part",
    ),
    Bad(
        "unknown authType",
        {"authType": "oauth2"},
        "spec.authType",
        'supported values: "", "OAuth2", "NoAuth", "GatewayIamRole", "ApiKey"',
        "write OAuth2",
    ),
    Bad(
        "OAuth2 without provider", {"authType": "OAuth2"}, "spec.oauthProviderArn", "or set authType: NoAuth"
    ),
    Bad("default without provider", {"authType": None}, "spec.oauthProviderArn", "which is the default"),
    Bad("empty provider", {**OAUTH, "oauthProviderArn": ""}, "spec.oauthProviderArn", "is required when"),
    Bad(
        "provider by name",
        {**OAUTH, "oauthProviderArn": "github"},
        "spec.oauthProviderArn",
        "must be the ARN of",
    ),
    Bad(
        "key provider for OAuth2",
        {**OAUTH, "oauthProviderArn": KEY_ARN},
        "spec.oauthProviderArn",
        "must be the ARN of an AgentCore OAuth2 credential provider",
    ),
    Bad(
        "provider of another service",
        {**OAUTH, "oauthProviderArn": OAUTH_ARN.replace("bedrock-agentcore", "secretsmanager")},
        "spec.oauthProviderArn",
        "must be the ARN of",
    ),
    Bad(
        "provider without an account",
        {**OAUTH, "oauthProviderArn": OAUTH_ARN.replace("123456789012", "")},
        "spec.oauthProviderArn",
        "must be the ARN of",
    ),
    Bad("empty scope", {**OAUTH, "oauthScopes": [""]}, "spec.oauthScopes[0]", "at least 1", "too short"),
    Bad(
        "long scope",
        {**OAUTH, "oauthScopes": ["a" * 65]},
        "spec.oauthScopes[0]",
        "may not be more than 64",
        "to 64 characters",
    ),
    Bad(
        "101 scopes",
        {**OAUTH, "oauthScopes": [f"s{n}" for n in range(101)]},
        "spec.oauthScopes",
        "must have at most 100 items",
        "at most 100 are allowed",
    ),
    Bad(
        "unknown grant",
        {**OAUTH, "oauthGrantType": "client_credentials"},
        "spec.oauthGrantType",
        "CLIENT_CREDENTIALS",
    ),
    Bad(
        "return URL without consent",
        {**OAUTH, "oauthDefaultReturnUrl": "https://a.example.com"},
        "spec.oauthDefaultReturnUrl",
        "oauthGrantType: AUTHORIZATION_CODE",
    ),
    Bad(
        "return URL with a space",
        {**OAUTH, "oauthGrantType": "AUTHORIZATION_CODE", "oauthDefaultReturnUrl": "https://a b"},
        "spec.oauthDefaultReturnUrl",
        "must be a URL without white space",
    ),
    Bad(
        "11 parameters",
        {**OAUTH, "oauthCustomParameters": {f"k{n}": "v" for n in range(11)}},
        "spec.oauthCustomParameters",
        "must have at most 10",
        "at most 10 are allowed",
    ),
    Bad(
        "empty parameter key",
        {**OAUTH, "oauthCustomParameters": {"": "v"}},
        "spec.oauthCustomParameters",
        "keys of 1 to 256 characters",
    ),
    Bad("iam missing", {"authType": "GatewayIamRole"}, "spec.iam", "write for example iam:"),
    Bad("iam unused", {"iam": {"service": "lambda"}}, "spec.iam", "set authType: GatewayIamRole"),
    Bad(
        "iam without service",
        {"authType": "GatewayIamRole", "iam": {"region": "us-east-1"}},
        "spec.iam.service",
        "Required value",
        "write for example bedrock-agentcore",
    ),
    Bad(
        "service with a space",
        {"authType": "GatewayIamRole", "iam": {"service": "api gateway"}},
        "spec.iam.service",
        "execute-api or lambda",
    ),
    Bad(
        "region with a space",
        {"authType": "GatewayIamRole", "iam": {"service": "lambda", "region": "us east"}},
        "spec.iam.region",
        "for example us-east-1",
    ),
    Bad(
        "apiKey missing", {"authType": "ApiKey"}, "spec.apiKey", "apiKey is required when authType is ApiKey"
    ),
    Bad("apiKey unused", {"apiKey": {"providerArn": KEY_ARN}}, "spec.apiKey", "set authType: ApiKey"),
    Bad(
        "apiKey by name",
        {"authType": "ApiKey", "apiKey": {"providerArn": "search"}},
        "spec.apiKey.providerArn",
        "apikeycredentialprovider/search",
    ),
    Bad(
        "OAuth2 provider for a key",
        {"authType": "ApiKey", "apiKey": {"providerArn": OAUTH_ARN}},
        "spec.apiKey.providerArn",
        "an AgentCore API key credential provider",
    ),
    Bad(
        "zone for a Region",
        {"authType": "GatewayIamRole", "iam": {"service": "lambda", "region": "us-east-1a"}},
        "spec.iam.region",
        "not its name or a zone of it",
    ),
    Bad(
        "apiKey in the body",
        {"authType": "ApiKey", "apiKey": {"providerArn": KEY_ARN, "location": "BODY"}},
        "spec.apiKey.location",
        "write one of HEADER, QUERY_PARAMETER",
    ),
    Bad(
        "long key parameter",
        {"authType": "ApiKey", "apiKey": {"providerArn": KEY_ARN, "parameterName": "a" * 65}},
        "spec.apiKey.parameterName",
        "may not be more than 64",
        "to 64 characters",
    ),
    Bad(
        "header with its value",
        {"allowedRequestHeaders": ["X-Tenant: a"]},
        "spec.allowedRequestHeaders[0]",
        "without a colon or a value",
    ),
    Bad(
        "response header with a space",
        {"allowedResponseHeaders": ["X-Ok", "X Tenant"]},
        "spec.allowedResponseHeaders[1]",
        "for example X-Tenant-Id",
    ),
    Bad(
        "11 headers",
        {"allowedRequestHeaders": [f"X-{n}" for n in range(11)]},
        "spec.allowedRequestHeaders",
        "must have at most 10 items",
        "at most 10 are allowed",
    ),
    Bad(
        "long query parameter",
        {"allowedQueryParameters": ["a" * 41]},
        "spec.allowedQueryParameters[0]",
        "may not be more than 40",
        "to 40 characters",
    ),
    Bad("unknown listing", {"listingMode": "LIVE"}, "spec.listingMode", "DYNAMIC"),
    Bad(
        "DYNAMIC with consent",
        {**OAUTH, "oauthGrantType": "AUTHORIZATION_CODE", "listingMode": "DYNAMIC"},
        "spec.listingMode",
        "set listingMode: DEFAULT",
    ),
    Bad("empty tool schema", {"mcpToolSchema": {}}, "spec.mcpToolSchema", "exactly one of inline and s3"),
    Bad(
        "both tool schemas",
        {"mcpToolSchema": {"inline": "{}", "s3": {"uri": "s3://bucket/k"}}},
        "spec.mcpToolSchema",
        "exactly one of inline and s3",
    ),
    Bad(
        "big tool schema",
        {"mcpToolSchema": {"inline": "a" * 131073}},
        "spec.mcpToolSchema.inline",
        "may not be more than 131072",
        "to 131072 characters",
    ),
    Bad(
        "tool schema over https",
        {"mcpToolSchema": {"s3": {"uri": "https://b.s3.amazonaws.com/k"}}},
        "spec.mcpToolSchema.s3.uri",
        "for example s3://",
    ),
    Bad(
        "tool schema without a key",
        {"mcpToolSchema": {"s3": {"uri": "s3://my-bucket/"}}},
        "spec.mcpToolSchema.s3.uri",
        "bucket and key",
    ),
    Bad(
        "tool schema in a folder",
        {"mcpToolSchema": {"s3": {"uri": "s3://my-bucket/tools/"}}},
        "spec.mcpToolSchema.s3.uri",
        "bucket and key",
    ),
    Bad(
        "tool schema in a placeholder",
        {"mcpToolSchema": {"s3": {"uri": "s3://<bucket>/tools.json"}}},
        "spec.mcpToolSchema.s3.uri",
        "for example s3://",
    ),
    Bad(
        "short account",
        {"mcpToolSchema": {"s3": {"uri": "s3://bucket/k", "bucketOwnerAccountId": "123"}}},
        "spec.mcpToolSchema.s3.bucketOwnerAccountId",
        "the 12 digits",
    ),
    Bad(
        "account as a number",
        {"mcpToolSchema": {"s3": {"uri": "s3://bucket/k", "bucketOwnerAccountId": 123456789012}}},
        "spec.mcpToolSchema.s3.bucketOwnerAccountId",
        "must be of type string",
        "write it in quotes",
    ),
    Bad(
        "tool schema with token exchange",
        {**OAUTH, "oauthGrantType": "TOKEN_EXCHANGE", "mcpToolSchema": {"inline": "{}"}},
        "spec.mcpToolSchema",
        "remove mcpToolSchema",
    ),
    Bad(
        "high priority",
        {"resourcePriority": 1001},
        "spec.resourcePriority",
        "less than or equal to 1000",
        "from 0 to 1000",
    ),
    Bad(
        "negative priority",
        {"resourcePriority": -1},
        "spec.resourcePriority",
        "greater than or equal to 0",
        "from 0 to 1000",
    ),
    Bad("empty private endpoint", {"privateEndpoint": {}}, "spec.privateEndpoint", "write one of them"),
    Bad(
        "lattice resource by name",
        {
            "privateEndpoint": {
                "selfManagedLatticeResource": {"resourceConfigurationIdentifier": "my-lattice-config-01"}
            }
        },
        "spec.privateEndpoint.selfManagedLatticeResource.resourceConfigurationIdentifier",
        "for example rcfg-",
    ),
    Bad(
        "ARN of a lattice service",
        {
            "privateEndpoint": {
                "selfManagedLatticeResource": {
                    "resourceConfigurationIdentifier": "arn:aws:vpc-lattice:us-east-1:123456789012:service/s"
                }
            }
        },
        "spec.privateEndpoint.selfManagedLatticeResource.resourceConfigurationIdentifier",
        "for example rcfg-",
    ),
    Bad(
        "vpc by name",
        {"privateEndpoint": {"managedVpcResource": {**VPC, "vpcIdentifier": "main"}}},
        "spec.privateEndpoint.managedVpcResource.vpcIdentifier",
        "for example vpc-",
    ),
    Bad(
        "vpc without subnets",
        {"privateEndpoint": {"managedVpcResource": {**VPC, "subnetIds": None}}},
        "spec.privateEndpoint.managedVpcResource.subnetIds",
        "Required value",
        "for example [subnet-",
    ),
    Bad(
        "two certificates",
        {"certificateConfigurations": [{"s3": {"uri": "s3://bucket/1"}}, {"s3": {"uri": "s3://bucket/2"}}]},
        "spec.certificateConfigurations",
        "must have at most 1 item",
        "at most 1 are allowed",
    ),
    Bad(
        "empty certificate",
        {"certificateConfigurations": [{}]},
        "spec.certificateConfigurations[0]",
        "exactly one of s3 and secretsManager",
    ),
    Bad(
        "certificate by secret name",
        {"certificateConfigurations": [{"secretsManager": {"secretArn": "mcp-ca"}}]},
        "spec.certificateConfigurations[0].secretsManager.secretArn",
        "for example arn:aws:secretsmanager:",
    ),
    Bad(
        "certificate by the ARN of a parameter",
        {
            "certificateConfigurations": [
                {"secretsManager": {"secretArn": "arn:aws:ssm:us-east-1:123456789012:parameter/ca"}}
            ]
        },
        "spec.certificateConfigurations[0].secretsManager.secretArn",
        "for example arn:aws:secretsmanager:",
    ),
    Bad("interval in words", {"toolSync": {"interval": "daily"}}, "spec.toolSync.interval", "for example 6h"),
    Bad("interval without unit", {"toolSync": {"interval": "600"}}, "spec.toolSync.interval", "with units"),
    Bad("short interval", {"toolSync": {"interval": "9m59s"}}, "spec.toolSync.interval", "at least 10m"),
    Bad("unknown deletion policy", {"deletionPolicy": "Keep"}, "spec.deletionPolicy", "Retain"),
    Bad("unknown drift policy", {"driftPolicy": "Ignore"}, "spec.driftPolicy", "Report"),
    Bad("unknown management policy", {"managementPolicy": "Off"}, "spec.managementPolicy", "Observe"),
    Bad("unknown adoption policy", {"adoptionPolicy": "Always"}, "spec.adoptionPolicy", "IfExists"),
    Bad(
        "unknown field",
        {"oauthScope": ["a"]},
        "spec.oauthScope",
        "unknown field",
        "did you mean oauthScopes?",
    ),
    Bad(
        "unknown nested field",
        {"toolSync": {"intervall": "6h"}},
        "spec.toolSync.intervall",
        "unknown field",
        "did you mean interval?",
    ),
)

ODD: Final = (
    Odd("empty gatewayId", {"gatewayId": ""}),
    Odd("gatewayId of spaces", {"gatewayId": "  "}),
    Odd("gatewayId in spaces", {"gatewayId": " tools-abcdefghij\n"}),
    Odd("gatewayId that AWS never gave", {"gatewayId": "my-gateway"}, ("spec.gatewayId",)),
    Odd("empty targetName", {"targetName": ""}),
    Odd("targetName ends with a dash", {"targetName": "github-"}),
    Odd("targetName of 100 letters and 100 dashes", {"targetName": "a-" * 100}),
    Odd("empty description", {"description": ""}),
    Odd("description in brackets", {"description": "[beta] mcps [internal]"}),
    Odd("empty authType", {**OAUTH, "authType": ""}),
    Odd("default authType", {**OAUTH, "authType": None}),
    Odd("no scopes", {**OAUTH, "oauthScopes": []}),
    Odd("empty provider without OAuth2", {"oauthProviderArn": "", "oauthScopes": []}),
    Odd("left-over provider without OAuth2", {"oauthProviderArn": OAUTH_ARN, "oauthScopes": ["repo"]}),
    Odd(
        "provider in the older form",
        {**OAUTH, "oauthProviderArn": OAUTH_ARN.replace("bedrock-agentcore", "acps")},
    ),
    Odd("empty header lists", {"allowedRequestHeaders": [], "allowedResponseHeaders": []}),
    Odd("empty query parameters", {"allowedQueryParameters": []}),
    Odd(
        "forbidden request header",
        {"allowedRequestHeaders": ["Authorization", "X-Tenant"]},
        ("spec.allowedRequestHeaders",),
    ),
    Odd(
        "forbidden response header",
        {"allowedResponseHeaders": ["set-cookie"]},
        ("spec.allowedResponseHeaders",),
    ),
    Odd("header twice", {"allowedRequestHeaders": ["X-Tenant", "x-tenant"]}),
    Odd("capabilities twice", {"capabilities": ["tools", "tools", "prompts"]}),
    Odd("endpoint is an address", {"endpoint": "https://[2001:db8::1]:8443/mcp?x=@y:z"}),
    Odd("endpoint in capitals", {"endpoint": "https://MCP.Example.COM"}),
    Odd(
        "endpoint of a Runtime",
        {
            "endpoint": "https://bedrock-agentcore.us-east-1.amazonaws.com/runtimes/"
            "arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A123456789012%3Aruntime%2Fa/invocations?qualifier=DEFAULT"
        },
    ),
    Odd(
        "empty enumerations",
        {
            "oauthGrantType": "",
            "listingMode": "",
            "deletionPolicy": "",
            "driftPolicy": "",
            "managementPolicy": "",
            "adoptionPolicy": "",
        },
    ),
    Odd("empty return URL", {**OAUTH, "oauthDefaultReturnUrl": ""}),
    Odd("empty parameters", {**OAUTH, "oauthCustomParameters": {}}),
    Odd(
        "empty key options",
        {"authType": "ApiKey", "apiKey": {"providerArn": KEY_ARN, "location": "", "prefix": ""}},
    ),
    Odd("empty region", {"authType": "GatewayIamRole", "iam": {"service": "lambda", "region": ""}}),
    Odd("empty inline beside s3", {"mcpToolSchema": {"inline": "", "s3": {"uri": "s3://bucket/k"}}}),
    Odd("no certificates", {"certificateConfigurations": []}),
    Odd("empty interval", {"toolSync": {"interval": ""}}),
    Odd("interval in several units", {"toolSync": {"interval": "1h30m0.5s"}}),
    Odd("priority zero", {"resourcePriority": 0}),
    Odd("private through a VPC", {"privateEndpoint": {"managedVpcResource": {**VPC, "tags": {"team": ""}}}}),
    Odd(
        "provider in another partition",
        {**OAUTH, "oauthProviderArn": OAUTH_ARN.replace("arn:aws:", "arn:aws-us-gov:")},
    ),
    Odd(
        "certificate in another partition than the provider",
        {
            **OAUTH,
            "certificateConfigurations": [
                {"secretsManager": {"secretArn": SECRET_ARN.replace("aws", "aws-cn", 1)}}
            ],
        },
        ("spec.certificateConfigurations[0].secretsManager.secretArn",),
    ),
    Odd(
        "Lattice resource in another Region than the provider",
        {
            **OAUTH,
            "privateEndpoint": {
                "selfManagedLatticeResource": {"resourceConfigurationIdentifier": LATTICE_ARN}
            },
        },
        ("spec.privateEndpoint.selfManagedLatticeResource.resourceConfigurationIdentifier",),
    ),
    Odd(
        "Lattice resource in another Region than a provider that is not used",
        {
            "oauthProviderArn": OAUTH_ARN,
            "privateEndpoint": {
                "selfManagedLatticeResource": {"resourceConfigurationIdentifier": LATTICE_ARN}
            },
        },
    ),
    Odd(
        "certificate in another Region",
        {**OAUTH, "certificateConfigurations": [{"secretsManager": {"secretArn": SECRET_ARN}}]},
    ),
    Odd("tools that are no JSON", {"mcpToolSchema": {"inline": "tools: []"}}, ("spec.mcpToolSchema.inline",)),
    Odd(
        "tools in a JSON-RPC message",
        {"mcpToolSchema": {"inline": '{"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "a"}]}}'}},
        ("spec.mcpToolSchema.inline",),
    ),
    Odd("tools in a map", {"mcpToolSchema": {"inline": '{"a": {}}'}}, ("spec.mcpToolSchema.inline",)),
    Odd(
        "tools nested without end",
        {"mcpToolSchema": {"inline": "[" * 50_000}},
        ("spec.mcpToolSchema.inline",),
    ),
    Odd(
        "a tool without a name",
        {"mcpToolSchema": {"inline": '[{"name": ""}]'}},
        ("spec.mcpToolSchema.inline",),
    ),
    Odd(
        "two tools of one name",
        {"mcpToolSchema": {"inline": '{"tools": [{"name": "a"}, {"name": "a"}]}'}},
        ("spec.mcpToolSchema.inline",),
    ),
    Odd(
        "1001 tools",
        {"mcpToolSchema": {"inline": json.dumps([{"name": f"t{n}"} for n in range(1001)])}},
        ("spec.mcpToolSchema.inline",),
    ),
    Odd(
        "a tool of 257 characters",
        {"mcpToolSchema": {"inline": json.dumps([{"name": "a" * 257}])}},
        ("spec.mcpToolSchema.inline",),
    ),
    Odd("a bare list of tools", {"mcpToolSchema": {"inline": '[{"name": "a"}, {"name": "b", "title": 5}]'}}),
)
