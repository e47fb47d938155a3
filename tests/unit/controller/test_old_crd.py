"""An older CRD prunes the newer status fields: the operator works in its terms, and is as quiet."""

from __future__ import annotations

import json

from mcp_gateway_operator.controller.tell.served_fields import PATH
from tests.support.world import World, record_of

OLD_FIELDS = (
    "observedGeneration",
    "targetId",
    "gatewayArn",
    "targetStatus",
    "statusReasons",
    "lastSynchronized",
    "conditions",
)


def old_world() -> World:
    """Return a world whose API server serves the status of the Go operator's CRD."""
    world = World()
    status: dict[str, object] = {"properties": {name: {} for name in OLD_FIELDS}}
    kind = {"properties": {"status": status}}
    schemas = {"aws.bedrock.mcpgateway.v1alpha1.MCPServer": kind}
    world.api.paths[PATH] = json.dumps({"components": {"schemas": schemas}}).encode()
    return world


async def test_writes_only_what_the_old_crd_keeps() -> None:
    world = old_world()
    async with world.operator():
        await world.create()
        obj = await world.until_ready()
        assert set(record_of(obj)) <= set(OLD_FIELDS)
        assert obj.status.target_id == world.targets()[0]["targetId"]
        assert world.writes() == ["patch", "patch status"]


async def test_a_restart_writes_nothing_and_deletion_finds_the_target() -> None:
    world = old_world()
    async with world.operator():
        await world.create()
        await world.until_ready()
    world.forget_calls()
    async with world.operator():
        await world.pass_time(200)
        assert world.writes() == []
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}
        await world.delete()
        await world.until(lambda: not world.exists(), within=30)
        assert world.targets() == []
