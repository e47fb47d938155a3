"""`run`: the operator as a process. Flags are the Go operator's, and ours."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any, Final

import click
import structlog

from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.cli.options import (
    Duration,
    GatewayId,
    Namespace,
    Namespaces,
    OwnerIds,
    QuotaList,
    option,
    switch,
)
from mcp_gateway_operator.cli.process import ProcessOptions, run_operator
from mcp_gateway_operator.cli.startup import StartupError

_EXAMPLE: Final = """
\b
Examples:
  mcp-gateway-operator run --gateway-id=my-gateway-abcde12345
  mcp-gateway-operator run --zap-encoder=console --leader-elect=false
"""

log = structlog.get_logger(__name__)


@click.command("run", epilog=_EXAMPLE)
@option(
    "--gateway-id", env="GATEWAY_ID", type=GatewayId(), default="", help="For objects that name no gateway."
)
@option(
    "--default-gateway-ref",
    default="",
    help="MCPGateway for objects that name no gateway and have no target.",
)
@switch("--require-gateway-ref", default=False, help="Use no gateway that no MCPGateway covers.")
@option("--aws-region", env="AWS_REGION", default="", help="AWS Region; else what the SDK finds.")
@option(
    "--aws-quotas", type=QuotaList(), default="default", help="default, unlimited or create=5,update=5,..."
)
@option("--drift-interval", type=Duration(), default="60s", help="Between two looks at an idle gateway.")
@option(
    "--ready-unknown-after",
    type=Duration(),
    default="10m",
    help="Without a good list of a gateway, before Ready is Unknown; three drift intervals at least.",
)
@option("--sweep-interval", type=Duration(), default="6h", help="Between two full comparisons of a target.")
@option(
    "--owner-id", type=OwnerIds(), default="", help="Names this installation in markers, old names after it."
)
@switch("--owner-marker", default=True, help="Mark targets as ours in their description.")
@switch("--allow-adoption", default=False, help="Let objects take over targets that others made.")
@option(
    "--default-deletion-policy",
    type=click.Choice(["Delete", "Retain"]),
    default="Delete",
    help="For objects that name no deletionPolicy.",
)
@option("--watch-namespaces", type=Namespaces(), default="", help="Only these, comma-separated; else all.")
@option(
    "--kubeconfig", default="", help="Kubeconfig file; else KUBECONFIG, the pod's account, ~/.kube/config."
)
@option("--context", default="", help="Context of the kubeconfig; else its current one.")
@switch("--leader-elect", default=False, help="Do not write without the Lease, even where RBAC denies it.")
@option(
    "--leader-elect-lease-duration", type=Duration(), default="60s", help="After which others may take over."
)
@option(
    "--leader-elect-renew-deadline", type=Duration(), default="40s", help="After which this process gives up."
)
@option("--leader-elect-retry-period", type=Duration(), default="5s", help="Between two renewals.")
@option(
    "--leader-election-namespace",
    type=Namespace(),
    default="",
    help="Of the Lease; else the pod's or the context's.",
)
@option(
    "--guard-namespace",
    type=Namespace(),
    default="",
    help="Of the Leases against other installations; else kube-system, or each watched namespace.",
)
@option("--health-probe-bind-address", default=":8081", help="Of /healthz and /readyz; 0 turns them off.")
@option("--metrics-bind-address", default="0", help="Of /metrics, such as :8443; 0 turns it off.")
@switch("--metrics-secure", default=True, help="TLS, and callers that Kubernetes knows and allows.")
@option("--metrics-cert-path", default="", help="Directory of the metrics certificate; else self-signed.")
@option("--metrics-cert-name", default="tls.crt", help="Certificate in --metrics-cert-path.")
@option("--metrics-cert-key", default="tls.key", help="Key in --metrics-cert-path.")
@switch("--enable-http2", default=False, help="Accepted for compatibility: metrics are HTTP/1.1.")
@option("--webhook-cert-path", default="", help="Accepted for compatibility: there is no webhook.")
@option("--webhook-cert-name", default="tls.crt", help="As --webhook-cert-path.")
@option("--webhook-cert-key", default="tls.key", help="As --webhook-cert-path.")
@option("--zap-log-level", default="", help="debug, info, warn, error, panic or a number [default: info].")
@option(
    "--zap-encoder",
    type=click.Choice(["json", "console"]),
    default=None,
    help="One JSON object a line, or lines for people [default: these on a terminal].",
)
@switch("--zap-devel", default=False, help="Console lines, debug level, tracebacks from warnings on.")
@option("--zap-stacktrace-level", default="", help="From which level on tracebacks are printed.")
@option(
    "--zap-time-encoding",
    type=click.Choice(["epoch", "millis", "nano", "iso8601", "rfc3339", "rfc3339nano"]),
    default="rfc3339",
    help="Form of the timestamps.",
)
@option(
    "--log-rate",
    default="100:1000",
    metavar="RATE",
    help="Log lines a second and at once, and as many warnings and errors; or unlimited.",
)
@switch("--dry-run", default=False, help="Decide everything once, write nothing, say it in the log, and end.")
def command(*, aws_quotas: Quotas, dry_run: bool, **flags: Any) -> None:
    """Run the operator until SIGTERM, SIGINT or SIGHUP.

    Every flag is also an environment variable: --drift-interval is MCPS_DRIFT_INTERVAL. AWS credentials and
    AWS_ENDPOINT_URL are found as every AWS SDK does.

    With --dry-run nothing is written, not even to Kubernetes: no Lease, finalizer, status or Event. What an
    operator with these flags would do, all its waits over, is in the log. Rights to read are enough.

    Exit status: 0 after a signal or a dry run, 1 when it cannot go on (the last line says why), 2 for a wrong
    flag.
    """
    if dry_run:
        # All of it is the answer.
        flags["log_rate"] = "unlimited"
    try:
        options = ProcessOptions(aws_quotas=aws_quotas, **flags)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    report = options.configure_logs()
    if dry_run:
        # Imported when it is asked for: `run` itself must stay small.
        importlib.import_module("mcp_gateway_operator.cli.dry_run").decide(options)
        return
    try:
        status = asyncio.run(run_operator(options, report))
    except StartupError as error:
        log.error(str(error))  # noqa: TRY400  -- the sentence is for the user, who needs no traceback
        raise SystemExit(1) from error
    raise SystemExit(status)
