"""Moves from one account to another, cut short at any moment, there and back."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServer
from tests.support.accounts import OWN, SPOKE, Cloud, role
from tests.support.classes import ALLOW, GATEWAY, Platform, arn
from tests.support.world import World, condition
from tests.unit.controller.moving import assert_met

OTHER = "333333333333"
DRIFT = 10.0
MOMENTS = [0.0, 0.3, 0.55, 0.7, 0.85, 1.15, 1.3, 1.8, 2.2, 2.4, 2.65, 2.85, 2.95, 3.1, 3.8, 4.5, 4.7]
"""Seconds after the edit: with calls of 0.3 s, before and after each step of a move, and in long waits."""
PLAIN: dict[str, Any] = {"authType": "NoAuth", "oauthProviderArn": None, "oauthScopes": None}
CLASSES = {"home": OWN, "spoke": SPOKE, "other": OTHER}
PERMITTED = [{**ALLOW, "authTypes": ["*"]}]


class Fleet:
    """Gateways of one id in three accounts, each with a class; in each account ids begin alike."""

    def __init__(self) -> None:
        self.world = World(latency=0.3)
        self.platform = Platform(self.world)
        self.cloud = self.world.opener = Cloud(self.world)
        for account in (SPOKE, OTHER):
            self.cloud.aws(account).create_gateway(GATEWAY)

    async def begin(self) -> None:
        """Make the classes."""
        for name, account in CLASSES.items():
            aws: dict[str, Any] = {"aws": {"roleArn": role(account)}} if account != OWN else {}
            await self.platform.make(name, gateway_arn=at(name), allow=PERMITTED, **aws)

    def operator(self, **config: Any) -> Any:
        """Return an operator without a default gateway."""
        return self.world.operator(gateway_id="", drift_interval=DRIFT, **config)

    async def to(self, name: str) -> None:
        """Name another class."""
        await self.world.edit(spec={"gatewayRef": {"name": name}})

    async def rests(self, name: str) -> bool:
        """Whether the target is where the class says, Ready, and nothing is left elsewhere."""
        obj = await self.world.get()
        ready = condition(obj)
        there = {each: len(self.cloud.targets(GATEWAY, account)) for each, account in CLASSES.items()}
        return (
            ready.status == "True"
            and ready.observed_generation == obj.metadata.generation
            and not obj.status.moves
            and obj.status.gateway_arn == at(name)
            and there == {each: int(each == name) for each in CLASSES}
        )

    def asked(self, operation: str) -> dict[str, int]:
        """Return how often an operation was asked for in each account, where it was."""
        counts = {each: self.cloud.requests(account).count(operation) for each, account in CLASSES.items()}
        return {each: count for each, count in counts.items() if count}


def at(name: str) -> str:
    """Return the ARN of a class's gateway."""
    return arn(GATEWAY, account=CLASSES[name])


async def made(fleet: Fleet, name: str) -> MCPServer:
    """Make an object by a class."""
    await fleet.world.create(**{**PLAIN, "gatewayRef": {"name": name}})
    return await fleet.world.until_ready()


@pytest.mark.parametrize("way", [("home", "spoke"), ("spoke", "home"), ("spoke", "other")], ids="-".join)
async def test_a_move_makes_one_target_and_deletes_one(way: tuple[str, str]) -> None:
    before, after = way
    fleet = Fleet()
    await fleet.begin()
    async with fleet.operator():
        first = await made(fleet, before)
        await fleet.to(after)
        await fleet.world.until(lambda: fleet.rests(after), within=120.0)
        second = await fleet.world.get()
        assert first.status.target_id == second.status.target_id  # or this test would show less
    assert fleet.asked("CreateGatewayTarget") == {before: 1, after: 1}
    assert fleet.asked("DeleteGatewayTarget") == {before: 1}
    assert fleet.asked("UpdateGatewayTarget") == {}


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("way", [("home", "spoke"), ("spoke", "home"), ("spoke", "other")])
async def test_a_lost_status_and_another_account_named_meanwhile(way: tuple[str, str], ends: bool) -> None:
    """The marker alone tells of the target, and in each account ids begin alike."""
    old, new = way
    fleet = Fleet()
    await fleet.begin()
    async with fleet.operator():
        await made(fleet, old)
    await fleet.world.set_status({})
    await fleet.to(new)
    if ends:
        await fleet.world.delete()
    async with fleet.operator():
        if ends:
            await fleet.world.until(lambda: not fleet.world.exists(), within=300.0)
            assert [fleet.cloud.targets(GATEWAY, account) for account in CLASSES.values()] == [[], [], []]
        else:
            await fleet.world.until(lambda: fleet.rests(new), within=300.0)


async def test_what_a_forgotten_move_left_in_another_account_is_told_and_goes_with_the_object() -> None:
    fleet = Fleet()
    await fleet.begin()
    async with fleet.operator():
        await made(fleet, "spoke")
        await fleet.to("home")
        await fleet.world.until(lambda: fleet.cloud.targets(GATEWAY, OWN))
    await fleet.world.set_status({})
    await fleet.world.edit(metadata={"annotations": {names.GATEWAY_ANNOTATION: GATEWAY}})
    await fleet.world.create("other", **{**PLAIN, "gatewayRef": {"name": "spoke"}})
    async with fleet.operator():
        await fleet.world.until_ready("other")
        await fleet.world.pass_time(60.0)
        here, there = fleet.cloud.targets(GATEWAY, OWN)[0], fleet.cloud.targets(GATEWAY, SPOKE)[0]
        assert here["targetId"] == there["targetId"]  # or this test would show less
        assert f"on gateway {at('spoke')}, too" in condition(await fleet.world.get()).message
        await fleet.world.delete()
        await fleet.world.until(lambda: not fleet.world.exists(), within=300.0)
        assert [each["name"] for each in fleet.cloud.targets(GATEWAY, SPOKE)] == ["other"]
        assert fleet.cloud.targets(GATEWAY, OWN) == []


async def test_to_the_own_gateway_of_equal_id_by_its_id() -> None:
    fleet = Fleet()
    await fleet.begin()
    async with fleet.operator():
        await made(fleet, "spoke")
        await fleet.world.edit(spec={"gatewayRef": None, "gatewayId": GATEWAY})
        await fleet.world.until(lambda: fleet.rests("home"), within=120.0)
    assert fleet.asked("CreateGatewayTarget") == {"home": 1, "spoke": 1}
    assert fleet.asked("DeleteGatewayTarget") == {"spoke": 1}


async def test_the_other_place_is_in_status_by_its_arn_before_anything_is_there() -> None:
    fleet = Fleet()
    await fleet.begin()
    async with fleet.operator():
        await made(fleet, "home")
        await fleet.to("spoke")

        async def entered() -> bool:
            return bool((await fleet.world.get()).status.moves)

        await fleet.world.until(entered)
        entry = (await fleet.world.get()).status.moves[0]
        assert (entry.gateway_id, entry.gateway_arn, entry.target_id) == (at("spoke"), at("spoke"), "")
        assert fleet.asked("CreateGatewayTarget") == {"home": 1}


async def test_no_state_of_a_move_is_without_a_crash() -> None:
    fleet = Fleet()
    await fleet.begin()
    async with fleet.operator():
        await made(fleet, "home")
        await fleet.to("spoke")
        accounts = CLASSES.values()
        await assert_met(
            fleet.world, lambda: [fleet.cloud.targets(GATEWAY, each) for each in accounts], MOMENTS
        )


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_crash_at_any_moment_neither_loses_nor_doubles(moment: float) -> None:
    fleet = Fleet()
    await fleet.begin()
    async with fleet.operator():
        await made(fleet, "home")
        await fleet.to("spoke")
        await fleet.world.pass_time(moment)
    async with fleet.operator():
        await fleet.world.until(lambda: fleet.rests("spoke"), within=240.0)
    assert fleet.asked("CreateGatewayTarget") == {"home": 1, "spoke": 1}
    assert fleet.asked("DeleteGatewayTarget") == {"home": 1}


@pytest.mark.parametrize("seed", range(8))
async def test_there_and_back_and_on_with_crashes_leaves_nothing(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  -- repeatable, not secret
    fleet = Fleet()
    await fleet.begin()
    async with fleet.operator():
        await made(fleet, "spoke")
    for _ in range(6):
        async with fleet.operator():
            await fleet.to(rng.choice(list(CLASSES)))
            await fleet.world.pass_time(rng.uniform(0.0, 5.0))
    last = rng.choice(list(CLASSES))
    async with fleet.operator():
        await fleet.to(last)
        await fleet.world.until(lambda: fleet.rests(last), within=300.0)
        await fleet.world.delete()
        await fleet.world.until(lambda: not fleet.world.exists(), within=120.0)
    for account in CLASSES.values():
        assert fleet.cloud.targets(GATEWAY, account) == []


@pytest.mark.parametrize("moment", [0.0, 1.0, 2.0, 3.0, 5.0])
async def test_a_session_that_ends_in_mid_move_holds_it_up_and_loses_nothing(moment: float) -> None:
    fleet = Fleet()
    await fleet.begin()
    async with fleet.operator():
        await made(fleet, "home")
        fleet.cloud.lifetime = moment + 0.5
        await fleet.to("spoke")
        await fleet.world.pass_time(moment)
        fleet.cloud.denied.add(role(SPOKE))
        await fleet.world.pass_time(120.0)
        assert len(fleet.cloud.targets(GATEWAY, SPOKE)) <= 1
        fleet.cloud.lifetime = 3600.0
        fleet.cloud.denied.clear()
        await fleet.world.until(lambda: fleet.rests("spoke"), within=300.0)
    assert fleet.asked("CreateGatewayTarget") == {"home": 1, "spoke": 1}
    assert fleet.asked("DeleteGatewayTarget") == {"home": 1}


@pytest.mark.parametrize("keeps", ["the other class", "the operator"])
async def test_what_cannot_be_deleted_is_not_forgotten_for_a_default_that_is_not_its_own(keeps: str) -> None:
    """Its class is gone, and with it the default that may have said what is to become of the target."""
    fleet = Fleet()
    await fleet.begin()
    if keeps == "the other class":
        await fleet.platform.edit("home", spec={"defaults": {"deletionPolicy": "Retain"}})
    config = {"default_deletion_policy": "Retain"} if keeps == "the operator" else {}
    async with fleet.operator(**config):
        await made(fleet, "spoke")
        await fleet.platform.force("spoke")
        await fleet.to("home")
        await fleet.world.until_ready(within=120.0)
        await fleet.world.pass_time(600.0)
        obj = await fleet.world.get()
        assert [each.gateway_id for each in obj.status.moves] == [at("spoke")]
        assert len(fleet.cloud.targets(GATEWAY, SPOKE)) == 1
        await fleet.platform.make(
            "spoke", gateway_arn=at("spoke"), allow=PERMITTED, aws={"roleArn": role(SPOKE)}
        )
        await fleet.world.until(lambda: fleet.rests("home"), within=300.0)


async def test_what_cannot_be_deleted_is_left_where_the_object_itself_keeps_its_targets() -> None:
    fleet = Fleet()
    await fleet.begin()
    async with fleet.operator():
        await made(fleet, "spoke")
        await fleet.platform.force("spoke")
        await fleet.world.edit(spec={"deletionPolicy": "Retain", "gatewayRef": {"name": "home"}})
        await fleet.world.until_ready(within=120.0)
        await fleet.world.pass_time(60.0)
        assert not (await fleet.world.get()).status.moves
    assert len(fleet.cloud.targets(GATEWAY, SPOKE)) == 1


async def test_a_deletion_does_not_forget_what_is_elsewhere_for_a_default_that_is_not_its_own() -> None:
    fleet = Fleet()
    await fleet.begin()
    await fleet.platform.edit("home", spec={"defaults": {"deletionPolicy": "Retain"}})
    async with fleet.operator():
        await made(fleet, "spoke")
        await fleet.platform.force("spoke")
        await fleet.to("home")
        await fleet.world.until_ready(within=120.0)
        await fleet.world.delete()
        await fleet.world.pass_time(300.0)
        assert "bring the MCPGateway back" in condition(await fleet.world.get()).message
        await fleet.platform.make(
            "spoke", gateway_arn=at("spoke"), allow=PERMITTED, aws={"roleArn": role(SPOKE)}
        )
        await fleet.world.until(lambda: not fleet.world.exists(), within=300.0)
    assert fleet.cloud.targets(GATEWAY, SPOKE) == []
    assert len(fleet.cloud.targets(GATEWAY, OWN)) == 1, "home's default is its own"
