"""What a move to another gateway changes in the object's status and memory."""

from __future__ import annotations

from dataclasses import fields, replace

import structlog

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.controller.perform.object_writes import ObjectWriter
from mcp_gateway_operator.controller.perform.performer import Pass
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.controller.tell import status_of
from mcp_gateway_operator.runtime.events import EventType
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Memory, Record, State
from mcp_gateway_operator.targets.rules import objection

_OF_OBJECT = frozenset(
    {
        "uid",
        "born_here",
        "deleting_since",
        "record_failed",
        "moves",
        "elsewhere",
        "wrote",
        "quarrels",
        "quarrel_until",
        "busy_on",
        "gateways",
        "synced_request",
        "told",
        "waiting_since",
    }
)
_OF_TARGET = tuple(field.name for field in fields(Memory) if field.name not in _OF_OBJECT)
"""What is remembered of a target, and changes places with it."""

log = structlog.get_logger(__name__)


class Mover:
    """Enters gateways into status and takes them out again; lets record and leftover change places."""

    def __init__(self, ports: Ports, objects: ObjectWriter) -> None:
        self._ports = ports
        self._objects = objects

    async def move(self, view: Pass, state: State, action: act.Move) -> None:
        """Write that a target may come to be on another gateway; nothing was sent there before."""
        there = state.destination
        assert there is not None
        entered = replace(state, moves=(*state.moves, Record(gateway_id=action.gateway_id, target_id="")))
        told = act.Await(reason=Reason.MOVING, message=action.message)
        status = status_of(entered, told, wall=self._ports.wall())
        if status is None:
            # The answer alone of an earlier write was lost, so this pass goes on from what is stored.
            view.obj, view.fresh = await self._objects.fetch(state.obj), True
            if view.obj.status == state.obj.status:
                state.memory.record = state.memory.moves = None
            return
        view.obj, view.fresh = await self._objects.write_status(state.obj, status, state.memory), True
        there.memory.protected_here = True

    async def forget(self, _view: Pass, state: State, action: act.Forget) -> None:
        """Take a gateway out of the moves; the status says so at the end of the pass."""
        memory = state.memory
        memory.moves = tuple(place for place in state.moves if place.gateway_id != action.gateway_id)
        memory.elsewhere = {
            gateway_id: each
            for gateway_id, each in memory.elsewhere.items()
            if gateway_id != action.gateway_id
        }
        kind: EventType = "Warning" if action.event == Reason.FOREIGN_MARKER else "Normal"
        message = f"Gateway {action.gateway_id}: {action.message}"
        self._objects.event(state.obj, kind, action.event, message)
        self._log(state, action.gateway_id, action.message)

    def arrived(self, state: State) -> None:
        """Let a target on the wanted gateway be the object's from now on, and the one so far be left over."""
        there, old, memory = state.destination, state.record, state.memory
        assert there is not None
        assert old is not None
        others = tuple(place for place in state.moves if place.gateway_id != there.gateway_id)
        why = _disowned(state, old)
        memory.moves = others if why else (*others, old)
        for name in _OF_TARGET:
            mine, its = getattr(memory, name), getattr(there.memory, name)
            setattr(memory, name, its)
            setattr(there.memory, name, mine)
        memory.delete_asked = None
        kept = {place.gateway_id: memory.elsewhere[place.gateway_id] for place in others}
        memory.elsewhere = kept if why else {**kept, old.gateway_id: there.memory}
        if why:
            self._objects.event(state.obj, "Warning", Reason.FOREIGN_MARKER, why)
        self._log(state, old.gateway_id, why or f"left for {there.gateway_id}")

    @staticmethod
    def _log(state: State, gateway_id: str, what: str) -> None:
        meta = state.obj.metadata
        log.info("move", namespace=meta.namespace, name=meta.name, gateway=gateway_id, what=what)


def _disowned(state: State, record: Record) -> str | None:
    """Return why a recorded target is left alone when its object moves away, None when it is ours."""
    if state.recorded is not None:
        return objection(state, state.recorded)
    if record.legacy:
        return (
            f"Target {record.target_id} was not found on gateway {record.gateway_id}; it is not looked for."
        )
    return None
