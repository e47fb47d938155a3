"""The writes to an MCPServer: finalizer, status and Events, when each is made, and its guard.

`protect` comes before the first effect at AWS, and before each Create on another gateway; `write_status` when
a record must be kept before the next step, and at the end of a pass that has something new to say; `release`
when nothing of the object is left. So an object's life takes two of them until READY, three where an
MCPGateway governs (`placedBy` is written before the Create), and none at rest.

Lease and guard keep operators apart; here is what keeps two of them from working against each other where
they do not (a standby that believes itself leader, a second installation). The record in status decides
between two targets, and whoever sees the other's record yields; a status that is replaced by another's is
written again ever more slowly.
"""

from __future__ import annotations

from http import HTTPStatus

import msgspec
import structlog

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.codec import decode
from mcp_gateway_operator.api.large import MORE
from mcp_gateway_operator.api.names import ConditionType
from mcp_gateway_operator.api.types import MCPServer, MCPServerStatus, ObjectMeta
from mcp_gateway_operator.controller.gather import Entry, Key, ObjectIndex
from mcp_gateway_operator.controller.perform.remember import stored
from mcp_gateway_operator.controller.ports import MCPSERVERS, Ports
from mcp_gateway_operator.controller.tell import with_record
from mcp_gateway_operator.runtime.cluster import ApiError, PatchType
from mcp_gateway_operator.runtime.events import EventType, ObjectRef
from mcp_gateway_operator.targets.known import (
    Record,
    Settings,
    State,
    Telling,
    applied_generation,
    as_stored,
    stored_moves,
    stored_record,
)
from mcp_gateway_operator.targets.rules import backoff

HOLD_BASE, HOLD_MAX = 1.0, 300.0
"""Seconds for which a status is held back that another process replaces again and again."""
CALM = 600.0
"""Seconds without that after which the next time counts as the first."""

log = structlog.get_logger(__name__)


class ObjectWriter:
    """Writes objects, and keeps the informer's cache in step with what it wrote."""

    def __init__(self, ports: Ports, index: ObjectIndex) -> None:
        self._ports = ports
        self._index = index
        self.reporting: set[Key] = set()
        """Objects whose status is being written: that it changes is no news to them."""

    async def protect(self, obj: MCPServer, gateway_id: str) -> MCPServer:
        """Add the finalizer and the annotation in one write, guarded by resourceVersion."""
        meta = await self._with_finalizers(obj)
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
        meta = await self._with_finalizers(obj)
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

    async def _with_finalizers(self, obj: MCPServer) -> ObjectMeta:
        """Return an object's metadata with all finalizers, also where others' are too many to be kept."""
        meta = obj.metadata
        if MORE not in meta.finalizers:
            return meta
        raw = await self._ports.cluster.get(MCPSERVERS, meta.namespace, meta.name)
        found = msgspec.json.decode(raw, type=_Ended).metadata
        if found.uid != meta.uid:
            raise ApiError(HTTPStatus.NOT_FOUND, "NotFound", "it was deleted and made again")
        return msgspec.structs.replace(
            meta, resource_version=found.resource_version, finalizers=found.finalizers
        )

    async def read_spec(self, obj: MCPServer) -> tuple[MCPServer, tuple[MCPServer, str] | None]:
        """Read an object whose spec is too large to be kept.

        Returns it as it is kept, and the same with all of the spec, and its digest, where AWS may be sent it.
        """
        meta = obj.metadata
        raw = await self._ports.cluster.get(MCPSERVERS, meta.namespace, meta.name)
        kept = self._ports.informer.remember(raw)
        whole = decode(raw, whole=True)
        return kept, (whole, kept.left_out.digest) if kept.left_out is not None else None

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
        memory, meta = entry.memory, obj.metadata
        entry.memory = memory.but(unconfirmed=memory.places[memory.home].record is not None)
        # Of the very object and version that it speaks of: a process that lost the lease while it was stopped
        # would else put an old record over a newer one.
        patch: list[dict[str, object]] = [
            {"op": "test", "path": "/metadata/uid", "value": meta.uid},
            {"op": "test", "path": "/metadata/resourceVersion", "value": meta.resource_version},
            {"op": "add", "path": "/status", "value": as_stored(obj, status)},
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
        entry.memory = stored(entry.memory, written)
        _tell_turn(obj, written)
        return written

    async def store(self, entry: Entry, obj: MCPServer, settings: Settings) -> MCPServer:
        """Store a record whose first write failed, before anything else for this object.

        Raises:
            ApiError: it could not be stored this time either.
        """
        obj = await self.fetch(obj)
        if obj.metadata.uid == entry.memory.uid:
            self.give_way(entry, obj, settings)
            memory = entry.memory
            # The answer alone may have been lost.
            record = memory.places[memory.home].record
            if record is not None and stored_record(obj) != record:
                moves = stored_moves(obj) if memory.moves is None else memory.moves
                status = with_record(obj, record, moves, wall=self._ports.wall())
                obj = await self.write_status(entry, obj, status)
        entry.memory = entry.memory.but(unconfirmed=False)
        return obj

    def give_way(self, entry: Entry, obj: MCPServer, settings: Settings) -> None:
        """Let a record stand that another process stored while ours was not stored yet.

        Its target is kept, and ours is a second one with the same marker, which is removed like any such.
        Without markers nothing would find ours again, so then it is stored all the same.
        """
        memory = entry.memory
        page = memory.places[memory.home]
        mine, theirs = page.record, stored_record(obj)
        if mine is None or theirs is None or not settings.marks:
            return
        same = theirs.same_target(mine) or theirs.same_target(page.replaces)
        if same or not self._may_live(theirs, obj, settings):
            return
        log.warning(
            "another process recorded a target for this object first; there is a second writer",
            kept=theirs.target_id,
            superfluous=mine.target_id,
        )
        self._index.disclaim(mine.target, obj.key)
        held = msgspec.structs.replace(
            page.held, verified=None, written=None, applied=applied_generation(obj)
        )
        drift = msgspec.structs.replace(page.drift, check=False)
        page = page.but(record=None, details=None, report_after=0.0, held=held, drift=drift)
        entry.memory = memory.put(memory.home, page).but(moves=None, unconfirmed=False)

    def _may_live(self, record: Record, obj: MCPServer, settings: Settings) -> bool:
        """Whether nothing speaks against a record: its own pass finds out what the tables do not know yet."""
        table = self._ports.observers.table(record.place.gateway_id)
        if table is None:
            return True
        row = table.row(record.target_id)
        if row is None or table.absences(record.target_id) is not None:
            return table.absences(record.target_id) is None
        return row.summary.marker in settings.markers_of(obj)

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


def quarrelling(state: State, now: float) -> tuple[float | None, Telling]:
    """Return until when a status is held back that another process replaces, None when it may be written now.

    With it comes what is remembered of the quarrel from then on.
    """
    telling = state.own.telling
    pending = state.memory.record is not None
    if telling.wrote is None or state.obj.status == telling.wrote or pending:
        return None, telling
    if now < telling.quarrel_until:
        return telling.quarrel_until, telling
    quarrels = telling.quarrels + 1 if now < telling.quarrel_until + CALM else 0
    until = now + backoff(quarrels, base=HOLD_BASE, maximum=HOLD_MAX)
    return None, msgspec.structs.replace(telling, quarrels=quarrels, quarrel_until=until)


class _Ends(msgspec.Struct, rename="camel"):
    uid: str
    resource_version: str
    finalizers: tuple[str, ...] = ()


class _Ended(msgspec.Struct):
    metadata: _Ends
