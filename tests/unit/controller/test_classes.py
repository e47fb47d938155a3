"""MCPGateways: who may use which gateway, enforced before any call; frozen where it is not permitted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.mcpgateway import MCPGateway, MCPGatewaySpec
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.classes import class_rulings, registry
from mcp_gateway_operator.targets.permit import Refusal, Use, refusal
from tests.support.classes import ALLOW, GATEWAY, OTHER_GATEWAY, Platform, arn
from tests.support.world import World, condition, record_of

REF: dict[str, Any] = {"gatewayRef": {"name": "tools"}}
A_WHILE = 90.0
NOBODY: list[dict[str, Any]] = []
TEAM_B = {**ALLOW, "namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "team-b"}}}


def permitted(obj: MCPServer) -> str:
    """Return the status of the condition, "" where there is none."""
    return condition(obj, "Permitted").status


async def refused(world: World, name: str = "weather", *, namespace: str = "team-a") -> MCPServer:
    """Let an object be refused and return it."""

    async def says() -> bool:
        return permitted(await world.get(name, namespace=namespace)) == "False"

    await world.until(says)
    return await world.get(name, namespace=namespace)


async def test_a_reference_leads_to_a_target_and_status_tells_by_whom() -> None:
    world = World()
    platform = Platform(world)
    made = await platform.make()
    async with world.operator(gateway_id=""):
        await world.create(**REF)
        obj = await world.until_ready()
        await world.until(lambda: _url(platform))
    placed = obj.status.placed_by
    assert placed is not None
    assert (placed.class_, placed.uid, placed.gateway_arn) == ("tools", made.metadata.uid, arn(GATEWAY))
    assert permitted(obj) == "True"
    assert obj.status.gateway_id == GATEWAY
    assert platform.writes() == ["CreateGatewayTarget"]


async def _url(platform: Platform) -> bool:
    return bool((await platform.get()).status.gateway_url)


async def test_placed_by_is_written_before_the_create() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator():
        await world.create(**REF)
        await world.until_ready()
    # Finalizer, placement, then the record with READY.
    assert platform.object_writes() == ["patch", "patch status", "patch status"]


HOSTILE: dict[str, dict[str, Any]] = {
    "by reference": {"gatewayRef": {"name": "tools"}},
    "by id": {"gatewayId": GATEWAY},
    "by default": {},
    "observed": {"gatewayId": GATEWAY, "managementPolicy": "Observe"},
    "by adoption": {"gatewayId": GATEWAY, "adoptionPolicy": "IfExists"},
    "retained": {"gatewayId": GATEWAY, "deletionPolicy": "Retain"},
}


@pytest.mark.parametrize("spec", HOSTILE.values(), ids=HOSTILE)
async def test_what_is_not_permitted_makes_no_call_however_the_gateway_is_named(spec: dict[str, Any]) -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator(allow_adoption=True):
        await world.create(namespace="team-b", **spec)
        obj = await refused(world, namespace="team-b")
        await world.edit(
            namespace="team-b",
            metadata={
                "annotations": {names.GATEWAY_ANNOTATION: GATEWAY, names.SYNC_ANNOTATION: "1"},
                "finalizers": [names.FINALIZER],
            },
        )
        await world.pass_time(A_WHILE)
        obj = await world.get(namespace="team-b")
    assert condition(obj).reason == "NotPermitted"
    assert condition(obj, "Stalled").status == "True"
    assert "MCPGateway tools" in condition(obj, "Permitted").message
    assert platform.requests() == []


async def test_an_annotation_leads_nowhere() -> None:
    world = World()
    platform = Platform(world)
    await platform.make(gateway=OTHER_GATEWAY, allow=NOBODY)
    async with world.operator():
        await world.create(gatewayId=GATEWAY)
        await world.until_ready()
        await world.edit(metadata={"annotations": {names.GATEWAY_ANNOTATION: OTHER_GATEWAY}})
        await world.pass_time(A_WHILE)
        await world.create("second", namespace="team-b", gatewayId=GATEWAY, targetName="second")
        await world.edit(
            "second",
            namespace="team-b",
            metadata={"annotations": {names.GATEWAY_ANNOTATION: OTHER_GATEWAY}},
        )
        await world.pass_time(A_WHILE)
    assert platform.requests(OTHER_GATEWAY) == []


async def test_a_move_to_where_it_may_not_be_is_not_begun() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    await platform.make("other", gateway=OTHER_GATEWAY, allow=[TEAM_B])
    async with world.operator():
        await world.create(**REF)
        await world.until_ready()
        world.forget_calls()
        await world.edit(spec={"gatewayRef": {"name": "other"}})
        obj = await refused(world)
        await world.edit(spec={"endpoint": "https://weather.example.com/other"})
        await world.pass_time(A_WHILE)
        obj = await world.get()
        assert condition(obj).status == "False"
        assert obj.status.gateway_id == GATEWAY
        assert obj.status.moves == ()
        assert platform.requests(OTHER_GATEWAY) == []
        assert platform.writes() == []
        await world.edit(spec={"gatewayRef": None, "gatewayId": OTHER_GATEWAY})
        await world.pass_time(A_WHILE)
        assert platform.requests(OTHER_GATEWAY) == []
        await platform.edit("other", spec={"allow": [ALLOW]})
        obj = await world.until_ready()
    assert obj.status.gateway_id == OTHER_GATEWAY
    assert obj.status.placed_by is not None
    assert obj.status.placed_by.class_ == "other"


async def test_a_move_names_the_whole_gateway_from_the_first_entry_on() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    await platform.make("other", gateway=OTHER_GATEWAY)
    entries = []

    def look(request: Any) -> None:
        if request.verb == "patch" and request.subresource == "status":
            for each in request.body:
                if each["path"] == "/status":
                    entries.extend(msgspec.to_builtins(each["value"]).get("moves", ()))

    async with world.operator(faults=look):
        await world.create(**REF)
        await world.until_ready()
        await world.edit(spec={"gatewayRef": {"name": "other"}})
        obj = await world.until_ready()
        await world.until(lambda: not world.targets(GATEWAY))
    assert obj.status.placed_by is not None
    assert obj.status.placed_by.gateway_arn == arn(OTHER_GATEWAY)
    assert entries
    assert all(each.get("gatewayArn") for each in entries)


async def _remove(platform: Platform) -> None:
    await platform.edit(metadata={"finalizers": None})
    await platform.delete()


FREEZES: dict[str, Any] = {
    "policy": lambda platform: platform.edit(spec={"allow": []}),
    "endpoint": lambda platform: platform.edit(
        spec={"allow": [{**ALLOW, "endpoints": ["https://x.example.com"]}]}
    ),
    "unknown field": lambda platform: platform.edit(spec={"deny": ["everything"]}),
    "unknown field within": lambda platform: platform.edit(spec={"allow": [{**ALLOW, "unless": "x"}]}),
    "null": lambda platform: platform.edit(spec={"allow": [{**ALLOW, "namespaces": {"matchLabels": None}}]}),
    "another gateway": lambda platform: platform.edit(spec={"gatewayArn": arn(OTHER_GATEWAY)}),
    "another account": lambda platform: platform.edit(
        spec={"gatewayArn": arn(GATEWAY, account="210987654321")}
    ),
    "label": lambda platform: platform.label("team-a", **{"kubernetes.io/metadata.name": None}),
    "gone": _remove,
}


@pytest.mark.parametrize("freeze", FREEZES.values(), ids=FREEZES)
async def test_frozen_is_not_deleted_not_changed_and_ready_stays(freeze: Any) -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator(default_deletion_policy="Retain"):
        await world.create(**REF)
        await world.until_ready()
        await world.pass_time(A_WHILE)
        world.forget_calls()
        await freeze(platform)
        obj = await refused(world)
        assert condition(obj).status == "True"
        assert len([each for each in platform.object_writes() if each == "patch status"]) == 1
        # Somebody changes the target, and asks for tools; the user edits; nothing is sent.
        target = world.targets()[0]["targetId"]
        await world.edit(metadata={"annotations": {names.SYNC_ANNOTATION: "now"}})
        await world.pass_time(A_WHILE)
        assert condition(await world.get()).status == "True"
        await world.edit(spec={"description": "Another one"})
        await world.pass_time(A_WHILE)
        obj = await world.get()
        assert condition(obj).status == "False"
        assert condition(obj).observed_generation == obj.metadata.generation
        assert platform.writes() == []
        assert world.targets()[0]["targetId"] == target
        # Deletion is allowed, with a policy of its own.
        await world.edit(spec={"deletionPolicy": "Delete"})
        await world.delete()
        await world.until(lambda: not world.exists(), within=200.0)
    assert world.targets() == []


async def test_revoked_and_permitted_again_costs_no_write_at_aws() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator():
        await world.create(**REF)
        await world.until_ready()
        world.forget_calls()
        await platform.edit(spec={"allow": []})
        await refused(world)
        await platform.edit(spec={"allow": [ALLOW]})
        await world.until(lambda: _permitted(world))
        await platform.edit(spec={"capacity": {"targets": 7}})
        await world.pass_time(A_WHILE)
    assert platform.writes() == []
    assert len([each for each in platform.object_writes() if each == "patch status"]) == 2


async def _permitted(world: World) -> bool:
    return permitted(await world.get()) == "True"


async def test_a_class_made_again_with_the_same_arn_thaws_without_a_write() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator():
        await world.create(**REF)
        await world.until_ready()
        world.forget_calls()
        await _remove(platform)
        await refused(world)
        await platform.make()
        await world.until(lambda: _permitted(world))
        await world.pass_time(A_WHILE)
    assert platform.writes() == []


async def test_a_class_of_the_same_name_and_another_arn_moves_nothing() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator():
        await world.create(**REF)
        await world.until_ready()
        world.forget_calls()
        await _remove(platform)
        await platform.make(gateway=OTHER_GATEWAY)
        await world.pass_time(A_WHILE)
        obj = await refused(world)
    assert condition(obj, "Permitted").reason == "WrongAccountOrRegion"
    assert platform.writes() == []
    assert platform.requests(OTHER_GATEWAY) == []


async def test_of_two_classes_of_one_gateway_the_first_one_has_it() -> None:
    world = World()
    platform = Platform(world)
    await platform.make("aaa")
    await world.pass_time(2.0)
    await platform.make("tools")
    async with world.operator():
        await world.create(**REF)
        obj = await refused(world)
        await world.until(lambda: _accepted(platform, "False"))
        assert condition(obj).reason == "NotPermitted"
        assert platform.requests() == []
        found = (await platform.get()).condition("Accepted")
        assert found is not None
        assert found.reason == "Conflict"
        await platform.delete("aaa")
        await world.until_ready()


async def _accepted(platform: Platform, status: str, name: str = "tools") -> bool:
    found = (await platform.get(name)).condition("Accepted")
    return found is not None and found.status == status


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"gateway_arn": arn(GATEWAY, account="210987654321")}, "name a role of the gateway's account"),
        ({"aws": {"roleArn": "arn:aws:iam::210987654321:role/x"}}, "a role of another account"),
        ({"unheard": 1}, "unknown field"),
    ],
)
async def test_what_is_not_supported_is_said_and_does_nothing(spec: dict[str, Any], word: str) -> None:
    world = World()
    platform = Platform(world)
    await platform.make(**spec)
    async with world.operator():
        await world.create(**REF)
        obj = await refused(world)
        await world.until(lambda: _accepted(platform, "False"))
    assert platform.requests() == []
    accepted = (await platform.get()).condition("Accepted")
    assert accepted is not None
    assert word in accepted.message
    assert word in condition(obj).message


async def test_a_class_that_does_not_exist_is_waited_for() -> None:
    world = World()
    platform = Platform(world)
    async with world.operator():
        await world.create(**REF)
        obj = await refused(world)
        assert "does not exist" in condition(obj).message
        assert platform.requests() == []
        await platform.make()
        await world.until_ready()


async def test_without_the_crd_of_classes_a_reference_is_refused_and_all_else_is_as_before() -> None:
    world = World()
    platform = Platform(world, served=False)
    async with world.operator():
        await world.create()
        await world.until_ready()
        writes = platform.object_writes()
        await world.create("second", targetName="second", **REF)
        await refused(world, "second")
    assert writes == ["patch", "patch status"]
    assert platform.writes() == ["CreateGatewayTarget"]
    assert condition(await world.get(), "Permitted").status == ""


async def test_a_crash_between_create_and_record_is_resolved_although_nothing_is_permitted_any_more() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    died = False

    def die(request: Any) -> Any:
        nonlocal died
        died = died or (request.subresource == "status" and bool(world.targets()))
        return _hang() if died and request.mutates else None

    async with world.operator(faults=die):
        await world.create(**REF)
        await world.until(lambda: died)
        await world.pass_time(5.0)
    await platform.edit(spec={"allow": []})
    world.forget_calls()
    async with world.operator():
        await world.until(lambda: _recorded(world), within=200.0)
        await world.pass_time(A_WHILE)
    assert platform.writes() == []
    assert len(world.targets()) == 1


def _hang() -> Any:
    from tests.support.memory_cluster import Fault  # noqa: PLC0415

    return Fault(hang=True)


async def _recorded(world: World) -> bool:
    return bool((await world.get()).status.target_id)


async def test_a_restored_status_that_is_forged_leads_nowhere() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator():
        await world.create(**REF)
        mine = await world.until_ready()
        world.forget_calls()
        await world.create("thief", namespace="team-b", targetName="thief", **REF)
        await world.set_status(record_of(mine), "thief", namespace="team-b")
        await world.edit(
            "thief", namespace="team-b", metadata={"annotations": {names.GATEWAY_ANNOTATION: GATEWAY}}
        )
        obj = await refused(world, "thief", namespace="team-b")
        await world.delete("thief", namespace="team-b")
        await world.until(lambda: not world.exists("thief", namespace="team-b"))
    assert condition(obj).status == "False"
    assert platform.writes() == []
    assert len(world.targets()) == 1


async def test_require_gateway_ref_refuses_what_no_class_covers() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator(require_gateway_ref=True):
        await world.create(gatewayId=OTHER_GATEWAY)
        obj = await refused(world)
        await world.create("second", targetName="second", gatewayId=GATEWAY)
        await world.until_ready("second")
    assert "--require-gateway-ref" in condition(obj).message
    assert platform.requests(OTHER_GATEWAY) == []


async def test_the_default_class_comes_before_the_default_gateway_and_re_homes_nothing() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    await platform.make("other", gateway=OTHER_GATEWAY)
    async with world.operator(gateway_id=OTHER_GATEWAY, default_gateway_ref="tools"):
        await world.create()
        assert (await world.until_ready()).status.gateway_id == GATEWAY
    world.forget_calls()
    async with world.operator(gateway_id="", default_gateway_ref="other"):
        await world.pass_time(A_WHILE)
        assert (await world.get()).status.gateway_id == GATEWAY
        await world.create("second", targetName="second")
        assert (await world.until_ready("second")).status.gateway_id == OTHER_GATEWAY
    assert platform.writes() == ["CreateGatewayTarget"]


async def test_classes_that_cannot_be_read_stop_creates_and_updates_and_no_deletion() -> None:
    world = World()
    platform = Platform(world)
    await platform.make(defaults={"deletionPolicy": "Retain"})
    async with world.operator():
        await world.create(**REF)
        await world.until_ready()
        await world.create("plain", targetName="plain", gatewayId=OTHER_GATEWAY)
        await world.until_ready("plain")
    world.forget_calls()

    def forbid(request: Any) -> Any:
        if request.resource is not None and request.resource.plural == names.CLASS_PLURAL:
            return _refuse()
        return None

    async with world.operator(faults=forbid):
        await world.create("new", targetName="new", gatewayId=OTHER_GATEWAY)
        await refused(world, "new")
        await world.edit("plain", spec={"description": "x"})
        await world.pass_time(A_WHILE)
        assert platform.writes() == []
        # The class may have a default that keeps targets: who says nothing himself waits.
        await world.delete()
        await world.pass_time(A_WHILE)
        assert world.exists()
        await world.delete("plain")
        await world.until(lambda: not world.exists("plain"), within=200.0)
    assert platform.writes() == ["DeleteGatewayTarget"]
    async with world.operator():
        await world.until(lambda: not world.exists())
    assert len(world.targets()) == 1


def _refuse() -> Any:
    from mcp_gateway_operator.runtime.cluster import ApiError  # noqa: PLC0415
    from tests.support.memory_cluster import Fault  # noqa: PLC0415

    return Fault(refuse=ApiError(403, "Forbidden", "not allowed"))


async def test_namespaces_that_cannot_be_read_are_permitted_by_everybody_alone() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    await platform.make("open", gateway=OTHER_GATEWAY, allow=[{**ALLOW, "namespaces": {}}])

    def forbid(request: Any) -> Any:
        plural = request.resource.plural if request.resource is not None else ""
        return _refuse() if plural == "namespaces" and request.verb in {"list", "watch"} else None

    async with world.operator(faults=forbid):
        await world.create(**REF)
        await world.create("second", targetName="second", gatewayRef={"name": "open"})
        await world.until_ready("second")
        await refused(world)
    assert platform.requests(GATEWAY) == []


async def test_watches_that_are_away_for_five_minutes_stop_everything_but_deletion() -> None:
    world = World()
    platform = Platform(world)
    await platform.make(defaults={"deletionPolicy": "Delete"})
    away = False

    def cut(request: Any) -> Any:
        plural = request.resource.plural if request.resource is not None else ""
        return _gone() if away and plural == names.CLASS_PLURAL and not request.mutates else None

    async with world.operator(faults=cut):
        await world.create(**REF)
        await world.until_ready()
        away = True
        world.api.break_watches()
        await world.pass_time(200.0)
        await world.edit(spec={"description": "in time"})
        await world.until_ready()
        await world.pass_time(200.0)
        world.forget_calls()
        await world.edit(spec={"description": "too late"})
        await world.pass_time(A_WHILE)
        assert platform.writes() == []
        assert "five minutes" in condition(await world.get()).message
        await world.delete()
        await world.until(lambda: not world.exists(), within=200.0)
    assert platform.writes() == ["DeleteGatewayTarget"]


def _gone() -> Any:
    from tests.support.memory_cluster import LOST, Fault  # noqa: PLC0415

    return Fault(refuse=LOST)


async def test_capacity_counts_what_is_on_its_way() -> None:
    world = World(latency=0.5)
    platform = Platform(world)
    await platform.make(capacity={"targets": 3})
    async with world.operator():
        for number in range(8):
            await world.create(f"server-{number}", targetName=f"server-{number}", **REF)
        await world.until(lambda: len(world.targets()) == 3)
        await world.pass_time(A_WHILE)
        assert len(world.targets()) == 3
        ready = [n for n in range(8) if condition(await world.get(f"server-{n}")).status == "True"]
        full = [n for n in range(8) if condition(await world.get(f"server-{n}")).reason == "GatewayFull"]
        assert (len(ready), len(full)) == (3, 5)
        await world.delete(f"server-{ready[0]}")
        await world.until(lambda: not world.exists(f"server-{ready[0]}"))
        await world.until(lambda: _how_many_ready(world, 8, 3), within=400.0)
    assert platform.writes().count("CreateGatewayTarget") == 4


async def _how_many_ready(world: World, of: int, wanted: int) -> bool:
    found = 0
    for number in range(of):
        if world.exists(f"server-{number}"):
            found += condition(await world.get(f"server-{number}")).status == "True"
    return found == wanted


async def test_the_defaults_of_a_class() -> None:
    world = World()
    platform = Platform(world)
    await platform.make(defaults={"deletionPolicy": "Retain", "driftPolicy": "Report"})
    async with world.operator():
        await world.create(**REF)
        await world.until_ready()
        target = world.targets()[0]
        world.aws.edit_target(target["targetId"], description="changed")
        await world.until_reason("Drifted", within=200.0)
        await world.delete()
        await world.until(lambda: not world.exists())
    assert platform.writes() == ["CreateGatewayTarget"]
    assert len(world.targets()) == 1


async def test_the_life_of_a_class() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator():
        await world.create(**REF)
        await world.until_ready()
        await world.until(lambda: _held(platform))
        await platform.delete()
        await world.create("second", targetName="second", **REF)
        obj = await refused(world, "second")
        assert "being deleted" in condition(obj).message
        await world.edit(spec={"description": "still served"})
        await world.until_ready()
        await world.pass_time(A_WHILE)
        ready = (await platform.get()).condition("Ready")
        assert ready is not None
        assert ready.reason == "Deleting"
        assert "now they have 1." in ready.message
        await world.delete()
        await world.until(lambda: _class_gone(world), within=200.0)


async def _held(platform: Platform) -> bool:
    return names.CLASS_FINALIZER in (await platform.get()).metadata.finalizers


def _class_gone(world: World) -> bool:
    from mcp_gateway_operator.controller.classes import MCPGATEWAYS  # noqa: PLC0415

    return not list(world.api.store.select(MCPGATEWAYS, None))


async def test_the_status_of_a_class_and_how_often_it_is_written() -> None:
    world = World()
    platform = Platform(world)
    await platform.make(capacity={"targets": 50})
    async with world.operator():
        for number in range(6):
            await world.create(f"server-{number}", targetName=f"server-{number}", **REF)
            await world.until_ready(f"server-{number}")
            await world.pass_time(5.0)
        await world.pass_time(A_WHILE)
        status = (await platform.get()).status
        writes = _class_writes(platform)
        await world.pass_time(600.0)
        assert _class_writes(platform) == writes
    assert (status.account, status.region, status.state) == ("123456789012", "us-east-1", "READY")
    assert status.gateway_url.startswith("https://")
    assert status.targets is not None
    assert (status.targets.used, status.targets.limit) == (6, 50)
    assert writes <= 5
    world.forget_calls()
    async with world.operator():
        await world.pass_time(A_WHILE)
    assert _class_writes(platform) == 0
    assert platform.object_writes() == []


def _class_writes(platform: Platform) -> int:
    return len(platform.object_writes(names.CLASS_PLURAL))


async def test_taking_up_a_reference_to_the_same_gateway_moves_nothing() -> None:
    world = World()
    platform = Platform(world)
    async with world.operator():
        await world.create()
        await world.until_ready()
        await platform.make()
        await world.pass_time(A_WHILE)
        world.forget_calls()
        await world.edit(spec=REF)
        obj = await world.until_ready()
        await world.pass_time(A_WHILE)
    assert platform.writes() == []
    assert obj.status.placed_by is not None
    assert obj.status.placed_by.class_ == "tools"


async def test_a_refused_object_keeps_no_name_from_those_who_may() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator():
        await world.create("thief", namespace="team-b", targetName="weather", **REF)
        await refused(world, "thief", namespace="team-b")
        await world.create(**REF)
        await world.until_ready()


async def test_several_that_are_made_at_once_have_their_status_in_seconds() -> None:
    world = World(latency=0.5)
    platform = Platform(world)
    gateways = {f"class-{number}": f"several-{number:010}" for number in range(6)}
    for gateway_id in gateways.values():
        world.aws.create_gateway(gateway_id)
    async with world.operator():
        await world.pass_time(A_WHILE)
        for name, gateway_id in gateways.items():
            await platform.make(name, gateway=gateway_id)

        async def told() -> bool:
            return all([(await platform.get(name)).condition("Ready") is not None for name in gateways])

        assert await world.until(told) < 10.0


async def test_an_edit_of_a_class_asks_its_rules_once_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """What thousands of objects ask is what an edit costs."""
    asked: list[str] = []

    def counting(policy: MCPGatewaySpec, use: Use) -> Refusal | None:
        asked.append(use.namespace)
        return refusal(policy, use)

    monkeypatch.setattr(class_rulings, "refusal", counting)
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator(drift_interval=3600.0):
        for number in range(10):
            await world.create(f"server-{number}", **REF)
        for number in range(10):
            await world.until_ready(f"server-{number}")
        await world.pass_time(A_WHILE)
        asked.clear()
        before = platform.object_writes()
        await platform.edit(spec={"allow": [{**ALLOW, "authTypes": ["*"]}]})
        await world.pass_time(A_WHILE)
        assert len(asked) == 10
        assert platform.object_writes() == before


async def test_many_classes_are_sorted_once_and_not_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a status of one that is written; a thousand would cost a thousand times as much."""
    sorted_: list[int] = []
    index_of = registry._index_of

    def counting(classes: Iterable[MCPGateway]) -> registry._Index:
        found = list(classes)
        sorted_.append(len(found))
        return index_of(found)

    monkeypatch.setattr(registry, "_index_of", counting)
    world = World()
    platform = Platform(world)
    for number in range(40):
        await platform.make(f"class-{number}", gateway=f"many-{number:010}")
    async with world.operator():
        await world.until(lambda: len(platform.object_writes(names.CLASS_PLURAL)) == 40, within=200.0)
        await world.pass_time(A_WHILE)
        before = len(sorted_)
        assert before <= 4
        await platform.edit("class-7", spec={"allow": []})
        await world.pass_time(A_WHILE)
        assert len(sorted_) == before + 1
