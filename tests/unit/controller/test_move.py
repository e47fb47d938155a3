"""A change of spec.gatewayId: a target on the new gateway first, then the end of the old one."""

from __future__ import annotations

import pytest

from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.api import names
from mcp_gateway_operator.targets.shape import without_marker
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition
from tests.unit.controller.moving import (
    THIRD_GATEWAY,
    asked,
    assert_quiet,
    at_rest,
    made,
    move,
    moving_world,
    status_writes,
    until_made,
)


async def test_a_move_costs_one_create_one_delete_and_three_status_writes() -> None:
    world = moving_world()
    async with world.operator():
        await made(world)
        await move(world)
        await at_rest(world, OTHER_GATEWAY)
        assert asked(world, OTHER_GATEWAY) == {"CreateGatewayTarget": 1}
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}
        assert world.calls()["GetGatewayTarget"] <= 1
        assert world.writes() == ["patch status", "patch", "patch status", "patch status"]
        await assert_quiet(world)


async def test_the_old_target_serves_until_the_new_one_is_ready() -> None:
    """Four status writes when AWS takes its time, and each says where things stand."""
    world = moving_world(creating=8.0, deleting=8.0)
    async with world.operator():
        old = await made(world)
        await move(world)
        await world.until(lambda: world.targets(OTHER_GATEWAY))
        begun = await world.get()
        assert begun.status.target_id == old.status.target_id
        assert [(entry.gateway_id, entry.target_id) for entry in begun.status.moves] == [(OTHER_GATEWAY, "")]
        ready = condition(begun)
        assert (ready.status, ready.reason) == ("False", "Moving")
        assert old.status.target_id in ready.message
        assert begun.metadata.annotations[names.GATEWAY_ANNOTATION] == OTHER_GATEWAY

        await until_made(world)
        half = await world.get()
        assert half.status.target_status == "CREATING"
        assert [(entry.gateway_id, entry.target_id) for entry in half.status.moves] == [
            (GATEWAY, old.status.target_id)
        ]
        assert condition(half).reason == "Moving"
        assert [target["status"] for target in world.targets(GATEWAY)] == ["READY"]

        done = await world.until_ready()
        assert done.status.target_id != old.status.target_id
        assert f"What it had on gateway {GATEWAY} is being removed." in condition(done).message
        assert condition(done, "Reconciling").reason == "Moving"
        await at_rest(world, OTHER_GATEWAY)
        assert status_writes(world) == 4
        await assert_quiet(world)


async def test_moving_there_and_back_ends_as_it_began() -> None:
    world = moving_world()
    async with world.operator():
        await made(world)
        await move(world)
        await at_rest(world, OTHER_GATEWAY)
        await move(world, GATEWAY)
        await at_rest(world, GATEWAY)
        await assert_quiet(world)


async def test_back_before_the_create_was_sent_changes_nothing_at_aws() -> None:
    world = moving_world()
    async with world.operator():
        old = await made(world)
        world.aws.add_fault(operation="CreateGatewayTarget", code="ThrottlingException", count=None)
        await move(world)
        await world.until(lambda: asked(world, OTHER_GATEWAY))
        await move(world, GATEWAY)
        obj = await at_rest(world, GATEWAY)
        assert obj.status.target_id == old.status.target_id
        assert not asked(world, GATEWAY)
        world.aws.clear_faults()
        await assert_quiet(world)
        assert world.targets(OTHER_GATEWAY) == []


async def test_back_while_the_new_one_is_made_keeps_the_old_one() -> None:
    """The entries change places: the half-made target goes, and nothing is sent to the old one."""
    world = moving_world(creating=20.0)
    async with world.operator():
        old = await made(world)
        await move(world)
        await until_made(world)
        await move(world, GATEWAY)
        obj = await at_rest(world, GATEWAY)
        assert obj.status.target_id == old.status.target_id
        assert not asked(world, GATEWAY)
        assert asked(world, OTHER_GATEWAY)["CreateGatewayTarget"] == 1
        await assert_quiet(world)


async def test_back_after_an_edit_brings_the_old_target_up_to_date() -> None:
    world = moving_world(creating=20.0)
    async with world.operator():
        old = await made(world)
        await move(world, description="forecasts")
        await until_made(world)
        await move(world, GATEWAY)
        obj = await at_rest(world, GATEWAY)
        assert obj.status.target_id == old.status.target_id
        assert asked(world, GATEWAY) == {"UpdateGatewayTarget": 1}
        assert without_marker(world.targets(GATEWAY)[0]["description"]) == "forecasts"


async def test_no_gateway_named_any_more_means_where_the_target_is() -> None:
    world = moving_world()
    async with world.operator():
        await made(world)
        await move(world)
        await at_rest(world, OTHER_GATEWAY)
        world.forget_calls()
        await move(world, None)
        await world.until_ready()
        await assert_quiet(world)
        assert (await world.get()).status.gateway_id == OTHER_GATEWAY


async def test_no_gateway_named_any_more_in_the_middle_ends_where_the_record_is() -> None:
    world = moving_world(creating=20.0)
    async with world.operator():
        await made(world)
        await move(world)
        await until_made(world)
        await move(world, None)
        await at_rest(world, OTHER_GATEWAY)
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}


async def test_a_third_gateway_in_the_middle_cleans_up_both_others() -> None:
    world = moving_world(creating=10.0, deleting=4.0)
    async with world.operator():
        await made(world)
        await move(world)
        await until_made(world)
        await move(world, THIRD_GATEWAY)
        await until_made(world, THIRD_GATEWAY)
        assert len((await world.get()).status.moves) == 2
        await at_rest(world, THIRD_GATEWAY)
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}
        assert asked(world, OTHER_GATEWAY) == {"CreateGatewayTarget": 1, "DeleteGatewayTarget": 1}
        assert asked(world, THIRD_GATEWAY) == {"CreateGatewayTarget": 1}
        await assert_quiet(world)


async def test_a_third_gateway_before_the_first_create_sends_one_create() -> None:
    world = moving_world()
    async with world.operator():
        await made(world)
        world.aws.add_fault(
            operation="CreateGatewayTarget", gateway=OTHER_GATEWAY, code="ThrottlingException", count=None
        )
        await move(world)
        await world.until(lambda: asked(world, OTHER_GATEWAY))
        await move(world, THIRD_GATEWAY)
        await at_rest(world, THIRD_GATEWAY)
        assert asked(world, THIRD_GATEWAY) == {"CreateGatewayTarget": 1}


async def test_edits_during_the_move_go_to_the_new_target_alone() -> None:
    world = moving_world(creating=10.0)
    async with world.operator():
        await made(world)
        await move(world)
        await until_made(world)
        await world.edit(spec={"description": "forecasts"})
        await at_rest(world, OTHER_GATEWAY)
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}
        assert asked(world, OTHER_GATEWAY) == {"CreateGatewayTarget": 1, "UpdateGatewayTarget": 1}
        assert without_marker(world.targets(OTHER_GATEWAY)[0]["description"]) == "forecasts"


async def test_a_move_with_a_new_name_and_other_fields_is_one_create() -> None:
    world = moving_world()
    async with world.operator():
        await made(world)
        await move(world, targetName="forecast", description="forecasts")
        await at_rest(world, OTHER_GATEWAY)
        assert asked(world, OTHER_GATEWAY) == {"CreateGatewayTarget": 1}
        assert [target["name"] for target in world.targets(OTHER_GATEWAY)] == ["forecast"]
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}


async def test_drift_of_the_old_target_is_not_repaired_any_more() -> None:
    world = moving_world(creating=40.0)
    async with world.operator(drift_interval=10.0):
        old = await made(world)
        await move(world)
        await until_made(world)
        config = {"mcp": {"mcpServer": {"endpoint": "https://evil.example.com/mcp"}}}
        world.aws.edit_target(old.status.target_id, targetConfiguration=config)
        await at_rest(world, OTHER_GATEWAY)
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}


async def test_an_old_target_that_is_gone_already_is_not_missed() -> None:
    world = moving_world(creating=20.0)
    async with world.operator(drift_interval=10.0):
        old = await made(world)
        await move(world)
        await until_made(world)
        world.aws.delete_target(old.status.target_id)
        await at_rest(world, OTHER_GATEWAY, within=180)
        assert asked(world, GATEWAY)["DeleteGatewayTarget"] <= 1
        assert not asked(world, GATEWAY)["CreateGatewayTarget"]


@pytest.mark.parametrize("after", [0.03, 3.0, 12.0])
async def test_a_pause_stops_the_move_where_it_is(after: float) -> None:
    world = moving_world(creating=5.0, deleting=20.0)
    async with world.operator():
        await made(world)
        await move(world)
        await world.pass_time(after)
        await world.edit(metadata={"annotations": {names.PAUSED_ANNOTATION: "true"}})
        await world.pass_time(1)
        sent = asked(world, GATEWAY), asked(world, OTHER_GATEWAY)
        await world.pass_time(100)
        assert condition(await world.get(), "Paused").status == "True"
        assert sent == (asked(world, GATEWAY), asked(world, OTHER_GATEWAY))
        await world.edit(metadata={"annotations": {names.PAUSED_ANNOTATION: None}})
        await at_rest(world, OTHER_GATEWAY)
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}
        assert asked(world, OTHER_GATEWAY) == {"CreateGatewayTarget": 1}


async def test_without_markers_the_record_alone_moves() -> None:
    world = moving_world(creating=5.0)
    async with world.operator(owner_marker=False):
        old = await made(world)
        await move(world)
        await until_made(world)
        await move(world, GATEWAY)
        obj = await at_rest(world, GATEWAY, within=200)
        assert obj.status.target_id == old.status.target_id
        await move(world)
        await at_rest(world, OTHER_GATEWAY, within=200)


async def test_a_changed_default_gateway_moves_nothing_and_a_named_one_does() -> None:
    world = moving_world()
    async with world.operator():
        await made(world)
    async with world.operator(gateway_id=OTHER_GATEWAY):
        await assert_quiet(world)
        await move(world)
        await at_rest(world, OTHER_GATEWAY)


async def test_two_objects_with_one_name_on_two_gateways_do_not_meet() -> None:
    """The one that moves finds its name taken, and moves when the other gives it away."""
    world: World = moving_world()
    async with world.operator(drift_interval=10.0):
        await world.create("other", targetName="weather", gatewayId=OTHER_GATEWAY)
        await made(world)
        await move(world)
        obj = await world.until_reason("NameConflict")
        assert "stays as it is" in condition(obj).message
        assert not obj.status.moves
        await world.edit("other", spec={"targetName": "forecast"})
        await world.until_ready("other")
        await world.until_ready()
        assert sorted(target["name"] for target in world.targets(OTHER_GATEWAY)) == ["forecast", "weather"]
        await world.until(lambda: not world.targets(GATEWAY))


async def test_observing_half_way_leaves_both_until_it_is_managed_again() -> None:
    world = moving_world(creating=5.0)
    async with world.operator(drift_interval=10.0):
        await made(world)
        await move(world)
        await until_made(world)
        await world.edit(spec={"managementPolicy": "Observe"})
        await world.pass_time(60)
        assert not asked(world, GATEWAY)
        assert len(world.targets(GATEWAY)) == len(world.targets(OTHER_GATEWAY)) == 1
        assert [entry.gateway_id for entry in (await world.get()).status.moves] == [GATEWAY]
        await world.edit(spec={"managementPolicy": None})
        await at_rest(world, OTHER_GATEWAY)
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}


async def test_fifty_objects_move_at_aws_pace_without_a_doubled_call() -> None:
    """Within the quotas of AWS: fifty Creates and fifty Deletes at five a second each."""
    world = moving_world()
    names_of_all = [f"server-{number}" for number in range(50)]
    async with world.operator(quotas=Quotas()):
        for name in names_of_all:
            await world.create(name)
        for name in names_of_all:
            await world.until_ready(name, within=120)
        await world.pass_time(10)
        world.forget_calls()
        for name in names_of_all:
            await world.edit(name, spec={"gatewayId": OTHER_GATEWAY})
        await world.until(lambda: not world.targets(GATEWAY), within=180)
        for name in names_of_all:
            await world.until_ready(name)
        await world.pass_time(30)
        assert asked(world, OTHER_GATEWAY) == {"CreateGatewayTarget": 50}
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 50}
        assert status_writes(world) <= 4 * 50
        await assert_quiet(world)
