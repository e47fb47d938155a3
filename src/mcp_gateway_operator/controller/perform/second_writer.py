"""Another process that writes the same objects: a standby that believes itself leader, a second installation.

The Lease keeps operators apart; here is what keeps two of them from working against each other where it does
not. The record in status decides between two targets, and whoever sees the other's record yields; a status
that is replaced by another's is written again ever more slowly.
"""

from __future__ import annotations

import structlog

from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.gather import ObjectIndex
from mcp_gateway_operator.controller.perform.object_writes import ObjectWriter
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.controller.tell import with_record
from mcp_gateway_operator.targets.known import (
    Memory,
    Record,
    Settings,
    State,
    applied_generation,
    stored_moves,
    stored_record,
)
from mcp_gateway_operator.targets.rules import backoff
from mcp_gateway_operator.targets.shape import find_marker

HOLD_BASE, HOLD_MAX = 1.0, 300.0
"""Seconds for which a status is held back that another process replaces again and again."""
CALM = 600.0
"""Seconds without that after which the next time counts as the first."""

log = structlog.get_logger(__name__)


class OtherWriters:
    """Stores records, unless another process was first, and holds back what would be a quarrel."""

    def __init__(self, ports: Ports, objects: ObjectWriter, index: ObjectIndex) -> None:
        self._ports = ports
        self._objects = objects
        self._index = index

    async def store(self, obj: MCPServer, memory: Memory, settings: Settings) -> MCPServer:
        """Store a record whose first write failed, before anything else for this object.

        Raises:
            ApiError: it could not be stored this time either.
        """
        obj = await self._objects.fetch(obj)
        if obj.metadata.uid == memory.uid:
            self.give_way(obj, memory, settings)
            record = memory.record
            # The answer alone may have been lost.
            if record is not None and stored_record(obj) != record:
                moves = stored_moves(obj) if memory.moves is None else memory.moves
                status = with_record(obj, record, moves, wall=self._ports.wall())
                obj = await self._objects.write_status(obj, status, memory)
        memory.record_failed = False
        return obj

    def give_way(self, obj: MCPServer, memory: Memory, settings: Settings) -> None:
        """Let a record stand that another process stored while ours was not stored yet.

        Its target is kept, and ours is a second one with the same marker, which is removed like any such.
        Without markers nothing would find ours again, so then it is stored all the same.
        """
        mine, stored = memory.record, stored_record(obj)
        if mine is None or stored is None or not settings.marks:
            return
        if _same(stored, mine) or _same(stored, memory.replaces) or not self._may_live(stored, obj, settings):
            return
        log.warning(
            "another process recorded a target for this object first; there is a second writer",
            namespace=obj.metadata.namespace,
            name=obj.metadata.name,
            kept=stored.target_id,
            superfluous=mine.target_id,
        )
        self._index.disclaim(mine.target_id, obj.key)
        memory.record = memory.moves = memory.verified = memory.written = memory.details = None
        memory.record_failed = memory.verify_after_repair = False
        memory.applied = applied_generation(obj)
        memory.report_after = 0.0

    def _may_live(self, stored: Record, obj: MCPServer, settings: Settings) -> bool:
        """Whether nothing speaks against a record: its own pass finds out what the tables do not know yet."""
        table = self._ports.observer.table(stored.gateway_id)
        if table is None:
            return True
        row = table.row(stored.target_id)
        if row is None or table.absences(stored.target_id) is not None:
            return table.absences(stored.target_id) is None
        return find_marker(row.summary.description) in settings.markers_of(obj)

    def held_until(self, state: State) -> float | None:
        """Return until when a status that says something new is not written, None when it may be now."""
        memory, now = state.memory, self._ports.clock()
        if memory.wrote is None or state.obj.status == memory.wrote or memory.record is not None:
            return None
        if now < memory.quarrel_until:
            return memory.quarrel_until
        memory.quarrels = memory.quarrels + 1 if now < memory.quarrel_until + CALM else 0
        memory.quarrel_until = now + backoff(memory.quarrels, base=HOLD_BASE, maximum=HOLD_MAX)
        return None


def _same(one: Record, other: Record | None) -> bool:
    return other is not None and (one.gateway_id, one.target_id) == (other.gateway_id, other.target_id)
