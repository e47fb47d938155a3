"""controller-runtime's metrics of a controller, under its names and with its labels and buckets.

Dashboards and alerts written for operators in Go (kubebuilder's, for example) work on these unchanged.
Counters and histograms are told what happens; everything else is read when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final

from prometheus_client import CollectorRegistry, disable_created_metrics

from mcp_gateway_operator.runtime.declared_metrics import Declared
from mcp_gateway_operator.runtime.queue import QueueMetrics, WorkQueue
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


_CONTROLLER: Final = {"controller": "`mcpserver`"}
_QUEUE: Final = {"name": "`mcpserver`", "controller": "`mcpserver`"}

_PASSES = Declared(
    name="controller_runtime_reconcile_total",
    kind="counter",
    help="Passes, by how they ended. `requeue` is a race lost to another writer, run again at once; "
    "`requeue_after` is a success that says when to look again.",
    labels={**_CONTROLLER, "result": "`success`, `requeue_after`, `requeue`, `error`"},
    bound=4,
)
_ERRORS = Declared(
    name="controller_runtime_reconcile_errors_total",
    kind="counter",
    help="Passes that failed.",
    labels=_CONTROLLER,
)
_PANICS = Declared(
    name="controller_runtime_reconcile_panics_total",
    kind="counter",
    help="Passes that ended in an exception that nobody expected: a bug.",
    labels=_CONTROLLER,
)
_PASS_SECONDS = Declared(
    name="controller_runtime_reconcile_time_seconds",
    kind="histogram",
    help="Seconds that a pass took.",
    labels=_CONTROLLER,
    buckets=RECONCILE_BUCKETS,
)
_ACTIVE = Declared(
    name="controller_runtime_active_workers", kind="gauge", help="Passes under way.", labels=_CONTROLLER
)
_MOST = Declared(
    name="controller_runtime_max_concurrent_reconciles",
    kind="gauge",
    help="Passes at a time, at most.",
    labels=_CONTROLLER,
)
_REQUESTS = Declared(
    name="rest_client_requests_total",
    kind="counter",
    help="Requests to the Kubernetes API server.",
    labels={"code": "HTTP status", "method": "", "host": ""},
    bound=40,
    open="code",
)
_ADDED = Declared(name="workqueue_adds_total", kind="counter", help="Keys that became due.", labels=_QUEUE)
_RETRIED = Declared(
    name="workqueue_retries_total", kind="counter", help="Keys tried again after a failure.", labels=_QUEUE
)
_WAITED = Declared(
    name="workqueue_queue_duration_seconds",
    kind="histogram",
    help="Seconds that a key was due before its pass began.",
    labels=_QUEUE,
    buckets=QUEUE_BUCKETS,
)
_WORKED = Declared(
    name="workqueue_work_duration_seconds",
    kind="histogram",
    help="Seconds of work on a key.",
    labels=_QUEUE,
    buckets=QUEUE_BUCKETS,
)
_DEPTH = Declared(name="workqueue_depth", kind="gauge", help="Keys that are due.", labels=_QUEUE)
_UNFINISHED = Declared(
    name="workqueue_unfinished_work_seconds",
    kind="gauge",
    help="Seconds that the passes under way have taken, added up.",
    labels=_QUEUE,
)
_LONGEST = Declared(
    name="workqueue_longest_running_processor_seconds",
    kind="gauge",
    help="Seconds that the longest pass under way has taken.",
    labels=_QUEUE,
)
_LEADER = Declared(
    name="leader_election_master_status",
    kind="gauge",
    help="1 while this process holds the Lease of the replicas, else 0.",
    labels={"name": "the Lease's, `b89ac0a6.bedrock.aws`"},
)
DECLARED: Final = (
    *(_PASSES, _ERRORS, _PANICS, _PASS_SECONDS, _ACTIVE, _MOST, _REQUESTS, _LEADER),
    *(_ADDED, _RETRIED, _WAITED, _WORKED, _DEPTH, _UNFINISHED, _LONGEST),
)
"""Every metric of this module, for the page that lists them."""


class ControllerMetrics(QueueMetrics):
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
        self._passes = _PASSES.counter(registry)
        for result in sorted({*_RESULTS.values()}):
            self._passes.begin(controller, result)
        self._errors = _ERRORS.counter(registry)
        self._panics = _PANICS.counter(registry)
        for counter in (self._errors, self._panics):
            counter.begin(controller)
        self._pass_seconds = _PASS_SECONDS.histogram(registry).labels(controller)
        self._requests = _REQUESTS.counter(registry)
        self._added = _ADDED.counter(registry)
        self._retried = _RETRIED.counter(registry)
        for counter in (self._added, self._retried):
            counter.begin(*self._both)
        self._waited = _WAITED.histogram(registry).labels(*self._both)
        self._worked = _WORKED.histogram(registry).labels(*self._both)

    def watch_queue(self, queue: WorkQueue[Any], *, workers: int) -> None:
        """Count what the queue does, and read its figures at every scrape."""
        queue.metrics = self
        _ACTIVE.gauge(self._registry, lambda: queue.working, self._controller)
        _MOST.gauge(self._registry, lambda: workers, self._controller)
        _DEPTH.gauge(self._registry, lambda: len(queue), *self._both)
        _UNFINISHED.gauge(self._registry, lambda: queue.unfinished_seconds, *self._both)
        _LONGEST.gauge(self._registry, lambda: queue.longest_running, *self._both)

    def watch_leader(self, name: str, held: Callable[[], bool]) -> None:
        """Show whether this process leads; `name` is the Lease's."""
        _LEADER.gauge(self._registry, held, name)

    def on_pass(self, _key: Hashable, outcome: Outcome, seconds: float) -> None:
        """Count a pass; the hook of `Workers`."""
        self._passes.inc(self._controller, _RESULTS[outcome])
        self._pass_seconds.observe(seconds)
        if outcome in ("error", "panic"):
            self._errors.inc(self._controller)
        if outcome == "panic":
            self._panics.inc(self._controller)

    def on_request(self, method: str, host: str, code: str) -> None:
        """Count a request to the API server; the hook of the transport."""
        self._requests.inc(code, method, host)

    # The hooks of the queue.

    def added(self) -> None:
        """Count a key that became due."""
        self._added.inc(*self._both)

    def given(self, waited: float) -> None:
        """Count how long a key was due."""
        self._waited.observe(waited)

    def finished(self, worked: float) -> None:
        """Count how long the work on a key took."""
        self._worked.observe(worked)

    def retried(self) -> None:
        """Count a retry."""
        self._retried.inc(*self._both)

    # How.

    @property
    def _both(self) -> tuple[str, str]:
        """The two labels of queues: controller-runtime gives a controller's queue the controller's name."""
        return self._controller, self._controller
