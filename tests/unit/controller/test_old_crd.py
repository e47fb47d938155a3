"""An older CRD prunes the newer status fields: the operator works in its terms, and is as quiet."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, MutableMapping
from typing import Any

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.crd_manifest import custom_resource_definition
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.controller.served_schema import HOLDING_BACK, PATH
from tests.support.world import OTHER_GATEWAY, World, condition, record_of

OLD_FIELDS = (
    "observedGeneration",
    "targetId",
    "gatewayArn",
    "targetStatus",
    "statusReasons",
    "lastSynchronized",
    "conditions",
)


def serve(world: World, *, status: Collection[str] | None = None, without: Collection[str] = ()) -> None:
    """Let the API server serve this project's CRD, with other status fields or without some of the spec's."""
    (version,) = custom_resource_definition()["spec"]["versions"]
    kind = copy.deepcopy(version["schema"]["openAPIV3Schema"])
    if status is not None:
        kind["properties"]["status"]["properties"] = {name: {} for name in status}
    for name in without:
        del kind["properties"]["spec"]["properties"][name]
    schemas = {"aws.bedrock.mcpgateway.v1alpha1.MCPServer": kind}
    world.api.paths[PATH] = json.dumps({"components": {"schemas": schemas}}).encode()


def old_world() -> World:
    """Return a world whose API server serves the status of the Go operator's CRD."""
    world = World()
    serve(world, status=OLD_FIELDS)
    return world


async def test_writes_only_what_the_old_crd_keeps() -> None:
    world = old_world()
    async with world.operator():
        await world.create()
        obj = await world.until_ready()
        assert set(record_of(obj)) <= set(OLD_FIELDS)
        assert obj.status.target_id == world.targets()[0]["targetId"]
        assert world.writes() == ["patch", "patch status"]


async def test_a_restart_writes_nothing_and_deletion_finds_the_target() -> None:
    world = old_world()
    async with world.operator():
        await world.create()
        await world.until_ready()
    world.forget_calls()
    async with world.operator():
        await world.pass_time(200)
        assert world.writes() == []
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}
        await world.delete()
        await world.until(lambda: not world.exists(), within=30)
        assert world.targets() == []


async def test_a_wish_to_reconcile_that_nothing_can_remember_is_heard_while_the_operator_runs() -> None:
    world = old_world()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.pass_time(120)
        world.forget_calls()
        await world.edit(metadata={"annotations": {names.RECONCILE_ANNOTATION: "now"}})
        await world.pass_time(120)
        assert world.calls()["GetGatewayTarget"] == 1
        assert world.writes() == []
    world.forget_calls()
    async with world.operator():
        await world.pass_time(1)
        first = world.calls()["GetGatewayTarget"]
        await world.edit(metadata={"annotations": {names.RECONCILE_ANNOTATION: "again"}})
        await world.pass_time(120)
        assert world.calls()["GetGatewayTarget"] <= first + 1
        assert world.writes() == []


Logs = list[MutableMapping[str, Any]]


def told(logs: Logs) -> Logs:
    """Return what was said of the CRD."""
    return [entry for entry in logs if "CustomResourceDefinition" in entry["event"]]


async def test_fields_that_hold_the_operator_back_are_missed_once(logs: Logs) -> None:
    """One line, a number and a note: nothing is written to the objects, which may be many."""
    world = World()
    serve(world, without=HOLDING_BACK)
    async with world.operator() as operator:
        for number in range(5):
            await world.create(f"server-{number}", targetName=f"server-{number}")
        for number in range(5):
            await world.until_ready(f"server-{number}")
        world.forget_calls()
        await world.pass_time(3600)
        assert world.writes() == []
        assert operator.schema.unserved == HOLDING_BACK
        note = operator.schema.note()
    (line,) = told(logs)
    assert line["log_level"] == "warning"
    assert line["missing"] == [f"spec.{name}" for name in HOLDING_BACK]
    assert "Set these again after the update" in line["event"]
    assert note is not None
    assert "does not have spec.managementPolicy, spec.deletionPolicy," in note
    assert "mcp-gateway-operator crd | kubectl apply" in note


@pytest.mark.parametrize("name", HOLDING_BACK)
async def test_each_of_them_is_missed(name: str) -> None:
    world = World()
    serve(world, without=[name])
    async with world.operator() as operator:
        await world.pass_time(1)
        assert operator.schema.unserved == (name,)
        assert f"spec.{name}," in str(operator.schema.note())


async def test_a_crd_that_lacks_nothing_is_not_spoken_of(logs: Logs) -> None:
    world = World()
    serve(world)
    async with world.operator() as operator:
        await world.create()
        await world.until_ready()
        await world.pass_time(600)
        assert operator.schema.note() is None
    assert told(logs) == []


async def test_a_schema_that_cannot_be_read_is_spoken_of_once_and_changes_nothing(logs: Logs) -> None:
    world = World()
    async with world.operator() as operator:
        await world.pass_time(600)
        serve(world, without=["driftPolicy"])
        await world.pass_time(61)
        del world.api.paths[PATH]
        await world.pass_time(600)
        assert operator.schema.unserved == ("driftPolicy",)
    assert [entry["event"][:31] for entry in logs if "schema" in entry["event"]] == [
        "the served schema is not known;"
    ]
    assert len(told(logs)) == 1


async def test_a_crd_that_is_updated_needs_no_restart(logs: Logs) -> None:
    """What waited for its fields goes on, the record of the others is completed once, and the end is told."""
    world = old_world()
    async with world.operator():
        await world.create("waits", targetName="waits")
        await world.create("rests", targetName="rests")
        await world.until_ready("waits")
        await world.until_ready("rests")
        await world.edit("waits", spec={"gatewayId": OTHER_GATEWAY})
        stuck = await world.until_reason("Moving", "waits")
        assert condition(stuck, "Stalled").status == "True"
        (rests,) = [target for target in world.targets() if target["name"] == "rests"]
        world.forget_calls()

        serve(world)
        await world.until_ready("waits", within=120)
        await world.pass_time(600)

        assert [target["name"] for target in world.targets(OTHER_GATEWAY)] == ["waits"]
        assert world.targets() == [rests]
        completed = (await world.get("rests")).status
        assert (bool(completed.recorded_for), completed.target_name) == (True, "rests")
        assert len([write for write in world.api.writes() if write.name == "rests"]) == 1
    assert [entry["log_level"] for entry in told(logs)] == ["warning", "info"]


async def test_an_older_crd_that_replaces_a_newer_one_is_noticed(logs: Logs) -> None:
    """As after a rollback of the chart: what it cannot keep is not written again and again."""
    world = World()
    serve(world)
    async with world.operator():
        await world.create()
        await world.until_ready()
        serve(world, status=OLD_FIELDS, without=HOLDING_BACK)
        await world.pass_time(61)
        await world.edit(spec={"description": "Forecasts"})
        obj = await world.until_ready()
        assert set(record_of(obj)) <= {*OLD_FIELDS, *record_of(obj)}
    assert len(told(logs)) == 1


def show(world: World, **spec: Any) -> None:
    """Let the API server read the stored object differently: no new version, no event."""
    objects = world.api.store.objects[MCPSERVERS]
    ((key, body),) = objects.items()
    stored = json.loads(body)
    stored["spec"] |= spec
    objects[key] = json.dumps({**stored, "spec": {k: v for k, v in stored["spec"].items() if v}}).encode()


async def test_a_field_that_is_served_again_counts_at_once() -> None:
    """Nobody wrote the object, so what is stored still has it, and no event says that it is shown again."""
    world = World()
    async with world.operator():
        await world.create(driftPolicy="Report")
        target_id = (await world.until_ready()).status.target_id
    serve(world, without=["driftPolicy"])
    show(world, driftPolicy=None)
    async with world.operator():
        await world.pass_time(10)
        serve(world)
        show(world, driftPolicy="Report")
        await world.pass_time(62)
        world.forget_calls()

        world.aws.edit_target(target_id, description="Changed by hand")
        await world.until_reason(Reason.DRIFTED, within=120)

        assert "UpdateGatewayTarget" not in world.calls()


async def test_a_field_that_is_no_longer_served_holds_nothing_back() -> None:
    """What everybody is shown is what counts, without an edit or a restart."""
    world = World()
    serve(world)
    async with world.operator():
        await world.create(driftPolicy="Report")
        target_id = (await world.until_ready()).status.target_id
        world.aws.edit_target(target_id, description="Changed by hand")
        await world.until_reason(Reason.DRIFTED, within=120)
        world.forget_calls()

        serve(world, without=["driftPolicy"])
        show(world, driftPolicy=None)
        await world.pass_time(65)

        assert world.calls()["UpdateGatewayTarget"] == 1
