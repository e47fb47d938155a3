"""A target's whole life, with the calls and writes it costs."""

from __future__ import annotations

from typing import Any

import pytest

from agentcore_simulator.settings import Durations
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api import names
from mcp_gateway_operator.targets.shape import without_marker
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition, record_of


async def test_create_costs_one_create_and_two_writes() -> None:
    """READY within two seconds: finalizer, then record and Ready together."""
    world = World()
    async with world.operator():
        await world.create()
        obj = await world.until_ready(within=5)

        (target,) = world.targets()
        assert target["name"] == "weather"
        assert obj.status.target_id == target["targetId"]
        assert obj.status.recorded_for == obj.metadata.uid
        assert obj.status.gateway_id == GATEWAY
        assert obj.status.gateway_arn.endswith(f":gateway/{GATEWAY}")
        assert obj.status.target_status == "READY"
        assert obj.status.observed_generation == obj.metadata.generation
        assert names.FINALIZER in obj.metadata.finalizers
        assert condition(obj).reason == "GatewayTargetReady"
        assert condition(obj, "Synced").status == "True"
        assert condition(obj, "Stalled").status == "False"
        assert world.writes() == ["patch", "patch status"]
        assert world.calls()["CreateGatewayTarget"] == 1
        assert world.calls()["GetGatewayTarget"] == 0


async def test_slow_create_costs_three_writes() -> None:
    world = World(simulator=SimulatorSettings(durations=Durations(creating=8.0)))
    async with world.operator():
        await world.create()
        waiting = await world.until_reason("Creating", within=4)
        assert waiting.status.target_id
        assert waiting.status.target_status == "CREATING"
        await world.until_ready(within=15)
        assert world.writes() == ["patch", "patch status", "patch status"]
        assert world.calls()["CreateGatewayTarget"] == 1
        assert world.calls()["GetGatewayTarget"] == 0


async def test_edit_costs_one_update_and_at_most_two_writes() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        world.forget_calls()
        await world.edit(spec={"endpoint": "https://weather.example.com/v2/mcp"})
        await world.until_ready(within=5)
        (target,) = world.targets()
        server = target["targetConfiguration"]["mcp"]["mcpServer"]
        assert server["endpoint"] == "https://weather.example.com/v2/mcp"
        assert world.calls()["UpdateGatewayTarget"] == 1
        assert len(world.writes()) <= 2


async def test_edit_while_creating_is_not_lost() -> None:
    world = World(simulator=SimulatorSettings(durations=Durations(creating=5.0)))
    async with world.operator():
        await world.create()
        await world.until(world.targets)
        await world.edit(spec={"description": "forecasts"})
        obj = await world.until_ready(within=20)
        assert obj.status.observed_generation == 2
        (target,) = world.targets()
        assert without_marker(target["description"]) == "forecasts"


async def test_edit_that_changes_nothing_at_aws_sends_nothing() -> None:
    world = World()
    async with world.operator():
        await world.create(allowedRequestHeaders=["X-Trace", "X-Tenant"])
        await world.until_ready()
        world.forget_calls()
        await world.edit(spec={"allowedRequestHeaders": ["x-tenant", "X-TRACE"]})
        await world.until_ready(within=5)
        assert world.calls()["UpdateGatewayTarget"] == 0


async def test_delete_costs_one_delete_and_waits_until_gone() -> None:
    world = World(simulator=SimulatorSettings(durations=Durations(deleting=4.0)))
    async with world.operator():
        await world.create()
        await world.until_ready()
        world.forget_calls()
        await world.delete()
        await world.pass_time(3)
        assert world.exists(), "the target is not gone yet"
        await world.until(lambda: not world.exists(), within=15)
        assert world.targets() == []
        assert world.calls()["DeleteGatewayTarget"] == 1
        assert len(world.writes()) <= 2


async def test_idle_makes_no_write_and_one_list_per_interval() -> None:
    world = World()
    async with world.operator(drift_interval=60.0):
        for number in range(5):
            await world.create(f"server-{number}")
        await world.until_ready("server-4")
        await world.pass_time(70)
        world.forget_calls()
        await world.pass_time(600)
        assert world.writes() == []
        calls = world.calls()
        assert 9 <= calls.pop("ListGatewayTargets") <= 11
        assert not calls


async def test_restart_over_settled_objects_makes_no_write_and_no_call_but_lists() -> None:
    world = World()
    async with world.operator():
        for number in range(5):
            await world.create(f"server-{number}")
        for number in range(5):
            await world.until_ready(f"server-{number}")
    world.forget_calls()
    async with world.operator():
        await world.pass_time(300)
        assert world.writes() == []
        assert set(world.calls()) <= {"ListGatewayTargets"}
        await world.create("another")
        await world.until_ready("another", within=5)


async def test_edit_of_labels_makes_no_aws_call() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.pass_time(5)
        world.forget_calls()
        await world.edit(metadata={"labels": {"team": "a"}})
        await world.pass_time(20)
        assert world.writes() == []
        assert not world.calls()


async def test_external_edit_is_repaired() -> None:
    world = World()
    async with world.operator(drift_interval=10.0):
        await world.create()
        obj = await world.until_ready()
        await world.pass_time(5)
        world.forget_calls()
        config = {"mcp": {"mcpServer": {"endpoint": "https://evil.example.com/mcp"}}}
        world.aws.edit_target(obj.status.target_id, targetConfiguration=config)
        await world.until(lambda: "evil" not in str(world.targets()[0]["targetConfiguration"]), within=15)
        await world.pass_time(30)
        await world.until_ready()
        assert world.calls()["UpdateGatewayTarget"] == 1
        assert world.calls()["GetGatewayTarget"] <= 3


async def test_external_deletion_is_made_good() -> None:
    world = World()
    async with world.operator(drift_interval=10.0):
        await world.create()
        first = await world.until_ready()
        world.forget_calls()
        world.aws.delete_target(first.status.target_id)
        await world.until(world.targets, within=20)
        second = await world.until_ready()
        assert second.status.target_id != first.status.target_id
        assert world.calls()["CreateGatewayTarget"] == 1
        assert len(world.targets()) == 1


async def test_failed_target_is_repaired_when_its_server_comes_up() -> None:
    world = World()
    world.aws.add_scenario(
        endpoint="*weather*",
        outcome="failed",
        reasons=["Unable to connect to the MCP server."],
        recover_after=2,
    )
    async with world.operator():
        await world.create()
        failed = await world.until_reason("TargetFailed", within=10)
        assert failed.status.status_reasons == ("Unable to connect to the MCP server.",)
        assert failed.status.failure is not None
        assert failed.status.failure.class_ == "Unreachable"
        await world.until_ready(within=600)
        obj = await world.get()
        assert obj.status.failure is None
        assert obj.status.status_reasons == ()


async def test_crash_after_create_leaves_one_target() -> None:
    """The process dies with the answer in its hands: the successor finds the target by its marker."""
    world = World()
    async with world.operator():
        await world.create()
        await world.until(world.targets)
    obj = await world.get()
    assert not obj.status.target_id
    async with world.operator():
        obj = await world.until_ready()
        assert world.calls()["CreateGatewayTarget"] == 1
        assert [target["targetId"] for target in world.targets()] == [obj.status.target_id]


async def test_lost_status_is_found_again() -> None:
    world = World()
    async with world.operator():
        await world.create()
        first = await world.until_ready()
    await world.set_status({})
    async with world.operator():
        second = await world.until_ready()
        assert second.status.target_id == first.status.target_id
        assert world.calls()["CreateGatewayTarget"] == 1


async def test_status_restored_onto_another_object_proves_nothing() -> None:
    world = World()
    async with world.operator():
        await world.create()
        victim = await world.until_ready()
        await world.create("thief", targetName="stolen")
        await world.until_ready("thief")
        await world.set_status(record_of(victim), "thief")
        await world.pass_time(30)
        await world.delete("thief")
        await world.until(lambda: not world.exists("thief"), within=200)
        assert [target["targetId"] for target in world.targets()] == [victim.status.target_id]


async def test_takes_over_an_object_of_the_go_operator() -> None:
    """Finalizer, targetId and gatewayArn, no marker: nothing is written to AWS when it holds the spec."""
    world = World()
    obj = await world.create(oauthScopes=["read"])
    target = world.aws.create_target(
        GATEWAY,
        name="weather",
        targetConfiguration={"mcp": {"mcpServer": {"endpoint": obj.spec.endpoint}}},
        credentialProviderConfigurations=[
            {
                "credentialProviderType": "OAUTH",
                "credentialProvider": {
                    "oauthCredentialProvider": {
                        "providerArn": obj.spec.oauth_provider_arn,
                        "scopes": ["read"],
                    }
                },
            }
        ],
    )
    await world.edit(metadata={"finalizers": [names.FINALIZER]})
    await world.set_status(
        {
            "observedGeneration": 1,
            "targetId": target["targetId"],
            "gatewayArn": target["gatewayArn"],
            "targetStatus": "READY",
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "GatewayTargetReady",
                    "message": "ready",
                    "observedGeneration": 1,
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ],
        }
    )
    world.forget_calls()
    async with world.operator(gateway_id=OTHER_GATEWAY):
        await world.until_ready()
        await world.pass_time(30)
        obj = await world.get()
        assert condition(obj).status == "True"
        assert obj.status.target_id == target["targetId"]
        assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}
        assert condition(obj).last_transition_time == "2026-01-01T00:00:00Z"
        await world.delete()
        await world.until(lambda: not world.exists(), within=30)
        assert world.targets() == []


async def test_name_taken_by_a_human_waits_until_it_is_free() -> None:
    world = World()
    config = {"mcp": {"mcpServer": {"endpoint": "https://human.example.com/mcp"}}}
    human = world.aws.create_target(GATEWAY, name="weather", targetConfiguration=config)
    async with world.operator(drift_interval=10.0):
        await world.create()
        obj = await world.until_reason("NameConflict")
        assert human["targetId"] in condition(obj).message
        assert condition(obj, "Stalled").status == "True"
        await world.pass_time(60)
        assert [target["targetId"] for target in world.targets()] == [human["targetId"]]
        world.aws.delete_target(human["targetId"])
        await world.until_ready(within=20)


async def test_foreign_marker_is_never_touched() -> None:
    """A restore gave our object another cluster's record: the marker beats it."""
    world = World()
    async with world.operator(owner_ids=("cluster-a",)):
        await world.create()
        obj = await world.until_ready()
    world.forget_calls()
    async with world.operator(owner_ids=("cluster-b",)):
        await world.edit(spec={"description": "changed"})
        obj = await world.until_reason("ForeignMarker")
        assert "--owner-id" in condition(obj).message
        await world.delete()
        await world.until(lambda: not world.exists(), within=60)
    assert len(world.targets()) == 1
    assert set(world.calls()) <= {"ListGatewayTargets", "GetGatewayTarget"}


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ({"allowedRequestHeaders": ["Authorization"]}, "ValidationError", "Authorization"),
        ({"endpoint": "http://weather.example.com"}, "ValidationError", "https://"),
    ],
)
async def test_bad_spec_is_reported_and_recovers(spec: dict[str, Any], reason: str, words: str) -> None:
    world = World()
    async with world.operator() as operator:
        await operator.informer.synced.wait()
        await world.create(**spec)
        obj = await world.until_reason(reason)
        assert words in condition(obj).message
        assert condition(obj, "Stalled").status == "True"
        assert not world.targets()
        await world.edit(spec={"allowedRequestHeaders": None, "endpoint": "https://weather.example.com/mcp"})
        await world.until_ready()


async def test_bad_spec_leaves_the_old_target_serving_and_can_be_deleted() -> None:
    world = World()
    async with world.operator():
        await world.create()
        good = await world.until_ready()
        await world.edit(spec={"allowedRequestHeaders": ["Cookie"]})
        bad = await world.until_reason("ValidationError")
        assert bad.status.target_id == good.status.target_id
        assert [target["status"] for target in world.targets()] == ["READY"]
        await world.delete()
        await world.until(lambda: not world.exists(), within=30)
        assert world.targets() == []


async def test_no_gateway_anywhere_is_a_configuration_error() -> None:
    world = World()
    async with world.operator(gateway_id=""):
        await world.create()
        obj = await world.until_reason("ConfigurationError")
        assert "GATEWAY_ID" in condition(obj).message
        assert not obj.metadata.finalizers
        await world.delete()
        await world.until(lambda: not world.exists(), within=5)


async def test_retain_keeps_the_target_and_the_same_object_takes_it_up_again() -> None:
    world = World()
    async with world.operator():
        await world.create(deletionPolicy="Retain")
        first = await world.until_ready()
        await world.delete()
        await world.until(lambda: not world.exists(), within=10)
        assert len(world.targets()) == 1
        await world.create()
        second = await world.until_ready()
        assert second.status.target_id == first.status.target_id
        assert world.calls()["CreateGatewayTarget"] == 1


async def test_delete_and_create_at_once_under_one_name() -> None:
    world = World()
    async with world.operator():
        await world.create()
        first = await world.until_ready()
        await world.delete()
        await world.until(lambda: not world.exists(), within=30)
        await world.create()
        second = await world.until_ready(within=20)
        assert second.status.target_id != first.status.target_id
        assert len(world.targets()) == 1


async def test_changed_default_gateway_re_homes_nothing() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
    world.forget_calls()
    async with world.operator(gateway_id=OTHER_GATEWAY):
        await world.pass_time(120)
        assert world.writes() == []
        assert len(world.targets(GATEWAY)) == 1
        assert world.targets(OTHER_GATEWAY) == []


async def test_wiped_finalizer_is_put_back() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        await world.edit(metadata={"finalizers": None})

        async def protected() -> bool:
            return names.FINALIZER in (await world.get()).metadata.finalizers

        await world.until(protected, within=5)


async def test_paused_object_is_left_alone() -> None:
    world = World()
    async with world.operator():
        await world.create()
        await world.until_ready()
        world.forget_calls()
        await world.edit(
            metadata={"annotations": {names.PAUSED_ANNOTATION: "true"}}, spec={"description": "changed"}
        )
        await world.until_reason("Paused")
        await world.delete()
        await world.pass_time(30)
        assert world.exists()
        assert world.calls()["UpdateGatewayTarget"] == world.calls()["DeleteGatewayTarget"] == 0
        await world.edit(metadata={"annotations": {names.PAUSED_ANNOTATION: None}})
        await world.until(lambda: not world.exists(), within=30)
