"""What conditions say, and when: every reason, the first status, waits, and nothing that is not so."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from agentcore_simulator.settings import Durations
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.runtime.cluster import EVENTS
from tests.support.audit import Audit, conditions
from tests.support.memory_cluster import LOST, Fault, Request
from tests.support.world import World, condition
from tests.unit.controller.reason_stories import SETTINGS, STORIES

REASONS = {value for name, value in vars(Reason).items() if name.isupper()}
ONLY_EVENTS = {Reason.DUPLICATE_MARKER}
"""Reasons that are told once, and change no condition of a target that is well."""


def events(world: World) -> Counter[str]:
    """Return how often each reason was told in Events, repetitions included."""
    told: Counter[str] = Counter()
    for _, body in world.api.store.select(EVENTS, None):
        event = msgspec.json.decode(body)
        told[event["reason"]] += event["count"]
    return told


def test_every_reason_has_a_story() -> None:
    assert set(STORIES) == REASONS


@pytest.mark.parametrize("reason", sorted(STORIES))
async def test_the_reason_is_said(reason: str) -> None:
    world = World(simulator=SETTINGS.get(reason))
    audit = Audit(world.api.store)
    await STORIES[reason](world)
    await world.pass_time(1)
    said = set(events(world)) if reason in ONLY_EVENTS else audit.reasons()
    assert reason in said
    assert not audit.complaints


async def test_the_first_status_has_all_conditions_also_when_lists_fail_after_the_create() -> None:
    world = World()
    audit = Audit(world.api.store)

    async with world.operator():
        await world.create()
        await world.until(lambda: world.calls()["CreateGatewayTarget"] == 1)
        world.aws.add_fault(operation="ListGatewayTargets", code="InternalServerException", count=3)
        await world.until_ready(within=120)
    assert audit.said()[0] == ("False", "Creating")
    assert not audit.complaints
    told = conditions(audit.states[-1])
    assert {each["observedGeneration"] for each in told.values()} == {1}


async def test_a_record_that_is_stored_late_does_not_keep_the_ready_of_an_earlier_target() -> None:
    world = World(simulator=SimulatorSettings(durations=Durations(creating=5.0)))
    audit = Audit(world.api.store)
    lost = False

    def lose(request: Request) -> Fault | None:
        return Fault(refuse=LOST) if lost and request.subresource == "status" else None

    async with world.operator(faults=lose, drift_interval=5.0):
        await world.create()
        first = await world.until_ready()
        lost = True
        world.aws.delete_target(first.status.target_id)
        await world.until(lambda: world.calls()["CreateGatewayTarget"] == 2, within=30)
        await world.pass_time(20)
        assert (await world.get()).status == first.status
        lost = False
        await world.pass_time(60)
        obj = await world.until_ready()
        assert obj.status.target_id != first.status.target_id
    assert not audit.complaints
    new = [state for state in audit.states if state["status"].get("targetId") == obj.status.target_id]
    assert conditions(new[0])["Ready"]["status"] == "False"


async def test_a_record_is_stored_at_once_although_the_update_that_follows_has_to_wait() -> None:
    """Both had lost their status and were edited meanwhile; the quota lets one update through."""
    world = World()
    audit = Audit(world.api.store)
    pair = ("one", "two")
    async with world.operator():
        for name in pair:
            await world.create(name)
            await world.until_ready(name)
    for name in pair:
        await world.set_status({}, name)
        await world.edit(name, spec={"description": "changed"})
    async with world.operator(quotas=Quotas.parse("update=0.02")):
        await world.pass_time(20)
        for name in pair:
            assert (await world.get(name)).status.target_id
        assert {condition(await world.get(name)).reason for name in pair} == {"GatewayTargetReady", "Queued"}
        for name in pair:
            await world.until_ready(name, within=120)
    assert not audit.complaints


async def test_whoever_waits_for_a_turn_says_so_after_30_seconds_and_not_before() -> None:
    world = World()
    audit = Audit(world.api.store)
    async with world.operator(quotas=Quotas.parse("create=0.02")):
        for number in range(3):
            await world.create(f"queue-{number}")
        await world.pass_time(25)
        waiting = [n for n in range(3) if not (await world.get(f"queue-{n}")).status.conditions]
        assert len(waiting) == 2
        await world.pass_time(10)
        for number in waiting:
            told = condition(await world.get(f"queue-{number}"))
            assert (told.status, told.reason) == ("False", "Queued")
        for number in range(3):
            await world.until_ready(f"queue-{number}", within=300)
    assert not audit.complaints
    said = audit.said(name=f"queue-{waiting[-1]}")
    assert [reason for _, reason in said if reason != "Creating"] == ["Queued", "GatewayTargetReady"]


async def test_an_edit_that_waits_does_not_keep_the_old_generations_words() -> None:
    world = World()
    audit = Audit(world.api.store)
    async with world.operator(quotas=Quotas.parse("update=0.02")):
        for name in ("one", "two"):
            await world.create(name)
            await world.until_ready(name)
        for name in ("one", "two"):
            await world.edit(name, spec={"description": "changed"})
        await world.pass_time(40)
        told = {name: condition(await world.get(name)) for name in ("one", "two")}
        assert sorted(each.reason for each in told.values()) == ["GatewayTargetReady", "Queued"]
        assert {each.observed_generation for each in told.values()} == {2}
        for name in ("one", "two"):
            await world.until_ready(name, within=120)
    assert not audit.complaints


async def test_an_outage_tells_of_a_new_generation_but_takes_nothing_from_a_settled_one() -> None:
    world = World()
    audit = Audit(world.api.store)
    async with world.operator(drift_interval=10.0):
        for name in ("still", "edited"):
            await world.create(name)
            await world.until_ready(name)
        world.aws.add_fault(operation="*", code="InternalServerException", count=None)
        world.forget_calls()
        await world.pass_time(60)
        await world.edit("edited", spec={"description": "changed"})
        await world.pass_time(500)
        still = await world.get("still")
        assert (condition(still).status, condition(still, "Synced").status) == ("True", "Unknown")
        edited = condition(await world.get("edited"))
        assert (edited.status, edited.reason, edited.observed_generation) == ("False", "AWSUnavailable", 2)
        assert len(world.writes()) <= 3
        world.aws.clear_faults()
        await world.until_ready("edited", within=600)
    assert not audit.complaints


async def test_last_transition_time_moves_only_with_the_status() -> None:
    world = World(simulator=SimulatorSettings(durations=Durations(updating=20.0)))
    audit = Audit(world.api.store)
    async with world.operator():
        await world.create()
        first = await world.until_ready()
        await world.pass_time(100)
        await world.edit(spec={"targetName": "other"}, metadata={"labels": {"a": "b"}})
        await world.until_reason("Updating")
        second = await world.until_ready()
    assert (
        condition(second, "Stalled").last_transition_time == condition(first, "Stalled").last_transition_time
    )
    assert condition(second).last_transition_time > condition(first).last_transition_time
    assert not audit.complaints


async def test_what_a_pause_hides_is_not_taken_for_an_edit_after_a_restart() -> None:
    """With driftPolicy Report nothing may be sent, whatever came between."""
    world = World()
    async with world.operator():
        await world.create(driftPolicy="Report")
        obj = await world.until_ready()
        await world.edit(metadata={"annotations": {names.PAUSED_ANNOTATION: "true"}})
        paused = await world.until_paused()
        assert condition(paused, "Synced").status == "True"
    world.aws.edit_target(obj.status.target_id, description="changed by hand")
    async with world.operator():
        await world.edit(metadata={"annotations": {names.PAUSED_ANNOTATION: None}})
        await world.until_reason("Drifted")
        assert world.calls()["UpdateGatewayTarget"] == 0


@pytest.mark.parametrize(
    "patch",
    [
        {"spec": {"allowedRequestHeaders": ["Authorization"]}},
        {
            "metadata": {"annotations": {names.PAUSED_ANNOTATION: "true"}},
            "spec": {"description": "changed"},
        },
    ],
)
async def test_a_restart_writes_nothing_over_objects_that_rest_without_being_ready(
    patch: dict[str, Any],
) -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.edit(**patch)
        await world.pass_time(200)
        assert condition(await world.get()).status == "False"
    world.forget_calls()
    async with world.operator():
        await world.pass_time(3600)
        assert world.writes() == []
