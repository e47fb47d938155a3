"""A few threads for blocking calls, and nothing that outlives its caller's interest."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")

_STOP: Final = None


@dataclass(slots=True, eq=False)
class Job(Generic[T]):
    """One call handed to a pool, made in its caller's context: what is logged there says for which object.

    `started` is set by the thread that runs it; `ended` is called there, before the caller hears of it.
    """

    call: Callable[[], T]
    future: asyncio.Future[T]
    loop: asyncio.AbstractEventLoop
    ended: Callable[[], None]
    context: Context = field(default_factory=copy_context)
    started: bool = False

    def run(self) -> None:
        """Make the call, unless nobody waits for it any more, and hand its result over."""
        settle: Callable[[], object] | None = None
        if not self.future.cancelled():
            self.started = True
            try:
                settle = partial(self.future.set_result, self.context.run(self.call))
            except BaseException as error:  # noqa: BLE001  -- whatever it is belongs to the caller
                settle = partial(self.future.set_exception, error)
        self.ended()
        if settle is not None:
            self._deliver(settle)

    def _deliver(self, settle: Callable[[], object]) -> None:
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
        self._lock = threading.Lock()
        self._unfinished = 0
        self._closed = False

    def submit(self, call: Callable[[], T]) -> Job[T]:
        """Queue a call; await the job's `future`. Cancelled in time, the call is never made.

        Raises:
            RuntimeError: the pool is closed, or no event loop is running.
        """
        job = self.job(call, lambda: None)
        self.put(job)
        return job

    def job(self, call: Callable[[], T], ended: Callable[[], None]) -> Job[T]:
        """Return a call that is not queued yet; `ended` is called in its thread when it is over.

        Raises:
            RuntimeError: the pool is closed, or no event loop is running.
        """
        if self._closed:
            raise RuntimeError(f"the pool {self._name} is closed")
        loop = asyncio.get_running_loop()
        return Job(call, loop.create_future(), loop, ended)

    def put(self, job: Job[Any]) -> None:
        """Queue a call. May be called in any thread."""
        with self._lock:
            # A call that nobody waits for any more keeps its thread until it ends.
            self._unfinished += 1
            if not self._closed and len(self._threads) < min(self._size, self._unfinished):
                thread = threading.Thread(
                    target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True
                )
                self._threads.append(thread)
                thread.start()
        self._jobs.put(job)

    def close(self) -> None:
        """Let the threads end when what is queued is done; calls in flight are not waited for."""
        self._closed = True
        for _ in self._threads:
            self._jobs.put(_STOP)

    def _finished(self, ended: Callable[[], None]) -> None:
        with self._lock:
            self._unfinished -= 1
        ended()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not _STOP:
            job.ended = partial(self._finished, job.ended)
            job.run()
            # Not kept while waiting for the next one: it holds the caller's objects.
            del job


class Share:
    """What one caller has of a pool, or of a share: at most `limit` threads, first come first served.

    So an account or Region whose calls hang leaves threads to the others.
    """

    def __init__(self, pool: ThreadPool | Share, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: deque[Job[Any]] = deque()

    def submit(self, call: Callable[[], T]) -> Job[T]:
        """Queue a call, as `ThreadPool.submit` does."""
        job = self.job(call, lambda: None)
        self.put(job)
        return job

    def job(self, call: Callable[[], T], ended: Callable[[], None]) -> Job[T]:
        """Return a call that is not queued yet, as `ThreadPool.job` does."""

        def over() -> None:
            self._ended()
            ended()

        return self._pool.job(call, over)

    def put(self, job: Job[Any]) -> None:
        """Queue a call. May be called in any thread."""
        with self._lock:
            free = self._running < self._limit
            if free:
                self._running += 1
            else:
                self._waiting.append(job)
        if free:
            self._pool.put(job)

    def _ended(self) -> None:
        # One that nobody waits for any more goes through, too, and ends at once: a share may count it.
        with self._lock:
            following = self._waiting.popleft() if self._waiting else None
            if following is None:
                self._running -= 1
        if following is not None:
            self._pool.put(following)


class Threads(NamedTuple):
    """The threads of all calls to AWS: apart for reads and writes, so that neither waits for the other's."""

    reads: ThreadPool
    writes: ThreadPool

    @classmethod
    def of(cls, each: int) -> Threads:
        """Return so many at most of each kind."""
        return cls(ThreadPool(each, "aws-read"), ThreadPool(each, "aws-write"))

    def close(self) -> None:
        """Let them end."""
        self.reads.close()
        self.writes.close()
