"""The work queue: which key is worked on next.

Keys are deduplicated, one worker holds a key at a time, groups (namespaces) take turns, and a user's change
goes before periodic work. A key has at most one timer, the earliest asked for; all timers share one heap and
one handle of the event loop, so ten thousand waiting keys cost no task.

Not thread-safe: everything runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from mcp_gateway_operator.runtime.backoff import Jitter, default_jitter, exponential

K = TypeVar("K", bound=Hashable)

_Timer = tuple[float, int, K, bool]
"""When it goes off, a number that orders equal times, the key, and whether the key is urgent then."""

BACKGROUND_SHARE = 10
"""Of this many keys handed out, one comes from the background lane if any waits there: no lane starves."""


class QueueShutDown(Exception):  # noqa: N818  -- a signal that ends a worker's loop, not an error
    """The queue hands out no more keys."""


class QueueMetrics:
    """Is told what client-go's work queue counts, and this one counts nothing.

    Called on the event loop; must return at once.
    """

    def added(self) -> None:
        """A key that was not due became due."""

    def given(self, waited: float) -> None:
        """A key was handed out that had been due for so many seconds."""

    def finished(self, worked: float) -> None:
        """The work on a key ended after so many seconds."""

    def retried(self) -> None:
        """A key is tried again after its backoff."""


class _Lane(Generic[K]):
    """Keys ready to be worked on: first in, first out inside a group; the groups in turn."""

    def __init__(self) -> None:
        self._groups: OrderedDict[Hashable, OrderedDict[K, float]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, key: K, since: float) -> None:
        self._groups.setdefault(_group_of(key), OrderedDict())[key] = since
        self._size += 1

    def pop(self) -> tuple[K, float]:
        """Return the next key and when it became due."""
        group, keys = self._groups.popitem(last=False)
        key, since = keys.popitem(last=False)
        if keys:
            self._groups[group] = keys
        self._size -= 1
        return key, since

    def move_to_front(self, key: K) -> None:
        group = _group_of(key)
        self._groups[group].move_to_end(key, last=False)
        self._groups.move_to_end(group, last=False)

    def remove(self, key: K) -> float:
        group = _group_of(key)
        keys = self._groups[group]
        since = keys.pop(key)
        if not keys:
            del self._groups[group]
        self._size -= 1
        return since


class WorkQueue(Generic[K]):
    """Deduplicating, fair queue with per-key timers and backoff.

    Args:
        jitter: returns a factor in [0, 1); injected so that tests are repeatable.
        base: seconds of the first retry of a key.
        cap: seconds that no retry exceeds.

    Attributes:
        metrics: told what happens; set it before the first key is added.
    """

    def __init__(
        self,
        *,
        jitter: Jitter | None = None,
        base: float = 1.0,
        cap: float = 300.0,
    ) -> None:
        self.metrics = QueueMetrics()
        self._urgent: _Lane[K] = _Lane()
        self._background: _Lane[K] = _Lane()
        self._lane_of: dict[K, _Lane[K]] = {}
        self._working: dict[K, float] = {}
        self._again: dict[K, bool] = {}
        self._ahead: set[K] = set()
        self._timers: dict[K, _Timer[K]] = {}
        self._heap: list[_Timer[K]] = []
        self._sequence = itertools.count()
        self._handle: asyncio.TimerHandle | None = None
        self._base, self._cap, self._jitter = base, cap, jitter or default_jitter()
        self._failures: dict[K, int] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._given = 0
        self._shut_down = False

    def add(self, key: K, *, urgent: bool = True, first: bool = False, after: float = 0.0) -> None:
        """Make `key` due now, or at the latest `after` seconds from now.

        A key already due moves to the urgent lane if it is now urgent. A key being worked on is given again
        after `done`. An earlier timer is kept; a later one is replaced.

        `first` puts it before all others: for what cannot wait because something is kept for it, and comes so
        seldom that it takes nothing from the fairness.
        """
        if self._shut_down:
            return
        if first:
            self._ahead.add(key)
        if after > 0:
            self._set_timer(key, after, urgent=urgent)
        elif key in self._working:
            self._again[key] = urgent or self._again.get(key, False)
        else:
            self._make_ready(key, urgent=urgent)

    async def get(self) -> K:
        """Return the next key, which is then being worked on until `done`; its timer is cleared.

        Raises:
            QueueShutDown: the queue was shut down.
        """
        while not self._shut_down and not self._lane_of:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                # The key this waiter was woken for must not be left waiting for another add.
                if waiter.cancelled():
                    with contextlib.suppress(ValueError):
                        self._waiters.remove(waiter)
                else:
                    self._wake_one()
                raise
        if self._shut_down:
            raise QueueShutDown
        key, since = self._next_lane().pop()
        del self._lane_of[key]
        self._ahead.discard(key)
        now = _now()
        self._working[key] = now
        self.metrics.given(now - since)
        self._timers.pop(key, None)
        self._given += 1
        return key

    def done(self, key: K) -> None:
        """End the work on `key`; if it was added meanwhile, it is due again at once."""
        self.metrics.finished(_now() - self._working.pop(key))
        urgent = self._again.pop(key, None)
        if urgent is not None and not self._shut_down:
            self._make_ready(key, urgent=urgent)

    def retry(self, key: K) -> float:
        """Schedule `key` after its exponential backoff and return the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = exponential(failures, base=self._base, cap=self._cap, jitter=self._jitter)
        self.metrics.retried()
        self.add(key, urgent=False, after=delay)
        return delay

    def retry_all(self) -> None:
        """Make every key due whose last work failed: what was in its way may be gone."""
        for key in tuple(self._failures):
            self.add(key, urgent=False)

    def forget(self, key: K) -> None:
        """Reset the backoff of `key`: its work succeeded."""
        self._failures.pop(key, None)

    def drop(self, key: K) -> None:
        """Forget timer and backoff of `key`: the object is gone."""
        self._failures.pop(key, None)
        self._timers.pop(key, None)
        self._ahead.discard(key)

    def shut_down(self) -> None:
        """Hand out no more keys and release the workers that wait; work in progress may still be `done`."""
        self._shut_down = True
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        while self._waiters:
            self._wake_one()

    def __len__(self) -> int:
        """Return how many keys are due."""
        return len(self._lane_of)

    @property
    def working(self) -> int:
        """Keys being worked on."""
        return len(self._working)

    @property
    def longest_running(self) -> float:
        """Seconds since the oldest piece of work in progress began; 0 when there is none."""
        return _now() - min(self._working.values()) if self._working else 0.0

    @property
    def unfinished_seconds(self) -> float:
        """Seconds that all work in progress has taken until now, added up."""
        return len(self._working) * _now() - sum(self._working.values()) if self._working else 0.0

    def due_in(self, key: K) -> float | None:
        """Return in how many seconds the timer of `key` goes off, or None when it has none."""
        timer = self._timers.get(key)
        return None if timer is None else max(0.0, timer[0] - _now())

    def failures(self, key: K) -> int:
        """Return how often `key` was retried since it last succeeded."""
        return self._failures.get(key, 0)

    def _make_ready(self, key: K, *, urgent: bool) -> None:
        lane = self._lane_of.get(key)
        if lane is None:
            lane = self._urgent if urgent else self._background
            lane.push(key, _now())
            self._lane_of[key] = lane
            self.metrics.added()
            self._wake_one()
        elif urgent and lane is self._background:
            self._urgent.push(key, lane.remove(key))
            self._lane_of[key] = self._urgent
        if key in self._ahead:
            self._lane_of[key].move_to_front(key)

    def _next_lane(self) -> _Lane[K]:
        turn_of_background = self._given % BACKGROUND_SHARE == BACKGROUND_SHARE - 1
        if not self._urgent or (self._background and turn_of_background):
            return self._background
        return self._urgent

    def _wake_one(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _set_timer(self, key: K, after: float, *, urgent: bool) -> None:
        when = _now() + after
        current = self._timers.get(key)
        if current is not None and current[0] <= when:
            return
        timer = self._timers[key] = (when, next(self._sequence), key, urgent)
        heapq.heappush(self._heap, timer)
        if len(self._heap) > 1.2 * len(self._timers) + 64:
            # Superseded entries stay in the heap until they surface; do not let them pile up.
            self._heap = list(self._timers.values())
            heapq.heapify(self._heap)
        self._arm()

    def _arm(self) -> None:
        """Set the loop's one handle to the earliest timer that still counts."""
        while self._heap and not self._is_current(self._heap[0]):
            heapq.heappop(self._heap)
        if self._handle is not None:
            if self._heap and self._handle.when() == self._heap[0][0]:
                return
            self._handle.cancel()
            self._handle = None
        if self._heap:
            self._handle = asyncio.get_running_loop().call_at(self._heap[0][0], self._fire)

    def _fire(self) -> None:
        # The loop runs timers up to its clock's resolution early, so the handle's own time counts as reached.
        now = _now()
        if self._handle is not None:
            now = max(now, self._handle.when())
            self._handle = None
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            if self._is_current(entry):
                del self._timers[entry[2]]
                self.add(entry[2], urgent=entry[3])
        self._arm()

    def _is_current(self, timer: _Timer[K]) -> bool:
        return self._timers.get(timer[2]) is timer


def _group_of(key: object) -> Hashable:
    """Return who takes turns: the first part of a tuple, which is a namespace."""
    return key[0] if isinstance(key, tuple) else ""


def _now() -> float:
    return asyncio.get_running_loop().time()
