"""The MCPServer resource as typed, frozen structures; the CRD is generated from them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mcp_gateway_operator.api import names, rules
from mcp_gateway_operator.api.annotations import pauses
from mcp_gateway_operator.api.authorization import ApiKeySpec, AuthType, IamSpec
from mcp_gateway_operator.api.schema import Camel, Field
from mcp_gateway_operator.api.spec import GatewayRef, MCPServerSpec
from mcp_gateway_operator.api.tools import McpToolSchema, S3ToolSchema, ToolSync


class Condition(Camel, frozen=True, kw_only=True):
    """One condition in the form of the Kubernetes API conventions (metav1.Condition)."""

    type: Annotated[
        str,
        Field(
            doc="Ready, Synced, Reconciling, Stalled, Authorized, Paused, Permitted or Accepted.",
            required=True,
            max_length=316,
        ),
    ]
    status: Annotated[
        str, Field(doc="True, False or Unknown.", required=True, enum=("True", "False", "Unknown"))
    ]
    observed_generation: Annotated[
        int, Field(doc="Generation of the object that this condition is about.", minimum=0)
    ] = 0
    last_transition_time: Annotated[
        str, Field(doc="When the status of this condition last changed.", format="date-time")
    ] = ""
    reason: Annotated[
        str,
        Field(
            doc="The cause in one word, for programs, for example GatewayTargetReady or NameConflict.",
            max_length=1024,
        ),
    ] = ""
    message: Annotated[
        str, Field(doc="The cause in a sentence, and what to do about it.", max_length=32768)
    ] = ""


class ObservedState(Camel, frozen=True, kw_only=True):
    """What was last verified of the target."""

    updated_at: Annotated[
        str, Field(doc="AWS's time of change of the target when its configuration was last compared.")
    ] = ""
    defaults: Annotated[
        dict[str, str],
        Field(
            doc="Fields that the spec leaves out and that AWS filled in when the target was written, with "
            "the values as JSON. They do not count as drift.",
            item=Field(doc=""),
        ),
    ] = msgspec.field(default_factory=dict)


class FailureState(Camel, frozen=True, kw_only=True):
    """The failure that the operator is working on."""

    class_: Annotated[
        str,
        Field(doc="Kind of failure, which decides the repair, for example unreachable or unauthorised."),
    ] = msgspec.field(name="class", default="")
    attempts: Annotated[int, Field(doc="Repairs tried since the last change of the spec.")] = 0
    next_attempt: Annotated[str, Field(doc="When the next repair is due.")] = ""


class PlacedBy(Camel, frozen=True, kw_only=True):
    """The MCPGateway by which a target is where it is."""

    class_: Annotated[str, Field(doc="Name of the MCPGateway.")] = msgspec.field(name="class", default="")
    uid: Annotated[str, Field(doc="UID of the MCPGateway.")] = ""
    gateway_arn: Annotated[str, Field(doc="ARN of its gateway.")] = ""


class MoveEntry(Camel, frozen=True, kw_only=True):
    """The other side of a move from one gateway to another."""

    gateway_id: Annotated[
        str,
        Field(doc="Id of the gateway; its ARN outside the operator's own account and Region."),
    ] = ""
    target_id: Annotated[
        str,
        Field(doc="Id of the target there; absent where one is about to be made, and may have been."),
    ] = ""
    gateway_arn: Annotated[str, Field(doc="ARN of the gateway; absent together with targetId.")] = ""
    target_name: Annotated[str, Field(doc="Name of the target there; absent together with targetId.")] = ""
    placed_by: Annotated[
        PlacedBy | None, Field(doc="The MCPGateway by which the target there was made, or is about to be.")
    ] = None


class MCPServerStatus(Camel, frozen=True, kw_only=True):
    """What the operator knows; the record of the target is targetId with recordedFor (the object's uid)."""

    observed_generation: Annotated[
        int, Field(doc="Generation of the spec that the rest of the status is about.")
    ] = 0
    target_id: Annotated[str, Field(doc="Id of the target at AWS.")] = ""
    recorded_for: Annotated[
        str,
        Field(
            doc="UID of the object that targetId was recorded for: a copy of this status in another object "
            "proves nothing."
        ),
    ] = ""
    gateway_arn: Annotated[str, Field(doc="ARN of the gateway that holds the target.")] = ""
    gateway_id: Annotated[
        str,
        Field(
            doc="Id of the gateway that holds the target; its ARN outside the operator's own account and "
            "Region."
        ),
    ] = ""
    gateway_url: Annotated[
        str, Field(doc="Address at which agents reach the gateway, where an MCPGateway says which it is.")
    ] = ""
    placed_by: Annotated[
        PlacedBy | None,
        Field(
            doc="The MCPGateway by which the target is where it is, written before anything is made there. A "
            "target moves only when the spec names another one."
        ),
    ] = None
    target_name: Annotated[str, Field(doc="Name of the target at AWS.")] = ""
    target_status: Annotated[
        str,
        Field(
            doc="State of the target in AgentCore's own word: CREATING, UPDATING, SYNCHRONIZING, DELETING, "
            "READY, FAILED, UPDATE_UNSUCCESSFUL, SYNCHRONIZE_UNSUCCESSFUL, CREATE_PENDING_AUTH, "
            "UPDATE_PENDING_AUTH or SYNCHRONIZE_PENDING_AUTH."
        ),
    ] = ""
    status_reasons: Annotated[
        tuple[str, ...], Field(doc="AWS's own words on why the target is in this state.")
    ] = ()
    last_synchronized: Annotated[
        str, Field(doc="When the operator last confirmed the state of the target.", format="date-time")
    ] = ""
    tools_synchronized_at: Annotated[str, Field(doc="When AWS last indexed the tools of the server.")] = ""
    authorization_url: Annotated[
        str,
        Field(
            doc="Page at which a person must consent before the target can work; whoever opens it consents "
            "as themselves."
        ),
    ] = ""
    authorization_expires: Annotated[
        str,
        Field(
            doc="When authorizationUrl stops working. For a new one set the annotation "
            "mcpgateway.bedrock.aws/sync-requested-at to a new value."
        ),
    ] = ""
    observed: Annotated[ObservedState | None, Field(doc="What was last verified of the target.")] = None
    moves: Annotated[
        tuple[MoveEntry, ...],
        Field(
            doc="Other gateways that hold, or may hold, a target of this object while spec.gatewayId moves "
            "it: first the gateway that gets the new one, then the one whose target is deleted once the new "
            "one is READY. Empty at rest."
        ),
    ] = ()
    last_sync_request: Annotated[
        str,
        Field(
            doc="Value of the annotation mcpgateway.bedrock.aws/sync-requested-at that was last acted upon."
        ),
    ] = ""
    last_reconcile_request: Annotated[
        str,
        Field(
            doc="Value of the annotation mcpgateway.bedrock.aws/reconcile-requested-at that was last acted "
            "upon."
        ),
    ] = ""
    failure: Annotated[FailureState | None, Field(doc="The failure that the operator is working on.")] = None
    not_converging: Annotated[
        str,
        Field(
            doc="Hash of a difference that AWS kept after an update, so that the same update is not sent "
            "again."
        ),
    ] = ""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            doc="Ready (the summary), Synced (AWS holds the configuration of this generation), Reconciling "
            "and Stalled (as kstatus reads them), Authorized (consent only) and Permitted (where an "
            "MCPGateway governs the gateway). Ready=True means that the target of this generation is "
            "in the gateway, READY, with this configuration.",
            list_key="type",
        ),
    ] = ()

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of this type, None while there is none."""
        for condition in self.conditions:
            if condition.type == kind:
                return condition
        return None


__all__ = [
    "ApiKeySpec",
    "AuthType",
    "Condition",
    "FailureState",
    "GatewayRef",
    "IamSpec",
    "LeftOut",
    "MCPServer",
    "MCPServerSpec",
    "MCPServerStatus",
    "McpToolSchema",
    "MoveEntry",
    "ObjectMeta",
    "ObservedState",
    "PlacedBy",
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


class LeftOut(Camel, frozen=True, kw_only=True):
    """What stands for a spec that is too large to be kept in memory.

    Attributes:
        digest: of the spec.
        problems: for what it is too large, as sentences: then it is never sent, and not read again.
    """

    digest: str
    problems: tuple[str, ...] = ()


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
    left_out: Annotated[
        LeftOut | None,
        Field(doc="Not of the resource: stands for most of the spec where that is not in memory."),
    ] = None
    by_id: Annotated[
        tuple[str, ...],
        Field(doc="Not of the resource: ARNs of gateways elsewhere whose ids alone stand in what is stored."),
    ] = ()

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
    def in_doubt(self) -> bool:
        """Whether status says that it is not known any more whether this very generation is Ready."""
        ready = self.status.condition(names.ConditionType.READY)
        return ready is not None and ready.status == "Unknown" and self.speaks_of_generation

    @property
    def paused(self) -> bool:
        """Whether nothing is to be written to AWS for now."""
        return pauses(self.metadata.annotations)
