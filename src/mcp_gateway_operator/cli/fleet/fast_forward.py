"""An event loop whose clock jumps to the next timer: hours of an operator's waiting take no time.

What is read from outside meanwhile takes the time it takes, and the clock stands still for it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class _JumpingSelector(selectors.BaseSelector):
    """Polls the real selector; where that would wait for a timer alone, moves the clock instead."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = 0.0
        self.outside = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0:
            return self._real.select(0)
        if self.outside or timeout is None:
            return self._real.select(None)
        ready = self._real.select(0)
        if not ready:
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


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop in its own time, which begins at 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        # The loop counts a timer as due when it is less than one resolution ahead.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Return the seconds that have passed here."""
        return self._jumping.now

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Let the clock stand still while something outside is waited for."""
        self._jumping.outside += 1
        try:
            yield
        finally:
            self._jumping.outside -= 1


@contextmanager
def outside() -> Iterator[None]:
    """Let the clock of the running loop stand still, if it is one that jumps."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, FastLoop):
        with loop.outside():
            yield
    else:
        yield


def run_fast(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end; tasks that it leaves behind are cancelled."""
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        runner.run(main)
