"""What is asked of AWS about gateways whose Lists answer 404: once for all who wait."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from mcp_gateway_operator.agentcore.observe import GatewayTable, Inquiries
from mcp_gateway_operator.agentcore.port import CallerIdentity, Gateway, GatewayPage
from mcp_gateway_operator.agentcore.quota import Lane, Op, Quotas, QuotaScheduler
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from tests.support.background import in_background
from tests.support.virtual_time import pass_time, run_virtual

GATEWAYS = [f"gone-{number:010}" for number in range(10)]


def refusal(kind: ErrorKind) -> AgentCoreError:
    return AgentCoreError(kind, "Code", "words")


class FakePort:
    """No gateway of the account is known; each call takes a tenth of a second.

    Attributes:
        errors: how an operation fails.
        pages: what ListGateways shows.
        account: whose credentials these are.
        refused: how ListGateways fails under the identity of a gateway.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.errors: dict[str, ErrorKind] = {"get_gateway": ErrorKind.NOT_FOUND}
        self.pages: list[GatewayPage] = [GatewayPage((), None)]
        self.account = "123456789012"
        self.refused: dict[str, ErrorKind] = {}

    async def _call(self, name: str) -> None:
        self.calls[name] += 1
        await pass_time(0.1)
        if (kind := self.errors.get(name)) is not None:
            raise refusal(kind)

    async def get_gateway(self, _gateway_id: str) -> Gateway:
        """Know the gateway, unless it fails."""
        await self._call("get_gateway")
        return Gateway(status="READY")

    async def list_gateways(self, identity_of: str, *, next_token: str | None = None) -> GatewayPage:
        """Show a page."""
        kind = self.refused.get(identity_of)
        await self._call("list_gateways")
        if kind is not None:
            raise refusal(kind)
        return self.pages[int(next_token or 0)]

    async def caller_identity(self, _identity_of: str) -> CallerIdentity:
        """Say whose credentials these are."""
        await self._call("caller_identity")
        return CallerIdentity(account=self.account, arn="", region="us-east-1")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"it must not call {name}")


class Bench:
    """Inquiries at work, about gateways that are missing since now."""

    def __init__(self, quotas: str, gateways: Sequence[str]) -> None:
        loop = asyncio.get_running_loop()
        self.port = FakePort()
        self.role = "role-"
        """What the roles of all gateways begin with."""
        self.answers: list[str] = []
        self.tables = {each: GatewayTable(each) for each in gateways}
        for table in self.tables.values():
            table.apply_failed_list(refusal(ErrorKind.NOT_FOUND), began=loop.time())
        rng = random.Random(1)  # noqa: S311  -- repeatable, not secret
        self.scheduler = QuotaScheduler(Quotas.parse(quotas), clock=loop.time, call_at=loop.call_at, rng=rng)
        self.inquiries = Inquiries(
            self.port,
            self.scheduler,
            clock=loop.time,
            table=self.tables.get,
            on_answer=self.answers.append,
            whose=lambda gateway_id: self.role + gateway_id[-1:],
        )

    def existence(self, gateway_id: str = GATEWAYS[0]) -> Any:
        """Return what is known of a gateway itself."""
        return self.tables[gateway_id].view.existence


@asynccontextmanager
async def at_work(
    quotas: str = "default", *, gateways: Sequence[str] = tuple(GATEWAYS)
) -> AsyncIterator[Bench]:
    bench = Bench(quotas, gateways)
    async with in_background(bench.inquiries.run()):
        yield bench


def virtually(main: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run a test in virtual time."""

    def run() -> None:
        run_virtual(main())  # type: ignore[arg-type]  # it is a coroutine

    run.__doc__ = main.__doc__
    return run


@virtually
async def test_a_thousand_objects_of_ten_gateways_cost_what_one_costs() -> None:
    async with at_work() as bench:
        for gateway_id in GATEWAYS * 100:
            bench.inquiries.call_the_roll(gateway_id, until=240.0)
        await pass_time(15)
        assert bench.port.calls["list_gateways"] == 2
        assert sorted(bench.answers) == GATEWAYS
        for gateway_id in GATEWAYS * 100:
            bench.inquiries.ask(gateway_id)
        await pass_time(5)
        assert bench.port.calls["get_gateway"] == 10
        assert Counter(bench.answers) == Counter(GATEWAYS * 2)
        assert all(bench.existence(each).unknown_at >= 15 for each in GATEWAYS)


@virtually
async def test_a_right_that_is_denied_is_not_asked_for_again_within_ten_minutes() -> None:
    async with at_work() as bench:
        bench.port.errors["list_gateways"] = ErrorKind.ACCESS_DENIED
        for moment in range(0, 590, 10):
            bench.inquiries.call_the_roll(GATEWAYS[0], until=moment + 240.0)
            await pass_time(10)
        assert bench.port.calls["list_gateways"] == 1
        assert not bench.answers


# Of one account and Region, worked on under three roles: one for each last digit.
ROLES: Final = [
    f"arn:aws:bedrock-agentcore:us-east-1:222222222222:gateway/gone-{number:010}"
    for number in (1, 11, 21, 2, 3)
]


@virtually
async def test_a_role_that_is_denied_keeps_no_other_role_from_asking() -> None:
    async with at_work(gateways=ROLES) as bench:
        for each in ROLES[:3]:
            bench.port.refused[each] = ErrorKind.ACCESS_DENIED
        for each in ROLES:
            bench.inquiries.call_the_roll(each, until=240.0)
        await pass_time(15)
        # One that was refused, and two of another role, which speak for all.
        assert bench.port.calls["list_gateways"] == 3
        assert sorted(bench.answers) == sorted(ROLES)


@virtually
async def test_a_role_that_fails_keeps_no_other_role_from_asking() -> None:
    async with at_work(gateways=ROLES[2:4]) as bench:
        bench.port.refused[ROLES[2]] = ErrorKind.TRANSIENT
        for each in ROLES[2:4]:
            bench.inquiries.call_the_roll(each, until=240.0)
        await pass_time(60)
        assert sorted(bench.answers) == sorted(ROLES[2:4])


@virtually
async def test_roles_that_are_all_denied_are_each_asked_for_once_in_ten_minutes() -> None:
    async with at_work(gateways=ROLES) as bench:
        bench.port.errors["list_gateways"] = ErrorKind.ACCESS_DENIED
        for moment in range(0, 590, 10):
            for each in ROLES:
                bench.inquiries.call_the_roll(each, until=moment + 240.0)
            await pass_time(10)
        assert bench.port.calls["list_gateways"] == 3
        assert not bench.answers


@virtually
async def test_at_home_all_are_asked_for_under_one_identity_whatever_their_roles() -> None:
    async with at_work() as bench:
        bench.port.errors["list_gateways"] = ErrorKind.ACCESS_DENIED
        for gateway_id in ("home-0000000001", "home-0000000002"):
            bench.tables[gateway_id] = GatewayTable(gateway_id)
            bench.tables[gateway_id].apply_failed_list(refusal(ErrorKind.NOT_FOUND), began=0.0)
            bench.inquiries.call_the_roll(gateway_id, until=240.0)
        await pass_time(60)
        assert bench.port.calls["list_gateways"] == 1


@virtually
async def test_a_role_that_is_named_meanwhile_is_not_taken_for_denied() -> None:
    async with at_work(gateways=ROLES[:1]) as bench:
        bench.port.refused[ROLES[0]] = ErrorKind.ACCESS_DENIED
        bench.inquiries.call_the_roll(ROLES[0], until=240.0)
        await pass_time(0.05)
        bench.role = "other-"
        bench.port.refused.clear()
        await pass_time(30)
        assert bench.answers == ROLES[:1]


@virtually
async def test_calls_that_fail_are_made_again_until_nobody_waits() -> None:
    async with at_work() as bench:
        bench.port.errors |= dict.fromkeys(("list_gateways", "get_gateway"), ErrorKind.TRANSIENT)
        bench.inquiries.call_the_roll(GATEWAYS[0], until=100.0)
        bench.inquiries.ask(GATEWAYS[0])
        await pass_time(100)
        assert 9 <= bench.port.calls["list_gateways"] <= 10
        assert 9 <= bench.port.calls["get_gateway"] <= 10
        del bench.tables[GATEWAYS[0]]
        bench.port.calls.clear()
        await pass_time(100)
        assert not bench.port.calls
        assert not bench.answers


@virtually
async def test_pages_that_do_not_end_are_no_answer() -> None:
    async with at_work() as bench:
        bench.port.pages = [GatewayPage((f"other-{n}",), str((n + 1) % 5)) for n in range(5)]
        bench.inquiries.call_the_roll(GATEWAYS[0], until=30.0)
        await pass_time(60)
        assert bench.port.calls["list_gateways"] <= 6 * 3
        assert bench.existence().lacking is None


@virtually
async def test_a_gateway_on_the_last_page_is_shown() -> None:
    async with at_work() as bench:
        bench.port.pages = [GatewayPage((f"other-{n}",), str(n + 1)) for n in range(5)]
        bench.port.pages.append(GatewayPage((GATEWAYS[0],), None))
        for gateway_id in GATEWAYS[:2]:
            bench.inquiries.call_the_roll(gateway_id, until=60.0)
        await pass_time(60)
        assert bench.existence().lacking is None
        assert bench.answers == [GATEWAYS[1]]


@virtually
async def test_two_answers_from_two_accounts_agree_on_nothing() -> None:
    async with at_work() as bench:
        bench.inquiries.call_the_roll(GATEWAYS[0], until=60.0)
        await pass_time(5)
        bench.port.account = "210987654321"
        await pass_time(10)
        first, last = bench.existence().lacking
        assert first == last
        assert not bench.answers
        bench.port.errors["caller_identity"] = ErrorKind.ACCESS_DENIED
        await pass_time(11)
        assert bench.existence().lacking is None


@virtually
async def test_a_gateway_that_is_back_is_forgotten_about() -> None:
    async with at_work() as bench:
        bench.inquiries.call_the_roll(GATEWAYS[0], until=240.0)
        await pass_time(5)
        bench.tables[GATEWAYS[0]].apply_list([], began=5.0)
        await pass_time(100)
        assert bench.port.calls["list_gateways"] == 1
        assert not bench.existence().rolling
        bench.inquiries.ask("untracked-abcdefghij")
        await pass_time(100)
        assert not bench.port.calls["get_gateway"]


@virtually
async def test_it_never_stands_in_the_way_of_other_calls() -> None:
    """Its tickets are its own: while ListGateways has none, Lists and Gets have all of theirs."""
    async with at_work("list-gateways=0.01,get=1,list=1") as bench:
        bench.port.pages = [GatewayPage((f"other-{n}",), str(n + 1)) for n in range(50)]
        bench.inquiries.call_the_roll(GATEWAYS[0], until=240.0)
        await pass_time(30)
        depths = bench.scheduler.depths()
        assert depths[Op.LIST_GATEWAYS, Lane.INTERACTIVE] == 1
        for op in (Op.LIST, Op.GET):
            ticket = bench.scheduler.take(
                op, "g", waiter="w", lane=Lane.BACKGROUND, namespace="n", on_grant=lambda: None
            )
            assert ticket is not None
            ticket.unused()
