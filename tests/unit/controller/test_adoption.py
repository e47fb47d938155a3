"""Taking over a target that somebody else made: only where the operator and the object both allow it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agentcore_simulator.settings import Consistency
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.runtime.cluster import EVENTS, NAMESPACES
from mcp_gateway_operator.targets.shape import marker_of
from tests.support.world import GATEWAY, World, condition

OWNER = "cluster-a"
READS = {"ListGatewayTargets", "GetGatewayTarget"}
SERVER = {"mcp": {"mcpServer": {"endpoint": "https://made-by-terraform.example.com/mcp"}}}
LAMBDA = {
    "mcp": {
        "lambda": {
            "lambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:tools",
            "toolSchema": {"s3": {"uri": "s3://bucket/tools.json"}},
        }
    }
}


async def test_adopts_where_both_allow_it() -> None:
    """The target keeps its id and gets the spec's configuration; nothing is created."""
    world = World()
    made = world.aws.create_target(GATEWAY, name="weather", targetConfiguration=SERVER)
    async with world.operator(allow_adoption=True):
        await world.create(adoptionPolicy="IfExists")
        obj = await world.until_ready()
        assert obj.status.target_id == made["targetId"]
        (target,) = world.targets()
        assert target["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"] == obj.spec.endpoint
        assert "[mcps " in target["description"]
        assert world.calls()["CreateGatewayTarget"] == 0
        assert world.calls()["UpdateGatewayTarget"] == 1
        await world.delete()
        await world.until(lambda: not world.exists(), within=30)
        assert world.targets() == []


@pytest.mark.parametrize("mark", ["", f"[mcps {marker_of(OWNER, 'team-b', 'gone')}]"])
async def test_nothing_of_the_configuration_that_another_gave_the_target_is_shown(mark: str) -> None:
    """Neither to an observer, nor when it is taken over, nor by the update that follows."""
    world = World()
    words = {"description": f"for auditors {mark}".strip()}
    world.aws.create_target(GATEWAY, name="weather", targetConfiguration=SERVER, **words)
    async with world.operator(owner_ids=(OWNER,), allow_adoption=True):
        await world.create(adoptionPolicy="IfExists", managementPolicy="Observe")
        await world.pass_time(120)
        assert "would adopt target" in condition(await world.get()).message
        await world.edit(spec={"managementPolicy": "Manage"})
        await world.until_ready()
        await world.pass_time(120)
    shown = repr([(request.body, request.path) for request in world.api.log])
    assert "Adopted" in shown
    assert "made-by-terraform" not in shown
    assert "for auditors" not in shown


@pytest.mark.parametrize(
    ("allowed", "policy", "advice"),
    [
        (False, "IfExists", "--allow-adoption"),
        (False, "", "--allow-adoption"),
        (True, "Never", "spec.adoptionPolicy"),
    ],
)
async def test_without_both_it_is_a_name_conflict_that_names_the_way(
    allowed: bool, policy: str, advice: str
) -> None:
    world = World()
    made = world.aws.create_target(GATEWAY, name="weather", targetConfiguration=SERVER)
    world.forget_calls()
    async with world.operator(allow_adoption=allowed):
        await world.create(adoptionPolicy=policy)
        obj = await world.until_reason("NameConflict")
        assert advice in condition(obj).message
        assert [target["targetId"] for target in world.targets()] == [made["targetId"]]
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}


async def test_never_adopts_what_another_object_has() -> None:
    world = World()
    async with world.operator(allow_adoption=True):
        await world.create()
        holder = await world.until_ready()
        await world.create("other", targetName="weather", adoptionPolicy="IfExists")
        obj = await world.until_reason("NameConflict", "other")
        assert "allow-adoption" not in condition(obj).message
        assert [target["targetId"] for target in world.targets()] == [holder.status.target_id]


async def test_never_adopts_another_installations_target() -> None:
    world = World()
    async with world.operator(owner_ids=("cluster-a",)):
        await world.create()
        await world.until_ready()
    await world.edit(metadata={"finalizers": None})
    await world.delete()
    async with world.operator(owner_ids=("cluster-b",), allow_adoption=True):
        await world.create(adoptionPolicy="IfExists")
        await world.until_reason("NameConflict")
        assert len(world.targets()) == 1


async def test_never_adopts_a_target_of_another_kind() -> None:
    world = World()
    world.aws.create_target(
        GATEWAY,
        name="weather",
        targetConfiguration=LAMBDA,
        credentialProviderConfigurations=[{"credentialProviderType": "GATEWAY_IAM_ROLE"}],
    )
    async with world.operator(allow_adoption=True):
        await world.create(adoptionPolicy="IfExists")
        await world.until_reason("NameConflict")
        assert world.targets()[0]["targetConfiguration"] == LAMBDA


def mark(name: str, owner: str = OWNER) -> str:
    return f"[mcps {marker_of(owner, 'team-a', name)}]"


def orphan(world: World, name: str = "weather", of: str = "gone", owner: str = OWNER) -> str:
    """Make a target that carries the marker of an MCPServer which does not exist; return its id."""
    description = f"forecasts {mark(of, owner)}"
    made = world.aws.create_target(GATEWAY, name=name, description=description, targetConfiguration=SERVER)
    return str(made["targetId"])


async def events(world: World, reason: str) -> list[str]:
    """Return the words of the Events with this reason."""
    page = await world.user.list(EVENTS)
    found = [msgspec.json.decode(bytes(item)) for item in page.items]
    return [event.get("note") or event.get("message") for event in found if event["reason"] == reason]


async def test_adopts_a_target_whose_object_is_gone_and_marks_it_at_once() -> None:
    world = World()
    target_id = orphan(world)
    world.forget_calls()
    async with world.operator(owner_ids=(OWNER,), allow_adoption=True, drift_interval=30.0):
        await world.create(
            adoptionPolicy="IfExists",
            endpoint=SERVER["mcp"]["mcpServer"]["endpoint"],
            description="forecasts",
        )
        obj = await world.until_ready()
        assert obj.status.target_id == target_id
        assert [target["description"] for target in world.targets()] == [f"forecasts {mark('weather')}"]
        assert world.calls()["UpdateGatewayTarget"] == 1
        assert world.calls()["GetGatewayTarget"] <= 2
        assert world.calls()["CreateGatewayTarget"] == 0
        assert [target_id in words for words in await events(world, "Adopted")] == [True]
        world.forget_calls()
        await world.pass_time(120)
        assert world.writes() == []
        assert set(world.calls()) <= {"ListGatewayTargets"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"allow_adoption": False}, "--allow-adoption"),
        (
            {"allow_adoption": True, "namespaces": ("team-a",)},
            "is gone or in a namespace that is not watched",
        ),
        ({"allow_adoption": True, "owner_marker": False}, "taken"),
    ],
)
async def test_a_marked_target_is_left_where_its_object_may_exist(config: dict[str, Any], words: str) -> None:
    world = World()
    orphan(world)
    world.forget_calls()
    async with world.operator(**{"owner_ids": (OWNER,), **config}):
        await world.create(adoptionPolicy="IfExists")
        obj = await world.until_reason("NameConflict")
        assert words in condition(obj).message
        await world.pass_time(120)
        assert set(world.calls()) <= READS


async def test_a_target_whose_object_lives_in_another_namespace_is_left() -> None:
    """Also one whose object this process has not looked at yet."""
    world = World()
    world.api.store.create(NAMESPACES, None, {"metadata": {"name": "team-b"}})
    async with world.operator(owner_ids=(OWNER,), allow_adoption=True):
        await world.create(targetName="shared")
        await world.until_ready()
        world.forget_calls()
        await world.create("thief", targetName="shared", adoptionPolicy="IfExists")
        await world.until_reason("NameConflict", "thief")
        assert set(world.calls()) <= READS


async def test_another_installations_orphan_is_left() -> None:
    world = World()
    orphan(world, owner="cluster-b")
    world.forget_calls()
    async with world.operator(owner_ids=(OWNER,), allow_adoption=True):
        await world.create(adoptionPolicy="IfExists")
        obj = await world.until_reason("NameConflict")
        assert "allow-adoption" not in condition(obj).message
        assert "adoptionPolicy" not in condition(obj).message
        assert set(world.calls()) <= READS


async def test_an_orphan_of_a_former_owner_id_is_adopted() -> None:
    world = World()
    target_id = orphan(world, owner="old")
    async with world.operator(owner_ids=(OWNER, "old"), allow_adoption=True):
        await world.create(adoptionPolicy="IfExists")
        obj = await world.until_ready()
        assert obj.status.target_id == target_id
        assert world.targets()[0]["description"] == mark("weather")


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("latency", [0.02, 0.9])
async def test_of_two_objects_one_gets_it(marked: bool, latency: float) -> None:
    world = World(latency=latency)
    if marked:
        target_id = orphan(world, "shared")
    else:
        made = world.aws.create_target(GATEWAY, name="shared", targetConfiguration=SERVER)
        target_id = str(made["targetId"])
    async with world.operator(owner_ids=(OWNER,), allow_adoption=True, drift_interval=30.0):
        for name in ("one", "two"):
            await world.create(name, targetName="shared", adoptionPolicy="IfExists")
        await world.pass_time(90)
        objects = [await world.get(name) for name in ("one", "two")]
        assert sorted(condition(obj).reason for obj in objects) == ["GatewayTargetReady", "NameConflict"]
        assert [obj.status.target_id for obj in objects if obj.status.target_id] == [target_id]
        assert world.calls()["UpdateGatewayTarget"] == 1
        assert world.calls()["CreateGatewayTarget"] == 0
        world.forget_calls()
        await world.pass_time(120)
        assert world.writes() == []
        assert set(world.calls()) <= {"ListGatewayTargets"}


async def test_adoption_whose_answer_is_lost_is_noticed() -> None:
    world = World()
    target_id = orphan(world)
    world.aws.add_fault(operation="UpdateGatewayTarget", kind="close", commit=True)
    async with world.operator(owner_ids=(OWNER,), allow_adoption=True, drift_interval=30.0):
        await world.create(adoptionPolicy="IfExists")
        obj = await world.until_ready(within=120)
        assert obj.status.target_id == target_id
        assert world.calls()["UpdateGatewayTarget"] == 1
        assert world.calls()["CreateGatewayTarget"] == 0


async def test_adoption_survives_lists_and_gets_that_lag() -> None:
    """A read from before our Update shows the gone object's marker: no reason to doubt or to repeat it."""
    lag = Consistency(list_lag=20.0, get_lag_after_write=5.0)
    world = World(simulator=SimulatorSettings(consistency=lag))
    target_id = orphan(world)
    async with world.operator(owner_ids=(OWNER,), allow_adoption=True, drift_interval=30.0):
        await world.pass_time(60)
        await world.create(adoptionPolicy="IfExists")
        seen: set[str] = set()

        async def ready() -> bool:
            obj = await world.get()
            seen.add(condition(obj).reason)
            return condition(obj).status == "True"

        await world.until(ready, within=120)
        assert "ForeignMarker" not in seen
        assert (await world.get()).status.target_id == target_id
        assert world.calls()["UpdateGatewayTarget"] == 1


async def test_operator_killed_in_the_middle_of_an_adoption() -> None:
    """Whatever the moment, one target is left, and it is the object's."""
    for moment in range(12):
        world = World(latency=0.2, seed=moment)
        target_id = orphan(world)
        async with world.operator(owner_ids=(OWNER,), allow_adoption=True):
            await world.create(adoptionPolicy="IfExists")
            await world.pass_time(0.1 * moment)
        async with world.operator(owner_ids=(OWNER,), allow_adoption=True):
            obj = await world.until_ready(within=120)
            assert obj.status.target_id == target_id
            assert len(world.targets()) == 1
            assert world.calls()["UpdateGatewayTarget"] == 1
            assert world.calls()["CreateGatewayTarget"] == 0


async def test_adopted_while_it_is_deleted_outside() -> None:
    world = World()
    made = world.aws.create_target(GATEWAY, name="weather", targetConfiguration=SERVER)
    async with world.operator(owner_ids=(OWNER,), allow_adoption=True, drift_interval=30.0):
        await world.pass_time(5)
        world.aws.delete_target(made["targetId"], gradually=True)
        await world.create(adoptionPolicy="IfExists")
        obj = await world.until_ready(within=120)
        assert obj.status.target_id != made["targetId"]
        assert [target["targetId"] for target in world.targets()] == [obj.status.target_id]
        assert world.calls()["UpdateGatewayTarget"] == 0
