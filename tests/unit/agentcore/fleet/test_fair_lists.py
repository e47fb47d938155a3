"""Lists are shared between namespaces, and gateway ids that somebody made up get little of them."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from tests.support.virtual_time import pass_time
from tests.unit.agentcore.test_observer import Bench, at_work

REAL = "tools-abcdefghij"
TEN_A_SECOND = Quotas.parse("list=10")


def refuse(bench: Bench, *gateways: str, kind: ErrorKind = ErrorKind.NOT_FOUND) -> None:
    for gateway_id in gateways:
        bench.port.errors[gateway_id] = AgentCoreError(kind, "Refused", "no such gateway")


def made_up(bench: Bench, count: int) -> list[str]:
    """Track gateways that do not exist, all of one namespace."""
    ids = [f"made-up-{number:010d}" for number in range(count)]
    refuse(bench, *ids)
    bench.payers.update(dict.fromkeys(ids, "mallory"))
    for gateway_id in ids:
        bench.observer.track(gateway_id)
    return ids


async def test_another_namespaces_gateway_is_listed_at_once() -> None:
    async with at_work(TEN_A_SECOND) as bench:
        made_up(bench, 1000)
        await pass_time(5)
        began = asyncio.get_running_loop().time()
        bench.payers[REAL] = "team"
        bench.observer.track(REAL)
        await pass_time(1)
        assert bench.lists(since=began, gateway=REAL)


async def test_gateways_that_never_answered_share_a_tenth_and_stretch_nobodys_interval() -> None:
    async with at_work(TEN_A_SECOND) as bench:
        bench.payers[REAL] = "team"
        bench.observer.track(REAL)
        ids = made_up(bench, 500)
        await pass_time(120)
        assert {gateway for _, gateway in bench.port.lists} == {REAL, *ids}
        began = asyncio.get_running_loop().time()
        await pass_time(600)
        assert bench.observer.interval(REAL) == 60
        assert len(bench.lists(since=began, gateway=REAL)) >= 9
        assert len(bench.lists(since=began)) - len(bench.lists(since=began, gateway=REAL)) <= 602


@pytest.mark.parametrize(
    ("kind", "recorded", "longest"),
    [
        (ErrorKind.NOT_FOUND, False, 600.0),
        (ErrorKind.NOT_FOUND, True, 60.0),
        # The right to list it may be given at any time.
        (ErrorKind.ACCESS_DENIED, False, 50.0),
    ],
)
async def test_one_that_never_answered_is_asked_ever_more_seldom(
    kind: ErrorKind, recorded: bool, longest: float
) -> None:
    async with at_work(TEN_A_SECOND) as bench:
        refuse(bench, REAL, kind=kind)
        bench.known |= {REAL} if recorded else set()
        bench.observer.track(REAL)
        await pass_time(3 * 3600)
        apart = [after - before for before, after in pairwise(bench.lists())]
        assert sorted(apart[:4]) == pytest.approx(apart[:4], rel=0.3)
        assert all(longest * 0.99 <= each <= longest * 1.3 for each in apart[-8:])


async def test_one_that_answers_after_all_is_like_any_other() -> None:
    async with at_work(TEN_A_SECOND) as bench:
        refuse(bench, REAL)
        bench.known.add(REAL)
        bench.observer.track(REAL)
        await pass_time(600)
        bench.port.errors.clear()
        await pass_time(200)
        began = asyncio.get_running_loop().time()
        await pass_time(600)
        assert len(bench.lists(since=began)) >= 9


async def test_an_outage_at_the_start_makes_no_gateway_a_made_up_one() -> None:
    """Nobody knows yet which there are; when it ends, all are listed as fast as the quota allows."""
    ids = [f"tools-{number:010d}" for number in range(50)]
    async with at_work(TEN_A_SECOND) as bench:
        refuse(bench, *ids, kind=ErrorKind.TRANSIENT)
        for gateway_id in ids:
            bench.observer.track(gateway_id)
        await pass_time(120)
        bench.port.errors.clear()
        began = asyncio.get_running_loop().time()
        await pass_time(75)
        assert {gateway for at, gateway in bench.port.lists if at > began} == set(ids)
