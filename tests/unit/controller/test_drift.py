"""What others change at AWS: noticed by one List and one Get, repaired once, and never fought over."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.runtime.cluster import EVENTS
from tests.support.world import PROVIDER, World, condition

HOUR = 3600.0
DRIFT = 60.0
EVIL = {"mcp": {"mcpServer": {"endpoint": "https://other.example.com/mcp"}}}
HEADERS = {"metadataConfiguration": {"allowedRequestHeaders": ["x-other"]}}
KEY = PROVIDER.replace("oauth2credentialprovider", "apikeycredentialprovider")
API_KEY = {
    "credentialProviderConfigurations": [
        {
            "credentialProviderType": "API_KEY",
            "credentialProvider": {"apiKeyCredentialProvider": {"providerArn": KEY}},
        }
    ]
}
EDITS: dict[str, dict[str, Any]] = {
    "endpoint": {"targetConfiguration": EVIL},
    "listingMode": {
        "targetConfiguration": {
            "mcp": {"mcpServer": {"endpoint": "https://weather.example.com/mcp", "listingMode": "DYNAMIC"}}
        }
    },
    "resourcePriority": {
        "targetConfiguration": {
            "mcp": {"mcpServer": {"endpoint": "https://weather.example.com/mcp", "resourcePriority": 7}}
        }
    },
    "description": {"description": "somebody else's words"},
    "targetName": {"name": "renamed"},
    "allowedRequestHeaders": HEADERS,
    "authType": API_KEY,
}


def events(world: World, reason: str) -> list[str]:
    """Return the messages of the Events of this reason."""
    found = [msgspec.json.decode(body) for _, body in world.api.store.select(EVENTS, None)]
    return [each["message"] for each in found if each["reason"] == reason]


def own_calls(world: World) -> dict[str, int]:
    """Return the calls that were made for targets: Lists serve a whole gateway."""
    return {name: n for name, n in world.calls().items() if name != "ListGatewayTargets"}


def busiest_hour(times: list[float], *, since: float) -> int:
    """Return the most of these moments that lie in one hour."""
    late = [each for each in times if each >= since]
    return max(sum(start <= each < start + HOUR for each in late) for start in late)


async def settled(world: World, **spec: Any) -> str:
    """Create an object, let it come to rest and return its target's id; count from there."""
    await world.create(**spec)
    obj = await world.until_ready()
    await world.pass_time(DRIFT + 10)
    world.forget_calls()
    return obj.status.target_id


@pytest.mark.parametrize("field", EDITS)
async def test_edit_outside_is_repaired_within_a_drift_interval(field: str) -> None:
    """One List shows it, one Get says what, one Update mends it, one Get proves that; the Event names it."""
    world = World()
    async with world.operator():
        target_id = await settled(world, description="Forecasts.")
        before = world.aws.target(target_id)
        world.aws.edit_target(target_id, **EDITS[field])
        await world.until(lambda: world.calls()["UpdateGatewayTarget"] == 1, within=1.15 * DRIFT + 2)
        (message,) = events(world, "DriftRepaired") or [""]
        assert field in message
        await world.pass_time(DRIFT)
        after = world.aws.target(target_id)
        changing = ("updatedAt", "lastSynchronizedAt")
        assert {key: value for key, value in after.items() if key not in changing} == {
            key: value for key, value in before.items() if key not in changing
        }
        assert condition(await world.get()).status == "True"
        assert own_calls(world) == {"GetGatewayTarget": 2, "UpdateGatewayTarget": 1}


async def test_edit_outside_that_changes_nothing_of_the_spec_costs_one_get() -> None:
    world = World()
    async with world.operator():
        target_id = await settled(world)
        world.aws.edit_target(target_id)
        await world.pass_time(3 * DRIFT)
        assert own_calls(world) == {"GetGatewayTarget": 1}
        assert world.writes() == []


async def test_change_time_that_never_rests_takes_nothing_from_ready() -> None:
    """Where it tells of no change at all, it is looked at now and then; a real change is still found."""
    world = World()
    async with world.operator():
        target_id = await settled(world)
        for _ in range(120):
            world.aws.edit_target(target_id)
            await world.pass_time(DRIFT)
        assert own_calls(world)["GetGatewayTarget"] <= 10 + 12 + 1
        assert world.writes() == []
        passes = world.passes.total()
        await world.pass_time(HOUR)
        assert world.passes.total() - passes <= 4
        world.aws.edit_target(target_id, targetConfiguration=EVIL)
        await world.until(lambda: world.calls()["UpdateGatewayTarget"] == 1, within=600 + 1.15 * DRIFT)


async def test_deletion_outside_is_made_good_within_a_drift_interval() -> None:
    """Two Gets, two seconds apart, prove what one List says; the old id is recorded until then."""
    world = World()
    async with world.operator():
        target_id = await settled(world)
        world.aws.delete_target(target_id)
        await world.until(world.targets, within=1.15 * DRIFT + 5)
        assert (await world.get()).status.target_id == target_id
        obj = await world.until_ready()
        assert [each["targetId"] for each in world.targets()] == [obj.status.target_id]
        await world.pass_time(DRIFT)
        assert own_calls(world) == {"GetGatewayTarget": 2, "CreateGatewayTarget": 1}


async def test_ready_target_that_fails_later_is_told_and_repaired() -> None:
    world = World()
    async with world.operator():
        target_id = await settled(world)
        world.aws.set_status(target_id, "FAILED", reasons=["Rate exceeded"])
        obj = await world.until_reason("TargetFailed", within=1.15 * DRIFT)
        assert obj.status.failure is not None
        assert obj.status.failure.class_ == "Throttled"
        await world.until_ready(within=45)
        assert own_calls(world) == {"GetGatewayTarget": 2, "SynchronizeGatewayTargets": 1}
        assert len(world.writes()) == 2


async def test_report_tells_of_the_drift_and_sends_nothing() -> None:
    """Until it is undone, or the spec says something new."""
    world = World()
    async with world.operator():
        target_id = await settled(world, driftPolicy="Report")
        old = world.aws.target(target_id)["targetConfiguration"]
        world.aws.edit_target(target_id, targetConfiguration=EVIL)
        obj = await world.until_reason("Drifted", within=1.15 * DRIFT)
        assert "endpoint" in condition(obj).message
        assert [condition(obj, kind).status for kind in ("Synced", "Stalled")] == ["False", "True"]
        await world.pass_time(3 * HOUR)
        assert own_calls(world) == {"GetGatewayTarget": 1}
        assert len(world.writes()) == 1
        world.aws.edit_target(target_id, targetConfiguration=old)
        await world.until_ready(within=1.15 * DRIFT)
        world.aws.edit_target(target_id, targetConfiguration=EVIL)
        await world.until_reason("Drifted", within=1.15 * DRIFT)
    world.forget_calls()
    async with world.operator():
        await world.pass_time(HOUR)
        assert "UpdateGatewayTarget" not in world.calls()
        assert world.writes() == []
        await world.edit(spec={"description": "changed"})
        await world.until_ready(within=10)
        assert "weather" in str(world.targets()[0]["targetConfiguration"])


@pytest.mark.parametrize("every", [60.0, 400.0])
async def test_war_with_another_writer_costs_little_for_hours(every: float) -> None:
    """He reverts each repair; the answers come after one minute first and at most once an hour at last."""
    world = World()
    async with world.operator():
        target_id = await settled(world)
        began = world.aws.time()
        for _ in range(int(5 * HOUR / every)):
            if "other" not in str(world.targets()[0]["targetConfiguration"]):
                world.aws.edit_target(target_id, targetConfiguration=EVIL)
            await world.pass_time(every)
        times = [
            entry["time"] - began
            for entry in world.aws.requests(limit=100_000)
            if entry["operation"] != "ListGatewayTargets"
        ]
        updates = [
            entry["time"] - began
            for entry in world.aws.requests(limit=100_000)
            if entry["operation"] == "UpdateGatewayTarget"
        ]
        assert 6 <= len(updates) <= 12
        # A repair is a Get, an Update and a Get that proves it; those of the first hours come in minutes.
        assert busiest_hour(times, since=600.0) <= 16
        assert busiest_hour(times, since=2 * HOUR) <= 10
        assert condition(await world.get()).reason == "Drifted"
        await world.pass_time(HOUR + 120)
        await world.until_ready(within=700)
        assert (await world.get()).status.not_converging == ""


async def test_drift_that_is_undone_while_a_repair_waits_clears_itself() -> None:
    world = World()
    async with world.operator():
        target_id = await settled(world)
        old = world.aws.target(target_id)["targetConfiguration"]
        for _ in range(4):
            world.aws.edit_target(target_id, targetConfiguration=EVIL)
            await world.pass_time(2 * DRIFT)
        await world.until_reason("Drifted", within=2 * DRIFT)
        updates = world.calls()["UpdateGatewayTarget"]
        world.aws.edit_target(target_id, targetConfiguration=old)
        await world.until_ready(within=1.15 * DRIFT)
        assert world.calls()["UpdateGatewayTarget"] == updates


async def test_what_aws_does_not_keep_is_sent_once() -> None:
    """Said with AWS's value; not sent again by a restart, nor after an outage; sent for a new spec."""
    world = World()
    async with world.operator():
        target_id = await settled(world, allowedRequestHeaders=["x-trace"])
        world.aws.edit_target(target_id, metadataConfiguration=None)
        await world.until(lambda: world.calls()["UpdateGatewayTarget"] == 1, within=1.15 * DRIFT + 2)
        world.aws.edit_target(target_id, touch=False, metadataConfiguration=None)
        obj = await world.until_reason("NotConverging", within=DRIFT)
        assert "allowedRequestHeaders" in condition(obj).message
        assert condition(obj, "Stalled").status == "True"
        signature = obj.status.not_converging
        assert signature
        await world.pass_time(8 * HOUR)
        assert world.calls()["UpdateGatewayTarget"] == 1
        world.aws.set_status(target_id, "FAILED")
        obj = await world.until_reason("TargetFailed", within=1.15 * DRIFT)
        assert obj.status.not_converging == signature
    world.aws.set_status(target_id, "READY")
    world.forget_calls()
    async with world.operator():
        await world.until_reason("NotConverging", within=DRIFT)
        await world.pass_time(8 * HOUR)
        assert "UpdateGatewayTarget" not in world.calls()
        await world.edit(spec={"allowedRequestHeaders": ["x-trace", "x-other"]})
        obj = await world.until_ready(within=30)
        assert obj.status.not_converging == ""
