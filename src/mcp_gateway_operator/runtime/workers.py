"""The worker loop: take a key, do one pass for it, decide when it is due again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, Literal, TypeVar

import structlog

from mcp_gateway_operator.runtime.backoff import Jitter, default_jitter
from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator.runtime.queue import QueueShutDown, WorkQueue

K = TypeVar("K", bound=Hashable)

Outcome = Literal["success", "requeue_after", "conflict", "error", "panic"]
"""How a pass ended: requeue_after is a success with a next time, conflict is another writer's race, error was
expected to be possible, panic is a bug."""
OnPass = Callable[[Hashable, Outcome, float], None]
Reconcile = Callable[[K], Awaitable[float | None]]

SOONEST = 0.05
"""Seconds before a key is given again that asked to be due at once: others get their turn."""
CONFLICT_PAUSE = 0.2
"""Seconds after which a lost race is run again: the winner's event is in the cache by then."""
QUICK_CONFLICTS = 5
"""Lost races in a row after which a key backs off like after any error."""

log = structlog.get_logger(__name__)


class Workers(Generic[K]):
    """Runs passes for the keys of a queue.

    Args:
        queue: gives the keys; its shutting down ends the workers.
        reconcile: one pass for a key; returns the seconds until the key is due again, None when nothing is to
            come.
        count: passes at a time.
        expected: exceptions that are logged as one line; all others with a traceback. `ApiError` is always
            one.
        on_pass: told of each pass: key, outcome, seconds.
        jitter: spreads the retries of lost races.
    """

    def __init__(
        self,
        queue: WorkQueue[K],
        reconcile: Reconcile[K],
        *,
        count: int = 16,
        expected: tuple[type[Exception], ...] = (),
        on_pass: OnPass = lambda _key, _outcome, _seconds: None,
        jitter: Jitter | None = None,
    ) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._count = count
        self._expected = expected
        self._on_pass = on_pass
        self._jitter = jitter or default_jitter()
        self._conflicts: dict[K, int] = {}
        self._failing: dict[K, str] = {}
        self._causes: Counter[str] = Counter()

    async def run(self) -> None:
        """Work until the queue is shut down and every pass begun is over."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._count):
                tasks.create_task(self._work(), name=f"worker {number}")

    async def _work(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            try:
                key = await self._queue.get()
            except QueueShutDown:
                return
            started = now()
            try:
                outcome = await self._pass(key)
            finally:
                self._queue.done(key)
            self._on_pass(key, outcome, now() - started)
            # A pass that had nothing to wait for must not keep the loop: ten thousand do after a restart.
            await asyncio.sleep(0)

    async def _pass(self, key: K) -> Outcome:
        try:
            after = await self._reconcile(key)
        except ApiError as error:
            if error.conflict and self._conflicts.get(key, 0) < QUICK_CONFLICTS:
                self._conflicts[key] = self._conflicts.get(key, 0) + 1
                self._queue.add(key, after=CONFLICT_PAUSE * (1.0 + self._jitter()))
                return "conflict"
            self._later(key, error)
            return "error"
        except self._expected as error:
            self._later(key, error)
            return "error"
        except Exception:
            self._conflicts.pop(key, None)
            delay = self._queue.retry(key)
            log.exception("the pass failed unexpectedly", key=key, again_in=round(delay, 1))
            return "panic"
        self._conflicts.pop(key, None)
        self._mended(key)
        self._queue.forget(key)
        if after is None:
            return "success"
        self._queue.add(key, urgent=False, after=max(after, SOONEST))
        return "requeue_after"

    def _later(self, key: K, error: Exception) -> None:
        self._conflicts.pop(key, None)
        delay = self._queue.retry(key)
        api = error if isinstance(error, ApiError) else None
        cause = f"{api.status or 'no answer'} {api.reason}" if api is not None else type(error).__name__
        begins = cause not in self._causes
        if self._failing.get(key) != cause:
            self._mended(key)
            self._failing[key] = cause
            self._causes[cause] += 1
        # What befalls many objects for one cause is one warning. Of what it refuses a server may quote all.
        say = log.warning if begins else log.info
        words = cause if api is not None and api.invalid else str(error)
        say("the pass failed; it is repeated", key=key, error=words, again_in=round(delay, 1))

    def _mended(self, key: K) -> None:
        """Note that the latest pass of a key did not fail as the one before."""
        cause = self._failing.pop(key, None)
        if cause is None:
            return
        self._causes[cause] -= 1
        if not self._causes[cause]:
            del self._causes[cause]
            log.warning("no pass fails any more for this cause", cause=cause)
