"""Headers that AWS refuses by now and that objects of the Go operator have at AWS all the same."""

from __future__ import annotations

from mcp_gateway_operator.api import names
from tests.support.world import GATEWAY, World, condition, manifest_spec

DRIFT = 30.0
READS = {"ListGatewayTargets", "GetGatewayTarget"}
OWNER = ("cluster-a",)


async def go_object(world: World, *headers: str) -> str:
    """Make an object and its target as the Go operator left them; return the target's id."""
    await world.create(allowedRequestHeaders=["Authorization"])
    made = world.aws.create_target(
        GATEWAY,
        name="weather",
        targetConfiguration={"mcp": {"mcpServer": {"endpoint": manifest_spec()["endpoint"]}}},
        credentialProviderConfigurations=[
            {
                "credentialProviderType": "OAUTH",
                "credentialProvider": {
                    "oauthCredentialProvider": {
                        "providerArn": manifest_spec()["oauthProviderArn"],
                        "scopes": ["read"],
                        "grantType": "CLIENT_CREDENTIALS",
                    }
                },
            }
        ],
        metadataConfiguration={"allowedRequestHeaders": list(headers)},
    )
    await world.edit(metadata={"finalizers": [names.FINALIZER]})
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "GatewayTargetReady",
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = {
        "targetId": made["targetId"],
        "gatewayArn": made["gatewayArn"],
        "targetStatus": "READY",
        "observedGeneration": 1,
        "conditions": [condition],
    }
    await world.set_status(status)
    world.forget_calls()
    return str(made["targetId"])


async def test_a_header_that_aws_holds_goes_on_working_without_an_aws_write() -> None:
    world = World()
    await go_object(world, "Authorization")
    seen: set[str] = set()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):

        async def recorded() -> bool:
            obj = await world.get()
            seen.add(condition(obj).status)
            return obj.status.recorded_for == obj.metadata.uid

        await world.until(recorded)
        assert seen == {"True"}
        assert world.calls()["GetGatewayTarget"] == 1
        assert world.writes() == ["patch status"]
        await world.pass_time(4 * DRIFT)
        assert set(world.calls()) == READS
        assert world.calls()["GetGatewayTarget"] == 1
    world.forget_calls()
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.pass_time(4 * DRIFT)
        assert world.writes() == []
        assert set(world.calls()) == {"ListGatewayTargets"}
        assert condition(await world.get()).status == "True"


async def test_a_new_forbidden_header_is_refused_by_name() -> None:
    world = World()
    await go_object(world, "authorization")
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.until_ready()
        await world.edit(spec={"allowedRequestHeaders": ["Authorization", "Cookie"]})
        obj = await world.until_reason("ValidationError")
        assert "Cookie" in condition(obj).message
        assert "Authorization" not in condition(obj).message
        await world.edit(spec={"allowedRequestHeaders": ["Authorization"]})
        await world.until_ready()
        assert set(world.calls()) <= READS
        assert world.calls()["GetGatewayTarget"] <= 3


async def test_a_forbidden_header_that_aws_does_not_hold_is_refused() -> None:
    world = World()
    target_id = await go_object(world, "X-Tenant-Id")
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        obj = await world.until_reason("ValidationError")
        assert "Authorization" in condition(obj).message
        await world.pass_time(4 * DRIFT)
        assert set(world.calls()) <= READS
        assert world.calls()["GetGatewayTarget"] == 1
        await world.delete()
        await world.until(lambda: not world.exists())
        assert target_id not in {target["targetId"] for target in world.targets()}


async def test_one_that_is_taken_away_at_aws_is_not_put_back() -> None:
    world = World()
    target_id = await go_object(world, "Authorization")
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.until_ready()
        await world.pass_time(DRIFT)
        world.aws.edit_target(target_id, metadataConfiguration={"allowedRequestHeaders": ["X-Tenant-Id"]})
        obj = await world.until_reason("ValidationError")
        assert "Authorization" in condition(obj).message
        assert set(world.calls()) <= READS
        world.aws.edit_target(target_id, metadataConfiguration={"allowedRequestHeaders": ["Authorization"]})
        await world.until_ready()
        assert set(world.calls()) <= READS


async def test_a_target_that_vanished_is_not_made_again_with_it() -> None:
    world = World()
    target_id = await go_object(world, "Authorization")
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        await world.until_ready()
        await world.pass_time(DRIFT)
        world.aws.delete_target(target_id)
        await world.until_reason("ValidationError", within=120)
        await world.edit(spec={"allowedRequestHeaders": None})
        await world.until_ready(within=120)
        assert world.calls()["CreateGatewayTarget"] == 1


async def test_an_outage_at_the_start_does_not_make_it_a_validation_error() -> None:
    world = World()
    await go_object(world, "Authorization")
    world.aws.add_fault(operation="ListGatewayTargets", code="InternalServerException", count=3)
    world.aws.add_fault(operation="GetGatewayTarget", code="ThrottlingException", count=2)
    async with world.operator(owner_ids=OWNER, drift_interval=DRIFT):
        for _ in range(100):
            assert condition(await world.get()).status == "True"
            await world.pass_time(1)
        assert (await world.get()).status.recorded_for


async def test_a_new_object_gets_no_target_with_a_forbidden_header() -> None:
    world = World()
    async with world.operator(owner_ids=OWNER):
        await world.create(allowedRequestHeaders=["Authorization"])
        await world.until_reason("ValidationError")
        assert "CreateGatewayTarget" not in world.calls()
