"""A scheduler on a clock that tests move, and a service that counts as AWS does."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Hashable

from mcp_gateway_operator.agentcore.quota import Lane, Op, Quotas, QuotaScheduler, Ticket


class Timers:
    """A clock with timers, like an event loop's."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        """Return the moment it is."""
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        """Run a callback at a moment, from `run_until`."""
        heapq.heappush(self._heap, (when, next(self._numbers), callback))

    def run_until(self, moment: float) -> None:
        """Run what is due, in order, and move the clock."""
        while self._heap and self._heap[0][0] <= moment:
            when, _, callback = heapq.heappop(self._heap)
            self.now = max(self.now, when)
            callback()
        self.now = max(self.now, moment)


class StrictBucket:
    """What the service does: a bucket of one second's worth, refilled at the quota."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._level = rate
        self._at = 0.0
        self.refused = 0

    def call(self, at: float) -> None:
        """Count a call that arrives at a moment."""
        self._level = min(self._rate, self._level + (at - self._at) * self._rate)
        self._at = at
        if self._level < 1 - 1e-6:
            self.refused += 1
        else:
            self._level -= 1


class Desk:
    """Callers of a scheduler that use their tickets at once, for `call_seconds` each."""

    def __init__(self, quotas: Quotas | None = None, *, call_seconds: float = 0.0, seed: int = 0) -> None:
        self.timers = Timers()
        self.scheduler = QuotaScheduler(
            quotas or Quotas(),
            clock=self.timers.time,
            call_at=self.timers.call_at,
            rng=random.Random(seed),  # noqa: S311  -- repeatable, not secret
        )
        self.call_seconds = call_seconds
        self.calls: list[tuple[float, Hashable]] = []
        self.woken: list[Hashable] = []
        self.most_in_flight: dict[str, int] = {}

    def ask(
        self,
        waiter: Hashable,
        op: Op = Op.CREATE,
        gateway: str = "g",
        lane: Lane = Lane.INTERACTIVE,
        namespace: str = "ns",
        on_grant: Callable[[], None] = lambda: None,
    ) -> Ticket | None:
        """Ask for a ticket: the scheduler's `take` with defaults."""
        return self.scheduler.take(
            op, gateway, waiter=waiter, lane=lane, namespace=namespace, on_grant=on_grant
        )

    def call(
        self,
        waiter: Hashable,
        op: Op = Op.CREATE,
        gateway: str = "g",
        lane: Lane = Lane.INTERACTIVE,
        namespace: str = "ns",
    ) -> None:
        """Make a call as soon as there is a ticket."""

        def granted() -> None:
            self.woken.append(waiter)
            attempt()

        def attempt() -> None:
            ticket = self.ask(waiter, op, gateway, lane, namespace, granted)
            if ticket is None:
                return
            self.calls.append((self.timers.now, waiter))
            taken = self.scheduler.slots_taken(gateway)
            self.most_in_flight[gateway] = max(taken, self.most_in_flight.get(gateway, 0))
            context = ticket.__enter__()
            self.timers.call_at(
                self.timers.now + self.call_seconds, lambda: context.__exit__(None, None, None)
            )

        attempt()

    def callers(self) -> list[Hashable]:
        """Who called, in order."""
        return [waiter for _, waiter in self.calls]
