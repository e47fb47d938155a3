"""MCPGateways that are removed by force, or made again as others: nothing is re-aimed, nothing is lost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import PatchType
from mcp_gateway_operator.targets import actions as act
from tests.support.classes import GATEWAY, OTHER_GATEWAY, Platform, arn
from tests.support.memory_cluster import Fault, Request
from tests.support.world import World, condition
from tests.unit.controller.moving import THIRD_GATEWAY, moving_world

REF: dict[str, Any] = {"gatewayRef": {"name": "tools"}}
TO_OTHER: dict[str, Any] = {"gatewayRef": {"name": "other"}}
A_WHILE = 90.0


async def frozen(world: World, reason: str, *, within: float = 60.0) -> MCPServer:
    """Let the object be frozen for a reason, and return it."""

    async def says() -> bool:
        found = condition(await world.get(), "Permitted")
        return (found.status, found.reason) == ("False", reason)

    await world.until(says, within=within)
    return await world.get()


async def permitted(world: World) -> bool:
    """Whether the object is permitted."""
    return condition(await world.get(), "Permitted").status == "True"


async def rests_on(world: World, gateway_id: str) -> bool:
    """Whether the object is on a gateway and nowhere else."""
    obj = await world.get()
    return obj.status.gateway_id == gateway_id and not obj.status.moves


async def two_gateways(world: World) -> Platform:
    """Make an MCPGateway for each of two gateways, and an object on the first."""
    platform = Platform(world)
    await platform.make()
    await platform.make("other", gateway=OTHER_GATEWAY)
    return platform


async def test_a_move_that_is_over_is_not_aimed_anew_by_a_class_made_again() -> None:
    """Also where the end of the move was recorded while nothing was permitted any more."""
    world = moving_world()
    platform = await two_gateways(world)
    async with world.operator():
        await world.create(**REF)
        await world.until_ready()
        await world.edit(spec=TO_OTHER)
        await world.until(lambda: len(world.targets(OTHER_GATEWAY)) == 1)
        await platform.edit("other", spec={"allow": []})
        await world.until(lambda: rests_on(world, OTHER_GATEWAY))
        placed = (await world.get()).status.placed_by
        assert placed is not None
        assert placed.class_ == "other"
        await world.pass_time(A_WHILE)
        world.forget_calls()
        await platform.force("other")
        await platform.make("other", gateway=THIRD_GATEWAY)
        await frozen(world, "WrongAccountOrRegion")
        await world.pass_time(A_WHILE)
        assert platform.requests(THIRD_GATEWAY) == []
        await platform.force("other")
        await platform.make("other", gateway=OTHER_GATEWAY)
        await world.until(lambda: permitted(world))
        await world.pass_time(A_WHILE)
    assert platform.writes() == []


@pytest.mark.parametrize("again", ["elsewhere", "not at all", "not understood"])
async def test_a_move_in_progress_freezes_where_it_is_and_goes_on_there(again: str) -> None:
    """Neither target is deleted, and none is made on the gateway of the new one, until the user says so."""
    world = moving_world(creating=20.0)
    platform = await two_gateways(world)
    async with world.operator():
        await world.create(**REF)
        await world.until_ready()
        world.forget_calls()
        await world.edit(spec=TO_OTHER)
        await world.until(lambda: entered(world))
        await platform.force("other")
        if again != "not at all":
            gateway = THIRD_GATEWAY if again == "elsewhere" else OTHER_GATEWAY
            more: dict[str, Any] = {} if again == "elsewhere" else {"deny": ["x"]}
            await platform.make("other", gateway=gateway, **more)
        await frozen(world, "WrongAccountOrRegion" if again == "elsewhere" else "NotPermitted")
        sent = platform.writes()
        assert sent in ([], ["CreateGatewayTarget"])
        await world.pass_time(A_WHILE)
        # What our own Create made is recorded, and what the move leaves goes once that is READY.
        assert set(platform.writes()) - {"CreateGatewayTarget"} <= {"DeleteGatewayTarget"}
        assert platform.requests(THIRD_GATEWAY) == []
        obj = await world.get()
        assert [world.targets(each) for each in (GATEWAY, OTHER_GATEWAY)].count([]) <= 1
        assert obj.status.gateway_id in {GATEWAY, OTHER_GATEWAY}
        if platform.exists("other"):
            await platform.force("other")
        await platform.make("other", gateway=OTHER_GATEWAY)
        await world.until(lambda: rests_on(world, OTHER_GATEWAY), within=200.0)
        await world.until(lambda: permitted(world))
    assert platform.writes() == ["CreateGatewayTarget", "DeleteGatewayTarget"]


async def entered(world: World) -> bool:
    """Whether a move has begun."""
    return bool((await world.get()).status.moves)


async def test_a_move_whose_class_is_gone_before_its_create_leaves_both_gateways_alone() -> None:
    world = moving_world()
    platform = await two_gateways(world)
    async with world.operator() as operator:
        await world.create(**REF)
        await world.until_ready()
        world.forget_calls()

        def away(_state: Any, decision: Any) -> None:
            if isinstance(decision, act.Move):
                world.api.store.patch(
                    MCPGATEWAYS, None, "other", {"spec": {"deny": ["x"]}}, kind=PatchType.MERGE
                )

        operator.hooks.on_decision = away
        await world.edit(spec=TO_OTHER)
        await frozen(world, "NotPermitted")
        await world.pass_time(A_WHILE)
        assert platform.writes() == []
        assert await entered(world)
        await platform.edit("other", spec={"deny": None})
        await world.until(lambda: rests_on(world, OTHER_GATEWAY), within=200.0)
    assert platform.writes() == ["CreateGatewayTarget", "DeleteGatewayTarget"]


async def test_an_edit_back_to_where_it_is_not_permitted_any_more_moves_nothing() -> None:
    """The target that the move left behind is there still, and is not gone back to."""
    world = moving_world(deleting=60.0)
    platform = await two_gateways(world)
    async with world.operator() as operator:
        await world.create(**REF)
        await world.until_ready()
        await platform.edit(spec={"allow": []})
        await world.edit(spec=TO_OTHER)
        done = False

        def back(state: Any, _decision: Any) -> None:
            nonlocal done
            if not done and state.record.place.gateway_id == OTHER_GATEWAY and state.moves:
                done = True
                world.api.store.patch(MCPSERVERS, "team-a", "weather", {"spec": REF}, kind=PatchType.MERGE)

        operator.hooks.on_decision = back
        await world.until(lambda: done)
        await frozen(world, "NotPermitted")
        await world.pass_time(A_WHILE)
        obj = await world.get()
    assert obj.status.gateway_id == OTHER_GATEWAY
    assert platform.writes() == ["CreateGatewayTarget", "CreateGatewayTarget"]


RETAIN: dict[str, Any] = {"defaults": {"deletionPolicy": "Retain"}}


@pytest.mark.parametrize(
    "policy", [{"allow": []}, {"deny": ["x"]}, {}], ids=["refused", "not understood", "permitted"]
)
@pytest.mark.parametrize("spec", [{}, {"gatewayId": GATEWAY}], ids=["by default", "by id"])
@pytest.mark.parametrize("edited", [False, True])
async def test_a_default_that_keeps_targets_is_not_lost_with_its_class(
    policy: dict[str, Any], spec: dict[str, Any], edited: bool
) -> None:
    """The object is older than the MCPGateway, which is removed by force before the object is deleted."""
    world = World()
    platform = Platform(world)
    async with world.operator():
        await world.create(**spec)
        await world.until_ready()
        await platform.make(**RETAIN, **policy)
        await world.pass_time(A_WHILE)
        await platform.force()
        await world.pass_time(5.0)
        if edited:
            await world.edit(spec={"description": "x"})
            await world.pass_time(A_WHILE)
        await world.delete()
        await world.pass_time(A_WHILE)
        assert world.exists()
        assert "DeleteGatewayTarget" not in platform.writes()
        # Whoever deletes can say what is meant.
        await world.edit(spec={"deletionPolicy": "Retain"})
        await world.until(lambda: not world.exists())
    assert len(world.targets()) == 1


async def test_each_side_of_a_move_has_the_default_of_its_own_class() -> None:
    world = moving_world(creating=30.0)
    platform = Platform(world)
    await platform.make()
    await platform.make("other", gateway=OTHER_GATEWAY, **RETAIN)
    async with world.operator():
        await world.create(**REF)
        await world.until_ready(within=100.0)
        await world.edit(spec=TO_OTHER)
        await world.until(lambda: len(world.targets(OTHER_GATEWAY)) == 1)
        await world.edit(spec=REF)
        await world.delete()
        await world.until(lambda: not world.exists(), within=400.0)
    assert len(world.targets(GATEWAY)) + len(world.targets(OTHER_GATEWAY)) == 1
    assert len(world.targets(OTHER_GATEWAY)) == 1


LOST: dict[str, Any] = {
    "annotations": {names.GATEWAY_ANNOTATION: OTHER_GATEWAY},
    "finalizers": [names.FINALIZER],
}


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize(
    "spec", [{}, {"gatewayId": OTHER_GATEWAY}, TO_OTHER], ids=["by annotation", "by id", "by reference"]
)
async def test_a_deletion_lists_no_gateway_that_it_may_not_use(spec: dict[str, Any], tracked: bool) -> None:
    """A finalizer and an annotation are anybody's to write. What others are listed for is not read for it."""
    world = World()
    platform = Platform(world)
    await platform.make("other", gateway=OTHER_GATEWAY)
    async with world.operator(gateway_id=OTHER_GATEWAY if tracked else GATEWAY) as operator:
        if tracked:
            await world.create("theirs", targetName="theirs", **TO_OTHER)
            await world.until_ready("theirs")
        await world.create(namespace="team-b", **spec)
        await world.edit(namespace="team-b", metadata=LOST)
        await world.delete(namespace="team-b")
        await world.until(lambda: not world.exists(namespace="team-b"), within=200.0)
        users = operator.reconciler.payer(OTHER_GATEWAY)
        await world.pass_time(A_WHILE)
    assert users == ("team-a" if tracked else "")
    if not tracked:
        assert platform.requests(OTHER_GATEWAY) == []
    assert "GetGatewayTarget" not in platform.requests(OTHER_GATEWAY)
    assert len(world.targets(OTHER_GATEWAY)) == int(tracked)


async def test_a_deletion_of_an_own_create_that_was_lost_finds_it_although_nothing_is_permitted() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    died = False

    def die(request: Request) -> Fault | None:
        nonlocal died
        died = died or (request.subresource == "status" and bool(world.targets()))
        return Fault(hang=True) if died and request.mutates else None

    async with world.operator(faults=die):
        await world.create(**REF)
        await world.until(lambda: died)
        await world.pass_time(5.0)
    await platform.edit(spec={"allow": []})
    await world.delete()
    async with world.operator():
        await world.until(lambda: not world.exists(), within=300.0)
    assert world.targets() == []


async def test_a_class_made_again_while_the_status_of_another_is_written_ends_nothing() -> None:
    world = moving_world()
    platform = await two_gateways(world)
    store, remade = world.api.store, False

    def remake() -> None:
        nonlocal remade
        remade = True
        store.patch(MCPGATEWAYS, None, "tools", {"metadata": {"finalizers": None}}, kind=PatchType.MERGE)
        body = msgspec.json.decode(store.get(MCPGATEWAYS, None, "tools"))
        store.delete(MCPGATEWAYS, None, "tools")
        spec = {**body["spec"], "gatewayArn": arn(THIRD_GATEWAY)}
        meta = {"metadata": {"name": "tools"}, "spec": spec}
        store.create(MCPGATEWAYS, None, {**body, **meta, "status": {}})

    def faults(request: Request) -> Fault | None:
        ours = request.resource == MCPGATEWAYS and request.verb == "patch" and request.name == "other"
        return Fault(before=remake, delay=1.0) if ours and not remade else None

    async with world.operator(faults=faults):
        await world.until(lambda: remade)
        await world.pass_time(A_WHILE)
        found = (await platform.get()).condition("Accepted")
        assert found is not None
        assert found.status == "True"
        await world.create(**REF)
        assert (await world.until_ready()).status.gateway_id == THIRD_GATEWAY
