"""What an on-call person can tell from the log alone, and how little there is of it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator, MutableMapping
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import pytest
import structlog

from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.api.names import SYNC_ANNOTATION
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime import log_output
from mcp_gateway_operator.runtime import logs as logging_setup
from mcp_gateway_operator.runtime.log_output import Rate
from mcp_gateway_operator.targets.shape import marker_of
from tests.support.real_logs import logging_put_back
from tests.support.world import GATEWAY, OTHER_GATEWAY, World

Lines = list[MutableMapping[str, Any]]
OWNER = "00000000-0000-0000-0000-000000000002"
CANARY = "canary-4711"


def writes(lines: Lines) -> Lines:
    """Return the lines about writes to AWS."""
    found = [line for line in lines if line["event"] == "write to AWS"]
    assert all(line["log_level"] == "info" for line in found)
    return found


def turns(lines: Lines, name: str = "weather") -> list[tuple[str, str]]:
    """Return the reasons between which Ready turned."""
    found = [line for line in lines if line["event"] == "Ready turned" and line["name"] == name]
    assert all(line["log_level"] == "info" for line in found)
    return [(line["old_reason"], line["reason"]) for line in found]


async def test_the_log_tells_who_changed_which_target_when_and_why(logs: Lines) -> None:
    world = World()
    async with world.operator():
        obj = await world.create()
        await world.until_ready()
        (target,) = world.targets()
        await world.edit(spec={"endpoint": "https://weather.example.com/v2/mcp", "oauthScopes": ["write"]})
        await world.until_ready()
        world.aws.edit_target(target["targetId"], description="somebody was here")
        await world.until(lambda: "somebody" not in world.targets()[0]["description"], within=200)
        await world.edit(metadata={"annotations": {SYNC_ANNOTATION: "1"}})
        await world.until(lambda: world.calls()["SynchronizeGatewayTargets"] == 1)
        world.aws.delete_target(target["targetId"])
        await world.until(lambda: world.calls()["CreateGatewayTarget"] == 2, within=200)
        await world.until_ready()
        await world.edit(spec={"gatewayId": OTHER_GATEWAY})
        await world.until(lambda: not world.targets())
        await world.delete()
        await world.until(lambda: not world.exists())

    told = [(line["operation"], line["cause"], line.get("fields"), line["gateway"]) for line in writes(logs)]
    assert told == [
        ("CreateGatewayTarget", "create", None, GATEWAY),
        ("UpdateGatewayTarget", "edit", ["endpoint", "oauthScopes"], GATEWAY),
        ("UpdateGatewayTarget", "drift", ["description"], GATEWAY),
        ("SynchronizeGatewayTargets", "resync", None, GATEWAY),
        ("CreateGatewayTarget", "drift", None, GATEWAY),
        ("CreateGatewayTarget", "move", None, OTHER_GATEWAY),
        ("DeleteGatewayTarget", "move", None, GATEWAY),
        ("DeleteGatewayTarget", "delete", None, OTHER_GATEWAY),
    ]
    for line in writes(logs):
        assert (line["namespace"], line["name"], line["uid"]) == ("team-a", "weather", obj.metadata.uid)
        assert line["answer"] == "OK"
        assert line["ms"] == 20
        assert line["target"]
    assert {line["target"] for line in writes(logs)[:4]} == {target["targetId"]}
    sent = [
        entry["requestId"]
        for entry in world.aws.requests(limit=1000)
        if entry["operation"].startswith(("Create", "Update", "Delete", "Synchronize"))
    ]
    assert [line["aws_request_id"] for line in writes(logs)] == sent


async def test_a_pass_has_one_id_on_all_its_lines_and_no_other_pass_has_it(logs: Lines) -> None:
    world = World()
    names = [f"server-{number}" for number in range(20)]
    async with world.operator():
        for name in names:
            await world.create(name)
        for name in names:
            await world.until_ready(name)
    passes: dict[str, set[str]] = {}
    for line in logs:
        if "pass_id" in line:
            passes.setdefault(line["pass_id"], set()).add(line["name"])
    assert len(passes) == sum(world.passes.values())
    assert all(len(of) == 1 for of in passes.values())
    listed = [line for line in logs if line.get("operation") == "ListGatewayTargets"]
    assert listed
    assert not any("pass_id" in line for line in listed), "a List is nobody's"


async def test_a_refused_write_is_told_with_aws_id_and_the_log_says_why_it_is_not_ready(logs: Lines) -> None:
    world = World()
    world.aws.add_fault(
        operation="CreateGatewayTarget", code="ThrottlingException", message="Rate exceeded", count=1
    )
    world.aws.add_fault(operation="CreateGatewayTarget", code="ValidationException", message="No.", count=1)
    async with world.operator():
        await world.create()
        await world.until_reason("CreationError")
        await world.pass_time(5)
    first, second = writes(logs)
    assert (first["answer"], first["kind"], first["error"]) == (
        "ThrottlingException",
        "throttled",
        "Rate exceeded",
    )
    assert (second["answer"], second["kind"]) == ("ValidationException", "validation")
    assert all(len(line["aws_request_id"]) > 10 for line in (first, second))
    assert turns(logs)[-1][1] == "CreationError"
    last = [line for line in logs if line["event"] == "decided"][-1]
    assert (last["action"], last["reason"]) == ("Blocked", "CreationError")
    assert last["until"] > "2026-01-01T00:05"
    assert "2 calls in a row failed, the last one with validation" in last["why_not_sooner"]
    assert "a person has to help" in last["why_not_sooner"]


async def test_a_failed_target_and_its_repair_are_a_story_of_turns(logs: Lines) -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        (target,) = world.targets()
        world.aws.set_status(target["targetId"], "FAILED", ["Down"])
        await world.until_reason("TargetFailed", within=200)
        await world.until_ready(within=600)
    assert turns(logs) == [
        ("", "GatewayTargetReady"),
        ("GatewayTargetReady", "TargetFailed"),
        ("TargetFailed", "GatewayTargetReady"),
    ]
    assert {line["cause"] for line in writes(logs)[1:]} == {"repair"}


async def test_a_wait_for_a_quota_ticket_is_told_as_such(logs: Lines) -> None:
    world = World()
    async with world.operator(quotas=Quotas.parse("create=1")):
        for number in range(10):
            await world.create(f"server-{number}")
        await world.pass_time(8)
    waiting = [line for line in logs if line["event"] == "decided" and line["reason"] == "Queued"]
    assert any(line["ticket"] == "none free for create" for line in waiting)


@pytest.fixture
def restored() -> Iterator[None]:
    """Put back what a test configures."""
    with logging_put_back():
        yield


@pytest.mark.usefixtures("restored")
async def test_a_mass_change_logs_what_the_rate_allows_and_says_how_much_it_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of every line that is not there the log tells: together they are as many as without a rate."""

    async def lines_with(rate: str) -> Lines:
        clock = asyncio.get_running_loop().time
        monkeypatch.setattr(logging_setup, "Allowance", partial(log_output.Allowance, clock=clock))
        out = io.StringIO()
        report = logging_setup.configure(stream=out, rate=Rate.parse(rate), encoder="json")
        reporting = asyncio.create_task(report.run())
        world = World()
        names = [f"server-{number}" for number in range(60)]
        async with world.operator():
            for name in names:
                await world.create(name)
            for name in names:
                await world.until_ready(name)
            began = len(out.getvalue().splitlines())
            for name in names:
                await world.edit(name, spec={"endpoint": f"https://{name}.example.com/mcp"})
            for name in names:
                await world.until_ready(name)
            mass = len(out.getvalue().splitlines()) - began
        reporting.cancel()
        await asyncio.sleep(0)
        assert rate == "unlimited" or mass <= 25
        return [json.loads(line) for line in out.getvalue().splitlines()]

    everything = await lines_with("unlimited")
    some = await lines_with("2:10")
    left_out = [line["count"] for line in some if "were left out" in line["msg"]]
    assert len(everything) >= 3 * 60
    assert len(some) - len(left_out) + sum(left_out) == len(everything)


def clone(world: World, count: int) -> None:
    """Make as many settled objects, on gateways of a hundred targets each, of the one that there is."""
    ((_, body),) = world.api.store.select(MCPSERVERS, "team-a")
    state = world.aws.snapshot()
    (region,) = [each for each in state["regions"] if each["gateways"]]
    gateway = next(each for each in region["gateways"] if each["id"] == GATEWAY)
    (target,) = gateway["targets"]
    uid = msgspec.json.decode(body)["metadata"]["uid"]
    objects = world.api.store.objects[MCPSERVERS]
    gateways = []
    for number in range(count):
        name, target_id = f"server-{number:05}", f"T{number:09}"
        gateway_id = f"fleet-{number // 100:010}"
        if number % 100 == 0:
            gateways.append({**gateway, "id": gateway_id, "serial": number, "targets": []})
        mark = f"[mcps {marker_of(OWNER, 'team-a', name)}]"
        made = {**target, "id": target_id, "serial": number, "name": name, "description": mark}
        gateways[-1]["targets"].append(made)
        text = body.decode().replace(GATEWAY, gateway_id).replace(target["id"], target_id)
        text = text.replace("weather", name, 1).replace('"targetName":"weather"', f'"targetName":"{name}"')
        objects["team-a", name] = text.replace(uid, str(UUID(int=10_000_000 + number))).encode()
    region["gateways"] = gateways
    del objects["team-a", "weather"]
    world.aws.restore(state)


@pytest.mark.usefixtures("restored")
async def test_an_idle_fleet_of_1_000_logs_nothing(logs: Lines) -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.pass_time(5)
    clone(world, 1_000)
    world.forget_calls()
    logs.clear()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    async with world.operator() as operator:
        await world.pass_time(10)
        started = [line["event"] for line in logs]
        await world.pass_time(120)
        assert sum(obj.shows_ready for obj in operator.informer.values()) == 1_000
    assert world.calls()["ListGatewayTargets"] >= 2 * 10
    assert world.writes() == []
    assert [line["event"] for line in logs] == started
    assert len(started) == 2, "of the schema that is served and the account"


EVERYWHERE: dict[str, Any] = {
    "endpoint": f"https://{CANARY}.example.com/{CANARY}/mcp",
    "description": f"says {CANARY}",
    "targetName": f"name-{CANARY}",
    "oauthScopes": [f"scope/{CANARY}"],
    "oauthCustomParameters": {"audience": f"audience-{CANARY}"},
    "allowedRequestHeaders": [f"x-{CANARY}"],
    "allowedQueryParameters": [CANARY],
    "allowedResponseHeaders": [f"x-{CANARY}"],
    "mcpToolSchema": {"inline": json.dumps({"tools": [{"name": CANARY}]})},
}


@pytest.mark.parametrize("code", ["ValidationException", "ConflictException", "AccessDeniedException", "Odd"])
async def test_no_value_of_a_spec_is_in_the_log_at_any_level(logs: Lines, code: str) -> None:
    """Neither where AWS quotes what it refuses, nor what somebody else wrote, nor a spec that is wrong."""
    world = World()
    quoted = f"Value 'https://{CANARY}.example.com/{CANARY}/mcp' of {CANARY} is not liked"
    for operation in ("CreateGatewayTarget", "UpdateGatewayTarget"):
        world.aws.add_fault(operation=operation, code=code, message=quoted, count=1)
    async with world.operator():
        await world.create(**EVERYWHERE)
        await world.until(world.targets, within=4000)
        await world.until_ready(within=4000)
        (target,) = world.targets()
        await world.edit(spec={"description": f"again {CANARY}"})
        await world.pass_time(4000)
        await world.until_ready()
        world.aws.edit_target(target["targetId"], description=f"theirs: {CANARY}")
        await world.until(lambda: "theirs" not in world.targets()[0]["description"], within=200)
        await world.edit(spec={"allowedRequestHeaders": ["Authorization", CANARY]})
        await world.until_reason("ValidationError")
        await world.edit(spec={"allowedRequestHeaders": [], "managementPolicy": "Observe"})
        await world.pass_time(60)
        await world.edit(spec={"managementPolicy": "Manage"})
        await world.create("rival", targetName=f"name-{CANARY}")
        await world.until_reason("NameConflict", "rival")
        await world.delete()
        await world.until(lambda: not world.exists())
        await world.pass_time(60)
    assert len(writes(logs)) >= 6
    assert not [line for line in logs if CANARY in json.dumps(line, default=str)]
    refused = [line["error"] for line in writes(logs) if line["answer"] == code]
    assert refused == ["in the status of the object"] * 2


async def test_that_aws_does_not_say_whose_the_operator_is_warns_once(logs: Lines) -> None:
    """A start asks twice, the second time without a pause, and then once a minute."""
    world = World()
    world.aws.add_fault(operation="sts:GetCallerIdentity", code="InternalServerException", count=4)
    async with world.operator():
        await world.pass_time(200.0)
    said = [line["log_level"] for line in logs if line["event"].startswith("AWS does not say whose")]
    assert said == ["warning", "info", "info", "info"]
    assert [line["log_level"] for line in logs if line["event"] == "aws"] == ["info"]
