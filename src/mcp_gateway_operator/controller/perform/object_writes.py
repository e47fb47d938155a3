"""The writes to an MCPServer: finalizer, status and Events, each with its guard."""

from __future__ import annotations

from http import HTTPStatus

import structlog

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import ConditionType
from mcp_gateway_operator.api.types import MCPServer, MCPServerStatus
from mcp_gateway_operator.controller.gather import Entry, Key
from mcp_gateway_operator.controller.perform.remember import stored
from mcp_gateway_operator.controller.ports import MCPSERVERS, Ports
from mcp_gateway_operator.runtime.cluster import ApiError, PatchType
from mcp_gateway_operator.runtime.events import EventType, ObjectRef

log = structlog.get_logger(__name__)


class ObjectWriter:
    """Writes objects, and keeps the informer's cache in step with what it wrote."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self.reporting: set[Key] = set()
        """Objects whose status is being written: that it changes is no news to them."""

    async def protect(self, obj: MCPServer, gateway_id: str) -> MCPServer:
        """Add the finalizer and the annotation in one write, guarded by resourceVersion."""
        meta = obj.metadata
        patch = {
            "metadata": {
                "resourceVersion": meta.resource_version,
                "finalizers": list(dict.fromkeys((*meta.finalizers, names.FINALIZER))),
                "annotations": {names.GATEWAY_ANNOTATION: gateway_id},
            }
        }
        return await self._patch(obj, patch, PatchType.MERGE)

    async def release(self, obj: MCPServer) -> None:
        """Take our finalizer off, guarded by resourceVersion."""
        meta = obj.metadata
        patch = {
            "metadata": {
                "resourceVersion": meta.resource_version,
                "finalizers": [item for item in meta.finalizers if item != names.FINALIZER],
            }
        }
        await self._patch(obj, patch, PatchType.MERGE)
        if len(meta.finalizers) == 1:
            # It was the last finalizer: the API server removes the object with this very write.
            self._ports.informer.forget(obj.key, meta.uid)

    async def fetch(self, obj: MCPServer) -> MCPServer:
        """Read an object with a quorum read."""
        meta = obj.metadata
        raw = await self._ports.cluster.get(MCPSERVERS, meta.namespace, meta.name)
        return self._ports.informer.remember(raw)

    async def _patch(
        self, obj: MCPServer, patch: object, kind: PatchType, *, subresource: str = ""
    ) -> MCPServer:
        meta = obj.metadata
        raw = await self._ports.cluster.patch(
            MCPSERVERS, meta.namespace, meta.name, patch, kind=kind, subresource=subresource
        )
        return self._ports.informer.remember(raw)

    async def write_status(self, entry: Entry, obj: MCPServer, status: MCPServerStatus) -> MCPServer:
        """Write a status that holds all that is remembered of the object's targets, which is kept till then.

        Raises:
            ApiError: it was refused, or its answer lost: what the status holds is to be read first.
        """
        pending = entry.memory.places[entry.memory.home].record is not None
        entry.memory = entry.memory.but(unconfirmed=pending)
        written = await self._replace_status(obj, status)
        entry.memory = stored(entry.memory, written)
        _tell_turn(obj, written)
        return written

    async def _replace_status(self, obj: MCPServer, status: MCPServerStatus) -> MCPServer:
        """Write a whole status, of the very object and version that it speaks of.

        A process that lost the lease while it was stopped would else put an old record over a newer one.
        """
        meta = obj.metadata
        patch: list[dict[str, object]] = [
            {"op": "test", "path": "/metadata/uid", "value": meta.uid},
            {"op": "test", "path": "/metadata/resourceVersion", "value": meta.resource_version},
            {"op": "add", "path": "/status", "value": status},
        ]
        self.reporting.add(obj.key)
        try:
            written = await self._patch(obj, patch, PatchType.JSON, subresource="status")
        except ApiError as error:
            if not error.invalid:
                raise
            # A failed `test` is an ordinary lost race.
            raise ApiError(HTTPStatus.CONFLICT, "Conflict", error.message) from error
        finally:
            self.reporting.discard(obj.key)
        cached = self._ports.informer.get(obj.key)
        if cached is not None and cached.status != written.status:
            self._ports.queue.add(obj.key)
        return written

    def event(self, obj: MCPServer, type_: EventType, reason: str, message: str) -> None:
        """Record an Event on the object; never blocks."""
        meta = obj.metadata
        ref = ObjectRef(
            api_version=f"{names.GROUP}/{names.VERSION}",
            kind=names.KIND,
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            resource_version=meta.resource_version,
        )
        self._ports.events.record(ref, type_, reason, message)


def _tell_turn(before: MCPServer, after: MCPServer) -> None:
    """Log that Ready has turned, or has another reason now."""
    old, new = (each.status.condition(ConditionType.READY) for each in (before, after))
    if new is not None and (old is None or (old.status, old.reason) != (new.status, new.reason)):
        log.info(
            "Ready turned",
            ready=new.status,
            reason=new.reason,
            was=old.status if old is not None else "",
            old_reason=old.reason if old is not None else "",
            generation=new.observed_generation,
            target=after.status.target_id,
        )
