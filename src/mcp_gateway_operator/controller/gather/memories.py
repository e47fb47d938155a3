"""What one process remembers of all objects, from the first event of each to its end."""

from __future__ import annotations

from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.gather.gateways_in_use import Gateways
from mcp_gateway_operator.controller.gather.object_index import Key, ObjectIndex
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.targets.known import Memory, applied_generation, stored_defaults


class Memories:
    """A memory for each object; one that was deleted and made again under its name is another object."""

    def __init__(self, ports: Ports, index: ObjectIndex, gateways: Gateways) -> None:
        self._ports = ports
        self._index = index
        self._gateways = gateways
        self._memories: dict[Key, Memory] = {}

    def get(self, key: Key) -> Memory | None:
        """Return what is remembered under this name."""
        return self._memories.get(key)

    def of(self, obj: MCPServer) -> Memory:
        """Return what is remembered of an object, nothing yet when it is new."""
        memory = self._memories.get(obj.key)
        return self.begin(obj) if memory is None or memory.uid != obj.metadata.uid else memory

    def begin(self, obj: MCPServer) -> Memory:
        """Begin to remember an object; one of the same name before it is forgotten."""
        self.drop(obj.key)
        memory = Memory(uid=obj.metadata.uid, applied=applied_generation(obj), defaults=stored_defaults(obj))
        self._memories[self._index.kept(obj.key)] = memory
        return memory

    def drop(self, key: Key) -> None:
        """Forget an object, and stop what was watched for it."""
        memory = self._memories.pop(key, None)
        if memory is None:
            return
        if memory.busy_on:
            self._ports.observer.idle(memory.busy_on, key)
        for each in (memory, *memory.elsewhere.values()):
            if each.record is not None:
                self._index.disclaim(each.record.target_id, key)
        self._gateways.release(key, memory)

    def look_again(self, key: Key) -> None:
        """Let the next pass wait for nothing and compare everything: a user asks for it."""
        memory = self._memories.get(key)
        if memory is None:
            return
        for each in (memory, *memory.elsewhere.values()):
            each.trouble = None
        memory.drift_next = memory.read_debt = 0.0
        memory.next_sweep = self._ports.clock()
        if memory.failure_next is not None:
            memory.failure_next = memory.next_sweep
