"""Taking over a target that somebody else made: only where the operator and the object both allow it."""

from __future__ import annotations

import pytest

from tests.support.world import GATEWAY, World, condition

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
