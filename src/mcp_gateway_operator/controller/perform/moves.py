"""What a move to another gateway changes in the object's status and memory."""

from __future__ import annotations

import msgspec
import structlog

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.gather import Entry
from mcp_gateway_operator.controller.perform.kubernetes_writes import ObjectWriter
from mcp_gateway_operator.controller.perform.remember import protected
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.controller.tell import status_of
from mcp_gateway_operator.runtime.events import EventType
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import ObjectMemory, Record, State, placement_in
from mcp_gateway_operator.targets.rules import objection

log = structlog.get_logger(__name__)


class Mover:
    """Enters gateways into status and takes them out again; lets record and leftover change places."""

    def __init__(self, ports: Ports, objects: ObjectWriter) -> None:
        self._ports = ports
        self._objects = objects

    async def enter(self, entry: Entry, state: State, step: act.Move) -> MCPServer:
        """Write that a target may come to be on another gateway; nothing was sent there before.

        Raises:
            ApiError: it could not be written.
        """
        placed_by = state.destination.ruling.placed_by if state.destination is not None else None
        arn = placed_by.gateway_arn if placed_by is not None else ""
        place = Record(place=step.place, target_id="", gateway_arn=arn, placed_by=placed_by)
        entered = msgspec.structs.replace(state, moves=(*state.moves, place))
        moving = act.Await(reason=Reason.MOVING, message=step.message)
        status = status_of(entered, moving, wall=self._ports.wall())
        if status is None:
            # The answer alone of an earlier write was lost, so this pass goes on from what is stored.
            obj = await self._objects.fetch(state.obj)
            if obj.status == state.obj.status:
                page = state.memory.but(record=None)
                entry.memory = entry.memory.put(state.place, page).but(moves=None)
            return obj
        obj = await self._objects.write_status(entry, state.obj, status)
        page = protected(entry.memory.places[step.place])
        entry.memory = entry.memory.put(step.place, page)
        return obj

    def forget(self, state: State, step: act.Forget) -> ObjectMemory:
        """Take a gateway out of the moves; the status says so at the end of the pass."""
        kind: EventType = "Warning" if step.event == Reason.FOREIGN_MARKER else "Normal"
        gateway_id = step.place.gateway_id
        self._objects.event(state.obj, kind, step.event, f"Gateway {gateway_id}: {step.message}")
        log.info("nothing of the object is left on a gateway", gateway=gateway_id, why=step.event)
        places = {place: page for place, page in state.own.places.items() if place != step.place}
        moves = tuple(each for each in state.moves if each.place != step.place)
        return state.own.but(moves=moves, places=places)

    def arrived(self, state: State, memory: ObjectMemory) -> ObjectMemory:
        """Let a target on the wanted gateway be the object's from now on, and the one so far be left over.

        What is remembered of either stays with its place; which of them is home is all that changes.
        """
        destination, old = state.destination, state.record
        assert destination is not None
        assert old is not None
        others = tuple(each for each in state.moves if each.place != destination.place)
        why = _disowned(state, old)
        if why:
            self._objects.event(state.obj, "Warning", Reason.FOREIGN_MARKER, why)
        log.info(
            "the object's target is on another gateway now",
            gateway=destination.place.gateway_id,
            before=old.place.gateway_id,
            left_alone=why is not None,
        )
        left = msgspec.structs.replace(old, placed_by=placement_in(state.obj, old.place))
        page = memory.places[destination.place]
        page = page.but(ending=msgspec.structs.replace(page.ending, asked_at=None))
        remembered = {destination.place, *(each.place for each in others), *(() if why else (old.place,))}
        places = {place: each for place, each in memory.places.items() if place in remembered}
        return memory.but(
            home=destination.place,
            places={**places, destination.place: page},
            moves=others if why else (*others, left),
        )


def _disowned(state: State, record: Record) -> str | None:
    """Return why a recorded target is left alone when its object moves away, None when it is ours."""
    if state.recorded is not None:
        return objection(state, state.recorded)
    if record.legacy:
        gateway_id = record.place.gateway_id
        return f"Target {record.target_id} was not found on gateway {gateway_id}; it is not looked for."
    return None
