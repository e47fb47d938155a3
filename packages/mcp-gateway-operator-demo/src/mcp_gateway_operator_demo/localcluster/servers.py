"""How etcd and kube-apiserver are started: their command lines, their ports and when they count as ready."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path

from mcp_gateway_operator_demo.localcluster.errors import ClusterStartError
from mcp_gateway_operator_demo.localcluster.server_process import ServerProcess

LOOPBACK = "127.0.0.1"
_POLL = 0.05  # seconds
_ATTEMPTS = 3
_PORT_TAKEN = "address already in use"
# Below the range that Linux and macOS hand out to outgoing connections, so that a restarted server finds its
# port still free.
_PORTS = range(20_000, 32_000)

_UNUSED_METRICS = (
    "apiserver_request_body_size_bytes",
    "apiserver_request_duration_seconds",
    "apiserver_request_sli_duration_seconds",
    "apiserver_response_sizes",
    "apiserver_watch_cache_initialization_duration_seconds",
    "apiserver_watch_cache_read_wait_seconds",
    "apiserver_watch_events_dispatch_duration_seconds",
    "apiserver_watch_events_sizes",
    "apiserver_watch_list_duration_seconds",
    "etcd_request_duration_seconds",
)


def free_port() -> int:
    """Return a TCP port that nobody on loopback listens on at this moment.

    Raises:
        ClusterStartError: a thousand ports in a row are taken.
    """
    for _ in range(1000):
        port = secrets.choice(_PORTS)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise ClusterStartError(f"No free TCP port between {_PORTS.start} and {_PORTS.stop} on loopback")


def start_on_free_ports(
    make: Callable[[], ServerProcess], ready: Callable[[], bool], *, timeout: float
) -> ServerProcess:
    """Start the server that `make` describes and wait until it is ready.

    Another process can take a port between `free_port` and the server's bind; then `make` is asked again.

    Args:
        make: returns a server that is not started yet, with its ports chosen.
        ready: tells whether the server that was made last serves; must not block for long and not raise.
        timeout: seconds until it counts as stuck.

    Raises:
        ClusterStartError: it died or is not ready in time. It does not run any more then.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        server = make()
        try:
            start(server, ready, timeout=timeout)
        except ClusterStartError:
            if attempt == _ATTEMPTS or _PORT_TAKEN not in server.tail():
                raise
        else:
            return server
    raise AssertionError("unreachable: the last attempt returns or raises")


def start(server: ServerProcess, ready: Callable[[], bool], *, timeout: float) -> None:
    """Start `server` and wait until it is ready; see `start_on_free_ports` for arguments and errors."""
    try:
        server.start()
    except OSError as error:
        raise ClusterStartError(f"{server.name} cannot be started: {error}") from error
    try:
        _wait(server, ready, timeout)
    except BaseException:  # Ctrl-C as well: nothing of ours stays behind
        server.stop(grace=0)
        raise


def check(server: ServerProcess) -> None:
    """Raise ClusterStartError, with the last log lines, when `server` has ended by itself."""
    if server.wait(0):
        raise ClusterStartError(
            f"{server.name} ended with status {server.returncode}. Its last lines:\n{server.tail()}"
        )


def _wait(server: ServerProcess, ready: Callable[[], bool], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        server.wait(_POLL)
        check(server)
        if time.monotonic() >= deadline:
            raise ClusterStartError(
                f"{server.name} was not ready after {timeout:.0f} s. Its last lines:\n{server.tail()}"
            )


def etcd(program: Path, *, directory: Path, client_port: int, peer_port: int) -> ServerProcess:
    """Describe an etcd for throw-away data: no fsync, so a power failure may lose it."""
    client = f"http://{LOOPBACK}:{client_port}"
    peer = f"http://{LOOPBACK}:{peer_port}"
    argv = [
        str(program),
        "--name=local",
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=local={peer}",
        "--unsafe-no-fsync",
        # One member needs no time to hear from others; by default it waits up to a second to elect itself.
        # It wakes up once an interval, for nothing: at 10 ms that is 1.4 % of a core.
        "--heartbeat-interval=50",
        "--election-timeout=250",
        # A benchmark writes more than the 2 GB that are the default.
        "--quota-backend-bytes=8589934592",
        "--log-level=warn",
    ]
    return ServerProcess("etcd", argv, log=directory / "etcd.log", environ=_environ())


def kube_apiserver(program: Path, *, directory: Path, pki: Path, etcd_port: int, port: int) -> ServerProcess:
    """Describe an API server with RBAC and no controllers."""
    argv = [
        str(program),
        f"--etcd-servers=http://{LOOPBACK}:{etcd_port}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={pki / 'server.crt'}",
        f"--tls-private-key-file={pki / 'server.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        f"--service-account-key-file={pki / 'service-account.key'}",
        "--service-cluster-ip-range=10.0.0.0/24",
        # The default plugin that needs a controller: it refuses pods until somebody makes the default
        # ServiceAccount of their namespace. envtest switches it off too.
        "--disable-admission-plugins=ServiceAccount",
        # Nothing routes to the Service "kubernetes", and the reconciler delays the shutdown.
        "--endpoint-reconciler-type=none",
        "--allow-privileged=true",
        "--profiling=false",
        # Nobody looks at them here, and they are four fifths of what a look at the others takes.
        f"--disabled-metrics={','.join(_UNUSED_METRICS)}",
    ]
    return ServerProcess("kube-apiserver", argv, log=directory / "kube-apiserver.log", environ=_environ())


def _environ() -> dict[str, str]:
    # etcd takes every ETCD_* variable for a flag.
    return {name: value for name, value in os.environ.items() if not name.startswith("ETCD_")}
