"""The pace of Lists over hundreds of gateways, healthy or not, in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from mcp_gateway_operator.agentcore.observe.observer import PARALLEL_FAILING
from mcp_gateway_operator.agentcore.quota import Lane, Op, Quotas
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from tests.support.virtual_time import VirtualTimeLoop, pass_time, run_virtual
from tests.unit.agentcore.samples import summary
from tests.unit.agentcore.test_observer import Bench, at_work


def windows(bench: Bench, since: float, until: float, seconds: float) -> list[int]:
    """Return how many Lists began in each stretch of so many seconds."""
    counts = Counter(int((at - since) / seconds) for at in bench.lists(since) if at < until)
    return [counts[number] for number in range(int((until - since) / seconds))]


@pytest.mark.parametrize(("gateways", "interval"), [(300, 60), (600, 120)])
def test_hundreds_of_gateways_are_listed_evenly(gateways: int, interval: float) -> None:
    """Five Lists a second, half of the quota, from the second interval on and in no bursts."""

    async def main() -> None:
        async with at_work() as bench:
            for number in range(gateways):
                bench.observer.track(f"g{number}")
            await pass_time(15 * interval)
            assert bench.observer.interval("g0") == interval
            counts = windows(bench, 2 * interval, 15 * interval, 10.0)
            assert all(20 <= count <= 85 for count in counts), counts
            assert sum(counts) / len(counts) == pytest.approx(50, rel=0.05)
            each = Counter(gateway for at, gateway in bench.port.lists if at >= 2 * interval)
            assert len(each) == gateways
            assert all(11 <= count <= 16 for count in each.values())

    run_virtual(main())


def test_a_process_that_stood_still_makes_no_burst_of_each_interval() -> None:
    """All gateways are overdue at once; they are dealt out again, not listed together from then on."""

    async def main() -> None:
        async with at_work() as bench:
            for number in range(200):
                bench.observer.track(f"g{number}")
            await pass_time(600)
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualTimeLoop)
            loop._jumping.now += 300
            await pass_time(600)
            assert max(windows(bench, 900, 930, 1.0)) <= 18
            counts = windows(bench, 990, 1490, 10.0)
            assert all(15 <= count <= 52 for count in counts), counts
            assert bench.port.most_at_once["g0"] == 1

    run_virtual(main())


def test_gateways_that_hang_leave_the_threads_to_the_others() -> None:
    """Forty gateways never answer: the twenty others are listed as often as without them."""

    async def main() -> None:
        async with at_work() as bench:
            for number in range(20):
                bench.port.gateways[f"good{number}"] = [summary()]
                bench.observer.track(f"good{number}")
            bench.port.hanging = {f"bad{number}" for number in range(40)}
            for gateway in sorted(bench.port.hanging):
                bench.observer.track(gateway)
            await pass_time(120)
            since = 120.0
            await pass_time(600)
            for number in range(20):
                assert 9 <= len(bench.lists(since, f"good{number}")) <= 12
            bad = [gateway for at, gateway in bench.port.lists if at >= since and gateway.startswith("bad")]
            # Each takes a thread for 20 seconds.
            assert 50 <= len(bad) <= PARALLEL_FAILING * 600 / 20 + PARALLEL_FAILING
            assert len(set(bad)) == 40
            for gateway in bench.port.hanging:
                table = bench.observer.table(gateway)
                assert table is not None
                assert table.view.error is not None
                assert table.view.error.code == "Timeout"
            bench.port.hanging = set()
            await pass_time(150)
            tables = [bench.observer.table(gateway) for gateway in bench.observer.gateways()]
            assert all(table is not None and table.view.error is None for table in tables)

    run_virtual(main())


def test_an_answer_that_comes_after_its_time_is_not_believed() -> None:
    """A page that takes longer than allowed counts as no answer, whatever was in it."""

    async def main() -> None:
        async with at_work() as bench:
            bench.port.gateways["g"] = [summary()]
            bench.port.seconds = 25.0
            table = bench.observer.track("g")
            await pass_time(30)
            assert len(table) == 0
            assert table.view.error is not None
            assert bench.port.most_at_once["g"] == 1

    run_virtual(main())


def test_retry_after_is_honoured_by_lists_that_fail_otherwise() -> None:
    """A 503 with Retry-After: 45 leaves the gateway alone for so long."""

    async def main() -> None:
        async with at_work() as bench:
            bench.port.errors["g"] = AgentCoreError(ErrorKind.TRANSIENT, "503", "later", retry_after=45.0)
            bench.observer.busy("g", "w")
            await pass_time(40)
            assert len(bench.lists()) == 1
            await pass_time(20)
            assert len(bench.lists()) == 2

    run_virtual(main())


def test_pages_that_show_nothing_new_end_soon() -> None:
    """Ever new tokens and ever the same rows: ten pages, not a hundred."""

    async def main() -> None:
        async with at_work(Quotas()) as bench:
            bench.port.gateways["bad"] = [summary("t1")] * 5_000
            bench.port.page_size = 1
            table = bench.observer.track("bad")
            for number in range(20):
                bench.observer.busy(f"good{number}", "w")
            await pass_time(300)
            assert table.view.error is not None
            assert table.view.error.code == "PageTokenLoop"
            assert len(table) == 0
            assert len(bench.lists(60, "bad")) <= 10 * 8
            # Something in flight for 60 to 300 seconds is looked at every 2 to 10 seconds.
            assert all(45 <= len(bench.lists(60, f"good{number}")) <= 55 for number in range(20))
            assert bench.scheduler.depths()[Op.LIST, Lane.INTERACTIVE] < 10

    run_virtual(main())


def test_more_targets_than_any_gateway_has_are_not_kept() -> None:
    """A page that never ends must not fill the memory."""

    async def main() -> None:
        async with at_work(Quotas.parse("unlimited")) as bench:
            bench.port.gateways["bad"] = [summary(f"t{number}") for number in range(30_000)]
            table = bench.observer.track("bad")
            await pass_time(5)
            assert table.view.error is not None
            assert table.view.error.code == "TooManyTargets"
            assert len(table) == 0

    run_virtual(main())
