"""Credentials that AWS refuses: the operator's trouble, not each object's, and over for all at once."""

from __future__ import annotations

import pytest

from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.api import names
from tests.support.audit import Audit
from tests.support.world import OTHER_GATEWAY, World, condition
from tests.unit.controller.test_outages import events_of

CODES = {
    "ExpiredTokenException": "CredentialsRefused",
    "UnrecognizedClientException": "CredentialsRefused",
    "InvalidSignatureException": "SignatureRefused",
}


def refuse(world: World, code: str) -> None:
    """Let AWS refuse every call for its credentials, until `clear_faults`."""
    world.aws.add_fault(operation="*", code=code, status=403, count=None)


@pytest.mark.parametrize("code", CODES)
async def test_a_refusal_is_asked_about_every_thirty_seconds_and_no_more(code: str) -> None:
    world = World()
    async with world.operator():
        for number in range(5):
            await world.create(f"ready-{number}")
        for number in range(5):
            await world.until_ready(f"ready-{number}")
        await world.pass_time(5)
        before = [(await world.get(f"ready-{number}")).status for number in range(5)]
        refuse(world, code)
        await world.create("late")
        late = await world.until_reason(CODES[code], "late", within=120)
        assert "platform team" in condition(late).message
        assert condition(late, "Stalled").status == "False"
        assert "IAM policy" not in condition(late).message
        world.forget_calls()
        await world.pass_time(100)
        assert [(await world.get(f"ready-{number}")).status for number in range(5)] == before
        await world.pass_time(1000)
        assert 30 <= sum(world.calls().values()) <= 38
        assert len(world.writes()) <= 2 * 5
        world.aws.clear_faults()
        await world.until_ready("late", within=35)
        for number in range(5):
            await world.until_ready(f"ready-{number}", within=10)


async def test_three_hundred_objects_are_at_work_again_within_a_minute_of_the_end() -> None:
    settings = SimulatorSettings()
    settings.quotas.targets_per_gateway = 400
    world = World(simulator=settings)
    audit = Audit(world.api.store)
    count = 300
    async with world.operator(quotas=Quotas.parse("gateway-targets=400")):
        await world.pass_time(5)
        refuse(world, "ExpiredTokenException")
        for number in range(count):
            await world.create(f"server-{number:03}")
        await world.pass_time(31 + 660)
        refused = [await world.get(f"server-{number:03}") for number in range(count)]
        assert {condition(each).reason for each in refused} == {"CredentialsRefused"}
        world.forget_calls()
        world.aws.clear_faults()
        await world.pass_time(60)
        now = [await world.get(f"server-{number:03}") for number in range(count)]
        assert "CredentialsRefused" not in {condition(each).reason for each in now}
        ready = sum(condition(each).status == "True" for each in now)
        assert ready >= 5 * 25, "five Creates a second since the probe that AWS took"
        await world.until_ready(f"server-{count - 1:03}", within=60)
        assert world.calls()["CreateGatewayTarget"] == count
    assert not audit.complaints


async def test_it_is_told_once_for_all_and_a_blip_not_at_all() -> None:
    world = World()
    async with world.operator() as operator:
        await world.create()
        await world.until_ready()
        world.aws.add_fault(operation="*", code="ExpiredTokenException", status=403, count=1)
        told = sorted(events_of(world, names.KIND))
        await world.pass_time(120)
        assert events_of(world, "Lease") == []
        refuse(world, "ExpiredTokenException")
        await world.pass_time(300)
        note = operator.causes.note()
        assert note is not None
        assert "CredentialsRefused" in note
        world.aws.clear_faults()
        await world.pass_time(120)
        assert operator.causes.note() is None
        assert sorted(events_of(world, "Lease")) == [
            ("Normal", "CredentialsRefusedOver", 1),
            ("Warning", "CredentialsRefused", 1),
        ]
        assert sorted(events_of(world, names.KIND)) == told


async def test_an_object_that_is_deleted_meanwhile_says_so_and_goes_at_the_end() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        refuse(world, "UnrecognizedClientException")
        await world.pass_time(100)
        await world.delete()
        await world.pass_time(5)
        assert condition(await world.get()).reason == "CredentialsRefused"
        world.aws.clear_faults()
        await world.until(lambda: not world.exists(), within=45)


async def test_an_object_whose_call_was_the_probe_and_who_is_gone_keeps_nobody_waiting() -> None:
    world = World()
    async with world.operator():
        await world.pass_time(5)
        refuse(world, "ExpiredTokenException")
        await world.create("first")
        await world.until_reason("CredentialsRefused", "first", within=120)
        await world.create("second")
        await world.delete("first")
        world.aws.clear_faults()
        await world.until_ready("second", within=45)


async def test_an_object_on_a_gateway_that_nobody_has_used_before_says_so_too() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        refuse(world, "ExpiredTokenException")
        await world.pass_time(100)
        await world.create("late", gatewayId=OTHER_GATEWAY)
        await world.until_reason("CredentialsRefused", "late", within=5)
        world.aws.clear_faults()
        await world.until_ready("late", within=45)
