"""etcd set back to an older point, under a running operator or between two: the past is the present again.

A watch from a version that the server does not know yet is silent until it is reached again, so what an
operator learns from it may be nothing, or the end only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from agentcore_simulator.settings import Durations
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api import names
from tests.support.memory_store import Snapshot
from tests.support.world import World, condition

DRIFT = 30.0
OWNER = ("cluster-a",)
RELIST = 3700.0
"""Seconds until the operator has listed all objects anew, even if no watch tells it anything."""

Step = Callable[[], Awaitable[None]]


class Past:
    """A world, a point in its past, and how the operator lives through the way back.

    `how` is `restart` (no operator runs meanwhile), `broken` (its watches end) or `silent` (they go on, and
    are told nothing).
    """

    def __init__(self, how: str, *, durations: Durations | None = None, latency: float = 0.02) -> None:
        self.how = how
        self.world = World(simulator=SimulatorSettings(durations=durations or Durations()), latency=latency)
        self.calls: Counter[str] = Counter()
        self._then: Snapshot | None = None

    def remember(self) -> None:
        """Take the backup."""
        self._then = self.world.api.store.snapshot()

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[None]:
        """Run an operator."""
        async with self.world.operator(owner_ids=OWNER, drift_interval=DRIFT, sweep_interval=1e9):
            yield

    @asynccontextmanager
    async def gone_back(self, until: Step) -> AsyncIterator[None]:
        """Run an operator until a step is done, set etcd back, and go on in the block."""
        if self.how == "restart":
            async with self.operator():
                await until()
            self._go_back()
            async with self.operator():
                yield
            return
        async with self.operator():
            await until()
            self._go_back()
            if self.how == "broken":
                self.world.api.break_watches()
            yield

    def _go_back(self) -> None:
        assert self._then is not None
        self.world.api.store.restore(self._then)
        self.world.forget_calls()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that may need a list of all objects."""
        for _ in range(int(RELIST)):
            if holds():
                return
            await self.world.pass_time(1.0)
        raise AssertionError(holds)

    async def until_settled(self) -> None:
        """Wait until the object is Ready for what it says now, and then for quiet.

        Its record must be that of the only target there is.
        """
        world = self.world

        async def settled() -> bool:
            obj = await world.get()
            ready = condition(obj)
            held = [target["targetId"] for target in world.targets() if target["status"] == "READY"]
            return (
                (ready.status, ready.observed_generation) == ("True", obj.metadata.generation)
                and obj.status.recorded_for == obj.metadata.uid
                and obj.status.target_id in held
                and names.FINALIZER in obj.metadata.finalizers
                and len(held) == len(world.targets()) == 1
            )

        for _ in range(int(RELIST)):
            if await settled():
                break
            await world.pass_time(1.0)
        await world.pass_time(120)
        assert await settled()
        self.calls = world.calls()
        world.forget_calls()
        await world.pass_time(4 * DRIFT)
        assert world.writes() == []
        assert set(world.calls()) <= {"ListGatewayTargets"}


pytestmark = pytest.mark.parametrize("how", ["restart", "broken", "silent"])


async def test_to_before_the_record(how: str) -> None:
    """The object has its finalizer and no status: the marker tells which target is its own."""
    past = Past(how, durations=Durations(creating=5.0))
    world = past.world

    async def make() -> None:
        await world.create()
        await world.until(world.targets)
        past.remember()
        await world.until_ready()

    async with past.gone_back(make):
        assert not (await world.get()).status.target_id
        await past.until_settled()
        assert "CreateGatewayTarget" not in past.calls
        assert past.calls["GetGatewayTarget"] <= 3


async def test_to_before_the_finalizer(how: str) -> None:
    past = Past(how)
    world = past.world

    async def make() -> None:
        await world.create()
        past.remember()
        await world.until_ready()

    async with past.gone_back(make):
        assert not (await world.get()).metadata.finalizers
        await past.until_settled()
        assert "CreateGatewayTarget" not in past.calls


async def test_to_before_the_object_existed(how: str) -> None:
    """Nobody may delete what nobody asks for: the target stays, and the same object takes it up again."""
    past = Past(how)
    world = past.world

    async def make() -> None:
        past.remember()
        await world.create()
        await world.until_ready()

    async with past.gone_back(make):
        assert not world.exists()
        await world.pass_time(RELIST)
        assert len(world.targets()) == 1
        assert world.writes() == []
        assert set(world.calls()) <= {"ListGatewayTargets"}
        await world.create()
        await past.until_settled()
        assert "CreateGatewayTarget" not in past.calls


async def test_to_before_an_edit(how: str) -> None:
    """The older spec is what counts now, although its generation was held by AWS before."""
    past = Past(how)
    world = past.world

    async def make() -> None:
        await world.create(description="older")
        await world.until_ready()
        past.remember()
        await world.edit(spec={"description": "newer"})
        await world.until_ready()
        assert world.targets()[0]["description"].startswith("newer")

    async with past.gone_back(make):
        await past.until(lambda: world.targets()[0]["description"].startswith("older"))
        await past.until_settled()
        assert past.calls["UpdateGatewayTarget"] == 1


async def test_to_before_an_edit_and_edited_anew(how: str) -> None:
    """The same generation now means another spec."""
    past = Past(how)
    world = past.world

    async def make() -> None:
        await world.create(description="first")
        await world.until_ready()
        past.remember()
        await world.edit(spec={"description": "lost"})
        await world.until_ready()

    async with past.gone_back(make):
        await world.edit(spec={"description": "anew"})
        await past.until(lambda: world.targets()[0]["description"].startswith("anew"))
        await past.until_settled()
        assert past.calls["UpdateGatewayTarget"] <= 2


async def test_to_before_the_deletion(how: str) -> None:
    """The object is back and its target is not: one is made, though the record names the old one."""
    past = Past(how)
    world = past.world

    async def make() -> None:
        await world.create()
        await world.until_ready()
        past.remember()
        await world.delete()
        await world.until(lambda: not world.exists())
        assert world.targets() == []

    async with past.gone_back(make):
        assert world.exists()
        await past.until_settled()
        assert past.calls["CreateGatewayTarget"] == 1


async def test_to_before_the_deletion_whose_target_is_still_there(how: str) -> None:
    """AWS was asked to delete; that cannot be taken back."""
    past = Past(how, durations=Durations(deleting=60.0))
    world = past.world

    async def make() -> None:
        await world.create()
        await world.until_ready()
        past.remember()
        await world.delete()
        await world.until(lambda: world.calls()["DeleteGatewayTarget"])

    async with past.gone_back(make):
        assert not (await world.get()).metadata.deletion_timestamp
        await past.until_settled()
        assert past.calls["CreateGatewayTarget"] == 1


async def test_to_the_middle_of_a_deletion_that_had_ended(how: str) -> None:
    """The finalizer is on, the target is gone, and the record with it: the object goes at last."""
    past = Past(how)
    world = past.world

    async def make() -> None:
        await world.create()
        await world.until_ready()
        await world.delete()
        past.remember()
        await world.until(lambda: not world.exists())

    async with past.gone_back(make):
        assert world.exists()
        await past.until(lambda: not world.exists())
        assert world.targets() == []
        assert not {"CreateGatewayTarget", "UpdateGatewayTarget"} & set(world.calls())


async def test_to_an_object_of_that_name_that_was_another(how: str) -> None:
    """A was deleted and made again; the backup knows the first A, with another uid and a target long gone."""
    past = Past(how)
    world = past.world

    async def make() -> None:
        await world.create(description="first")
        await world.until_ready()
        past.remember()
        await world.delete()
        await world.until(lambda: not world.exists())
        await world.create(description="second")
        await world.until_ready()

    async with past.gone_back(make):
        await past.until(lambda: world.targets()[0]["description"].startswith("first"))
        await past.until_settled()
        assert "CreateGatewayTarget" not in past.calls
        assert past.calls["UpdateGatewayTarget"] == 1


async def test_under_an_operator_that_is_just_writing_status(how: str) -> None:
    """The write is for an object that is older again; nothing is lost but that write."""
    past = Past(how, latency=0.5)
    world = past.world

    async def make() -> None:
        await world.create()
        past.remember()
        await world.until(lambda: world.calls()["CreateGatewayTarget"])

    async with past.gone_back(make):
        await past.until_settled()
        assert past.calls["CreateGatewayTarget"] <= 1
