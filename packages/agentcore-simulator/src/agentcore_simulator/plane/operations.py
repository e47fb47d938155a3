"""Which function performs which operation of the service."""

from __future__ import annotations

from collections.abc import Callable

from agentcore_simulator.plane import gateway_ops, tag_ops, target_ops
from agentcore_simulator.plane.calls import Call
from agentcore_simulator.plane.control_plane import ControlPlane

OPERATIONS: dict[str, Callable[[ControlPlane, Call], bytes]] = {
    "CreateGatewayTarget": target_ops.create,
    "GetGatewayTarget": target_ops.get,
    "UpdateGatewayTarget": target_ops.update,
    "DeleteGatewayTarget": target_ops.delete,
    "ListGatewayTargets": target_ops.list_targets,
    "SynchronizeGatewayTargets": target_ops.synchronize,
    "CreateGateway": gateway_ops.create,
    "GetGateway": gateway_ops.get,
    "UpdateGateway": gateway_ops.update,
    "DeleteGateway": gateway_ops.delete,
    "ListGateways": gateway_ops.list_gateways,
    "CompleteResourceTokenAuth": target_ops.complete_authorization,
    "TagResource": tag_ops.tag,
    "UntagResource": tag_ops.untag,
    "ListTagsForResource": tag_ops.list_tags,
}
"""By the name in the service model; each takes a validated call and returns the encoded answer."""
