"""The MCPServer resource as typed, frozen structures; the CRD is generated from them."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class AuthType(StrEnum):
    """How the gateway authenticates to the MCP server."""

    OAUTH2 = "OAuth2"
    NO_AUTH = "NoAuth"
    GATEWAY_IAM_ROLE = "GatewayIamRole"
    API_KEY = "ApiKey"


class _Camel(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    pass


class ObjectMeta(_Camel, frozen=True, kw_only=True):
    """The parts of Kubernetes metadata that the operator reads; timestamps are RFC 3339 text."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()
    annotations: dict[str, str] = {}


class IamSpec(_Camel, frozen=True, kw_only=True):
    service: str = ""
    region: str = ""


class ApiKeySpec(_Camel, frozen=True, kw_only=True):
    provider_arn: str = ""
    location: str = ""
    parameter_name: str = ""
    prefix: str = ""


class S3ToolSchema(_Camel, frozen=True, kw_only=True):
    uri: str = ""
    bucket_owner_account_id: str = ""


class McpToolSchema(_Camel, frozen=True, kw_only=True):
    inline: str = ""
    s3: S3ToolSchema | None = None


class ToolSync(_Camel, frozen=True, kw_only=True):
    interval: str = ""


class MCPServerSpec(_Camel, frozen=True, kw_only=True):
    """What the user wants; an empty string and an empty list mean absent everywhere."""

    endpoint: str = ""
    capabilities: tuple[str, ...] = ()
    gateway_id: str = ""
    target_name: str = ""
    description: str = ""
    auth_type: str = ""
    oauth_provider_arn: str = ""
    oauth_scopes: tuple[str, ...] = ()
    oauth_grant_type: str = ""
    oauth_default_return_url: str = ""
    oauth_custom_parameters: dict[str, str] = {}
    iam: IamSpec | None = None
    api_key: ApiKeySpec | None = None
    allowed_request_headers: tuple[str, ...] = ()
    allowed_query_parameters: tuple[str, ...] = ()
    allowed_response_headers: tuple[str, ...] = ()
    listing_mode: str = ""
    mcp_tool_schema: McpToolSchema | None = None
    resource_priority: int | None = None
    private_endpoint: dict[str, object] | None = None
    certificate_configurations: tuple[dict[str, object], ...] = ()
    tool_sync: ToolSync | None = None
    deletion_policy: str = ""
    drift_policy: str = ""
    management_policy: str = ""
    adoption_policy: str = ""


class Condition(_Camel, frozen=True, kw_only=True):
    type: str
    status: str
    observed_generation: int = 0
    last_transition_time: str = ""
    reason: str = ""
    message: str = ""


class ObservedState(_Camel, frozen=True, kw_only=True):
    updated_at: str = ""


class FailureState(_Camel, frozen=True, kw_only=True):
    class_: str = msgspec.field(name="class", default="")
    attempts: int = 0
    next_attempt: str = ""


class MoveEntry(_Camel, frozen=True, kw_only=True):
    gateway_id: str = ""
    target_id: str = ""


class MCPServerStatus(_Camel, frozen=True, kw_only=True):
    """What the operator knows; the record of the target is targetId with recordedFor (the object's uid)."""

    observed_generation: int = 0
    target_id: str = ""
    recorded_for: str = ""
    gateway_arn: str = ""
    gateway_id: str = ""
    target_name: str = ""
    target_status: str = ""
    status_reasons: tuple[str, ...] = ()
    last_synchronized: str = ""
    tools_synchronized_at: str = ""
    authorization_url: str = ""
    authorization_expires: str = ""
    observed: ObservedState | None = None
    moves: tuple[MoveEntry, ...] = ()
    last_sync_request: str = ""
    failure: FailureState | None = None
    not_converging: str = ""
    conditions: tuple[Condition, ...] = ()


class MCPServer(_Camel, frozen=True, kw_only=True):
    """One MCPServer object."""

    metadata: ObjectMeta
    spec: MCPServerSpec = MCPServerSpec()
    status: MCPServerStatus = MCPServerStatus()

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name: the work queue's key."""
        return (self.metadata.namespace, self.metadata.name)
