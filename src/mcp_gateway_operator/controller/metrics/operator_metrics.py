"""Everything that one process measures, and the hooks by which it learns of it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from mcp_gateway_operator.agentcore.quota import Op
from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.metrics import declared
from mcp_gateway_operator.controller.metrics.class_collector import Classes
from mcp_gateway_operator.controller.metrics.collectors import Gateways, Leading, Objects, Outages, Waiting
from mcp_gateway_operator.controller.metrics.recent_calls import Call, RecentCalls
from mcp_gateway_operator.controller.operator import Operator
from mcp_gateway_operator.runtime.certificates import Certificate
from mcp_gateway_operator.runtime.claims import STATES
from mcp_gateway_operator.runtime.controller_metrics import ControllerMetrics
from mcp_gateway_operator.runtime.guard import Guard
from mcp_gateway_operator.runtime.lease import Lease
from mcp_gateway_operator.targets.actions import WriteCause

_WRITES: Final = {
    Op.CREATE: (WriteCause.CREATE, WriteCause.DRIFT, WriteCause.MOVE),
    Op.UPDATE: (WriteCause.EDIT, WriteCause.DRIFT, WriteCause.REPAIR, WriteCause.ADOPTION),
    Op.SYNCHRONIZE: (WriteCause.REPAIR, WriteCause.RESYNC),
    Op.DELETE: (WriteCause.DELETE, WriteCause.MOVE, WriteCause.DUPLICATE),
}
_REFUSED: Final = frozenset(
    {
        "CredentialRetrievalError",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidIdentityToken",
        "InvalidSignatureException",
        "MetadataRetrievalError",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SSOError",
        "SSOTokenLoadError",
        "SignatureDoesNotMatch",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
        "UnknownCredentialError",
        "UnrecognizedClientException",
    }
)
"""Codes of AWS and of the SDK that say that there are no credentials, or none that AWS takes."""
_TAKEN: Final = frozenset(
    {
        "OK",
        "AccessDeniedException",
        "ConflictException",
        "ResourceNotFoundException",
        "ServiceQuotaExceededException",
        "ValidationException",
    }
)
"""Codes that AWS answers with once it knows who asks."""


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


class OperatorMetrics:
    """Everything that one process measures.

    Attributes:
        controller: metrics to collect on the event loop.
        process: metrics of the process and of Python, which read files: to collect in a thread.
        runtime: controller-runtime's metrics, with the hooks of workers, queue and transport.
        calls: the last calls for each object.
    """

    def __init__(self, *, version: str) -> None:
        self.controller = CollectorRegistry()
        self.process = CollectorRegistry()
        self.runtime = ControllerMetrics(self.controller, controller=names.SINGULAR)
        ProcessCollector(registry=self.process)
        GCCollector(registry=self.process)
        self._calls = declared.REQUESTS.counter(self.controller)
        self._seconds = declared.REQUEST_SECONDS.histogram(self.controller)
        self._writes = declared.WRITES.counter(self.controller)
        for op, causes in _WRITES.items():
            for cause in causes:
                self._writes.begin(op, cause)
        self._repairs = declared.DRIFT_REPAIRS.counter(self.controller)
        for kind in ("changed", "deleted"):
            self._repairs.begin(kind)
        self._transitions = declared.TRANSITIONS.counter(self.controller)
        for status in ("True", "False", "Unknown"):
            self._transitions.begin(status)
        self._credentials = _Credentials()
        self.calls = RecentCalls()
        self._wall: Callable[[], datetime] = lambda: datetime.now(UTC)
        declared.BUILD.gauge(self.controller, lambda: 1, version, platform.python_version())

    def watch(
        self,
        operator: Operator,
        *,
        workers: int,
        writer: Writer,
        all_namespaces: bool,
        credentials_end: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Read these parts at every scrape from now on.

        Args:
            operator: whose queue, scheduler, observer and objects.
            workers: passes at a time.
            writer: whether this process leads, and where it may write.
            all_namespaces: all objects are watched, so a target without one is an orphan.
            credentials_end: tells the Unix time at which the credentials in use end.
        """
        self.runtime.watch_queue(operator.queue, workers=workers)
        self.runtime.watch_leader(names.LEASE_NAME, lambda: writer.lease.held)
        self._wall = operator.wall
        operator.hooks.on_write = self.on_write
        operator.hooks.on_turn = self.on_turn
        self._credentials.end = credentials_end
        declared.FENCE_SHUT.gauge(self.controller, lambda: writer.shut_for)
        declared.UNSERVED.gauge(self.controller, lambda: len(operator.schema.unserved))
        self.controller.register(_Guard(writer))
        self.controller.register(
            Leading(
                lambda: writer.lease.held,
                Objects(operator),
                Gateways(operator, all_namespaces=all_namespaces),
                Classes(operator, all_namespaces=all_namespaces),
                Outages(operator.causes),
                Waiting(operator.schedulers),
                self._credentials,
            )
        )

    def watch_certificate(self, certificate: Certificate) -> None:
        """Show how often the server's certificate was read, and could not be used."""
        self.controller.register(_CertificateReads(certificate))

    def on_call(self, method: str, code: str, seconds: float, request_id: str = "") -> None:
        """Count an AWS call under the operator's own identity; the hook of the AgentCore adapter."""
        self._credentials.heard(code)
        self.on_call_elsewhere(method, code, seconds, request_id)

    def on_call_elsewhere(self, method: str, code: str, seconds: float, request_id: str = "") -> None:
        """Count an AWS call by the session of a role, or in another Region."""
        operation = "".join(part.capitalize() for part in method.split("_"))
        self._calls.inc(operation, code)
        self._seconds.labels(operation).observe(seconds)
        call = Call(self._wall(), operation, code, round(1000 * seconds), request_id)
        self.calls.note(call)

    def explain(self, operator: Operator, namespace: str, name: str) -> bytes | None:
        """Return as JSON what an operator would do for an object now, and its last calls to AWS.

        No text of a spec or of AWS's is in it. None where this process does not know the object.
        """
        key = namespace, name
        told = operator.reconciler.explain(key)
        if told is None:
            return None
        calls = [each._asdict() for each in self.calls.of(key)]
        return msgspec.json.encode({"namespace": namespace, "name": name, **told, "calls": calls})

    def on_write(self, op: str, cause: str) -> None:
        """Count a write to AWS; the hook of the passes."""
        self._writes.inc(op, cause)
        if cause == WriteCause.DRIFT:
            self._repairs.inc("deleted" if op == Op.CREATE else "changed")

    def on_turn(self, before: str, after: str) -> None:
        """Count a turn of Ready; the hook of the passes."""
        if before != after:
            self._transitions.inc(after)


class _Credentials(Collector):
    """Whether AWS takes the operator's credentials, as its latest answer shows, and until when."""

    def __init__(self) -> None:
        self.end: Callable[[], float | None] = lambda: None
        self._valid: bool | None = None

    def heard(self, code: str) -> None:
        if code in _REFUSED:
            self._valid = False
        elif code in _TAKEN:
            self._valid = True

    def collect(self) -> Iterable[Metric]:
        valid, expiry = declared.CREDENTIALS_VALID.gauges(), declared.CREDENTIALS_EXPIRY.gauges()
        if self._valid is not None:
            valid.add_metric([], self._valid)
        if (end := self.end()) is not None:
            expiry.add_metric([], end)
        return [valid, expiry]


class _Guard(Collector):
    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def collect(self) -> Iterable[Metric]:
        family = declared.GUARD.gauges()
        counts = self._writer.guard.counts()
        for state in STATES:
            family.add_metric([state], counts[state])
        return [family]


class _CertificateReads(Collector):
    """Under controller-runtime's names for its certificate watcher."""

    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate

    def collect(self) -> Iterable[Metric]:
        read, failed = declared.CERTIFICATE_READ.counters(), declared.CERTIFICATE_ERRORS.counters()
        read.add_metric([], self._certificate.reads)
        failed.add_metric([], self._certificate.failures)
        return [read, failed]
