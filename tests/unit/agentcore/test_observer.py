"""How often gateways are listed and who hears of it, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from mcp_gateway_operator.agentcore.observe import Change, Observer, OutageClock
from mcp_gateway_operator.agentcore.port import ListPage
from mcp_gateway_operator.agentcore.quota import Lane, Op, Quotas, QuotaScheduler
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.shape import Target, TargetSummary
from tests.support.virtual_time import EPOCH, pass_time, run_virtual, settle
from tests.unit.agentcore.samples import is_ready, summary, target


class FakePort:
    """Answers Lists and Gets from `gateways`; records when they began."""

    def __init__(self) -> None:
        self.gateways: dict[str, list[TargetSummary]] = {}
        self.errors: dict[str, AgentCoreError] = {}
        self.hanging: set[str] = set()
        self.seconds = 0.05
        self.page_size = 1000
        self.tokens: Callable[[int], str] = str
        self.lists: list[tuple[float, str]] = []
        self.gets: list[str] = []
        self.most_at_once: Counter[str] = Counter()
        self._at_once: Counter[str] = Counter()

    async def list_targets(self, gateway_id: str, *, next_token: str | None = None) -> ListPage:
        """Answer a page after `seconds`."""
        self.lists.append((asyncio.get_running_loop().time(), gateway_id))
        for key in (gateway_id, "all"):
            self._at_once[key] += 1
            self.most_at_once[key] = max(self.most_at_once[key], self._at_once[key])
        try:
            await pass_time(3600 if gateway_id in self.hanging else self.seconds)
        finally:
            self._at_once[gateway_id] -= 1
            self._at_once["all"] -= 1
        if gateway_id in self.errors:
            raise self.errors[gateway_id]
        items = self.gateways.get(gateway_id, [])
        start = int(next_token or 0)
        end = start + self.page_size
        return ListPage(tuple(items[start:end]), self.tokens(end) if end < len(items) else None)

    async def get_target(self, gateway_id: str, target_id: str) -> Target:
        """Answer what the List would show."""
        self.gets.append(target_id)
        await asyncio.sleep(self.seconds)
        for item in self.gateways.get(gateway_id, []):
            if item.target_id == target_id:
                return Target(summary=item, gateway_arn="arn", config={})
        raise AgentCoreError(ErrorKind.NOT_FOUND, "ResourceNotFoundException", "no target")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the observer must not call {name}")


class Bench:
    """An observer at work on a fake port."""

    def __init__(self, quotas: Quotas, drift_interval: float) -> None:
        loop = asyncio.get_running_loop()
        self.port = FakePort()
        self.payers: dict[str, str] = {}
        self.known: set[str] = set()
        self.changes: list[tuple[str, Sequence[Change]]] = []
        rng = random.Random(1)  # noqa: S311  -- repeatable, not secret
        self.scheduler = QuotaScheduler(quotas, clock=loop.time, call_at=loop.call_at, rng=rng)
        self.observer = Observer(
            self.port,
            self.scheduler,
            clock=loop.time,
            drift_interval=drift_interval,
            rng=rng,
            outages=OutageClock(lost_after=600.0, clock=loop.time, wall=lambda: EPOCH),
        )
        self.observer.users = self

    def payer(self, gateway_id: str) -> str:
        """Return who pays: somebody of its own for each gateway, unless a test says otherwise."""
        return self.payers.get(gateway_id, gateway_id)

    def recorded(self, gateway_id: str) -> bool:
        """Whether a test says that some object has its target there."""
        return gateway_id in self.known

    def on_targets(self, gateway_id: str, changes: Sequence[Change]) -> None:
        """Note what is told."""
        self.changes.append((gateway_id, changes))

    def lists(self, since: float = 0.0, gateway: str | None = None) -> list[float]:
        """When Lists began."""
        return [at for at, each in self.port.lists if at >= since and gateway in {None, each}]


@asynccontextmanager
async def at_work(quotas: Quotas | None = None, drift_interval: float = 60.0) -> AsyncIterator[Bench]:
    """Run an observer for the length of a block."""
    bench = Bench(quotas or Quotas(), drift_interval)
    running = asyncio.create_task(bench.observer.run())
    try:
        yield bench
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


def error(kind: ErrorKind, message: str = "no") -> AgentCoreError:
    """Return a failure."""
    return AgentCoreError(kind, str(kind), message)


def test_a_gateway_is_listed_at_once_and_then_every_drift_interval() -> None:
    """A gateway is listed at once and then every drift interval."""

    async def main() -> None:
        async with at_work() as bench:
            bench.port.gateways["g"] = [summary()]
            table = bench.observer.track("g")
            assert bench.observer.track("g") is table
            await pass_time(1)
            assert bench.observer.table("g") is table
            assert is_ready(table, "t1")
            assert bench.changes == [("g", [Change("t1", None, summary())])]
            await pass_time(3600)
            assert 56 <= len(bench.lists()) <= 66
            assert len(bench.changes) == 1

    run_virtual(main())


def test_after_a_start_gateways_are_listed_in_the_order_in_which_they_were_asked_for() -> None:
    """After a start gateways are listed in the order in which they were asked for."""

    async def main() -> None:
        asked_for = [f"g{number:02d}" for number in range(30, 0, -1)]
        async with at_work(Quotas.parse("unlimited")) as bench:
            for gateway_id in asked_for:
                bench.observer.track(gateway_id)
                bench.observer.after_list(gateway_id, since=0.0, waiter=gateway_id, wake=lambda: None)
            await pass_time(0.9)
            assert [gateway_id for _, gateway_id in bench.port.lists] == asked_for

    run_virtual(main())


def test_a_hundred_idle_gateways_cost_one_list_each_and_interval() -> None:
    """A hundred idle gateways cost one list each and interval."""

    async def main() -> None:
        async with at_work() as bench:
            for number in range(100):
                bench.observer.track(f"g{number}")
            await pass_time(3660)
            counts = Counter(gateway for _, gateway in bench.port.lists)
            assert len(counts) == 100
            assert all(55 <= count <= 70 for count in counts.values())
            assert bench.port.most_at_once["all"] <= 8

    run_virtual(main())


def test_more_gateways_than_the_quota_allows_stretch_the_interval() -> None:
    """More gateways than the quota allows stretch the interval."""

    async def main() -> None:
        async with at_work(Quotas(list=2), drift_interval=10) as bench:
            for number in range(60):
                bench.observer.track(f"g{number}")
            await pass_time(660)
            assert bench.observer.interval("g0") == 60
            assert len(bench.lists(60)) == pytest.approx(600, rel=0.1)

    run_virtual(main())


def test_a_hundred_targets_in_flight_cost_one_list_a_second() -> None:
    """A hundred targets in flight cost one list a second."""

    async def main() -> None:
        async with at_work() as bench:
            bench.observer.track("g")
            await pass_time(5)
            for number in range(100):
                bench.observer.busy("g", number)
            assert bench.observer.interval("g") == 1
            await pass_time(20)
            assert 20 <= len(bench.lists(5)) <= 21
            for number in range(100):
                bench.observer.idle("g", number)
            assert bench.observer.interval("g") == 60
            await pass_time(20)
            assert len(bench.lists(25.1)) == 0

    run_virtual(main())


def test_what_is_in_flight_for_long_is_looked_at_less_often() -> None:
    """What is in flight for long is looked at less often."""

    async def main() -> None:
        async with at_work() as bench:
            bench.observer.busy("g", "stuck")
            await pass_time(600)
            assert bench.observer.interval("g") == 10
            assert len(bench.lists(500)) in {10, 11}
            bench.observer.busy("g", "stuck")
            assert bench.observer.interval("g") == 10
            bench.observer.busy("g", "fresh")
            assert bench.observer.interval("g") == 1
            await pass_time(10)
            assert len(bench.lists(600)) >= 9

    run_virtual(main())


def test_many_busy_gateways_share_the_quota() -> None:
    """Many busy gateways share the quota."""

    async def main() -> None:
        async with at_work() as bench:
            for number in range(80):
                bench.observer.busy(f"g{number}", "w")
            assert bench.observer.interval("g0") == 10
            await pass_time(100)
            assert len(bench.lists(20)) == pytest.approx(8 * 80, rel=0.1)

    run_virtual(main())


def test_one_list_serves_all_who_wait_for_one() -> None:
    """One list serves all who wait for one."""

    async def main() -> None:
        async with at_work() as bench:
            bench.observer.track("g")
            await pass_time(10)
            woken: list[float] = []
            loop = asyncio.get_running_loop()
            for number in range(100):
                bench.observer.after_list(
                    "g", since=10, waiter=number, wake=lambda: woken.append(loop.time())
                )
            await pass_time(1)
            assert len(bench.lists(10)) == 1
            assert woken == pytest.approx([10.05] * 100)
            await pass_time(5)
            assert len(bench.lists(10)) == 1

    run_virtual(main())


def test_a_list_begun_too_early_wakes_nobody() -> None:
    """A list begun too early wakes nobody."""

    async def main() -> None:
        async with at_work() as bench:
            bench.port.seconds = 0.5
            bench.observer.track("g")
            await pass_time(0.2)
            woken: list[float] = []
            loop = asyncio.get_running_loop()
            bench.observer.after_list("g", since=0.2, waiter="w", wake=lambda: woken.append(loop.time()))
            await pass_time(5)
            assert bench.lists() == [0, pytest.approx(1.0)]
            assert woken == [pytest.approx(1.5)]
            assert bench.port.most_at_once["g"] == 1

    run_virtual(main())


def test_a_failed_list_wakes_who_waits() -> None:
    """A failed list wakes who waits."""

    async def main() -> None:
        async with at_work() as bench:
            bench.port.errors["g"] = error(ErrorKind.TRANSIENT)
            woken = asyncio.Event()
            bench.observer.after_list("g", since=0, waiter="w", wake=woken.set)
            await pass_time(1)
            assert woken.is_set()
            table = bench.observer.table("g")
            assert table is not None
            assert table.view.error is bench.port.errors["g"]

    run_virtual(main())


def test_a_failing_gateway_backs_off_alone_and_says_so_once() -> None:
    """A failing gateway backs off alone and says so once."""

    async def main() -> None:
        async with at_work() as bench:
            bench.port.errors["bad"] = error(ErrorKind.TRANSIENT)
            for gateway in ("bad", "good"):
                bench.observer.busy(gateway, "w")
            await pass_time(60)
            assert len(bench.lists(gateway="good")) > 40
            assert len(bench.lists(gateway="bad")) <= 6
            assert [gateway for gateway, _ in bench.changes] == ["bad"]
            del bench.port.errors["bad"]
            await pass_time(70)
            assert bench.changes == [("bad", ()), ("bad", ())]

    run_virtual(main())


def test_denied_access_is_looked_at_again_every_drift_interval() -> None:
    """Denied access is looked at again every drift interval."""

    async def main() -> None:
        async with at_work() as bench:
            bench.port.errors["g"] = error(ErrorKind.ACCESS_DENIED)
            bench.observer.busy("g", "w")
            await pass_time(600)
            assert 9 <= len(bench.lists()) <= 13

    run_virtual(main())


def test_a_missing_gateway_is_missing_since_the_first_404() -> None:
    """A missing gateway is missing since the first 404."""

    async def main() -> None:
        async with at_work() as bench:
            bench.port.errors["g"] = error(ErrorKind.NOT_FOUND)
            table = bench.observer.track("g")
            await pass_time(300)
            assert table.view.missing_since == 0

    run_virtual(main())


def test_throttled_lists_slow_down_and_are_no_news_at_first() -> None:
    """Throttled lists slow down and are no news at first."""

    async def main() -> None:
        async with at_work() as bench:
            bench.port.errors["g"] = error(ErrorKind.THROTTLED)
            bench.observer.busy("g", "w")
            await pass_time(4)
            assert bench.changes == []
            rate = bench.scheduler.rates()[Op.LIST]
            assert rate is not None
            assert rate < 8
            await pass_time(30)
            assert bench.changes == [("g", ())]

    run_virtual(main())


def test_a_list_that_hangs_holds_nobody_else_up() -> None:
    """A list that hangs holds nobody else up."""

    async def main() -> None:
        async with at_work() as bench:
            bench.port.hanging.add("bad")
            table = bench.observer.track("bad")
            bench.observer.busy("good", "w")
            await pass_time(30)
            assert len(bench.lists(gateway="good")) >= 28
            assert table.view.error is not None
            assert table.view.error.code == "Timeout"

    run_virtual(main())


def test_pages_are_read_to_the_end_each_with_a_ticket() -> None:
    """Pages are read to the end each with a ticket."""

    async def main() -> None:
        async with at_work(Quotas(list=1)) as bench:
            bench.port.gateways["g"] = [summary(f"t{number}") for number in range(25)]
            bench.port.page_size = 10
            table = bench.observer.track("g")
            await pass_time(5)
            assert len(table) == 25
            begun = bench.lists()
            assert len(begun) == 3
            assert all(later - earlier > 0.9 for earlier, later in pairwise(begun))

    run_virtual(main())


def test_pages_that_go_round_in_a_loop_are_an_error_of_the_gateway() -> None:
    """Pages that go round in a loop are an error of the gateway."""

    async def main() -> None:
        async with at_work() as bench:
            bench.port.gateways["g"] = [summary(f"t{number}") for number in range(25)]
            bench.port.page_size = 10
            bench.port.tokens = lambda _: "10"
            table = bench.observer.track("g")
            await pass_time(3)
            assert table.view.error is not None
            assert table.view.error.code == "PageTokenLoop"
            assert len(table) == 0

    run_virtual(main())


def test_pages_without_end_are_an_error_of_the_gateway() -> None:
    """Pages without end are an error of the gateway."""

    async def main() -> None:
        async with at_work(Quotas.parse("unlimited")) as bench:
            bench.port.gateways["g"] = [summary(f"t{number}") for number in range(200)]
            bench.port.page_size = 1
            table = bench.observer.track("g")
            await pass_time(7)
            assert table.view.error is not None
            assert table.view.error.code == "TooManyPages"
            assert len(bench.lists()) == 100

    run_virtual(main())


def test_busy_lists_go_before_idle_ones() -> None:
    """Busy lists go before idle ones."""

    async def main() -> None:
        async with at_work(Quotas(list=1)) as bench:
            for number in range(50):
                bench.observer.track(f"idle{number}")
            await pass_time(3.1)
            bench.observer.busy("idle49", "w")
            await pass_time(3)
            assert bench.lists(3.1, gateway="idle49")
            assert bench.scheduler.depths()[Op.LIST, Lane.BACKGROUND] > 30

    run_virtual(main())


def test_changes_are_reported_and_targets_on_the_move_counted() -> None:
    """Changes are reported, and targets on the move counted where AWS counts them, whoever moved them."""

    async def main() -> None:
        async with at_work(Quotas(gateway_writes=1)) as bench:
            bench.port.gateways["g"] = [summary(status="CREATING"), summary("t2", status="SYNCHRONIZING")]
            bench.observer.busy("g", "w")
            await pass_time(0.5)
            refused = error(ErrorKind.THROTTLED, "Too many concurrent operations")
            ticket = bench.scheduler.take(
                Op.CREATE, "g", waiter="w", lane=Lane.INTERACTIVE, namespace="n", on_grant=lambda: None
            )
            assert ticket is not None
            with pytest.raises(AgentCoreError), ticket:
                raise refused
            assert bench.scheduler.slots_taken("g") == 1
            bench.port.gateways["g"] = [summary(updated=3), summary("t2", updated=3)]
            await pass_time(2)
            assert bench.scheduler.slots_taken("g") == 0
            assert bench.changes[-1][1][0] == Change("t1", summary(status="CREATING"), summary(updated=3))

    run_virtual(main())


def test_reading_one_target_keeps_the_table_true() -> None:
    """Reading one target keeps the table true."""

    async def main() -> None:
        async with at_work() as bench:
            bench.port.gateways["g"] = [summary()]
            assert (await bench.observer.read("g", "t1")).summary == summary()
            table = bench.observer.table("g")
            assert table is not None
            assert is_ready(table, "t1")
            assert bench.changes == [("g", [Change("t1", None, summary())])]
            with pytest.raises(AgentCoreError):
                await bench.observer.read("g", "t2")
            assert table.absences("t2") is not None

    run_virtual(main())


def test_an_untracked_gateway_is_left_alone() -> None:
    """An untracked gateway is left alone."""

    async def main() -> None:
        async with at_work() as bench:
            woken = asyncio.Event()
            bench.port.hanging.add("g")
            bench.observer.busy("g", "w")
            await pass_time(1)
            bench.observer.after_list("g", since=1, waiter="w", wake=woken.set)
            bench.observer.untrack("g")
            bench.observer.untrack("g")
            assert woken.is_set()
            await settle()
            assert bench.observer.gateways() == ()
            bench.observer.idle("g", "w")
            await pass_time(100)
            assert len(bench.lists()) == 1
            bench.port.hanging.clear()
            bench.observer.track("g")
            await pass_time(1)
            assert len(bench.lists()) == 2

    run_virtual(main())


def test_a_target_that_a_list_lacks_is_reported() -> None:
    """A target that a list lacks is reported."""

    async def main() -> None:
        async with at_work() as bench:
            bench.port.gateways["g"] = [summary()]
            bench.observer.track("g")
            await pass_time(1)
            bench.port.gateways["g"] = []
            await pass_time(70)
            assert bench.changes[-1] == ("g", [Change("t1", summary(), None)])

    run_virtual(main())


def test_an_update_of_ours_becomes_ready_when_a_newer_list_says_so() -> None:
    """An update of ours becomes ready when a newer list says so."""

    async def main() -> None:
        async with at_work() as bench:
            bench.port.gateways["g"] = [summary()]
            table = bench.observer.track("g")
            await pass_time(5)
            table.apply_write(target(status="UPDATING", updated=5), began=4.9, ended=5)
            bench.observer.busy("g", "w")
            bench.port.gateways["g"] = [summary(updated=6)]
            await pass_time(2)
            assert is_ready(table, "t1")

    run_virtual(main())


def test_a_gateway_that_is_tracked_while_credentials_are_refused_says_so_like_the_others() -> None:
    """After a restart most of a fleet's passes come after the refusal."""

    async def main() -> None:
        async with at_work() as bench:
            for gateway_id in ("early", "late"):
                bench.port.errors[gateway_id] = error(ErrorKind.CREDENTIALS)
            bench.known = {"early", "late"}
            bench.observer.track("early")
            bench.scheduler.on_credentials = lambda: refuse(bench)
            await pass_time(10)
            assert bench.scheduler.refused_credentials is not None
            late = bench.observer.track("late")
            assert late.view.error is not None
            assert late.view.error.kind is ErrorKind.CREDENTIALS
            await pass_time(300)
            assert late.view.outage is not None

    def refuse(bench: Bench) -> None:
        refused = bench.scheduler.refused_credentials
        if refused is not None:
            bench.observer.refused(refused)

    run_virtual(main())
