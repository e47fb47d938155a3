"""Which objects a change in AWS concerns: by recorded target, by marker, by wanted name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, KeysView

from mcp_gateway_operator.agentcore.observe import Change
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.targets.known import Settings, stored_moves, stored_record
from mcp_gateway_operator.targets.shape import TargetSummary, default_target_name, find_marker

Key = tuple[str, str]
Keys = dict[str, tuple[Key, ...] | dict[Key, None]]
"""Nearly every entry has one key, so tuples cost less than sets, and both tables share them."""
_FEW = 8


def wanted_name(obj: MCPServer) -> str:
    """Return the target name an object asks for."""
    return obj.spec.target_name.strip() or default_target_name(obj.metadata.name)


class ObjectIndex:
    """Answers "whose is this?" without a pass over all objects; fed by the informer's events."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._by_target: Keys = {}
        self._by_name: Keys = {}
        self._by_marker: dict[str, Key] = {}
        self._legacy: set[Key] = set()
        self._alone: dict[Key, tuple[Key, ...]] = {}
        """By key, the one tuple that holds it alone."""

    def shared_key(self, key: Key) -> Key:
        """Return the tuple that stands for this key wherever it is stored, so that memory has it once."""
        alone = self._alone.get(key)
        return alone[0] if alone is not None else key

    def update(self, old: MCPServer | None, new: MCPServer | None) -> None:
        """Take one change of one object in."""
        if new is not None and new.key not in self._alone:
            self._alone[new.key] = (new.key,)
        for key, target_id in _recorded(old):
            self._discard(self._by_target, target_id, key)
        for key, target_id in _recorded(new):
            self._add(self._by_target, target_id, key)
        self._note_legacy(old, new)
        before, after = (wanted_name(obj) if obj is not None else "" for obj in (old, new))
        if before != after:
            if old is not None:
                self._discard(self._by_name, before, old.key)
            if new is not None:
                self._add(self._by_name, after, new.key)
        if old is None and new is not None:
            for mark in self._settings.markers_of(new):
                self._by_marker[mark] = self.shared_key(new.key)
        elif old is not None and new is None:
            self._forget(old)

    def _note_legacy(self, old: MCPServer | None, new: MCPServer | None) -> None:
        record = stored_record(new) if new is not None else None
        if new is not None and record is not None and record.legacy:
            self._legacy.add(self.shared_key(new.key))
        elif old is not None:
            self._legacy.discard(old.key)

    def rebuild(self, settings: Settings, objects: Iterable[MCPServer]) -> None:
        """Start over with other settings."""
        self._settings = settings
        self._legacy.clear()
        for table in (self._by_target, self._by_name, self._by_marker):
            table.clear()
        for obj in objects:
            self.update(None, obj)

    def recorders(self, target_id: str, *, proven: bool = False) -> frozenset[Key]:
        """Return the objects whose valid record names this target.

        Args:
            target_id: of the target.
            proven: leave out records of the Go operator, which do not say whose they are.
        """
        return frozenset(
            key for key in self._by_target.get(target_id, ()) if not proven or key not in self._legacy
        )

    def freed(self, old: MCPServer | None, new: MCPServer | None) -> set[Key]:
        """Return the objects that record a target which another one has just ceased to record."""
        if old is None or (new is not None and new.status.target_id == old.status.target_id):
            return set()
        before = {target_id for _, target_id in _recorded(old)} - {each for _, each in _recorded(new)}
        return {key for target_id in before for key in self._by_target.get(target_id, ())}

    def wanting(self, name: str) -> Collection[Key]:
        """Return the objects that ask for this target name, on whatever gateway; a live view."""
        return self._by_name.get(name, ())

    def holder(self, summary: TargetSummary, *, besides: Key) -> Key | None:
        """Return the other object whose target this is: as its marker says, else as a record does."""
        mark = find_marker(summary.description)
        if mark is not None:
            return self._by_marker.get(mark)
        return min(self.recorders(summary.target_id) - {besides}, default=None)

    def markers(self) -> KeysView[str]:
        """Return the markers, as `OWNER/OBJECT`, of all objects there are; a live view."""
        return self._by_marker.keys()

    def claim(self, target_id: str, key: Key) -> None:
        """Note a target that was created or taken up and is not in the status yet."""
        self._add(self._by_target, target_id, key)

    def disclaim(self, target_id: str, key: Key) -> None:
        """Forget such a target: its object is gone, and its status never held it."""
        self._discard(self._by_target, target_id, key)

    def concerned(self, changes: Iterable[Change]) -> set[Key]:
        """Return the objects that rows which changed belong to."""
        keys: set[Key] = set()
        for change in changes:
            keys.update(self._by_target.get(change.target_id, ()))
            for summary in (change.before, change.after):
                if summary is None:
                    continue
                mark = find_marker(summary.description)
                if mark is not None and (key := self._by_marker.get(mark)) is not None:
                    keys.add(key)
        return keys

    def _forget(self, gone: MCPServer) -> None:
        for mark in self._settings.markers_of(gone):
            self._by_marker.pop(mark, None)
        self._alone.pop(gone.key, None)

    def _add(self, table: Keys, value: str, key: Key) -> None:
        keys = table.get(value, ())
        if not keys:
            table[value] = self._alone.get(key) or (key,)
        elif isinstance(keys, dict):
            keys[key] = None
        elif key not in keys:
            table[value] = (*keys, key) if len(keys) < _FEW else dict.fromkeys((*keys, key))

    def _discard(self, table: Keys, value: str, key: Key) -> None:
        keys = table.get(value, ())
        if isinstance(keys, dict) and len(keys) > _FEW:
            keys.pop(key, None)
            return
        keys = tuple(each for each in keys if each != key)
        if len(keys) == 1:
            table[value] = self._alone.get(keys[0]) or keys
        elif keys:
            table[value] = keys
        else:
            table.pop(value, None)


def _recorded(obj: MCPServer | None) -> list[tuple[Key, str]]:
    """Return the recorded targets; a status that was copied from another object records nothing."""
    record = stored_record(obj) if obj is not None else None
    if obj is None or record is None:
        return []
    return [(obj.key, each.target_id) for each in (record, *stored_moves(obj)) if each.target_id]
