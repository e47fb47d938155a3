"""The load: MCPServers of about 2 kB, as `kubectl apply` leaves them in a cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import PatchType, Resource
from mcp_gateway_operator.runtime.transport import KubeCluster, connect

MCPSERVERS = Resource(names.GROUP, names.VERSION, names.PLURAL)
NAMESPACE = "bench"
CONNECTIONS = 16

T = TypeVar("T")


def manifest(name: str) -> dict[str, Any]:
    """Return one MCPServer with kubectl's annotation, which repeats the whole object."""
    arn = "arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default/oauth2credentialprovider/idp"
    metadata: dict[str, Any] = {"name": name, "namespace": NAMESPACE}
    applied = {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": names.KIND,
        "metadata": metadata,
        "spec": {
            "endpoint": f"https://{name}.tools.example.com/mcp",
            "capabilities": ["tools"],
            "gatewayId": "bench-abcdefghij",
            "targetName": name,
            "description": f"Tools of the team that runs {name}. " + "They search orders and invoices. " * 4,
            "oauthProviderArn": arn,
            "oauthScopes": [f"https://{name}.tools.example.com/{verb}" for verb in ("read", "write")],
            "allowedRequestHeaders": [f"x-team-header-{number}" for number in range(3)],
            "allowedResponseHeaders": [f"x-answer-header-{number}" for number in range(3)],
        },
    }
    last = json.dumps(applied, separators=(",", ":"))
    return applied | {
        "metadata": metadata | {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": last}}
    }


def ask(kubeconfig: Path, question: Callable[[KubeCluster], Awaitable[T]]) -> T:
    """Open a connection, ask one thing over it, and close it."""

    async def run() -> T:
        cluster = await asyncio.to_thread(connect, kubeconfig=str(kubeconfig), user_agent="bench")
        try:
            return await question(cluster)
        finally:
            await cluster.close()

    return asyncio.run(run())


def create(kubeconfig: Path, wanted: list[str]) -> None:
    """Create objects with these names; raise ApiError in a group when the server refuses one."""
    rest = iter(wanted)

    async def work(cluster: KubeCluster) -> None:
        for name in rest:
            await cluster.create(MCPSERVERS, NAMESPACE, manifest(name))

    async def run(cluster: KubeCluster) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONNECTIONS):
                tasks.create_task(work(cluster))

    ask(kubeconfig, run)


def remove(kubeconfig: Path, name: str) -> None:
    """Delete an object, whatever finalizers it has."""

    async def run(cluster: KubeCluster) -> None:
        body = {"metadata": {"finalizers": None}}
        await cluster.patch(MCPSERVERS, NAMESPACE, name, body, kind=PatchType.MERGE)
        await cluster.delete(MCPSERVERS, NAMESPACE, name)

    ask(kubeconfig, run)


def metrics(kubeconfig: Path) -> str:
    """Return the API server's own metrics."""
    return ask(kubeconfig, lambda cluster: cluster.get_path("/metrics")).decode()


def settled(kubeconfig: Path) -> tuple[int, int]:
    """Return how many objects have the finalizer and the status READY, and the mean size of one in bytes."""
    done = size = count = 0
    for raw in ask(kubeconfig, _read_all):
        each = json.loads(raw)
        ready = each.get("status", {}).get("targetStatus") == "READY"
        done += ready and bool(each["metadata"].get("finalizers"))
        size += len(raw)
        count += 1
    return done, size // max(1, count)


async def _read_all(cluster: KubeCluster) -> list[bytes]:
    found: list[bytes] = []
    token = ""
    while True:
        page = await cluster.list(MCPSERVERS, continue_token=token)
        found += [bytes(raw) for raw in page.items]
        token = page.continue_token
        if not token:
            return found
