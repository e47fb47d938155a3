"""Which objects a change in AWS concerns: by recorded target, by marker, by wanted name."""

from __future__ import annotations

from collections.abc import Iterable

from mcp_gateway_operator.agentcore.table import Change
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.targets import marker as markers
from mcp_gateway_operator.targets.naming import default_target_name
from mcp_gateway_operator.targets.state import Settings

Key = tuple[str, str]


def wanted_name(obj: MCPServer) -> str:
    """Return the target name an object asks for."""
    return obj.spec.target_name.strip() or default_target_name(obj.metadata.name)


class ObjectIndex:
    """Answers "whose is this?" without a pass over all objects; fed by the informer's events."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._by_target: dict[str, set[Key]] = {}
        self._by_name: dict[str, set[Key]] = {}
        self._by_marker: dict[str, Key] = {}

    def update(self, old: MCPServer | None, new: MCPServer | None) -> None:
        """Take one change of one object in."""
        if old is not None:
            self._discard(self._by_target, old.status.target_id, old.key)
            self._discard(self._by_name, wanted_name(old), old.key)
        if new is not None:
            if new.status.target_id:
                self._by_target.setdefault(new.status.target_id, set()).add(new.key)
            self._by_name.setdefault(wanted_name(new), set()).add(new.key)
        for mark in self._settings.markers_of(new or old) if new or old else ():
            if new is not None:
                self._by_marker[mark] = new.key
            else:
                self._by_marker.pop(mark, None)

    def rebuild(self, settings: Settings, objects: Iterable[MCPServer]) -> None:
        """Start over with other settings."""
        self.__init__(settings)  # type: ignore[misc]  -- the same instance, all its tables empty
        for obj in objects:
            self.update(None, obj)

    def recorders(self, target_id: str) -> frozenset[Key]:
        """Return the objects whose status names this target."""
        return frozenset(self._by_target.get(target_id, ()))

    def knows(self, mark: str) -> bool:
        """Whether a marker, given as `OWNER/OBJECT`, is that of an object there is."""
        return mark in self._by_marker

    def claim(self, target_id: str, key: Key) -> None:
        """Note a target that was created or taken up and is not in the status yet."""
        self._by_target.setdefault(target_id, set()).add(key)

    def concerned(self, changes: Iterable[Change]) -> set[Key]:
        """Return the objects that rows which changed belong to, or whose name they hold or held."""
        keys: set[Key] = set()
        for change in changes:
            keys |= self._by_target.get(change.target_id, set())
            for summary in (change.before, change.after):
                if summary is None:
                    continue
                keys |= self._by_name.get(summary.name, set())
                mark = markers.find(summary.description)
                if mark is not None and (key := self._by_marker.get(mark)) is not None:
                    keys.add(key)
        return keys

    @staticmethod
    def _discard(table: dict[str, set[Key]], value: str, key: Key) -> None:
        keys = table.get(value)
        if keys is None:
            return
        keys.discard(key)
        if not keys:
            del table[value]
