"""Objects that are only observed: the truth about their targets, and never a write to AWS."""

from __future__ import annotations

import pytest

from agentcore_simulator.settings import Durations
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServer
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition

DRIFT = 30.0
READS = {"ListGatewayTargets", "GetGatewayTarget"}
OWNER = ("cluster-a",)
ELSEWHERE = {"mcp": {"mcpServer": {"endpoint": "https://elsewhere.example.com/mcp"}}}


async def until_says(world: World, words: str) -> MCPServer:
    async def says() -> bool:
        obj = await world.get()
        found = condition(obj)
        return words in found.message and found.observed_generation == obj.metadata.generation

    await world.until(says)
    return await world.get()


async def quiet(world: World, *, gets: int = 0) -> None:
    """Nothing is written in four drift intervals, and no more than this many Gets are made."""
    world.forget_calls()
    await world.pass_time(4 * DRIFT)
    assert world.writes() == []
    assert set(world.calls()) <= READS
    assert world.calls()["GetGatewayTarget"] <= gets


async def test_would_create_until_it_is_managed() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create(managementPolicy="Observe")
        obj = await world.until_reason("Observed")
        assert f"would create target weather on gateway {GATEWAY}" in condition(obj).message
        told = {kind: condition(obj, kind).status for kind in ("Synced", "Reconciling", "Stalled")}
        assert told == {"Synced": "False", "Reconciling": "False", "Stalled": "False"}
        assert "would create" in condition(obj, "Synced").message
        assert not obj.metadata.finalizers
        assert world.writes() == ["patch status"]
        await quiet(world)
        await world.edit(spec={"managementPolicy": "Manage"})
        await world.until_ready()
        assert world.calls()["CreateGatewayTarget"] == 1


async def test_deletion_needs_no_operator() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create(managementPolicy="Observe")
        await world.until_reason("Observed")
    await world.delete()
    assert not world.exists()


async def test_from_manage_to_observe_and_back() -> None:
    """Ready goes on saying what is true, a difference is told and left, and Manage then repairs it."""
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        world.forget_calls()
        await world.edit(spec={"managementPolicy": "Observe"})
        obj = await world.until_ready()
        assert "Observed only" in condition(obj).message
        assert condition(obj, "Synced").message == "AWS holds this generation's configuration."
        assert world.writes() == ["patch status"]
        assert world.calls()["GetGatewayTarget"] <= 1
        await quiet(world)

        await world.edit(spec={"description": "better"})
        obj = await until_says(world, "would update target")
        assert 'description: absent -> "better"' in condition(obj, "Synced").message
        assert condition(obj).reason == condition(obj, "Synced").reason == "Observed"
        await quiet(world)

        await world.edit(spec={"managementPolicy": "Manage"})
        await world.until_ready()
        assert world.calls()["UpdateGatewayTarget"] == 1
        assert world.calls()["CreateGatewayTarget"] == 0


async def test_drift_is_told_once_and_never_repaired() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create()
        obj = await world.until_ready()
        await world.edit(spec={"managementPolicy": "Observe"})
        await world.until_ready()
        world.forget_calls()
        world.aws.edit_target(obj.status.target_id, targetConfiguration=ELSEWHERE)
        obj = await until_says(world, "would update target")
        assert "elsewhere.example.com" in condition(obj).message
        assert world.writes() == ["patch status"]
        assert world.calls()["GetGatewayTarget"] == 1
        await quiet(world)
        again = {"mcp": {"mcpServer": {"endpoint": obj.spec.endpoint}}}
        world.aws.edit_target(obj.status.target_id, targetConfiguration=again)
        await world.until_ready()
        assert world.writes() == ["patch status"]
        await quiet(world)


async def test_a_target_that_vanished_would_be_created() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create()
        obj = await world.until_ready()
        await world.edit(spec={"managementPolicy": "Observe"})
        await world.until_ready()
        world.aws.delete_target(obj.status.target_id)
        await until_says(world, "would create target")
        await quiet(world, gets=1)
        assert world.targets() == []


async def test_a_failed_target_is_told_in_awss_words_and_not_repaired() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create()
        obj = await world.until_ready()
        await world.edit(spec={"managementPolicy": "Observe"})
        await world.until_ready()
        world.aws.set_status(obj.status.target_id, "FAILED", ["No route."])
        obj = await until_says(world, "No route. Observed only: would synchronize it.")
        assert condition(obj).reason == "TargetFailed"
        assert condition(obj, "Synced").status == "True"
        assert obj.status.failure is None
        await quiet(world, gets=1)
        await world.pass_time(3600)
        assert set(world.calls()) <= READS


async def test_deleted_after_manage_it_is_released_with_no_aws_call() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        await world.edit(spec={"managementPolicy": "Observe"})
        await world.until_ready()
        world.forget_calls()
        await world.delete()
        await world.until(lambda: not world.exists(), within=5)
        assert set(world.calls()) <= {"ListGatewayTargets"}
        assert len(world.targets()) == 1


async def test_a_target_that_somebody_made_is_a_name_conflict_and_is_not_recorded() -> None:
    world = World()
    made = world.aws.create_target(GATEWAY, name="weather", targetConfiguration=ELSEWHERE)
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create(managementPolicy="Observe")
        obj = await world.until_reason("NameConflict")
        assert made["targetId"] in condition(obj).message
        assert not obj.status.target_id
        assert not obj.metadata.finalizers
        await quiet(world)


async def test_would_adopt_with_the_differences() -> None:
    world = World()
    made = world.aws.create_target(GATEWAY, name="weather", targetConfiguration=ELSEWHERE)
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT, allow_adoption=True):
        await world.create(managementPolicy="Observe", adoptionPolicy="IfExists")
        obj = await until_says(world, f"would adopt target {made['targetId']}: ")
        assert "changing authType, endpoint, " in condition(obj).message
        assert not obj.status.target_id
        await quiet(world)
        await world.edit(spec={"managementPolicy": "Manage"})
        obj = await world.until_ready()
        assert obj.status.target_id == made["targetId"]


async def test_restored_without_status_it_finds_its_target_by_the_marker() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create()
        first = await world.until_ready()
        await world.edit(spec={"managementPolicy": "Observe"})
        await world.until_ready()
        await world.delete()
        await world.until(lambda: not world.exists())
        world.forget_calls()
        await world.create(managementPolicy="Observe")
        obj = await world.until_ready()
        assert obj.status.target_id == first.status.target_id
        assert not obj.metadata.finalizers
        assert world.calls()["GetGatewayTarget"] == 1
        await quiet(world)
        await world.edit(spec={"managementPolicy": "Manage"})
        obj = await world.until_ready()
        assert names.FINALIZER in obj.metadata.finalizers
        assert set(world.calls()) <= READS


async def test_would_move() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        await world.edit(spec={"managementPolicy": "Observe", "gatewayId": OTHER_GATEWAY})
        await until_says(world, "would move target")
        await quiet(world)
        assert world.targets(OTHER_GATEWAY) == []


async def test_observed_in_the_middle_of_a_move() -> None:
    """Both targets stay as they are; managed again, the move ends with one."""
    world = World(simulator=SimulatorSettings(durations=Durations(creating=20.0)))
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        await world.edit(spec={"gatewayId": OTHER_GATEWAY})
        await world.until(lambda: world.targets(OTHER_GATEWAY))
        await world.edit(spec={"managementPolicy": "Observe"})
        await world.pass_time(60)
        await quiet(world)
        assert len(world.targets()) == len(world.targets(OTHER_GATEWAY)) == 1
        await world.edit(spec={"managementPolicy": "Manage"})
        await world.until_ready()
        await world.until(lambda: not world.targets())
        assert len(world.targets(OTHER_GATEWAY)) == 1
        assert "CreateGatewayTarget" not in world.calls()


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"endpoint": "http://plain.example.com"}, "ValidationError"),
        ({"gatewayId": "missing-abcdefghij"}, "GatewayNotFound"),
    ],
)
async def test_what_stands_in_the_way_is_told_as_under_manage(spec: dict[str, str], reason: str) -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create(managementPolicy="Observe", **spec)
        obj = await world.until_reason(reason)
        assert not obj.metadata.finalizers
        # The message names the account as soon as AWS has told which it is.
        await world.pass_time(5)
        await quiet(world)


async def test_without_any_gateway() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, gateway_id=""):
        await world.create(managementPolicy="Observe")
        await world.until_reason("ConfigurationError")
        assert world.calls() == {}


async def test_a_restart_costs_nothing() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        await world.edit(spec={"managementPolicy": "Observe"})
        await world.until_ready()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await quiet(world)
