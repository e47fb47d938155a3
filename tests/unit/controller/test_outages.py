"""AWS that cannot be asked: the status says so, twice at most, and what is known comes back by itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import EVENTS
from tests.support.audit import Audit
from tests.support.kstatus import kstatus
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition

REFUSALS = [
    "AccessDeniedException",
    "InternalServerException",
    "ThrottlingException",
    "ValidationException",
]


def refuse_lists(world: World, code: str = "AccessDeniedException", **where: Any) -> None:
    """Let every List fail, or those of a gateway, until `clear_faults`."""
    world.aws.add_fault(operation="ListGatewayTargets", code=code, count=None, **where)


def events_of(world: World, kind: str) -> list[tuple[str, str, int]]:
    """Return type, reason and count of the Events about objects of a kind."""
    found = [msgspec.json.decode(body) for _, body in world.api.store.select(EVENTS, None)]
    return [
        (each["type"], each["reason"], each["count"])
        for each in found
        if each["involvedObject"]["kind"] == kind
    ]


def errors(logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the error lines."""
    return [line for line in logs if line["log_level"] == "error"]


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_settled_object_is_in_doubt_after_three_intervals_and_not_known_after_ten_minutes(
    code: str,
) -> None:
    world = World()
    audit = Audit(world.api.store)
    async with world.operator():
        await world.create()
        ready = await world.until_ready()
        await world.pass_time(30)
        refuse_lists(world, code)
        world.forget_calls()
        await world.pass_time(140)
        assert (await world.get()).status == ready.status
        await world.pass_time(60)
        doubt = await world.get()
        assert condition(doubt).status == "True"
        synced = condition(doubt, "Synced")
        assert synced.status == "Unknown"
        assert synced.reason not in {"Synced", "GatewayTargetReady"}
        assert "The last list that succeeded was at 2026-" in synced.message
        assert doubt.status.target_status == ""
        assert kstatus(audit.states[-1]) == "Current"
        await world.pass_time(420)
        lost = await world.get()
        assert {
            kind: condition(lost, kind).status for kind in ("Ready", "Synced", "Reconciling", "Stalled")
        } == {"Ready": "Unknown", "Synced": "Unknown", "Reconciling": "True", "Stalled": "False"}
        assert kstatus(audit.states[-1]) == "InProgress"
        assert condition(lost).reason == synced.reason
        await world.pass_time(7200)
        assert world.writes() == ["patch status"] * 2
        world.aws.clear_faults()
        await world.until_ready(within=90)
        back = await world.get()
        assert back.status.target_status == "READY"
        assert condition(back, "Synced").status == "True"
        assert world.writes() == ["patch status"] * 3
        assert world.calls()["GetGatewayTarget"] == 0
    assert not audit.complaints


async def test_one_cause_is_one_error_line_and_one_event_at_its_begin_and_end() -> None:
    world = World()
    async with world.operator() as operator:
        for number in range(20):
            await world.create(f"server-{number}")
        for number in range(20):
            await world.until_ready(f"server-{number}")
        assert operator.causes.note() is None
        told = sorted(events_of(world, names.KIND))
        with capture_logs() as logs:
            refuse_lists(world)
            await world.pass_time(1800)
            (line,) = errors(logs)  # type: ignore[arg-type]  # structlog's are mappings
            assert GATEWAY in line["event"]
            assert operator.causes.counts() == {"AccessDenied": 1}
            assert GATEWAY in str(operator.causes.note())
            world.aws.clear_faults()
            await world.pass_time(120)
        assert operator.causes.note() is None
        assert len(errors(logs)) == 1  # type: ignore[arg-type]
        over = [line["log_level"] for line in logs if "over" in str(line["event"])]
        assert over == ["warning"]
        assert sorted(events_of(world, "Lease")) == [
            ("Normal", "AccessDeniedOver", 1),
            ("Warning", "AccessDenied", 1),
        ]
        assert sorted(events_of(world, names.KIND)) == told


async def test_what_is_over_for_one_gateway_is_not_said_of_it_any_more() -> None:
    """Two gateways have the same trouble, and the one whose name was told is the first to be listed again."""
    world = World()
    async with world.operator() as operator:
        for number, gateway in enumerate((GATEWAY, OTHER_GATEWAY)):
            await world.create(f"server-{number}", gatewayId=gateway)
            await world.until_ready(f"server-{number}")
        refuse_lists(world)
        await world.pass_time(600)
        note = str(operator.causes.note())
        assert "AccessDenied (2): " in note
        told, other = (GATEWAY, OTHER_GATEWAY) if GATEWAY in note else (OTHER_GATEWAY, GATEWAY)
        world.aws.clear_faults()
        refuse_lists(world, gateway=other)
        await world.pass_time(120)
        note = str(operator.causes.note())
        assert "AccessDenied (1): " in note
        assert other in note
        assert told not in note


async def test_a_restart_in_an_outage_writes_nothing_and_goes_on_where_it_was() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.pass_time(30)
        refuse_lists(world)
        await world.pass_time(300)
        doubt = await world.get()
        assert condition(doubt, "Synced").status == "Unknown"
    world.forget_calls()
    async with world.operator():
        await world.pass_time(500)
        assert (await world.get()).status == doubt.status
        assert world.writes() == []
        await world.pass_time(300)
        lost = await world.get()
        assert condition(lost).status == "Unknown"
    world.forget_calls()
    async with world.operator():
        await world.pass_time(3600)
        assert (await world.get()).status == lost.status
        assert world.writes() == []
        world.aws.clear_faults()
        await world.until_ready(within=90)
        assert world.calls()["GetGatewayTarget"] == 0
        assert world.writes() == ["patch status"]


async def test_an_object_that_is_edited_in_an_outage_says_why_it_waits() -> None:
    world = World()
    audit = Audit(world.api.store)
    async with world.operator():
        await world.create()
        await world.until_ready()
        refuse_lists(world)
        await world.pass_time(200)
        world.forget_calls()
        await world.edit(spec={"description": "changed"})
        await world.pass_time(30)
        told = condition(await world.get())
        assert (told.status, told.reason, told.observed_generation) == ("False", "AccessDenied", 2)
        assert "cannot be listed" in told.message
        await world.pass_time(3600)
        assert len(world.writes()) <= 2
        assert condition(await world.get()).status in {"False", "Unknown"}
        world.aws.clear_faults()
        await world.until_ready(within=90)
    assert not audit.complaints


async def test_a_failed_target_is_not_known_either() -> None:
    world = World()
    audit = Audit(world.api.store)
    async with world.operator():
        world.aws.add_scenario(outcome="failed")
        await world.create(driftPolicy="Report")
        await world.until_reason("TargetFailed")
        await world.pass_time(5)
        world.aws.add_fault(operation="*", code="InternalServerException", count=None)
        await world.pass_time(1000)
        told = await world.get()
        assert condition(told).status == "Unknown"
        assert told.status.target_status == ""
        world.forget_calls()
        await world.pass_time(3600)
        assert world.writes() == []
    world.aws.set_scenarios([])
    world.aws.clear_faults()
    async with world.operator():
        await world.pass_time(20)
        assert world.calls()["GetGatewayTarget"] >= 1, "an unknown state proves nothing"
        await world.until_ready(within=3600)
    assert not audit.complaints


async def test_a_gateway_that_nobody_has_anything_on_is_no_outage() -> None:
    """A tenant makes up ids; the others are not told of it."""
    world = World()
    async with world.operator() as operator:
        world.aws.add_fault(
            operation="ListGatewayTargets", gateway="made-up-abcdefghij", code="AccessDenied", count=None
        )
        await world.create(gatewayId="made-up-abcdefghij")
        await world.pass_time(1200)
        assert operator.causes.counts() == {}
        assert condition(await world.get()).status == "False"


async def test_the_status_column_is_empty_while_the_gateway_is_gone() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        world.aws.delete_gateway(GATEWAY)
        obj = await world.until_reason("GatewayNotFound", within=100)
        assert obj.status.target_status == ""


async def test_a_fleet_turns_in_time_and_writes_each_status_once() -> None:
    count = 300
    settings = SimulatorSettings()
    settings.quotas.targets_per_gateway = count
    world = World(simulator=settings)
    async with world.operator():
        for number in range(count):
            await world.create(f"server-{number:03}")
        await world.until_ready(f"server-{count - 1:03}", within=600)
        await world.pass_time(60)
        refuse_lists(world)
        world.forget_calls()
        world.passes.clear()
        await world.pass_time(260)
        assert world.writes() == ["patch status"] * count
        assert sum(world.passes.values()) <= 3 * count
        world.passes.clear()
        await world.pass_time(280)
        assert sum(world.passes.values()) == 0


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_gateway_that_is_gone_is_not_back_because_a_list_fails_otherwise(code: str) -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        world.aws.delete_gateway(GATEWAY)
        await world.until_reason("GatewayNotFound", within=100)
        await world.pass_time(200)
        refuse_lists(world, code)
        for _ in range(100):
            await world.pass_time(10)
            told = await world.get()
            assert condition(told).status != "True"
            assert told.status.target_status == ""


async def test_a_gateway_that_is_gone_is_not_in_doubt_for_one_answer_that_does_not_come() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        world.aws.delete_gateway(GATEWAY)
        await world.until_reason("GatewayNotFound", within=100)
        await world.pass_time(3600)
        world.forget_calls()
        world.aws.add_fault(operation="ListGatewayTargets", code="InternalServerException", count=1)
        await world.pass_time(600)
        assert condition(await world.get()).reason == "GatewayNotFound"
        assert world.writes() == []
