"""Objects of a megabyte and more: kept as kilobytes, read anew when AWS needs them, at one read an edit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.gather.desired_cache import AT_ONCE, WorkedOut
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import PatchType
from tests.support.memory_cluster import Fault, Request
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition

OWNER = ("cluster-a",)
DRIFT = 30.0


def schema(version: int, size: int = 6_000) -> dict[str, Any]:
    """Return a static list of tools that is too large to be kept."""
    tool = {"name": "search", "description": "x" * size, "inputSchema": {"type": "object"}}
    return {"inline": json.dumps({"tools": [tool], "version": version})}


def inline(world: World, target_id: str, gateway_id: str = GATEWAY) -> str:
    """Return the list of tools that AWS holds."""
    target = next(each for each in world.targets(gateway_id) if each["targetId"] == target_id)
    full = world.aws.target(target["targetId"])
    text: str = full["targetConfiguration"]["mcp"]["mcpServer"]["mcpToolSchema"]["inlinePayload"]
    return text


def reads(world: World) -> int:
    """Return how often the operator has read an MCPServer by itself."""
    return sum(
        request.verb == "get" and request.resource == MCPSERVERS and request.client != "user"
        for request in world.api.log
    )


def lacks(world: World, words: str) -> bool:
    return words not in world.targets()[0].get("description", "")


def is_gone(world: World) -> bool:
    return not world.exists()


async def test_a_large_spec_has_the_life_of_a_small_one() -> None:
    """Made, edited, repaired and deleted with as many calls and writes."""
    costs: dict[str, list[tuple[Counter[str], list[str]]]] = {}
    for size in (10, 6_000):
        world = World()
        told = costs.setdefault(str(size), [])
        async with world.operator(owner_ids=OWNER, drift_interval=DRIFT) as operator:
            await world.create(mcpToolSchema=schema(1, size))
            obj = await world.until_ready()
            held = operator.informer.get(("team-a", "weather"))
            assert held is not None
            assert (held.left_out is not None) == (size > 10)
            told.append((world.calls(), world.writes()))
            assert reads(world) <= (2 if size > 10 else 1)
            assert json.loads(inline(world, obj.status.target_id))["version"] == 1

            world.forget_calls()
            before = reads(world)
            await world.edit(spec={"mcpToolSchema": schema(2, size)})
            await world.until_ready()
            await world.pass_time(2 * DRIFT)
            assert json.loads(inline(world, obj.status.target_id))["version"] == 2
            assert reads(world) - before == (size > 10)
            told.append((world.calls(), world.writes()))

            world.forget_calls()
            before = reads(world)
            await world.pass_time(10 * DRIFT)
            assert reads(world) == before
            world.aws.edit_target(obj.status.target_id, description="Somebody's")
            await world.until(partial(lacks, world, "Somebody's"))
            await world.pass_time(2 * DRIFT)
            told.append((world.calls(), world.writes()))

            world.forget_calls()
            await world.delete()
            await world.until(partial(is_gone, world))
            told.append((world.calls(), world.writes()))
    small, large = costs.values()
    for one, other in zip(small, large, strict=True):
        assert {name: n for name, n in one[0].items() if not name.startswith("List")} == {
            name: n for name, n in other[0].items() if not name.startswith("List")
        }
        assert one[1] == other[1]


async def test_a_restart_over_large_specs_writes_nothing_and_reads_each_once() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        for number in range(3 * AT_ONCE):
            await world.create(f"server-{number}", mcpToolSchema=schema(number))
        for number in range(3 * AT_ONCE):
            await world.until_ready(f"server-{number}")
        await world.pass_time(2 * DRIFT)
    world.forget_calls()
    before = reads(world)
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.pass_time(4 * DRIFT)
        assert world.writes() == []
        assert set(world.calls()) <= {"ListGatewayTargets", "sts:GetCallerIdentity"}
        assert reads(world) - before <= 3 * AT_ONCE


async def test_more_large_specs_than_may_be_in_memory_all_get_their_turn() -> None:
    """Also while AWS keeps some waiting, and small ones do not wait with them."""
    world = World(latency=2.0)
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        for number in range(5 * AT_ONCE):
            await world.create(f"large-{number}", mcpToolSchema=schema(number))
        await world.create("small")
        await world.until_ready("small", within=20)
        for number in range(5 * AT_ONCE):
            await world.until_ready(f"large-{number}", within=120)
        assert world.calls()["CreateGatewayTarget"] == 5 * AT_ONCE + 1


async def test_objects_that_go_while_others_wait_for_their_memory_keep_nobody_from_it() -> None:
    world = World(latency=1.0)
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        for number in range(4 * AT_ONCE):
            await world.create(f"large-{number}", mcpToolSchema=schema(number))
        await world.pass_time(0.5)
        for number in range(2 * AT_ONCE):
            await world.delete(f"large-{number}")
        for number in range(2 * AT_ONCE, 4 * AT_ONCE):
            await world.until_ready(f"large-{number}", within=120)


async def test_a_spec_that_was_edited_while_it_was_read_is_sent_as_it_is_then() -> None:
    """The edit comes between two reads of one pass; AWS ends with the newest."""
    world = World()
    edits = iter(range(2, 4))

    def faults(request: Request) -> Fault | None:
        if request.verb == "get" and request.resource == MCPSERVERS and (version := next(edits, None)):
            body = {"spec": {"mcpToolSchema": schema(version)}}

            def edit() -> None:
                world.api.store.patch(MCPSERVERS, "team-a", "weather", body, kind=PatchType.MERGE)

            return Fault(before=edit)
        return None

    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT, faults=faults):
        await world.create(mcpToolSchema=schema(1))
        await world.pass_time(10)
        obj = await world.until_ready(within=120)
        await world.pass_time(2 * DRIFT)
        assert json.loads(inline(world, obj.status.target_id))["version"] == 3


async def test_a_large_spec_moves_and_is_renamed() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create(mcpToolSchema=schema(1))
        await world.until_ready()
        await world.edit(spec={"gatewayId": OTHER_GATEWAY, "targetName": "forecasts"})
        await world.until(lambda: not world.targets() and len(world.targets(OTHER_GATEWAY)) == 1)
        obj = await world.until_ready()
        assert obj.status.target_name == "forecasts"
        assert json.loads(inline(world, obj.status.target_id, OTHER_GATEWAY))["version"] == 1


async def test_a_large_spec_under_observe_says_what_would_be_done() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create(mcpToolSchema=schema(1), managementPolicy="Observe")
        obj = await world.until_reason("Observed")
        assert "would create target weather" in condition(obj).message
        await world.edit(spec={"managementPolicy": "Manage"})
        await world.until_ready(within=120)
        await world.edit(spec={"managementPolicy": "Observe", "mcpToolSchema": schema(2)})
        obj = await world.until_reason("Observed")
        assert "would update target" in condition(obj).message
        assert "mcpToolSchema" in condition(obj).message


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"description": "x" * 600_000}, "shorten it from 600000 to 200 characters"),
        ({"capabilities": ["tools", *(["ab"] * 100_000)]}, "spec.capabilities: too long: its"),
        ({"oauthCustomParameters": {f"{n}": "a" for n in range(100_000)}}, "spec.oauthCustomParameters"),
        ({"targetName": "n" * 600_000}, "spec.targetName: too long"),
        ({"gatewayId": "g" * 600_000}, "spec.gatewayId: too long"),
        ({"mcpToolSchema": {"inline": "x" * 800_000}}, "spec.mcpToolSchema: too long: its 800"),
        ({"privateEndpoint": {"x": {f"{n}": {} for n in range(100_000)}}}, "spec.privateEndpoint"),
    ],
)
async def test_what_no_spec_may_have_is_told_and_costs_nothing(spec: dict[str, Any], says: str) -> None:
    """Nothing of it is read again, and its correction is taken."""
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create(**spec)
        obj = await world.until_reason("ValidationError")
        assert says in condition(obj).message
        await world.pass_time(2 * DRIFT)
        assert reads(world) == 0
        await world.edit(spec=dict.fromkeys(spec))
        if "capabilities" in spec:
            await world.edit(spec={"capabilities": ["tools"]})
        await world.until_ready()


async def test_headers_that_a_target_has_already_are_no_mistake_in_a_large_spec_either() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create(mcpToolSchema=schema(1))
        obj = await world.until_ready()
        target_id = obj.status.target_id
    config = world.aws.target(target_id)
    world.aws.edit_target(
        target_id,
        metadataConfiguration={**config.get("metadataConfiguration", {}), "allowedRequestHeaders": ["X-Api"]},
    )
    await world.edit(spec={"allowedRequestHeaders": ["X-Api"]})
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.until_ready()


async def test_finalizers_of_others_stay_however_many_they_are() -> None:
    world = World()
    others = [f"example.com/finalizer-{number:04d}" for number in range(1000)]
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT) as operator:
        await world.create()
        await world.edit(metadata={"finalizers": others})
        obj = await world.until_ready()
        found = json.loads(world.api.store.get(MCPSERVERS, "team-a", "weather"))["metadata"]["finalizers"]
        assert set(found) == {*others, names.FINALIZER}
        held = operator.informer.get(obj.key)
        assert held is not None
        assert len(held.metadata.finalizers) < 4
        await world.delete()
        await world.until(lambda: not world.targets())
        await world.pass_time(5)
        found = json.loads(world.api.store.get(MCPSERVERS, "team-a", "weather"))["metadata"]["finalizers"]
        assert set(found) == set(others)


async def test_a_long_request_to_index_tools_is_one_request() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        world.forget_calls()
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "now" * 50_000}})
        await world.until(lambda: world.calls()["SynchronizeGatewayTargets"] == 1)
        obj = await world.until_ready()
        await world.pass_time(2 * DRIFT)
        assert len(obj.status.last_sync_request) < 300
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.pass_time(2 * DRIFT)
        assert world.calls()["SynchronizeGatewayTargets"] == 1


async def test_of_a_large_spec_no_answer_is_kept_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a thousand of them were kept whole after all, for that many answers are."""
    kept: set[tuple[str, str]] = set()
    of = WorkedOut.of

    def noting(self: WorkedOut[Any], key: tuple[str, str], terms: object, work: Callable[[], Any]) -> Any:
        kept.add(key)
        return of(self, key, terms, work)

    monkeypatch.setattr(WorkedOut, "of", noting)
    world = World()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.create("large", mcpToolSchema=schema(1))
        await world.create("small")
        await world.until_ready("large")
        await world.until_ready("small")
        await world.pass_time(2 * DRIFT)
    assert kept == {("team-a", "small")}
