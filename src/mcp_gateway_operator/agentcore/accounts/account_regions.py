"""A scheduler and an observer for each account and Region, and which of them serves a gateway.

AWS counts calls per account and Region, and one that does not answer must not hold up the others: each has
lines and Lists of its own. What is asked for names a gateway, by id or ARN, and that says where it is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Final, NamedTuple

from mcp_gateway_operator.agentcore.observe import GatewayTable, Inquiries, Observer, Users
from mcp_gateway_operator.agentcore.quota import Lane, Op, Quotas, QuotaScheduler, Ticket
from mcp_gateway_operator.targets.known import ErrorKind
from mcp_gateway_operator.targets.shape import account_and_region

Where = tuple[str, str]
"""An account and a Region."""
OWN: Final[Where] = "", ""
UNGOVERNED: Final[Where] = "?", "?"
"""Gateways elsewhere of which no MCPGateway says anything: nothing is sent for them."""


class AccountRegion(NamedTuple):
    """What one account and Region has for itself."""

    scheduler: QuotaScheduler
    observer: Observer
    inquiries: Inquiries


class AccountRegions:
    """Makes them as they are needed, and keeps them.

    Args:
        open_region: makes one; given the observer of the first, None for that.
        governed: whether an MCPGateway governs a gateway that is elsewhere.

    Attributes:
        own: of the operator's own account and Region.
        on_open: called with each one that is made.
        home: the operator's own account and Region, None while they are not known.
    """

    def __init__(
        self, open_region: Callable[[Observer | None], AccountRegion], *, governed: Callable[[str], bool]
    ) -> None:
        self._open = open_region
        self._governed = governed
        self.own = open_region(None)
        self._regions: dict[Where, AccountRegion] = {OWN: self.own}
        self._assigned: dict[str, AccountRegion] = {}
        """By gateway that is tracked and has an ARN, where it is: that changes by `settle` alone."""
        self.on_open: Callable[[AccountRegion], None] = lambda _region: None
        self.home: Where | None = None

    def all(self) -> tuple[AccountRegion, ...]:
        """Return all there are, the operator's own first."""
        return tuple(self._regions.values())

    def of(self, gateway_id: str) -> AccountRegion:
        """Return the one of a gateway."""
        if ":" not in gateway_id:
            return self.own
        return self._assigned.get(gateway_id) or self._meant(gateway_id)

    def assign(self, gateway_id: str) -> AccountRegion:
        """Return the one of a gateway, and keep to it."""
        region = self.of(gateway_id)
        if ":" in gateway_id:
            self._assigned[gateway_id] = region
        return region

    def release(self, gateway_id: str) -> AccountRegion:
        """Return the one of a gateway, and keep to it no longer."""
        return self._assigned.pop(gateway_id, None) or self.of(gateway_id)

    def misplaced(self) -> tuple[str, ...]:
        """Return the gateways of which nothing was known, and is now."""
        ungoverned = self._regions.get(UNGOVERNED)
        known = ungoverned.observer.gateways() if ungoverned is not None else ()
        return tuple(each for each in known if self._meant(each) is not ungoverned)

    def _meant(self, gateway_id: str) -> AccountRegion:
        where = account_and_region(gateway_id)
        if where == self.home:
            return self.own
        where = where if self._governed(gateway_id) else UNGOVERNED
        region = self._regions.get(where)
        if region is None:
            region = self._regions[where] = self._open(self.own.observer)
            self.on_open(region)
        return region


class Schedulers:
    """The scheduler of each account and Region, and who waits at which.

    Attributes:
        own: of the operator's own account and Region.
        quotas: of every one.
    """

    def __init__(self, regions: AccountRegions) -> None:
        self._regions = regions
        self.own = regions.own.scheduler
        self._waits_at: dict[Hashable, QuotaScheduler] = {}
        """Who waits elsewhere than in the operator's own account and Region, and where."""
        self._closed = False
        self.quotas: Quotas = self.own.quotas

    def of(self, gateway_id: str) -> QuotaScheduler:
        """Return the one of a gateway."""
        return self._regions.of(gateway_id).scheduler

    def take(
        self,
        op: Op,
        gateway_id: str,
        *,
        waiter: Hashable,
        lane: Lane,
        namespace: str,
        on_grant: Callable[[], None],
    ) -> Ticket | None:
        """Return a ticket, or join the line of the gateway's account and Region: as in `QuotaScheduler`."""
        scheduler = self.of(gateway_id)
        before = self._waits_at.pop(waiter, self.own)
        if before is not scheduler:
            before.cancel(waiter)
        if self._closed:
            scheduler.close()
        ticket = scheduler.take(
            op, gateway_id, waiter=waiter, lane=lane, namespace=namespace, on_grant=on_grant
        )
        if ticket is None and scheduler is not self.own:
            self._waits_at[waiter] = scheduler
        return ticket

    def cancel(self, waiter: Hashable) -> None:
        """Forget a waiter, wherever it waits."""
        self._waits_at.pop(waiter, self.own).cancel(waiter)

    def close(self) -> None:
        """Grant nothing any more; tickets that are in use end as usual."""
        self._closed = True
        for region in self._regions.all():
            region.scheduler.close()

    def queue_age(self, lane: Lane) -> float:
        """Return for how many seconds the longest waiter of a lane has waited anywhere."""
        return max(region.scheduler.queue_age(lane) for region in self._regions.all())

    def depths(self) -> dict[tuple[Op, Lane], int]:
        """Return how many wait, by operation and lane, everywhere together."""
        total = Counter[tuple[Op, Lane]]()
        for region in self._regions.all():
            total.update(region.scheduler.depths())
        return dict(total)


class Observers:
    """The observer of each account and Region.

    Attributes:
        own: of the operator's own account and Region.
        marked_on, unseen: of all observers together, as in `Observer`.
    """

    def __init__(self, regions: AccountRegions) -> None:
        self._regions = regions
        self.own = regions.own.observer
        self._tasks: asyncio.TaskGroup | None = None
        self.marked_on = self.own.marked_on
        self.unseen = self.own.unseen
        regions.on_open = self._opened

    def of(self, gateway_id: str) -> Observer:
        """Return the one of a gateway."""
        return self._regions.of(gateway_id).observer

    def assign(self, gateway_id: str) -> Observer:
        """Return the one of a gateway that is tracked, or will be by what is asked of it."""
        return self._regions.assign(gateway_id).observer

    def serve(self, users: Users) -> None:
        """Say whom they are for, before the first gateway is tracked."""
        for region in self._regions.all():
            region.observer.users = users

    def track(self, gateway_id: str) -> GatewayTable:
        """Begin to observe a gateway, if it is not observed yet, and return its table."""
        return self.assign(gateway_id).track(gateway_id)

    def untrack(self, gateway_id: str) -> None:
        """Stop observing a gateway. Whoever waits for a List of it is woken."""
        self._regions.release(gateway_id).observer.untrack(gateway_id)

    def table(self, gateway_id: str) -> GatewayTable | None:
        """Return the table of a tracked gateway."""
        return self.of(gateway_id).table(gateway_id)

    def inquiries(self, gateway_id: str) -> Inquiries:
        """Return who asks AWS for a gateway itself."""
        return self._regions.of(gateway_id).inquiries

    def gateways(self) -> tuple[str, ...]:
        """Return the ids, or ARNs, of all tracked gateways."""
        return tuple(each for region in self._regions.all() for each in region.observer.gateways())

    def retry(self, kind: ErrorKind) -> None:
        """List every gateway now whose latest List failed in a way that is over."""
        for region in self._regions.all():
            region.observer.retry(kind)

    def settle(self) -> None:
        """Take that MCPGateways have changed: gateways of which nothing was known go where they belong."""
        for gateway_id in self._regions.misplaced():
            self.untrack(gateway_id)
            self.track(gateway_id)

    async def run(self) -> None:
        """List gateways as they fall due until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                for region in self._regions.all():
                    self._start(region, tasks)
                await asyncio.Event().wait()
            finally:
                self._tasks = None

    def _opened(self, region: AccountRegion) -> None:
        region.observer.users = self.own.users
        if self._tasks is not None:
            self._start(region, self._tasks)

    def _start(self, region: AccountRegion, tasks: asyncio.TaskGroup) -> None:
        tasks.create_task(region.observer.run())
        tasks.create_task(region.inquiries.run())
