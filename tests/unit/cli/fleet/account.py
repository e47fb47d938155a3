"""An AWS account beside the cluster: what is in it, and that a command left both as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from agentcore_simulator import AdminClient
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.codec import decode
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import NAMESPACES, PatchType
from mcp_gateway_operator.targets.shape import marker_of, target_request
from tests.support.world import GATEWAY, manifest_spec
from tests.unit.cli.fleet.conftest import Desk

READS = {"ListGatewayTargets", "GetGatewayTarget", "GetGateway", "sts:GetCallerIdentity"}


def written(path: Path, *objects: dict[str, Any]) -> str:
    """Write manifests; return the file's name."""
    path.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    return str(path)


def manifest(name: str, **spec: Any) -> dict[str, Any]:
    """Return a manifest in the context's namespace."""
    kind = {"apiVersion": f"{names.GROUP}/{names.VERSION}", "kind": names.KIND}
    return {**kind, "metadata": {"name": name}, "spec": {**manifest_spec(), **spec}}


def settle(desk: Desk, aws: AdminClient, name: str, gateway_id: str = GATEWAY, **spec: Any) -> str:
    """Let an object have its target, as after a pass of the operator; return the target's id."""
    desk.put(name, metadata={"finalizers": [names.FINALIZER]}, **spec)
    obj = decode(desk.api.store.get(MCPSERVERS, "team-a", name))
    owner = msgspec.json.decode(desk.api.store.get(NAMESPACES, None, "kube-system"))["metadata"]["uid"]
    request = target_request(obj.spec, name=name, mark=marker_of(owner, "team-a", name))
    made = aws.create_target(gateway_id, **request)
    status = {
        "targetId": made["targetId"],
        "recordedFor": obj.metadata.uid,
        "gatewayId": gateway_id,
        "gatewayArn": made["gatewayArn"],
        "targetName": name,
        "observedGeneration": 1,
        "observed": {"updatedAt": made["updatedAt"]},
        "conditions": [
            {"type": kind, "status": "True", "reason": reason, "observedGeneration": 1}
            for kind, reason in (("Ready", names.Reason.READY), ("Synced", names.Reason.SYNCED))
        ],
    }
    desk.api.store.patch(
        MCPSERVERS, "team-a", name, {"status": status}, kind=PatchType.MERGE, subresource="status"
    )
    target_id: str = made["targetId"]
    return target_id


def unreadable(desk: Desk, name: str) -> None:
    """Put an object there as an old CustomResourceDefinition admits it: no operator can read it."""
    desk.put(name, capabilities="tools")


def nothing_written(desk: Desk, aws: AdminClient) -> None:
    """Assert that cluster and AWS are as they were."""
    assert not desk.api.writes()
    assert {entry["operation"] for entry in aws.requests(limit=10_000)} <= READS


def server() -> dict[str, Any]:
    """Return the configuration of a target that somebody made by hand."""
    return {"mcp": {"mcpServer": {"endpoint": "https://other.example.com/mcp"}}}
