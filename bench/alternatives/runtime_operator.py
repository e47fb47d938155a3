"""The same minimal operator on this project's runtime: informer, queue and workers.

Reads the same environment as `kopf_operator.py` (TUNED has no meaning here).
"""

from __future__ import annotations

import asyncio
import os

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.codec import decode
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.runtime.cache import Key
from mcp_gateway_operator.runtime.cluster import Cluster, PatchType, Resource
from mcp_gateway_operator.runtime.informer import Informer
from mcp_gateway_operator.runtime.queue import WorkQueue
from mcp_gateway_operator.runtime.transport import connect
from mcp_gateway_operator.runtime.workers import Workers

MCPSERVERS = Resource(names.GROUP, names.VERSION, names.PLURAL)
POLLS = int(os.environ.get("POLLS", "0"))
TELL = os.environ.get("TELL") == "1"


class Minimal:
    """A finalizer and one status write for each object."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue: WorkQueue[Key] = WorkQueue()
        self.informer: Informer[MCPServer] = Informer(
            cluster, MCPSERVERS, decode=decode, on_event=self.on_event
        )
        self.polled: dict[Key, int] = {}

    def on_event(self, old: MCPServer | None, new: MCPServer | None) -> None:
        """Put the key of whatever changed into the queue."""
        obj = new or old
        assert obj is not None, "an informer reports one of both"
        key = (obj.metadata.namespace, obj.metadata.name)
        if new is not None:
            self.queue.add(key)
        elif TELL:
            print("gone", key[1], flush=True)

    async def reconcile(self, key: Key) -> float | None:
        """One pass."""
        obj = self.informer.get(key)
        if obj is None or obj.status.target_status:
            return None
        meta = obj.metadata
        if names.FINALIZER not in meta.finalizers:
            guarded = {"resourceVersion": meta.resource_version, "finalizers": [names.FINALIZER]}
            body = {"metadata": guarded}
            answer = await self.cluster.patch(MCPSERVERS, *key, body, kind=PatchType.MERGE)
            self.informer.remember(answer)
        if self.polled.get(key, 0) < POLLS:
            self.polled[key] = self.polled.get(key, 0) + 1
            return 1.0
        steps = [
            {"op": "test", "path": "/metadata/uid", "value": meta.uid},
            {"op": "add", "path": "/status", "value": {"targetStatus": "READY"}},
        ]
        answer = await self.cluster.patch(MCPSERVERS, *key, steps, kind=PatchType.JSON, subresource="status")
        self.informer.remember(answer)
        if TELL:
            print("saw", key[1], flush=True)
        return None


async def run() -> None:
    """List, watch and work until the process is ended."""
    minimal = Minimal(await asyncio.to_thread(connect, user_agent="bench-runtime"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(minimal.informer.run())
        tasks.create_task(Workers(minimal.queue, minimal.reconcile).run())


if __name__ == "__main__":
    asyncio.run(run())
