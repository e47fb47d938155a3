"""What a user writes in an MCPServer: every field with its meaning, its limits and its rules."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mcp_gateway_operator.api import rules
from mcp_gateway_operator.api.authorization import ApiKeySpec, AuthType, IamSpec
from mcp_gateway_operator.api.aws_ids import is_gateway_id
from mcp_gateway_operator.api.aws_values import OAUTH_PROVIDER
from mcp_gateway_operator.api.endpoints import ENDPOINT
from mcp_gateway_operator.api.private import CertificateConfiguration, PrivateEndpoint
from mcp_gateway_operator.api.schema import Camel, Field
from mcp_gateway_operator.api.tools import McpToolSchema, ToolSync

_HEADER = Field(doc="", min_length=1, max_length=100, rules=rules.HEADER)


class GatewayRef(Camel, frozen=True, kw_only=True):
    """Names an MCPGateway."""

    name: Annotated[
        str,
        Field(
            doc="Name of the MCPGateway.",
            required=True,
            min_length=1,
            max_length=253,
            rules=rules.GATEWAY_REF_NAME,
            example="tools-prod",
        ),
    ] = ""


class MCPServerSpec(Camel, frozen=True, kw_only=True):
    """What the user wants; an empty string and an empty list mean absent everywhere."""

    endpoint: Annotated[
        str,
        Field(
            doc="Address of the MCP server: an https URL that the gateway can reach, at most 2048 "
            "characters. AgentCore connects to it when the target is made or changed and on every call of a "
            "tool, so its certificate must be publicly trusted unless certificateConfigurations names a "
            "private authority. Percent-encode an ARN inside the path.",
            required=True,
            max_length=2048,
            rules=ENDPOINT,
            example="https://mcp.example.com/mcp",
            old={"pattern": "^https://.*"},
        ),
    ] = ""
    capabilities: Annotated[
        tuple[str, ...],
        Field(
            doc="What the MCP server offers. The list must include tools, which AgentCore gateways require; "
            "other MCP capabilities (prompts, resources) may be listed for the reader's sake and change "
            "nothing at AWS.",
            required=True,
            min_items=1,
            max_items=16,
            item=Field(doc="", max_length=64),
            rules=rules.CAPABILITIES,
            example="[tools]",
            old={"minItems": 1},
        ),
    ] = ()
    gateway_id: Annotated[
        str,
        Field(
            doc="Id (not the ARN) of the AgentCore gateway that gets the target. Default: the gateway where "
            "the target is now, else the operator's --gateway-id. A change moves the target: one is made in "
            "the new gateway, and the old one is deleted when that is READY. White space around it is "
            "ignored.",
            max_length=256,
            rules=rules.GATEWAY_ID,
            example="tools-abcdefghij",
            old={},
        ),
    ] = ""
    gateway_ref: Annotated[
        GatewayRef | None,
        Field(
            doc="The MCPGateway, an object of the platform team's, that names the gateway and says who may "
            "use it. In place of gatewayId. A change to one of another gateway moves the target, as with "
            "gatewayId.",
            example="{name: tools-prod}",
        ),
    ] = None
    target_name: Annotated[
        str,
        Field(
            doc="Name of the target in the gateway, where it is unique: at most 100 letters and digits with "
            "single dashes between them. Default: metadata.name, with dots and runs of dashes turned into "
            "single dashes. Agents see each tool as NAME___TOOL and many models take 64 characters at most, "
            "so keep it short; a change renames every tool.",
            max_length=200,
            rules=rules.TARGET_NAME,
            example="github-tools",
            old={},
        ),
    ] = ""
    description: Annotated[
        str,
        Field(
            doc="What the server is for, at most 200 characters. AWS shows it in the console and in lists "
            "of targets. The operator adds its ownership marker at the end, and shortens the text at AWS "
            "when both do not fit.",
            max_length=200,
            rules=rules.DESCRIPTION,
            example="Issues and pull requests of our GitHub organisation",
            old={},
        ),
    ] = ""
    auth_type: Annotated[
        str,
        Field(
            doc="How the gateway authenticates to the server: OAuth2 (the default; needs oauthProviderArn), "
            "NoAuth, GatewayIamRole (signs with the gateway's role; needs iam) or ApiKey (needs apiKey). "
            "The oauth fields are ignored unless it is OAuth2.",
            default="OAuth2",
            enum=tuple(AuthType),
            example="OAuth2",
            old={"enum": ["", *AuthType], "default": "OAuth2"},
        ),
    ] = ""
    oauth_provider_arn: Annotated[
        str,
        Field(
            doc="ARN of the AgentCore OAuth2 credential provider from which the gateway gets its tokens. "
            "Required when authType is OAuth2. It must be in the gateway's account and Region.",
            max_length=2048,
            rules=OAUTH_PROVIDER,
            example="arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default/oauth2credentialprovider/github",
            old={},
        ),
    ] = ""
    oauth_scopes: Annotated[
        tuple[str, ...],
        Field(
            doc="Scopes that the gateway asks for, at most 100 of at most 64 characters each. Default: "
            "none, which is legal where the identity provider needs no scope.",
            max_items=100,
            item=Field(doc="", min_length=1, max_length=64),
            example="[repo, read:org]",
            old={},
        ),
    ] = ()
    oauth_grant_type: Annotated[
        str,
        Field(
            doc="OAuth2 grant: CLIENT_CREDENTIALS (the default: the gateway acts as itself), "
            "AUTHORIZATION_CODE (a person consents at status.authorizationUrl) or TOKEN_EXCHANGE (the "
            "caller's token is exchanged for one of the server).",
            enum=("CLIENT_CREDENTIALS", "AUTHORIZATION_CODE", "TOKEN_EXCHANGE"),
            example="CLIENT_CREDENTIALS",
        ),
    ] = ""
    oauth_default_return_url: Annotated[
        str,
        Field(
            doc="Where AWS sends the browser after consent, at most 2048 characters. Only for the grant "
            "AUTHORIZATION_CODE.",
            max_length=2048,
            rules=rules.RETURN_URL,
            example="https://portal.example.com/connected",
        ),
    ] = ""
    oauth_custom_parameters: Annotated[
        dict[str, str],
        Field(
            doc="Further parameters for the identity provider's token endpoint, at most 10, for example "
            "audience or subject_token_type.",
            max_properties=10,
            item=Field(doc="", min_length=1, max_length=2048),
            rules=rules.PARAMETER_KEYS,
            example="{audience: https://api.example.com}",
        ),
    ] = msgspec.field(default_factory=dict)
    iam: Annotated[
        IamSpec | None,
        Field(
            doc="How the gateway signs its calls with its IAM role. Required when authType is "
            "GatewayIamRole, and only allowed then. The server must verify AWS signatures: a plain load "
            "balancer or ingress does not.",
            example="{service: bedrock-agentcore}",
        ),
    ] = None
    api_key: Annotated[
        ApiKeySpec | None,
        Field(
            doc="The API key that the gateway sends. Required when authType is ApiKey, and only allowed "
            "then.",
            example="{providerArn: arn:aws:..., location: HEADER, parameterName: X-Api-Key}",
        ),
    ] = None
    allowed_request_headers: Annotated[
        tuple[str, ...],
        Field(
            doc="Headers of the agent's request that the gateway passes on to the server, at most 10 names "
            "(9 on a gateway with a policy engine, which adds one of its own). AWS refuses Authorization "
            "and other standard headers; the operator then reports a ValidationError that names them.",
            max_items=10,
            item=_HEADER,
            example="[X-Tenant-Id]",
            old={},
        ),
    ] = ()
    allowed_query_parameters: Annotated[
        tuple[str, ...],
        Field(
            doc="Query parameters of the agent's request that the gateway passes on to the server, at most "
            "10 names of at most 40 characters.",
            max_items=10,
            item=Field(doc="", min_length=1, max_length=40),
            example="[version]",
            old={},
        ),
    ] = ()
    allowed_response_headers: Annotated[
        tuple[str, ...],
        Field(
            doc="Headers of the server's answer that the gateway passes back to the agent, at most 10 "
            "names. The same names are refused as in allowedRequestHeaders.",
            max_items=10,
            item=_HEADER,
            example="[X-Request-Id]",
            old={},
        ),
    ] = ()
    listing_mode: Annotated[
        str,
        Field(
            doc="DEFAULT: AWS indexes the tools when the target is made, changed or synchronized, and "
            "serves that list. DYNAMIC: AWS asks the server at each listing; no semantic search, not with "
            "AUTHORIZATION_CODE, and READY does not prove that the server answers. Default: DEFAULT.",
            enum=("DEFAULT", "DYNAMIC"),
            example="DEFAULT",
        ),
    ] = ""
    mcp_tool_schema: Annotated[
        McpToolSchema | None,
        Field(
            doc="A static list of tools, inline or in S3. AWS then never asks the server for its tools, and "
            "there is nothing to synchronize. Not with the grant TOKEN_EXCHANGE. Default: AWS lists the "
            "tools itself.",
            rules=rules.TOOL_SCHEMA,
            example="{s3: {uri: s3://my-bucket/tools.json}}",
        ),
    ] = None
    resource_priority: Annotated[
        int | None,
        Field(
            doc="Which target serves a resource URI that several targets offer: 0 to 1000, the lowest wins. "
            "Default: 1000.",
            minimum=0,
            maximum=1000,
            example="100",
        ),
    ] = None
    private_endpoint: Annotated[
        dict[str, object] | None,
        Field(
            doc="How the gateway reaches a server that has no public address, through VPC Lattice: a "
            "resource configuration of your own, or a VPC in which AWS makes one. Default: over the "
            "internet.",
            schema=PrivateEndpoint,
            rules=rules.PRIVATE_ENDPOINT,
            example="{selfManagedLatticeResource: {resourceConfigurationIdentifier: rcfg-0123456789abcdef0}}",
        ),
    ] = None
    certificate_configurations: Annotated[
        tuple[dict[str, object], ...],
        Field(
            doc="The private certificate authority that signed the server's certificate, in S3 or Secrets "
            "Manager; at most one. Default: public authorities only.",
            max_items=1,
            item=Field(doc="", schema=CertificateConfiguration, rules=rules.CERTIFICATE),
            example="[{s3: {uri: s3://my-bucket/ca.pem}}]",
        ),
    ] = ()
    tool_sync: Annotated[
        ToolSync | None,
        Field(
            doc="When AWS indexes the tools again, beyond changes of the target. AWS never notices by "
            "itself that a server has new tools. To index once, set the annotation "
            "mcpgateway.bedrock.aws/sync-requested-at to a new value. Without effect on static lists and "
            "DYNAMIC listing.",
            example="{interval: 6h}",
        ),
    ] = None
    deletion_policy: Annotated[
        str,
        Field(
            doc="What happens to the target when this object is deleted: Delete, or Retain to leave it at "
            "AWS. Read at that moment. Default: the operator's --default-deletion-policy, which is Delete "
            "unless set.",
            enum=("Delete", "Retain"),
            example="Delete",
        ),
    ] = ""
    drift_policy: Annotated[
        str,
        Field(
            doc="What happens when someone changed the target at AWS: Repair restores this spec, Report "
            "only says so in the conditions. Default: Repair; Report for AUTHORIZATION_CODE without "
            "mcpToolSchema, where an update would ask for consent again.",
            enum=("Repair", "Report"),
            example="Repair",
        ),
    ] = ""
    management_policy: Annotated[
        str,
        Field(
            doc="Manage: the operator makes, changes and deletes the target. Observe: it writes nothing to "
            "AWS and puts no finalizer on; the conditions Ready and Synced say what it would do (create, "
            "update with the fields that differ, adopt, move). Ready is True while a target that is this "
            "object's own holds this spec and is READY. Deleting an observed object leaves its target at "
            "AWS. Default: Manage.",
            enum=("Manage", "Observe"),
            example="Manage",
        ),
    ] = ""
    adoption_policy: Annotated[
        str,
        Field(
            doc="What happens when a target of this name exists that no MCPServer owns: Never reports "
            "NameConflict, IfExists takes it over. IfExists works only where the operator runs with "
            "--allow-adoption, and only for MCP server targets. A target that carries the marker of an "
            "MCPServer that is gone is taken over where the operator watches all namespaces, and gets the "
            "new marker at once. Default: Never.",
            enum=("Never", "IfExists"),
            example="Never",
        ),
    ] = ""

    @property
    def class_name(self) -> str:
        """The MCPGateway that is asked for, "" where none is named."""
        return self.gateway_ref.name if self.gateway_ref is not None else ""

    @property
    def gateway(self) -> str:
        """The gateway that is asked for, "" where none is named or none can be meant."""
        named = self.gateway_id.strip()
        return named if is_gateway_id(named) else ""
