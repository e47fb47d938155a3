from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from mcp_gateway_operator.runtime.access import AccessGuard
from mcp_gateway_operator.runtime.http1 import Answer, Request
from mcp_gateway_operator.runtime.metrics_server import MAX_SCRAPES, MetricsEndpoint
from tests.support.virtual_time import pass_time
from tests.unit.metrics.reviews import Reviewer

PLAIN = "text/plain;version=0.0.4"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,*/*;q=0.2"
)


async def ask(app: MetricsEndpoint, path: str = "/metrics", *, method: str = "GET", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await app(Request(method, path, headers=named))


def make_app(guard: AccessGuard | None = None) -> MetricsEndpoint:
    controller, process = CollectorRegistry(), CollectorRegistry()
    Counter("passes", "Passes.", registry=controller).inc()
    Gauge("memory_bytes", "Memory.", registry=process).set(7)
    return MetricsEndpoint(controller, process, guard)


def value_of(text: str, sample: str, parse: Any = parse_text) -> float | None:
    for family in parse(text):
        for each in family.samples:
            if each.name == sample:
                return float(each.value)
    return None


async def test_both_the_controllers_and_the_process_metrics_are_there() -> None:
    answer = await ask(make_app(), accept=PLAIN)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert value_of(answer.body.decode(), "passes_total") == 1
    assert value_of(answer.body.decode(), "memory_bytes") == 7


async def test_prometheus_gets_openmetrics() -> None:
    answer = await ask(make_app(), accept=PROMETHEUS_3)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert value_of(answer.body.decode(), "passes_total", parse_openmetrics) == 1


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "garbage",
        "text/plain;version=x.y",
        "application/openmetrics-text;version=",
        "application/openmetrics-text;version=one",
        "text/plain;version=1.0.0;escaping=nonsense",
        ";;;,,,=",
    ],
)
async def test_whatever_a_client_accepts_it_gets_something_readable(accept: str) -> None:
    answer = await ask(make_app(), accept=accept)
    assert answer.status == 200
    assert b"passes_total 1.0" in answer.body


async def test_the_answer_is_compressed_for_those_who_ask() -> None:
    answer = await ask(make_app(), accept_encoding="gzip, deflate")
    assert answer.headers["content-encoding"] == "gzip"
    assert b"passes_total 1.0" in gzip.decompress(answer.body)


async def test_head_has_the_headers_alone() -> None:
    """The server leaves the body out, and knows its length from here."""
    answer = await ask(make_app(), method="HEAD")
    assert answer.status == 200
    assert int(answer.headers["content-length"]) == len(answer.body) > 0


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metricsx", "/debug/pprof/", "//metrics", "/healthz"])
async def test_nothing_else_is_served(path: str) -> None:
    guard = AccessGuard(Reviewer().cluster, path="/metrics")
    assert (await ask(make_app(guard), path, authorization="Bearer good")).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
async def test_nothing_is_changed_here(method: str) -> None:
    answer = await ask(make_app(), method=method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


async def test_callers_are_checked_before_anything_is_told() -> None:
    app = make_app(AccessGuard(Reviewer().cluster, path="/metrics"))
    nobody = await ask(app)
    assert (nobody.status, nobody.body) == (401, b"Unauthorized\n")
    assert nobody.headers["www-authenticate"] == "Bearer"
    assert (await ask(app, authorization="Bearer other")).status == 403
    assert (await ask(app, authorization="Bearer good")).status == 200
    assert (await ask(app, method="HEAD", authorization="Bearer good")).status == 200


class Slow(Collector):
    """Metrics that take until somebody lets them go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.under_way = 0

    def collect(self) -> Iterable[Metric]:
        """Wait, and collect nothing."""
        self.under_way += 1
        self.go.wait(10.0)
        return []


async def test_only_so_many_answers_are_made_at_a_time() -> None:
    slow, process = Slow(), CollectorRegistry(auto_describe=False)
    slow.go.set()
    process.register(slow)
    slow.go.clear()
    app = MetricsEndpoint(CollectorRegistry(), process, None)
    tasks = [asyncio.create_task(ask(app)) for _ in range(MAX_SCRAPES)]
    await asyncio.sleep(0)
    assert [(await ask(app)).status for _ in range(3)] == [503] * 3
    slow.go.set()
    assert [(await task).status for task in tasks] == [200] * MAX_SCRAPES
    assert (await ask(app)).status == 200


async def _at_once(make: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """Stand for a thread, which virtual time would not wait for."""
    return make(*given, **named)


async def test_callers_who_wait_to_be_checked_keep_nobody_from_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asyncio, "to_thread", _at_once)
    reviewer = Reviewer()
    app = make_app(AccessGuard(reviewer.cluster, path="/metrics"))
    assert (await ask(app, authorization="Bearer good")).status == 200
    reviewer.seconds = 5.0
    knocking = [
        asyncio.create_task(ask(app, authorization=f"Bearer wrong-{number}")) for number in range(200)
    ]
    await pass_time(0.1)
    began = asyncio.get_running_loop().time()
    assert (await ask(app, authorization="Bearer good")).status == 200
    assert asyncio.get_running_loop().time() == began
    statuses = [(await task).status for task in knocking]
    assert set(statuses) <= {401, 429, 500}
    assert sum(status == 429 for status in statuses) > 100


async def test_a_strange_user_name_does_not_break_the_answer() -> None:
    reviewer = Reviewer()
    reviewer.users["other"] = {"username": "zo\u00eb\r\nset-cookie: x"}
    answer = await ask(make_app(AccessGuard(reviewer.cluster, path="/metrics")), authorization="Bearer other")
    assert answer.status == 403
    assert set(answer.headers) == {"content-type", "content-length"}
