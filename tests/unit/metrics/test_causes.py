"""What was written to AWS and why, what was repaired, and what is fought over: counted as it happens."""

from __future__ import annotations

import pytest

from mcp_gateway_operator.agentcore.aws import Boto3AgentCore
from tests.support.world import GATEWAY, OTHER_GATEWAY, World
from tests.unit.metrics.test_figures import Measured, a_lease, measured


def writes(figure: Measured) -> dict[str, float]:
    """Return the writes so far by operation and cause, those that happened."""
    found = (
        sample
        for family in figure.metrics.controller.collect()
        for sample in family.samples
        if sample.name == "mcps_aws_writes_total" and sample.value
    )
    return {f"{each.labels['operation']} {each.labels['cause']}": each.value for each in found}


async def test_each_write_has_its_cause() -> None:
    world = World()
    async with measured(world, drift_interval=10.0) as figure:
        await world.create()
        await world.until_ready()
        assert writes(figure) == {"create create": 1}
        await world.edit(spec={"description": "another"})
        await world.pass_time(5)
        await world.until_ready()
        assert writes(figure) == {"create create": 1, "update edit": 1}
        (target,) = world.targets()
        world.aws.edit_target(target["targetId"], description="somebody else's words")
        await world.pass_time(30)
        assert writes(figure)["update drift"] == 1
        world.aws.delete_target(target["targetId"])
        await world.until(lambda: bool(world.targets()), within=120)
        await world.until_ready()
        assert writes(figure)["create drift"] == 1
        assert figure("mcps_drift_repairs_total", kind="changed") == 1
        assert figure("mcps_drift_repairs_total", kind="deleted") == 1
        await world.edit(spec={"gatewayId": OTHER_GATEWAY})
        await world.until(lambda: not world.targets() and bool(world.targets(OTHER_GATEWAY)), within=120)
        assert writes(figure)["create move"] == 1
        assert writes(figure)["delete move"] == 1
        annotation = "mcpgateway.bedrock.aws/sync-requested-at"
        await world.edit(metadata={"annotations": {annotation: "now"}})
        await world.until(lambda: "synchronize resync" in writes(figure), within=120)
        await world.until_ready()
        await world.delete()
        await world.until(lambda: not world.exists(), within=120)
        assert writes(figure) == {
            "create create": 1,
            "create drift": 1,
            "create move": 1,
            "update edit": 1,
            "update drift": 1,
            "synchronize resync": 1,
            "delete move": 1,
            "delete delete": 1,
        }


async def test_a_write_that_the_fence_stopped_is_none() -> None:
    world = World()
    async with measured(world, fence=lambda: False) as figure:
        await world.create()
        await world.pass_time(10)
        assert writes(figure) == {}


async def test_a_target_that_somebody_else_keeps_changing_is_fought_over() -> None:
    world = World()
    async with measured(world) as figure:
        await world.create("quiet")
        await world.create("fought")
        await world.until_ready("fought")
        target = next(each for each in world.targets() if each["name"] == "fought")
        for number in range(5):
            assert figure("mcps_fought_over_objects") == 0
            world.aws.edit_target(target["targetId"], description=f"other words {number}")
            # The waits between repairs: 60 s, and twice as long each time.
            await world.pass_time(70 + 60 * 2**number)
            assert figure("mcps_drift_repairs_total", kind="changed") == number + 1
        assert figure("mcps_fought_over_objects") == 1
        await world.pass_time(3 * 3600)
        assert figure("mcps_fought_over_objects") == 0


async def test_turns_of_ready_are_counted_and_the_oldest_has_an_age() -> None:
    world = World()
    async with measured(world, drift_interval=10.0) as figure:
        await world.create()
        await world.until_ready()
        world.aws.add_fault(operation="UpdateGatewayTarget", code="AccessDeniedException", count=None)
        await world.edit(spec={"description": "another"})
        await world.until_reason("AccessDenied")
        await world.pass_time(100)
        labels = {"ready": "False", "stalled": "True", "reason": "AccessDenied"}
        assert figure("mcps_objects", **labels) == 1
        age = figure("mcps_oldest_not_ready_seconds", reason="AccessDenied")
        assert age is not None
        assert 99 < age < 110
        assert figure("mcps_ready_transitions_total", to="False") == 1
        assert figure("mcps_ready_transitions_total", to="True") == 1


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
async def test_credentials_that_aws_refuses_are_told_until_it_takes_some(code: str) -> None:
    world = World()
    async with measured(world, drift_interval=10.0) as figure:
        assert figure("mcps_aws_credentials_valid") is None
        await world.create()
        await world.until_ready()
        assert figure("mcps_aws_credentials_valid") == 1
        world.aws.add_fault(operation="ListGatewayTargets", code=code, count=None)
        await world.pass_time(15)
        assert figure("mcps_aws_credentials_valid") == 0
        assert figure("mcps_gateway_healthy", gateway=GATEWAY) == 0
        world.aws.clear_faults()
        await world.pass_time(120)
        assert figure("mcps_aws_credentials_valid") == 1


async def test_a_gateway_says_when_it_was_listed_last() -> None:
    world = World()
    async with measured(world, drift_interval=10.0) as figure:
        await world.create()
        await world.until_ready()
        await world.pass_time(60)
        now = figure.operator.wall().timestamp()
        listed = figure("mcps_gateway_last_list_timestamp_seconds", gateway=GATEWAY)
        assert listed is not None
        assert now - 12 < listed <= now


async def test_a_replica_that_waits_says_nothing_of_objects_and_gateways() -> None:
    world = World()
    lease = a_lease()
    async with measured(world, lease=lease) as figure:
        await world.create()
        await world.until_ready()
        assert "mcps_objects" not in figure.text()
        assert "mcps_gateway" not in figure.text()
        assert "mcps_build_info" in figure.text()
        await lease.acquire()
        assert "mcps_objects" in figure.text()


def test_the_end_of_credentials_is_known_where_the_sdk_knows_it() -> None:
    agentcore = Boto3AgentCore(region="us-east-1", user_agent="test/0")
    assert agentcore.credentials_end() is None
