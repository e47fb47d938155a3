"""The annotation that notes a gateway is anybody's to write: what AWS's pattern refuses holds no target."""

from __future__ import annotations

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from tests.support.world import GATEWAY, World

IMPOSSIBLE = {
    "a name": "Tools",
    "an ARN": f"arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/{GATEWAY}",
    "a path": f"../{GATEWAY}",
    "two lines": f"{GATEWAY}\n{GATEWAY}",
    "200 KiB": "x" * 200_000,
    "many dashes": "a-" * 50_000 + "-abcdefghij",
}


@pytest.mark.parametrize("value", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_an_impossible_gateway_in_the_annotation_holds_up_neither_creation_nor_deletion(
    value: str,
) -> None:
    world = World()
    await world.create()
    await world.edit(metadata={"annotations": {names.GATEWAY_ANNOTATION: value}})
    async with world.operator() as operator:
        obj = await world.until_ready()
        assert obj.metadata.annotations[names.GATEWAY_ANNOTATION] == GATEWAY
        assert operator.observers.gateways() == (GATEWAY,)

        await world.edit(metadata={"annotations": {names.GATEWAY_ANNOTATION: value}})
        await world.delete()
        await world.until(lambda: not world.exists(), within=10.0)
    assert world.targets() == []


@pytest.mark.parametrize("value", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_an_impossible_gateway_in_the_spec_is_never_asked_for(value: str) -> None:
    world = World()
    await world.create(gatewayId=value)
    async with world.operator() as operator:
        await world.until_reason(Reason.VALIDATION_ERROR)
        assert operator.observers.gateways() in [(), (GATEWAY,)]

        await world.delete()
        await world.until(lambda: not world.exists(), within=10.0)
