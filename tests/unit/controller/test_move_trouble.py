"""Moves that meet trouble on either gateway: the old target serves on, and status says why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.served_schema import PATH
from mcp_gateway_operator.targets.shape import marker_of
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition, record_of
from tests.unit.controller.moving import (
    asked,
    assert_quiet,
    at_rest,
    events,
    made,
    move,
    moving_world,
    status_writes,
    until_made,
)
from tests.unit.controller.test_old_crd import OLD_FIELDS

DRIFT = 10.0
NOWHERE = "nowhere-abcdefghij"


def deny(world: World, operation: str, gateway_id: str) -> None:
    """Let AWS refuse one operation on one gateway."""
    world.aws.add_fault(
        operation=operation,
        gateway=gateway_id,
        code="AccessDeniedException",
        message="Not allowed",
        count=None,
    )


def fill(world: World, gateway_id: str) -> None:
    """Let a gateway hold as many targets as it may."""
    config = {"mcp": {"mcpServer": {"endpoint": "https://full.example.com/mcp"}}}
    for number in range(100):
        world.aws.create_target(gateway_id, name=f"full-{number}", targetConfiguration=config)


def take_the_name(world: World, gateway_id: str) -> str:
    """Let a human have a target of the object's name, and return its id."""
    config = {"mcp": {"mcpServer": {"endpoint": "https://human.example.com/mcp"}}}
    target = world.aws.create_target(gateway_id, name="weather", targetConfiguration=config)
    return str(target["targetId"])


# -- the new gateway --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "reason", "creates"),
    [
        (lambda _: None, "GatewayNotFound", 0),
        (lambda world: deny(world, "ListGatewayTargets", OTHER_GATEWAY), "AccessDenied", 0),
        (lambda world: deny(world, "CreateGatewayTarget", OTHER_GATEWAY), "AccessDenied", 1),
        (lambda world: fill(world, OTHER_GATEWAY), "GatewayFull", 1),
        (lambda world: take_the_name(world, OTHER_GATEWAY), "NameConflict", 0),
    ],
    ids=["does not exist", "denies List", "denies Create", "is full", "has the name taken"],
)
async def test_a_new_gateway_that_takes_no_target(trouble: Any, reason: str, creates: int) -> None:
    """The old target serves on untouched; setting the gateway back costs nothing at AWS."""
    world = moving_world()
    trouble(world)
    wanted = NOWHERE if reason == "GatewayNotFound" else OTHER_GATEWAY
    async with world.operator(drift_interval=DRIFT):
        old = await made(world)
        await move(world, wanted)
        obj = await world.until_reason(reason)
        told = condition(obj)
        assert f"Moving from gateway {GATEWAY} to {wanted}" in told.message
        assert "stays as it is" in told.message
        assert condition(obj, "Stalled").status == "True"
        assert obj.status.gateway_id == GATEWAY
        await world.pass_time(50)
        assert asked(world, wanted)["CreateGatewayTarget"] == creates
        assert [target["status"] for target in world.targets(GATEWAY)] == ["READY"]
        writes = len(world.writes())
        await world.pass_time(100)
        assert len(world.writes()) == writes, "it has been said already"

        await move(world, GATEWAY)
        await world.until_ready()
        obj = await world.get()
        assert obj.status.target_id == old.status.target_id
        assert not asked(world, GATEWAY)
        await assert_quiet(world)
        assert not (await world.get()).status.moves


async def test_a_name_that_is_given_away_lets_the_move_go_on() -> None:
    world = moving_world()
    human = take_the_name(world, OTHER_GATEWAY)
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world)
        await world.until_reason("NameConflict")
        world.aws.delete_target(human)
        await at_rest(world, OTHER_GATEWAY)


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("kind", ["close", "hang", "error"])
async def test_a_create_without_an_answer_makes_one_target(kind: str, commit: bool) -> None:
    world = moving_world()
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        world.aws.add_fault(operation="CreateGatewayTarget", kind=kind, commit=commit)
        await move(world)
        await at_rest(world, OTHER_GATEWAY, within=240)
        assert asked(world, OTHER_GATEWAY)["CreateGatewayTarget"] == 2 - commit
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}
        await assert_quiet(world)


async def test_a_create_without_an_answer_and_the_way_back_leave_nothing() -> None:
    """The lost Create comes to light on the gateway that nobody wants any more."""
    world = moving_world()
    async with world.operator(drift_interval=DRIFT):
        old = await made(world)
        world.aws.add_fault(operation="CreateGatewayTarget", kind="close", commit=True)
        await move(world)
        await world.until(lambda: world.targets(OTHER_GATEWAY))
        await move(world, GATEWAY)
        obj = await at_rest(world, GATEWAY, within=240)
        assert obj.status.target_id == old.status.target_id
        assert asked(world, OTHER_GATEWAY) == {"CreateGatewayTarget": 1, "DeleteGatewayTarget": 1}
        assert not asked(world, GATEWAY)
        await assert_quiet(world)


async def test_a_new_target_that_fails_and_heals_ends_the_move() -> None:
    world = moving_world()
    async with world.operator(drift_interval=DRIFT):
        old = await made(world)
        world.aws.add_scenario(
            name="weather", outcome="failed", reasons=["Unable to connect."], recover_after=2
        )
        await move(world)
        failed = await world.until_reason("TargetFailed")
        assert f"What it has on gateway {GATEWAY} stays until" in condition(failed).message
        assert [entry.target_id for entry in failed.status.moves] == [old.status.target_id]
        assert [target["status"] for target in world.targets(GATEWAY)] == ["READY"]
        assert not asked(world, GATEWAY)
        await at_rest(world, OTHER_GATEWAY, within=900)
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}


async def test_a_new_target_that_fails_and_the_way_back() -> None:
    world = moving_world()
    async with world.operator(drift_interval=DRIFT):
        old = await made(world)
        world.aws.add_scenario(name="weather", outcome="failed", reasons=["Unable to connect."])
        await move(world)
        await world.until_reason("TargetFailed")
        await move(world, GATEWAY)
        obj = await at_rest(world, GATEWAY)
        assert obj.status.target_id == old.status.target_id
        assert not asked(world, GATEWAY)
        assert asked(world, OTHER_GATEWAY)["DeleteGatewayTarget"] == 1


async def test_the_way_back_to_a_target_that_is_being_deleted_already_makes_another() -> None:
    """Too late to be taken back: the new one serves until the old gateway has another."""
    world = moving_world(deleting=20.0)
    async with world.operator(drift_interval=DRIFT):
        old = await made(world)
        await move(world)
        await world.until(lambda: asked(world, GATEWAY)["DeleteGatewayTarget"])
        await move(world, GATEWAY)
        waiting = await world.until_reason("Moving")
        assert old.status.target_id in condition(waiting).message
        obj = await at_rest(world, GATEWAY, within=240)
        assert obj.status.target_id != old.status.target_id
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1, "CreateGatewayTarget": 1}
        assert asked(world, OTHER_GATEWAY) == {"DeleteGatewayTarget": 1, "CreateGatewayTarget": 1}


# -- the old gateway --------------------------------------------------------------------------------------


async def test_a_delete_that_is_denied_stays_and_says_so() -> None:
    world = moving_world()
    async with world.operator(drift_interval=DRIFT):
        old = await made(world)
        deny(world, "DeleteGatewayTarget", GATEWAY)
        await move(world)
        await until_made(world)

        async def stalled() -> bool:
            return condition(await world.get(), "Stalled").status == "True"

        await world.until(stalled)
        obj = await world.get()
        assert condition(obj).status == "True", "the new target serves"
        assert condition(obj, "Stalled").reason == "AccessDenied"
        assert "Not allowed" in condition(obj, "Stalled").message
        assert [entry.target_id for entry in obj.status.moves] == [old.status.target_id]
        writes = status_writes(world)
        await world.pass_time(300)
        assert asked(world, GATEWAY)["DeleteGatewayTarget"] <= 1 + 300 / 60, (
            "once a minute, and not more often"
        )
        assert status_writes(world) == writes
        world.aws.clear_faults()
        await at_rest(world, OTHER_GATEWAY, within=120)


async def test_a_delete_that_is_allowed_again_is_tried_at_once_when_asked_for() -> None:
    world = moving_world()
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        deny(world, "DeleteGatewayTarget", GATEWAY)
        await move(world)
        await world.until(lambda: asked(world, GATEWAY))
        await world.pass_time(5)
        world.aws.clear_faults()
        await world.edit(metadata={"annotations": {names.RECONCILE_ANNOTATION: "now"}})
        await at_rest(world, OTHER_GATEWAY, within=30)


async def test_retain_is_the_way_out_of_a_delete_that_is_denied() -> None:
    world = moving_world()
    async with world.operator(drift_interval=DRIFT):
        old = await made(world)
        deny(world, "DeleteGatewayTarget", GATEWAY)
        await move(world)
        await world.until(lambda: asked(world, GATEWAY))
        await world.edit(spec={"deletionPolicy": "Retain"})

        async def let_go() -> bool:
            obj = await world.get()
            return condition(obj).status == "True" and not obj.status.moves

        await world.until(let_go, within=1500)
        assert [target["targetId"] for target in world.targets(GATEWAY)] == [old.status.target_id]
        assert asked(world, OTHER_GATEWAY) == {"CreateGatewayTarget": 1}
        assert "deletionPolicy is Retain" in events(world)


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("kind", ["close", "hang", "error"])
async def test_a_delete_without_an_answer_is_made_sure_of(kind: str, commit: bool) -> None:
    world = moving_world()
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        world.aws.add_fault(operation="DeleteGatewayTarget", kind=kind, commit=commit)
        await move(world)
        await at_rest(world, OTHER_GATEWAY, within=240)
        assert 1 <= asked(world, GATEWAY)["DeleteGatewayTarget"] <= 2
        assert asked(world, OTHER_GATEWAY) == {"CreateGatewayTarget": 1}


async def test_an_old_gateway_that_cannot_be_listed_keeps_its_entry() -> None:
    world = moving_world()
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        deny(world, "ListGatewayTargets", GATEWAY)
        await world.pass_time(2 * DRIFT)
        await move(world)

        async def stalled() -> bool:
            return condition(await world.get(), "Stalled").status == "True"

        await world.until(stalled)
        obj = await world.get()
        assert condition(obj).status == "True"
        assert [entry.gateway_id for entry in obj.status.moves] == [GATEWAY]
        writes = status_writes(world)
        await world.pass_time(300)
        assert not asked(world, GATEWAY)
        assert status_writes(world) == writes
        world.aws.clear_faults()
        await at_rest(world, OTHER_GATEWAY)


async def test_an_old_gateway_that_is_gone_is_believed_after_four_minutes() -> None:
    world = moving_world()
    world.aws.configure(denied_actions=["ListGateways"])
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        world.aws.delete_gateway(GATEWAY)
        await move(world)
        await until_made(world)
        assert (await world.until_ready()).status.moves
        await world.pass_time(200)
        assert (await world.get()).status.moves
        await at_rest(world, OTHER_GATEWAY, within=200)
        assert not asked(world, GATEWAY)


async def test_an_old_gateway_of_another_account_is_not_forgotten() -> None:
    """With other credentials every gateway looks gone: the target may live on where it was made."""
    world = moving_world()
    async with world.operator(drift_interval=DRIFT):
        await made(world)
    old = record_of(await world.get())
    await world.set_status({**old, "gatewayArn": old["gatewayArn"].replace("123456789012", "210987654321")})
    world.aws.delete_gateway(GATEWAY)
    async with world.operator(drift_interval=DRIFT):
        await move(world)
        await world.pass_time(900)
        obj = await world.get()
        assert condition(obj).status == "True"
        assert [entry.target_id for entry in obj.status.moves] == [old["targetId"]]
        assert condition(obj, "Stalled").reason == "WrongAccountOrRegion"


async def test_an_old_target_that_changed_hands_is_left_alone() -> None:
    world = moving_world(creating=5.0)
    async with world.operator(drift_interval=DRIFT, owner_ids=("cluster-a",)):
        old = await made(world)
        await move(world)
        await until_made(world)
        world.aws.edit_target(old.status.target_id, description="mine now [mcps abcdef/abcdefghijkl]")

        async def done() -> bool:
            obj = await world.get()
            return condition(obj).status == "True" and not obj.status.moves

        await world.until(done)
        await assert_quiet(world)
        assert [target["targetId"] for target in world.targets(GATEWAY)] == [old.status.target_id]
        assert "abcdef/abcdefghijkl" in events(world)


async def test_a_record_put_in_by_hand_does_not_hide_what_the_marker_tells() -> None:
    """The entry names somebody's target; the object's own one on that gateway is found and removed."""
    world = moving_world(creating=5.0)
    async with world.operator(drift_interval=DRIFT, owner_ids=("cluster-a",)):
        old = await made(world)
        await move(world)
        await until_made(world)
        world.aws.edit_target(old.status.target_id, name="theirs", description="[mcps abcdef/abcdefghijkl]")
        config = {"mcp": {"mcpServer": {"endpoint": old.spec.endpoint}}}
        mark = marker_of("cluster-a", "team-a", "weather")
        world.aws.create_target(
            GATEWAY, name="weather", description=f"[mcps {mark}]", targetConfiguration=config
        )

        async def done() -> bool:
            obj = await world.get()
            return condition(obj).status == "True" and not obj.status.moves

        await world.until(done, within=300)
        assert [target["targetId"] for target in world.targets(GATEWAY)] == [old.status.target_id]
        assert asked(world, GATEWAY) == {"DeleteGatewayTarget": 1}


# -- an old CRD -------------------------------------------------------------------------------------------


async def test_an_old_crd_does_not_let_targets_move() -> None:
    """The sentence names the command; the target is kept up to date where it is, and can be deleted."""
    world = moving_world()
    status: dict[str, object] = {"properties": {name: {} for name in OLD_FIELDS}}
    kind = {"properties": {"status": status}}
    schemas = {"aws.bedrock.mcpgateway.v1alpha1.MCPServer": kind}
    world.api.paths[PATH] = json.dumps({"components": {"schemas": schemas}}).encode()
    async with world.operator(drift_interval=DRIFT):
        await made(world)
        await move(world, description="forecasts")
        obj = await world.until_reason("Moving")
        assert "mcp-gateway-operator crd | kubectl apply" in condition(obj).message
        assert condition(obj, "Stalled").status == "True"
        assert asked(world, GATEWAY) == {"UpdateGatewayTarget": 1}
        assert "forecasts" in world.targets(GATEWAY)[0]["description"]
        await assert_quiet(world)
        assert not asked(world, OTHER_GATEWAY)
        await world.delete()
        await world.until(lambda: not world.exists())
        assert world.targets(GATEWAY) == []


# -- other objects ----------------------------------------------------------------------------------------


async def test_what_is_left_over_is_nobody_elses_to_adopt() -> None:
    """Without markers the record alone says whose it is: that in the moves of another object counts, too."""
    world = moving_world()
    async with world.operator(drift_interval=DRIFT, owner_marker=False, allow_adoption=True):
        old = await made(world)
        deny(world, "DeleteGatewayTarget", GATEWAY)
        await move(world)
        await world.until(lambda: asked(world, GATEWAY))
        await world.create("thief", targetName="weather", adoptionPolicy="IfExists")
        thief = await world.until_reason("NameConflict", "thief")
        assert not thief.status.target_id
        world.aws.clear_faults()
        thief = await world.until_ready("thief", within=1500)
        assert thief.status.target_id != old.status.target_id
        assert [target["targetId"] for target in world.targets(GATEWAY)] == [thief.status.target_id]
