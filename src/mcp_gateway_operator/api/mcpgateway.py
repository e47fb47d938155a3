"""The MCPGateway resource: which gateway, who may use it, and what it defaults to.

Cluster-scoped and the platform team's, as a StorageClass or a GatewayClass is: MCPServers name it.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from mcp_gateway_operator.api import mcpgateway_rules as rules
from mcp_gateway_operator.api.authorization import AuthType
from mcp_gateway_operator.api.mcpgateway_rules import GatewayArn
from mcp_gateway_operator.api.schema import Camel, Field
from mcp_gateway_operator.api.types import Condition

_LABEL = Field(doc="", max_length=63)
_GRANT_TYPES = ("CLIENT_CREDENTIALS", "AUTHORIZATION_CODE", "TOKEN_EXCHANGE")


class AwsIdentity(Camel, frozen=True, kw_only=True):
    """Under which identity the operator works on a gateway."""

    role_arn: Annotated[
        str,
        Field(
            doc="IAM role that the operator assumes for this gateway. Default: its own identity.",
            max_length=2048,
            rules=rules.ROLE_ARN,
            example="arn:aws:iam::123456789012:role/mcp-targets",
        ),
    ] = ""
    external_id: Annotated[
        str,
        Field(
            doc="External id that the role's trust policy asks for.",
            max_length=1224,
            rules=rules.EXTERNAL_ID,
            example="acme",
        ),
    ] = ""
    session_tags: Annotated[
        dict[str, str],
        Field(
            doc="Tags of the session, at most 50: exactly these, whoever's object is worked on.",
            max_properties=50,
            item=Field(doc="", max_length=256),
            example="{team: platform}",
        ),
    ] = msgspec.field(default_factory=dict)


class LabelExpression(Camel, frozen=True, kw_only=True):
    """One requirement of a label selector."""

    key: Annotated[str, Field(doc="The label.", required=True, min_length=1, max_length=317)] = ""
    operator: Annotated[
        str,
        Field(
            doc="In, NotIn, Exists or DoesNotExist. NotIn and DoesNotExist hold where the label is missing.",
            required=True,
            enum=("In", "NotIn", "Exists", "DoesNotExist"),
        ),
    ] = ""
    values: Annotated[
        tuple[str, ...],
        Field(doc="For In and NotIn: the values.", max_items=100, item=_LABEL),
    ] = ()


class LabelSelector(Camel, frozen=True, kw_only=True):
    """Selects by labels; all of it must hold, and an empty one selects everything."""

    match_labels: Annotated[
        dict[str, str],
        Field(
            doc="Labels with their values. kubernetes.io/metadata.name is the namespace's own name, which "
            "nobody can change.",
            max_properties=20,
            item=_LABEL,
            example="{kubernetes.io/metadata.name: team-a}",
        ),
    ] = msgspec.field(default_factory=dict)
    match_expressions: Annotated[
        tuple[LabelExpression, ...],
        Field(
            doc="Requirements of another form.",
            max_items=20,
            item=Field(doc="", rules=rules.EXPRESSION),
        ),
    ] = ()


class Allow(Camel, frozen=True, kw_only=True):
    """One way in which the gateway may be used: all fields hold together."""

    namespaces: Annotated[
        LabelSelector | None,
        Field(
            doc="The namespaces that may, by their labels. {} is every namespace; absent is none. Where "
            "tenants may label their own namespace, select by kubernetes.io/metadata.name.",
            example="{matchLabels: {kubernetes.io/metadata.name: team-a}}",
        ),
    ] = None
    auth_types: Annotated[
        tuple[str, ...],
        Field(
            doc="Values of authType, or *. Absent is none.",
            max_items=8,
            item=Field(doc="", enum=(rules.ANYTHING, *AuthType), required=True),
            example="[OAuth2]",
        ),
    ] = ()
    grant_types: Annotated[
        tuple[str, ...],
        Field(
            doc="Values of oauthGrantType, or *. Absent is none. Asked only of objects with authType OAuth2.",
            max_items=8,
            item=Field(doc="", enum=(rules.ANYTHING, *_GRANT_TYPES), required=True),
            example="[CLIENT_CREDENTIALS]",
        ),
    ] = ()
    endpoints: Annotated[
        tuple[str, ...],
        Field(
            doc="Addresses of MCP servers: https://, a host, and optionally a port (else 443) and the "
            "beginning of a path, up to a slash or the end. *. before a host is one or more labels, and not "
            "the host itself. * is every host that has a name; an IP address must be written out. So must "
            "%2F, %5C, .. and // in a path. Absent is none.",
            max_items=16,
            item=Field(doc="", min_length=1, max_length=512, rules=rules.ENDPOINT_ENTRY),
            example='["https://*.team-a.mcp.example.com"]',
        ),
    ] = ()
    providers: Annotated[
        tuple[str, ...],
        Field(
            doc="Names of credential providers in the default token vault of the gateway's account and "
            "Region; * at the end is any rest, ${namespace} at the beginning the object's namespace, alone "
            "or before an underscore. Absent is none. Asked only of objects with authType OAuth2 or ApiKey.",
            max_items=32,
            item=Field(doc="", min_length=1, max_length=256, rules=rules.PROVIDER_ENTRY),
            example='["${namespace}_*"]',
        ),
    ] = ()


class Defaults(Camel, frozen=True, kw_only=True):
    """What holds for MCPServers on the gateway that say nothing themselves."""

    deletion_policy: Annotated[
        str,
        Field(
            doc="For MCPServers without deletionPolicy. Default: the operator's --default-deletion-policy.",
            enum=("Delete", "Retain"),
            example="Retain",
        ),
    ] = ""
    drift_policy: Annotated[
        str,
        Field(
            doc="For MCPServers without driftPolicy. Default: as driftPolicy says there.",
            enum=("Repair", "Report"),
            example="Repair",
        ),
    ] = ""


class Capacity(Camel, frozen=True, kw_only=True):
    """How much of the gateway may be used."""

    targets: Annotated[
        int | None,
        Field(
            doc="Targets that the gateway may hold, whoever made them, before the operator makes no more. "
            "Default: as many as AWS takes.",
            minimum=0,
            maximum=100000,
            example="100",
        ),
    ] = None


class MCPGatewaySpec(Camel, frozen=True, kw_only=True):
    """What the platform team wants."""

    gateway_arn: Annotated[
        str,
        Field(
            doc="ARN of the AgentCore gateway. It cannot be changed.",
            required=True,
            min_length=1,
            max_length=rules.LONGEST_ARN,
            rules=rules.GATEWAY_ARN,
            example="arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/tools-abcdefghij",
        ),
    ] = ""
    aws: Annotated[
        AwsIdentity | None,
        Field(doc="Under which identity the operator works on the gateway. Default: its own."),
    ] = None
    allow: Annotated[
        tuple[Allow, ...],
        Field(
            doc="Who may use the gateway, and for what: the entries are alternatives, the fields of one hold "
            "together. Absent is nobody.",
            max_items=64,
        ),
    ] = ()
    defaults: Annotated[
        Defaults | None, Field(doc="What holds for MCPServers that say nothing themselves.")
    ] = None
    capacity: Annotated[Capacity | None, Field(doc="How much of the gateway may be used.")] = None


class TargetCount(Camel, frozen=True, kw_only=True):
    """How full the gateway is."""

    used: Annotated[int, Field(doc="Targets on the gateway, whoever made them.")] = 0
    limit: Annotated[int, Field(doc="spec.capacity.targets; 0 where there is none.")] = 0


class MCPGatewayStatus(Camel, frozen=True, kw_only=True):
    """What the operator found."""

    observed_generation: Annotated[int, Field(doc="Generation that the rest of the status is about.")] = 0
    state: Annotated[str, Field(doc="State of the gateway in AgentCore's own word, for example READY.")] = ""
    gateway_url: Annotated[str, Field(doc="Address at which agents reach the gateway.")] = ""
    authorizer_type: Annotated[str, Field(doc="How the gateway authenticates agents.")] = ""
    account: Annotated[str, Field(doc="AWS account of the gateway.")] = ""
    region: Annotated[str, Field(doc="AWS Region of the gateway.")] = ""
    targets: Annotated[TargetCount | None, Field(doc="How full the gateway is.")] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            doc="Accepted (the operator follows this MCPGateway), Ready (so is the gateway), "
            "Reconciling and Stalled (as kstatus reads them).",
            list_key="type",
        ),
    ] = ()


class ClassMeta(Camel, frozen=True, kw_only=True):
    """The parts of metadata that the operator reads; timestamps are RFC 3339 text."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()


class MCPGateway(Camel, frozen=True, kw_only=True):
    """One MCPGateway object; `problems` is what of its spec is not understood."""

    metadata: ClassMeta
    spec: Annotated[
        MCPGatewaySpec, Field(doc="The gateway, who may use it, and what it defaults to.", required=True)
    ] = MCPGatewaySpec()
    status: Annotated[
        MCPGatewayStatus, Field(doc="What the operator found. Written by the operator only.")
    ] = MCPGatewayStatus()
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name, which MCPServers give."""
        return self.metadata.name

    @property
    def arn(self) -> GatewayArn | None:
        """The gateway's ARN in its parts, None where it is none."""
        return GatewayArn.parse(self.spec.gateway_arn)

    @property
    def age(self) -> tuple[str, str]:
        """By which the oldest is found, and of equally old ones the first by name."""
        return (self.metadata.creation_timestamp, self.metadata.name)

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of this type, None while there is none."""
        return next((each for each in self.status.conditions if each.type == kind), None)
