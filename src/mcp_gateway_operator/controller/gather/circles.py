"""Objects that wait for each other in a circle: for names, or for room on gateways that are full.

Each keeps its target until what it wants is free, so none of them ever goes first; only a user can help.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice
from typing import Final, NamedTuple

from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.gather.object_index import Key, ObjectIndex, wanted_name
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.targets.known import (
    NO_CIRCLE,
    Circle,
    Place,
    placements,
    stored_moves,
    stored_record,
)
from mcp_gateway_operator.targets.rules import Claim, claim_of, deciding_row, place_of
from mcp_gateway_operator.targets.shape import TargetStatus

SHOWN: Final = 6
"""How many of a circle a message names at most."""
LOOKED_AT: Final = 2_000
"""Objects and gateways that are looked at for one circle at most."""


class _Stance(NamedTuple):
    """What an object waits for that has a target and wants another name or gateway for it.

    Attributes:
        claim: to `name`, on the gateway where it is wanted.
        target_id: of the recorded target, on the gateway `leaves`.
        full: status says of this generation that there is no room.
    """

    name: str
    claim: Claim
    target_id: str
    old_name: str
    leaves: str
    full: bool


class _Wait(NamedTuple):
    """What holds up an object, or keeps a gateway full: of a gateway, all of them, for any makes room."""

    keys: tuple[Key, ...]
    for_room: bool


_Graph = dict[Key, _Wait]
"""By object, and by gateway under `_gateway`, what holds it up. One that nothing holds up is not there."""


class _Found(NamedTuple):
    """Those in a circle, each before the one it waits for, where one stands there, and what they wait for."""

    members: tuple[Key, ...]
    at: int
    for_names: bool
    for_room: bool


_NONE: Final = _Found((), 0, for_names=False, for_room=False)


class Circles:
    """Answers who waits in a circle with whom, and whom it concerns that one came to be or was broken.

    A look goes from an object to what holds it up, and on, and serves all who stand in the circle until
    something changes: what all of them have to say costs as much as their number.
    """

    def __init__(
        self,
        ports: Ports,
        index: ObjectIndex,
        *,
        default_of: Callable[[MCPServer], str],
        users: Callable[[str], Iterable[Key]],
    ) -> None:
        self._index = index
        self._objects = ports.informer.get
        self._table = ports.observers.table
        self._default_of = default_of
        self._users = users
        self._found: dict[Key, _Found] = {}

    def of(self, obj: MCPServer, place: Place, *, full: bool = False) -> Circle:
        """Return who waits in a circle with an object that wants a name, or room, in this place.

        Named are the object, the one that it waits for, and others of its namespace: a conflict tells no more
        of other namespaces than who is in the way.

        Args:
            obj: the object.
            place: where it wants something.
            full: there is no room, whatever status says of it yet.
        """
        stance = self._stance(obj)
        if stance is None or stance.claim.place != place:
            return NO_CIRCLE
        if full and not stance.full:
            # What others found while status did not say so is worth nothing here, nor is this to them.
            return self._circle(obj.key, self._find(obj.key, stance._replace(full=True)).get(obj.key, _NONE))
        if obj.key not in self._found:
            self._found |= self._find(obj.key, stance)
        return self._circle(obj.key, self._found[obj.key])

    def follow(self, old: MCPServer | None, new: MCPServer | None) -> set[Key]:
        """Take an event that the index has taken; return who says something else by it."""
        alike = old is not None and new is not None and _led_by(old) == _led_by(new)
        default = self._default(new) if new is not None else ""
        before = self._stance(old, default=default if alike else None) if old is not None else None
        after = self._stance(new, default=default) if new is not None else None
        if before == after:
            return set()
        self.forget()
        concerned: set[Key] = set()
        for obj, stance in ((old, before), (new, after)):
            if obj is not None and stance is not None:
                found = self._find(obj.key, stance)[obj.key]
                # Who has just said that there is no room may not have known yet that others say so, too.
                concerned.update(each for each in found.members if found.for_room or each != obj.key)
        return concerned

    def forget(self) -> None:
        """Take that targets have changed, or where objects belong that name no gateway."""
        self._found.clear()

    # -- what a message says ----------------------------------------------------------------------------

    def _circle(self, key: Key, found: _Found) -> Circle:
        members, at = found.members, found.at
        nearest = list(islice(chain(members[at:], members[:at]), SHOWN))
        shown = nearest[:2] + [each for each in nearest[2:] if each[0] == key[0]]
        names = ["/".join(each) for each in shown]
        if len(members) > len(names):
            words = f"{', '.join(names)} and {len(members) - len(names)} more"
        else:
            words = " and ".join((", ".join(names[:-1]), names[-1])) if names else ""
        return Circle(members=words, for_names=found.for_names, for_room=found.for_room)

    # -- who waits for whom -----------------------------------------------------------------------------

    def _find(self, key: Key, stance: _Stance) -> dict[Key, _Found]:
        """Return what there is to say of an object that stands so, and of those along the way."""
        given, path = {key: stance}, {key: 0}
        while (wait := self._wait(key, given)) is not None:
            if wait.for_room:
                return self._find_ring(next(iter(path)), given)
            (key,) = wait.keys
            if key in path:
                members = tuple(path)[path[key] :]
                around = {
                    each: _Found(members, at, for_names=True, for_room=False)
                    for at, each in enumerate(members)
                }
                return dict.fromkeys(path, _NONE) | around
            if key in self._found and not self._found[key].for_room:
                break
            path[key] = len(path)
        return dict.fromkeys(path, _NONE)

    def _find_ring(self, start: Key, given: Mapping[Key, _Stance]) -> dict[Key, _Found]:
        """Do so where room is waited for, which many could make."""
        graph = self._graph(start, given)
        stuck = _stuck(graph)
        members = tuple(each for each in _ring(stuck, start) if each[0])
        kinds = {stuck[each].for_room for each in members}
        names, room = False in kinds, True in kinds
        around = {
            each: _Found(members, at, for_names=names, for_room=room) for at, each in enumerate(members)
        }
        return {start: _NONE} | dict.fromkeys(graph.keys() - stuck.keys(), _NONE) | around

    def _graph(self, start: Key, given: Mapping[Key, _Stance]) -> _Graph:
        """Return all that an object waits for, and what that waits for in turn."""
        graph: _Graph = {}
        due = [start]
        while due and len(graph) < LOOKED_AT:
            key = due.pop()
            if key in graph:
                continue
            wait = self._room(key[1], given) if not key[0] else self._wait(key, given)
            if wait is not None:
                graph[key] = wait
                due += wait.keys
        return graph

    def _wait(self, key: Key, given: Mapping[Key, _Stance]) -> _Wait | None:
        """Return what holds an object up, None when nothing does that could be in a circle."""
        obj = self._objects(key)
        stance = given.get(key) or (self._stance(obj) if obj is not None else None)
        if stance is None:
            return None
        gateway_id = stance.claim.place.gateway_id
        table = self._table(gateway_id)
        rows = (
            [row for row in table.named(stance.name) if row.summary.target_id != stance.target_id]
            if table
            else []
        )
        if not rows:
            return _Wait((_gateway(gateway_id),), for_room=True) if stance.full else None
        summary = deciding_row(rows).summary
        holder = self._index.holder(summary, stance.claim.place, besides=key)
        other = self._objects(holder) if holder is not None else None
        record = stored_record(other) if other is not None else None
        if other is None or record is None or record.target != stance.claim.place.target(summary.target_id):
            return None
        return None if summary.status == TargetStatus.DELETING else _Wait((other.key,), for_room=False)

    def _room(self, gateway_id: str, given: Mapping[Key, _Stance]) -> _Wait | None:
        """Return those that are to leave a gateway, None when nobody is or one does already."""
        leaving: list[Key] = []
        for key in sorted({*self._users(gateway_id), *given}):
            obj = self._objects(key)
            stance = given.get(key) or (self._stance(obj) if obj is not None else None)
            if stance is not None and stance.leaves == gateway_id != stance.claim.place.gateway_id:
                leaving.append(key)
            elif obj is not None and key not in given and _leaves_now(obj, gateway_id):
                return None
        return _Wait(tuple(leaving), for_room=True) if leaving else None

    def _default(self, obj: MCPServer) -> str:
        """Return the gateway of an object that has a target and names none by its id, where that matters."""
        return self._default_of(obj) if obj.spec.class_name else ""

    def _stance(self, obj: MCPServer, *, default: str | None = None) -> _Stance | None:
        """Return what an object waits for that has a target and wants another name or place for it."""
        record, name = stored_record(obj), wanted_name(obj)
        if record is None:
            return None
        default = self._default(obj) if default is None else default
        if record.target_name == name and record.place == place_of(obj, default):
            return None
        claim = claim_of(obj, name, default)
        if claim is None:
            return None
        ready = obj.status.condition(ConditionType.READY)
        full = (
            ready is not None
            and ready.reason == Reason.GATEWAY_FULL
            and ready.observed_generation == obj.metadata.generation
            and record.place != claim.place
        )
        return _Stance(name, claim, record.target_id, record.target_name, record.place.gateway_id, full)


def _led_by(obj: MCPServer) -> tuple[object, ...]:
    """Return what of an object decides on which gateway it is to be that it does not name by an id."""
    return obj.spec, placements(obj)


def _gateway(gateway_id: str) -> Key:
    """Return what stands for a gateway among objects; no namespace is empty."""
    return ("", gateway_id)


def _leaves_now(obj: MCPServer, gateway_id: str) -> bool:
    """Whether a target of an object is about to go from a gateway by itself."""
    record = stored_record(obj)
    if obj.metadata.deletion_timestamp and not obj.paused:
        return record is not None and record.place.gateway_id == gateway_id
    left = any(each.place.gateway_id == gateway_id and each.target_id for each in stored_moves(obj))
    return left and record is not None and record.place.gateway_id != gateway_id


def _stuck(graph: _Graph) -> _Graph:
    """Return those that wait for nothing but such as are stuck themselves."""
    waiting: dict[Key, list[Key]] = {}
    for key, wait in graph.items():
        for each in wait.keys:
            waiting.setdefault(each, []).append(key)
    stuck = dict(graph)
    free = [each for each in waiting if each not in graph]
    for each in free:
        # It grows while it is walked through.
        free += [key for key in waiting.get(each, ()) if stuck.pop(key, None) is not None]
    return stuck


def _ring(graph: _Graph, start: Key) -> tuple[Key, ...]:
    """Return the shortest way from one of those that are stuck back to itself, none when there is none."""
    if start not in graph:
        return ()
    came: dict[Key, Key] = {}
    due = [start]
    for key in due:
        for each in graph[key].keys:
            if each == start:
                way = [key]
                while way[-1] != start:
                    way.append(came[way[-1]])
                return tuple(reversed(way))
            if each not in came:
                came[each] = key
                due.append(each)
    return ()
