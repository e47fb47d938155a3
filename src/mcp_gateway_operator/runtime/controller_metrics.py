"""controller-runtime's metrics of a controller, under its names and with its labels and buckets.

Dashboards and alerts written for operators in Go (kubebuilder's, for example) work on these unchanged.
Counters and histograms are told what happens; everything else is read when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from mcp_gateway_operator.runtime.queue import WorkQueue
from mcp_gateway_operator.runtime.workers import Outcome

RECONCILE_BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    *(1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60),
)
"""Seconds of one pass."""
QUEUE_BUCKETS: Final = tuple(10.0**exponent for exponent in range(-8, 4))
"""Seconds in the queue, and of work on a key."""

_RESULTS: Final[dict[Outcome, str]] = {
    "success": "success",
    "requeue_after": "requeue_after",
    "conflict": "requeue",
    "error": "error",
    "panic": "error",
}


class ControllerMetrics:
    """What one controller does. Its methods are the hooks of workers, queue and transport.

    Args:
        registry: where the metrics are entered.
        controller: the label's value: the kind in lower case.
    """

    def __init__(self, registry: CollectorRegistry, *, controller: str) -> None:
        # A Unix time beside every counter, of use to no query that anybody writes.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it takes and returns nothing
        self._registry = registry
        self._controller = controller
        self._passes = self._counter(
            "controller_runtime_reconcile", "Passes, by how they ended.", "controller", "result"
        )
        for result in sorted({*_RESULTS.values()}):
            self._passes.labels(controller, result)
        self._errors = self._counter(
            "controller_runtime_reconcile_errors", "Passes that failed.", "controller"
        ).labels(controller)
        self._panics = self._counter(
            "controller_runtime_reconcile_panics", "Passes that ended in a bug.", "controller"
        ).labels(controller)
        self._pass_seconds = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "Seconds that a pass took.",
            ["controller"],
            buckets=RECONCILE_BUCKETS,
            registry=registry,
        ).labels(controller)
        self._requests = self._counter(
            "rest_client_requests", "Requests to the Kubernetes API server.", "code", "method", "host"
        )
        names = ("name", "controller")
        self._added = self._counter("workqueue_adds", "Keys that became due.", *names).labels(*self._both)
        self._retried = self._counter("workqueue_retries", "Keys tried again after a failure.", *names)
        self._retries = self._retried.labels(*self._both)
        self._waited = self._queue_histogram("workqueue_queue_duration_seconds", "Seconds a key was due.")
        self._worked = self._queue_histogram("workqueue_work_duration_seconds", "Seconds of work on a key.")

    def watch_queue(self, queue: WorkQueue[Any], *, workers: int) -> None:
        """Count what the queue does, and read its figures at every scrape."""
        queue.metrics = self
        self._gauge("controller_runtime_active_workers", "Passes under way.", lambda: queue.working)
        self._gauge("controller_runtime_max_concurrent_reconciles", "Passes at a time.", lambda: workers)
        for name, text, read in (
            ("depth", "Keys that are due.", lambda: len(queue)),
            (
                "unfinished_work_seconds",
                "Seconds that the passes under way have taken, added up.",
                lambda: queue.unfinished_seconds,
            ),
            (
                "longest_running_processor_seconds",
                "Seconds that the longest pass under way has taken.",
                lambda: queue.longest_running,
            ),
        ):
            gauge = Gauge(f"workqueue_{name}", text, ["name", "controller"], registry=self._registry)
            gauge.labels(*self._both).set_function(read)

    def watch_leader(self, name: str, held: Callable[[], bool]) -> None:
        """Show whether this process leads; `name` is the Lease's."""
        gauge = Gauge(
            "leader_election_master_status",
            "1 while this process holds the Lease, else 0.",
            ["name"],
            registry=self._registry,
        )
        gauge.labels(name).set_function(held)

    def on_pass(self, _key: Hashable, outcome: Outcome, seconds: float) -> None:
        """Count a pass; the hook of `Workers`."""
        self._passes.labels(self._controller, _RESULTS[outcome]).inc()
        self._pass_seconds.observe(seconds)
        if outcome in ("error", "panic"):
            self._errors.inc()
        if outcome == "panic":
            self._panics.inc()

    def on_request(self, method: str, host: str, code: str) -> None:
        """Count a request to the API server; the hook of the transport."""
        self._requests.labels(code, method, host).inc()

    # The hooks of the queue.

    def added(self) -> None:
        """Count a key that became due."""
        self._added.inc()

    def given(self, waited: float) -> None:
        """Count how long a key was due."""
        self._waited.observe(waited)

    def finished(self, worked: float) -> None:
        """Count how long the work on a key took."""
        self._worked.observe(worked)

    def retried(self) -> None:
        """Count a retry."""
        self._retries.inc()

    # How.

    @property
    def _both(self) -> tuple[str, str]:
        """The two labels of queues: controller-runtime gives a controller's queue the controller's name."""
        return self._controller, self._controller

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _queue_histogram(self, name: str, text: str) -> Histogram:
        histogram = Histogram(
            name, text, ["name", "controller"], buckets=QUEUE_BUCKETS, registry=self._registry
        )
        return histogram.labels(*self._both)

    def _gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        gauge = Gauge(name, text, ["controller"], registry=self._registry)
        gauge.labels(self._controller).set_function(read)
