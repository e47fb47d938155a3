"""Rates and concurrent writes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from .conftest import GATEWAY, Simulation
from .refusals import refusal


def passed(call: Callable[[int], object], times: int) -> int:
    """How many of `times` calls are not throttled."""
    count = 0
    for number in range(times):
        with contextlib.suppress(ClientError):
            call(number)
            count += 1
    return count


def test_rates_hold_by_operation_and_refill_with_time(sim: Simulation) -> None:
    sim.configure(quotas={"enabled": True, "writes_in_flight": 1000})
    assert passed(lambda n: sim.create(f"a{n}"), 20) == 5
    assert passed(lambda _: sim.rows(), 20) == 10
    with refusal("ThrottlingException", 429, "Rate exceeded"):
        sim.rows()
    sim.advance(0.5)
    assert passed(lambda _: sim.rows(), 20) == 5
    sim.advance(60)
    assert passed(lambda _: sim.rows(), 20) == 10


def test_a_long_run_gets_exactly_the_rate(sim: Simulation) -> None:
    sim.configure(quotas={"enabled": True})
    count = 0
    for _ in range(1000):
        count += passed(lambda _: sim.rows(), 1)
        sim.advance(0.05)
    assert 500 <= count <= 511


def test_quotas_are_off_unless_switched_on(sim: Simulation) -> None:
    assert passed(lambda _: sim.rows(), 50) == 50


def test_regions_have_quotas_of_their_own(sim: Simulation) -> None:
    sim.configure(quotas={"enabled": True})
    buckets = sim.engine.plane.buckets
    for region in ("us-east-1", "eu-west-1"):
        for _ in range(10):
            buckets.take("1" * 12, region, "ListGatewayTargets", sim.engine.plane.settings, sim.now)


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("throttling", "ThrottlingException", 429),
        ("quota", "ServiceQuotaExceededException", 402),
        ("conflict", "ConflictException", 409),
    ],
)
def test_concurrent_writes_by_call(sim: Simulation, kind: str, code: str, status: int) -> None:
    sim.configure(
        quotas={"enabled": True, "rates": {"CreateGatewayTarget": 1000}},
        switches={"in_flight_error": kind},
        latency=0.2,
    )
    assert passed(lambda n: sim.create(f"a{n}"), 8) == 5
    with refusal(code, status, "Too many concurrent target operations"):
        sim.create("b")
    sim.advance(0.21)  # those calls have been answered
    assert passed(lambda n: sim.create(f"c{n}"), 8) == 5


def test_concurrent_writes_by_target(sim: Simulation) -> None:
    sim.configure(
        quotas={"enabled": True, "rates": {"CreateGatewayTarget": 1000}},
        switches={"in_flight_counts": "targets"},
        durations={"creating": 10},
    )
    assert passed(lambda n: sim.create(f"a{n}"), 8) == 5
    sim.advance(9)
    assert passed(lambda n: sim.create(f"b{n}"), 8) == 0
    sim.advance(1)
    assert passed(lambda n: sim.create(f"c{n}"), 8) == 5


def test_calls_without_latency_never_overlap(sim: Simulation) -> None:
    sim.configure(quotas={"enabled": True, "rates": {"CreateGatewayTarget": 1000}})
    assert passed(lambda n: sim.create(f"a{n}"), 20) == 20


def test_reads_and_synchronize_do_not_count_as_writes(sim: Simulation) -> None:
    targets = [sim.ready(f"a{number}") for number in range(7)]
    sim.configure(
        quotas={"enabled": True, "rates": {"SynchronizeGatewayTargets": 1000, "GetGatewayTarget": 1000}},
        switches={"in_flight_counts": "targets"},
    )
    assert passed(lambda n: sim.synchronize(targets[n]), 7) == 7
    sim.create("b")


def test_all_gateways_share_an_accounts_rate(sim: Simulation) -> None:
    sim.admin.create_gateway("other-abcdefghij")
    sim.configure(quotas={"enabled": True})
    gateways = [GATEWAY, "other-abcdefghij"]
    done = passed(lambda n: sim.control.list_gateway_targets(gatewayIdentifier=gateways[n % 2]), 30)
    assert done == 10
