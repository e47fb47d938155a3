"""Another process that writes the same objects: a standby that believes itself leader, a second installation.

Lease and guard keep operators apart; here is what keeps two of them from working against each other where
they do not. The record in status decides between two targets, and whoever sees the other's record yields; a
status that is replaced by another's is written again ever more slowly.
"""

from __future__ import annotations

import msgspec
import structlog

from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.gather import Entry, ObjectIndex
from mcp_gateway_operator.controller.perform.object_writes import ObjectWriter
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.controller.tell import with_record
from mcp_gateway_operator.targets.known import (
    Record,
    Settings,
    State,
    Telling,
    applied_generation,
    stored_moves,
    stored_record,
)
from mcp_gateway_operator.targets.rules import backoff

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

    async def store(self, entry: Entry, obj: MCPServer, settings: Settings) -> MCPServer:
        """Store a record whose first write failed, before anything else for this object.

        Raises:
            ApiError: it could not be stored this time either.
        """
        obj = await self._objects.fetch(obj)
        if obj.metadata.uid == entry.memory.uid:
            self.give_way(entry, obj, settings)
            memory = entry.memory
            # The answer alone may have been lost.
            record = memory.places[memory.home].record
            if record is not None and stored_record(obj) != record:
                moves = stored_moves(obj) if memory.moves is None else memory.moves
                status = with_record(obj, record, moves, wall=self._ports.wall())
                obj = await self._objects.write_status(entry, obj, status)
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
        self._index.disclaim(mine.target_id, obj.key)
        held = msgspec.structs.replace(
            page.held, verified=None, written=None, applied=applied_generation(obj)
        )
        drift = msgspec.structs.replace(page.drift, check=False)
        page = page.but(record=None, details=None, report_after=0.0, held=held, drift=drift)
        entry.memory = memory.put(memory.home, page).but(moves=None, unconfirmed=False)

    def _may_live(self, record: Record, obj: MCPServer, settings: Settings) -> bool:
        """Whether nothing speaks against a record: its own pass finds out what the tables do not know yet."""
        table = self._ports.observer.table(record.place.gateway_id)
        if table is None:
            return True
        row = table.row(record.target_id)
        if row is None or table.absences(record.target_id) is not None:
            return table.absences(record.target_id) is None
        return row.summary.marker in settings.markers_of(obj)


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
