"""Calls that AWS refuses: the reason follows the cause, and what was missing is noticed when it is there."""

from __future__ import annotations

import pytest

from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.api import names
from tests.support.world import GATEWAY, World, condition

MISSING = [
    "Credential provider idp not found",
    "The specified S3 object does not exist",
    "Secrets Manager can't find the specified secret",
    "Resource configuration rcfg-1 not found",
]


@pytest.mark.parametrize("message", MISSING)
@pytest.mark.parametrize("code", ["ResourceNotFoundException", "ValidationException"])
async def test_what_the_spec_names_and_aws_does_not_find_is_not_the_gateway(code: str, message: str) -> None:
    world = World()
    world.aws.add_fault(operation="CreateGatewayTarget", code=code, message=message, count=None)
    async with world.operator():
        await world.create()
        obj = await world.until_reason("ReferenceNotFound")
        assert message in condition(obj).message
        assert "whoever wrote the MCPServer" in condition(obj).message
        assert condition(obj, "Stalled").status == "True"


async def test_an_update_that_names_something_that_is_not_there_does_not_take_the_target_for_gone() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        world.aws.add_fault(
            operation="UpdateGatewayTarget",
            code="ResourceNotFoundException",
            message=MISSING[0],
            count=None,
        )
        await world.edit(spec={"description": "changed"})
        await world.until_reason("ReferenceNotFound")
        await world.pass_time(300)
        assert world.calls()["CreateGatewayTarget"] == 1
        assert condition(await world.get()).reason == "ReferenceNotFound"


async def test_an_explicit_deny_is_not_answered_with_the_operators_policy() -> None:
    world = World()
    message = "User: x is not authorized to perform: y with an explicit deny in a service control policy"
    world.aws.add_fault(
        operation="CreateGatewayTarget", code="AccessDeniedException", message=message, count=None
    )
    async with world.operator():
        await world.create()
        told = condition(await world.until_reason("DeniedByPolicy")).message
        assert "operator's IAM policy" not in told
        assert "organization" in told


async def test_a_right_that_is_given_is_noticed_within_a_minute_and_the_others_follow() -> None:
    settings = SimulatorSettings()
    settings.quotas.targets_per_gateway = 200
    world = World(simulator=settings)
    count = 100
    async with world.operator(quotas=Quotas.parse("gateway-targets=200")):
        world.aws.configure(denied_actions=["CreateGatewayTarget"])
        for number in range(count):
            await world.create(f"server-{number:03}")
        for number in range(count):
            await world.until_reason("AccessDenied", f"server-{number:03}", within=200)
        await world.pass_time(120)
        world.forget_calls()
        await world.pass_time(300)
        assert 4 <= world.calls()["CreateGatewayTarget"] <= 7, "one real call in a minute, of all"
        assert len(world.writes()) <= 7
        world.aws.configure(denied_actions=[])
        world.forget_calls()
        await world.until(lambda: len(world.targets()) == count, within=60 + count / 5 + 10)
        assert world.calls()["CreateGatewayTarget"] == count
        for number in range(count):
            await world.until_ready(f"server-{number:03}", within=20)


async def test_one_that_is_denied_for_itself_holds_nobody_up_for_longer_than_a_minute() -> None:
    world = World()
    async with world.operator():
        world.aws.configure(denied_actions=["CreateGatewayTarget"])
        for name in ("own", "one", "two"):
            await world.create(name)
            await world.until_reason("AccessDenied", name)
        world.aws.add_fault(
            operation="CreateGatewayTarget", name="own", code="AccessDeniedException", count=None
        )
        world.aws.configure(denied_actions=[])
        for name in ("one", "two"):
            await world.until_ready(name, within=130)
        world.forget_calls()
        await world.pass_time(3600)
        assert condition(await world.get("own")).reason == "AccessDenied"
        assert world.calls()["CreateGatewayTarget"] <= 65


@pytest.mark.parametrize("action", ["UpdateGatewayTarget", "DeleteGatewayTarget", "GetGatewayTarget"])
async def test_every_right_that_is_given_is_noticed_within_a_minute(action: str) -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        world.aws.configure(denied_actions=[action])
        if action == "DeleteGatewayTarget":
            await world.delete()
        else:
            await world.edit(spec={"description": "changed"})
        await world.until_reason("AccessDenied", within=30)
        await world.pass_time(500)
        world.aws.configure(denied_actions=[])
        if action == "DeleteGatewayTarget":
            await world.until(lambda: not world.exists(), within=90)
        else:
            await world.until_ready(within=75)


async def test_an_object_that_is_gone_holds_up_nobody_in_the_line() -> None:
    world = World()
    async with world.operator():
        world.aws.configure(denied_actions=["CreateGatewayTarget"])
        for name in ("first", "second"):
            await world.create(name)
            await world.until_reason("AccessDenied", name)
        await world.delete("first")
        await world.until(lambda: not world.exists("first"), within=120)
        world.aws.configure(denied_actions=[])
        await world.until_ready("second", within=75)


async def test_one_that_makes_no_call_holds_nobody_up_for_longer_than_a_minute() -> None:
    world = World()
    async with world.operator():
        world.aws.configure(denied_actions=["CreateGatewayTarget"])
        for name in ("paused", "one", "two"):
            await world.create(name)
            await world.until_reason("AccessDenied", name)
        await world.edit("paused", metadata={"annotations": {names.PAUSED_ANNOTATION: "true"}})
        await world.pass_time(130)
        world.aws.configure(denied_actions=[])
        for name in ("one", "two"):
            await world.until_ready(name, within=130)


async def test_a_target_that_another_process_made_meanwhile_ends_the_trouble_of_the_create() -> None:
    world = World()
    async with world.operator():
        await world.create("model")
        await world.until_ready("model")
        world.aws.add_fault(operation="CreateGatewayTarget", code="ValidationException", count=None)
        await world.create()
        await world.until_reason("CreationError")
    async with world.operator() as operator:
        await world.pass_time(90)
        assert condition(await world.get()).reason == "CreationError"
        mark = operator.reconciler.settings.markers_of(await world.get())[0]
        world.aws.create_target(
            GATEWAY,
            name="weather",
            targetConfiguration={"mcp": {"mcpServer": {"endpoint": "https://weather.example.com/mcp"}}},
            description=f"made elsewhere [mcps {mark}]",
        )
        obj = await world.until_ready(within=90)
        assert obj.status.target_id


async def test_a_change_that_another_made_meanwhile_ends_the_trouble_of_the_update() -> None:
    world = World()
    async with world.operator():
        await world.create()
        obj = await world.until_ready()
        await world.pass_time(60)
        world.aws.add_fault(operation="UpdateGatewayTarget", code="ValidationException", count=None)
        await world.edit(spec={"endpoint": "https://other.example.com/mcp"})
        await world.until_reason("UpdateError")
        held = {"mcp": {"mcpServer": {"endpoint": "https://other.example.com/mcp"}}}
        world.aws.edit_target(obj.status.target_id, targetConfiguration=held)
        await world.until_ready(within=130)
        assert world.calls()["UpdateGatewayTarget"] == 1
