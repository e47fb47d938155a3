"""The MCPServer resource as typed, frozen structures; the CRD is generated from them."""

from __future__ import annotations

from typing import Annotated

from mcp_gateway_operator.api import rules
from mcp_gateway_operator.api.private import CertificateConfiguration, PrivateEndpoint
from mcp_gateway_operator.api.schema import Camel, Field
from mcp_gateway_operator.api.spec import (
    ApiKeySpec,
    AuthType,
    IamSpec,
    MCPServerSpec,
    McpToolSchema,
    S3ToolSchema,
    ToolSync,
)
from mcp_gateway_operator.api.status import (
    Condition,
    FailureState,
    MCPServerStatus,
    MoveEntry,
    ObservedState,
)

__all__ = [
    "ApiKeySpec",
    "AuthType",
    "CertificateConfiguration",
    "Condition",
    "FailureState",
    "IamSpec",
    "MCPServer",
    "MCPServerSpec",
    "MCPServerStatus",
    "McpToolSchema",
    "MoveEntry",
    "ObjectMeta",
    "ObservedState",
    "PrivateEndpoint",
    "S3ToolSchema",
    "ToolSync",
]


class ObjectMeta(Camel, frozen=True, kw_only=True):
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


class MCPServer(Camel, frozen=True, kw_only=True):
    """One MCPServer object."""

    metadata: ObjectMeta
    spec: Annotated[
        MCPServerSpec,
        Field(
            doc="The MCP server and how a gateway reaches it. An empty text or list means the same as a field left out.",
            rules=rules.SPEC,
        ),
    ] = MCPServerSpec()
    status: Annotated[
        MCPServerStatus,
        Field(doc="What the operator found and did. Written by the operator only."),
    ] = MCPServerStatus()

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name: the work queue's key."""
        return (self.metadata.namespace, self.metadata.name)
