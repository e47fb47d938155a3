"""Whose call asks whether a right that AWS denied has been given, and who follows when it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from mcp_gateway_operator.controller.gather.object_index import Key
from mcp_gateway_operator.targets.known import ErrorKind, State

PROBE_INTERVAL: Final = 60.0
"""Seconds after which a denied action is tried again on a gateway, at the latest."""
_EARLY: Final = 0.05
"""Seconds by which a timer may go off before its time."""


class Right(NamedTuple):
    """An action on a gateway."""

    op: str
    gateway_id: str


class DeniedRights:
    """The objects whose call AWS denied, by action and gateway, the one that waits longest first.

    He makes his call again once a minute, whatever his own backoff; one that AWS takes lets the next make
    his, and so on. Who has had his turn goes to the end of the line.
    """

    def __init__(self) -> None:
        self._lines: dict[Right, dict[Key, float]] = {}
        self._due: dict[Right, float] = {}
        self._right_of: dict[Key, Right] = {}

    def has_turn(self, key: Key, now: float) -> bool:
        """Return whether an object is to make its call now, although its backoff has not ended."""
        right = self._right_of.get(key)
        if right is None or next(iter(self._lines[right])) != key or now < self._due[right] - _EARLY:
            return False
        self._due[right] = now + PROBE_INTERVAL
        # At once, for he may make no call all the same: one that is paused would be the first for ever.
        line = self._lines[right]
        line[key] = line.pop(key)
        return True

    def follow(self, key: Key, state: State | None, now: float) -> Iterator[tuple[Key, float]]:
        """Note how a pass ended, None for an object that is gone; yield whom to wake, and when from now."""
        denied = _denied(state) if state is not None else None
        before = self._right_of.get(key)
        if before is not None and (denied is None or denied != (before, self._lines[before][key])):
            self._leave(key, before)
            taken = denied is None and state is not None and state.memory.trouble is None
            if taken and before in self._lines:
                self._due[before] = now
        if denied is not None:
            right, at = denied
            self._due.setdefault(right, now + PROBE_INTERVAL)
            self._lines.setdefault(right, {})[key] = at
            self._right_of[key] = right
        for each in {before, denied[0] if denied else None}:
            if each is not None and each in self._lines:
                yield next(iter(self._lines[each])), max(0.0, self._due[each] - now)

    def _leave(self, key: Key, right: Right) -> None:
        del self._right_of[key]
        del self._lines[right][key]
        if not self._lines[right]:
            del self._lines[right], self._due[right]


def _denied(state: State) -> tuple[Right, float] | None:
    """Return what is denied to an object, and when it was: on its own gateway, or where it moves."""
    for each in (state, state.destination, *state.leftovers):
        trouble = each.memory.trouble if each is not None else None
        if each is not None and trouble is not None and trouble.kind is ErrorKind.ACCESS_DENIED:
            return Right(trouble.op, each.place.gateway_id), trouble.at
    return None
