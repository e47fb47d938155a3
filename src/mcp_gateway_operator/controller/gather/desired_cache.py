"""What a spec asks for: worked out once, and remembered in short where the spec is too large to be kept.

An object is looked at seven times on its way to READY, and then at each drift interval or so. To check its
spec and to make AWS's request of it was a fifth of what that takes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

from mcp_gateway_operator.api.validation import Location
from mcp_gateway_operator.controller.gather.object_index import Key
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import State
from mcp_gateway_operator.targets.shape import Flat

T = TypeVar("T")

WORKED_OUT: Final = 1024
"""Objects of which an answer is kept, some hundred bytes each beside the spec that the cache has anyway."""
AT_ONCE: Final = 4
"""Large specs in memory at a time: AWS takes half a megabyte at most, and it goes there in copies."""
_LONG: Final = 256
"""Bytes of JSON of a value that is not remembered, but that there is one."""
_ELIDED: Final = "..."
_MOST: Final = 8

Terms = tuple[str, str | None, str]
"""What else the desired target depends on: its name, the marker, the gateway's Region."""


class Wants:
    """What a large spec asks for, from when it was last read: a pass that only waits needs no more.

    Args:
        digest: of the spec.
    """

    __slots__ = ("_gateway", "_known", "digest")

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self._known: dict[Terms, tuple[Flat, str]] = {}
        self._gateway: Location | None = None

    def judge_for(self, gateway: Location) -> None:
        """Forget all where the gateway is elsewhere: what was right there may be wrong here."""
        if gateway != self._gateway:
            self._gateway = gateway
            self._known.clear()

    def get(self, terms: Terms) -> tuple[Flat, str] | None:
        """Return the comparable form of the desired target, long values elided, and the digest of it all."""
        return self._known.get(terms)

    def put(self, terms: Terms, want: Flat, digest: str) -> None:
        """Remember it."""
        if len(self._known) >= _MOST:
            self._known.clear()
        elided = {name: _ELIDED if _is_long(value) else value for name, value in want.items()}
        self._known[terms] = (elided, digest)


def _is_long(value: object) -> bool:
    return len(msgspec.json.encode(value)) > _LONG


class LargeSpecs:
    """Lets a few passes at a time have a large spec in memory; the others are woken in their order.

    Args:
        wake: has a pass made for a key.
    """

    def __init__(self, wake: Callable[[Key], None]) -> None:
        self._wake = wake
        self._held: set[Key] = set()
        self._waiting: OrderedDict[Key, None] = OrderedDict()

    def take(self, key: Key) -> bool:
        """Whether the pass for a key may have one now; if not, the key is woken when it may."""
        if key not in self._held and len(self._held) >= AT_ONCE:
            self._waiting[key] = None
            return False
        self._waiting.pop(key, None)
        self._held.add(key)
        return True

    def give(self, key: Key) -> None:
        """End any pass; who waits is woken where there is room.

        Any, because the one that was woken before may have needed none.
        """
        self._held.discard(key)
        if self._waiting and len(self._held) < AT_ONCE:
            self._wake(self._waiting.popitem(last=False)[0])


_WITH_SPEC = act.Fetch | act.Create | act.Update | act.Read | act.TakeUp | act.Verify


def lacks_spec(state: State) -> bool:
    """Return whether nothing can be decided without a spec that is not in memory."""
    return any(each is not None and each.lacks_spec for each in (state, state.destination, *state.leftovers))


def needs_spec(state: State, decision: act.Step | act.Wait, *, read: bool) -> bool:
    """Return whether a step is about to send or compare a spec that is not in memory.

    Args:
        state: that the decision rests on.
        decision: what is to be done.
        read: this pass has read the spec: what is not in memory then is never sent.
    """
    if state.obj.left_out is None or state.problems or state.obj.metadata.deletion_timestamp:
        return False
    inner = decision.step if isinstance(decision, act.AtPlace) else decision
    return not read and isinstance(inner, _WITH_SPEC)


class WorkedOut(Generic[T]):
    """The last answer for each of the objects that were asked about lately."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[object, T]] = {}

    def of(self, key: tuple[str, str], terms: object, work: Callable[[], T]) -> T:
        """Return what `work` returns for these terms, without asking it when they are those of the last time.

        Args:
            key: namespace and name of the object.
            terms: all that the answer depends on; compared, not hashed.
            work: works the answer out. Nobody changes it afterwards.
        """
        known = self._known.get(key)
        if known is None or known[0] != terms:
            if len(self._known) >= WORKED_OUT:
                self._known.clear()
            known = self._known[key] = terms, work()
        return known[1]
