"""From flags to a running process: what is checked before the start, and how the parts are wired."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from mcp_gateway_operator import __version__
from mcp_gateway_operator.agentcore.aws import (
    Boto3AgentCore,
    Boto3Sessions,
    Threads,
)
from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.cli.explain import (
    advice,
    explain_troubles,
    why_no_lease,
    why_not_ready,
    why_shut,
)
from mcp_gateway_operator.cli.lease_times import LeaseTimes
from mcp_gateway_operator.cli.leases import Leases, Writer, now
from mcp_gateway_operator.cli.metrics_setup import ProcessMetrics
from mcp_gateway_operator.cli.options import is_namespace, no_namespace
from mcp_gateway_operator.cli.startup import USER_AGENT, StartupError, network_of_environment, region_of
from mcp_gateway_operator.controller.operator import Operator, OperatorConfig
from mcp_gateway_operator.runtime import kubeconfig as kubeconfigs
from mcp_gateway_operator.runtime import logs
from mcp_gateway_operator.runtime.causes import Causes
from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator.runtime.events import EventRecorder, ObjectRef
from mcp_gateway_operator.runtime.health import Health
from mcp_gateway_operator.runtime.http import BindAddress, HttpServer, Server, ServerError
from mcp_gateway_operator.runtime.lease import Lease
from mcp_gateway_operator.runtime.log_output import Rate
from mcp_gateway_operator.runtime.manager import Manager, Parts
from mcp_gateway_operator.runtime.transport import KubeCluster, connect
from mcp_gateway_operator.runtime.workers import Workers
from mcp_gateway_operator.targets.known import AgentCoreError

WORKERS = 16
"""Passes at a time: as many as there are threads for the calls of one account and Region."""
THREADS = 20
"""For reads of all accounts and Regions, and as many for writes: of one account and Region at most 8."""
OTHER_THREADS = 4
"""For all else that blocks."""
REACH_TRIES = 3
REACH_PAUSE = 2.0
"""How often, and seconds apart, the API server is tried before the start is given up."""
POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

log = structlog.get_logger(__name__)


class ProcessOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Every flag of `run`, as it was given; durations in seconds."""

    gateway_id: str
    default_gateway_ref: str
    require_gateway_ref: bool
    aws_region: str
    aws_quotas: Quotas
    drift_interval: float
    sweep_interval: float
    ready_unknown_after: float
    owner_id: tuple[str, ...]
    owner_marker: bool
    allow_adoption: bool
    default_deletion_policy: str
    watch_namespaces: tuple[str, ...]
    kubeconfig: str
    context: str
    leader_elect: bool
    leader_elect_lease_duration: float
    leader_elect_renew_deadline: float
    leader_elect_retry_period: float
    leader_election_namespace: str
    guard_namespace: str
    health_probe_bind_address: str
    metrics_bind_address: str
    metrics_secure: bool
    metrics_cert_path: str
    metrics_cert_name: str
    metrics_cert_key: str
    enable_http2: bool
    webhook_cert_path: str
    webhook_cert_name: str
    webhook_cert_key: str
    zap_log_level: str
    zap_encoder: Literal["json", "console"] | None
    zap_devel: bool
    zap_stacktrace_level: str
    zap_time_encoding: Literal["epoch", "millis", "nano", "iso8601", "rfc3339", "rfc3339nano"]
    log_rate: str

    def __post_init__(self) -> None:
        for address in (self.health_probe_bind_address, self.metrics_bind_address):
            BindAddress.parse(address)
        for level in filter(None, (self.zap_log_level, self.zap_stacktrace_level)):
            logs.parse_level(level)
        Rate.parse(self.log_rate)
        assert self.lease_times.call_seconds

    @property
    def lease_times(self) -> LeaseTimes:
        """The times of every Lease."""
        return LeaseTimes(
            duration=self.leader_elect_lease_duration,
            renew_deadline=self.leader_elect_renew_deadline,
            retry_period=self.leader_elect_retry_period,
        )

    @property
    def call_seconds(self) -> float:
        """The longest that a call to AWS may take, in seconds: the Leases have to outlive it."""
        return self.lease_times.call_seconds

    def configure_logs(self) -> logs.Report:
        """Set the logs up as the flags say; return what tells of lines that are not in them."""
        return logs.configure(
            encoder=self.zap_encoder or ("console" if self.zap_devel else None),
            level=self.zap_log_level or ("debug" if self.zap_devel else "info"),
            stacktrace_level=self.zap_stacktrace_level or ("warn" if self.zap_devel else "error"),
            time_encoding=self.zap_time_encoding,
            rate=Rate.parse(self.log_rate),
        )


async def run_operator(options: ProcessOptions, report: logs.Report) -> int:
    """Run the operator to its end and return the exit status.

    Args:
        options: all flags.
        report: tells of lines that are not in the log.

    Raises:
        StartupError: no cluster, no Region, or the API server does not answer.
    """
    region = region_of(options.aws_region)
    # Else as many as there are processors and more: files and the login to Kubernetes need a few.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(OTHER_THREADS, "other"))
    network = network_of_environment()
    metrics = ProcessMetrics(options)
    cluster, lease_connection, config = _connect(options, metrics)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(cluster.close)
        stack.push_async_callback(lease_connection.close)
        await _reach(cluster)
        agentcore = Boto3AgentCore(
            region=region,
            user_agent=USER_AGENT,
            call_seconds=options.call_seconds,
            threads=Threads.of(THREADS),
            on_call=metrics.on_call,
            authorities=stack.enter_context(network.authorities()),
            proxy_for=lambda url: str(network.proxy_for(url) or ""),
        )
        stack.push_async_callback(agentcore.close)
        leases = Leases(
            lease_connection,
            server=config.cluster.server,
            namespace=_lease_namespace(options, config),
            times=options.lease_times,
        )
        lease = leases.replicas()
        rng = random.Random()  # noqa: S311  -- spreads load and makes tokens unique, guards nothing
        events = EventRecorder(
            cluster, component="mcp-gateway-operator", instance=lease.identity, wall=now, rng=rng
        )
        guard = leases.guard(events, options.watch_namespaces, home=options.guard_namespace)
        writer = Writer(lease, guard)
        operator = Operator(
            operator_config(options),
            cluster=cluster,
            agentcore=agentcore,
            events=events,
            wall=now,
            rng=rng,
            territory=writer,
            causes=_causes(events, lease),
        )
        operator.accounts.opener = Boto3Sessions(agentcore, on_call=metrics.on_call_elsewhere)
        guard.on_change = operator.reconciler.on_territory
        try:
            servers = metrics.servers(
                operator,
                cluster,
                workers=WORKERS,
                writer=writer,
                credentials_end=agentcore.credentials_end,
            )
        except ServerError as error:
            raise StartupError(f"The metrics cannot be served: {error}") from error
        manager = Manager(_parts(options, operator, writer, events, servers, metrics))
        _say_hello(options, region)
        beside = [asyncio.create_task(each) for each in (explain_troubles(operator.informer), report.run())]
        try:
            return await manager.run()
        finally:
            for task in beside:
                task.cancel()


def _causes(events: EventRecorder, lease: Lease) -> Causes:
    """Return what tells of outages, by Events on the Lease of the replicas, in the operator's namespace."""
    ref = ObjectRef("coordination.k8s.io/v1", "Lease", *lease.place, "")
    return Causes(partial(events.record, ref))


def _parts(
    options: ProcessOptions,
    operator: Operator,
    writer: Writer,
    events: EventRecorder,
    servers: tuple[Server, ...],
    metrics: ProcessMetrics,
) -> Parts[tuple[str, str]]:
    health = Health()
    health.add_readiness("mcpservers", lambda: why_not_ready(operator.informer))
    health.add_readiness("crd", lambda: None, note=operator.schema.note)
    health.add_readiness("aws", lambda: None, note=operator.causes.note)
    health.add_readiness("lease", lambda: why_no_lease(writer.lease))
    health.add_readiness("guard", writer.guard.why_nothing, note=writer.guard.notes)
    health.add_readiness("fence", lambda: why_shut(writer.shut_for, options.call_seconds))
    address = BindAddress.parse(options.health_probe_bind_address)

    async def stopping() -> None:
        operator.close()

    return Parts(
        queue=operator.queue,
        workers=Workers(
            operator.queue,
            operator.reconciler.reconcile,
            count=WORKERS,
            expected=(AgentCoreError, TimeoutError),
            on_pass=metrics.on_pass,
        ),
        informers=(operator.informer,),
        lease=writer.lease,
        guard=writer.guard,
        lease_required=options.leader_elect,
        health=health,
        servers=(*((HttpServer(health, address),) if address else ()), *servers),
        events=events,
        prepare=operator.prepare,
        lead=(("observer", operator.observe),),
        stopping=stopping,
    )


def operator_config(options: ProcessOptions) -> OperatorConfig:
    """Return what the flags say of the work itself."""
    return OperatorConfig(
        gateway_id=options.gateway_id,
        default_gateway_ref=options.default_gateway_ref,
        require_gateway_ref=options.require_gateway_ref,
        owner_ids=options.owner_id,
        owner_marker=options.owner_marker,
        allow_adoption=options.allow_adoption,
        default_deletion_policy=options.default_deletion_policy,
        drift_interval=options.drift_interval,
        sweep_interval=options.sweep_interval,
        ready_unknown_after=options.ready_unknown_after,
        call_seconds=options.call_seconds,
        quotas=options.aws_quotas,
        namespaces=options.watch_namespaces,
    )


def _connect(
    options: ProcessOptions, metrics: ProcessMetrics
) -> tuple[KubeCluster, KubeCluster, kubeconfigs.ClusterConfig]:
    """Return a connection for the work, one for the lease alone, and where both lead."""
    kubeconfig, context = options.kubeconfig or None, options.context or None
    try:
        config = kubeconfigs.find(kubeconfig=kubeconfig, context=context)
        work, lease = (
            connect(
                kubeconfig=kubeconfig,
                context=context,
                user_agent=USER_AGENT,
                on_request=metrics.on_request,
            )
            for _ in range(2)
        )
    except kubeconfigs.ClusterConfigError as error:
        raise StartupError(str(error)) from error
    return work, lease, config


async def _reach(cluster: KubeCluster) -> None:
    """Try the API server before anything else: a wrong kubeconfig deserves a sentence, not a loop."""
    for attempt in range(1, REACH_TRIES + 1):
        try:
            await cluster.get_path("/version")
        except ApiError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                raise StartupError(advice(error)) from error
            if not error.unavailable:
                log.warning("the API server does not tell its version", error=str(error))
                return
            if attempt == REACH_TRIES:
                raise StartupError(
                    f"The Kubernetes API server cannot be reached: {error}. Check the kubeconfig, its "
                    "context, and that the cluster is up."
                ) from error
            await asyncio.sleep(REACH_PAUSE)
        else:
            return


def _lease_namespace(options: ProcessOptions, config: kubeconfigs.ClusterConfig) -> str:
    namespace = options.leader_election_namespace or _namespace(config)
    if not is_namespace(namespace):
        raise StartupError(
            f"{no_namespace(namespace)}. POD_NAMESPACE or the kubeconfig's context gives it for the Lease: "
            "set --leader-election-namespace."
        )
    return namespace


def _namespace(config: kubeconfigs.ClusterConfig) -> str:
    """Return where the Lease is: the pod's namespace, else the context's."""
    if given := os.environ.get("POD_NAMESPACE"):
        return given
    if "KUBERNETES_SERVICE_HOST" in os.environ and POD_NAMESPACE.is_file():
        return POD_NAMESPACE.read_text(encoding="utf-8").strip()
    return config.namespace or "default"


def _say_hello(options: ProcessOptions, region: str) -> None:
    log.info(
        "starting",
        version=__version__,
        region=region,
        gateway=options.gateway_id or "none: every object must name its own",
        namespaces=options.watch_namespaces or "all",
    )
    if options.webhook_cert_path:
        log.info("the --webhook-cert flags are accepted and ignored: nothing here needs a webhook")
    if options.enable_http2:
        log.info("--enable-http2 is accepted and does nothing: metrics are served over HTTP/1.1")
