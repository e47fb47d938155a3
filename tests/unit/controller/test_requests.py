"""What annotations ask for: a look at everything, an indexing of tools; each value once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agentcore_simulator.settings import Durations
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import EVENTS
from tests.support.audit import Audit, conditions
from tests.support.world import World, condition

TOOLS = '{"tools": [{"name": "forecast", "description": "", "inputSchema": {"type": "object"}}]}'
SYNC, GET, UPDATE = "SynchronizeGatewayTargets", "GetGatewayTarget", "UpdateGatewayTarget"


def messages(world: World, reason: str) -> list[tuple[str, int]]:
    """Return message and count of the Events with a reason."""
    found = [msgspec.json.decode(body) for _, body in world.api.store.select(EVENTS, None)]
    return [(event["message"], event["count"]) for event in found if event["reason"] == reason]


async def ask(world: World, annotation: str, value: str | None) -> None:
    """Annotate the object, and let a quarter of a minute pass."""
    await world.edit(metadata={"annotations": {annotation: value}})
    await world.pass_time(15)


# -- reconcile-requested-at ---------------------------------------------------------------------------


async def test_a_wish_to_reconcile_costs_one_get_and_one_status_write_for_each_value() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.pass_time(120)
        world.forget_calls()
        await ask(world, names.RECONCILE_ANNOTATION, "1")
        assert world.calls()[GET] == 1
        await ask(world, names.RECONCILE_ANNOTATION, "1")
        await world.pass_time(600)
        assert world.calls()[GET] == 1
        assert (await world.get()).status.last_reconcile_request == "1"
        await ask(world, names.RECONCILE_ANNOTATION, "2")
        assert world.calls()[GET] == 2
        await ask(world, names.RECONCILE_ANNOTATION, None)
        await ask(world, names.RECONCILE_ANNOTATION, "")
        assert world.calls()[GET] == 2
        assert world.writes() == ["patch status"] * 3, "two wishes, and the word that one is empty"
    async with world.operator():
        await world.pass_time(600)
        assert world.calls()[GET] == 2


async def test_a_wish_that_comes_with_a_new_object_costs_nothing() -> None:
    world = World()
    await world.create()
    await world.edit(metadata={"annotations": {names.RECONCILE_ANNOTATION: "first"}})
    async with world.operator():
        obj = await world.until_ready()
        await world.pass_time(120)
        assert obj.status.last_reconcile_request == "first"
        assert world.calls()[GET] == 0


@pytest.mark.parametrize("before", [None, "earlier"])
async def test_a_wish_that_was_written_while_no_operator_ran_is_heard_at_the_start(
    before: str | None,
) -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        if before:
            await ask(world, names.RECONCILE_ANNOTATION, before)
        await world.pass_time(120)
    await world.edit(metadata={"annotations": {names.RECONCILE_ANNOTATION: "meanwhile"}})
    world.forget_calls()
    for _ in range(3):
        async with world.operator():
            await world.pass_time(300)
        assert world.calls()[GET] == 1
        assert world.writes() == ["patch status"]
    assert (await world.get()).status.last_reconcile_request == "meanwhile"


async def test_a_wish_while_paused_is_kept_over_restarts() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await ask(world, names.PAUSED_ANNOTATION, "true")
        await ask(world, names.RECONCILE_ANNOTATION, "now")
        assert (await world.get()).status.last_reconcile_request == ""
    world.forget_calls()
    async with world.operator():
        await world.pass_time(60)
        await ask(world, names.PAUSED_ANNOTATION, None)
        await world.pass_time(120)
        assert world.calls()[GET] == 1
        assert (await world.get()).status.last_reconcile_request == "now"


async def test_a_wish_to_reconcile_finds_what_no_list_shows() -> None:
    world = World()
    async with world.operator():
        await world.create()
        obj = await world.until_ready()
        await world.pass_time(120)
        config = {"mcp": {"mcpServer": {"endpoint": "https://else.example.com/mcp"}}}
        world.aws.edit_target(obj.status.target_id, touch=False, targetConfiguration=config)
        await world.pass_time(300)
        assert world.calls()[UPDATE] == 0
        await ask(world, names.RECONCILE_ANNOTATION, "now")
        assert world.calls()[UPDATE] == 1


async def test_a_wish_to_reconcile_ends_every_wait() -> None:
    world = World()
    world.aws.configure(denied_actions=["CreateGatewayTarget"])
    async with world.operator():
        await world.create()
        await world.until_reason("AccessDenied")
        world.aws.configure(denied_actions=[])
        await world.pass_time(60)
        assert condition(await world.get()).reason == "AccessDenied"
        await ask(world, names.RECONCILE_ANNOTATION, "now")
        assert condition(await world.get()).status == "True"


async def test_a_wish_to_reconcile_repairs_a_failed_target_at_once() -> None:
    world = World()
    world.aws.add_scenario(outcome="failed")
    async with world.operator():
        await world.create()
        await world.pass_time(3 * 3600)
        obj = await world.until_reason("TargetFailed")
        assert obj.status.failure is not None
        world.aws.set_scenarios([])
        world.forget_calls()
        await ask(world, names.RECONCILE_ANNOTATION, "now")
        assert world.calls()[SYNC] == 1
        assert condition(await world.get()).status == "True"


@pytest.mark.parametrize("code", ["InternalServerException", "ThrottlingException", "ExpiredTokenException"])
async def test_a_wish_while_aws_does_not_answer_is_kept_over_restarts(code: str) -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        for operation in (GET, "ListGatewayTargets"):
            world.aws.add_fault(operation=operation, code=code, count=None)
        await ask(world, names.RECONCILE_ANNOTATION, "now")
        await world.pass_time(60)
        assert (await world.get()).status.last_reconcile_request == ""
    world.aws.clear_faults()
    world.forget_calls()
    async with world.operator():
        await world.pass_time(120)
    assert world.calls()[GET] == 1
    assert (await world.get()).status.last_reconcile_request == "now"


# -- sync-requested-at --------------------------------------------------------------------------------


async def test_ready_after_the_request_is_in_status_means_that_this_sync_is_done() -> None:
    """What a script waits for: first lastSyncRequest, then Ready."""
    world = World(simulator=SimulatorSettings(durations=Durations(synchronizing=20.0)))
    audit = Audit(world.api.store)
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.pass_time(60)
        asked = len(audit.states)
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "v2"}})
        await world.pass_time(90)
    finished = world.targets()[0]["lastSynchronizedAt"]
    noticed = [obj for obj in audit.states[asked:] if obj["status"].get("lastSyncRequest") == "v2"]
    ready = [conditions(obj)["Ready"]["status"] for obj in noticed]
    assert ready[0] == "False"
    assert ready[-1] == "True"
    assert noticed[-1]["status"]["toolsSynchronizedAt"][:19] == finished[:19]
    for obj in audit.states[asked:]:
        if obj["status"].get("lastSyncRequest") == "v2" and conditions(obj)["Ready"]["status"] == "True":
            assert obj["status"]["toolsSynchronizedAt"][:19] == finished[:19]


async def test_a_request_made_while_the_target_is_being_made_waits_for_it() -> None:
    world = World(simulator=SimulatorSettings(durations=Durations(creating=20.0)))
    async with world.operator():
        await world.create()
        await world.until_reason("Creating")
        await ask(world, names.SYNC_ANNOTATION, "early")
        assert world.calls()[SYNC] == 0
        await world.pass_time(30)
        assert world.calls()[SYNC] == 1
        assert (await world.until_ready()).status.last_sync_request == "early"


async def test_a_crash_right_after_the_sync_was_sent_repeats_it_once_at_most() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "v2"}})
        await world.until(lambda: world.calls()[SYNC] == 1)
    async with world.operator():
        await world.pass_time(120)
        assert (await world.until_ready()).status.last_sync_request == "v2"
    assert world.calls()[SYNC] <= 2


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("listingMode", "DYNAMIC", "DYNAMIC"), ("mcpToolSchema", {"inline": TOOLS}, "spec.mcpToolSchema")],
)
async def test_a_request_where_no_tools_are_indexed_is_answered_once(
    field: str, value: Any, words: str
) -> None:
    world = World()
    async with world.operator():
        await world.create(**{field: value})
        await world.until_ready()
        world.forget_calls()
        await ask(world, names.SYNC_ANNOTATION, "v2")
        obj = await world.get()
        assert obj.status.last_sync_request == "v2"
        assert condition(obj).status == "True"
        assert len(world.writes()) == 1
    async with world.operator():
        await world.pass_time(300)
    ((message, count),) = messages(world, "ToolsNotIndexed")
    assert words in message
    assert count == 1
    assert world.calls()[SYNC] == world.calls()[UPDATE] == 0


async def test_a_denied_request_says_so_and_is_not_acknowledged() -> None:
    world = World()
    world.aws.configure(denied_actions=[SYNC])
    async with world.operator():
        await world.create()
        await world.until_ready()
        await ask(world, names.SYNC_ANNOTATION, "v2")
        obj = await world.get()
        assert condition(obj).status == "True"
        assert SYNC in condition(obj).message
        assert obj.status.last_sync_request == ""
        world.forget_calls()
        await world.pass_time(1200)
        assert world.writes() == []
        world.aws.configure(denied_actions=[])
        await world.pass_time(3700)
        assert (await world.until_ready()).status.last_sync_request == "v2"


async def test_a_sync_that_aws_refuses_takes_nothing_from_a_ready_target_and_backs_off() -> None:
    world = World()
    audit = Audit(world.api.store)
    async with world.operator():
        await world.create()
        await world.until_ready()
        world.aws.add_fault(operation=SYNC, code="ThrottlingException", count=None)
        world.forget_calls()
        await ask(world, names.SYNC_ANNOTATION, "v2")
        await world.pass_time(600)
        assert 5 <= world.calls()[SYNC] <= 40
        assert len(world.writes()) <= 2
        obj = await world.get()
        assert condition(obj).status == "True"
        assert "not indexed again yet" in condition(obj).message
        assert obj.status.last_sync_request == ""
        world.aws.clear_faults()
        await world.pass_time(60)
        obj = await world.until_ready()
        assert obj.status.last_sync_request == "v2"
        assert "not indexed" not in condition(obj).message
    assert not audit.complaints


async def test_a_request_is_kept_while_paused() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await ask(world, names.PAUSED_ANNOTATION, "true")
        await ask(world, names.SYNC_ANNOTATION, "v2")
        assert world.calls()[SYNC] == 0
        await ask(world, names.PAUSED_ANNOTATION, None)
        assert world.calls()[SYNC] == 1
