"""Pause: nothing is written to AWS, whenever it comes; its end acts on the newest generation."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from agentcore_simulator.settings import Durations
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import EVENTS
from tests.support.audit import Audit
from tests.support.kstatus import kstatus
from tests.support.world import World, condition, record_of

SLOW = SimulatorSettings(durations=Durations(creating=20, updating=20, synchronizing=20, deleting=20))
WRITES = ("CreateGatewayTarget", "UpdateGatewayTarget", "DeleteGatewayTarget", "SynchronizeGatewayTargets")


def aws_writes(world: World) -> Counter[str]:
    """Return the mutating calls."""
    return Counter({name: count for name, count in world.calls().items() if name in WRITES})


async def pause(world: World, value: str | None = "true") -> None:
    """Set the annotation, or take it off."""
    await world.edit(metadata={"annotations": {names.PAUSED_ANNOTATION: value}})


async def annotate(world: World, **values: str | None) -> None:
    """Set annotations with our prefix, or take them off."""
    annotations = {f"{names.GROUP}/{name}": value for name, value in values.items()}
    await world.edit(metadata={"annotations": annotations})


def told(world: World) -> list[tuple[str, int]]:
    """Return message and count of the Events about annotations."""
    found = [msgspec.json.decode(body) for _, body in world.api.store.select(EVENTS, None)]
    assert all(each["type"] == "Warning" for each in found if each["reason"] == "AnnotationNotUnderstood")
    return [(each["message"], each["count"]) for each in found if each["reason"] == "AnnotationNotUnderstood"]


async def test_a_new_object_that_is_paused_gets_nothing_but_a_status() -> None:
    world = World()
    async with world.operator():
        # The annotation comes with the object, as from a Git repository.
        world.aws.configure(denied_actions=["*"])
        await world.create()
        await pause(world)
        world.aws.configure(denied_actions=[])
        await world.until_paused()
        world.forget_calls()
        await world.pass_time(7200)
        assert aws_writes(world) == {}
        assert world.writes() == []
        await pause(world, None)
        await world.until_ready()
        assert aws_writes(world) == {"CreateGatewayTarget": 1}


@pytest.mark.parametrize("state", ["CREATING", "UPDATING", "SYNCHRONIZING", "DELETING"])
async def test_a_pause_in_a_transient_state_lets_aws_finish_and_sends_nothing(state: str) -> None:
    world = World(simulator=SLOW)
    async with world.operator():
        await world.create()
        if state != "CREATING":
            await world.until_ready()
        match state:
            case "UPDATING":
                await world.edit(spec={"description": "second"})
            case "SYNCHRONIZING":
                await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "now"}})
            case "DELETING":
                await world.delete()
        await world.until(lambda: [t["status"] for t in world.targets()] == [state])
        await pause(world)
        await world.pass_time(2)
        world.forget_calls()
        if state != "DELETING":
            await world.edit(spec={"description": "third"})
        await world.pass_time(300)
        obj = await world.get()
        assert (condition(obj).status, condition(obj).reason) == ("False", "Paused")
        assert condition(obj).observed_generation == obj.metadata.generation
        assert aws_writes(world) == {}
        await pause(world, None)
        if state == "DELETING":
            await world.until(lambda: not world.exists(), within=60)
            assert aws_writes(world) == {}
            return
        await world.until_ready(within=60)
        assert aws_writes(world) == {"UpdateGatewayTarget": 1}
        assert "third" in world.targets()[0]["description"]


async def test_a_pause_between_the_create_and_its_record_loses_nothing() -> None:
    world = World(simulator=SLOW)
    async with world.operator():
        await world.create()
        await world.until(lambda: world.calls()["CreateGatewayTarget"] == 1)
        await pause(world)
        await world.until_paused()
        assert (await world.get()).status.target_id == world.targets()[0]["targetId"]
    async with world.operator():
        await world.pass_time(120)
        await pause(world, None)
        await world.until_ready()
        assert world.calls()["CreateGatewayTarget"] == 1


async def test_a_failed_target_is_not_repaired_while_paused() -> None:
    world = World()
    world.aws.add_scenario(outcome="failed", recover_after=1)
    async with world.operator():
        await world.create()
        await world.until_reason("TargetFailed")
        await pause(world)
        await world.until_paused()
        world.forget_calls()
        await world.pass_time(7200)
        assert aws_writes(world) == {}
        await pause(world, None)
        await world.until_ready(within=60)


async def test_drift_and_deletion_outside_wait_for_the_end_of_the_pause() -> None:
    world = World()
    async with world.operator(drift_interval=10.0):
        await world.create()
        obj = await world.until_ready()
        await pause(world)
        await world.until_paused()
        world.forget_calls()
        world.aws.delete_target(obj.status.target_id)
        await world.pass_time(600)
        assert world.targets() == []
        assert aws_writes(world) == {}
        await pause(world, None)
        await world.until_ready(within=120)
        assert aws_writes(world) == {"CreateGatewayTarget": 1}


async def test_a_deletion_waits_and_retain_is_read_when_the_pause_ends() -> None:
    world = World()
    audit = Audit(world.api.store)
    async with world.operator():
        await world.create()
        await world.until_ready()
        await pause(world)
        await world.until_paused()
        await world.delete()
        await world.pass_time(600)
        assert world.exists()
        assert "nothing is deleted" in condition(await world.get()).message
        assert kstatus(audit.states[-1]) == "Terminating"
        await world.edit(
            spec={"deletionPolicy": "Retain"}, metadata={"annotations": {names.PAUSED_ANNOTATION: None}}
        )
        await world.until(lambda: not world.exists(), within=10)
        assert len(world.targets()) == 1
        assert aws_writes(world)["DeleteGatewayTarget"] == 0


@pytest.mark.parametrize("value", ["false", "0", "F"])
async def test_a_false_does_not_pause(value: str) -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await pause(world, value)
        await world.edit(spec={"description": "changed"})
        await world.until_ready()
        assert aws_writes(world)["UpdateGatewayTarget"] == 1
        assert told(world) == []


@pytest.mark.parametrize("value", ["", "True", "yes", "1", "no", "False "])
async def test_whatever_is_no_false_pauses_and_an_odd_word_is_told_once(value: str) -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await pause(world, value)
        await world.until_paused()
        await world.edit(spec={"description": "changed"})
        await world.pass_time(3600)
        assert aws_writes(world) == {"CreateGatewayTarget": 1}
    async with world.operator():
        await world.pass_time(600)
    odd = value not in {"True", "1"}
    assert len(told(world)) == odd
    note = f"metadata.annotations[{names.PAUSED_ANNOTATION}]: {value!r} is neither true nor false, and pauses"
    assert (note in condition(await world.get()).message) is odd
    async with world.operator():
        await pause(world, None)
        obj = await world.until_ready()
        assert "annotation" not in condition(obj).message


async def test_an_annotation_that_is_not_ours_though_its_prefix_is_is_told_once_for_each_content() -> None:
    world = World()
    world.aws.add_scenario(outcome="failed", reasons=["no answer " * 50] * 10)
    async with world.operator():
        await world.create()
        await annotate(world, pause="true")
        await world.until_reason("TargetFailed")
        await world.pass_time(7200)
        assert [count for _, count in told(world)] == [1]
        assert "did you mean paused?" in condition(await world.get()).message
        await annotate(world, pause="other")
        await world.edit(spec={"description": "changed"})
        await world.pass_time(600)
        assert len(told(world)) == 1
        await annotate(world, pasued="true")
        await world.pass_time(600)
        await annotate(world, pause=None, pasued=None)
        await world.pass_time(600)
        assert len(told(world)) == 2
        assert "annotation" not in condition(await world.get()).message
        world.aws.set_scenarios([])
        world.forget_calls()
        await world.pass_time(7200)
        await world.until_ready()


async def test_a_pause_costs_one_status_write_its_end_another_and_aws_nothing_but_lists() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.pass_time(120)
        world.forget_calls()
        await pause(world)
        await world.pass_time(3600)
        assert world.writes() == ["patch status"]
        await pause(world, None)
        await world.pass_time(3600)
        assert world.writes() == ["patch status", "patch status"]
        assert set(world.calls()) == {"ListGatewayTargets"}


async def test_a_restart_in_a_pause_writes_nothing() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await pause(world)
        await world.until_paused()
    world.forget_calls()
    async with world.operator():
        await world.pass_time(3600)
        assert world.writes() == []
        assert set(world.calls()) <= {"ListGatewayTargets"}
        await pause(world, None)
        await world.until_ready()
        assert aws_writes(world) == {}


async def test_a_pause_changes_no_other_condition() -> None:
    """Ready follows AWS and the generation as ever; kstatus calls an unedited READY object Current."""
    world = World()
    audit = Audit(world.api.store)
    async with world.operator(drift_interval=10.0):
        await world.create()
        ready = await world.until_ready()
        await pause(world)
        paused = await world.until_paused()
        others = [each for each in paused.status.conditions if each.type != "Paused"]
        assert others == list(ready.status.conditions)
        assert kstatus(audit.states[-1]) == "Current"
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "later"}})
        await world.pass_time(30)
        assert condition(await world.get()).status == "True"
        await world.edit(spec={"description": "changed"})
        await world.pass_time(30)
        edited = await world.get()
        assert (condition(edited).status, condition(edited).reason) == ("False", "Paused")
        assert "would update target" in condition(edited).message
        assert condition(edited).observed_generation == 2
        assert condition(edited, "Stalled").status == "False"
        assert kstatus(audit.states[-1]) == "InProgress"
        await world.edit(spec={"description": None})
        await world.until_ready(within=10)
        world.aws.set_status(ready.status.target_id, "FAILED")
        await world.until_reason("TargetFailed", within=30)
        world.aws.set_status(ready.status.target_id, "READY")
        await world.until_ready(within=30)
        assert aws_writes(world) == {"CreateGatewayTarget": 1}
        await pause(world, None)
        await world.until(lambda: aws_writes(world)["SynchronizeGatewayTargets"] == 1)
        await world.pass_time(5)
        await world.until_ready()
        assert condition(await world.get(), "Paused").status == ""
    assert not audit.complaints


async def test_a_status_of_a_version_that_took_ready_away_in_a_pause_is_put_right_by_one_read() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await pause(world)
        obj = await world.until_paused()
    status = record_of(obj)
    status["conditions"] = [
        {**each, "status": "False", "reason": "Paused"} if each["type"] == "Ready" else each
        for each in status["conditions"]
        if each["type"] != "Paused"
    ]
    await world.set_status(status)
    world.forget_calls()
    async with world.operator():
        await world.until_ready()
        await world.pass_time(300)
        assert world.calls()["GetGatewayTarget"] == 1
        assert world.writes() == ["patch status"]
