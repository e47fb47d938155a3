"""Each account and Region has tickets and Lists of its own, and what no MCPGateway speaks of costs none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from mcp_gateway_operator.agentcore.accounts import Accounts, Observers, Office, Offices, Schedulers
from mcp_gateway_operator.agentcore.observe import Inquiries, Observer, OutageClock
from mcp_gateway_operator.agentcore.port import CallerIdentity, Identity, ListPage, Mandate, Opened
from mcp_gateway_operator.agentcore.quota import Quotas, QuotaScheduler
from tests.support.virtual_time import pass_time

ACCOUNT, REGION = "222222222222", "eu-west-1"


def arn(number: int) -> str:
    """Return one of the gateways of the account."""
    return f"arn:aws:bedrock-agentcore:{REGION}:{ACCOUNT}:gateway/tools-{number:010d}"


class Building:
    """All offices of one operator; `governed` are the gateways of which an MCPGateway speaks."""

    def __init__(self, quotas: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._quotas = Quotas.parse(quotas)
        self._rng = random.Random(1)  # noqa: S311  -- repeatable, not secret
        self.governed: set[str] = set()
        self.lists: list[tuple[float, str]] = []
        self.offices_opened = 0
        self.accounts = Accounts(
            self,  # type: ignore[arg-type]  # all that is used
            mandate=self._mandate,
            clock=self._loop.time,
        )
        self.accounts.opener = self
        offices = Offices(self._open, governed=self.governed.__contains__)
        self.schedulers = Schedulers(offices)
        self.observers = Observers(offices)
        self.observers.serve(self)

    def _mandate(self, gateway_id: str) -> Mandate | None:
        if gateway_id not in self.governed:
            return None
        identity = Identity(region=REGION, role_arn=f"arn:aws:iam::{ACCOUNT}:role/x")
        return Mandate(holders=("tools",), account=ACCOUNT, identity=identity)

    def _open(self, beside: Observer | None) -> Office:
        self.offices_opened += 1
        clock = self._loop.time
        scheduler = QuotaScheduler(self._quotas, clock=clock, call_at=self._loop.call_at, rng=self._rng)
        outages = OutageClock(lost_after=600.0, clock=clock, wall=lambda: datetime(2026, 1, 1, tzinfo=UTC))
        observer = Observer(
            self.accounts,
            scheduler,
            clock=clock,
            drift_interval=60.0,
            rng=self._rng,
            outages=outages,
            beside=beside,
        )
        inquiries = Inquiries(
            self.accounts, scheduler, clock=clock, table=observer.table, on_answer=lambda _: None
        )
        return Office(scheduler, observer, inquiries)

    # -- what is asked of AWS, and of those for whom it is observed

    async def open(self, identity: Identity, *, name: str) -> Opened:  # noqa: ARG002  -- the opener's signature
        """Return a session."""
        return Opened(self, self._loop.time() + 1e9)  # type: ignore[arg-type]  # all that is used

    async def caller_identity(self) -> CallerIdentity:
        """Say whose the session is."""
        return CallerIdentity(account=ACCOUNT, arn="x", region=REGION)

    async def list_targets(self, gateway_id: str, *, next_token: str | None = None) -> ListPage:  # noqa: ARG002
        """Show nothing."""
        self.lists.append((self._loop.time(), gateway_id))
        return ListPage((), None)

    def payer(self, _gateway_id: str) -> str:
        """Return one namespace for all."""
        return "team"

    def recorded(self, _gateway_id: str) -> bool:
        """Return that each is recorded."""
        return True

    def on_targets(self, *_: Any) -> None:
        """Take it."""


@asynccontextmanager
async def at_work(quotas: str) -> AsyncIterator[Building]:
    building = Building(quotas)
    task = asyncio.create_task(building.observers.run())
    try:
        yield building
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _busy_lists(building: Building) -> int:
    """Return how often a gateway on which something is on its way is listed in a minute."""
    building.governed.add(arn(0))
    building.observers.seat(arn(0)).busy(arn(0), "somebody")
    await pass_time(5.0)
    building.lists.clear()
    await pass_time(60.0)
    return len(building.lists)


async def test_gateways_of_which_nobody_speaks_take_no_list_from_their_account() -> None:
    async with at_work("list=1") as building:
        alone = await _busy_lists(building)
    async with at_work("list=1") as building:
        building.governed.add(arn(0))
        building.observers.track(arn(0))
        for number in range(1, 60):
            building.observers.track(arn(number))
        assert await _busy_lists(building) == alone


async def test_nor_do_those_whose_classes_are_gone() -> None:
    async with at_work("list=1") as building:
        alone = await _busy_lists(building)
    async with at_work("list=1") as building:
        every = [arn(number) for number in range(1, 60)]
        building.governed.update(every)
        for each in every:
            building.observers.track(each)
        await pass_time(300.0)
        building.governed.clear()
        building.observers.settle()
        await pass_time(300.0)
        tables = list(map(building.observers.table, every))
        assert await _busy_lists(building) == alone
        # What is known stays known: a class that is made again changes nothing.
        assert list(map(building.observers.table, every)) == tables


async def test_one_that_was_tracked_before_its_account_was_known_is_found_and_goes_on() -> None:
    async with at_work("list=10") as building:
        table = building.observers.track(arn(1))
        building.governed.add(arn(0))
        building.observers.track(arn(0))
        assert building.offices_opened == 3
        assert building.observers.table(arn(1)) is table
        woken: list[str] = []
        building.observers.seat(arn(1)).after_list(
            arn(1), since=0.0, waiter="x", wake=lambda: woken.append("x")
        )
        assert set(building.observers.gateways()) == {arn(0), arn(1)}
        await pass_time(5.0)
        assert woken
        assert {gateway for _, gateway in building.lists} == {arn(0).rpartition("/")[2]}
        building.governed.add(arn(1))
        building.observers.settle()
        await pass_time(5.0)
        assert {gateway for _, gateway in building.lists} == {
            arn(number).rpartition("/")[2] for number in (0, 1)
        }
        building.observers.untrack(arn(1))
        building.observers.untrack(arn(0))
        assert building.observers.gateways() == ()
