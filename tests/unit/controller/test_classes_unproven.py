"""What nothing proves is not looked for where it is not permitted, nor while nobody can say whether it is."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import ApiError
from tests.support.classes import GATEWAY, OTHER_GATEWAY, Platform
from tests.support.memory_cluster import Fault, Request
from tests.support.world import World, condition, record_of

REF: dict[str, Any] = {"gatewayRef": {"name": "tools"}}
LOST: dict[str, Any] = {
    "annotations": {names.GATEWAY_ANNOTATION: OTHER_GATEWAY},
    "finalizers": [names.FINALIZER],
}
A_WHILE = 400.0


def forbid(request: Request) -> Fault | None:
    """Let nobody read MCPGateways."""
    if request.resource is not None and request.resource.plural == names.CLASS_PLURAL:
        return Fault(refuse=ApiError(403, "Forbidden", "not allowed"))
    return None


async def lose(world: World, **spec: Any) -> None:
    """Leave an object behind that is being deleted, with a finalizer and an annotation, and no record."""
    await world.create("lost", **spec)
    await world.edit("lost", metadata=LOST)
    await world.delete("lost")


@pytest.mark.parametrize("spec", [{}, {"gatewayId": OTHER_GATEWAY}], ids=["by annotation", "by id"])
async def test_a_deletion_without_a_record_waits_while_classes_cannot_be_read(spec: dict[str, Any]) -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    await platform.make("other", gateway=OTHER_GATEWAY, allow=[])
    async with world.operator():
        await world.create(**REF)
        await world.until_ready()
    await lose(world, **spec)
    world.forget_calls()
    async with world.operator(faults=forbid):
        await world.pass_time(A_WHILE)
        assert world.exists("lost")
        assert "cannot be read" in condition(await world.get("lost")).message
        assert platform.requests(OTHER_GATEWAY) == []
    async with world.operator():
        await world.until(lambda: not world.exists("lost"), within=120.0)
    assert platform.requests(OTHER_GATEWAY) == []


async def test_with_retain_it_goes_at_once() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator():
        await world.create(**REF)
        await world.until_ready()
    await lose(world, deletionPolicy="Retain")
    async with world.operator(faults=forbid):
        await world.until(lambda: not world.exists("lost"))
    assert platform.requests(OTHER_GATEWAY) == []


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("named", [GATEWAY, OTHER_GATEWAY])
async def test_a_record_of_the_go_operator_leads_nowhere_where_it_is_not_permitted(
    named: str, ends: bool
) -> None:
    """It does not say whose it is, so anybody may have restored it; only a row of AWS would prove it."""
    world = World()
    platform = Platform(world)
    await platform.make("other", gateway=OTHER_GATEWAY, allow=[])
    async with world.operator(gateway_id=OTHER_GATEWAY, follow_classes=False):
        await world.create(gatewayId=OTHER_GATEWAY)
        record = record_of(await world.until_ready())
    legacy = {name: record[name] for name in ("gatewayArn", "targetId", "targetStatus") if name in record}
    await world.set_status(legacy)
    await world.edit(spec={"gatewayId": named})
    world.forget_calls()
    if ends:
        await world.delete()
    async with world.operator():
        if ends:
            await world.until(lambda: not world.exists(), within=120.0)
        else:
            await world.pass_time(A_WHILE)
            assert condition(await world.get(), "Permitted").status == "False" or named == GATEWAY
    assert platform.requests(OTHER_GATEWAY) == []
    assert len(world.targets(OTHER_GATEWAY)) == 1


async def test_where_it_is_permitted_it_is_taken_up_as_before() -> None:
    world = World()
    platform = Platform(world)
    async with world.operator(follow_classes=False):
        await world.create()
        record = record_of(await world.until_ready())
    await platform.make()
    legacy = {name: record[name] for name in ("gatewayArn", "targetId", "targetStatus") if name in record}
    await world.set_status(legacy)
    world.forget_calls()
    async with world.operator():
        obj = await world.until_ready()
        assert obj.status.target_id == record["targetId"]
        await world.delete()
        await world.until(lambda: not world.exists())
    assert platform.writes() == ["DeleteGatewayTarget"]


async def made_by_the_go_operator(world: World, **spec: Any) -> str:
    """Make an object with a target as the Go operator leaves them; return the target's id."""
    async with world.operator(owner_marker=False, follow_classes=False):
        await world.create(**spec)
        record = record_of(await world.until_ready())
    legacy = {name: record[name] for name in ("gatewayArn", "targetId", "targetStatus") if name in record}
    await world.set_status(legacy)
    world.forget_calls()
    return str(record["targetId"])


@pytest.mark.parametrize("spec", [{}, {"gatewayId": GATEWAY}], ids=["by default", "by id"])
async def test_what_the_go_operator_made_waits_for_a_class_where_only_classes_are_used(
    spec: dict[str, Any],
) -> None:
    """No MCPGateway says no, either: its target is not forgotten, and goes once one permits it."""
    world = World()
    platform = Platform(world)
    target_id = await made_by_the_go_operator(world, **spec)
    async with world.operator(require_gateway_ref=True):
        await world.pass_time(A_WHILE)
        assert condition(await world.get(), "Permitted").status == "False"
        await world.delete()
        await world.pass_time(900.0)
        told = condition(await world.get())
        assert (told.reason, target_id in told.message) == ("Deleting", True)
        assert "deletionPolicy" in told.message
        assert platform.requests() == []
        await platform.make()
        await world.until(lambda: not world.exists(), within=120.0)
    assert platform.writes() == ["DeleteGatewayTarget"]
    assert world.targets() == []


async def test_what_the_go_operator_made_is_kept_at_aws_by_retain_where_only_classes_are_used() -> None:
    world = World()
    platform = Platform(world)
    await made_by_the_go_operator(world)
    async with world.operator(require_gateway_ref=True):
        await world.delete()
        await world.pass_time(A_WHILE)
        assert world.exists()
        await world.edit(spec={"deletionPolicy": "Retain"})
        await world.until(lambda: not world.exists())
    assert platform.requests() == []
    assert len(world.targets()) == 1


async def test_a_live_object_of_the_go_operator_is_taken_over_as_soon_as_a_class_covers_it() -> None:
    world = World()
    platform = Platform(world)
    target_id = await made_by_the_go_operator(world)
    async with world.operator(require_gateway_ref=True):
        await world.pass_time(A_WHILE)
        await platform.make()
        obj = await world.until_ready()
        assert (obj.status.target_id, obj.status.recorded_for) == (target_id, obj.metadata.uid)
    assert platform.writes() == []
