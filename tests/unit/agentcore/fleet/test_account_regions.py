"""Each account and Region has tickets and Lists of its own, and what no MCPGateway speaks of costs none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from mcp_gateway_operator.agentcore.accounts import (
    AccountRegion,
    AccountRegions,
    Accounts,
    Observers,
    Schedulers,
)
from mcp_gateway_operator.agentcore.observe import Inquiries, Observer, OutageClock
from mcp_gateway_operator.agentcore.port import CallerIdentity, Identity, ListPage, Mandate, Opened
from mcp_gateway_operator.agentcore.quota import Quotas, QuotaScheduler
from tests.support.background import in_background
from tests.support.virtual_time import pass_time

ACCOUNT, REGION = "222222222222", "eu-west-1"


def arn(number: int) -> str:
    """Return one of the gateways of the account."""
    return f"arn:aws:bedrock-agentcore:{REGION}:{ACCOUNT}:gateway/tools-{number:010d}"


class Regions:
    """All regions of one operator; `governed` are the gateways of which an MCPGateway speaks."""

    def __init__(self, quotas: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._quotas = Quotas.parse(quotas)
        self._rng = random.Random(1)  # noqa: S311  -- repeatable, not secret
        self.governed: set[str] = set()
        self.lists: list[tuple[float, str]] = []
        self.regions_opened = 0
        self.accounts = Accounts(
            self,  # type: ignore[arg-type]  # all that is used
            mandate=self._mandate,
            clock=self._loop.time,
        )
        self.accounts.opener = self
        regions = AccountRegions(self._open, governed=self.governed.__contains__)
        self.schedulers = Schedulers(regions)
        self.observers = Observers(regions)
        self.observers.serve(self)

    def _mandate(self, gateway_id: str) -> Mandate | None:
        if gateway_id not in self.governed:
            return None
        identity = Identity(region=REGION, role_arn=f"arn:aws:iam::{ACCOUNT}:role/x")
        return Mandate(holders=("tools",), account=ACCOUNT, identity=identity)

    def _open(self, shares_with: Observer | None) -> AccountRegion:
        self.regions_opened += 1
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
            shares_with=shares_with,
        )
        inquiries = Inquiries(
            self.accounts, scheduler, clock=clock, table=observer.table, on_answer=lambda _: None
        )
        return AccountRegion(scheduler, observer, inquiries)

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
async def at_work(quotas: str) -> AsyncIterator[Regions]:
    regions = Regions(quotas)
    async with in_background(regions.observers.run()):
        yield regions


async def _busy_lists(regions: Regions) -> int:
    """Return how often a gateway on which something is on its way is listed in a minute."""
    regions.governed.add(arn(0))
    regions.observers.assign(arn(0)).busy(arn(0), "somebody")
    await pass_time(5.0)
    regions.lists.clear()
    await pass_time(60.0)
    return len(regions.lists)


async def test_gateways_of_which_nobody_speaks_take_no_list_from_their_account() -> None:
    async with at_work("list=1") as regions:
        alone = await _busy_lists(regions)
    async with at_work("list=1") as regions:
        regions.governed.add(arn(0))
        regions.observers.track(arn(0))
        for number in range(1, 60):
            regions.observers.track(arn(number))
        assert await _busy_lists(regions) == alone


async def test_nor_do_those_whose_classes_are_gone() -> None:
    async with at_work("list=1") as regions:
        alone = await _busy_lists(regions)
    async with at_work("list=1") as regions:
        every = [arn(number) for number in range(1, 60)]
        regions.governed.update(every)
        for each in every:
            regions.observers.track(each)
        await pass_time(300.0)
        regions.governed.clear()
        regions.observers.settle()
        await pass_time(300.0)
        tables = list(map(regions.observers.table, every))
        assert await _busy_lists(regions) == alone
        # What is known stays known: a class that is made again changes nothing.
        assert list(map(regions.observers.table, every)) == tables


async def test_one_that_was_tracked_before_its_account_was_known_is_found_and_goes_on() -> None:
    async with at_work("list=10") as regions:
        table = regions.observers.track(arn(1))
        regions.governed.add(arn(0))
        regions.observers.track(arn(0))
        assert regions.regions_opened == 3
        assert regions.observers.table(arn(1)) is table
        woken: list[str] = []
        regions.observers.assign(arn(1)).after_list(
            arn(1), since=0.0, waiter="x", wake=lambda: woken.append("x")
        )
        assert set(regions.observers.gateways()) == {arn(0), arn(1)}
        await pass_time(5.0)
        assert woken
        assert {gateway for _, gateway in regions.lists} == {arn(0).rpartition("/")[2]}
        regions.governed.add(arn(1))
        regions.observers.settle()
        await pass_time(5.0)
        assert {gateway for _, gateway in regions.lists} == {
            arn(number).rpartition("/")[2] for number in (0, 1)
        }
        regions.observers.untrack(arn(1))
        regions.observers.untrack(arn(0))
        assert regions.observers.gateways() == ()
