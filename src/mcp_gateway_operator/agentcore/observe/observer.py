"""Knows the targets of every gateway from one List per gateway and interval, never a Get per object."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from random import Random
from typing import Final

from mcp_gateway_operator.agentcore.observe.gateway_table import Change, GatewayTable, ReverseIndex
from mcp_gateway_operator.agentcore.observe.listing import (
    APART,
    IDLE_SHARE,
    JITTER,
    RECORDED_LONGEST,
    SILENT_LONGEST,
    SILENT_SHARE,
    Users,
    Watch,
    busy_interval,
    dealt,
    failure_backoff,
    list_all,
)
from mcp_gateway_operator.agentcore.observe.outage_clock import OutageClock
from mcp_gateway_operator.agentcore.port import AgentCore
from mcp_gateway_operator.agentcore.quota import RESERVED_SECONDS, Op, QuotaScheduler, Ticket
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.shape import TRANSIENT, Target

PARALLEL_LISTS: Final = 8
"""Lists in flight over all gateways: one for each of the adapter's reading threads."""
PARALLEL_FAILING: Final = 2
"""Lists in flight over all gateways whose latest List failed. Each may hang until it times out, and the
healthy gateways need the threads."""
_MOVING: Final = TRANSIENT - {"SYNCHRONIZING"}
"""States that the quota of operations on one gateway may count; it does not name Synchronize."""
_TRIES: Final = 3
"""Lists of a new gateway that may fail before nobody waits for one that succeeds."""
_CLOSED: Final = {ErrorKind.NOT_FOUND, ErrorKind.ACCESS_DENIED, ErrorKind.VALIDATION}
"""How a List fails of a gateway that is not there, or not ours to look at."""
_QUIET_THROTTLES: Final = 3
"""Throttled Lists in a row that are the scheduler's business and not yet news of the gateway."""


class Observer:
    """Keeps a `GatewayTable` for each tracked gateway and tells what changed in it.

    One clock (a heap) for all gateways. A gateway is listed when it is first tracked, then every drift
    interval, jittered by 10 %; every second or so while something of ours is in flight there; and soon when
    somebody waits for a List. Every List holds a ticket. A failing gateway backs off alone.

    Args:
        port: where Lists and Gets go.
        scheduler: where tickets come from.
        clock: the event loop's `time`.
        drift_interval: seconds between two Lists of an idle gateway.
        rng: spreads the Lists.
        outages: tells when Lists have failed for long.
        beside: the observer of another account, with which it shares what is known of all gateways together.

    Attributes:
        users: whom it is for; set before the first gateway is tracked.
        marked_on: the tracked gateways on which a target carries a marker, by `OWNER/OBJECT`.
        unseen: the tracked gateways that no List has shown, nor some failures given up.
    """

    def __init__(
        self,
        port: AgentCore,
        scheduler: QuotaScheduler,
        *,
        clock: Callable[[], float],
        drift_interval: float,
        rng: Random,
        outages: OutageClock,
        beside: Observer | None = None,
    ) -> None:
        self._port = port
        self._scheduler = scheduler
        self._clock = clock
        self._drift_interval = drift_interval
        self._rng = rng
        self.users: Users
        self._outages = outages
        self._watches: dict[str, Watch] = {}
        self.marked_on: ReverseIndex = ReverseIndex() if beside is None else beside.marked_on
        self.unseen: dict[str, None] = {} if beside is None else beside.unseen
        self._heap: list[tuple[float, int, str]] = []
        self._entries = count()
        self._busy_gateways = 0
        self._running = 0
        self._failing = 0
        self._dealt = 0
        self._answering = 0
        self._silent: dict[str, None] = {}
        """Gateways that never answered and are due, in their order, and when one of them may be listed."""
        self._silent_due = -math.inf
        self._held_up: set[str] = set()
        self._wake = asyncio.Event()

    def track(self, gateway_id: str) -> GatewayTable:
        """Begin to observe a gateway, if it is not observed yet, and return its table."""
        watch = self._watches.get(gateway_id)
        if watch is None:
            table = GatewayTable(gateway_id, marked_on=self.marked_on)
            watch = self._watches[gateway_id] = Watch(table, self._clock())
            self.unseen[gateway_id] = None
            if (refused := self._scheduler.refused_credentials) is not None:
                self._unlisted(watch, refused, watch.heard)  # as of the others when that began
            self._schedule(watch)
        return watch.table

    def untrack(self, gateway_id: str) -> None:
        """Stop observing a gateway. Whoever waits for a List of it is woken."""
        watch = self._watches.pop(gateway_id, None)
        if watch is None:
            return
        watch.table.close()
        self.unseen.pop(gateway_id, None)
        self._silent.pop(gateway_id, None)
        self._answering -= watch.answered
        self._busy_gateways -= bool(watch.busy)
        self._scheduler.cancel(watch)
        if watch.lists is not None:
            watch.lists.cancel()
        self._wake_waiting(watch, began=math.inf)
        if watch.table.view.outage is not None:
            self.users.on_targets(gateway_id, ())

    def table(self, gateway_id: str) -> GatewayTable | None:
        """Return the table of a tracked gateway."""
        watch = self._watches.get(gateway_id)
        return watch.table if watch is not None else None

    def gateways(self) -> tuple[str, ...]:
        """Return the ids of all tracked gateways."""
        return tuple(self._watches)

    def busy(self, gateway_id: str, waiter: Hashable) -> None:
        """Note that something of ours is in flight on a gateway. Its age counts from the first call."""
        self.track(gateway_id)
        watch = self._watches[gateway_id]
        if waiter in watch.busy:
            return
        self._busy_gateways += not watch.busy
        watch.busy[waiter] = self._clock()
        self._schedule(watch)

    def idle(self, gateway_id: str, waiter: Hashable) -> None:
        """Note that what `busy` told of has ended."""
        watch = self._watches.get(gateway_id)
        if watch is not None and watch.busy.pop(waiter, None) is not None:
            self._busy_gateways -= not watch.busy
            self._schedule(watch)

    def after_list(
        self, gateway_id: str, *, since: float, waiter: Hashable, wake: Callable[[], None]
    ) -> None:
        """Call `wake` once when a List begun at or after `since` has ended, well or not.

        One List serves all who wait; it starts as soon as a ticket, the List in flight and the second
        between two Lists allow. A waiter that asks again replaces what it asked before.
        """
        self.track(gateway_id)
        watch = self._watches[gateway_id]
        watch.after[waiter] = (since, wake)
        self._schedule(watch)

    def interval(self, gateway_id: str) -> float:
        """Return the seconds between two Lists of a gateway at present, jitter aside."""
        quota = self._scheduler.quotas.list
        watch = self._watches.get(gateway_id)
        drift = self._drift()
        if watch is None or not watch.busy:
            return drift
        # The youngest one in flight sets the pace: a target stuck for an hour does not slow a new one.
        age = self._clock() - max(watch.busy.values())
        return min(drift, busy_interval(age, self._busy_gateways, quota))

    def refused(self, error: AgentCoreError) -> None:
        """Note that every List would fail so: none is sent that would tell."""
        for watch in list(self._watches.values()):
            self._unlisted(watch, error, self._clock())

    def retry(self, kind: ErrorKind) -> None:
        """List every gateway now whose latest List failed in a way that is over."""
        for watch in self._watches.values():
            if watch.table.view.error is not None and watch.table.view.error.kind is kind:
                watch.failures, watch.backoff = 1, 0.0
                self._schedule(watch)

    async def read(self, gateway_id: str, target_id: str) -> Target:
        """Get one target and take the answer into the table. The caller holds the ticket.

        Raises:
            AgentCoreError: the Get failed; a 404 is noted in the table.
        """
        table = self.track(gateway_id)
        began = self._clock()
        try:
            target = await self._port.get_target(gateway_id, target_id)
        except AgentCoreError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                table.apply_absent(target_id, began=began)
            raise
        self._report(gateway_id, table.apply_get(target, began=began))
        return target

    # The clock.

    async def run(self) -> None:
        """List gateways as they fall due until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._start_due(tasks)
                for gateway_id in self._outages.turned(self._watches, self.users.recorded):
                    self.users.on_targets(gateway_id, ())
                self._wake.clear()
                due = [self._silent_due] if self._silent else []
                if self._heap and self._running < PARALLEL_LISTS:
                    due.append(self._heap[0][0])
                if (turn := self._outages.next_at) is not None:
                    due.append(turn)
                delay = max(0.0, min(due) - self._clock()) if due else None
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._wake.wait()

    def _admit(self, now: float) -> None:
        """Let one gateway that never answered have its turn: made-up ids share a small part of the quota."""
        if self._silent and self._silent_due <= now:
            gateway_id = next(iter(self._silent))
            del self._silent[gateway_id]
            quota = self._scheduler.quotas.list
            self._silent_due = now if quota is None else now + 1.0 / (SILENT_SHARE * quota)
            watch = self._watches[gateway_id]
            watch.admitted = True
            self._schedule(watch)

    def _start_due(self, tasks: asyncio.TaskGroup) -> None:
        now = self._clock()
        self._admit(now)
        while self._heap and self._heap[0][0] <= now and self._running < PARALLEL_LISTS:
            moment, _, gateway_id = heapq.heappop(self._heap)
            watch = self._watches.get(gateway_id)
            if watch is None or watch.scheduled != moment:
                continue
            watch.scheduled = math.inf
            if watch.silent and not watch.admitted:
                self._silent[gateway_id] = None
                continue
            if watch.failures and self._failing >= PARALLEL_FAILING:
                self._held_up.add(gateway_id)
                continue
            if watch.lists is None and self._due(watch) <= now and (ticket := self._ask(watch, now)):
                self._start(watch, ticket, tasks)
                continue
            self._schedule(watch)

    def _ask(self, watch: Watch, now: float) -> Ticket | None:
        gateway_id = watch.table.gateway_id
        watch.payer = watch.payer or self.users.payer(gateway_id)
        ticket = self._scheduler.take(
            Op.LIST,
            gateway_id,
            waiter=watch,
            lane=watch.lane,
            namespace=watch.payer,
            on_grant=lambda: self._granted(watch),
        )
        if ticket is None:
            # Asked again in time: a grant that nobody collected has lost its place.
            watch.asked_lane, watch.asked_until = watch.lane, now + RESERVED_SECONDS
        return ticket

    def _granted(self, watch: Watch) -> None:
        watch.asked_until = -math.inf
        self._schedule(watch)

    def _drift(self) -> float:
        """Return the seconds between two Lists of an idle gateway: longer with more gateways than quota."""
        wanted, quota = self._drift_interval, self._scheduler.quotas.list
        return wanted if quota is None else max(wanted, self._answering / (IDLE_SHARE * quota))

    def _due(self, watch: Watch) -> float:
        """Return when the gateway is to be listed next; a List in flight is not looked at."""
        due = watch.started + max(self._drift() * watch.drift_factor, watch.backoff)
        if watch.after or watch.failures:
            due = min(due, watch.started + max(APART, watch.backoff))
        if watch.busy:
            due = min(due, watch.started + max(self.interval(watch.table.gateway_id), watch.backoff))
        return due

    def _schedule(self, watch: Watch) -> None:
        """Enter the gateway into the heap unless it is there for an early enough moment."""
        gateway_id = watch.table.gateway_id
        if watch.lists is not None or self._watches.get(gateway_id) is not watch:
            return
        moment = self._due(watch)
        if watch.asked_lane is watch.lane:
            # It stands in the right line already; there is nothing to ask before its turn.
            moment = max(moment, watch.asked_until)
        if moment < watch.scheduled:
            watch.scheduled = moment
            # Of those due at one moment, as after a start, the one that somebody asked for first comes first.
            heapq.heappush(self._heap, (moment, next(self._entries), gateway_id))
            self._wake.set()

    # One List.

    def _start(self, watch: Watch, ticket: Ticket, tasks: asyncio.TaskGroup) -> None:
        now = self._clock()
        drift = self._drift()
        if now - self._due(watch) > JITTER * drift:
            watch.drift_factor = dealt(self._dealt, now, drift)
            self._dealt += 1
        else:
            watch.drift_factor = self._rng.uniform(1 - JITTER, 1 + JITTER)
        watch.started = now
        watch.admitted, watch.payer = False, ""
        watch.failing = watch.failures > 0
        self._running += 1
        self._failing += watch.failing
        watch.lists = tasks.create_task(self._list(watch, ticket))
        watch.lists.add_done_callback(partial(self._ended, watch, ticket))

    async def _list(self, watch: Watch, ticket: Ticket) -> None:
        table, began = watch.table, watch.started
        try:
            listing = await list_all(self._port, self._scheduler, table.gateway_id, ticket)
        except AgentCoreError as error:
            self._failed(watch, error, began)
        else:
            recovered = table.view.error is not None
            self._answering += not watch.answered
            watch.answered, watch.refused, watch.heard = True, False, began
            watch.failures, watch.backoff, watch.turns_at = 0, 0.0, math.inf
            self.unseen.pop(table.gateway_id, None)
            changes = table.apply_list(listing.items, began=began, pages=listing.pages)
            if recovered:
                self.users.on_targets(table.gateway_id, ())
            self._report(table.gateway_id, changes)

    def _failed(self, watch: Watch, error: AgentCoreError, began: float) -> None:
        watch.failures += 1
        if watch.failures >= _TRIES or error.kind in _CLOSED:
            self.unseen.pop(watch.table.gateway_id, None)
        watch.refused = error.kind in _CLOSED
        longest = drift = self._drift()
        if watch.silent and error.kind is ErrorKind.NOT_FOUND:
            longest = RECORDED_LONGEST if self.users.recorded(watch.table.gateway_id) else SILENT_LONGEST
        # Jittered upwards alone: a Retry-After is a minimum.
        watch.backoff = failure_backoff(error, watch.failures, drift, longest) * self._rng.uniform(
            1, 1 + 2 * JITTER
        )
        if error.kind is ErrorKind.THROTTLED and watch.failures < _QUIET_THROTTLES:
            return
        self._unlisted(watch, error, began)

    def _unlisted(self, watch: Watch, error: AgentCoreError, began: float) -> None:
        news = watch.table.apply_failed_list(error, began=began)
        self._outages.failed(watch, self._drift(), began=began)
        self._wake.set()
        if news:
            self.users.on_targets(watch.table.gateway_id, ())

    def _ended(self, watch: Watch, ticket: Ticket, _task: object) -> None:
        """Let the next List begin. Runs for a List cancelled before its first step, too."""
        ticket.unused()
        self._running -= 1
        self._failing -= watch.failing
        watch.lists = None
        self._wake_waiting(watch, began=watch.started)
        self._schedule(watch)
        if watch.failing:
            held_up, self._held_up = self._held_up, set()
            # In their order, so that a run is repeatable.
            for gateway_id in sorted(held_up & self._watches.keys()):
                self._schedule(self._watches[gateway_id])
        self._wake.set()

    def _wake_waiting(self, watch: Watch, *, began: float) -> None:
        served = [waiter for waiter, (since, _) in watch.after.items() if since <= began]
        for wake in [watch.after.pop(waiter)[1] for waiter in served]:
            wake()

    def _report(self, gateway_id: str, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.after is not None and change.after.status in _MOVING:
                self._scheduler.moving(gateway_id, change.target_id)
            else:
                self._scheduler.settled(gateway_id, change.target_id)
        if changes:
            self.users.on_targets(gateway_id, changes)
