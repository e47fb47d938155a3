"""A Create that AWS has not answered clearly, and then another gateway is named: nobody asks there.

Where the Create may have gone is looked at, wherever that is by now, and nowhere else.
"""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway_operator.api import names
from tests.support.classes import ALLOW, GATEWAY, OTHER_GATEWAY, Platform
from tests.support.world import condition
from tests.unit.controller.moving import moving_world

TOOLS: dict[str, Any] = {"gatewayRef": {"name": "tools"}, "gatewayId": None}
TEAM_B = {**ALLOW, "namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "team-b"}}}
NOTED = {"annotations": {names.GATEWAY_ANNOTATION: OTHER_GATEWAY}}
WAYS: dict[str, dict[str, Any]] = {
    "by reference": {"spec": {"gatewayRef": {"name": "closed"}}},
    "by id": {"spec": {"gatewayRef": None, "gatewayId": OTHER_GATEWAY}},
    "by annotation": {"metadata": NOTED},
    "by reference and annotation": {"spec": {"gatewayRef": {"name": "closed"}}, "metadata": NOTED},
}


@pytest.mark.parametrize("ends", [False, True], ids=["it stays", "it is deleted"])
@pytest.mark.parametrize("committed", [False, True], ids=["nothing made", "made"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_create_without_an_answer_opens_no_other_gateway(
    way: str, committed: bool, ends: bool
) -> None:
    world = moving_world()
    platform = Platform(world)
    await platform.make()
    await platform.make("closed", gateway=OTHER_GATEWAY, allow=[TEAM_B])
    world.aws.add_fault(operation="CreateGatewayTarget", kind="close", commit=committed, count=1)
    async with world.operator(gateway_id=""):
        await world.create(**TOOLS)
        await world.until_reason("Creating", within=10.0)
        await world.edit(**WAYS[way])
        await world.pass_time(200.0)
        assert platform.requests(OTHER_GATEWAY) == []
        if ends:
            await world.delete()
            await world.until(lambda: not world.exists(), within=300.0)
        else:
            await world.edit(spec=TOOLS)
            await world.until_ready()
            assert condition(await world.get(), "Permitted").status == "True"
    assert platform.requests(OTHER_GATEWAY) == []
    assert len(world.targets(GATEWAY)) == (0 if ends else 1)
    # Made once; and what a Create without an answer had made is found.
    assert platform.requests(GATEWAY).count("CreateGatewayTarget") == (
        1 if committed or (ends and way != "by annotation") else 2
    )
