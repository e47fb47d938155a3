"""MCPGateways that cannot be looked at for a while permit no more than before, whoever names one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.served_schema import PATH
from mcp_gateway_operator.runtime.cluster import ApiError
from tests.support.classes import DISCOVERY, GATEWAY, OTHER_GATEWAY, Platform
from tests.support.memory_cluster import LOST, Fault, Request
from tests.support.world import World, condition

BY_ID: dict[str, Any] = {"gatewayId": GATEWAY}
LOOKS = 150.0
"""Longer than two looks at what is served."""


async def refused(world: World, namespace: str) -> str:
    """Let the object be refused and return why."""

    async def says() -> bool:
        return condition(await world.get(namespace=namespace), "Permitted").status == "False"

    await world.until(says)
    return condition(await world.get(namespace=namespace), "Permitted").message


def _unserved(world: World) -> None:
    """Serve a schema without the kind, as an API server does while it reads its CRDs."""
    meta: dict[str, Any] = {"type": "object", "properties": {"spec": {}, "status": {}}}
    world.api.paths[PATH] = msgspec.json.encode({"components": {"schemas": {f"x.{names.KIND}": meta}}})


def _silent(world: World) -> None:
    """Answer what is no schema, nor a list of resources."""
    world.api.paths[PATH] = world.api.paths[DISCOVERY] = b"<html>"


@pytest.mark.parametrize("change", [_unserved, _silent])
async def test_a_served_kind_is_not_forgotten_for_what_discovery_says(
    change: Callable[[World], None],
) -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    async with world.operator():
        await world.pass_time(5.0)
        change(world)
        await world.pass_time(LOOKS)
        await world.create(namespace="team-b", **BY_ID)
        await refused(world, "team-b")
        await world.pass_time(LOOKS)
    assert platform.requests() == []


async def test_where_discovery_does_not_answer_at_the_start_the_list_tells() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    _silent(world)
    async with world.operator():
        await world.create(namespace="team-b", **BY_ID)
        await refused(world, "team-b")
        await world.create(**BY_ID)
        await world.until_ready()
    assert platform.writes() == ["CreateGatewayTarget"]


async def test_where_discovery_does_not_answer_and_there_is_no_such_kind_all_is_as_before() -> None:
    world = World()
    platform = Platform(world, served=False)
    _silent(world)
    async with world.operator():
        await world.create()
        await world.until_ready()
    assert platform.object_writes() == ["patch", "patch status"]
    assert condition(await world.get(), "Permitted").status == ""


async def test_a_kind_that_is_removed_governs_nothing_any_more() -> None:
    world = World()
    platform = Platform(world)
    await platform.make(allow=[])
    removed = False

    def away(request: Any) -> Any:
        plural = request.resource.plural if request.resource is not None else ""
        gone = ApiError(404, "NotFound", "the server could not find the requested resource")
        return Fault(refuse=gone) if removed and plural == names.CLASS_PLURAL else None

    async with world.operator(faults=away):
        await world.create(**BY_ID)
        await refused(world, "team-a")
        _unserved(world)
        removed = True
        world.api.break_watches()
        await world.until_ready(within=400.0)
    assert platform.writes() == ["CreateGatewayTarget"]


async def test_a_watch_that_is_away_holds_back_until_it_is_there_again() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    away = False

    def cut(request: Any) -> Any:
        plural = request.resource.plural if request.resource is not None else ""
        return Fault(refuse=LOST) if away and plural == names.CLASS_PLURAL and not request.mutates else None

    async with world.operator(faults=cut):
        await world.pass_time(5.0)
        away = True
        world.api.break_watches()
        await world.pass_time(400.0)
        await world.create(**BY_ID)
        assert "five minutes" in await refused(world, "team-a")
        assert platform.writes() == []
        away = False
        await world.until_ready(within=200.0)


async def test_a_default_that_keeps_targets_outlives_its_class_for_targets_that_are_older_than_it() -> None:
    world = World()
    platform = Platform(world)
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.pass_time(60.0)
        await platform.make(defaults={"deletionPolicy": "Retain"})
        await world.pass_time(LOOKS)
        written = platform.object_writes()
        await platform.edit(spec={"capacity": {"targets": 7}})
        await world.pass_time(LOOKS)
        assert platform.object_writes() == written
        await platform.delete()
        await platform.edit(metadata={"finalizers": None})
        await world.pass_time(5.0)
        await world.delete()
        await world.pass_time(LOOKS)
        assert world.exists()
    assert written == ["patch", "patch status", "patch status"]
    assert platform.writes() == ["CreateGatewayTarget"]
    assert len(world.targets()) == 1


async def test_discovery_that_fails_for_a_while_changes_nothing_without_the_kind() -> None:
    """A minute of it, and a role that may not list MCPGateways, as one of 0.2: nobody is held back."""
    away = False

    def faults(request: Request) -> Fault | None:
        if request.resource is not None and request.resource.plural == "mcpgateways":
            return Fault(refuse=ApiError(403, "Forbidden", "mcpgateways is forbidden"))
        return Fault(refuse=ApiError(0, "ConnectError", "nobody listens")) if away else None

    world = World()
    async with world.operator(faults=faults):
        await world.create("before")
        await world.until_ready("before")
        away = True
        world.api.break_watches()
        await world.pass_time(150)
        away = False
        await world.pass_time(60)
        await world.create("after")
        await world.until_ready("after", within=60)


def _answers(error: ApiError, *plurals: str) -> tuple[list[bool], Callable[[Request], Fault | None]]:
    """Return a switch, and faults that refuse to read some kinds while it is on."""
    switch = [True]

    def faults(request: Request) -> Fault | None:
        plural = request.resource.plural if request.resource is not None else ""
        reads = request.verb in {"list", "watch"}
        return Fault(refuse=error) if switch[0] and reads and plural in plurals else None

    return switch, faults


UNREADABLE: dict[str, ApiError] = {
    "forbidden": ApiError(403, "Forbidden", "not allowed"),
    "expired": ApiError(410, "Expired", "too old"),
    "broken": ApiError(500, "InternalError", "conversion webhook failed"),
    "away": LOST,
}


@pytest.mark.parametrize("error", UNREADABLE.values(), ids=UNREADABLE)
async def test_classes_that_were_never_read_hold_back_all_as_soon_as_one_is_named_and_no_deletion(
    error: ApiError, logs: list[dict[str, Any]]
) -> None:
    """Who names none is held back only then; nothing waits for ever for a list that does not come."""
    world = World()
    platform = Platform(world)
    _, faults = _answers(error, names.CLASS_PLURAL)
    async with world.operator(faults=faults):
        await world.create(**BY_ID)
        await world.until_ready(within=200.0)
        await world.create("named", targetName="named", gatewayRef={"name": "tools"})
        await world.create("late", targetName="late", **BY_ID)
        await world.pass_time(LOOKS)
        await world.edit(spec={"description": "x"})
        await world.pass_time(LOOKS)
        assert platform.writes() == ["CreateGatewayTarget"]
        message = condition(await world.get("late"), "Permitted").message
        assert "MCPGateways cannot be read" in message
        assert ("Allow the operator list and watch" in message) == error.forbidden
        await world.edit(spec={"deletionPolicy": "Delete"})
        await world.delete()
        await world.until(lambda: not world.exists(), within=200.0)
    assert platform.writes() == ["CreateGatewayTarget", "DeleteGatewayTarget"]
    said = [each for each in logs if "MCPGateways cannot be read" in each["event"]]
    assert len(said) == 1


async def test_no_pass_is_made_before_classes_and_namespaces_are_known() -> None:
    world = World()
    platform = Platform(world)
    await platform.make(allow=[])
    switch, faults = _answers(LOST, names.CLASS_PLURAL)
    async with world.operator(faults=faults):
        await world.create(**BY_ID)
        await world.pass_time(30.0)
        assert platform.requests() == []
        assert (await world.get()).status.conditions == ()
        switch[0] = False
        await refused(world, "team-a")
    assert platform.requests() == []


@pytest.mark.parametrize("there", [False, True], ids=["none", "one of another gateway"])
async def test_a_watch_that_is_away_for_five_minutes_stops_those_too_who_name_no_class(there: bool) -> None:
    """One that governs their gateway may have come to be."""
    world = World()
    platform = Platform(world)
    if there:
        await platform.make("other", gateway=OTHER_GATEWAY)
    switch, faults = _answers(LOST, names.CLASS_PLURAL)
    switch[0] = False
    async with world.operator(faults=faults):
        await world.create(**BY_ID)
        await world.until_ready()
        switch[0] = True
        world.api.break_watches()
        await world.pass_time(400.0)
        world.forget_calls()
        await world.create("late", targetName="late", **BY_ID)
        await world.edit(spec={"description": "x"})
        await world.pass_time(LOOKS)
        assert platform.writes() == []
        await world.delete()
        await world.until(lambda: not world.exists(), within=200.0)
        assert platform.writes() == ["DeleteGatewayTarget"]
        switch[0] = False
        await world.until_ready("late", within=200.0)


async def test_namespaces_whose_watch_is_away_stop_all_but_deletion_and_unread_ones_who_is_selected() -> None:
    world = World()
    platform = Platform(world)
    await platform.make()
    switch, faults = _answers(LOST, "namespaces")
    switch[0] = False
    async with world.operator(faults=faults):
        await world.create(**BY_ID)
        await world.until_ready()
        switch[0] = True
        world.api.break_watches()
        await world.pass_time(400.0)
        world.forget_calls()
        await world.edit(spec={"description": "x"})
        await world.pass_time(LOOKS)
        assert platform.writes() == []
        await world.delete()
        await world.until(lambda: not world.exists(), within=200.0)
    assert platform.writes() == ["DeleteGatewayTarget"]
