"""Waiting for a person: what is shown and to whom, what it costs, and what is never done meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from agentcore_simulator.plane import views
from agentcore_simulator.settings import Settings as SimulatorSettings
from agentcore_simulator.settings import Switches
from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import EVENTS
from tests.support.world import World, condition

CODE: dict[str, Any] = {"oauthGrantType": "AUTHORIZATION_CODE"}
TOOLS = '{"tools": [{"name": "forecast", "description": "", "inputSchema": {"type": "object"}}]}'
BUSY = pytest.mark.parametrize("busy_error", ["conflict", "validation"])


def world_with(**switches: Any) -> World:
    """Return a world whose AWS answers as these switches say."""
    return World(simulator=SimulatorSettings(switches=Switches(**switches)))


def events(world: World) -> str:
    """Return all Events so far, as text."""
    return str([value for _, value in world.api.store.select(EVENTS, None)])


def target_id(world: World) -> str:
    """Return the id of the one target."""
    (target,) = world.targets()
    found: str = target["targetId"]
    return found


@pytest.fixture
def new_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let AWS answer another authorization URL to every read."""
    numbers: Iterator[int] = itertools.count()
    add = views._add_optional

    def with_number(members: dict[str, Any], *rest: Any) -> None:
        add(members, *rest)
        if "authorizationData" in members:
            members["authorizationData"]["oauth2"]["authorizationUrl"] += f"&read={next(numbers)}"

    monkeypatch.setattr(views, "_add_optional", with_number)


async def test_the_address_is_in_the_status_and_nowhere_else(logs: Any) -> None:
    world = World()
    async with world.operator():
        await world.create(**CODE)
        obj = await world.until_reason("PendingAuthorization", within=10)
        url = obj.status.authorization_url
        (target,) = world.targets()
        assert url == target["authorizationData"]["oauth2"]["authorizationUrl"]
        expires = datetime.fromisoformat(target["updatedAt"]).replace(microsecond=0) + timedelta(minutes=10)
        assert datetime.fromisoformat(obj.status.authorization_expires) == expires
        told = condition(obj, "Authorized")
        assert (told.status, told.reason) == ("False", "PendingAuthorization")
        assert condition(obj, "Synced").status == "True"
        assert world.calls()["GetGatewayTarget"] == 1
        assert len(world.writes()) <= 3
        await world.pass_time(5)
        assert "status.authorizationUrl" in events(world)
        assert url not in events(world)
        assert "request_uri" not in str(logs)

        world.aws.consent(target["targetId"])
        await world.until_ready(within=12)
        obj = await world.get()
        assert (obj.status.authorization_url, obj.status.authorization_expires) == ("", "")
        told = condition(obj, "Authorized")
        assert (told.status, told.reason) == ("True", "Authorized")
        assert told.observed_generation == obj.metadata.generation
        await world.pass_time(5)
        assert url not in events(world)
        assert world.calls()["UpdateGatewayTarget"] == world.calls()["SynchronizeGatewayTargets"] == 0


async def test_a_person_who_never_comes_costs_little() -> None:
    world = world_with(pending_auth_expiry="stay")
    async with world.operator(drift_interval=60.0):
        for number in range(10):
            await world.create(f"server-{number}", **CODE)
        for number in range(10):
            await world.until_reason("PendingAuthorization", f"server-{number}", within=30)
        await world.pass_time(20)
        world.forget_calls()
        await world.pass_time(560)
        assert world.calls() == {"ListGatewayTargets": pytest.approx(56, abs=3)}
        assert world.writes() == []
        await world.pass_time(120)
        world.forget_calls()
        passes = world.passes.total()
        await world.pass_time(3600)
        assert world.calls() == {"ListGatewayTargets": pytest.approx(60, abs=7)}
        assert world.writes() == []
        assert world.passes.total() - passes <= 10
        for target in world.targets():
            world.aws.consent(target["targetId"])
        for number in range(10):
            await world.until_ready(f"server-{number}", within=90)


@pytest.mark.usefixtures("new_address")
async def test_an_address_that_changes_with_every_read_is_kept_until_it_runs_out() -> None:
    world = world_with(pending_auth_expiry="stay")
    async with world.operator():
        await world.create(**CODE)
        first = await world.until_reason("PendingAuthorization")
    for _ in range(3):
        world.forget_calls()
        async with world.operator():
            await world.pass_time(100)
            assert (await world.get()).status.authorization_url == first.status.authorization_url
            assert world.writes() == []
            assert world.calls()["GetGatewayTarget"] <= 1
    world.forget_calls()
    async with world.operator():
        await world.pass_time(400)
        later = await world.get()
        assert later.status.authorization_url != first.status.authorization_url
        assert later.status.authorization_expires > first.status.authorization_expires
        assert world.writes() == ["patch status"]
        await world.pass_time(3600)
        ended = await world.get()
        assert "expired" in condition(ended).message
        assert ended.status.authorization_url == later.status.authorization_url
        assert world.calls()["GetGatewayTarget"] == 1


async def test_a_consent_that_ran_out_is_not_repaired() -> None:
    world = World()
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("PendingAuthorization")
        obj = await world.until_reason("TargetFailed", within=700)
        assert condition(obj, "Authorized").status == "False"
        assert condition(obj, "Stalled").status == "True"
        assert obj.status.authorization_url == ""
        assert obj.status.failure is None, "no next attempt is promised"
        world.forget_calls()
        await world.pass_time(4 * 3600)
        assert set(world.calls()) == {"ListGatewayTargets"}
        assert world.writes() == []
    async with world.operator():
        await world.pass_time(3600)
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}
        assert world.writes() == []


@pytest.mark.parametrize(
    "edit", [{"endpoint": "https://weather.example.com/v2/mcp"}, {"deletionPolicy": "Delete"}]
)
async def test_a_new_generation_renews_it_once(edit: dict[str, Any]) -> None:
    world = World()
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("TargetFailed", within=700)
        world.forget_calls()
        await world.edit(spec=edit)
        obj = await world.until_reason("PendingAuthorization", within=10)
        assert obj.status.authorization_url
        assert datetime.fromisoformat(obj.status.authorization_expires) > datetime.fromisoformat(
            condition(obj, "Ready").last_transition_time
        )
        calls = world.calls()
        assert calls["UpdateGatewayTarget"] + calls["SynchronizeGatewayTargets"] == 1
        await world.until_reason("TargetFailed", within=700)
        await world.pass_time(3600)
        calls = world.calls()
        assert calls["UpdateGatewayTarget"] + calls["SynchronizeGatewayTargets"] == 1


async def test_a_new_generation_of_a_server_that_fails_at_once_is_tried_once() -> None:
    world = World()
    world.aws.add_scenario(endpoint="*broken*", outcome="failed", reasons=["Unable to connect"])
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("PendingAuthorization")
        world.aws.consent(target_id(world))
        await world.until_ready(within=15)
        world.forget_calls()
        await world.edit(spec={"endpoint": "https://broken.example.com/mcp"})
        obj = await world.until_reason("TargetFailed", within=10)
        assert condition(obj, "Authorized").status == "True", "nobody said otherwise"
        await world.edit(spec={"deletionPolicy": "Delete"})
        await world.pass_time(3600)
        calls = world.calls()
        assert (calls["UpdateGatewayTarget"], calls["SynchronizeGatewayTargets"]) == (1, 1)
        assert condition(await world.get()).observed_generation == 3


async def test_a_request_that_the_iam_policy_denies_names_the_permission() -> None:
    world = World()
    world.aws.configure(denied_actions=["SynchronizeGatewayTargets"])
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("TargetFailed", within=700)
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "again"}})
        await world.pass_time(60)
        assert "bedrock-agentcore:SynchronizeGatewayTargets" in condition(await world.get()).message
        assert world.calls()["SynchronizeGatewayTargets"] == 1
        world.aws.configure(denied_actions=[])
        await world.edit(spec={"endpoint": "https://weather.example.com/v2/mcp"})
        await world.until_reason("PendingAuthorization", within=10)


async def test_the_expiry_of_a_renewed_consent_counts_from_the_request() -> None:
    """AWS need not move `updatedAt` when it indexes tools."""
    world = world_with(sync_bumps_updated_at=False)
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("TargetFailed", within=700)
        await world.pass_time(5000)
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "again"}})
        obj = await world.until_reason("PendingAuthorization", within=10)
        expires = datetime.fromisoformat(obj.status.authorization_expires)
        (target,) = world.targets()
        assert expires > datetime.fromisoformat(target["updatedAt"]) + timedelta(seconds=5000)
        await world.pass_time(540)
        assert condition(await world.get()).reason == "PendingAuthorization"
        assert "expired" not in condition(await world.get()).message


async def test_asking_for_an_address_that_is_there_does_not_undo_the_consent() -> None:
    world = World()
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("PendingAuthorization")
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "impatient"}})
        await world.pass_time(30)
        assert (await world.get()).status.last_sync_request == "impatient"
        world.aws.consent(target_id(world))
        await world.until_ready(within=15)
        await world.pass_time(300)
        assert world.calls()["SynchronizeGatewayTargets"] == 0
        assert condition(await world.get()).status == "True"


@BUSY
async def test_a_request_that_aws_refuses_is_not_repeated_without_end(busy_error: str) -> None:
    world = world_with(pending_auth_expiry="stay", busy_error=busy_error)
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("PendingAuthorization")
        await world.pass_time(700)
        world.forget_calls()
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "again"}})
        await world.pass_time(3600)
        obj = await world.get()
        assert condition(obj).reason == "PendingAuthorization"
        assert "Wait for the authorization" in condition(obj).message
        assert world.calls()["SynchronizeGatewayTargets"] in {6, 7}
        assert len(world.writes()) <= 2


async def test_a_consented_target_is_left_in_peace() -> None:
    world = World()
    async with world.operator(sweep_interval=1800.0):
        await world.create(**CODE, allowedRequestHeaders=["X-A"])
        await world.until_reason("PendingAuthorization")
        world.aws.consent(target_id(world))
        await world.until_ready(within=15)
        world.forget_calls()
        await world.pass_time(6 * 3600)
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}
        world.aws.edit_target(target_id(world), description="by hand")
        obj = await world.until_reason("Drifted", within=90)
        assert condition(obj, "Authorized").status == "True"
        await world.pass_time(3600)
    async with world.operator():
        await world.pass_time(3600)
        calls = world.calls()
        assert calls["UpdateGatewayTarget"] == calls["SynchronizeGatewayTargets"] == 0


async def test_a_static_schema_asks_nobody() -> None:
    world = World()
    async with world.operator():
        await world.create(**CODE, mcpToolSchema={"inline": TOOLS})
        obj = await world.until_ready()
        assert condition(obj, "Authorized").status == "True"
        assert obj.status.authorization_url == ""


async def test_authorized_is_only_on_objects_with_this_grant() -> None:
    world = World()
    async with world.operator():
        await world.create()
        obj = await world.until_ready()
        assert condition(obj, "Authorized").status == ""
        await world.edit(spec=CODE)
        obj = await world.until_reason("PendingAuthorization", within=10)
        assert condition(obj, "Authorized").status == "False"
        world.aws.consent(target_id(world))
        await world.until_ready(within=15)
        await world.edit(spec={"authType": "NoAuth"})
        obj = await world.until_ready(within=15)
        assert condition(obj, "Authorized").status == ""


async def test_a_refused_consent_and_one_given_at_the_last_moment() -> None:
    world = World()
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("PendingAuthorization")
        world.aws.consent(target_id(world), approve=False)
        obj = await world.until_reason("TargetFailed", within=15)
        assert condition(obj, "Authorized").status == "False"
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "again"}})
        await world.until_reason("PendingAuthorization")
        await world.pass_time(595)
        world.aws.consent(target_id(world))
        await world.until_ready(within=15)
        assert world.calls()["SynchronizeGatewayTargets"] == 1


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_restart_while_waiting_writes_nothing(at_once: bool) -> None:
    world = world_with(pending_auth_at_once=at_once)
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("PendingAuthorization")
    world.forget_calls()
    async with world.operator():
        await world.pass_time(120)
        assert world.writes() == []
        assert world.calls()["GetGatewayTarget"] <= 1
        world.aws.consent(target_id(world))
        await world.until_ready(within=15)
