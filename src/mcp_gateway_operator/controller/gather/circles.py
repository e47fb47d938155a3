"""Objects that wait for each other's names in a circle, on one gateway or in moves between several.

Each keeps its target until the name it wants is free, so none of them ever goes first; only a user can help.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Final

from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.gather.object_index import Key, ObjectIndex, wanted_name
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.targets.known import Place, stored_record
from mcp_gateway_operator.targets.rules import Claim, claim_of, deciding_row, place_of
from mcp_gateway_operator.targets.shape import TargetStatus

SHOWN: Final = 6
"""How many of a circle a message names at most."""

_Stance = tuple[str, Claim, str, str]
"""The wanted name, the claim to it, and the recorded target with its name."""
_Circle = tuple[tuple[Key, ...], int]
"""Those in a circle, each before the one it waits for, and where one stands there."""
_NONE: Final[_Circle] = (), 0


class Circles:
    """Answers who waits in a circle with whom, and whom it concerns that one came to be or was broken.

    A walk goes from an object to the one that holds the name it wants, and serves all who stand along it
    until something changes: what all of them have to say costs as much as their number.
    """

    def __init__(
        self,
        ports: Ports,
        index: ObjectIndex,
        *,
        default_of: Callable[[MCPServer], str],
    ) -> None:
        self._index = index
        self._objects = ports.informer.get
        self._table = ports.observer.table
        self._default_of = default_of
        self._found: dict[Key, _Circle] = {}

    def of(self, obj: MCPServer, place: Place) -> str:
        """Return who waits in a circle for names with an object that wants one in this place, else "".

        Named are the object, the one that it waits for, and others of its namespace: a conflict tells no more
        of other namespaces than who holds the name.
        """
        stance = self._stance(obj)
        if stance is None or stance[1].place != place:
            return ""
        if obj.key not in self._found:
            self._walk(obj.key, stance)
        members, at = self._found[obj.key]
        nearest = list(islice(chain(members[at:], members[:at]), SHOWN))
        shown = nearest[:2] + [each for each in nearest[2:] if each[0] == obj.key[0]]
        names = ["/".join(each) for each in shown]
        if len(members) > len(names):
            return f"{', '.join(names)} and {len(members) - len(names)} more"
        return " and ".join((", ".join(names[:-1]), names[-1])) if names else ""

    def follow(self, old: MCPServer | None, new: MCPServer | None) -> set[Key]:
        """Take an event that the index has taken; return who else says something else by it."""
        before, after = (self._stance(obj) if obj is not None else None for obj in (old, new))
        if before == after:
            return set()
        concerned: set[Key] = set()
        for obj, stance in ((old, before), (new, after)):
            self.forget()  # what was found while the object stood elsewhere
            if obj is not None and stance is not None:
                self._walk(obj.key, stance)
                concerned.update(self._found[obj.key][0])
                concerned.discard(obj.key)
        self.forget()
        return concerned

    def forget(self) -> None:
        """Take that targets have changed, or where objects belong that name no gateway."""
        self._found.clear()

    def _walk(self, key: Key, stance: _Stance) -> None:
        path = {key: 0}
        for following in self._held_up_by(key, stance):
            if following in self._found:
                break
            if following in path:
                members = tuple(path)[path[following] :]
                self._found |= dict.fromkeys(path, _NONE)
                self._found |= {each: (members, at) for at, each in enumerate(members)}
                return
            path[following] = len(path)
        self._found |= dict.fromkeys(path, _NONE)

    def _held_up_by(self, key: Key, stance: _Stance | None) -> Iterator[Key]:
        """Walk from an object to the one that holds the name it wants, and on."""
        while stance is not None:
            name, claim, own, _ = stance
            table = self._table(claim.place.gateway_id)
            rows = [row for row in table.named(name) if row.summary.target_id != own] if table else []
            if not rows or (summary := deciding_row(rows).summary).status == TargetStatus.DELETING:
                return
            holder = self._index.holder(summary, besides=key)
            obj = self._objects(holder) if holder is not None else None
            record = stored_record(obj) if obj is not None else None
            if obj is None or record is None or record.target_id != summary.target_id:
                return
            key, stance = obj.key, self._stance(obj)
            yield key

    def _stance(self, obj: MCPServer) -> _Stance | None:
        """Return what an object waits for that has a target and wants another name or place for it."""
        record, name = stored_record(obj), wanted_name(obj)
        if record is None:
            return None
        default = self._default_of(obj) if obj.spec.class_name else ""
        if record.target_name == name and record.place == place_of(obj, default):
            return None
        claim = claim_of(obj, name, default)
        return (name, claim, record.target_id, record.target_name) if claim is not None else None
