"""Indexing a server's tools again: once per request, on a schedule, and never where AWS refuses it."""

from __future__ import annotations

import pytest

from agentcore_simulator.settings import Durations
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api import names
from tests.support.world import World, condition

TOOLS = '{"tools": [{"name": "forecast", "description": "", "inputSchema": {"type": "object"}}]}'


async def test_each_new_value_of_the_annotation_indexes_once_also_over_restarts() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        world.forget_calls()
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "first"}})
        await world.pass_time(30)
        obj = await world.until_ready()
        assert obj.status.last_sync_request == "first"
        assert obj.status.tools_synchronized_at
        assert world.calls()["SynchronizeGatewayTargets"] == 1
        assert len(world.writes()) <= 2
    async with world.operator():
        await world.pass_time(200)
        assert world.calls()["SynchronizeGatewayTargets"] == 1
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "second"}})
        await world.pass_time(30)
        assert world.calls()["SynchronizeGatewayTargets"] == 2


async def test_the_interval_indexes_on_time_and_no_more_after_a_restart() -> None:
    world = World()
    async with world.operator():
        await world.create(toolSync={"interval": "1h"})
        await world.until_ready()
        world.forget_calls()
        await world.pass_time(3500)
        assert world.calls()["SynchronizeGatewayTargets"] == 0
        await world.pass_time(600)
        assert world.calls()["SynchronizeGatewayTargets"] == 1
    async with world.operator():
        await world.pass_time(3000)
        assert world.calls()["SynchronizeGatewayTargets"] == 1
        await world.pass_time(1200)
        assert world.calls()["SynchronizeGatewayTargets"] == 2
        assert condition(await world.get()).status == "True"


@pytest.mark.parametrize("spec", [{"listingMode": "DYNAMIC"}, {"mcpToolSchema": {"inline": TOOLS}}])
async def test_never_where_tools_are_not_indexed(spec: dict[str, str]) -> None:
    world = World()
    async with world.operator():
        await world.create(name="weather", namespace="team-a", toolSync={"interval": "1h"}, **spec)
        await world.until_ready()
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "now"}})
        await world.pass_time(100)
        before = world.passes.total()
        await world.pass_time(8000)
        assert world.calls()["SynchronizeGatewayTargets"] == 0
        assert world.passes.total() - before <= 2, "a schedule that cannot be kept wakes nobody"
        assert condition(await world.get()).status == "True"


async def test_a_denied_synchronize_leaves_the_target_ready() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        world.aws.configure(denied_actions=["SynchronizeGatewayTargets"])
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "now"}})
        await world.pass_time(60)
        assert world.calls()["SynchronizeGatewayTargets"] == 1
        assert condition(await world.get()).status == "True"


async def test_a_consent_that_ran_out_is_renewed_only_when_asked() -> None:
    """Who opens the address consents as themselves, so AWS is not made to ask again and again."""
    world = World(simulator=SimulatorSettings(durations=Durations(consent=600.0)))
    world.aws.add_scenario(outcome="consent")
    async with world.operator():
        await world.create(oauthGrantType="AUTHORIZATION_CODE")
        first = await world.until_reason("PendingAuthorization")
        assert first.status.authorization_url
        await world.pass_time(4000)
        expired = await world.until_reason("TargetFailed")
        assert names.SYNC_ANNOTATION in condition(expired).message
        assert expired.status.authorization_url == ""
        assert world.calls()["SynchronizeGatewayTargets"] == world.calls()["UpdateGatewayTarget"] == 0

        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "again"}})
        second = await world.until_reason("PendingAuthorization")
        assert second.status.authorization_url
        world.aws.consent(second.status.target_id)
        await world.until_ready(within=120)
        assert world.calls()["SynchronizeGatewayTargets"] == 1
