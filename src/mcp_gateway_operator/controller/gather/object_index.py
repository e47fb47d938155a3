"""Which objects a change in AWS concerns: by recorded target, marker, wanted name, and who comes first."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, KeysView
from itertools import islice
from typing import Final

from mcp_gateway_operator.agentcore.observe import Change
from mcp_gateway_operator.api.aws_values import default_target_name
from mcp_gateway_operator.api.types import MCPServer, MCPServerStatus
from mcp_gateway_operator.targets.known import Place, Row, Settings, State, stored_moves, stored_record
from mcp_gateway_operator.targets.rules import Claim, claim_of, deciding_row, looks_on, place_of, rank_of
from mcp_gateway_operator.targets.shape import TargetSummary

Key = tuple[str, str]
Keys = dict[str, tuple[Key, ...] | dict[Key, None]]
"""Nearly every entry has one key, so tuples cost less than sets, and both tables share them."""
_FEW = 8


def wanted_name(obj: MCPServer) -> str:
    """Return the target name an object asks for."""
    return obj.spec.target_name.strip() or default_target_name(obj.metadata.name)


class ObjectIndex:
    """Answers "whose is this?" without a pass over all objects; fed by the informer's events."""

    def __init__(
        self, settings: Settings, objects: Callable[[Key], MCPServer | None], clock: Callable[[], float]
    ) -> None:
        self.rivals = Rivals(self, objects, clock)
        """Those that want one name, in their order."""
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
        recorded, records = _recorded(old), _recorded(new)
        for key, target in recorded if recorded != records else ():
            self._discard(self._by_target, target, key)
        for key, target in records:
            self._add(self._by_target, target, key)
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

    def recorders(self, target: str, *, proven: bool = False) -> frozenset[Key]:
        """Return the objects whose valid record names this target.

        Args:
            target: as `Place.target` gives it.
            proven: leave out records of the Go operator, which do not say whose they are.
        """
        return frozenset(
            key for key in self._by_target.get(target, ()) if not proven or key not in self._legacy
        )

    def freed(self, old: MCPServer | None, new: MCPServer | None) -> set[Key]:
        """Return the objects that record a target which another one has just ceased to record."""
        if old is None or (new is not None and _same_target(old.status, new.status)):
            return set()
        before = {target for _, target in _recorded(old)} - {each for _, each in _recorded(new)}
        return {key for target in before for key in self._by_target.get(target, ())}

    def wanting(self, name: str) -> Collection[Key]:
        """Return the objects that ask for this target name, on whatever gateway; a live view."""
        return self._by_name.get(name, ())

    def holder(self, summary: TargetSummary, place: Place, *, besides: Key) -> Key | None:
        """Return the other object whose target in a place this is: as its marker says, else a record."""
        mark = summary.marker
        if mark is not None:
            return self._by_marker.get(mark)
        return min(self.recorders(place.target(summary.target_id)) - {besides}, default=None)

    def markers(self) -> KeysView[str]:
        """Return the markers, as `OWNER/OBJECT`, of all objects there are; a live view."""
        return self._by_marker.keys()

    def claim(self, target: str, key: Key) -> None:
        """Note a target that was created or taken up and is not in the status yet."""
        self._add(self._by_target, target, key)

    def disclaim(self, target: str, key: Key) -> None:
        """Forget such a target: its object is gone, and its status never held it."""
        self._discard(self._by_target, target, key)

    def concerned(self, gateway_id: str, changes: Iterable[Change]) -> set[Key]:
        """Return the objects that rows of a gateway which changed belong to."""
        keys: set[Key] = set()
        place = Place(gateway_id)
        for change in changes:
            keys.update(self._by_target.get(place.target(change.target_id), ()))
            for summary in (change.before, change.after):
                if summary is None:
                    continue
                mark = summary.marker
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
    return [(obj.key, each.target) for each in (record, *stored_moves(obj)) if each.target_id]


def _same_target(one: MCPServerStatus, other: MCPServerStatus) -> bool:
    return (one.gateway_id, one.target_id) == (other.gateway_id, other.target_id)


APART: Final = 30.0
"""Seconds between two times that those are woken who only look on: they may be many, and nothing waits for
them."""

_Name = tuple[str, Place]
_Line = tuple[str, Place, bool]
"""A name, a place, and whether those who stand there rename a target that they have."""


class Rivals:
    """Keeps all who claim one name on one gateway in line, and wakes only who comes first.

    Lines are kept for names that several objects want; almost no name is one. However many they are, an event
    or a row that changes costs one place in line, and a pass looks at the head of it. Objects that are only
    observed stand beside the line: they say who comes first, and are woken together when that may change.
    """

    def __init__(
        self, index: ObjectIndex, objects: Callable[[Key], MCPServer | None], clock: Callable[[], float]
    ) -> None:
        self._index = index
        self._objects = objects
        self._clock = clock
        self._lines: dict[_Line, list[tuple[Claim, Key]]] = {}
        self._standing: dict[Key, tuple[_Line, Claim]] = {}
        self._onlookers: dict[_Name, dict[Key, None]] = {}
        self._looking: dict[Key, _Name] = {}
        self._told_at: dict[_Name, float] = {}
        """When the onlookers of a name are woken, or were."""

    def of(self, state: State, name: str, holders: Collection[Row]) -> tuple[str, str]:
        """Return who else has, and who makes, the target of the name that an object wants: as in `State`.

        Args:
            state: of the object.
            name: the name it wants.
            holders: the rows of other targets that have the name.
        """
        key, record = state.obj.key, state.record
        deciding = deciding_row(holders).summary if holders else None
        holder = self._index.holder(deciding, state.place, besides=key) if deciding is not None else None
        line = self._lines.get((name, state.place, False), ())
        other = next((each for each in line[:2] if each[1] != key), None)
        first = None
        if other is not None:
            held = record is not None and record.place == state.place and (record.target_name or name) == name
            if (other[0].rank, other[1]) < (rank_of(state.obj, held=held), key):
                first = other[1]
        return "/".join(holder or ()), "/".join(first or ())

    def follow(
        self, old: MCPServer | None, new: MCPServer | None, *, default_of: Callable[[MCPServer], str]
    ) -> dict[Key, float]:
        """Take an event that the index has taken; return whom it concerns, and in how many seconds.

        At once who has become the first of a line by it, and in time who looks on there.
        """
        obj = new or old
        assert obj is not None
        before, was_first = self._standing.get(obj.key), self._is_first(obj.key)
        woken = self._leave(obj.key)
        if new is not None:
            name = wanted_name(new)
            others = self._index.wanting(name)
            for key in (new.key, *islice(others, 2)) if len(others) > 1 else ():  # the second makes it a line
                rival = self._objects(key) if key != new.key else new
                if rival is not None and key not in self._standing and key not in self._looking:
                    self._join(rival, name, default_of(rival))
            woken = {key for key in woken if self._is_first(key)}
        after = self._standing.get(obj.key)
        told: dict[Key, float] = {}
        if before != after:
            for standing, first in ((before, was_first), (after, self._is_first(obj.key))):
                if standing is not None and first:
                    told |= self._tell(standing[0][:2])
        return told | dict.fromkeys(woken, 0.0)

    def concerned(self, gateway_id: str, changes: Collection[Change]) -> dict[Key, float]:
        """Return whom it concerns that targets of a name they want have changed, and in how many seconds.

        At once who may act now, the first of each line, and in time who looks on.
        """
        place = Place(gateway_id)
        woken: dict[Key, float] = {}
        for name in {each.name for change in changes for each in change[1:] if each is not None}:
            woken |= self._tell((name, place))
            wanting = self._index.wanting(name)
            if len(wanting) == 1:
                woken |= dict.fromkeys(wanting, 0.0)
            for renames in (False, True):
                woken |= {key: 0.0 for _, key in self._lines.get((name, place, renames), ())[:1]}
        return woken

    def _tell(self, name: _Name) -> dict[Key, float]:
        """Return who looks on at a name, unless they are woken already and read then what is true then."""
        now = self._clock()
        told_at = self._told_at.get(name, -math.inf)
        onlookers = self._onlookers.get(name)
        if not onlookers or told_at > now:
            return {}
        self._told_at[name] = max(now, told_at + APART)
        return dict.fromkeys(onlookers, self._told_at[name] - now)

    def _is_first(self, key: Key) -> bool:
        standing = self._standing.get(key)
        return standing is not None and self._lines[standing[0]][0][1] == key

    def _join(self, obj: MCPServer, name: str, default_gateway: str) -> None:
        key = obj.key
        if looks_on(obj):
            looking = self._looking[key] = name, place_of(obj, default_gateway)
            self._onlookers.setdefault(looking, {})[key] = None
        elif (claim := claim_of(obj, name, default_gateway)) is not None:
            line = (name, claim.place, claim.renames)
            insort(self._lines.setdefault(line, []), (claim, key), key=_order)
            self._standing[key] = line, claim

    def _leave(self, key: Key) -> set[Key]:
        """Take an object out of line; return the next one where it was the first."""
        looked = self._looking.pop(key, None)
        if looked is not None:
            del self._onlookers[looked][key]
            if not self._onlookers[looked]:
                del self._onlookers[looked]
                self._told_at.pop(looked, None)
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
