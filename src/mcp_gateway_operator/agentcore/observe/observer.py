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
    TrackedGateway,
    Users,
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
        shares_with: the observer of another account; `marked_on` and `unseen` are of both.

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
        shares_with: Observer | None = None,
    ) -> None:
        self._port = port
        self._scheduler = scheduler
        self._clock = clock
        self._drift_interval = drift_interval
        self._rng = rng
        self.users: Users
        self._outages = outages
        self._gateways: dict[str, TrackedGateway] = {}
        self.marked_on: ReverseIndex = ReverseIndex() if shares_with is None else shares_with.marked_on
        self.unseen: dict[str, None] = {} if shares_with is None else shares_with.unseen
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
        gateway = self._gateways.get(gateway_id)
        if gateway is None:
            table = GatewayTable(gateway_id, marked_on=self.marked_on)
            gateway = self._gateways[gateway_id] = TrackedGateway(table, self._clock())
            self.unseen[gateway_id] = None
            if (refused := self._scheduler.refused_credentials) is not None:
                self._unlisted(gateway, refused, gateway.heard)  # as of the others when that began
            self._schedule(gateway)
        return gateway.table

    def untrack(self, gateway_id: str) -> None:
        """Stop observing a gateway. Whoever waits for a List of it is woken."""
        gateway = self._gateways.pop(gateway_id, None)
        if gateway is None:
            return
        gateway.table.close()
        self.unseen.pop(gateway_id, None)
        self._silent.pop(gateway_id, None)
        self._answering -= gateway.answered
        self._busy_gateways -= bool(gateway.busy)
        self._scheduler.cancel(gateway)
        if gateway.lists is not None:
            gateway.lists.cancel()
        self._wake_waiting(gateway, began=math.inf)
        if gateway.table.view.outage is not None:
            self.users.on_targets(gateway_id, ())

    def table(self, gateway_id: str) -> GatewayTable | None:
        """Return the table of a tracked gateway."""
        gateway = self._gateways.get(gateway_id)
        return gateway.table if gateway is not None else None

    def gateways(self) -> tuple[str, ...]:
        """Return the ids of all tracked gateways."""
        return tuple(self._gateways)

    def busy(self, gateway_id: str, waiter: Hashable) -> None:
        """Note that something of ours is in flight on a gateway. Its age counts from the first call."""
        self.track(gateway_id)
        gateway = self._gateways[gateway_id]
        if waiter in gateway.busy:
            return
        self._busy_gateways += not gateway.busy
        gateway.busy[waiter] = self._clock()
        self._schedule(gateway)

    def idle(self, gateway_id: str, waiter: Hashable) -> None:
        """Note that what `busy` told of has ended."""
        gateway = self._gateways.get(gateway_id)
        if gateway is not None and gateway.busy.pop(waiter, None) is not None:
            self._busy_gateways -= not gateway.busy
            self._schedule(gateway)

    def after_list(
        self, gateway_id: str, *, since: float, waiter: Hashable, wake: Callable[[], None]
    ) -> None:
        """Call `wake` once when a List begun at or after `since` has ended, well or not.

        One List serves all who wait; it starts as soon as a ticket, the List in flight and the second
        between two Lists allow. A waiter that asks again replaces what it asked before.
        """
        self.track(gateway_id)
        gateway = self._gateways[gateway_id]
        gateway.after[waiter] = (since, wake)
        self._schedule(gateway)

    def interval(self, gateway_id: str) -> float:
        """Return the seconds between two Lists of a gateway at present, jitter aside."""
        quota = self._scheduler.quotas.list
        gateway = self._gateways.get(gateway_id)
        drift = self._drift()
        if gateway is None or not gateway.busy:
            return drift
        # The youngest one in flight sets the pace: a target stuck for an hour does not slow a new one.
        age = self._clock() - max(gateway.busy.values())
        return min(drift, busy_interval(age, self._busy_gateways, quota))

    def refused(self, error: AgentCoreError) -> None:
        """Note that every List would fail so: none is sent that would tell."""
        for gateway in list(self._gateways.values()):
            self._unlisted(gateway, error, self._clock())

    def retry(self, kind: ErrorKind) -> None:
        """List every gateway now whose latest List failed in a way that is over."""
        for gateway in self._gateways.values():
            if gateway.table.view.error is not None and gateway.table.view.error.kind is kind:
                gateway.failures, gateway.backoff = 1, 0.0
                self._schedule(gateway)

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
                for gateway_id in self._outages.turned(self._gateways, self.users.recorded):
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
            gateway = self._gateways[gateway_id]
            gateway.admitted = True
            self._schedule(gateway)

    def _start_due(self, tasks: asyncio.TaskGroup) -> None:
        now = self._clock()
        self._admit(now)
        while self._heap and self._heap[0][0] <= now and self._running < PARALLEL_LISTS:
            moment, _, gateway_id = heapq.heappop(self._heap)
            gateway = self._gateways.get(gateway_id)
            if gateway is None or gateway.scheduled != moment:
                continue
            gateway.scheduled = math.inf
            if gateway.silent and not gateway.admitted:
                self._silent[gateway_id] = None
                continue
            if gateway.failures and self._failing >= PARALLEL_FAILING:
                self._held_up.add(gateway_id)
                continue
            if gateway.lists is None and self._due(gateway) <= now and (ticket := self._ask(gateway, now)):
                self._start(gateway, ticket, tasks)
                continue
            self._schedule(gateway)

    def _ask(self, gateway: TrackedGateway, now: float) -> Ticket | None:
        gateway_id = gateway.table.gateway_id
        gateway.payer = gateway.payer or self.users.payer(gateway_id)
        ticket = self._scheduler.take(
            Op.LIST,
            gateway_id,
            waiter=gateway,
            lane=gateway.lane,
            namespace=gateway.payer,
            on_grant=lambda: self._granted(gateway),
        )
        if ticket is None:
            # Asked again in time: a grant that nobody collected has lost its place.
            gateway.asked_lane, gateway.asked_until = gateway.lane, now + RESERVED_SECONDS
        return ticket

    def _granted(self, gateway: TrackedGateway) -> None:
        gateway.asked_until = -math.inf
        self._schedule(gateway)

    def _drift(self) -> float:
        """Return the seconds between two Lists of an idle gateway: longer with more gateways than quota."""
        wanted, quota = self._drift_interval, self._scheduler.quotas.list
        return wanted if quota is None else max(wanted, self._answering / (IDLE_SHARE * quota))

    def _due(self, gateway: TrackedGateway) -> float:
        """Return when the gateway is to be listed next; a List in flight is not looked at."""
        due = gateway.started + max(self._drift() * gateway.drift_factor, gateway.backoff)
        if gateway.after or gateway.failures:
            due = min(due, gateway.started + max(APART, gateway.backoff))
        if gateway.busy:
            due = min(due, gateway.started + max(self.interval(gateway.table.gateway_id), gateway.backoff))
        return due

    def _schedule(self, gateway: TrackedGateway) -> None:
        """Enter the gateway into the heap unless it is there for an early enough moment."""
        gateway_id = gateway.table.gateway_id
        if gateway.lists is not None or self._gateways.get(gateway_id) is not gateway:
            return
        moment = self._due(gateway)
        if gateway.asked_lane is gateway.lane:
            # It stands in the right line already; there is nothing to ask before its turn.
            moment = max(moment, gateway.asked_until)
        if moment < gateway.scheduled:
            gateway.scheduled = moment
            # Of those due at one moment, as after a start, the one that somebody asked for first comes first.
            heapq.heappush(self._heap, (moment, next(self._entries), gateway_id))
            self._wake.set()

    # One List.

    def _start(self, gateway: TrackedGateway, ticket: Ticket, tasks: asyncio.TaskGroup) -> None:
        now = self._clock()
        drift = self._drift()
        if now - self._due(gateway) > JITTER * drift:
            gateway.drift_factor = dealt(self._dealt, now, drift)
            self._dealt += 1
        else:
            gateway.drift_factor = self._rng.uniform(1 - JITTER, 1 + JITTER)
        gateway.started = now
        gateway.admitted, gateway.payer = False, ""
        gateway.failing = gateway.failures > 0
        self._running += 1
        self._failing += gateway.failing
        gateway.lists = tasks.create_task(self._list(gateway, ticket))
        gateway.lists.add_done_callback(partial(self._ended, gateway, ticket))

    async def _list(self, gateway: TrackedGateway, ticket: Ticket) -> None:
        table, began = gateway.table, gateway.started
        try:
            listing = await list_all(self._port, self._scheduler, table.gateway_id, ticket)
        except AgentCoreError as error:
            self._failed(gateway, error, began)
        else:
            recovered = table.view.error is not None
            self._answering += not gateway.answered
            gateway.answered, gateway.refused, gateway.heard = True, False, began
            gateway.failures, gateway.backoff, gateway.turns_at = 0, 0.0, math.inf
            self.unseen.pop(table.gateway_id, None)
            changes = table.apply_list(listing.items, began=began, pages=listing.pages)
            if recovered:
                self.users.on_targets(table.gateway_id, ())
            self._report(table.gateway_id, changes)

    def _failed(self, gateway: TrackedGateway, error: AgentCoreError, began: float) -> None:
        gateway.failures += 1
        if gateway.failures >= _TRIES or error.kind in _CLOSED:
            self.unseen.pop(gateway.table.gateway_id, None)
        gateway.refused = error.kind in _CLOSED
        longest = drift = self._drift()
        if gateway.silent and error.kind is ErrorKind.NOT_FOUND:
            longest = RECORDED_LONGEST if self.users.recorded(gateway.table.gateway_id) else SILENT_LONGEST
        # Jittered upwards alone: a Retry-After is a minimum.
        gateway.backoff = failure_backoff(error, gateway.failures, drift, longest) * self._rng.uniform(
            1, 1 + 2 * JITTER
        )
        if error.kind is ErrorKind.THROTTLED and gateway.failures < _QUIET_THROTTLES:
            return
        self._unlisted(gateway, error, began)

    def _unlisted(self, gateway: TrackedGateway, error: AgentCoreError, began: float) -> None:
        news = gateway.table.apply_failed_list(error, began=began)
        self._outages.failed(gateway, self._drift(), began=began)
        self._wake.set()
        if news:
            self.users.on_targets(gateway.table.gateway_id, ())

    def _ended(self, gateway: TrackedGateway, ticket: Ticket, _task: object) -> None:
        """Let the next List begin. Runs for a List cancelled before its first step, too."""
        ticket.unused()
        self._running -= 1
        self._failing -= gateway.failing
        gateway.lists = None
        self._wake_waiting(gateway, began=gateway.started)
        self._schedule(gateway)
        if gateway.failing:
            held_up, self._held_up = self._held_up, set()
            # In their order, so that a run is repeatable.
            for gateway_id in sorted(held_up & self._gateways.keys()):
                self._schedule(self._gateways[gateway_id])
        self._wake.set()

    def _wake_waiting(self, gateway: TrackedGateway, *, began: float) -> None:
        served = [waiter for waiter, (since, _) in gateway.after.items() if since <= began]
        for wake in [gateway.after.pop(waiter)[1] for waiter in served]:
            wake()

    def _report(self, gateway_id: str, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.after is not None and change.after.status in _MOVING:
                self._scheduler.moving(gateway_id, change.target_id)
            else:
                self._scheduler.settled(gateway_id, change.target_id)
        if changes:
            self.users.on_targets(gateway_id, changes)
