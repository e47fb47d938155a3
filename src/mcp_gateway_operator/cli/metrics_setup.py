"""The metrics of `run`: while they are off nothing at all, else hooks and the server of the flags."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from mcp_gateway_operator import __version__
from mcp_gateway_operator.agentcore.port import OnCall
from mcp_gateway_operator.controller.operator import Operator
from mcp_gateway_operator.runtime.cluster import Cluster
from mcp_gateway_operator.runtime.http import BindAddress, Server
from mcp_gateway_operator.runtime.transport import OnRequest
from mcp_gateway_operator.runtime.workers import OnPass

if TYPE_CHECKING:
    from mcp_gateway_operator.cli.leases import Writer
    from mcp_gateway_operator.cli.process import ProcessOptions
    from mcp_gateway_operator.controller.metrics import OperatorMetrics

log = structlog.get_logger(__name__)


def _nothing(*_: object) -> None:
    """Stand for every hook while metrics are off."""


class ProcessMetrics:
    """What one process measures.

    Attributes:
        on_request: hook of the connections to the API server.
        on_call: hook of the AgentCore adapter.
        on_call_elsewhere: the same of sessions of roles and of other Regions.
        on_pass: hook of the workers.
    """

    def __init__(self, options: ProcessOptions) -> None:
        self._options = options
        self._address = BindAddress.parse(options.metrics_bind_address)
        self._metrics: OperatorMetrics | None = None
        self.on_request: OnRequest = _nothing
        self.on_call: OnCall = _nothing
        self.on_call_elsewhere: OnCall = _nothing
        self.on_pass: OnPass = _nothing
        if self._address is not None:
            from mcp_gateway_operator.controller.metrics import OperatorMetrics  # noqa: PLC0415  -- only if on

            self._metrics = OperatorMetrics(version=__version__)
            self.on_request = self._metrics.runtime.on_request
            self.on_call = self._metrics.on_call
            self.on_call_elsewhere = self._metrics.on_call_elsewhere
            self.on_pass = self._metrics.runtime.on_pass

    def servers(
        self,
        operator: Operator,
        cluster: Cluster,
        *,
        workers: int,
        writer: Writer,
        credentials_end: Callable[[], float | None],
    ) -> tuple[Server, ...]:
        """Return what serves the metrics: one server, or none while they are off.

        Args:
            operator: read at every scrape.
            cluster: where callers are looked up.
            workers: passes at a time.
            writer: whether this process leads, and where it may write.
            credentials_end: tells the Unix time at which the credentials in use end.

        Raises:
            ServerError: the certificate cannot be used.
        """
        if self._metrics is None or self._address is None:
            return ()
        from mcp_gateway_operator.runtime.access import AccessGuard  # noqa: PLC0415  -- only if on
        from mcp_gateway_operator.runtime.certificates import PairFiles  # noqa: PLC0415  -- only if on
        from mcp_gateway_operator.runtime.metrics_server import (  # noqa: PLC0415  -- only if on
            OBJECTS,
            PATH,
            MetricsEndpoint,
            MetricsServer,
            open_certificate,
        )

        options, metrics = self._options, self._metrics
        metrics.watch(
            operator,
            workers=workers,
            writer=writer,
            all_namespaces=not options.watch_namespaces,
            credentials_end=credentials_end,
        )
        guard = certificate = objects = None
        if options.metrics_secure:
            guard = AccessGuard(cluster, path=PATH)
            objects = (AccessGuard(cluster, path=OBJECTS), partial(metrics.explain, operator))
            directory = options.metrics_cert_path
            files = PairFiles(
                Path(directory, options.metrics_cert_name), Path(directory, options.metrics_cert_key)
            )
            certificate = open_certificate(files if directory else None)
            metrics.watch_certificate(certificate)
        log.info("metrics", address=options.metrics_bind_address, secure=options.metrics_secure)
        return (
            MetricsServer(
                MetricsEndpoint(metrics.controller, metrics.process, guard, objects),
                self._address,
                certificate=certificate,
            ),
        )
