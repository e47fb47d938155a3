"""Objects that want the same target name: who comes first, and who must hear of a change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.gather.object_index import Key, ObjectIndex, wanted_name
from mcp_gateway_operator.targets.known import Row, State
from mcp_gateway_operator.targets.rules import Claim, claim_of, deciding_row, rank_of

Objects = Callable[[Key], MCPServer | None]


class Rivals:
    """Compares objects that want one name; almost no object has a rival, and then nothing is computed."""

    def __init__(self, index: ObjectIndex, objects: Objects) -> None:
        self._index = index
        self._objects = objects

    def of(self, state: State, name: str, holders: Collection[Row]) -> tuple[str, str]:
        """Return who else has, and who makes, the target of the name that an object wants: as in `State`.

        Args:
            state: of the object.
            name: the name it wants.
            holders: the rows of other targets that have the name.
        """
        key, record = state.obj.key, state.record
        holder = self._index.holder(deciding_row(holders).summary, besides=key) if holders else None
        others = self._others(key, name)
        first = None
        if others:
            held = record is not None and record.place == state.place and (record.target_name or name) == name
            first = self._first(
                state, name, Claim(place=state.place, rank=rank_of(state.obj, held=held)), others
            )
        return "/".join(holder or ()), "/".join(first or ())

    def _first(self, state: State, name: str, claim: Claim, others: Iterable[Key]) -> Key | None:
        """Return the object that makes the target that this one claims; None when that is this one itself."""
        first = (claim.rank, state.obj.key)
        for other in others:
            obj = self._objects(other)
            theirs = claim_of(obj, name, state.settings.default_gateway) if obj is not None else None
            if theirs is not None and theirs.place == claim.place:
                first = min(first, (theirs.rank, other))
        return None if first[1] == state.obj.key else first[1]

    def concerned(self, old: MCPServer | None, new: MCPServer | None, *, default_gateway: str) -> set[Key]:
        """Return the objects whose turn may have come, because one no longer claims what it did."""
        if old is None:
            return set()
        name = wanted_name(old)
        others = self._others(old.key, name)
        if not others:
            return set()
        before = claim_of(old, name, default_gateway)
        after = claim_of(new, name, default_gateway) if new is not None and wanted_name(new) == name else None
        return set() if before is None or before == after else set(others)

    def _others(self, key: Key, name: str) -> list[Key]:
        return [other for other in self._index.wanting(name) if other != key]
