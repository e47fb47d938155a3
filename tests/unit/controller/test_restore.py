"""Objects that come back from a backup, with or without what the operator wrote on them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import NAMESPACES
from mcp_gateway_operator.targets.shape import marker_of
from tests.support.world import GATEWAY, World, condition, manifest_spec

DRIFT = 30.0
A, B = "cluster-a", "cluster-b"
READS = {"ListGatewayTargets", "GetGatewayTarget"}
Json = dict[str, Any]


async def backup(world: World, name: str = "weather", *, namespace: str = "team-a") -> Json:
    """Return an object as a backup tool keeps it."""
    raw = await world.user.get(MCPSERVERS, namespace, name)
    saved: Json = msgspec.json.decode(raw)
    return saved


async def restore(world: World, saved: Json, *, namespace: str = "team-a", status: bool = True) -> MCPServer:
    """Make an object from a backup: it gets another uid, as from every backup tool."""
    meta = saved["metadata"]
    kept = {key: meta[key] for key in ("name", "finalizers", "annotations") if key in meta}
    body = {**saved, "metadata": {**kept, "namespace": namespace}}
    await world.user.create(MCPSERVERS, namespace, body)
    if status:
        await world.set_status(saved["status"], meta["name"], namespace=namespace)
    return await world.get(meta["name"], namespace=namespace)


def another_cluster(first: World) -> World:
    """Return a second cluster on the same AWS account, whose uids are others."""
    world = World(beside=first, latency=first.latency)
    for number in range(10):
        world.api.store.create(NAMESPACES, None, {"metadata": {"name": f"other-{number}"}})
    return world


async def lose(world: World, name: str = "weather") -> None:
    """Let an object vanish as with its cluster, while no operator is there."""
    await world.edit(name, metadata={"finalizers": None})
    await world.delete(name)


async def stays_quiet(world: World) -> None:
    """Nothing is written in four drift intervals, and nothing but Lists is asked of AWS."""
    world.forget_calls()
    await world.pass_time(4 * DRIFT)
    assert world.writes() == []
    assert set(world.calls()) <= {"ListGatewayTargets"}


@asynccontextmanager
async def one_target(world: World, *, owner: str = A) -> AsyncIterator[MCPServer]:
    """An object with its target, left by an operator that is gone."""
    async with world.operator(owner_ids=(owner,), drift_interval=DRIFT):
        await world.create(description="forecasts")
        yield await world.until_ready()


@pytest.mark.parametrize("status", [True, False])
@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("lag", [0.0, 200.0])
async def test_under_a_new_uid_it_finds_its_target(status: bool, bare: bool, lag: float) -> None:
    """By the marker: the restored status proves nothing, and one that is missing costs nothing more."""
    world = World()
    async with one_target(world) as first:
        saved = await backup(world)
    await lose(world)
    if bare:
        saved["metadata"] = {"name": "weather"}
    await restore(world, saved, status=status)
    world.forget_calls()
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.pass_time(lag)
        obj = await world.until_ready()

        async def recorded() -> bool:
            obj = await world.get()
            return obj.status.recorded_for == obj.metadata.uid

        await world.until(recorded)
        obj = await world.get()
        assert obj.metadata.uid != first.metadata.uid
        assert obj.status.target_id == first.status.target_id
        assert names.FINALIZER in obj.metadata.finalizers
        assert set(world.calls()) == READS
        assert world.calls()["GetGatewayTarget"] <= 2
        assert len(world.writes()) <= 3
        assert len(world.targets()) == 1
        await stays_quiet(world)
        await world.delete()
        await world.until(lambda: not world.exists())
        assert world.targets() == []


async def test_restored_with_an_older_spec_it_sets_its_target_back() -> None:
    world = World()
    async with one_target(world):
        saved = await backup(world)
        await world.edit(spec={"description": "newer"})
        await world.until_ready()
    await lose(world)
    await restore(world, saved)
    world.forget_calls()
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.until(lambda: world.calls()["UpdateGatewayTarget"])
        await world.until_ready()
        assert [target["description"].partition(" ")[0] for target in world.targets()] == ["forecasts"]
        assert world.calls()["UpdateGatewayTarget"] == 1
        await world.pass_time(60)
        await stays_quiet(world)


async def test_restored_with_another_name_for_its_target_it_renames_it() -> None:
    world = World()
    async with one_target(world):
        saved = await backup(world)
        await world.edit(spec={"targetName": "newer"})
        await world.until_ready()
    await lose(world)
    await restore(world, saved, status=False)
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.until_ready()
        assert [target["name"] for target in world.targets()] == ["weather"]


async def test_into_another_namespace_beside_the_first_it_takes_nothing() -> None:
    world = World()
    world.api.store.create(NAMESPACES, None, {"metadata": {"name": "team-b"}})
    async with one_target(world) as first:
        await restore(world, await backup(world), namespace="team-b")
        world.forget_calls()
        await world.pass_time(4 * DRIFT)
        copy = await world.get(namespace="team-b")
        assert condition(copy).reason == "NameConflict"
        assert set(world.calls()) <= READS
        await world.delete(namespace="team-b")
        await world.until(lambda: not world.exists(namespace="team-b"), within=120)
        assert [target["targetId"] for target in world.targets()] == [first.status.target_id]
        assert condition(await world.get()).status == "True"


async def test_into_another_namespace_after_the_first_is_gone_adoption_is_the_way() -> None:
    world = World()
    world.api.store.create(NAMESPACES, None, {"metadata": {"name": "team-b"}})
    async with one_target(world) as first:
        saved = await backup(world)
    await lose(world)
    await restore(world, saved, namespace="team-b")
    world.forget_calls()
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.pass_time(4 * DRIFT)
        obj = await world.get(namespace="team-b")
        assert condition(obj).reason == "NameConflict"
        assert "--allow-adoption" in condition(obj).message
        assert set(world.calls()) <= READS
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT, allow_adoption=True):
        await world.edit(namespace="team-b", spec={"adoptionPolicy": "IfExists"})

        async def ready() -> bool:
            return condition(await world.get(namespace="team-b")).status == "True"

        await world.until(ready)
        obj = await world.get(namespace="team-b")
        assert obj.status.target_id == first.status.target_id
        assert [target["description"] for target in world.targets()] == [
            f"forecasts [mcps {marker_of(A, 'team-b', 'weather')}]"
        ]
        await stays_quiet(world)


@pytest.mark.parametrize("status", [True, False])
@pytest.mark.parametrize("knows", [True, False])
async def test_into_another_cluster(status: bool, knows: bool) -> None:
    """With the old cluster's owner id among its own it goes on; without, it touches nothing."""
    old = World()
    async with one_target(old) as first:
        saved = await backup(old)
    new = another_cluster(old)
    await restore(new, saved, status=status)
    new.forget_calls()
    held = new.targets()
    async with new.operator(owner_ids=(B, A) if knows else (B,), drift_interval=DRIFT):
        await new.pass_time(4 * DRIFT)
        obj = await new.get()
        if knows:
            assert condition(obj).status == "True"
            assert obj.status.target_id == first.status.target_id
        else:
            assert condition(obj).reason == "NameConflict"
        await stays_quiet(new)
        assert new.targets() == held
        await new.delete()
        await new.until(lambda: not new.exists(), within=120)
        assert bool(new.targets()) is not knows


async def test_two_clusters_with_one_manifest() -> None:
    """The first wins, the second says so and writes nothing, and takes over when the name is free."""
    first = World()
    second = another_cluster(first)
    async with (
        first.operator(owner_ids=(A,), drift_interval=DRIFT),
        second.operator(owner_ids=(B,), drift_interval=DRIFT),
    ):
        await first.create()
        winner = await first.until_ready()
        await second.create()
        obj = await second.until_reason("NameConflict")
        assert marker_of(A, "team-a", "weather") in condition(obj).message
        await first.pass_time(60)
        second.forget_calls()
        first.forget_calls()
        await first.pass_time(4 * DRIFT)
        assert set(first.calls()) == {"ListGatewayTargets"}
        assert second.writes() == first.writes() == []
        await first.edit(spec={"description": "still mine"})
        await first.until_ready()
        assert [target["targetId"] for target in first.targets()] == [winner.status.target_id]
        await first.delete()
        await first.until(lambda: not first.exists())
        obj = await second.until_ready(within=120)
        assert [target["targetId"] for target in second.targets()] == [obj.status.target_id]
        assert first.calls()["CreateGatewayTarget"] == 1


async def test_two_clusters_at_the_same_moment() -> None:
    """AWS keeps names unique, so exactly one Create has an effect, and nobody touches the other's target."""
    first = World(latency=0.3)
    second = another_cluster(first)
    async with (
        first.operator(owner_ids=(A,), drift_interval=DRIFT),
        second.operator(owner_ids=(B,), drift_interval=DRIFT),
    ):
        await first.create()
        await second.create()
        await first.pass_time(120)
        objects = [await first.get(), await second.get()]
        assert sorted(condition(obj).reason for obj in objects) == ["GatewayTargetReady", "NameConflict"]
        assert len(first.targets()) == 1
        assert first.calls()["CreateGatewayTarget"] <= 2
        assert not {"UpdateGatewayTarget", "DeleteGatewayTarget"} & set(first.calls())


@pytest.mark.parametrize("running", [True, False])
async def test_replaced_without_finalizer_and_annotations(running: bool) -> None:
    """`kubectl replace` with the plain manifest wipes both; one write puts them back."""
    world = World()

    async def replace() -> None:
        saved = await backup(world)
        saved["metadata"] = {"name": "weather", "namespace": "team-a"}
        world.forget_calls()
        await world.user.replace(MCPSERVERS, "team-a", "weather", saved)

    async def protected() -> bool:
        meta = (await world.get()).metadata
        return names.FINALIZER in meta.finalizers and meta.annotations == {names.GATEWAY_ANNOTATION: GATEWAY}

    async with one_target(world):
        if running:
            await replace()
            await world.until(protected, within=5)
    if not running:
        await replace()
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.until(protected, within=5)
        await world.until_ready()
        assert world.writes() == ["patch"]
        assert set(world.calls()) <= {"ListGatewayTargets"}
        await stays_quiet(world)


async def test_replaced_by_force_it_is_deleted_and_made_anew() -> None:
    """`kubectl replace --force` deletes, waits for the end, and creates under the same name."""
    world = World()
    async with one_target(world) as first:
        saved = await backup(world)
        world.forget_calls()
        await world.delete()
        await world.until(lambda: not world.exists())
        await restore(world, saved)
        await world.until_ready()
        await world.pass_time(3)
        obj = await world.get()
        assert obj.status.recorded_for == obj.metadata.uid
        assert obj.status.target_id != first.status.target_id
        assert [target["targetId"] for target in world.targets()] == [obj.status.target_id]
        assert world.calls()["CreateGatewayTarget"] == world.calls()["DeleteGatewayTarget"] == 1
        await stays_quiet(world)


@pytest.mark.parametrize("running", [True, False])
async def test_finalizer_taken_off_by_hand_while_deleting(running: bool) -> None:
    """The target stays behind with its marker; the object made again takes it up, whatever its state."""
    world = World()
    async with one_target(world):
        await world.delete()
        if running:
            await world.edit(metadata={"finalizers": None})
    if not running:
        await world.edit(metadata={"finalizers": None})
    assert not world.exists()
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.create()
        obj = await world.until_ready(within=120)
        assert [target["targetId"] for target in world.targets()] == [obj.status.target_id]
        await world.pass_time(60)
        await stays_quiet(world)


@pytest.mark.parametrize("deleted", [True, False])
@pytest.mark.parametrize("running", [True, False])
async def test_forged_status_on_a_neighbours_target(deleted: bool, running: bool) -> None:
    """The neighbour's marker beats the record, and its own marker leads the forger back to its own target."""
    world = World()
    async with one_target(world) as victim:
        await world.create("thief", targetName="loot")
        thief = await world.until_ready("thief")
        forged = {
            **msgspec.to_builtins(thief.status),
            "targetId": victim.status.target_id,
            "targetName": "weather",
        }
        if running:
            await world.set_status(forged, "thief")
    if not running:
        await world.set_status(forged, "thief")
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.edit("thief", spec={"endpoint": "https://evil.example.com/mcp"})
        if deleted:
            await world.delete("thief")
            await world.until(lambda: not world.exists("thief"), within=120)
        else:
            obj = await world.until_ready("thief")
            assert obj.status.target_id == thief.status.target_id
        await world.pass_time(2 * DRIFT)
        assert condition(await world.get()).status == "True"
        held = {target["targetId"]: target for target in world.targets()}
        assert set(held) == {victim.status.target_id, *([] if deleted else [thief.status.target_id])}
        server = held[victim.status.target_id]["targetConfiguration"]["mcp"]["mcpServer"]
        assert server["endpoint"] == manifest_spec()["endpoint"]
        await world.pass_time(60)
        await stays_quiet(world)


async def test_forged_annotation_and_finalizer_prove_nothing() -> None:
    """The annotation is a place to look, and nothing there carries the marker."""
    world = World()
    made = world.aws.create_target(
        GATEWAY,
        name="weather",
        targetConfiguration={"mcp": {"mcpServer": {"endpoint": "https://human.example.com/mcp"}}},
    )
    world.forget_calls()
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        body = {
            "apiVersion": f"{names.GROUP}/{names.VERSION}",
            "kind": names.KIND,
            "metadata": {
                "name": "weather",
                "namespace": "team-a",
                "finalizers": [names.FINALIZER],
                "annotations": {
                    names.GATEWAY_ANNOTATION: GATEWAY,
                    f"{names.GROUP}/target-id": made["targetId"],
                },
            },
            "spec": manifest_spec(),
        }
        await world.user.create(MCPSERVERS, "team-a", body)
        await world.until_reason("NameConflict")
        await world.delete()
        await world.until(lambda: not world.exists(), within=200)
        assert set(world.calls()) <= READS
        assert [target["targetId"] for target in world.targets()] == [made["targetId"]]
