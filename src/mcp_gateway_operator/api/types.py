"""The MCPServer resource as typed, frozen structures; the CRD is generated from them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mcp_gateway_operator.api import names, rules
from mcp_gateway_operator.api.authorization import ApiKeySpec, AuthType, IamSpec
from mcp_gateway_operator.api.schema import Camel, Field
from mcp_gateway_operator.api.spec import MCPServerSpec
from mcp_gateway_operator.api.status import (
    Condition,
    FailureState,
    MCPServerStatus,
    MoveEntry,
    ObservedState,
)
from mcp_gateway_operator.api.tools import McpToolSchema, S3ToolSchema, ToolSync

__all__ = [
    "ApiKeySpec",
    "AuthType",
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
    annotations: dict[str, str] = msgspec.field(default_factory=dict)


class MCPServer(Camel, frozen=True, kw_only=True):
    """One MCPServer object."""

    metadata: ObjectMeta
    spec: Annotated[
        MCPServerSpec,
        Field(
            doc="The MCP server and how a gateway reaches it. An empty text or list means the same as a "
            "field left out.",
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

    @property
    def shows_ready(self) -> bool:
        """Whether status says Ready, of whatever generation."""
        ready = self.status.condition(names.ConditionType.READY)
        return ready is not None and ready.status == "True"

    @property
    def speaks_of_generation(self) -> bool:
        """Whether status speaks of this generation of the spec."""
        ready = self.status.condition(names.ConditionType.READY)
        return ready is not None and ready.observed_generation == self.metadata.generation

    @property
    def was_ready(self) -> bool:
        """Whether status says that this very generation is Ready."""
        return self.shows_ready and self.speaks_of_generation

    @property
    def paused(self) -> bool:
        """Whether nothing is to be written to AWS for now; no other value of the annotation pauses."""
        return self.metadata.annotations.get(names.PAUSED_ANNOTATION) == "true"
