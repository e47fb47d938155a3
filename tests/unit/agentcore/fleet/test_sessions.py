"""One session: asked for once however many wait, renewed while the old one serves, and never in a storm."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from mcp_gateway_operator.agentcore.accounts import session_name
from mcp_gateway_operator.agentcore.accounts.session import Session
from mcp_gateway_operator.agentcore.port import CallerIdentity, Identity, Mandate, Opened
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from tests.support.virtual_time import pass_time

ACCOUNT, REGION = "222222222222", "eu-west-1"
IDENTITY = Identity(region=REGION, role_arn=f"arn:aws:iam::{ACCOUNT}:role/mcp-targets")
MANDATE = Mandate(holder="tools", account=ACCOUNT, identity=IDENTITY)


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
        self.error: AgentCoreError | None = None
        self.account = ACCOUNT
        self.lifetime = 1000.0
        self.asked: list[float] = []
        self.turns: list[bool] = []

    async def open(self, _identity: Identity, *, name: str) -> Opened:
        """Return a session."""
        assert name == "mcp-gateway-operator@tools"
        now = asyncio.get_running_loop().time()
        self.asked.append(now)
        await pass_time(0.1)
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
    ports = await asyncio.gather(*(session.port() for _ in range(20)))
    assert len(set(map(id, ports))) == 1
    assert len(sts.asked) == 1


async def test_one_who_is_called_off_takes_nothing_from_the_others() -> None:
    sts = Sts()
    session = sts.session()
    first, second = (asyncio.create_task(session.port()) for _ in range(2))
    await pass_time(0.05)
    first.cancel()
    assert isinstance(await second, Port)
    assert len(sts.asked) == 1


async def test_nobody_waits_for_a_renewal_and_a_failing_one_costs_nothing_until_the_end() -> None:
    sts = Sts()
    session = sts.session()
    loop = asyncio.get_running_loop()
    old = await session.port()
    sts.error = AgentCoreError(ErrorKind.ACCESS_DENIED, "AccessDenied", "no")
    await pass_time(760.0)
    for _ in range(20):
        before = loop.time()
        assert await session.port() is old
        assert loop.time() == before
        await pass_time(10.0)
    assert len(sts.asked) == 5
    await pass_time(100.0)
    with pytest.raises(AgentCoreError, match="cannot be assumed"):
        await session.port()
    assert len(sts.asked) == 6
    sts.error = None
    await pass_time(60.0)
    assert await session.port() is not old


@pytest.mark.parametrize(
    ("kind", "most"), [(ErrorKind.ACCESS_DENIED, 10), (ErrorKind.CREDENTIALS, 10), (ErrorKind.TRANSIENT, 60)]
)
async def test_how_often_sts_is_asked_again(kind: ErrorKind, most: int) -> None:
    sts = Sts()
    sts.error = AgentCoreError(kind, "Code", "no")
    session = sts.session()
    for _ in range(600):
        with pytest.raises(AgentCoreError) as failed:
            await session.port()
        # From this nobody may conclude that anything is gone, or that the operator's own rights are.
        assert failed.value.kind is ErrorKind.TRANSIENT
        assert not failed.value.maybe_applied
        await pass_time(1.0)
    assert most // 2 <= len(sts.asked) <= most + 1
    assert sts.turns == [False]


async def test_another_account_after_a_renewal_ends_the_old_session_at_once() -> None:
    sts = Sts()
    session = sts.session()
    await session.port()
    sts.account = "333333333333"
    await pass_time(760.0)
    await session.port()
    await pass_time(1.0)
    with pytest.raises(AgentCoreError, match="333333333333") as failed:
        await session.port()
    assert failed.value.code == "WrongAccountOrRegion"


async def test_credentials_that_aws_refuses_are_replaced_once_a_minute() -> None:
    sts = Sts()
    session = sts.session()
    refusal = AgentCoreError(ErrorKind.CREDENTIALS, "ExpiredTokenException", "expired")
    for _ in range(300):
        with contextlib.suppress(AgentCoreError):
            session.refused(await session.port(), refusal)
        await pass_time(1.0)
    assert len(sts.asked) <= 6


@pytest.mark.parametrize("holder", ["tools", "a" * 253, "a" * 252 + "b", "tools.prod.example"])
def test_names_of_sessions_are_taken_by_sts(holder: str) -> None:
    name = session_name(holder)
    assert name.startswith("mcp-gateway-operator@")
    assert len(name) <= 64
    assert all(each.isalnum() or each in "_+=,.@-" for each in name)
    assert name != session_name(f"{holder}x")
