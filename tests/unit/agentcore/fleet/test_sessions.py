"""One session: asked for once however many wait, renewed while the old one serves, and never in a storm."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import pytest

from mcp_gateway_operator.agentcore.accounts.session import Session, session_name
from mcp_gateway_operator.agentcore.port import CallerIdentity, Identity, Mandate, Opened
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from tests.support.virtual_time import pass_time

ACCOUNT, REGION = "222222222222", "eu-west-1"
IDENTITY = Identity(region=REGION, role_arn=f"arn:aws:iam::{ACCOUNT}:role/mcp-targets")
MANDATE = Mandate(holders=("tools",), account=ACCOUNT, identity=IDENTITY)


class Port:
    """Says whose it is, and nothing else."""

    def __init__(self, account: str) -> None:
        self._account = account

    async def caller_identity(self) -> CallerIdentity:
        """Return the account."""
        await pass_time(0.1)
        return CallerIdentity(account=self._account, arn="x", region=REGION)


class Sts:
    """Opens sessions; `error` is raised instead while it is set."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.account = ACCOUNT
        self.lifetime = 1000.0
        self.takes = 0.1
        self.asked: list[float] = []
        self.names: list[str] = []
        self.turns: list[bool] = []

    async def open(self, _identity: Identity, *, name: str) -> Opened:
        """Return a session."""
        self.names.append(name)
        now = asyncio.get_running_loop().time()
        self.asked.append(now)
        await pass_time(self.takes)
        if self.error is not None:
            raise self.error
        return Opened(Port(self.account), now + self.lifetime)  # type: ignore[arg-type]  # all that is used

    def session(self) -> Session:
        """Return a session that comes from here."""
        clock = asyncio.get_running_loop().time
        return Session(MANDATE, self, clock=clock, on_turn=self.turns.append)


async def test_all_who_wait_share_one_request() -> None:
    sts = Sts()
    session = sts.session()
    ports = await asyncio.gather(*(session.port(MANDATE) for _ in range(20)))
    assert len(set(map(id, ports))) == 1
    assert len(sts.asked) == 1


async def test_one_who_is_called_off_takes_nothing_from_the_others() -> None:
    sts = Sts()
    session = sts.session()
    first, second = (asyncio.create_task(session.port(MANDATE)) for _ in range(2))
    await pass_time(0.05)
    first.cancel()
    assert isinstance(await second, Port)
    assert len(sts.asked) == 1


async def test_nobody_waits_for_a_renewal_and_a_failing_one_costs_nothing_until_the_end() -> None:
    sts = Sts()
    session = sts.session()
    loop = asyncio.get_running_loop()
    old = await session.port(MANDATE)
    sts.error = AgentCoreError(ErrorKind.ACCESS_DENIED, "AccessDenied", "no")
    await pass_time(760.0)
    for _ in range(20):
        before = loop.time()
        assert await session.port(MANDATE) is old
        assert loop.time() == before
        await pass_time(10.0)
    assert len(sts.asked) == 5
    await pass_time(100.0)
    with pytest.raises(AgentCoreError, match="cannot be assumed"):
        await session.port(MANDATE)
    assert len(sts.asked) == 6
    sts.error = None
    await pass_time(60.0)
    assert await session.port(MANDATE) is not old


@pytest.mark.parametrize(
    ("kind", "most"), [(ErrorKind.ACCESS_DENIED, 10), (ErrorKind.CREDENTIALS, 10), (ErrorKind.TRANSIENT, 60)]
)
async def test_how_often_sts_is_asked_again(kind: ErrorKind, most: int) -> None:
    sts = Sts()
    sts.error = AgentCoreError(kind, "Code", "no")
    session = sts.session()
    for _ in range(600):
        with pytest.raises(AgentCoreError) as failed:
            await session.port(MANDATE)
        # From this nobody may conclude that anything is gone, or that the operator's own rights are.
        assert failed.value.kind is ErrorKind.TRANSIENT
        assert not failed.value.maybe_applied
        await pass_time(1.0)
    assert most // 2 <= len(sts.asked) <= most + 1
    assert sts.turns == [False]


async def test_another_account_after_a_renewal_ends_the_old_session_at_once() -> None:
    sts = Sts()
    session = sts.session()
    await session.port(MANDATE)
    sts.account = "333333333333"
    await pass_time(760.0)
    await session.port(MANDATE)
    await pass_time(1.0)
    with pytest.raises(AgentCoreError, match="333333333333") as failed:
        await session.port(MANDATE)
    assert failed.value.code == "WrongAccountOrRegion"


async def test_credentials_that_aws_refuses_are_replaced_once_a_minute() -> None:
    sts = Sts()
    session = sts.session()
    refusal = AgentCoreError(ErrorKind.CREDENTIALS, "ExpiredTokenException", "expired")
    for _ in range(300):
        with contextlib.suppress(AgentCoreError):
            session.refused(await session.port(MANDATE), refusal)
        await pass_time(1.0)
    assert len(sts.asked) <= 6


async def test_what_nobody_foresaw_is_a_failure_like_others_and_not_asked_for_at_every_call() -> None:
    sts = Sts()
    sts.error = ValueError("not what it should be")
    session = sts.session()
    for _ in range(60):
        with pytest.raises(AgentCoreError, match="ValueError: not what it should be") as failed:
            await session.port(MANDATE)
        assert failed.value.kind is ErrorKind.TRANSIENT
        await pass_time(1.0)
    assert 3 <= len(sts.asked) <= 7
    sts.error = None
    await pass_time(10.0)
    assert isinstance(await session.port(MANDATE), Port)
    assert sts.turns == [False, True]


async def test_what_nobody_foresaw_at_a_renewal_leaves_the_old_session_as_it_is() -> None:
    sts = Sts()
    session = sts.session()
    old = await session.port(MANDATE)
    sts.error = ValueError("x")
    await pass_time(760.0)
    for _ in range(20):
        assert await session.port(MANDATE) is old
        await pass_time(10.0)
    assert len(sts.asked) <= 21


async def test_the_name_tells_of_all_for_whom_the_session_is() -> None:
    """CloudTrail shows by which MCPGateway the operator acts: one that comes later is in the name, too."""
    sts = Sts()
    session = sts.session()
    both = msgspec.structs.replace(MANDATE, holders=("search", "tools"))
    first = await session.port(MANDATE)
    assert await session.port(both) is not first
    renewed = await session.port(both)
    assert await session.port(MANDATE) is renewed
    assert sts.names == ["mcp-gateway-operator@tools", "mcp-gateway-operator@search,tools"]


async def test_where_no_session_of_a_new_name_is_to_be_had_the_old_one_serves() -> None:
    sts = Sts()
    session = sts.session()
    both = msgspec.structs.replace(MANDATE, holders=("search", "tools"))
    first = await session.port(MANDATE)
    sts.error = AgentCoreError(ErrorKind.ACCESS_DENIED, "AccessDenied", "no")
    for _ in range(120):
        assert await session.port(both) is first
        await pass_time(1.0)
    assert len(sts.asked) <= 4


async def test_an_sts_that_hangs_holds_up_a_good_session_once_for_its_new_name() -> None:
    sts = Sts()
    session = sts.session()
    loop = asyncio.get_running_loop()
    both = msgspec.structs.replace(MANDATE, holders=("search", "tools"))
    first = await session.port(MANDATE)
    sts.takes, sts.error = 15.0, AgentCoreError(ErrorKind.TRANSIENT, "Timeout", "no answer")
    waits = []
    for _ in range(120):
        began = loop.time()
        assert await session.port(both) is first
        waits.append(loop.time() - began)
        await pass_time(1.0)
    assert max(waits[1:]) == 0
    assert 5 <= len(sts.asked) <= 12
    sts.takes, sts.error = 0.1, None
    await pass_time(15.0)
    await session.port(both)
    await pass_time(1.0)
    assert await session.port(both) is not first


@pytest.mark.parametrize(
    "holder",
    [
        ("tools",),
        ("a" * 253,),
        ("a" * 252 + "b",),
        ("tools.prod.example",),
        tuple(f"t{n}" for n in range(60)),
    ],
)
def test_names_of_sessions_are_taken_by_sts(holder: tuple[str, ...]) -> None:
    name = session_name(holder)
    assert name.startswith("mcp-gateway-operator@")
    assert len(name) <= 64
    assert all(each.isalnum() or each in "_+=,.@-" for each in name)
    assert name != session_name((*holder, "x"))
    assert name != session_name((f"{holder[0]}x", *holder[1:]))
