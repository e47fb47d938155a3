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
    async with world.operator(gateway_id="", drift_interval=30.0) as operator:
        Cloud(world).join(operator)
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
    async with world.operator(gateway_id="", drift_interval=30.0) as operator:
        Cloud(world).join(operator)
        await world.pass_time(900.0)
        obj = await world.get()
        assert [each["targetId"] for each in world.targets()] == [target_id]
        assert (obj.status.gateway_id, obj.status.target_id) == (GATEWAY, target_id)
        assert condition(obj).status == "True"
