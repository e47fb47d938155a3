"""Every metric is declared, and no process shows more series than the declarations allow."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry, Metric

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.metrics import OperatorMetrics
from mcp_gateway_operator.controller.metrics.declared import DECLARED
from mcp_gateway_operator.controller.metrics.reasons import ACTS, UNSEEN
from mcp_gateway_operator.runtime.controller_metrics import DECLARED as OF_CONTROLLERS
from mcp_gateway_operator.runtime.declared_metrics import Declared
from tests.support.world import World
from tests.unit.metrics.test_figures import measured

PAGE = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"
EVERY = {metric.name: metric for metric in (*DECLARED, *OF_CONTROLLERS)}
GATEWAYS = 100
OBJECTS = 10_000
METHODS = (
    *("list_gateway_targets", "get_gateway_target", "create_gateway_target", "update_gateway_target"),
    *("delete_gateway_target", "synchronize_gateway_targets", "get_gateway", "get_caller_identity"),
)
LIBRARY = 15
"""Series of the process and of Python, which read files: in this folder only tests without a loop may."""


def samples(registry: CollectorRegistry) -> list[tuple[str, dict[str, str]]]:
    found: list[Metric] = list(registry.collect())
    return [(each.name, each.labels) for family in found for each in family.samples]


def family_of(sample: str) -> str:
    return sample if sample in EVERY else re.sub(r"_(bucket|sum|count)$", "", sample)


async def test_what_is_shown_is_declared_with_its_labels() -> None:
    world = World()
    async with measured(world) as figure:
        await world.create()
        await world.create("odd", gatewayId="missing-0123456789")
        await world.until_ready()
        await world.pass_time(30)
        shown = samples(figure.metrics.controller)
    for sample, labels in shown:
        assert set(labels) - {"le"} == set(EVERY[family_of(sample)].labels), sample
    never_here = {"certwatcher_read_certificate_total", "certwatcher_read_certificate_errors_total"}
    never_here |= {"mcps_aws_credentials_expiry_timestamp_seconds", "rest_client_requests_total"}
    never_here |= {"mcps_aws_rate_limit"}  # no quotas in this world
    assert set(EVERY) - {family_of(sample) for sample, _ in shown} == never_here


async def test_ten_thousand_objects_make_as_many_series_as_are_declared() -> None:
    """The worst that users can do to the labels: every reason, every state, gateways in three accounts."""
    world = World()
    async with measured(world) as figure:
        await world.create()
        obj = await world.until_ready()
        operator = figure.operator
        reasons = sorted({*ACTS, "Invented", "AnotherInvention"})
        states = itertools.cycle(itertools.product(("True", "False", "Unknown"), ("True", "False"), reasons))
        crowd = []
        for number, (ready, stalled, reason) in zip(range(OBJECTS), states, strict=False):
            crowd.append(_like(obj, number, ready, stalled, reason))
        for number in range(GATEWAYS):
            operator.observers.track(_gateway(number)).apply_list([], began=0.0)
        operator.informer.values = lambda: crowd  # type: ignore[method-assign]  # a fleet without its passes
        for number in range(1000):
            figure.metrics.on_call(METHODS[number % len(METHODS)], f"Code{number}", 0.1)
            figure.metrics.runtime.on_request("GET", "host", str(number))
        shown = samples(figure.metrics.controller)
        by_family = Counter(family_of(sample) for sample, _ in shown)
    gateways = len(operator.observers.gateways())
    for name, metric in EVERY.items():
        assert by_family[name] <= metric.series * (gateways if metric.per_gateway else 1), name
    assert sum(labels.get("reason") == "other" for _, labels in shown) >= 1
    assert len(shown) + LIBRARY <= 500 + 8 * gateways


def test_the_declarations_fit_the_budget_and_the_page_says_their_sum() -> None:
    fixed = sum(metric.series for metric in EVERY.values() if not metric.per_gateway)
    each = sum(metric.series for metric in EVERY.values() if metric.per_gateway)
    assert len(samples(OperatorMetrics(version="1").process)) == LIBRARY
    assert fixed + LIBRARY <= 500
    assert each <= 8
    assert f"{fixed + LIBRARY} in all and {each} a gateway" in PAGE.read_text()


def test_every_reason_has_somebody_who_acts() -> None:
    reasons = {value for name, value in vars(Reason).items() if name.isupper()}
    never_of_ready = {Reason.READY, Reason.SYNCED, Reason.SETTLED, Reason.AUTHORIZED, Reason.PERMITTED}
    assert set(ACTS) == (reasons - never_of_ready) | {UNSEEN}


@pytest.mark.parametrize("metric", EVERY.values(), ids=EVERY)
def test_names_and_words_follow_prometheus(metric: Declared) -> None:
    assert re.fullmatch(r"[a-z][a-z_]*[a-z]", metric.name)
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert metric.help.endswith(".")
    assert metric.per_gateway == (metric.labels.keys() == {"gateway"} and "default" not in metric.name)


def _gateway(number: int) -> str:
    """Return what a gateway is called by: of other accounts and Regions by its ARN."""
    region, account = ("us-east-1", "eu-west-1")[number % 2], f"{number % 3 + 1:012d}"
    name = f"gateway-{number:010d}"
    return name if number % 3 == 0 else f"arn:aws:bedrock-agentcore:{region}:{account}:gateway/{name}"


def _like(obj: MCPServer, number: int, ready: str, stalled: str, reason: str) -> MCPServer:
    """Return an object with a name of its own whose status says this."""
    said = {"Ready": (ready, reason), "Stalled": (stalled, reason)}
    conditions = tuple(
        msgspec.structs.replace(each, status=said[each.type][0], reason=said[each.type][1])
        if each.type in said
        else each
        for each in obj.status.conditions
    )
    return msgspec.structs.replace(
        obj,
        metadata=msgspec.structs.replace(obj.metadata, name=f"server-{number}"),
        status=msgspec.structs.replace(
            obj.status, conditions=conditions, gateway_id=_gateway(number % GATEWAYS)
        ),
    )
