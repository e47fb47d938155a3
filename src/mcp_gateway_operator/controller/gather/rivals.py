"""Objects that want the same target name: who comes first, and who must hear of a change."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection
from itertools import islice

from mcp_gateway_operator.agentcore.observe import Change
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.gather.object_index import Key, ObjectIndex, wanted_name
from mcp_gateway_operator.targets.known import Place, Row, State
from mcp_gateway_operator.targets.rules import Claim, claim_of, deciding_row, rank_of

Objects = Callable[[Key], MCPServer | None]
_Line = tuple[str, Place, bool]
"""A name, a place, and whether those who stand there rename a target that they have."""


class Rivals:
    """Keeps all who claim one name on one gateway in line, and wakes only who comes first.

    Lines are kept for names that several objects want; almost no name is one. However many they are, an event
    or a row that changes costs one place in line, and a pass looks at the head of it.
    """

    def __init__(self, index: ObjectIndex, objects: Objects) -> None:
        self._index = index
        self._objects = objects
        self._lines: dict[_Line, list[tuple[Claim, Key]]] = {}
        self._standing: dict[Key, tuple[_Line, Claim]] = {}

    def of(self, state: State, name: str, holders: Collection[Row]) -> tuple[str, str]:
        """Return who else has, and who makes, the target of the name that an object wants: as in `State`.

        Args:
            state: of the object.
            name: the name it wants.
            holders: the rows of other targets that have the name.
        """
        key, record = state.obj.key, state.record
        holder = self._index.holder(deciding_row(holders).summary, besides=key) if holders else None
        line = self._lines.get((name, state.place, False), ())
        other = next((each for each in line[:2] if each[1] != key), None)
        first = None
        if other is not None:
            held = record is not None and record.place == state.place and (record.target_name or name) == name
            if (other[0].rank, other[1]) < (rank_of(state.obj, held=held), key):
                first = other[1]
        return "/".join(holder or ()), "/".join(first or ())

    def follow(self, old: MCPServer | None, new: MCPServer | None, *, default_gateway: str) -> set[Key]:
        """Take an event that the index has taken; return who has become the first of a line by it."""
        obj = new or old
        assert obj is not None
        woken = self._leave(obj.key)
        if new is None:
            return woken
        name = wanted_name(new)
        others = self._index.wanting(name)
        if len(others) <= 1:
            return woken
        for key in (new.key, *islice(others, 2)):  # the second one makes it a line
            rival = self._objects(key) if key != new.key else new
            if rival is not None and key not in self._standing:
                self._join(key, name, claim_of(rival, name, default_gateway))
        return {key for key in woken if self._is_first(key)}

    def concerned(self, gateway_id: str, changes: Collection[Change]) -> set[Key]:
        """Return who may act now that targets of a name they want have changed: the first of each line."""
        place = Place(gateway_id)
        woken: set[Key] = set()
        for name in {each.name for change in changes for each in change[1:] if each is not None}:
            wanting = self._index.wanting(name)
            if len(wanting) == 1:
                woken.update(wanting)
            for renames in (False, True):
                woken.update(key for _, key in self._lines.get((name, place, renames), ())[:1])
        return woken

    def _is_first(self, key: Key) -> bool:
        return self._lines[self._standing[key][0]][0][1] == key

    def _join(self, key: Key, name: str, claim: Claim | None) -> None:
        if claim is None:
            return
        line = (name, claim.place, claim.renames)
        insort(self._lines.setdefault(line, []), (claim, key), key=_order)
        self._standing[key] = line, claim

    def _leave(self, key: Key) -> set[Key]:
        """Take an object out of line; return the next one where it was the first."""
        line, claim = self._standing.pop(key, (None, None))
        if line is None or claim is None:
            return set()
        others = self._lines[line]
        at = bisect_left(others, _order((claim, key)), key=_order)
        del others[at]
        if not others:
            del self._lines[line]
        return {other for _, other in others[:1]} if at == 0 else set()


def _order(standing: tuple[Claim, Key]) -> tuple[object, ...]:
    claim, key = standing
    return (*claim.rank, key)
