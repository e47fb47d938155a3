"""Objects that want the same target name: who comes first, and who must hear of a change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.gather.object_index import Key, ObjectIndex, wanted_name
from mcp_gateway_operator.targets.known import Row, State
from mcp_gateway_operator.targets.rules import Claim, Rank, claim_of, deciding_row, rank_of

Objects = Callable[[Key], MCPServer | None]


class Rivals:
    """Compares objects that want one name; almost no object has a rival, and then nothing is computed."""

    def __init__(self, index: ObjectIndex, objects: Objects) -> None:
        self._index = index
        self._objects = objects

    def tell(self, state: State, name: str, holders: Collection[Row]) -> None:
        """Enter into a state who else has, or makes, the target of the name that its object wants.

        Args:
            state: of the object.
            name: the name it wants.
            holders: the rows of other targets that have the name.
        """
        key, record = state.obj.key, state.record
        if holders:
            state.holder = _text(self._index.holder(deciding_row(holders).summary, besides=key))
        held = record is not None and (record.gateway_id, record.target_name or name) == (
            state.gateway_id,
            name,
        )
        claim = Claim(gateway_id=state.gateway_id, rank=rank_of(state.obj, held=held))
        state.rival = _text(self._ahead(key, name, claim, state.settings.default_gateway))

    def _ahead(self, key: Key, name: str, claim: Claim, default_gateway: str) -> Key | None:
        """Return the object that makes the target that `key` claims; None when that is `key` itself."""
        first: tuple[Rank, Key] = (claim.rank, key)
        for other in self._others(key, name):
            theirs = self._claim(other, name, default_gateway)
            if theirs is not None and theirs.gateway_id == claim.gateway_id:
                first = min(first, (theirs.rank, other))
        return None if first[1] == key else first[1]

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

    def _others(self, key: Key, name: str) -> Iterable[Key]:
        return [other for other in self._index.wanting(name) if other != key]

    def _claim(self, key: Key, name: str, default_gateway: str) -> Claim | None:
        obj = self._objects(key)
        return claim_of(obj, name, default_gateway) if obj is not None else None


def _text(key: Key | None) -> str:
    return "/".join(key) if key is not None else ""
