"""Text of others reaches statuses and Events with nothing hidden in it, and no write is made for that.

That nothing is hidden is what `World.operator` asserts, here as in every other test.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import ApiError
from tests.support.memory_cluster import Fault, Request
from tests.support.unseen import NASTY, SECRET, unseen
from tests.support.virtual_time import run_virtual
from tests.support.world import GATEWAY, World, condition

WHOLE = [each for each in NASTY if each not in "\ud800\udfff"]
"""Halves of characters pass through no JSON that is written here; `test_answers` has them."""
NASTY_TEXT = "before" + "".join(WHOLE) + "after"
SHOWN = "before\\u0000\\u0007\\u0008\\t\\n\\r\\u001b"


async def settled(world: World) -> None:
    """Let an hour pass in which nothing may be written: what is shown is compared as it is shown."""
    await world.pass_time(120)
    before = len(world.writes())
    await world.pass_time(600)
    assert len(world.writes()) == before


async def test_reasons_that_aws_gives() -> None:
    world = World()
    world.aws.add_scenario(outcome="failed", reasons=[NASTY_TEXT, "fine"])
    async with world.operator():
        await world.create()
        obj = await world.until_reason("TargetFailed", within=10)
        assert obj.status.status_reasons[0].startswith(SHOWN)
        assert obj.status.status_reasons[1] == "fine"
        assert SHOWN in condition(obj).message
        await world.pass_time(3600)


@pytest.mark.parametrize(
    "spec",
    [
        {"description": NASTY_TEXT},
        {"gatewayId": NASTY_TEXT},
        {"targetName": NASTY_TEXT},
        {"allowedRequestHeaders": [NASTY_TEXT]},
        {"oauthScopes": [NASTY_TEXT]},
        {"oauthProviderArn": f"arn:{NASTY_TEXT}"},
        {"endpoint": f"https://a.example.com/{NASTY_TEXT}"},
        {"capabilities": ["tools", NASTY_TEXT]},
        {"deletionPolicy": NASTY_TEXT},
    ],
    ids=lambda spec: next(iter(spec)),
)
async def test_every_field_of_a_spec(spec: dict[str, Any]) -> None:
    """As an older CRD admits them, and whatever AWS says of them."""
    world = World()
    async with world.operator():
        await world.create(**spec)
        await settled(world)
        assert (await world.get()).status.conditions
        await world.delete()
        await world.pass_time(600)


@pytest.mark.parametrize("kind", ["ValidationException", "AccessDeniedException", "ConflictException"])
async def test_errors_of_aws(kind: str) -> None:
    world = World()
    for _ in range(5):
        world.aws.add_fault(operation="CreateGatewayTarget", kind="error", code=kind, message=NASTY_TEXT)
    async with world.operator():
        await world.create()
        await world.pass_time(3600)
        assert (await world.get()).status.conditions


KEYED = f"https://a.example.com/mcp?key={SECRET}&{SECRET}"


@pytest.mark.parametrize("words", [f"No answer from {KEYED}.", f"url: /mcp?key={SECRET} (refused)"])
async def test_the_query_of_an_endpoint_in_the_words_of_aws(words: str) -> None:
    world = World()
    world.aws.add_scenario(outcome="failed", reasons=[words])
    world.aws.add_fault(
        operation="CreateGatewayTarget", kind="error", code="ValidationException", message=words, count=1
    )
    async with world.operator():
        await world.create(endpoint=KEYED)
        obj = await world.until_reason("CreationError", within=10)
        assert "?…" in condition(obj).message
        obj = await world.edit(metadata={"annotations": {names.RECONCILE_ANNOTATION: "now"}})
        obj = await world.until_reason("TargetFailed", within=10)
        assert "?…" in obj.status.status_reasons[0]
        await world.pass_time(600)


async def test_the_query_of_an_endpoint_that_differs(logs: list[Any]) -> None:
    world = World()
    async with world.operator():
        await world.create(endpoint=KEYED)
        obj = await world.until_ready()
        await world.edit(spec={"managementPolicy": "Observe", "endpoint": f"{KEYED}&more={SECRET}"})
        obj = await world.until_reason("Observed")
        assert "endpoint" in condition(obj, "Synced").message
        await world.edit(spec={"managementPolicy": "Manage"})
        await world.until_ready()
        config = {"mcp": {"mcpServer": {"endpoint": f"{KEYED}&else={SECRET}"}}}
        world.aws.edit_target(obj.status.target_id, targetConfiguration=config)
        await world.pass_time(300)
        assert world.calls()["UpdateGatewayTarget"] == 2
        await settled(world)
    assert not any(SECRET in str(line) for line in logs)


async def test_messages_of_the_api_server(logs: list[Any]) -> None:
    refusals = iter(range(3))

    def refuse(request: Request) -> Fault | None:
        if request.subresource == "status" and next(refusals, None) is not None:
            return Fault(refuse=ApiError(500, "InternalError", NASTY_TEXT))
        return None

    world = World()
    async with world.operator(faults=refuse):
        await world.create()
        await world.until_ready(within=120)
    assert logs


async def test_the_request_to_index_tools_is_served_once() -> None:
    """Status repeats its value, and finds it again there however it is written."""
    world = World()
    wish = NASTY_TEXT * 20
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: wish}})
        await world.pass_time(30)
        obj = await world.until_ready()
        assert obj.status.last_sync_request.startswith(SHOWN)
        await settled(world)
    async with world.operator():
        await settled(world)
        assert world.calls()["SynchronizeGatewayTargets"] == 1


async def test_a_status_of_an_older_version_that_repeats_the_request_as_it_was() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "soon"}})
        await world.pass_time(30)
        obj = await world.until_ready()
    world.forget_calls()
    world.sinks.hidden.clear()
    await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "a\u202eb"}})
    await world.set_status(msgspec.structs.replace(obj.status, last_sync_request="a\u202eb"))
    world.sinks.hidden.clear()
    async with world.operator():
        await world.pass_time(120)
    assert world.calls()["SynchronizeGatewayTargets"] == 0


async def test_an_address_for_consent() -> None:
    world = World()
    world.aws.add_scenario(outcome="consent")
    async with world.operator():
        await world.create(
            oauthGrantType="AUTHORIZATION_CODE", oauthDefaultReturnUrl="https://a.example.com/"
        )
        await world.until(lambda: world.aws.targets(GATEWAY))
        await world.pass_time(60)
        assert not unseen((await world.get()).status.authorization_url)


async def test_what_others_write_in_aws() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        world.aws.edit_target(world.aws.targets(GATEWAY)[0]["targetId"], description=NASTY_TEXT)
        await settled(world)


@settings(max_examples=15, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(WHOLE), min_size=1, max_size=300))
def test_any_text_at_all(text: str) -> None:
    run_virtual(_any_text(text))


async def _any_text(text: str) -> None:
    world = World()
    world.aws.add_scenario(outcome="failed", reasons=[text])
    async with world.operator():
        await world.create()
        await world.pass_time(60)
