"""Sending MCPServers to an API server."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from mcp_gateway_operator_demo.localcluster import LocalCluster

API_VERSION = "mcpgateway.bedrock.aws/v1alpha1"


def manifest(name: str, namespace: str, spec: dict[str, Any] | None) -> str:
    """Return an MCPServer as JSON text."""
    body: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "MCPServer",
        "metadata": {"name": name, "namespace": namespace},
    }
    return json.dumps(body if spec is None else {**body, "spec": spec})


def create(
    cluster: LocalCluster, text: str, *flags: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Create what `text` says, as `kubectl create` does."""
    return cluster.kubectl("create", "-f", "-", *flags, input=text, check=check)


def patch(
    cluster: LocalCluster, namespace: str, name: str, change: dict[str, Any], *flags: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Merge `change` into an object."""
    return cluster.kubectl(
        *("patch", "mcps", name, "-n", namespace, "--type=merge", "-p", json.dumps(change)),
        *flags,
        check=check,
    )


def get(cluster: LocalCluster, namespace: str, name: str) -> dict[str, Any]:
    """Return an object."""
    found: dict[str, Any] = json.loads(
        cluster.kubectl("get", "mcps", name, "-n", namespace, "-o", "json").stdout
    )
    return found
