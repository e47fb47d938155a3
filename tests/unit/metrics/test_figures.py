"""What the metrics say while an operator works, in virtual time."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from mcp_gateway_operator.agentcore.aws import Boto3AgentCore
from mcp_gateway_operator.agentcore.observe import GatewayTable
from mcp_gateway_operator.agentcore.quota import Lane, Op, Quotas
from mcp_gateway_operator.api import names
from mcp_gateway_operator.cli.leases import Writer
from mcp_gateway_operator.controller.metrics import OperatorMetrics
from mcp_gateway_operator.controller.metrics.collectors import bounded, standing
from mcp_gateway_operator.controller.metrics.declared import MAX_GATEWAYS, REQUESTS
from mcp_gateway_operator.controller.operator import Operator
from mcp_gateway_operator.controller.served_schema import HOLDING_BACK
from mcp_gateway_operator.runtime.guard import Guard
from mcp_gateway_operator.runtime.lease import Lease
from tests.support.installations import Installation
from tests.support.memory_cluster import MemoryApiServer
from tests.support.virtual_time import wall_clock
from tests.support.world import GATEWAY, World
from tests.unit.controller.test_old_crd import serve

READY = {"ready": "True", "stalled": "False", "reason": "GatewayTargetReady"}


class Measured:
    """An operator in a world, and its figures."""

    def __init__(self, operator: Operator, metrics: OperatorMetrics) -> None:
        self.operator = operator
        self.metrics = metrics

    def __call__(self, sample: str, **labels: str) -> float | None:
        """Return a figure as a scrape shows it now."""
        return self.metrics.controller.get_sample_value(sample, labels)

    def text(self) -> str:
        """Return the whole scrape."""
        return generate_latest(self.metrics.controller).decode()


@asynccontextmanager
async def measured(
    world: World,
    *,
    all_namespaces: bool = True,
    lease: Lease | None = None,
    guard: Guard | None = None,
    **config: Any,
) -> AsyncIterator[Measured]:
    async with world.operator(**config) as operator:
        metrics = OperatorMetrics(version="1.2.3")
        metrics.watch(
            operator,
            workers=8,
            writer=Writer(
                lease or a_lease(waived=True), guard or Installation(world.api, "x", elected=False).guard
            ),
            all_namespaces=all_namespaces,
        )
        agentcore = operator._agentcore
        assert isinstance(agentcore, Boto3AgentCore)
        agentcore._on_call = metrics.on_call
        yield Measured(operator, metrics)


def a_lease(*, waived: bool = False) -> Lease:
    """A lease that nobody has taken, for calls of 10 s; or none that is needed."""
    lease = Lease(
        MemoryApiServer().connect(),
        namespace="default",
        name="operator",
        identity="one",
        wall=wall_clock(),
        call_seconds=10.0,
    )
    if waived:
        lease.waive()
    return lease


async def test_a_shut_fence_has_a_figure() -> None:
    world = World()
    lease = a_lease()
    async with measured(world, lease=lease) as figure:
        assert figure("leader_election_master_status", name=names.LEASE_NAME) == 0
        assert figure("mcps_fence_shut_seconds") == 0
        await lease.acquire()
        assert figure("leader_election_master_status", name=names.LEASE_NAME) == 1
        await world.pass_time(59.5)
        assert figure("mcps_fence_shut_seconds") == 9.5


async def test_fields_that_the_crd_drops_have_a_figure() -> None:
    world = World()
    async with measured(world) as figure:
        assert figure("mcps_unserved_fields") == 0
        serve(world, without=HOLDING_BACK[:2])
        await world.pass_time(61)
        assert figure("mcps_unserved_fields") == 2


async def test_a_guard_that_another_operator_holds_has_a_figure() -> None:
    world = World()
    first = Installation(world.api, "one")
    await world.pass_time(1)
    second = Installation(world.api, "two")
    async with measured(world, guard=second.guard) as figure:
        await world.pass_time(3)
        assert figure("mcps_guard_leases", state="other") == 1
        assert figure("mcps_guard_leases", state="held") == 0
        await first.stop()
        await world.pass_time(3)
        assert figure("mcps_guard_leases", state="other") == 0
        assert figure("mcps_guard_leases", state="held") == 1
    await second.kill()


async def test_one_object_from_nothing_to_ready() -> None:
    world = World()
    async with measured(world) as figure:
        await world.create()
        assert figure("mcps_objects", **READY) == 0
        await world.until_ready()
        await world.pass_time(1)
        assert figure("mcps_objects", **READY) == 1
        assert figure("mcps_objects", ready="Unknown", stalled="False", reason="Unseen") is None
        assert figure("mcps_oldest_not_ready_seconds", reason="Unseen") is None
        assert figure("mcps_ready_transitions_total", to="True") == 1
        assert figure("mcps_aws_writes_total", operation="create", cause="create") == 1
        assert figure("mcps_gateway_objects", gateway=GATEWAY) == 1
        assert figure("mcps_default_gateway_info", gateway=GATEWAY) == 1
        assert figure("mcps_aws_credentials_valid") == 1
        assert figure("mcps_gateway_targets", gateway=GATEWAY) == 1
        assert figure("mcps_gateway_healthy", gateway=GATEWAY) == 1
        assert figure("mcps_orphaned_targets", gateway=GATEWAY) == 0
        assert figure("mcps_aws_requests_total", operation="CreateGatewayTarget", code="OK") == 1
        assert figure("mcps_aws_request_duration_seconds_count", operation="CreateGatewayTarget") == 1
        took = figure("mcps_aws_request_duration_seconds_sum", operation="CreateGatewayTarget")
        assert took == pytest.approx(world.latency)
        both = {"name": "mcpserver", "controller": "mcpserver"}
        given = figure("workqueue_queue_duration_seconds_count", **both)
        assert given is not None
        assert given >= 1
        assert figure("workqueue_adds_total", **both) == given
        assert figure("workqueue_work_duration_seconds_count", **both) == given
        assert figure("workqueue_depth", **both) == 0
        assert figure("controller_runtime_active_workers", controller="mcpserver") == 0
        assert figure("controller_runtime_max_concurrent_reconciles", controller="mcpserver") == 8
        assert figure("leader_election_master_status", name="b89ac0a6.bedrock.aws") == 1


async def test_refused_calls_are_counted_by_awss_code() -> None:
    world = World()
    async with measured(world) as figure:
        world.aws.add_fault(operation="CreateGatewayTarget", code="ThrottlingException")
        await world.create()
        await world.until_ready()
        assert (
            figure("mcps_aws_requests_total", operation="CreateGatewayTarget", code="ThrottlingException")
            == 1
        )


async def test_the_interval_between_lists_is_the_one_in_force() -> None:
    world = World()
    async with measured(world, drift_interval=90.0) as figure:
        await world.create()
        await world.until_ready()
        await world.pass_time(5)
        assert figure("mcps_gateway_list_interval_seconds", gateway=GATEWAY) == 90


async def test_a_gateway_that_does_not_exist_is_not_healthy() -> None:
    world = World()
    async with measured(world) as figure:
        await world.create(gatewayId="missing-0123456789")
        await world.pass_time(30)
        assert figure("mcps_gateway_healthy", gateway="missing-0123456789") == 0
        assert figure("mcps_gateway_targets", gateway="missing-0123456789") is None


async def test_a_retained_target_is_an_orphan_and_anothers_is_not() -> None:
    world = World()
    async with measured(world) as figure:
        await world.create("weather", deletionPolicy="Retain")
        await world.create("news")
        await world.until_ready("weather")
        await world.until_ready("news")
        await world.delete("weather")
        await world.until(lambda: not world.exists("weather"))
        await world.pass_time(5)
        assert figure("mcps_gateway_targets", gateway=GATEWAY) == 2
        assert figure("mcps_orphaned_targets", gateway=GATEWAY) == 1


async def test_orphans_are_not_guessed_at_when_some_namespaces_are_not_watched() -> None:
    world = World()
    async with measured(world, all_namespaces=False) as figure:
        await world.create()
        await world.until_ready()
        assert figure("mcps_orphaned_targets", gateway=GATEWAY) is None


async def test_waiting_for_aws_shows_as_depth_and_age() -> None:
    world = World()
    async with measured(world, quotas=Quotas(create=0.1)) as figure:
        for number in range(4):
            await world.create(f"server-{number}")
        await world.pass_time(15)
        waiting = sum(figure("mcps_aws_queue_depth", operation="create", lane=lane) or 0.0 for lane in Lane)
        assert waiting >= 1
        ages = [figure("mcps_aws_queue_age_seconds", lane=lane) or 0.0 for lane in Lane]
        assert 5 < max(ages) < 20
        assert figure("mcps_aws_rate_limit", operation="create") == pytest.approx(0.098)


async def test_an_unlimited_operation_has_no_rate() -> None:
    world = World()
    async with measured(world) as figure:
        assert [figure("mcps_aws_rate_limit", operation=op) for op in Op] == [None] * len(Op)


async def test_no_series_names_an_object_or_a_namespace() -> None:
    world = World()
    async with measured(world) as figure:
        await world.create("conspicuous-name")
        await world.until_ready("conspicuous-name")
        assert "conspicuous" not in figure.text()
        assert "team-a" not in figure.text()


async def test_more_objects_make_no_more_series() -> None:
    world = World()
    async with measured(world) as figure:
        await world.create("first")
        await world.until_ready("first")
        before = len(figure.text().splitlines())
        for number in range(10):
            await world.create(f"server-{number}")
        await world.pass_time(30)
        assert len(figure.text().splitlines()) == before


async def test_both_formats_are_valid_and_no_metric_comes_twice() -> None:
    world = World()
    async with measured(world) as figure:
        await world.create()
        await world.until_ready()
        controller: Collector = figure.metrics.controller
        openmetrics = _openmetrics(controller)
        for families in (list(parse_text(figure.text())), list(_parse_openmetrics(openmetrics))):
            named = [family.name for family in families]
            assert len(named) == len(set(named))
            assert all(family.documentation for family in families)


async def test_a_ready_of_an_older_generation_is_not_counted_as_ready() -> None:
    world = World()
    async with measured(world):
        await world.create()
        obj = await world.until_ready()
    assert standing(obj) == ("True", "False", "GatewayTargetReady")
    newer = msgspec.structs.replace(
        obj, metadata=msgspec.structs.replace(obj.metadata, generation=obj.metadata.generation + 1)
    )
    assert standing(newer) == ("Unknown", "False", "Unseen")


def test_gateways_that_exist_are_shown_before_made_up_ones() -> None:
    tables = [GatewayTable(f"made-up-{number}") for number in range(MAX_GATEWAYS * 2)]
    real = GatewayTable("real")
    real.apply_list([], began=1.0)
    shown = bounded([*tables, real])
    assert len(shown) == MAX_GATEWAYS
    assert real in shown


def test_different_codes_of_aws_are_bounded() -> None:
    metrics = OperatorMetrics(version="1")
    methods = ("get_gateway_target", "list_gateway_targets", "create_gateway_target")
    for number in range(REQUESTS.bound * 2):
        for method in methods:
            metrics.on_call(method, f"Code{number}", 0.1)
    assert len(_series(metrics, REQUESTS.name)) <= REQUESTS.bound
    counted = sum(
        metrics.controller.get_sample_value(REQUESTS.name, dict(labels)) or 0
        for labels in _series(metrics, REQUESTS.name)
    )
    assert counted == REQUESTS.bound * 2 * len(methods)


async def test_a_call_that_the_fence_stopped_is_no_request() -> None:
    world = World()
    async with measured(world, fence=lambda: False) as figure:
        await world.create()
        await world.pass_time(5)
        assert figure("mcps_aws_requests_total", operation="CreateGatewayTarget", code="Fenced") is None


def test_the_build_is_named() -> None:
    text = generate_latest(OperatorMetrics(version="1.2.3").controller).decode()
    assert 'version="1.2.3"' in text


def test_process_and_python_are_measured() -> None:
    metrics = OperatorMetrics(version="1")
    memory = metrics.process.get_sample_value("process_resident_memory_bytes")
    assert memory is not None
    assert math.log10(memory) > 6
    assert metrics.process.get_sample_value("python_gc_collections_total", {"generation": "0"}) is not None


def _openmetrics(collector: Collector) -> str:
    body: bytes = generate_openmetrics(collector, version="1.0.0")  # type: ignore[no-untyped-call]  # the library's
    return body.decode()


def _parse_openmetrics(text: str) -> Iterable[Any]:
    return parse_openmetrics(text)  # type: ignore[no-any-return,no-untyped-call]  # the library's


def _series(metrics: OperatorMetrics, sample: str) -> set[tuple[tuple[str, str], ...]]:
    found: Iterable[Any] = (each for family in metrics.controller.collect() for each in family.samples)
    return {tuple(sorted(each.labels.items())) for each in found if each.name == sample}
