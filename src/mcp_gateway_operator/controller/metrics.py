"""The operator's own metrics, beside controller-runtime's: AWS calls, quotas, gateways, objects.

Nothing here is labelled by object or namespace, and gateways, which users name, are bounded: the number of
series does not grow with the number of MCPServers. What is a state is read at the scrape; only calls are
counted as they happen.
"""

from __future__ import annotations

import heapq
import platform
from collections import Counter as Counts
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mcp_gateway_operator.agentcore.observe import GatewayTable
from mcp_gateway_operator.agentcore.quota import Lane, QuotaScheduler
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import ConditionType
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.operator import Operator
from mcp_gateway_operator.controller.served_schema import ServedSchema
from mcp_gateway_operator.runtime.certificates import Certificate
from mcp_gateway_operator.runtime.claims import STATES
from mcp_gateway_operator.runtime.controller_metrics import ControllerMetrics
from mcp_gateway_operator.runtime.guard import Guard
from mcp_gateway_operator.runtime.lease import Lease
from mcp_gateway_operator.targets.shape import owner_code

MAX_GATEWAYS: Final = 500
"""Gateways with series of their own. Ids come from specs, whose writers must not fill Prometheus."""
MAX_CODES: Final = 64
"""Different codes of AWS calls; further ones are counted as `other`."""
CALL_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 15.0)
"""Seconds; a call ends after 15."""


class OperatorMetrics:
    """Everything that one process measures.

    Attributes:
        controller: metrics to collect on the event loop.
        process: metrics of the process and of Python, which read files: to collect in a thread.
        runtime: controller-runtime's metrics, with the hooks of workers, queue and transport.
    """

    def __init__(self, *, version: str) -> None:
        self.controller = CollectorRegistry()
        self.process = CollectorRegistry()
        self.runtime = ControllerMetrics(self.controller, controller=names.SINGULAR)
        ProcessCollector(registry=self.process)
        GCCollector(registry=self.process)
        self._calls = Counter(
            "mcps_aws_requests",
            "Requests to AWS, by operation and by error code, OK when there was none.",
            ["operation", "code"],
            registry=self.controller,
        )
        self._seconds = Histogram(
            "mcps_aws_request_duration_seconds",
            "Seconds from a request's start to its answer.",
            ["operation"],
            buckets=CALL_BUCKETS,
            registry=self.controller,
        )
        self._codes: set[str] = set()
        self.controller.register(_BuildInfo(version))

    def watch(self, operator: Operator, *, workers: int, writer: Writer, all_namespaces: bool) -> None:
        """Read these parts at every scrape from now on.

        Args:
            operator: whose queue, scheduler, observer and objects.
            workers: passes at a time.
            writer: whether this process leads, and where it may write.
            all_namespaces: all objects are watched, so a target without one is an orphan.
        """
        self.runtime.watch_queue(operator.queue, workers=workers)
        self.runtime.watch_leader(names.LEASE_NAME, lambda: writer.lease.held)
        self.controller.register(_Right(writer))
        self.controller.register(_Schema(operator.schema))
        self.controller.register(_Quotas(operator.scheduler))
        self.controller.register(_Gateways(operator, all_namespaces=all_namespaces))
        self.controller.register(_Objects(operator.informer.values))

    def watch_certificate(self, certificate: Certificate) -> None:
        """Show how often the server's certificate was read, and could not be used."""
        self.controller.register(_CertificateReads(certificate))

    def on_call(self, method: str, code: str, seconds: float) -> None:
        """Count an AWS call; the hook of the AgentCore adapter."""
        operation = "".join(part.capitalize() for part in method.split("_"))
        if code not in self._codes:
            if len(self._codes) >= MAX_CODES:
                code = "other"
            self._codes.add(code)
        self._calls.labels(operation, code).inc()
        self._seconds.labels(operation).observe(seconds)


class _BuildInfo(Collector):
    def __init__(self, version: str) -> None:
        self._labels = [version, platform.python_version()]

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "mcps_build_info", "1, with what is running as labels.", labels=["version", "python"]
        )
        family.add_metric(self._labels, 1)
        return [family]


class Writer(Protocol):
    """What the metrics need of the right to write."""

    @property
    def lease(self) -> Lease:
        """The Lease of the replicas."""

    @property
    def guard(self) -> Guard:
        """What keeps other installations away."""

    @property
    def shut_for(self) -> float:
        """For how many seconds nothing may begin although both are held."""


class _Right(Collector):
    """The right to write, and what keeps it from being used."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def collect(self) -> Iterable[Metric]:
        text = "Seconds for which AWS has not been written to although the Lease is held; 0 when all is well."
        yield GaugeMetricFamily("mcps_fence_shut_seconds", text, value=self._writer.shut_for)
        claims = GaugeMetricFamily(
            "mcps_guard_leases",
            "Leases of the guard, one or one for each watched namespace: held, forbidden by RBAC, other "
            "while another operator works there, waiting before it is known.",
            labels=["state"],
        )
        counts = self._writer.guard.counts()
        for state in STATES:
            claims.add_metric([state], counts[state])
        yield claims


class _Schema(Collector):
    def __init__(self, schema: ServedSchema) -> None:
        self._schema = schema

    def collect(self) -> Iterable[Metric]:
        text = "Fields of the spec that hold the operator back, and that the installed CRD drops."
        yield GaugeMetricFamily("mcps_unserved_fields", text, value=len(self._schema.unserved))


class _CertificateReads(Collector):
    """Under controller-runtime's names for its certificate watcher."""

    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate

    def collect(self) -> Iterable[Metric]:
        for name, text, value in (
            ("", "Certificates taken from the files.", self._certificate.reads),
            ("_errors", "Certificates in the files that could not be used.", self._certificate.failures),
        ):
            yield CounterMetricFamily(f"certwatcher_read_certificate{name}", text, value=value)


class _Quotas(Collector):
    """What the quota scheduler holds back."""

    def __init__(self, scheduler: QuotaScheduler) -> None:
        self._scheduler = scheduler

    def collect(self) -> Iterable[Metric]:
        age = GaugeMetricFamily(
            "mcps_aws_queue_age_seconds",
            "Seconds that the longest waiter has waited for its turn at AWS.",
            labels=["lane"],
        )
        for lane in Lane:
            age.add_metric([lane], self._scheduler.queue_age(lane))
        depth = GaugeMetricFamily(
            "mcps_aws_queue_depth", "Waiters for their turn at AWS.", labels=["operation", "lane"]
        )
        for (op, lane), waiting in self._scheduler.depths().items():
            depth.add_metric([op, lane], waiting)
        rate = GaugeMetricFamily(
            "mcps_aws_rate_limit",
            "Calls per second allowed at present; no series where there is no limit.",
            labels=["operation"],
        )
        for op, allowed in self._scheduler.rates().items():
            if allowed is not None:
                rate.add_metric([op], allowed)
        return [age, depth, rate]


class _Gateways(Collector):
    """What is known of each gateway in use."""

    def __init__(self, operator: Operator, *, all_namespaces: bool) -> None:
        self._operator = operator
        self._all_namespaces = all_namespaces

    def collect(self) -> Iterable[Metric]:
        observer = self._operator.observer
        tables = [table for each in observer.gateways() if (table := observer.table(each)) is not None]
        shown = _bounded(tables)
        interval = _by_gateway("gateway_list_interval_seconds", "Seconds between two Lists at present.")
        healthy = _by_gateway("gateway_healthy", "1 when the latest List of the gateway succeeded, else 0.")
        targets = _by_gateway("gateway_targets", "Targets on the gateway, also those of others.")
        orphaned = _by_gateway(
            "orphaned_targets", "Targets that carry this installation's marker and belong to no MCPServer."
        )
        owners = self._owners()
        for table in shown:
            label = [table.gateway_id]
            interval.add_metric(label, observer.interval(table.gateway_id))
            if table.view.error is not None or table.view.listed_at is not None:
                healthy.add_metric(label, table.view.error is None)
            if table.view.listed_at is not None:
                targets.add_metric(label, len(table))
                if owners:
                    orphaned.add_metric(label, self._orphans(table, owners))
        unreported = GaugeMetricFamily(
            "mcps_gateways_unreported",
            f"Gateways in use beyond {MAX_GATEWAYS}, which have no series.",
            value=len(tables) - len(shown),
        )
        return [interval, healthy, targets, orphaned, unreported]

    def _owners(self) -> frozenset[str]:
        """Return how markers name this installation; nothing while not all objects or markers are known."""
        operator = self._operator
        if not self._all_namespaces or not operator.informer.synced.is_set():
            return frozenset()
        return frozenset(map(owner_code, operator.reconciler.settings.owner_ids))

    def _orphans(self, table: GatewayTable, owners: frozenset[str]) -> int:
        known = self._operator.reconciler.index.markers()
        strangers = [mark for mark in table.markers() if mark not in known]
        ours = [mark for mark in strangers if mark.partition("/")[0] in owners]
        return sum(len(table.marked(mark)) for mark in ours)


class _Objects(Collector):
    """How many objects there are, by what their status says."""

    def __init__(self, objects: Callable[[], Iterable[MCPServer]]) -> None:
        self._objects = objects

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "mcps_objects", "MCPServers by the status of their Ready condition.", labels=["ready"]
        )
        counts = Counts(map(_ready, self._objects()))
        for status in ("True", "False", "Unknown"):
            family.add_metric([status], counts[status])
        return [family]


def _ready(obj: MCPServer) -> str:
    """Return the status of Ready for the present generation: what was said of an older one is not known."""
    ready = obj.status.condition(ConditionType.READY)
    if ready is None or ready.observed_generation != obj.metadata.generation:
        return "Unknown"
    return ready.status if ready.status in ("True", "False") else "Unknown"


def _bounded(tables: list[GatewayTable]) -> list[GatewayTable]:
    """Return the tables that are shown: of gateways that exist before ids that somebody made up."""
    if len(tables) <= MAX_GATEWAYS:
        return tables
    return heapq.nsmallest(MAX_GATEWAYS, tables, key=lambda table: table.view.listed_at is None)


def _by_gateway(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"mcps_{name}", text, labels=["gateway"])
