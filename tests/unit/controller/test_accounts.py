"""Gateways of other accounts and Regions: whose session each call goes by, and what happens without one."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServer
from tests.support.accounts import OWN, SPOKE, Cloud, role
from tests.support.classes import ALLOW, GATEWAY, OTHER_GATEWAY, Platform, arn
from tests.support.world import World, condition

REF: dict[str, Any] = {"gatewayRef": {"name": "tools"}}
ANY: list[dict[str, Any]] = [{**ALLOW, "authTypes": ["*"]}]
PLAIN: dict[str, Any] = {"authType": "NoAuth", "oauthProviderArn": None, "oauthScopes": None}
FAR = arn(GATEWAY, account=SPOKE)
A_WHILE = 90.0


class Hub:
    """A hub, a spoke with a gateway of the same id as the hub's own, and a class for it."""

    def __init__(self) -> None:
        self.world = World()
        self.platform = Platform(self.world)
        self.cloud = self.world.opener = Cloud(self.world)
        self.cloud.aws().create_gateway(GATEWAY)

    async def spoke(self, name: str = "tools", **spec: Any) -> None:
        """Make the class of the spoke's gateway."""
        given = {"gateway_arn": FAR, "aws": {"roleArn": role()}, "allow": ANY, **spec}
        await self.platform.make(name, **given)

    async def made(self, name: str = "weather", **spec: Any) -> MCPServer:
        """Create an object by reference and return it once it is Ready."""
        await self.world.create(name, **{**PLAIN, **REF, **spec})
        return await self.world.until_ready(name)


def only(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the only one."""
    assert len(found) == 1
    return found[0]


async def test_a_target_is_made_in_the_account_of_the_class_and_nowhere_else() -> None:
    hub = Hub()
    await hub.spoke()
    async with hub.world.operator(gateway_id=""):
        obj = await hub.made()
        assert only(hub.cloud.targets(GATEWAY))["targetId"] == obj.status.target_id
        assert (obj.status.gateway_id, obj.status.gateway_arn) == (FAR, FAR)
        assert obj.metadata.annotations[names.GATEWAY_ANNOTATION] == FAR
        assert obj.status.placed_by is not None
        assert obj.status.placed_by.gateway_arn == FAR
        await hub.world.delete()
        await hub.world.until(lambda: not hub.world.exists())
    assert hub.cloud.targets(GATEWAY) == []
    assert hub.platform.requests() == []
    assert [(each.identity.role_arn, each.name) for each in hub.cloud.asked] == [
        (role(), "mcp-gateway-operator@tools")
    ]


async def test_equal_gateway_and_target_ids_in_two_accounts_are_two_targets() -> None:
    hub = Hub()
    await hub.spoke()
    async with hub.world.operator(gateway_id=""):
        await hub.world.create("near", gatewayId=GATEWAY)
        near = await hub.world.until_ready("near")
        far = await hub.made("far")
        assert near.status.target_id == far.status.target_id  # or this test would show less
        assert near.status.gateway_id == GATEWAY
        assert far.status.gateway_id == FAR
        await hub.world.delete("far")
        await hub.world.until(lambda: not hub.world.exists("far"))
        assert only(hub.world.targets())["targetId"] == near.status.target_id
    assert hub.cloud.requests().count("DeleteGatewayTarget") == 1
    assert "DeleteGatewayTarget" not in hub.platform.requests()


async def test_one_session_serves_all_and_is_renewed_before_it_ends() -> None:
    hub = Hub()
    await hub.spoke(
        aws={"roleArn": role(), "externalId": "acme", "sessionTags": {"team": "platform", "a": "b"}}
    )
    hub.cloud.lifetime = 900.0
    async with hub.world.operator(gateway_id="", drift_interval=30.0):
        for name in ("one", "two", "three"):
            await hub.made(name)
        assert len(hub.cloud.asked) == 1
        await hub.world.pass_time(3600.0)
        first = hub.cloud.asked[0].identity
        assert (first.external_id, first.tags) == ("acme", (("a", "b"), ("team", "platform")))
        moments = [each.at for each in hub.cloud.asked]
        assert len(moments) in {5, 6}
        assert all(later - before < 900.0 for before, later in itertools.pairwise(moments))
        # Whose it is, is asked anew each time.
        assert hub.cloud.identities == len(moments)
        for name in ("one", "two", "three"):
            assert condition(await hub.world.get(name)).status == "True"


async def test_classes_of_one_role_share_a_session_that_names_them_all() -> None:
    """CloudTrail is to say for which MCPGateways a session is; one that is refused is not among them."""
    hub = Hub()
    hub.cloud.aws().create_gateway(OTHER_GATEWAY)
    await hub.spoke()
    async with hub.world.operator(gateway_id=""):
        await hub.made("one")
        await hub.spoke("second-of-the-same-gateway")
        await hub.spoke("search", gateway_arn=arn(OTHER_GATEWAY, account=SPOKE))
        await hub.made("two", gatewayRef={"name": "search"})
        await hub.world.pass_time(A_WHILE)
    assert [each.name for each in hub.cloud.asked] == [
        "mcp-gateway-operator@tools",
        "mcp-gateway-operator@search,tools",
    ]
    async with hub.world.operator(gateway_id=""):
        await hub.world.pass_time(A_WHILE)
    assert [each.name for each in hub.cloud.asked[2:]] == ["mcp-gateway-operator@search,tools"]


async def ready_of(hub: Hub, name: str = "tools") -> tuple[str, str]:
    found = (await hub.platform.get(name)).condition("Ready")
    return (found.status, found.reason) if found is not None else ("", "")


async def test_a_role_that_is_denied_is_said_by_class_and_objects_and_asked_for_once_a_minute() -> None:
    hub = Hub()
    hub.cloud.denied.add(role())
    await hub.spoke()
    async with hub.world.operator(gateway_id=""):
        for number in range(20):
            await hub.world.create(f"far-{number}", **{**PLAIN, **REF})
        await hub.world.create("near", gatewayId=GATEWAY)
        assert await hub.world.until(hub.world.targets) < 5.0

        async def said() -> bool:
            found = condition(await hub.world.get("far-7"))
            return (found.status, found.reason) == ("False", "RoleRefused") and role() in found.message

        await hub.world.until(said)
        await hub.world.until(lambda: _says(hub, ("False", "RoleRefused")))
        began, before = 600.0, len(hub.cloud.asked)
        await hub.world.pass_time(began)
        assert len(hub.cloud.asked) - before <= 11
        assert hub.cloud.requests() == []
        hub.cloud.denied.clear()
        await hub.world.until(lambda: len(hub.cloud.targets(GATEWAY)) == 20, within=180.0)
        await hub.world.until(lambda: _says(hub, ("True", "GatewayReady")), within=120.0)


async def _says(hub: Hub, what: tuple[str, str]) -> bool:
    return await ready_of(hub) == what


async def test_a_session_that_acts_in_another_account_sends_nothing() -> None:
    hub = Hub()
    hub.cloud.acts_in[role()] = "333333333333"
    hub.cloud.aws("333333333333").create_gateway(GATEWAY)
    await hub.spoke()
    async with hub.world.operator(gateway_id=""):
        await hub.world.create(**{**PLAIN, **REF})
        obj = await hub.world.until_reason("WrongAccountOrRegion")
        assert "333333333333" in condition(obj).message
        await hub.world.until(lambda: _says(hub, ("False", "WrongAccountOrRegion")))
        await hub.world.pass_time(A_WHILE)
    assert hub.cloud.requests() == []
    assert hub.cloud.requests("333333333333") == []
    assert hub.platform.requests() == []


async def test_a_session_that_turns_to_another_account_deletes_and_believes_nothing() -> None:
    hub = Hub()
    await hub.spoke()
    hub.cloud.lifetime = 300.0
    hub.cloud.aws("333333333333").create_gateway(OTHER_GATEWAY)
    async with hub.world.operator(gateway_id=""):
        obj = await hub.made()
        hub.cloud.acts_in[role()] = "333333333333"
        await hub.world.pass_time(400.0)
        await hub.world.delete()
        await hub.world.pass_time(900.0)
        assert hub.world.exists()
        assert hub.cloud.requests("333333333333") == []
        hub.cloud.acts_in.clear()
        await hub.world.until(lambda: not hub.world.exists(), within=300.0)
    assert hub.cloud.targets(GATEWAY) == []
    assert obj.status.gateway_id == FAR


@pytest.mark.parametrize("denied", [False, True])
async def test_a_gateway_that_is_gone_in_its_account_is_believed_gone_there(denied: bool) -> None:
    """After half a minute where ListGateways of that account lacks it, else after four."""
    hub = Hub()
    await hub.spoke()
    if denied:
        hub.cloud.aws().configure(denied_actions=["ListGateways"])
    async with hub.world.operator(gateway_id=""):
        await hub.made()
        hub.cloud.aws().delete_gateway(GATEWAY)
        identities = hub.cloud.identities
        own = len(hub.world.aws.requests(operation="sts:GetCallerIdentity", limit=1000))
        await hub.world.delete()
        took = await hub.world.until(lambda: not hub.world.exists(), within=400.0)
        assert 230.0 < took < 300.0 if denied else 25.0 < took < 45.0
        # A session of a role has said whose it is, and stays that: nobody is asked again.
        assert hub.cloud.identities == identities
        assert len(hub.world.aws.requests(operation="sts:GetCallerIdentity", limit=1000)) == own
    # The gateway of the same id that the operator itself has says nothing of it.
    assert hub.platform.requests() == []


async def test_one_that_the_account_still_shows_is_not_gone() -> None:
    hub = Hub()
    await hub.spoke()
    async with hub.world.operator(gateway_id=""):
        await hub.made()
        for operation in ("ListGatewayTargets", "GetGatewayTarget", "GetGateway"):
            hub.cloud.aws().add_fault(operation=operation, code="ResourceNotFoundException", count=None)
        await hub.world.delete()
        await hub.world.pass_time(200.0)
        assert hub.world.exists()


async def test_a_region_that_does_not_answer_keeps_nobody_else_from_hearing_that_a_gateway_is_gone() -> None:
    hub = Hub()
    hub.cloud.aws(SPOKE, "eu-west-1").create_gateway(GATEWAY)
    await hub.spoke()
    async with hub.world.operator(gateway_id=""):
        for number in range(6):
            gateway = f"dead-{number:010d}"
            there = arn(gateway, account=SPOKE, region="eu-west-1")
            hub.cloud.aws(SPOKE, "eu-west-1").create_gateway(gateway)
            await hub.spoke(f"dead-{number}", gateway_arn=there)
            await hub.made(f"dead-{number}", gatewayRef={"name": f"dead-{number}"})
            hub.cloud.aws(SPOKE, "eu-west-1").delete_gateway(gateway)
        await hub.made("alive")
        for operation in ("GetGateway", "ListGateways"):
            hub.cloud.aws(SPOKE, "eu-west-1").add_fault(operation=operation, kind="hang", count=None)
        for number in range(6):
            await hub.world.delete(f"dead-{number}")
        await hub.world.pass_time(20.0)
        hub.cloud.aws().delete_gateway(GATEWAY)
        await hub.world.delete("alive")
        assert await hub.world.until(lambda: not hub.world.exists("alive"), within=400.0) < 45.0


async def test_another_role_of_the_same_account_takes_over_without_a_write() -> None:
    hub = Hub()
    await hub.spoke()
    async with hub.world.operator(gateway_id="", drift_interval=10.0):
        await hub.made()
        writes = [each for each in hub.cloud.requests() if each != "ListGatewayTargets"]
        objects = hub.platform.object_writes()
        await hub.platform.edit(spec={"aws": {"roleArn": role(name="other")}})
        await hub.world.pass_time(A_WHILE)
        assert [each for each in hub.cloud.requests() if each != "ListGatewayTargets"] == writes
        assert hub.platform.object_writes() == objects
        assert hub.cloud.asked[-1].identity.role_arn == role(name="other")
        before = len(hub.cloud.requests())
        await hub.world.pass_time(30.0)
        assert len(hub.cloud.requests()) > before


async def test_a_class_made_again_goes_on_without_a_write() -> None:
    hub = Hub()
    await hub.spoke()
    async with hub.world.operator(gateway_id="", drift_interval=10.0):
        await hub.made()
        await hub.world.pass_time(A_WHILE)
        writes = [each for each in hub.cloud.requests() if each != "ListGatewayTargets"]
        await hub.platform.edit(metadata={"finalizers": []})
        await hub.platform.delete()
        calls = len(hub.cloud.requests())
        await hub.world.pass_time(A_WHILE)
        assert len(hub.cloud.requests()) <= calls + 1
        frozen = await hub.world.get()
        assert condition(frozen, "Permitted").status == "False"
        await hub.spoke()
        await hub.world.pass_time(A_WHILE)
        assert condition(await hub.world.get(), "Permitted").status == "True"
        assert condition(await hub.world.get()).status == "True"
        assert [each for each in hub.cloud.requests() if each != "ListGatewayTargets"] == writes
    assert hub.platform.requests() == []


async def test_a_region_of_the_own_account_needs_no_role() -> None:
    hub = Hub()
    hub.cloud.aws(OWN, "eu-west-1").create_gateway(GATEWAY)
    await hub.platform.make(gateway_arn=arn(GATEWAY, region="eu-west-1"), allow=ANY)
    async with hub.world.operator(gateway_id=""):
        await hub.made()
        assert len(hub.cloud.targets(GATEWAY, OWN, "eu-west-1")) == 1
    assert hub.platform.requests() == []


async def test_a_role_of_the_own_account_is_used_for_its_gateway_alone() -> None:
    hub = Hub()
    await hub.platform.make(gateway=GATEWAY, allow=ANY, aws={"roleArn": role(OWN)})
    async with hub.world.operator(gateway_id=""):
        obj = await hub.made()
        assert obj.status.gateway_id == GATEWAY
        assert [each.identity.role_arn for each in hub.cloud.asked] == [role(OWN)]
        await hub.world.create("other", gatewayId=OTHER_GATEWAY)
        await hub.world.until_ready("other")
        assert len(hub.cloud.asked) == 1


async def test_a_region_that_never_answers_holds_up_nobody() -> None:
    hub = Hub()
    hub.cloud.hanging.add("eu-west-1")
    await hub.spoke()
    await hub.spoke("dead", gateway_arn=arn(GATEWAY, account=SPOKE, region="eu-west-1"))
    async with hub.world.operator(gateway_id=""):
        for number in range(40):
            await hub.world.create(f"dead-{number}", **{**PLAIN, "gatewayRef": {"name": "dead"}})
        took = hub.world.until
        await hub.world.create("alive", **{**PLAIN, **REF})
        assert await took(lambda: hub.cloud.targets(GATEWAY)) < 3.0
        assert len(hub.cloud.asked) <= 3


async def test_a_region_that_never_answers_slows_the_others_by_a_tenth_at_most() -> None:
    took = [await _seconds_to_fill(dead=dead) for dead in (0, 3)]
    assert took[1] <= 1.1 * took[0]


async def _seconds_to_fill(*, dead: int) -> float:
    """Return how long twenty targets in each of two accounts take, beside Regions that never answer."""
    hub = Hub()
    hub.cloud.aws("333333333333").create_gateway(GATEWAY)
    alive = {"one": SPOKE, "two": "333333333333"}
    for name, account in alive.items():
        await hub.spoke(name, gateway_arn=arn(GATEWAY, account=account), aws={"roleArn": role(account)})
    for number in range(dead):
        region = f"eu-west-{number + 1}"
        hub.cloud.hanging.add(region)
        await hub.spoke(f"dead-{number}", gateway_arn=arn(GATEWAY, account=SPOKE, region=region))
    async with hub.world.operator(gateway_id="", quotas=Quotas()):
        for number in range(20):
            for name in (*(f"dead-{each}" for each in range(dead)), *alive):
                await hub.world.create(f"{name}-{number}", **{**PLAIN, "gatewayRef": {"name": name}})
        return await hub.world.until(
            lambda: all(len(hub.cloud.targets(GATEWAY, each)) == 20 for each in alive.values())
        )


@pytest.mark.parametrize("value", [arn(GATEWAY, account="444444444444"), arn(OTHER_GATEWAY, account=SPOKE)])
async def test_an_annotation_leads_nowhere_elsewhere(value: str) -> None:
    hub = Hub()
    hub.cloud.aws().create_gateway(OTHER_GATEWAY)
    async with hub.world.operator(gateway_id=""):
        await hub.world.create(gatewayId=GATEWAY)
        await hub.world.until_ready()
        await hub.world.edit(metadata={"annotations": {names.GATEWAY_ANNOTATION: value}})
        await hub.world.pass_time(30.0)
        await hub.world.delete()
        await hub.world.until(lambda: not hub.world.exists(), within=120.0)
    assert hub.cloud.asked == []
    assert hub.cloud.requests() == []
    assert hub.cloud.requests("444444444444") == []


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"gateway_arn": FAR}, "name a role of the gateway's account"),
        ({"gateway_arn": FAR, "aws": {"roleArn": role(OWN)}}, "a role of another account"),
        ({"aws": {"externalId": "acme"}}, "set spec.aws.roleArn"),
        ({"aws": {"roleArn": role(OWN), "policyArns": ["x"]}}, "unknown field"),
    ],
)
async def test_an_identity_that_cannot_be_right_is_said_and_does_nothing(
    spec: dict[str, Any], word: str
) -> None:
    hub = Hub()
    await hub.platform.make(**{"allow": ANY, **spec})
    async with hub.world.operator(gateway_id=""):
        await hub.world.create(**{**PLAIN, **REF})

        async def refused() -> bool:
            found = (await hub.platform.get()).condition(names.ACCEPTED)
            return found is not None and found.status == "False" and word in found.message

        await hub.world.until(refused)
        assert condition(await hub.world.get(), "Permitted").status == "False"
    assert hub.cloud.asked == []
    assert hub.platform.requests() == []


async def test_a_role_of_another_account_freezes_and_nothing_goes_out_under_the_wrong_identity() -> None:
    hub = Hub()
    await hub.platform.make(gateway=GATEWAY, allow=ANY)
    async with hub.world.operator(gateway_id=""):
        obj = await hub.made()
        await hub.platform.edit(spec={"aws": {"roleArn": role()}})
        await hub.world.pass_time(A_WHILE)
        assert condition(await hub.world.get(), "Permitted").status == "False"
        before = hub.platform.requests()
        await hub.world.delete()
        await hub.world.pass_time(600.0)
        assert hub.world.exists()
        assert hub.platform.requests() == before
        assert hub.cloud.asked == []
        await hub.platform.edit(spec={"aws": None})
        await hub.world.until(lambda: not hub.world.exists(), within=120.0)
    assert hub.world.targets() == []
    assert obj.status.gateway_id == GATEWAY


async def test_after_a_restart_without_its_class_an_object_waits_and_goes_on_when_it_is_back() -> None:
    hub = Hub()
    await hub.spoke()
    async with hub.world.operator(gateway_id=""):
        obj = await hub.made()
    await hub.platform.edit(metadata={"finalizers": []})
    await hub.platform.delete()
    calls, objects = hub.cloud.requests(), hub.platform.object_writes()
    async with hub.world.operator(gateway_id=""):
        await hub.world.pass_time(400.0)
        assert hub.cloud.requests() == calls
        assert condition(await hub.world.get(), "Permitted").status == "False"
        await hub.world.delete()
        await hub.world.pass_time(400.0)
        assert hub.world.exists()
        assert hub.cloud.requests() == calls
        assert len(hub.platform.object_writes()) < len(objects) + 8
        await hub.spoke()
        await hub.world.until(lambda: not hub.world.exists(), within=180.0)
    assert hub.cloud.targets(GATEWAY) == []
    assert obj.status.gateway_id == FAR


async def test_a_class_in_use_keeps_its_finalizer_while_nobody_knows_whose_the_operator_is() -> None:
    hub = Hub()
    await hub.spoke()
    await hub.platform.make("near", gateway=GATEWAY, allow=ANY)
    async with hub.world.operator(gateway_id=""):
        await hub.made("far")
        await hub.made("close", gatewayRef={"name": "near"})
        await hub.world.pass_time(40.0)
    hub.world.aws.add_fault(operation="sts:GetCallerIdentity", code="AccessDenied", count=None)
    async with hub.world.operator(gateway_id=""):
        await hub.platform.delete("near")
        await hub.platform.delete()
        await hub.world.pass_time(A_WHILE)
        for name, placed in (("far", "tools"), ("close", "near")):
            assert (await hub.platform.get(placed)).metadata.finalizers == (names.CLASS_FINALIZER,)
            told = (await hub.world.get(name)).status.placed_by
            assert told is not None
            assert told.class_ == placed


async def test_a_class_of_another_accounts_gateway_of_equal_id_keeps_no_target_from_being_deleted() -> None:
    """Nor does it while nobody knows whose the operator is: then the deletion waits."""
    hub = Hub()
    async with hub.world.operator(gateway_id=""):
        await hub.world.create("near", gatewayId=GATEWAY)
        await hub.world.until_ready("near")
    await hub.spoke(defaults={"deletionPolicy": "Retain"})
    hub.world.aws.add_fault(operation="sts:GetCallerIdentity", code="AccessDenied", count=None)
    async with hub.world.operator(gateway_id=""):
        await hub.world.pass_time(A_WHILE)
        await hub.world.delete("near")
        await hub.world.pass_time(A_WHILE)
        assert hub.world.exists("near")
    hub.world.aws.clear_faults()
    async with hub.world.operator(gateway_id=""):
        await hub.world.until(lambda: not hub.world.exists("near"))
    assert hub.world.targets() == []
