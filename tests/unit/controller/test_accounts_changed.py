"""An operator that works in another account than before: what is there is not what is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import PatchType
from tests.support.accounts import SPOKE
from tests.support.classes import GATEWAY, OTHER_GATEWAY, WRITES, arn
from tests.support.world import condition, record_of
from tests.unit.controller.test_accounts import FAR, PLAIN, Hub


async def recorded_elsewhere(hub: Hub) -> str:
    """Make a target in the spoke, as an operator at home there records it; return its id.

    The hub has a gateway of the same id, with a target of the same id on it.
    """
    await hub.spoke()
    async with hub.world.operator(gateway_id=""):
        obj = await hub.made()
        await hub.world.create("near", gatewayId=GATEWAY)
        near = await hub.world.until_ready("near")
        assert near.status.target_id == obj.status.target_id  # or this test would show less
        await hub.world.edit("near", spec={"deletionPolicy": "Retain"})
        await hub.world.delete("near")
        await hub.world.until(lambda: not hub.world.exists("near"))
    record = {**record_of(await hub.world.get()), "gatewayId": GATEWAY}
    record.pop("placedBy", None)
    await hub.world.set_status(record)
    patch: dict[str, Any] = {
        "metadata": {"annotations": {names.GATEWAY_ANNOTATION: GATEWAY}},
        "spec": {"gatewayRef": None, "gatewayId": GATEWAY},
    }
    await hub.world.user.patch(MCPSERVERS, "team-a", "weather", patch, kind=PatchType.MERGE)
    await hub.platform.edit(metadata={"finalizers": []})
    await hub.platform.delete()
    hub.world.forget_calls()
    return obj.status.target_id


async def test_what_was_made_in_another_account_is_not_searched_for_here() -> None:
    hub = Hub()
    await recorded_elsewhere(hub)
    there = hub.cloud.requests()
    async with hub.world.operator(gateway_id=""):
        await hub.world.pass_time(300.0)
        obj = await hub.world.get()
        permitted = condition(obj, "Permitted")
        assert (permitted.status, permitted.reason) == ("False", "WrongAccountOrRegion")
        assert SPOKE in permitted.message
        await hub.world.edit(spec={"description": "new"})
        await hub.world.pass_time(60.0)
        # Nor does it stand in anybody's way.
        await hub.world.create("other", gatewayId=GATEWAY, targetName="another")
        await hub.world.until_ready("other")
        await hub.world.delete("other")
        await hub.world.until(lambda: not hub.world.exists("other"))
        hub.world.forget_calls()
        await hub.world.delete()
        await hub.world.pass_time(900.0)
        assert hub.world.exists()
        assert condition(await hub.world.get()).reason == "WrongAccountOrRegion"
        assert hub.platform.requests() == []
        await hub.world.edit(spec={"deletionPolicy": "Retain"})
        await hub.world.until(lambda: not hub.world.exists())
    assert hub.platform.requests() == []
    assert hub.cloud.requests() == there
    assert hub.cloud.asked[1:] == []


async def test_with_a_class_for_it_it_is_worked_on_where_it_is() -> None:
    hub = Hub()
    target_id = await recorded_elsewhere(hub)
    writes = [each for each in hub.cloud.requests() if each in WRITES]
    async with hub.world.operator(gateway_id=""):
        await hub.world.pass_time(60.0)
        await hub.spoke()
        await hub.world.pass_time(120.0)
        obj = await hub.world.get()
        assert (obj.status.target_id, condition(obj).status) == (target_id, "True")
        assert condition(obj, "Permitted").status != "False"
        assert [each for each in hub.cloud.requests() if each in WRITES] == writes
        await hub.world.delete()
        await hub.world.until(lambda: not hub.world.exists(), within=120.0)
    assert hub.cloud.targets(GATEWAY) == []
    assert hub.platform.requests() == []


@pytest.mark.parametrize("spec", [{}, {"gatewayId": GATEWAY}], ids=["by default", "by id"])
@pytest.mark.parametrize("config", [{}, {"require_gateway_ref": True}], ids=["free", "by class alone"])
async def test_what_the_go_operator_made_in_another_account_is_forgotten_no_more_than_that(
    spec: dict[str, Any], config: dict[str, Any]
) -> None:
    """Its record does not say whose it is; started in a wrong Region nobody can tell, so it waits."""
    hub = Hub()
    await hub.world.create(**PLAIN, **spec)
    await hub.world.edit(metadata={"finalizers": [names.FINALIZER]})
    await hub.world.set_status({"gatewayArn": FAR, "targetId": "ABCDEFGHIJ", "targetStatus": "READY"})
    async with hub.world.operator(**config):
        await hub.world.pass_time(300.0)
        assert (await hub.world.get()).status.target_id == "ABCDEFGHIJ"
        await hub.world.delete()
        await hub.world.pass_time(900.0)
        assert hub.world.exists()
        assert condition(await hub.world.get()).reason == "WrongAccountOrRegion"
        await hub.world.edit(spec={"deletionPolicy": "Retain"})
        await hub.world.until(lambda: not hub.world.exists())
    assert hub.platform.writes() == []


@pytest.mark.parametrize("spec", [{"gatewayId": OTHER_GATEWAY}, {"gatewayRef": {"name": "near"}}])
async def test_named_anew_it_is_made_here_and_what_is_elsewhere_is_told(spec: dict[str, Any]) -> None:
    hub = Hub()
    target_id = await recorded_elsewhere(hub)
    async with hub.world.operator(gateway_id=""):
        await hub.platform.make(
            "near",
            gateway=OTHER_GATEWAY,
            allow=[{**PLAIN_ALLOW, "endpoints": ["https://weather.example.com"]}],
        )
        await hub.world.edit(spec={"gatewayId": None, **spec})
        await hub.world.until(lambda: hub.world.targets(OTHER_GATEWAY))
        await hub.world.pass_time(120.0)
        obj = await hub.world.get()
        assert condition(obj).status == "True"
        assert [(each.gateway_id, each.target_id) for each in obj.status.moves] == [(FAR, target_id)]
        assert condition(obj, "Stalled").reason == "WrongAccountOrRegion"
        assert "DeleteGatewayTarget" not in hub.platform.requests()


PLAIN_ALLOW: dict[str, Any] = {"namespaces": {}, "authTypes": ["*"], "grantTypes": ["*"], "providers": ["*"]}


@pytest.mark.parametrize("its_class", ["without its role", "gone", "with a role"])
@pytest.mark.parametrize("moving", [False, True])
async def test_an_id_of_before_leads_nowhere_here_whatever_class_placed_the_object(
    its_class: str, moving: bool
) -> None:
    """A gateway of this id is here, too, and nothing of the object may come to be there."""
    hub = Hub()
    await hub.spoke()
    async with hub.world.operator(gateway_id=""):
        target_id = (await hub.made()).status.target_id
    await as_recorded_by_id(hub, moving=moving)
    match its_class:
        case "without its role":
            await hub.platform.edit(spec={"aws": None})
        case "gone":
            await hub.platform.force()
    hub.world.forget_calls()
    writes = [each for each in hub.cloud.requests() if each in WRITES]
    for _ in range(2):
        # What the first one writes down is what the second one reads.
        async with hub.world.operator(gateway_id=""):
            await hub.world.pass_time(300.0)
            obj = await hub.world.get()
            frozen = its_class != "with a role"
            assert (obj.status.target_id, obj.status.placed_by is not None) == (target_id, True)
            assert (condition(obj, "Permitted").status == "False") == frozen or moving
    assert hub.platform.requests() == []
    assert [each for each in hub.cloud.requests() if each in WRITES] == writes or moving


async def as_recorded_by_id(hub: Hub, *, moving: bool) -> None:
    """Let an object name its gateway by id, as an operator at home in its account has recorded it."""
    patch: dict[str, Any] = {
        "metadata": {"annotations": {names.GATEWAY_ANNOTATION: GATEWAY}},
        "spec": {"gatewayRef": None, "gatewayId": GATEWAY},
    }
    await hub.world.user.patch(MCPSERVERS, "team-a", "weather", patch, kind=PatchType.MERGE)
    obj = await hub.world.get()
    record = {**record_of(obj), "gatewayId": GATEWAY, "observedGeneration": obj.metadata.generation}
    for each in record["conditions"]:
        each["observedGeneration"] = obj.metadata.generation
    if moving:
        # It was on its way from another one there, and the target on this one is not recorded yet.
        entry = {name: record[name] for name in ("gatewayId", "gatewayArn", "placedBy")}
        old = arn(OTHER_GATEWAY, account=SPOKE)
        record |= {"gatewayId": OTHER_GATEWAY, "gatewayArn": old, "moves": [entry]}
        record["placedBy"] = {**record["placedBy"], "gatewayArn": old}
    await hub.world.set_status(record)


async def test_the_status_of_another_object_says_nothing_of_what_an_id_means() -> None:
    """A backup of the old account's cluster, restored where the operator works now: it is made here."""
    hub = Hub()
    await hub.spoke()
    async with hub.world.operator(gateway_id=""):
        await hub.made()
    await as_recorded_by_id(hub, moving=False)
    status = record_of(await hub.world.get())
    await hub.world.delete()
    await hub.world.edit(metadata={"finalizers": None})
    await hub.platform.force()
    await hub.world.create(**PLAIN, gatewayId=GATEWAY)
    await hub.world.set_status(status)
    async with hub.world.operator(gateway_id=""):
        obj = await hub.world.until_ready(within=200.0)
        assert obj.status.gateway_id == GATEWAY
    assert hub.platform.writes() == ["CreateGatewayTarget"]
