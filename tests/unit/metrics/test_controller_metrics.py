"""controller-runtime's metrics against what a queue, its workers and the transport do."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from mcp_gateway_operator.runtime.controller_metrics import ControllerMetrics
from mcp_gateway_operator.runtime.queue import WorkQueue
from mcp_gateway_operator.runtime.workers import Outcome, Workers
from tests.support.virtual_time import pass_time, run_virtual

Key = tuple[str, str]
QUEUE = {"name": "thing", "controller": "thing"}


class Figures:
    """Metrics of one queue."""

    def __init__(self, queue: WorkQueue[Key]) -> None:
        self.registry = CollectorRegistry()
        self.metrics = ControllerMetrics(self.registry, controller="thing")
        self.metrics.watch_queue(queue, workers=3)

    def __call__(self, sample: str, **labels: str) -> float:
        """Return a figure; of the queue when no label is given."""
        value = self.registry.get_sample_value(sample, labels or QUEUE)
        assert value is not None, sample
        return value

    def of_queue(self) -> dict[str, float]:
        """Return all figures of the queue, read at once as by a scrape."""
        samples = (sample for metric in self.registry.collect() for sample in metric.samples)
        return {sample.name: sample.value for sample in samples if sample.labels == QUEUE}


async def test_a_key_is_followed_through_the_queue() -> None:
    queue: WorkQueue[Key] = WorkQueue()
    figure = Figures(queue)
    queue.add(("ns", "a"))
    queue.add(("ns", "a"))
    queue.add(("ns", "b"))
    assert figure("workqueue_adds_total") == 2
    assert figure("workqueue_depth") == 2
    await pass_time(3)
    key = await queue.get()
    await pass_time(5)
    assert figure("workqueue_queue_duration_seconds_sum") == 3
    assert figure("workqueue_unfinished_work_seconds") == 5
    assert figure("workqueue_longest_running_processor_seconds") == 5
    assert figure("controller_runtime_active_workers", controller="thing") == 1
    queue.done(key)
    assert figure("workqueue_work_duration_seconds_sum") == 5
    assert figure("workqueue_unfinished_work_seconds") == 0
    queue.retry(key)
    assert figure("workqueue_retries_total") == 1
    assert figure("workqueue_depth") == 1


_STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "later", "get", "done", "retry", "wait"]), st.integers(0, 3)),
    max_size=60,
)


@given(steps=_STEPS)
@settings(deadline=None, max_examples=200)
def test_what_goes_in_is_what_waits_and_what_came_out(steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
        queue: WorkQueue[Key] = WorkQueue()
        figure = Figures(queue)
        taken: list[Key] = []
        for step, number in steps:
            key = ("ns", str(number))
            if step == "add":
                queue.add(key)
            elif step == "later":
                queue.add(key, after=number + 0.5)
            elif step == "get" and len(queue):
                taken.append(await queue.get())
            elif step == "done" and taken:
                queue.done(taken.pop(0))
            elif step == "retry":
                queue.retry(key)
            elif step == "wait":
                await asyncio.sleep(number)
            told = figure.of_queue()
            handed_out = told["workqueue_queue_duration_seconds_count"]
            assert told["workqueue_adds_total"] == handed_out + len(queue)
            assert handed_out == told["workqueue_work_duration_seconds_count"] + len(taken)
            assert told["workqueue_unfinished_work_seconds"] >= 0

    run_virtual(run())


@pytest.mark.parametrize(
    ("outcome", "result", "failed", "panicked"),
    [
        ("success", "success", 0, 0),
        ("requeue_after", "requeue_after", 0, 0),
        ("conflict", "requeue", 0, 0),
        ("error", "error", 1, 0),
        ("panic", "error", 1, 1),
    ],
)
async def test_outcomes_are_told_in_controller_runtimes_words(
    outcome: Outcome, result: str, failed: int, panicked: int
) -> None:
    figure = Figures(WorkQueue())
    figure.metrics.on_pass("key", outcome, 0.3)
    assert figure("controller_runtime_reconcile_total", controller="thing", result=result) == 1
    assert figure("controller_runtime_reconcile_errors_total", controller="thing") == failed
    assert figure("controller_runtime_reconcile_panics_total", controller="thing") == panicked
    assert figure("controller_runtime_reconcile_time_seconds_sum", controller="thing") == 0.3


async def test_workers_count_their_passes() -> None:
    queue: WorkQueue[Key] = WorkQueue()
    figure = Figures(queue)

    async def reconcile(_key: Key) -> float | None:
        await pass_time(2)
        return None

    task = asyncio.create_task(Workers(queue, reconcile, count=3, on_pass=figure.metrics.on_pass).run())
    for number in range(5):
        queue.add(("ns", str(number)))
    await pass_time(1)
    assert figure("controller_runtime_active_workers", controller="thing") == 3
    assert figure("controller_runtime_max_concurrent_reconciles", controller="thing") == 3
    await pass_time(10)
    assert figure("controller_runtime_reconcile_total", controller="thing", result="success") == 5
    queue.shut_down()
    await task


async def test_every_result_is_there_before_it_happens() -> None:
    figure = Figures(WorkQueue())
    for result in ("success", "error", "requeue", "requeue_after"):
        assert figure("controller_runtime_reconcile_total", controller="thing", result=result) == 0


async def test_requests_are_counted_by_code_method_and_host() -> None:
    figure = Figures(WorkQueue())
    figure.metrics.on_request("GET", "10.0.0.1:443", "200")
    figure.metrics.on_request("PATCH", "10.0.0.1:443", "<error>")
    assert figure("rest_client_requests_total", code="<error>", method="PATCH", host="10.0.0.1:443") == 1


async def test_leadership_is_read_when_asked() -> None:
    figure = Figures(WorkQueue())
    held = [False]
    figure.metrics.watch_leader("my-lease", lambda: held[0])
    assert figure("leader_election_master_status", name="my-lease") == 0
    held[0] = True
    assert figure("leader_election_master_status", name="my-lease") == 1
