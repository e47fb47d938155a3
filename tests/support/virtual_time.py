"""An event loop whose clock jumps to the next timer instead of waiting for it.

An hour of the program's time costs microseconds, and a run is repeatable: nothing depends on how fast the
machine is. For code that lives on the event loop alone: a thread's result or a socket arrives in real time,
and timers may overtake it.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""The wall clock's reading at loop time 0."""
PATIENCE = 5.0
"""Real seconds to wait for a thread or a socket when no timer is set, before calling it a deadlock."""


class Deadlock(RuntimeError):  # noqa: N818  -- names what happened
    """Every task waits and nothing is left that could wake one."""


class _JumpingSelector(selectors.BaseSelector):
    """Polls the real selector; where that would wait, moves the clock instead."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            ready = self._real.select(PATIENCE)
            if not ready:
                raise Deadlock("every task waits, and no timer is set")
            return ready
        self.now += timeout
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which begins at 0."""

    # CPython's own names, as `_clock_resolution` below.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        # The loop counts a timer as due when it is less than one resolution ahead.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._jumping.now

    def next_event(self) -> float:
        """Return the time of the next timer, now where a task can run, infinity where nothing is due.

        Until then nothing can change but what reads the clock, unless a thread or a socket answers.
        """
        if self._ready:
            return self.time()
        # A cancelled timer is too early an answer at worst.
        return self._scheduled[0].when() if self._scheduled else math.inf


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time; tasks that it leaves behind are cancelled.

    Raises:
        Deadlock: everything waits for ever.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def wall_clock(start: datetime = EPOCH) -> Callable[[], datetime]:
    """Return a wall clock in step with the running loop's time."""
    return lambda: start + timedelta(seconds=asyncio.get_running_loop().time())


async def pass_time(seconds: float) -> None:
    """Let virtual time pass."""
    await asyncio.sleep(seconds)


async def settle(rounds: int = 50) -> None:
    """Let every task that can run now do so; the clock stands still."""
    for _ in range(rounds):
        await asyncio.sleep(0)
