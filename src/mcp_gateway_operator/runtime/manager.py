"""Runs a controller as a process: the order in which things start and stop, and what ends it.

Started: health server, informers (a standby is warm and ready), then, once the lease is held, preparation,
the leading tasks and the workers. Stopped in the reverse order, the lease last: nobody else may begin while
this process could still write. Whatever task ends on its own ends the process: a half-dead operator is worse
than a restart.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import structlog

from mcp_gateway_operator.runtime.events import EventRecorder
from mcp_gateway_operator.runtime.guard import Guard
from mcp_gateway_operator.runtime.health import Health
from mcp_gateway_operator.runtime.http import Server, ServerError
from mcp_gateway_operator.runtime.informer import Informer
from mcp_gateway_operator.runtime.lease import Lease, LeaseForbidden, LeaseLost
from mcp_gateway_operator.runtime.queue import WorkQueue
from mcp_gateway_operator.runtime.workers import Workers

K = TypeVar("K", bound=Hashable)

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
CLOSING_SHARE = 0.4
"""Of the grace period: kept for hook, events and lease after the workers were given the rest."""

log = structlog.get_logger(__name__)


async def _nothing() -> None:
    """Stand for a hook that is not needed."""


@dataclass(slots=True, kw_only=True)
class Parts(Generic[K]):
    """What a manager runs."""

    queue: WorkQueue[K]
    workers: Workers[K]
    informers: Sequence[Informer[Any]]
    lease: Lease
    lease_required: bool = True
    """False: where RBAC denies the lease the work goes on without."""
    guard: Guard | None = None
    """Keeps other installations away, and this one from theirs; it is given up before the lease."""
    health: Health = field(default_factory=Health)
    servers: Sequence[Server] = ()
    events: EventRecorder | None = None
    prepare: Callable[[], Awaitable[None]] = _nothing
    """Run once, as leader, before the first pass."""
    lead: Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = ()
    """Named tasks that run as long as this process leads."""
    stopping: Callable[[], Awaitable[None]] = _nothing
    """Run after the workers have stopped."""


class Manager(Generic[K]):
    """Runs the parts until a signal, the loss of the lease, or a failure.

    Args:
        parts: what to run.
        grace: seconds from the signal to the end; less than the pod's terminationGracePeriodSeconds.
        exit_now: ends the process at a second signal.
    """

    def __init__(
        self, parts: Parts[K], *, grace: float = 25.0, exit_now: Callable[[int], object] = os._exit
    ) -> None:
        self._parts = parts
        self._grace = grace
        self._exit_now = exit_now
        self._stop = asyncio.Event()
        self._crew = _Crew()
        self.leading = asyncio.Event()
        """Set once the workers are at work."""
        parts.health.add_liveness("informers", self._dead_informers)
        parts.health.add_readiness("informers", self._unsynced_informers)
        parts.health.add_readiness("shutdown", lambda: "stopping" if self._stop.is_set() else None)

    def stop(self) -> None:
        """Begin the orderly end, as SIGTERM does."""
        self._stop.set()

    async def run(self) -> int:
        """Run to the end; return the process's exit status: 0 after a signal, 1 after a loss or a failure."""
        loop = asyncio.get_running_loop()
        # A process that was started to outlive its terminal (nohup) does.
        outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        signals = [number for number in SIGNALS if number != signal.SIGHUP or not outlives]
        for number in signals:
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            return await self._run()
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    async def _run(self) -> int:
        parts, crew = self._parts, self._crew
        for server in parts.servers:
            crew.start("server", server.run())
        if parts.events is not None:
            crew.start("events", parts.events.run())
        for informer in parts.informers:
            crew.start("informer", informer.run())
        if parts.guard is not None:
            crew.start("guard", parts.guard.run())
        crew.start("leader", self._lead(), may_end=True)
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait((stop, crew.failed), return_when=asyncio.FIRST_COMPLETED)
        self._stop.set()
        await stop
        failure = crew.failed.result() if crew.failed.done() else None
        if failure is not None:
            _tell(failure)
        await self._shut_down(drain=failure is None)
        return 0 if failure is None else 1

    async def _lead(self) -> None:
        parts, crew = self._parts, self._crew
        for informer in parts.informers:
            await informer.synced.wait()
        try:
            await parts.lease.acquire()
        except LeaseForbidden as error:
            if parts.lease_required:
                raise
            log.warning(
                "The lease cannot be taken, so nothing keeps a second process from working at the same time: "
                "allow get, create and update on leases.coordination.k8s.io (the chart does).",
                error=str(error),
            )
            parts.lease.waive()
        crew.start("lease", parts.lease.renew())
        if parts.guard is not None:
            parts.guard.elected.set()
        await parts.prepare()
        for name, task in parts.lead:
            crew.start(name, task())
        crew.start("workers", parts.workers.run())
        self.leading.set()

    async def _shut_down(self, *, drain: bool) -> None:
        parts, crew = self._parts, self._crew
        end = asyncio.get_running_loop().time() + self._grace
        crew.stopping = True
        parts.queue.shut_down()
        # Passes may finish but begin nothing, so that the last call ends, and the lease is free, in time.
        parts.lease.retire()
        if parts.guard is not None:
            parts.guard.retire()
        await crew.cancel("leader", "informer")
        if drain:
            # The lease is renewed meanwhile; should it be lost now, its fence stops the writes.
            unfinished = await crew.wait("workers", self._grace * (1.0 - CLOSING_SHARE))
            if unfinished:
                log.warning("passes were cut off", count=parts.queue.working)
        await crew.cancel("workers")
        await _bounded("stopping hook", parts.stopping(), self._grace * CLOSING_SHARE / 3)
        await crew.cancel_all_but("events", "server", "lease", "guard")
        if parts.events is not None:
            await parts.events.flush(self._grace * CLOSING_SHARE / 3)
        await crew.cancel("lease", "guard", "events")
        await _bounded("lease release", self._release(), max(0.5, end - asyncio.get_running_loop().time()))
        for server in parts.servers:
            server.close()
        await crew.wait("server", max(0.5, end - asyncio.get_running_loop().time()))
        await crew.cancel_all_but()

    async def _release(self) -> None:
        """Give the guard up first: who takes the lease then finds it free."""
        if self._parts.guard is not None:
            await self._parts.guard.release()
        await self._parts.lease.release()

    def _on_signal(self, number: int) -> None:
        if self._stop.is_set():
            if number == signal.SIGHUP:
                # Both the system and the shell send it when a terminal closes.
                return
            log.warning("second signal: exiting at once", signal=signal.Signals(number).name)
            self._exit_now(128 + number)
        log.info("stopping", signal=signal.Signals(number).name)
        self._stop.set()

    def _dead_informers(self) -> str | None:
        now = asyncio.get_running_loop().time()
        return None if all(each.healthy(now) for each in self._parts.informers) else "an informer has stopped"

    def _unsynced_informers(self) -> str | None:
        waiting = sum(not each.synced.is_set() for each in self._parts.informers)
        return f"{waiting} of {len(self._parts.informers)} caches are not filled yet" if waiting else None


class _Crew:
    """Named tasks that are meant to run for ever; the first that does not is remembered in `failed`."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], str] = {}
        self.stopping = False
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def start(self, name: str, coroutine: Coroutine[Any, Any, None], *, may_end: bool = False) -> None:
        task = asyncio.create_task(coroutine, name=name)
        self._tasks[task] = name
        task.add_done_callback(lambda task: self._ended(task, may_end=may_end))

    def _ended(self, task: asyncio.Task[None], *, may_end: bool) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if self.stopping:
            if error is not None:
                log.error("a task failed while stopping", task=task.get_name(), exc_info=error)
        elif not self.failed.done() and (error is not None or not may_end):
            self.failed.set_result(error or RuntimeError(f"The task {task.get_name()!r} ended on its own."))

    def _named(self, *names: str) -> list[asyncio.Task[None]]:
        return [task for task, name in self._tasks.items() if name in names and not task.done()]

    async def wait(self, name: str, seconds: float) -> bool:
        """Wait for the tasks of a name; return whether some are still running."""
        tasks = self._named(name)
        if not tasks:
            return False
        _, pending = await asyncio.wait(tasks, timeout=seconds)
        return bool(pending)

    async def cancel(self, *names: str) -> None:
        await self._cancel(self._named(*names))

    async def cancel_all_but(self, *names: str) -> None:
        await self._cancel([task for task, name in self._tasks.items() if name not in names])

    async def _cancel(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _bounded(what: str, work: Awaitable[None], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        log.warning("took too long and was cut off", what=what, seconds=seconds)
    except Exception:
        log.exception("failed", what=what)


def _tell(failure: BaseException) -> None:
    if isinstance(failure, LeaseLost):
        sentence = f"{failure} This process stops."
        log.error(sentence)
    elif isinstance(failure, LeaseForbidden | ServerError):
        log.error(str(failure))
    else:
        log.error("the operator ends because a part of it failed", exc_info=failure)
