"""Targets that fail: every class is repaired without a user, at a cost that is bounded, hour by hour."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentcore_simulator.settings import Durations, Switches
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api import names
from tests.support.virtual_time import EPOCH
from tests.support.world import GATEWAY, World, condition

HOUR = 3600.0
SETTLING = 600.0
BUDGET = 12
"""AWS calls that a target which stays broken may cost in an hour, Lists apart."""
PROBE = "Failed to connect and fetch tools from the provided MCP target server. Error - "
REASONS = {
    "Unreachable": f"{PROBE}Unable to connect to the MCP server. Please check the server",
    "Unauthorized": f"{PROBE}Authorization error when sending message",
    "GatewayRole": "Gateway service is not authorized to assume the execution role",
    "InvalidSchema": f"{PROBE}Method not found: resources/templates/list",
    "RuntimeStartup": f"{PROBE}Runtime initialization time exceeded.",
    "Throttled": "Rate exceeded",
    "Unknown": f"{PROBE}An internal error occurred while processing the request.",
}
SCHEMA = '{"tools": [{"name": "sum", "description": "Adds.", "inputSchema": {"type": "object"}}]}'


def own_calls(world: World) -> dict[str, int]:
    """Return the calls that were made for targets: Lists serve a whole gateway."""
    return {name: n for name, n in world.calls().items() if name != "ListGatewayTargets"}


def busiest_hour(world: World, *, since: float) -> int:
    """Return the most calls for targets that any hour saw since a loop time."""
    times = [
        entry["time"]
        for entry in world.aws.requests(limit=100_000, since=EPOCH.timestamp() + since)
        if entry["operation"] != "ListGatewayTargets"
    ]
    return max((sum(began <= time < began + HOUR for time in times) for began in times), default=0)


@pytest.mark.parametrize("class_", REASONS)
async def test_server_that_comes_up_late_needs_nobody(class_: str) -> None:
    """Whatever AWS gave as the reason; it is told, and the repairs connect again without an Update."""
    world = World()
    world.aws.add_scenario(outcome="failed", reasons=[REASONS[class_]], recover_after=6)
    async with world.operator():
        await world.create()
        obj = await world.until_reason("TargetFailed", within=10)
        assert obj.status.failure is not None
        assert obj.status.failure.class_ == class_
        assert obj.status.status_reasons == (REASONS[class_],)
        assert REASONS[class_].rstrip(".") in condition(obj).message
        assert condition(obj, "Synced").status == "True"
        await world.until_ready(within=1.3 * (30 + 60 + 120 + 240 + 480 + 960))
        assert world.calls()["SynchronizeGatewayTargets"] == 6
        assert "UpdateGatewayTarget" not in world.calls()
        obj = await world.get()
        assert obj.status.failure is None
        assert obj.status.status_reasons == ()


@pytest.mark.parametrize(
    ("spec", "denied", "repair"),
    [
        ({}, [], "SynchronizeGatewayTargets"),
        ({}, ["SynchronizeGatewayTargets"], "UpdateGatewayTarget"),
        ({"mcpToolSchema": {"inline": SCHEMA}}, [], "UpdateGatewayTarget"),
    ],
    ids=["synchronize", "synchronize-denied", "static-schema"],
)
async def test_target_that_stays_broken_costs_little_for_hours(
    spec: dict[str, Any], denied: list[str], repair: str
) -> None:
    world = World()
    world.aws.configure(denied_actions=denied)
    world.aws.add_scenario(outcome="failed", tool_schema="missing")
    async with world.operator():
        await world.create(**spec)
        await world.until_reason("TargetFailed", within=10)
        await world.pass_time(SETTLING)
        assert len(world.writes()) <= 20
        world.forget_calls()
        await world.pass_time(5 * HOUR)
        assert busiest_hour(world, since=SETTLING) <= BUDGET
        assert world.calls()[repair] >= 5
        assert len(world.writes()) <= 2 * world.calls()[repair]
        assert 5 * 55 <= world.calls()["ListGatewayTargets"] <= 5 * 75


@pytest.mark.parametrize("bump", [False, True], ids=["same-updatedAt", "new-updatedAt"])
@pytest.mark.parametrize(("up", "down"), [(60, 60), (900, 300), (1500, 20)])
async def test_target_that_flaps_costs_little_for_hours(up: float, down: float, bump: bool) -> None:
    """It is READY for a while and fails again, for hours: that is one episode, not many."""
    world = World()
    async with world.operator():
        await world.create()
        obj = await world.until_ready()
        await world.pass_time(90)
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() < began + 4 * HOUR:
            for status, seconds in (("FAILED", down), ("READY", up)):
                world.aws.set_status(obj.status.target_id, status)
                if bump:
                    world.aws.edit_target(obj.status.target_id)
                await world.pass_time(seconds)
        assert busiest_hour(world, since=began + SETTLING) <= BUDGET
        await world.pass_time(600)
        await world.until_ready(within=10)


async def test_short_recovery_does_not_begin_the_repairs_anew() -> None:
    """Repaired after ever longer waits, until it has been READY for an hour."""
    world = World()
    async with world.operator():
        await world.create()
        obj = await world.until_ready()
        waits = []
        for health in (300.0, 300.0, 300.0, 300.0, HOUR + 60, 1.0):
            world.forget_calls()
            world.aws.set_status(obj.status.target_id, "FAILED")
            await world.until_reason("TargetFailed", within=70)
            waits.append(
                await world.until(lambda: world.calls()["SynchronizeGatewayTargets"] == 1, within=HOUR)
            )
            await world.until_ready()
            await world.pass_time(health)
    lowest = (30, 60, 120, 240, 480, 30)
    assert all(low - 1 <= wait <= low * 1.2 + 2 for wait, low in zip(waits, lowest, strict=True)), waits


async def test_new_generation_begins_the_repairs_anew() -> None:
    """Also one that asks AWS for nothing: its author expects the operator to look."""
    world = World()
    world.aws.add_scenario(outcome="failed")
    async with world.operator():
        await world.create(oauthScopes=["one", "two"])
        await world.pass_time(2 * HOUR)
        obj = await world.get()
        assert obj.status.failure is not None
        assert obj.status.failure.attempts >= 7
        world.forget_calls()
        await world.edit(spec={"oauthScopes": ["two", "one"]})
        await world.until(lambda: world.calls()["SynchronizeGatewayTargets"] == 1, within=40)
        assert "UpdateGatewayTarget" not in world.calls()


async def test_restart_goes_on_with_the_repairs_of_this_generation_only() -> None:
    world = World()
    world.aws.add_scenario(outcome="failed")
    async with world.operator():
        await world.create()
        await world.pass_time(HOUR)
    before = (await world.get()).status.failure
    assert before is not None
    world.forget_calls()
    async with world.operator():
        await world.pass_time(120)
        after = (await world.get()).status.failure
        assert after == before
        assert "SynchronizeGatewayTargets" not in world.calls()
    await world.edit(spec={"oauthScopes": ["read", "write"]})
    async with world.operator():
        await world.until(lambda: world.calls()["SynchronizeGatewayTargets"] == 1, within=60)


async def test_denied_synchronize_is_tried_again_with_the_repairs() -> None:
    """Not more often than these, and not only after a restart: somebody mended the policy."""
    world = World()
    world.aws.configure(denied_actions=["SynchronizeGatewayTargets"])
    world.aws.add_scenario(outcome="failed")
    async with world.operator():
        await world.create()
        await world.until(lambda: world.calls()["SynchronizeGatewayTargets"] == 1, within=60)
        world.forget_calls()
        await world.pass_time(HOUR - 120)
        repairs = world.calls()["UpdateGatewayTarget"]
        assert repairs >= 4
        assert world.calls()["SynchronizeGatewayTargets"] <= repairs
        world.aws.configure(denied_actions=[])
        world.forget_calls()
        await world.pass_time(2.5 * HOUR)
        assert world.calls()["SynchronizeGatewayTargets"] >= 1
        assert "UpdateGatewayTarget" not in world.calls()


async def test_denied_synchronize_on_one_gateway_says_nothing_of_another() -> None:
    world = World()
    world.aws.add_scenario(outcome="failed")
    world.aws.add_fault(
        operation="SynchronizeGatewayTargets", gateway=GATEWAY, code="AccessDeniedException", count=100
    )
    async with world.operator():
        await world.create("one")
        await world.create("two", gatewayId="other-abcdefghij")
        await world.pass_time(SETTLING)
    by_gateway = [
        (entry["operation"], entry["gateway"])
        for entry in world.aws.requests(limit=10_000)
        if entry["operation"] in {"SynchronizeGatewayTargets", "UpdateGatewayTarget"}
    ]
    repairs = by_gateway.count(("UpdateGatewayTarget", GATEWAY))
    assert repairs >= 2
    assert by_gateway.count(("SynchronizeGatewayTargets", GATEWAY)) <= repairs
    assert by_gateway.count(("SynchronizeGatewayTargets", "other-abcdefghij")) >= 3
    assert by_gateway.count(("UpdateGatewayTarget", "other-abcdefghij")) == 0


async def test_old_configuration_kept_by_a_failed_update_is_noticed() -> None:
    """AWS says UPDATE_UNSUCCESSFUL and holds what it held: the repair sends the new configuration."""
    world = World(simulator=SimulatorSettings(durations=Durations(updating=2.0)))
    async with world.operator():
        await world.create()
        obj = await world.until_ready()
        old = world.targets()[0]["targetConfiguration"]
        await world.edit(spec={"endpoint": "https://new.example.com/mcp"})
        await world.until(lambda: world.calls()["UpdateGatewayTarget"] == 1)
        world.aws.edit_target(obj.status.target_id, targetConfiguration=old)
        world.aws.set_status(obj.status.target_id, "UPDATE_UNSUCCESSFUL", reasons=["It went wrong."])
        failed = await world.until_reason("TargetFailed", within=80)
        assert condition(failed, "Synced").status == "False"
        await world.until_ready(within=200)
        assert "new.example.com" in str(world.targets()[0]["targetConfiguration"])


@pytest.mark.parametrize("sync_failure_status", ["SYNCHRONIZE_UNSUCCESSFUL", "FAILED"])
async def test_user_who_asks_has_a_failed_target_repaired_at_once(sync_failure_status: Any) -> None:
    world = World(simulator=SimulatorSettings(switches=Switches(sync_failure_status=sync_failure_status)))
    world.aws.add_scenario(outcome="failed")
    async with world.operator():
        await world.create()
        await world.pass_time(2 * HOUR)
        world.aws.set_scenarios([])
        world.forget_calls()
        await world.edit(metadata={"annotations": {names.RECONCILE_ANNOTATION: "now"}})
        await world.until_ready(within=10)
        assert own_calls(world) == {"GetGatewayTarget": 1, "SynchronizeGatewayTargets": 1}


async def test_status_holds_ten_reasons_of_512_characters_at_most() -> None:
    world = World()
    world.aws.add_scenario(outcome="failed", reasons=[f"{number} {'x' * 2000}" for number in range(100)])
    async with world.operator():
        await world.create()
        obj = await world.until_reason("TargetFailed", within=10)
    assert len(obj.status.status_reasons) == 10
    assert {len(reason) for reason in obj.status.status_reasons} == {512}
    assert len(condition(obj).message) <= 32_768


ARN = "arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/a"


@pytest.mark.parametrize(
    ("spec", "reason", "says"),
    [
        (
            {"endpoint": "https://orders.team-a.svc.cluster.local:8443/mcp"},
            REASONS["Unreachable"],
            "never reaches this one: orders.team-a.svc.cluster.local ends in .cluster.local",
        ),
        (
            {"endpoint": "https://10.1.2.3/mcp"},
            REASONS["Unknown"],
            "10.1.2.3 is a private or reserved address",
        ),
        (
            {"endpoint": f"https://a.example.com/runtimes/{ARN}/invocations"},
            REASONS["InvalidSchema"],
            "Percent-encode the ARN in the endpoint's path: write arn%3Aaws%3Abedrock-agentcore%3Aus-east-1",
        ),
    ],
)
async def test_a_failure_is_told_with_what_the_endpoint_itself_tells(
    spec: dict[str, Any], reason: str, says: str
) -> None:
    world = World()
    world.aws.add_scenario(outcome="failed", reasons=[reason])
    async with world.operator():
        await world.create(**spec)
        obj = await world.until_reason("TargetFailed", within=10)
        assert says in condition(obj).message


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({}, REASONS["Unreachable"]),
        ({"endpoint": "https://10.1.2.3/mcp"}, REASONS["GatewayRole"]),
        (
            {
                "endpoint": "https://10.1.2.3/mcp",
                "privateEndpoint": {
                    "selfManagedLatticeResource": {
                        "resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"
                    }
                },
            },
            REASONS["Unreachable"],
        ),
    ],
)
async def test_a_failure_says_nothing_of_an_endpoint_that_is_not_its_cause(
    spec: dict[str, Any], reason: str
) -> None:
    world = World()
    world.aws.add_scenario(outcome="failed", reasons=[reason])
    async with world.operator():
        await world.create(**spec)
        obj = await world.until_reason("TargetFailed", within=10)
        assert "never reaches" not in condition(obj).message
