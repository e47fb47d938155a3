"""Events tell of turns, not of every look: bounded for an object, bounded for a process, and no secrets."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from agentcore_simulator.settings import Durations
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import EVENTS
from mcp_gateway_operator.runtime.events import BURST, REFILL
from tests.support.world import GATEWAY, World

HOUR = 3600.0


def told(world: World, name: str = "") -> list[dict[str, Any]]:
    """Return the Events, oldest first."""
    found = [msgspec.json.decode(body) for _, body in world.api.store.select(EVENTS, None)]
    found = [event for event in found if not name or event["involvedObject"]["name"] == name]
    return sorted(found, key=lambda event: event["firstTimestamp"])


def counts(world: World, name: str = "") -> Counter[str]:
    """Return how often each reason was told, repetitions included."""
    found: Counter[str] = Counter()
    for event in told(world, name):
        found[event["reason"]] += event["count"]
    return found


def requests(world: World) -> int:
    """Return how many requests wrote Events."""
    return sum(n for (_, plural, _), n in world.api.counts().items() if plural == "events")


async def test_a_quiet_life_has_three_events() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.pass_time(10 * HOUR)
        await world.edit(spec={"description": "changed"})
        await world.until_ready()
        await world.delete()
        await world.until(lambda: not world.exists())
        await world.pass_time(5)
    assert counts(world) == {"Created": 1, "GatewayTargetReady": 1, "Updated": 1, "Deleted": 1}
    assert {event["type"] for event in told(world)} == {"Normal"}


async def test_ten_hours_of_failure_are_one_warning() -> None:
    """Each repair goes through SYNCHRONIZING and back: that is no turn."""
    world = World()
    world.aws.add_scenario(outcome="failed")
    async with world.operator():
        await world.create()
        await world.pass_time(10 * HOUR)
        assert world.calls()["SynchronizeGatewayTargets"] >= 10
        assert counts(world) == {"Created": 1, "TargetFailed": 1}
        world.aws.set_scenarios([])
        await world.until_ready(within=2 * HOUR)
        await world.pass_time(5)
    assert counts(world) == {"Created": 1, "TargetFailed": 1, "GatewayTargetReady": 1}


async def test_slow_repairs_are_no_turns_either() -> None:
    world = World(simulator=SimulatorSettings(durations=Durations(synchronizing=20.0)))
    world.aws.add_scenario(outcome="failed")
    async with world.operator():
        await world.create()
        await world.pass_time(10 * HOUR)
    assert counts(world) == {"Created": 1, "TargetFailed": 1}


async def test_a_target_that_flaps_for_ten_hours_uses_up_its_allowance_and_no_more() -> None:
    world = World()
    async with world.operator(drift_interval=30.0):
        await world.create("weather")
        await world.create("calm")
        obj = await world.until_ready()
        await world.until_ready("calm")
        for _ in range(100):
            world.aws.set_status(obj.status.target_id, "FAILED", ["The server is down."])
            await world.pass_time(180)
            world.aws.set_status(obj.status.target_id, "READY")
            await world.pass_time(180)
    spent = counts(world, "weather").total()
    assert 20 <= spent <= BURST + 10 * HOUR / REFILL
    assert len(told(world, "weather")) <= 5
    assert counts(world, "calm") == {"Created": 1, "GatewayTargetReady": 1}


async def test_a_fleet_that_loses_aws_says_so_once_an_object() -> None:
    world = World(latency=0.001)
    async with world.operator():
        for number in range(100):
            await world.create(f"server-{number}", namespace="team-a")
        await world.until(lambda: sum(t["status"] == "READY" for t in world.targets()) == 100, within=600)
        await world.pass_time(60)
        world.forget_calls()
        before = requests(world)
        world.aws.configure(denied_actions=["*"])
        await world.pass_time(HOUR)
        world.aws.configure(denied_actions=[])
        await world.pass_time(2 * HOUR)
        assert requests(world) - before <= 2 * 100
    assert max(counts(world, f"server-{n}").total() for n in (0, 50, 99)) <= 4


async def test_an_outage_that_changes_nothing_is_one_event_at_its_begin_and_one_at_its_end() -> None:
    world = World()
    async with world.operator(drift_interval=10.0):
        await world.create()
        await world.until_ready()
        await world.pass_time(5)
        before = requests(world)
        world.aws.add_fault(operation="*", code="InternalServerException", count=None)
        await world.pass_time(HOUR)
        world.aws.clear_faults()
        await world.pass_time(HOUR)
        assert requests(world) == before + 2


async def test_a_restart_tells_nothing_again() -> None:
    world = World()
    world.aws.add_scenario(name="broken", outcome="failed")
    async with world.operator():
        for name in ("broken", "fine"):
            await world.create(name)
        await world.until_ready("fine")
        await world.until_reason("TargetFailed", "broken")
        await world.pass_time(200)
    before = counts(world)
    async with world.operator():
        await world.pass_time(HOUR)
    assert counts(world) == before


async def test_a_pause_is_told_as_what_somebody_wanted() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        for value in ("true", None, "true"):
            await world.edit(metadata={"annotations": {names.PAUSED_ANNOTATION: value}})
            await world.pass_time(30)
    assert counts(world)["Paused"] == 2
    assert {event["type"] for event in told(world)} == {"Normal"}


async def test_neither_addresses_of_consent_nor_parameters_are_told() -> None:
    world = World()
    world.aws.add_scenario(outcome="consent")
    async with world.operator(drift_interval=10.0):
        secret = {"audience": "https://secret.example.com/?token=hunter2"}
        await world.create(oauthGrantType="AUTHORIZATION_CODE", oauthCustomParameters=secret)
        obj = await world.until_reason("PendingAuthorization")
        url = obj.status.authorization_url
        assert url
        await world.pass_time(HOUR)
    text = " ".join(event["message"] for event in told(world))
    assert url not in text
    assert "https://" not in text
    assert "hunter2" not in text
    assert "status.authorizationUrl" in text
    assert GATEWAY in text
