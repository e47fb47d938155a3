"""Records that prove something, and records that do not; markers that speak against them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import EVENTS
from mcp_gateway_operator.targets.shape import marker_of
from tests.support.world import GATEWAY, World, condition, record_of

A, B = "cluster-a", "cluster-b"
DRIFT = 30.0
SERVER = {"mcp": {"mcpServer": {"endpoint": "https://weather.example.com/mcp"}}}
OAUTH = [
    {
        "credentialProviderType": "OAUTH",
        "credentialProvider": {
            "oauthCredentialProvider": {
                "providerArn": "arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default/"
                "oauth2credentialprovider/idp",
                "scopes": ["read"],
                "grantType": "CLIENT_CREDENTIALS",
            }
        },
    }
]


def mark(owner: str, name: str = "weather", namespace: str = "team-a") -> str:
    return f"[mcps {marker_of(owner, namespace, name)}]"


def events(world: World, reason: str) -> list[str]:
    """Return the messages of the Events with this reason."""
    found = [msgspec.json.decode(body) for _, body in world.api.store.select(EVENTS, None)]
    return [event["message"] for event in found if event["reason"] == reason]


async def old_object(world: World, target: dict[str, Any], name: str = "weather", **spec: Any) -> None:
    """Make an object as the Go operator left it."""
    await world.create(name, **spec)
    await world.edit(name, metadata={"finalizers": [names.FINALIZER]})
    await world.set_status({"targetId": target["targetId"], "gatewayArn": target["gatewayArn"]}, name)


async def quiet(world: World) -> None:
    await world.pass_time(2 * DRIFT)
    world.forget_calls()
    await world.pass_time(4 * DRIFT)
    assert world.writes() == []
    assert set(world.calls()) <= {"ListGatewayTargets"}


async def test_a_record_that_is_not_believed_says_where_the_object_is_all_the_same() -> None:
    """Not the default, which was never asked for; what is decided so is sent so, too."""
    world = World()
    target = world.aws.create_target(GATEWAY, name="older", targetConfiguration=SERVER)
    await world.pass_time(3600)
    await old_object(world, target)
    async with world.operator(owner_ids=(A,), default_gateway_ref="missing"):
        obj = await world.until_ready()
        assert obj.status.target_id != target["targetId"]
    assert len(world.targets()) == 2


async def test_target_of_another_name_with_our_marker_is_told_of_once_and_left() -> None:
    world = World()
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        other = world.aws.create_target(
            GATEWAY, name="elsewhere", description=mark(A), targetConfiguration=SERVER
        )

        async def told() -> bool:
            return other["targetId"] in condition(await world.get()).message

        await world.until(told, within=2 * DRIFT)
        assert condition(await world.get()).status == "True"
        await quiet(world)
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await quiet(world)
        assert len(events(world, "DuplicateMarker")) == 1
        assert len(world.targets()) == 2
        world.aws.delete_target(other["targetId"])

        async def forgotten() -> bool:
            return other["targetId"] not in condition(await world.get()).message

        await world.until(forgotten, within=2 * DRIFT)
        await quiet(world)


@pytest.mark.parametrize("adopt", [True, False])
async def test_old_record_of_an_older_target_can_be_adopted_and_is_never_deleted_else(adopt: bool) -> None:
    """A target that is older than the object, as after a backup was put back, may be somebody else's."""
    world = World()
    target = world.aws.create_target(
        GATEWAY, name="weather", targetConfiguration=SERVER, credentialProviderConfigurations=OAUTH
    )
    await world.pass_time(3600)
    await old_object(world, target)
    world.forget_calls()
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT, allow_adoption=True):
        obj = await world.until_reason("NameConflict")
        assert "older than this object" in condition(obj).message
        assert "set spec.adoptionPolicy to IfExists" in condition(obj).message
        assert obj.status.target_status == ""
        await quiet(world)
        if adopt:
            await world.edit(spec={"adoptionPolicy": "IfExists"})
            obj = await world.until_ready(within=20)
            assert obj.status.target_id == target["targetId"]
            assert obj.status.recorded_for == obj.metadata.uid
            await quiet(world)
        await world.delete()
        await world.until(lambda: not world.exists(), within=120)
        assert len(world.targets()) == (0 if adopt else 1)
        assert world.calls()["DeleteGatewayTarget"] == adopt
        told = events(world, "Deleted" if adopt else "Released")
        assert len(told) == 1
        assert target["targetId"] in told[0]


async def test_id_that_two_old_objects_record_is_nobodys_until_one_of_them_goes() -> None:
    """The one that goes deletes nothing; the one that stays takes over without a write to AWS."""
    world = World()
    await world.create("first", targetName="weather")
    target = world.aws.create_target(
        GATEWAY, name="weather", targetConfiguration=SERVER, credentialProviderConfigurations=OAUTH
    )
    await world.delete("first")
    await old_object(world, target, "first", targetName="weather")
    await old_object(world, target, "second", targetName="weather")
    world.forget_calls()
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        for name, other in (("first", "second"), ("second", "first")):
            obj = await world.until_reason("NameConflict", name)
            assert f"MCPServer team-a/{other} records it, too" in condition(obj).message
            assert "adoption" not in condition(obj).message
        await quiet(world)
        await world.delete("second")
        await world.until(lambda: not world.exists("second"), within=120)
        obj = await world.until_ready("first", within=2 * DRIFT)
        assert obj.status.recorded_for == obj.metadata.uid
        assert [t["targetId"] for t in world.targets()] == [target["targetId"]]
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}


async def test_forged_old_record_does_not_cast_doubt_on_a_proven_one() -> None:
    """Neither has a marker to show: the one whose record names its uid goes on."""
    world = World()
    target = world.aws.create_target(
        GATEWAY, name="weather", targetConfiguration=SERVER, credentialProviderConfigurations=OAUTH
    )
    await old_object(world, target)
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        obj = await world.until_ready()
        assert obj.status.recorded_for == obj.metadata.uid
        await old_object(world, target, "forged", targetName="other")
        await world.edit("forged", metadata={"annotations": {names.PAUSED_ANNOTATION: "true"}})
        await world.until_paused("forged")
        assert (await world.get("forged")).status.target_id == target["targetId"]
        await world.edit(spec={"description": "still mine"})
        await world.until_ready(within=20)
        assert world.aws.target(target["targetId"])["description"] == f"still mine {mark(A)}"
        await world.edit("forged", metadata={"annotations": None})
        await world.delete("forged")
        await world.until(lambda: not world.exists("forged"), within=120)
        assert [t["targetId"] for t in world.targets()] == [target["targetId"]]


async def test_owner_id_that_is_not_in_the_list_any_more_stalls_and_names_the_flag() -> None:
    """Deletion then releases the object without a call, and says so."""
    world = World()
    async with world.operator(owner_ids=(A,)):
        await world.create()
        await world.until_ready()
    world.forget_calls()
    async with world.operator(owner_ids=(B,), drift_interval=DRIFT):
        obj = await world.until_reason("ForeignMarker")
        assert "--owner-id" in condition(obj).message
        assert condition(obj, "Stalled").status == "True"
        await quiet(world)
        await world.delete()
        await world.until(lambda: not world.exists(), within=20)
        assert set(world.calls()) <= {"ListGatewayTargets"}
        assert len(world.targets()) == 1
        assert any("without a call to AWS" in told for told in events(world, "ForeignMarker"))


async def test_owner_id_put_back_into_the_list_ends_that() -> None:
    world = World()
    async with world.operator(owner_ids=(A,)):
        await world.create()
        await world.until_ready()
    async with world.operator(owner_ids=(B,), drift_interval=DRIFT):
        await world.until_reason("ForeignMarker")
    world.forget_calls()
    async with world.operator(owner_ids=(B, A), drift_interval=DRIFT):
        await world.until_ready(within=20)
        await quiet(world)


async def test_marker_moved_to_another_target_moves_nothing() -> None:
    """Somebody with AWS rights marks a target of theirs as ours: ours stays the recorded one."""
    world = World()
    async with world.operator(owner_ids=(A,), drift_interval=DRIFT):
        await world.create()
        obj = await world.until_ready()
        world.aws.edit_target(obj.status.target_id, description="stripped")
        other = world.aws.create_target(
            GATEWAY, name="theirs", description=mark(A), targetConfiguration=SERVER
        )
        await world.pass_time(3 * DRIFT)
        assert (await world.get()).status.target_id == obj.status.target_id
        await world.delete()
        await world.until(lambda: not world.exists(), within=30)
        assert [t["targetId"] for t in world.targets()] == [other["targetId"]]


async def test_without_markers_two_objects_that_record_one_target_leave_it_alone() -> None:
    """Nothing proves whose it is, so neither writes to it, and the deletion of one leaves it."""
    world = World()
    async with world.operator(owner_marker=False, drift_interval=DRIFT):
        await world.create()
        first = await world.until_ready()
        await world.create("copy", targetName="other")
        copy = await world.until_ready("copy")
        status = {**record_of(first), "recordedFor": copy.metadata.uid}
        await world.set_status(status, "copy")
        await world.until_reason("ForeignMarker", "copy", within=2 * DRIFT)
        await world.delete("copy")
        await world.until(lambda: not world.exists("copy"), within=120)
        await world.edit(spec={"description": "still mine"})
        await world.until_ready(within=20)
        assert world.aws.target(first.status.target_id)["description"] == "still mine"
