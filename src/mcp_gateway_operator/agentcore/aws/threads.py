"""A few threads for blocking calls, and nothing that outlives its caller's interest."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

_STOP: Final = None


@dataclass(slots=True, eq=False)
class Job(Generic[T]):
    """One call handed to a pool, made in its caller's context: what is logged there says for which object.

    `started` is set by the thread that runs it.
    """

    call: Callable[[], T]
    future: asyncio.Future[T]
    loop: asyncio.AbstractEventLoop
    context: Context = field(default_factory=copy_context)
    started: bool = False

    def run(self) -> None:
        """Make the call, unless nobody waits for it any more, and hand its result over."""
        if self.future.cancelled():
            return
        self.started = True
        try:
            result = self.context.run(self.call)
        except BaseException as error:  # noqa: BLE001  -- whatever it is belongs to the caller
            self._deliver(partial(self.future.set_exception, error))
        else:
            self._deliver(partial(self.future.set_result, result))

    def _deliver(self, settle: Callable[[], None]) -> None:
        def settle_if_awaited() -> None:
            if not self.future.done():
                settle()

        try:
            self.loop.call_soon_threadsafe(settle_if_awaited)
        except RuntimeError:
            # The loop was closed while the call was under way: nobody is left to tell.
            return


class ThreadPool:
    """At most `size` daemon threads, started as they are needed, fed first come first served.

    Unlike `concurrent.futures`, whose threads the interpreter joins at exit, a call that hangs in the network
    does not hold the process.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._unfinished = 0
        self._closed = False

    def submit(self, call: Callable[[], T]) -> Job[T]:
        """Queue a call; await the job's `future`. Cancelled in time, the call is never made.

        Raises:
            RuntimeError: the pool is closed, or no event loop is running.
        """
        if self._closed:
            raise RuntimeError(f"the pool {self._name} is closed")
        loop = asyncio.get_running_loop()
        job = Job(call, loop.create_future(), loop)
        self._unfinished += 1
        job.future.add_done_callback(self._finished)
        if len(self._threads) < min(self._size, self._unfinished):
            thread = threading.Thread(
                target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        self._jobs.put(job)
        return job

    def close(self) -> None:
        """Let the threads end when what is queued is done; calls in flight are not waited for."""
        self._closed = True
        for _ in self._threads:
            self._jobs.put(_STOP)

    def _finished(self, _: asyncio.Future[Any]) -> None:
        self._unfinished -= 1

    def _work(self) -> None:
        while (job := self._jobs.get()) is not _STOP:
            job.run()
            # Not kept while waiting for the next one: it holds the caller's objects.
            del job
