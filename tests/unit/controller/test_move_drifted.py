"""A move that left something nobody has recorded, of an object whose own target was changed outside."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway_operator.agentcore.quota import Quotas
from tests.support.classes import Platform
from tests.support.world import GATEWAY, OTHER_GATEWAY
from tests.unit.controller.moving import THIRD_GATEWAY, made, moving_world

CHANGED = {"mcp": {"mcpServer": {"endpoint": "https://changed.example.com/mcp"}}}


@pytest.mark.parametrize("why", ["reported", "frozen"])
async def test_both_are_read_and_what_was_left_goes(why: str) -> None:
    """Each of the two is read in full, in one pass: neither makes the other forgotten."""
    world = moving_world()
    platform = Platform(world)
    ref: dict[str, Any] = {"gatewayRef": {"name": "tools"}}
    if why == "frozen":
        await platform.make()
    spec = ref if why == "frozen" else {"gatewayId": GATEWAY, "driftPolicy": "Report"}
    async with world.operator(gateway_id="", drift_interval=10.0):
        obj = await made(world, **spec)
        world.aws.add_fault(operation="CreateGatewayTarget", kind="close", commit=True, count=1)
        await world.edit(spec={"gatewayRef": None, "gatewayId": OTHER_GATEWAY})
        await world.until(lambda: world.targets(OTHER_GATEWAY))
        if why == "frozen":
            await platform.edit(spec={"allow": []})
        # Nobody sees what was made until the change is known.
        code = "AccessDeniedException"
        world.aws.add_fault(operation="ListGatewayTargets", gateway=OTHER_GATEWAY, code=code, count=None)
        world.aws.edit_target(obj.status.target_id, targetConfiguration=CHANGED)
        await world.edit(spec={"gatewayId": None, **spec})
        await world.pass_time(60.0)
        world.aws.clear_faults()
        await world.pass_time(300.0)
        assert world.targets(OTHER_GATEWAY) == []
        assert not (await world.get()).status.moves
        assert world.targets(GATEWAY)[0]["targetConfiguration"] == CHANGED
    assert world.calls()["GetGatewayTarget"] <= 12


@pytest.mark.parametrize("why", ["fence", "quota"])
async def test_what_was_changed_meanwhile_is_repaired_after_a_move_back_though_not_at_once(why: str) -> None:
    """The Get that showed it was ahead of the Lists, so no List tells of it when the repair has to wait."""
    world, shut = moving_world(), False
    quotas = Quotas.parse("update=0.05" if why == "quota" else "unlimited")
    async with world.operator(fence=lambda: not shut, quotas=quotas):
        await world.create("other", gatewayId=THIRD_GATEWAY)
        obj = await made(world)
        await world.edit(spec={"gatewayId": OTHER_GATEWAY})
        await world.edit("other", spec={"description": "The only call that the quota allows for now."})
        await world.until(lambda: world.targets(OTHER_GATEWAY))
        world.aws.edit_target(obj.status.target_id, targetConfiguration=CHANGED)
        shut = why == "fence"
        await world.edit(spec={"gatewayId": GATEWAY})
        await world.pass_time(5.0)
        shut = False
        await world.pass_time(120.0)
        assert world.targets(GATEWAY)[0]["targetConfiguration"] != CHANGED
        assert world.targets(OTHER_GATEWAY) == []
    assert world.calls()["UpdateGatewayTarget"] == 2
