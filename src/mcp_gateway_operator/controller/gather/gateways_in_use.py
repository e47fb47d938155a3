"""Which gateways are watched: those that some object uses, from the first to the last such object."""

from __future__ import annotations

from mcp_gateway_operator.agentcore.observe import GatewayTable, Observer
from mcp_gateway_operator.controller.gather.object_index import Key
from mcp_gateway_operator.targets.known import Memory


class Gateways:
    """Counts the users of each gateway, and has the observer track those that are used."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._users: dict[str, set[Key]] = {}
        self._sets: dict[frozenset[str], frozenset[str]] = {}
        """Each set of gateways once: thousands of objects use the same one."""

    def use(self, key: Key, memory: Memory, gateway_ids: tuple[str, ...]) -> list[GatewayTable]:
        """Return the tables of exactly these gateways, tracked for this object from now on."""
        now_used = frozenset(gateway_ids)
        for gateway_id in memory.gateways - now_used:
            self._leave(key, gateway_id)
        for gateway_id in now_used - memory.gateways:
            self._users.setdefault(gateway_id, set()).add(key)
        if now_used != memory.gateways:
            memory.gateways = self._sets.setdefault(now_used, now_used)
        return [self._observer.track(gateway_id) for gateway_id in gateway_ids]

    def users(self, gateway_id: str) -> frozenset[Key]:
        """Return the objects that use a gateway."""
        return frozenset(self._users.get(gateway_id, ()))

    def table(self, gateway_id: str) -> GatewayTable:
        """Return the table of a gateway in use."""
        return self._observer.track(gateway_id)

    def release(self, key: Key, memory: Memory) -> None:
        """Forget a gone object's use."""
        for gateway_id in memory.gateways:
            self._leave(key, gateway_id)
        memory.gateways = frozenset()

    def _leave(self, key: Key, gateway_id: str) -> None:
        users = self._users.get(gateway_id)
        if users is None:
            return
        users.discard(key)
        if not users:
            del self._users[gateway_id]
            self._observer.untrack(gateway_id)
