"""Every object in this process, from first event to end: what is remembered, tracked and heard of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice

from mcp_gateway_operator.agentcore.accounts import Observers
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.gather.desired_cache import Wants
from mcp_gateway_operator.controller.gather.full_gateways import FullGateways
from mcp_gateway_operator.controller.gather.object_index import Key, ObjectIndex
from mcp_gateway_operator.targets.known import (
    BLANK,
    NOWHERE,
    Held,
    ObjectMemory,
    Place,
    applied_generation,
    stored_defaults,
)
from mcp_gateway_operator.targets.rules import at_war


@dataclass(slots=True, eq=False)
class Entry:
    """One object in this process; made anew under its name, it is another one.

    Attributes:
        memory: what is remembered, replaced as a whole where a decision begins and where it has ended.
        freed: a full gateway has room for it; the next decision takes that in.
        tracked: the gateways that are tracked for it.
        busy_on: the gateway whose fast Lists it asked for, or NOWHERE.
        wants: what its spec asks for, where that is too large to be kept.
    """

    memory: ObjectMemory
    freed: bool = False
    tracked: frozenset[str] = frozenset()
    busy_on: Place = NOWHERE
    wants: Wants | None = None

    def wants_of(self, obj: MCPServer) -> Wants | None:
        """Return what is known of a spec that is too large to be kept, None for one that is."""
        digest = obj.left_out.digest if obj.left_out is not None else ""
        if not digest:
            self.wants = None
        elif self.wants is None or self.wants.digest != digest:
            self.wants = Wants(digest)
        return self.wants


class Memories:
    """The entries of all objects, and the gateways that are tracked for them."""

    def __init__(self, observers: Observers, index: ObjectIndex) -> None:
        self.full_gateways = FullGateways()
        """Who waits there for a place."""
        self._observers = observers
        self._index = index
        self._entries: dict[Key, Entry] = {}
        self._users: dict[str, dict[str, set[Key]]] = {}
        """By gateway and namespace, the objects for which it is tracked."""
        self._gateways_of = Counter[str]()
        """By namespace, how many gateways are tracked for it."""

    def get(self, key: Key) -> Entry | None:
        """Return the entry under this name."""
        return self._entries.get(key)

    def of(self, obj: MCPServer) -> Entry:
        """Return an object's entry, a new one when it is new."""
        entry = self._entries.get(obj.key)
        return self.begin(obj) if entry is None or entry.memory.uid != obj.metadata.uid else entry

    def begin(self, obj: MCPServer, *, born_here: bool = False) -> Entry:
        """Begin to remember an object; one of the same name before it is forgotten."""
        self.drop(obj.key)
        held = Held(applied=applied_generation(obj), defaults=stored_defaults(obj))
        memory = ObjectMemory(uid=obj.metadata.uid, born_here=born_here).put(NOWHERE, BLANK.but(held=held))
        entry = self._entries[self._index.shared_key(obj.key)] = Entry(memory)
        return entry

    def drop(self, key: Key) -> None:
        """Forget an object, and stop what was tracked for it."""
        self.full_gateways.follow(key, NOWHERE, None)
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self.busy(key, entry, NOWHERE)
        for page in entry.memory.places.values():
            if page.record is not None:
                self._index.disclaim(page.record.target, key)
        self.track(key, entry, ())

    def track(self, key: Key, entry: Entry, places: tuple[Place, ...]) -> None:
        """Track exactly these gateways for an object from now on."""
        used = frozenset(place.gateway_id for place in places)
        if used == entry.tracked:
            return
        for place in places:
            # In their order, so that the first that is asked for is listed first.
            self._use(key, place.gateway_id)
            self._observers.track(place.gateway_id)
        for gateway_id in entry.tracked - used:
            self._leave(key, gateway_id)
        entry.tracked = self._alike(used, key)

    def users(self, gateway_id: str) -> frozenset[Key]:
        """Return the objects for which a gateway is tracked."""
        return frozenset().union(*self._users.get(gateway_id, {}).values())

    def fought_over(self, now: float) -> int:
        """Return how many objects have targets that somebody else keeps changing, at this loop time."""
        pages = (entry.memory.places.get(entry.memory.home) for entry in self._entries.values())
        return sum(page is not None and at_war(page.drift, now) for page in pages)

    def payer(self, gateway_id: str) -> str:
        """Return the namespace in whose turn a gateway is listed: of its users the one with fewest."""
        users = self._users.get(gateway_id, {})
        return min(((self._gateways_of[each], each) for each in users), default=(0, ""))[1]

    def _alike(self, used: frozenset[str], key: Key) -> frozenset[str]:
        """Return the set itself, or a neighbour's equal one: thousands of objects use the same gateway."""
        for gateway_id in used:
            for other in islice(self._users[gateway_id][key[0]], 2):
                entry = self._entries.get(other)
                if entry is not None and entry.tracked == used:
                    return entry.tracked
        return used

    def _use(self, key: Key, gateway_id: str) -> None:
        users = self._users.setdefault(gateway_id, {})
        if key[0] not in users:
            users[key[0]] = set()
            self._gateways_of[key[0]] += 1
        users[key[0]].add(key)

    def _leave(self, key: Key, gateway_id: str) -> None:
        users = self._users[gateway_id]
        users[key[0]].discard(key)
        if users[key[0]]:
            return
        del users[key[0]]
        self._gateways_of[key[0]] -= 1
        if not self._gateways_of[key[0]]:
            del self._gateways_of[key[0]]
        if not users:
            del self._users[gateway_id]
            self._observers.untrack(gateway_id)

    def busy(self, key: Key, entry: Entry, place: Place) -> None:
        """Ask for fast Lists of one gateway for an object, of none when it is NOWHERE."""
        if entry.busy_on not in (place, NOWHERE):
            self._observers.of(entry.busy_on.gateway_id).idle(entry.busy_on.gateway_id, key)
        if place != NOWHERE:
            self._observers.assign(place.gateway_id).busy(place.gateway_id, key)
        entry.busy_on = place
