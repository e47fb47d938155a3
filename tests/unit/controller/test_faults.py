"""What goes wrong at AWS and at the API server, one thing at a time, with the calls it costs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agentcore_simulator.settings import Consistency, Durations, Switches
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import EVENTS
from tests.support.memory_cluster import LOST, Fault, Faults, Request
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition, record_of

DRIFT = 30.0


async def assert_quiet(world: World, *, intervals: int = 3) -> None:
    """After convergence nothing is written, and AWS is only listed."""
    await world.pass_time(2 * DRIFT)
    world.forget_calls()
    await world.pass_time(intervals * DRIFT)
    assert world.writes() == []
    assert set(world.calls()) <= {"ListGatewayTargets"}


@pytest.mark.parametrize("client_token_seconds", [0.0, 86_400.0])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "close", "commit": True},
        {"kind": "hang", "commit": True},
        {"code": "InternalServerException", "commit": True},
        {"code": "InternalServerException"},
        {"kind": "close"},
        {"code": "ThrottlingException"},
    ],
    ids=lambda fault: f"{fault.get('kind', fault.get('code'))}{'-applied' if fault.get('commit') else ''}",
)
async def test_create_without_a_clear_answer_makes_one_target(
    fault: dict[str, Any], client_token_seconds: float
) -> None:
    switches = Switches(client_token_seconds=client_token_seconds)
    world = World(simulator=SimulatorSettings(switches=switches))
    world.aws.add_fault(operation="CreateGatewayTarget", **fault)
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        obj = await world.until_ready(within=90)
        assert [target["targetId"] for target in world.targets()] == [obj.status.target_id]
        assert world.calls()["CreateGatewayTarget"] <= 2
        await assert_quiet(world)


async def test_create_that_lists_show_late_is_not_repeated() -> None:
    """The answer is lost, and Lists show the target after 55 seconds."""
    world = World(simulator=SimulatorSettings(consistency=Consistency(list_lag=55.0)))
    world.aws.add_fault(operation="CreateGatewayTarget", kind="close", commit=True)
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        obj = await world.until_reason("Creating", within=10)
        assert "looking for its target" in condition(obj).message
        await world.until_ready(within=120)
        assert world.calls()["CreateGatewayTarget"] == 1


async def test_rename_after_a_crash_leaves_no_second_target_behind() -> None:
    """The predecessor's target does not show yet, and under another name AWS would not refuse a second."""
    world = World(simulator=SimulatorSettings(consistency=Consistency(list_lag=55.0)))
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until(world.targets)
    assert not (await world.get()).status.target_id
    await world.edit(spec={"targetName": "forecast"})
    async with world.operator(drift_interval=DRIFT):
        await world.until_ready(within=200)
        assert [target["name"] for target in world.targets()] == ["forecast"]
        assert world.calls()["CreateGatewayTarget"] == 1


async def test_get_that_answers_404_right_after_create_changes_nothing() -> None:
    world = World(simulator=SimulatorSettings(consistency=Consistency(get_lag_after_create=10.0)))
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until_ready(within=30)
        await assert_quiet(world)
        assert len(world.targets()) == 1


@pytest.mark.parametrize("shows_deleting", [True, False])
async def test_lists_that_still_show_a_deleted_target_cost_no_delete_each(shows_deleting: bool) -> None:
    """The Lists lag by 20 seconds, behind the 404 with which AWS answers a second Delete, too."""
    world = World(
        simulator=SimulatorSettings(
            consistency=Consistency(list_lag=20.0), switches=Switches(list_shows_deleting=shows_deleting)
        )
    )
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until_ready(within=60)
        await world.pass_time(30)
        world.forget_calls()
        await world.delete()
        await world.until(lambda: not world.exists(), within=60)
        assert world.calls()["DeleteGatewayTarget"] <= 3
        assert len(world.writes()) <= 3
        assert world.targets() == []


@pytest.mark.parametrize("busy_error", ["conflict", "validation"])
async def test_busy_gateway_is_no_name_conflict(busy_error: Any) -> None:
    world = World(simulator=SimulatorSettings(switches=Switches(busy_error=busy_error)))
    world.aws.add_fault(operation="CreateGatewayTarget", code="ConflictException", count=2)
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until_ready(within=30)
        assert world.calls()["CreateGatewayTarget"] == 3


@pytest.mark.parametrize("error", ["quota", "validation"])
async def test_full_gateway_says_so_and_recovers(error: Any) -> None:
    settings = SimulatorSettings(switches=Switches(target_limit_error=error))
    settings.quotas.targets_per_gateway = 1
    world = World(simulator=settings)
    async with world.operator(drift_interval=DRIFT):
        await world.create("first")
        await world.until_ready("first")
        await world.create("second")
        obj = await world.until_reason("GatewayFull", "second")
        assert condition(obj, "Stalled").status == "True"
        assert "quota" in condition(obj).message
        world.forget_calls()
        await world.pass_time(3600)
        assert world.calls()["CreateGatewayTarget"] <= 12
        assert world.writes() == []
        await world.delete("first")
        await world.until_ready("second", within=700)


@pytest.mark.parametrize(
    "action",
    [
        "CreateGatewayTarget",
        "GetGatewayTarget",
        "UpdateGatewayTarget",
        "DeleteGatewayTarget",
        "ListGatewayTargets",
    ],
)
async def test_denied_action_is_named_and_recovers_by_itself(action: str) -> None:
    world = World()
    async with world.operator(drift_interval=DRIFT):
        if action not in {"CreateGatewayTarget", "ListGatewayTargets"}:
            await world.create()
            await world.until_ready()
        world.aws.configure(denied_actions=[action])
        if action in {"CreateGatewayTarget", "ListGatewayTargets"}:
            await world.create()
        elif action == "DeleteGatewayTarget":
            await world.delete()
        else:
            await world.edit(spec={"description": "changed"})
        obj = await world.until_reason("AccessDenied", within=10)
        assert condition(obj, "Stalled").status == "True"
        assert action in condition(obj).message
        world.forget_calls()
        await world.pass_time(3600)
        assert world.writes() == []
        assert world.calls()[action] <= (121 if action == "ListGatewayTargets" else 66)
        world.aws.configure(denied_actions=[])
        if action == "DeleteGatewayTarget":
            await world.until(lambda: not world.exists(), within=3700)
        else:
            await world.until_ready(within=3700)


async def test_settled_objects_say_when_their_gateway_may_not_be_listed_any_more() -> None:
    world = World()
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        await world.pass_time(5)
        world.aws.configure(denied_actions=["ListGatewayTargets"])
        world.forget_calls()
        await world.pass_time(120)
        world.aws.configure(denied_actions=[])
        await world.until_ready(within=60)
        assert len(world.writes()) <= 2
        assert "UpdateGatewayTarget" not in world.calls()


async def test_gateway_that_is_gone_makes_its_objects_not_ready() -> None:
    world = World()
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        world.aws.delete_gateway(GATEWAY)
        obj = await world.until_reason("GatewayNotFound", within=60)
        assert GATEWAY in condition(obj).message
        assert obj.status.target_id


async def test_user_who_asks_is_not_kept_waiting_for_a_backoff() -> None:
    world = World()
    world.aws.configure(denied_actions=["CreateGatewayTarget"])
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until_reason("AccessDenied", within=10)
        world.aws.configure(denied_actions=[])
        await world.pass_time(30)
        assert not world.targets()
        await world.edit(metadata={"annotations": {names.RECONCILE_ANNOTATION: "now"}})
        await world.until_ready(within=5)


async def test_update_whose_answer_is_lost_is_not_sent_twice() -> None:
    world = World()
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        world.forget_calls()
        world.aws.add_fault(operation="UpdateGatewayTarget", kind="close", commit=True)
        await world.edit(spec={"description": "changed"})
        await world.until_ready(within=30)
        assert world.calls()["UpdateGatewayTarget"] == 1
        await assert_quiet(world)


@pytest.mark.parametrize("policy", ["Repair", "Report"])
async def test_edit_that_had_to_wait_is_still_an_edit(policy: str) -> None:
    """Its wait is reported for the new generation; that does not make the old configuration drift."""
    world = World()
    async with world.operator(drift_interval=DRIFT):
        await world.create(driftPolicy=policy)
        await world.until_ready()
        world.aws.add_fault(operation="UpdateGatewayTarget", code="ThrottlingException", count=3)
        await world.edit(spec={"description": "changed"})
        await world.until_reason("Throttled", within=10)
        await world.until_ready(within=60)
        assert "changed" in world.targets()[0]["description"]
        assert "DriftRepaired" not in events(world)


async def test_edit_under_pause_is_sent_when_the_pause_ends() -> None:
    world = World()
    async with world.operator(drift_interval=DRIFT):
        await world.create(driftPolicy="Report")
        await world.until_ready()
        await world.edit(metadata={"annotations": {names.PAUSED_ANNOTATION: "true"}})
        await world.until_paused()
        await world.edit(spec={"description": "changed"})
        await world.pass_time(10)
        await world.edit(metadata={"annotations": {names.PAUSED_ANNOTATION: None}})
        await world.until_ready(within=10)
        assert "changed" in world.targets()[0]["description"]


@pytest.mark.parametrize("transient_writes", ["conflict", "accept"])
async def test_edit_while_updating_is_sent_afterwards(transient_writes: Any) -> None:
    settings = SimulatorSettings(
        switches=Switches(transient_writes=transient_writes), durations=Durations(updating=8.0)
    )
    world = World(simulator=settings)
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        world.forget_calls()
        await world.edit(spec={"description": "one"})
        await world.pass_time(2)
        await world.edit(spec={"description": "two"})
        await world.pass_time(1)
        await world.edit(spec={"description": "three"})
        await world.until_ready(within=40)
        assert "three" in world.targets()[0]["description"]
        assert world.calls()["UpdateGatewayTarget"] == 2


async def test_other_writer_who_keeps_reverting_is_answered_ever_more_rarely() -> None:
    world = World()
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        obj = await world.until_ready()
        world.forget_calls()
        config = {"mcp": {"mcpServer": {"endpoint": "https://other.example.com/mcp"}}}
        for _ in range(120):
            world.aws.edit_target(obj.status.target_id, targetConfiguration=config)
            await world.pass_time(60)
        assert 2 <= world.calls()["UpdateGatewayTarget"] <= 10
        obj = await world.get()
        assert condition(obj).reason in {"Drifted", "NotConverging"}
        assert "endpoint" in condition(obj).message


@pytest.mark.parametrize("settling", [False, True])
async def test_edit_outside_right_after_our_update_is_seen(settling: bool) -> None:
    world = World(simulator=SimulatorSettings(switches=Switches(settling_bumps_updated_at=settling)))
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        obj = await world.until_ready()
        await world.edit(spec={"description": "changed"})
        await world.until(lambda: world.calls()["UpdateGatewayTarget"] == 1, within=5)
        config = {"mcp": {"mcpServer": {"endpoint": "https://other.example.com/mcp"}}}
        world.aws.edit_target(obj.status.target_id, targetConfiguration=config)
        await world.until(lambda: "other" not in str(world.targets()[0]["targetConfiguration"]), within=10)
        await world.until_ready(within=200)


@pytest.mark.parametrize("sync_failure_status", ["SYNCHRONIZE_UNSUCCESSFUL", "FAILED"])
@pytest.mark.parametrize("denied", [[], ["SynchronizeGatewayTargets"]])
async def test_server_that_stays_down_costs_few_calls(sync_failure_status: Any, denied: list[str]) -> None:
    settings = SimulatorSettings(switches=Switches(sync_failure_status=sync_failure_status))
    world = World(simulator=settings)
    world.aws.configure(denied_actions=denied)
    world.aws.add_scenario(outcome="failed")
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until_reason("TargetFailed", within=10)
        await world.pass_time(600)
        world.forget_calls()
        await world.pass_time(3600)
        calls = world.calls()
        del calls["ListGatewayTargets"]
        assert sum(calls.values()) <= 12
        assert "CreateGatewayTarget" not in calls
        obj = await world.get()
        assert obj.status.failure is not None
        assert obj.status.failure.class_ == "Unreachable"
        attempts = obj.status.failure.attempts
        world.aws.set_scenarios([])
        await world.edit(spec={"description": "mended"})
        await world.until_ready(within=20)
        assert attempts >= 5
        await assert_quiet(world)


async def test_restart_does_not_begin_the_repairs_anew() -> None:
    world = World()
    world.aws.add_scenario(outcome="failed")
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.pass_time(1200)
    world.forget_calls()
    async with world.operator(drift_interval=DRIFT):
        await world.pass_time(300)
        assert world.calls()["SynchronizeGatewayTargets"] <= 1


async def test_target_that_leaves_deleting_is_asked_again() -> None:
    world = World(simulator=SimulatorSettings(durations=Durations(deleting=60.0)))
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        obj = await world.until_ready()
        world.forget_calls()
        await world.delete()
        await world.until(lambda: world.calls()["DeleteGatewayTarget"] == 1)
        await world.pass_time(5)
        world.aws.set_status(obj.status.target_id, "READY")
        await world.until(lambda: not world.exists(), within=180)
        assert world.calls()["DeleteGatewayTarget"] == 2
        assert not world.targets()


async def test_delete_is_tried_until_consent_has_run_out() -> None:
    world = World(simulator=SimulatorSettings(durations=Durations(consent=300.0)))
    world.aws.add_scenario(outcome="consent")
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        obj = await world.until_reason("PendingAuthorization", within=10)
        assert obj.status.authorization_url
        world.forget_calls()
        await world.delete()
        await world.pass_time(60)
        assert world.exists()
        assert "authorization" in condition(await world.get()).message
        await world.until(lambda: not world.exists(), within=400)
        assert world.calls()["DeleteGatewayTarget"] <= 40


async def test_delete_that_aws_calls_invalid_while_creating_waits_for_that_to_end() -> None:
    """A Delete has nothing in it that could be invalid, so it is the state that AWS objects to."""
    world = World(simulator=SimulatorSettings(durations=Durations(creating=8.0)))
    words = "The target cannot be deleted now."
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until(world.targets)
        world.aws.add_fault(
            operation="DeleteGatewayTarget", code="ValidationException", message=words, count=1
        )
        await world.delete()
        await world.until(lambda: not world.exists(), within=30)
        assert world.calls()["DeleteGatewayTarget"] == 2


async def test_stale_ready_after_delete_is_not_asked_again() -> None:
    lag = Consistency(list_lag=4.0, get_lag_after_write=4.0)
    world = World(simulator=SimulatorSettings(consistency=lag, durations=Durations(deleting=6.0)))
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        await world.pass_time(20)
        world.forget_calls()
        await world.delete()
        await world.until(lambda: not world.exists(), within=60)
        assert world.calls()["DeleteGatewayTarget"] == 1


async def test_gone_gateway_is_believed_without_sts_on_the_word_of_another() -> None:
    """Its ARN tells the account; with no other gateway nothing does, and nothing is forgotten."""
    world = World()
    world.aws.add_fault(operation="sts:GetCallerIdentity", code="InternalServerException", count=None)
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        world.aws.delete_gateway(GATEWAY)
        await world.delete()
        await world.pass_time(1200)
        assert condition(await world.get()).reason == "WrongAccountOrRegion"
        await world.create("other", gatewayId=OTHER_GATEWAY)
        await world.until_ready("other")
        await world.until(lambda: not world.exists(), within=400)


async def test_other_account_forgets_nothing() -> None:
    world = World()
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        obj = await world.until_ready()
    status = {**record_of(obj), "gatewayArn": obj.status.gateway_arn.replace("123456789012", "999999999999")}
    await world.set_status(status)
    world.aws.delete_gateway(GATEWAY)
    async with world.operator(drift_interval=DRIFT):
        await world.delete()
        await world.pass_time(1200)
        assert world.exists()
        obj = await world.get()
        assert condition(obj).reason == "WrongAccountOrRegion"
        assert "999999999999" in condition(obj).message
        await world.edit(spec={"deletionPolicy": "Retain"})
        await world.until(lambda: not world.exists(), within=10)


async def test_retain_is_the_way_out_when_delete_is_denied() -> None:
    world = World()
    world.aws.configure(denied_actions=["DeleteGatewayTarget"])
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until_ready()
        await world.delete()
        obj = await world.until_reason("AccessDenied")
        assert "deletionPolicy" in condition(obj).message
        await world.edit(spec={"deletionPolicy": "Retain"})
        await world.until(lambda: not world.exists(), within=5)
        assert len(world.targets()) == 1


def status_writes(count: int, **fault: Any) -> Faults:
    """Let the first so many status writes go wrong."""
    left = [count]

    def faults(request: Request) -> Fault | None:
        if request.subresource != "status" or not left[0]:
            return None
        left[0] -= 1
        return Fault(**fault)

    return faults


@pytest.mark.parametrize("fault", [{"refuse": LOST}, {"lose": LOST}], ids=["refused", "lost"])
async def test_record_that_could_not_be_stored_is_stored_before_anything_else(fault: Any) -> None:
    world = World()
    async with world.operator(faults=status_writes(3, **fault), owner_marker=False, drift_interval=DRIFT):
        await world.create()
        obj = await world.until_ready(within=60)
        assert [target["targetId"] for target in world.targets()] == [obj.status.target_id]
        assert world.calls()["CreateGatewayTarget"] == 1
        await assert_quiet(world)


async def test_without_a_marker_the_record_is_written_at_once() -> None:
    world = World(simulator=SimulatorSettings(durations=Durations(creating=8.0)))
    async with world.operator(owner_marker=False):
        await world.create()
        await world.until(world.targets)
        await world.pass_time(0.2)
        assert (await world.get()).status.target_id
        assert "[mcps" not in str(world.targets())


async def test_object_made_again_during_a_pass_takes_the_target_up() -> None:
    world = World(latency=1.0)
    async with world.operator(drift_interval=DRIFT):
        await world.create()
        await world.until(world.targets)
        await world.edit(metadata={"finalizers": None})
        await world.delete()
        await world.create()
        obj = await world.until_ready(within=120)
        assert [target["targetId"] for target in world.targets()] == [obj.status.target_id]
        assert world.calls()["CreateGatewayTarget"] == 1


async def test_two_objects_of_one_name_and_the_older_holds_it() -> None:
    world = World()
    async with world.operator(drift_interval=DRIFT):
        await world.create("first", targetName="weather")
        await world.until_ready("first")
        await world.create("second", targetName="weather")
        obj = await world.until_reason("NameConflict", "second")
        assert "targetName" in condition(obj).message
        await assert_quiet(world)
        await world.delete("first")
        await world.until_ready("second", within=90)


async def test_rename_onto_a_taken_name_holds_nothing_else_back() -> None:
    world = World()
    async with world.operator(drift_interval=DRIFT):
        await world.create("first")
        await world.create("second")
        await world.until_ready("first")
        await world.until_ready("second")
        await world.edit("second", spec={"targetName": "first", "description": "changed"})
        obj = await world.until_reason("NameConflict", "second")
        held = {target["name"]: target for target in world.targets()}
        assert "changed" in held["second"]["description"]
        assert obj.status.target_name == "second"
        await assert_quiet(world)
        await world.edit("second", spec={"targetName": "third"})
        await world.until_ready("second", within=10)
        assert {target["name"] for target in world.targets()} == {"first", "third"}


async def test_lists_that_change_nothing_wake_nobody() -> None:
    world = World()
    async with world.operator(drift_interval=DRIFT, sweep_interval=1e9):
        for number in range(10):
            await world.create(f"server-{number}")
        for number in range(10):
            await world.until_ready(f"server-{number}")
        await world.pass_time(5)
        world.passes.clear()
        await world.pass_time(20 * DRIFT)
        assert not world.passes


async def test_gateway_of_the_spec_does_not_exist() -> None:
    world = World()
    async with world.operator(gateway_id=OTHER_GATEWAY, drift_interval=DRIFT):
        await world.create(gatewayId="missing-abcdefghij")
        obj = await world.until_reason("GatewayNotFound", within=10)
        assert "missing-abcdefghij" in condition(obj).message
        await world.pass_time(2 * DRIFT)
        world.forget_calls()
        await world.pass_time(600)
        assert world.writes() == []
        await world.edit(spec={"gatewayId": GATEWAY})
        await world.until_ready(within=20)


def events(world: World) -> list[str]:
    """Return the reasons of all Events so far."""
    found = world.api.store.select(EVENTS, None)
    return [msgspec.json.decode(body)["reason"] for _, body in found]
