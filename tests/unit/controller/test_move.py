"""A change of spec.gatewayId: a target on the new gateway first, then the end of the old one."""

from __future__ import annotations

from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition


async def at_rest(world: World, gateway_id: str, *, within: float = 120.0) -> None:
    """Let time pass until the object is Ready on a gateway and has nothing on any other."""

    async def rests() -> bool:
        obj = await world.get()
        ready = condition(obj)
        return (
            ready.status == "True"
            and ready.observed_generation == obj.metadata.generation
            and obj.status.gateway_id == gateway_id
            and not obj.status.moves
        )

    await world.until(rests, within=within)
    obj = await world.get()
    assert [target["targetId"] for target in world.targets(gateway_id)] == [obj.status.target_id]
    (other,) = {GATEWAY, OTHER_GATEWAY} - {gateway_id}
    assert world.targets(other) == []


async def test_a_move_costs_one_create_one_delete_and_three_status_writes() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.pass_time(5)
        world.forget_calls()
        await world.edit(spec={"gatewayId": OTHER_GATEWAY})
        await at_rest(world, OTHER_GATEWAY)
        calls = world.calls()
        assert calls["CreateGatewayTarget"] == calls["DeleteGatewayTarget"] == 1
        assert calls["UpdateGatewayTarget"] == 0
        assert world.writes() == ["patch status", "patch", "patch status", "patch status"]
