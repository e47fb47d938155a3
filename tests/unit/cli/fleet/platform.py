"""A platform team beside the desk: MCPGateways, and what of them the caller may not read."""

from __future__ import annotations

from typing import Any

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.runtime.cluster import NAMESPACES, ApiError, PatchType, Resource
from tests.support.classes import ALLOW, arn
from tests.support.memory_cluster import Fault
from tests.support.world import GATEWAY
from tests.unit.cli.fleet.conftest import Desk


def make_class(desk: Desk, name: str = "tools", *, gateway: str = GATEWAY, **spec: Any) -> None:
    """Make an MCPGateway that permits `ALLOW` to team-a where nothing else is said."""
    desk.api.serve(MCPGATEWAYS, names.CLASS_KIND)
    body = {"metadata": {"name": name}, "spec": {"gatewayArn": arn(gateway), "allow": [ALLOW], **spec}}
    desk.api.store.create(MCPGATEWAYS, None, body)


def label(desk: Desk, namespace: str, **labels: str) -> None:
    """Label a namespace, as the API server does with its name."""
    patch = {"metadata": {"labels": {"kubernetes.io/metadata.name": namespace, **labels}}}
    desk.api.store.patch(NAMESPACES, None, namespace, patch, kind=PatchType.MERGE)


def refuse(desk: Desk, *resources: Resource, verbs: tuple[str, ...] = ("list", "get")) -> None:
    """Let the caller not read something."""
    error = ApiError(403, "Forbidden", "may not")

    def fault(request: Any) -> Fault | None:
        hit = request.resource in resources and request.verb in verbs and request.name != "kube-system"
        return Fault(refuse=error) if hit else None

    desk.faults = fault
