"""Whose a target is: markers and records, lost, copied, forged and foreign."""

from __future__ import annotations

import pytest

from agentcore_simulator.settings import Settings as SimulatorSettings
from agentcore_simulator.settings import Switches
from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import NAMESPACES
from mcp_gateway_operator.targets.shape import marker_of
from tests.support.memory_cluster import LOST
from tests.support.world import GATEWAY, World, condition, record_of
from tests.unit.controller.test_faults import status_writes

DRIFT = 30.0
A, B = "cluster-a", "cluster-b"


def mark(owner: str, name: str = "weather", namespace: str = "team-a") -> str:
    return f"[mcps {marker_of(owner, namespace, name)}]"


async def test_marker_in_a_description_is_refused() -> None:
    world = World()
    async with world.operator(owner_ids=(A,)):
        await world.create(description=f"mine {mark(A, 'victim')}")
        obj = await world.until_reason("ValidationError")
        assert "mcps" in condition(obj).message
        assert not world.targets()


async def test_long_description_is_shortened_and_status_says_so() -> None:
    world = World()
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.create(description="x" * 200)
        obj = await world.until_ready()
        assert "shortened" in condition(obj).message
        text = world.targets()[0]["description"]
        assert len(text) == 200
        assert text.endswith(mark(A))
        world.forget_calls()
        await world.pass_time(4 * DRIFT)
        assert world.writes() == []
        assert set(world.calls()) == {"ListGatewayTargets"}


async def test_marker_stripped_outside_is_no_difference_and_the_record_still_proves() -> None:
    world = World()
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.create(description="forecasts")
        obj = await world.until_ready()
        world.forget_calls()
        world.aws.edit_target(obj.status.target_id, description="forecasts")
        await world.pass_time(4 * DRIFT)
        assert "UpdateGatewayTarget" not in world.calls()
        assert condition(await world.get()).status == "True"
        await world.edit(spec={"description": "more forecasts"})
        await world.until_ready(within=10)
        assert world.targets()[0]["description"] == f"more forecasts {mark(A)}"


async def test_changed_owner_id_waits_for_the_next_real_update() -> None:
    world = World()
    async with world.operator(owner_ids=(A,)):
        await world.create()
        await world.until_ready()
    world.forget_calls()
    async with world.operator(owner_ids=(B, A), drift_interval=DRIFT):
        await world.pass_time(4 * DRIFT)
        assert world.writes() == []
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}
        await world.set_status({})
        obj = await world.until_ready(within=20)
        assert [target["targetId"] for target in world.targets()] == [obj.status.target_id]
        await world.edit(spec={"description": "changed"})
        await world.until_ready(within=10)
        assert world.targets()[0]["description"] == f"changed {mark(B)}"


async def test_second_cluster_gets_a_name_conflict_and_touches_nothing() -> None:
    world = World()
    async with world.operator(owner_ids=(A,)):
        await world.create()
        await world.until_ready()
        await world.delete()
        await world.until(lambda: not world.exists())
        await world.create()
        await world.until_ready()
    await world.edit(metadata={"finalizers": None, "annotations": None})
    await world.set_status({})
    world.forget_calls()
    async with world.operator(owner_ids=(B,), drift_interval=DRIFT):
        obj = await world.until_reason("NameConflict")
        assert mark(A) in condition(obj).message
        await world.pass_time(3 * DRIFT)
        await world.delete()
        await world.until(lambda: not world.exists(), within=120)
    assert len(world.targets()) == 1
    assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget", "CreateGatewayTarget"}


async def test_copied_manifest_takes_nothing() -> None:
    world = World()
    world.api.store.create(NAMESPACES, None, {"metadata": {"name": "team-b"}})
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.create()
        first = await world.until_ready()
        await world.create(namespace="team-b")
        await world.set_status(record_of(first), namespace="team-b")
        await world.pass_time(DRIFT)
        copy = await world.get(namespace="team-b")
        assert condition(copy).reason == "NameConflict"
        await world.delete(namespace="team-b")
        await world.until(lambda: not world.exists(namespace="team-b"), within=120)
        await world.edit(spec={"description": "still mine"})
        await world.until_ready(within=10)
        assert [target["targetId"] for target in world.targets()] == [first.status.target_id]


async def test_status_copied_elsewhere_does_not_cast_doubt_on_the_owner() -> None:
    world = World()
    async with world.operator(owner_marker=False, drift_interval=DRIFT):
        await world.create()
        first = await world.until_ready()
        await world.create("copy", targetName="other")
        await world.until_ready("copy")
        await world.set_status(record_of(first), "copy")
        await world.pass_time(DRIFT)
        await world.edit(spec={"description": "still mine"})
        await world.until_ready(within=10)


async def test_object_restored_with_a_new_uid_finds_its_target() -> None:
    world = World()
    async with world.operator(owner_ids=(A,)):
        await world.create()
        first = await world.until_ready()
    await world.edit(metadata={"finalizers": None})
    await world.delete()
    await world.create()
    await world.set_status(record_of(first))
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.until_ready()
        await world.pass_time(10)
        obj = await world.get()
        assert obj.status.recorded_for == obj.metadata.uid != first.metadata.uid
        assert [target["targetId"] for target in world.targets()] == [first.status.target_id]
        assert world.calls()["CreateGatewayTarget"] == 1


async def test_second_target_of_the_same_name_is_removed_and_one_of_another_name_is_left() -> None:
    world = World(simulator=SimulatorSettings(switches=Switches(duplicate_names="allow")))
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.create()
        obj = await world.until_ready()
        config = {"mcp": {"mcpServer": {"endpoint": "https://twin.example.com/mcp"}}}
        twin = world.aws.create_target(
            GATEWAY, name="weather", description=mark(A), targetConfiguration=config
        )
        other = world.aws.create_target(
            GATEWAY, name="elsewhere", description=mark(A), targetConfiguration=config
        )
        await world.pass_time(4 * DRIFT)
        left = {target["targetId"] for target in world.targets()}
        assert left == {obj.status.target_id, other["targetId"]}
        assert twin["targetId"] not in left
        await world.until_ready()


async def test_twin_that_may_not_be_deleted_does_not_make_the_object_unready() -> None:
    world = World(simulator=SimulatorSettings(switches=Switches(duplicate_names="allow")))
    world.aws.configure(denied_actions=["DeleteGatewayTarget"])
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        config = {"mcp": {"mcpServer": {"endpoint": "https://twin.example.com/mcp"}}}
        world.aws.create_target(GATEWAY, name="weather", description=mark(A), targetConfiguration=config)
        await world.pass_time(4 * DRIFT)
        assert condition(await world.get()).status == "True"


async def test_target_that_changed_hands_is_not_updated() -> None:
    world = World()
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.create()
        obj = await world.until_ready()
        world.forget_calls()
        world.aws.edit_target(obj.status.target_id, description=f"theirs {mark(B)}")
        await world.edit(spec={"description": "ours"})
        obj = await world.until_reason("ForeignMarker", within=10)
        assert "--owner-id" in condition(obj).message
        await world.pass_time(3 * DRIFT)
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}


async def test_without_markers_a_crash_before_the_record_ends_in_a_name_conflict() -> None:
    world = World()
    async with world.operator(owner_marker=False, faults=status_writes(99, refuse=LOST)):
        await world.create()
        await world.until(world.targets)
    assert not (await world.get()).status.target_id
    async with world.operator(owner_marker=False, drift_interval=DRIFT):
        await world.until_reason("NameConflict", within=120)
        assert len(world.targets()) == 1


@pytest.mark.parametrize("created", ["before", "after"])
async def test_go_operators_object_with_a_real_difference_is_repaired_with_its_first_marker(
    created: str,
) -> None:
    """It dropped an edit made while CREATING; a record older than its object is not believed."""
    world = World()
    if created == "after":
        obj = await world.create()
    config = {"mcp": {"mcpServer": {"endpoint": "https://old.example.com/mcp"}}}
    target = world.aws.create_target(GATEWAY, name="weather", targetConfiguration=config)
    if created == "before":
        await world.pass_time(3600)
        obj = await world.create()
    await world.edit(metadata={"finalizers": [names.FINALIZER]})
    await world.set_status({"targetId": target["targetId"], "gatewayArn": target["gatewayArn"]})
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        if created == "before":
            obj = await world.until_reason("NameConflict", within=20)
            assert "older than this object" in condition(obj).message
            assert "--allow-adoption" in condition(obj).message
            assert world.calls()["UpdateGatewayTarget"] == 0
            return
        await world.until_ready(within=20)
        assert world.calls()["UpdateGatewayTarget"] == 1
        (held,) = world.targets()
        assert held["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"] == obj.spec.endpoint
        assert held["description"] == mark(A)
        world.forget_calls()
        await world.pass_time(4 * DRIFT)
        assert world.writes() == []
