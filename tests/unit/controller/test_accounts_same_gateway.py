"""A gateway that is called by its ARN and is the operator's own: one gateway, however it is called."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import PatchType
from tests.support.accounts import Cloud
from tests.support.classes import ALLOW, GATEWAY, Platform, arn
from tests.support.world import World, condition, record_of

ANY: list[dict[str, Any]] = [{**ALLOW, "authTypes": ["*"]}]
HERE = arn(GATEWAY)


async def annotate(world: World, gateway: str) -> None:
    """Write the annotation that says where a target may be."""
    patch = {"metadata": {"annotations": {names.GATEWAY_ANNOTATION: gateway}}}
    await world.user.patch(MCPSERVERS, "team-a", "weather", patch, kind=PatchType.MERGE)


@pytest.mark.parametrize("spec", [{"gatewayId": GATEWAY}, {"gatewayRef": {"name": "tools"}}])
async def test_a_record_under_the_arn_of_ones_own_gateway_moves_nothing(spec: dict[str, Any]) -> None:
    """The operator now runs in the account that it reached by a role before."""
    world = World()
    await Platform(world).make("tools", gateway_arn=HERE, allow=ANY)
    async with world.operator(gateway_id=""):
        await world.create(**spec)
        target_id = (await world.until_ready()).status.target_id
    record = record_of(await world.get())
    record["gatewayId"] = HERE
    await world.set_status(record)
    await annotate(world, HERE)
    world.forget_calls()
    world.opener = Cloud(world)
    async with world.operator(gateway_id="", drift_interval=30.0):
        await world.create("other", gatewayId=GATEWAY)
        await world.until_ready("other")
        await world.pass_time(900.0)
        obj = await world.get()
        assert obj.status.target_id == target_id
        assert condition(obj).status == "True"
        assert [each for each in world.calls() if "Delete" in each or "Update" in each] == []
        assert len(world.targets()) == 2
        await world.delete()
        await world.until(lambda: not world.exists())
        assert len(world.targets()) == 1


@pytest.mark.parametrize("spec", [{"gatewayId": GATEWAY}, {"gatewayRef": {"name": "tools"}}])
async def test_an_annotation_with_the_arn_of_ones_own_gateway_doubles_nothing(spec: dict[str, Any]) -> None:
    world = World()
    await Platform(world).make("tools", gateway_arn=HERE, allow=ANY)
    async with world.operator(gateway_id=""):
        await world.create(**spec)
        target_id = (await world.until_ready()).status.target_id
    await annotate(world, HERE)
    await world.set_status({})
    world.forget_calls()
    world.opener = Cloud(world)
    async with world.operator(gateway_id="", drift_interval=30.0):
        await world.pass_time(900.0)
        obj = await world.get()
        assert [each["targetId"] for each in world.targets()] == [target_id]
        assert (obj.status.gateway_id, obj.status.target_id) == (GATEWAY, target_id)
        assert condition(obj).status == "True"


async def under_the_arn(world: World) -> str:
    """Make a target by id, and let its record say the ARN; return its id."""
    async with world.operator():
        await world.create()
        target_id = (await world.until_ready()).status.target_id
    await world.set_status({**record_of(await world.get()), "gatewayId": HERE})
    await annotate(world, HERE)
    world.forget_calls()
    return target_id


@pytest.mark.parametrize("failures", [0, 2], ids=["at once", "late"])
async def test_without_a_class_a_record_under_the_arn_is_worked_on_by_its_id(failures: int) -> None:
    """Late: AWS says after a minute whose the operator is; until then nobody knows where the gateway is."""
    world = World()
    target_id = await under_the_arn(world)
    if failures:
        world.aws.add_fault(operation="sts:GetCallerIdentity", code="InternalServerException", count=failures)
    async with world.operator(drift_interval=30.0) as operator:
        await world.pass_time(50.0)
        assert operator.observers.gateways() == (HERE if failures else GATEWAY,)
        await world.pass_time(40.0)
        obj = await world.get()
        assert (obj.status.target_id, condition(obj).status) == (target_id, "True")
        assert [each for each in world.calls() if "Gateway" in each and "Target" not in each] == []
        assert set(world.calls()) <= {"ListGatewayTargets", "sts:GetCallerIdentity", "GetGatewayTarget"}
        await world.edit(spec={"description": "new"})
        await world.until_ready()
        assert world.calls()["UpdateGatewayTarget"] == 1
        assert (await world.get()).status.gateway_id == GATEWAY
        await world.delete()
        await world.until(lambda: not world.exists())
        assert world.targets() == []
        assert world.calls()["CreateGatewayTarget"] == 0


async def test_two_objects_of_one_gateway_are_rivals_for_a_name_however_their_records_call_it() -> None:
    world = World()
    target_id = await under_the_arn(world)
    async with world.operator(drift_interval=30.0):
        await world.create("second", targetName="weather")
        obj = await world.until_reason("NameConflict", "second")
        assert "team-a/weather" in condition(obj).message
        await world.pass_time(120.0)
        assert world.calls()["CreateGatewayTarget"] == 0
        assert [each["targetId"] for each in world.targets()] == [target_id]
        await world.delete()
        await world.until_ready("second")
        assert world.calls()["CreateGatewayTarget"] == 1
