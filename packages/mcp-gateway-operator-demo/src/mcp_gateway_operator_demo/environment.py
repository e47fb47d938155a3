"""A whole installation on loopback: API server, simulated AWS, and the operator as a process of its own.

The operator runs with its ServiceAccount's token and nothing else, so what `config/rbac` grants is what it
lives with. The demo, the integration tests and the benchmarks all use this.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

import httpx2
import yaml

from agentcore_simulator import AdminClient
from mcp_gateway_operator_demo.localcluster import LocalCluster, ensure_binaries
from mcp_gateway_operator_demo.localcluster.server_process import ServerProcess
from mcp_gateway_operator_demo.project_files import project_dir

NAMESPACE: Final = "agent-op-system"
SERVICE_ACCOUNT: Final = "agent-op-controller-manager"
NAME_PREFIX: Final = "agent-op-"
REGION: Final = "us-east-1"
GATEWAY: Final = "demo-gateway-abcdefghij"
START_SECONDS: Final = 30.0
"""How long a process may take until it answers; it takes two on an idle machine."""
NOT_INHERITED: Final = (
    *("AWS_", "MCPS_", "GATEWAY_ID", "KUBE", "POD_", "XDG_RUNTIME_DIR"),
    *("SSL_CERT_", "REQUESTS_CA_BUNDLE"),
)
"""Variables of the caller's own installation, which must not leak into a local one.

Nor the certificates that it trusts: all is on loopback, and a directory of them takes a tenth of a second.
"""


class StartError(RuntimeError):
    """A process did not come up; the message ends with the last lines it wrote."""


class Simulated:
    """The simulator as a process."""

    def __init__(self, directory: Path, arguments: Sequence[str] = ()) -> None:
        ready = directory / "simulator.url"
        self._process = _python(
            "simulator",
            [
                "agentcore_simulator",
                "--port",
                "0",
                "--region",
                REGION,
                "--ready-file",
                str(ready),
                *arguments,
            ],
            log=directory / "simulator.log",
        )
        self._process.start()
        _wait(ready.is_file, self._process)
        self.url = ready.read_text(encoding="utf-8").strip()
        self.admin = AdminClient.over_http(self.url)

    @property
    def pid(self) -> int:
        """The process id."""
        pid = self._process.pid
        assert pid is not None
        return pid

    def stop(self) -> None:
        """End the process."""
        self._process.stop(5.0)


class OperatorProcess:
    """`mcp-gateway-operator run` as a process, with no credentials but the ServiceAccount's and made-up keys.

    Args:
        arguments: flags behind those that a local run always needs.
        environment: variables that replace those set here.
    """

    def __init__(
        self,
        directory: Path,
        *,
        kubeconfig: Path,
        endpoint_url: str,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = directory / "operator.log"
        self.health = f"http://127.0.0.1:{free_port()}"
        # One for all probes, and without certificates: loading them takes 50 ms, twenty times a second.
        self._probe = httpx2.Client(base_url=self.health, timeout=2.0, trust_env=False, verify=False)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
        self._process = self._made(
            [
                "run",
                f"--kubeconfig={kubeconfig}",
                f"--health-probe-bind-address={self.health.removeprefix('http://')}",
                f"--aws-region={REGION}",
                *arguments,
            ],
            log=self.log,
            environ={
                **inherited,
                "AWS_ENDPOINT_URL": endpoint_url,
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": secrets.token_hex(8),
                "AWS_EC2_METADATA_DISABLED": "true",
                # Where the lock lies that proves a predecessor dead: beside the rest, gone with it.
                "XDG_RUNTIME_DIR": str(directory),
                **(environment or {}),
            },
        )
        self._process.start()

    @staticmethod
    def _made(arguments: Sequence[str], *, log: Path, environ: Mapping[str, str]) -> ServerProcess:
        return _python("operator", ["mcp_gateway_operator", *arguments], log=log, environ=environ)

    @property
    def pid(self) -> int:
        """The process id."""
        pid = self._process.pid
        assert pid is not None
        return pid

    @property
    def returncode(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.returncode

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Block until /readyz answers.

        Raises:
            StartError: it ended, or does not become ready within so many seconds.
        """
        _wait(self._is_ready, self._process, seconds)

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for the end and tell whether it came."""
        return self._process.wait(seconds)

    def stop(self, grace: float = 20.0) -> None:
        """End it as Kubernetes does: SIGTERM, and SIGKILL after the grace period."""
        self._probe.close()
        self._process.stop(grace)

    def _is_ready(self) -> bool:
        try:
            return self._probe.get("/readyz").status_code == httpx2.codes.OK
        except httpx2.TransportError:
            return False


class Environment:
    """Cluster, simulator and operator; stops all of them at the end of the `with` block."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.cluster: LocalCluster
        self.simulator: Simulated
        self.operator: OperatorProcess
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_cluster(self, progress: Callable[[str], None]) -> None:
        """Get the programs, start the API server, install the CRD and the RBAC."""
        binaries = ensure_binaries(progress=progress)
        self.cluster = LocalCluster.start(binaries, directory=self.directory / "cluster", progress=progress)
        self._stack.callback(self.cluster.stop)
        install(self.cluster, self.directory / "install")

    def start_simulator(self, *arguments: str) -> None:
        """Start the simulated AWS with one gateway."""
        self.simulator = Simulated(self.directory, ["--gateway", GATEWAY, *arguments])
        self._stack.callback(self.simulator.stop)

    def start_operator(self, *arguments: str, seconds: float = START_SECONDS) -> None:
        """Start the operator with its ServiceAccount's token and wait until it is ready, so many seconds."""
        kubeconfig = self.cluster.service_account_kubeconfig(
            NAMESPACE, SERVICE_ACCOUNT, path=self.directory / "operator.kubeconfig"
        )
        self.operator = OperatorProcess(
            self.directory,
            kubeconfig=kubeconfig,
            endpoint_url=self.simulator.url,
            arguments=[f"--gateway-id={GATEWAY}", f"--leader-election-namespace={NAMESPACE}", *arguments],
        )
        self._stack.callback(self.operator.stop)
        self.operator.wait_ready(seconds)


def install(
    cluster: LocalCluster, directory: Path, *, namespace: str = NAMESPACE, prefix: str = NAME_PREFIX
) -> None:
    """Install the CRD and the RBAC of `config/default`; no Deployment, for nothing runs pods here.

    Args:
        cluster: where to.
        directory: for the rendered files; made here.
        namespace: of the operator; made when absent.
        prefix: of the names of what is installed.
    """
    directory.mkdir(parents=True)
    for part in ("crd", "rbac"):
        shutil.copytree(project_dir(f"config/{part}"), directory / part)
    whole = yaml.safe_load((project_dir("config/default") / "kustomization.yaml").read_text(encoding="utf-8"))
    overlay = {
        "namespace": namespace,
        "namePrefix": prefix,
        "resources": ["crd", "rbac"],
        "replacements": whole["replacements"],
    }
    (directory / "kustomization.yaml").write_text(json.dumps(overlay), encoding="utf-8")
    cluster.create_namespace(namespace)
    rendered = cluster.kubectl("kustomize", str(directory)).stdout
    cluster.apply(rendered)


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _python(
    name: str, arguments: Sequence[str], *, log: Path, environ: Mapping[str, str] | None = None
) -> ServerProcess:
    """A process of the module that the first argument names."""
    argv = [sys.executable, "-m", *arguments]
    return ServerProcess(name, argv, log=log, environ=environ)


def _wait(holds: Callable[[], bool], process: ServerProcess, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if process.returncode is not None:
            raise StartError(f"The {process.name} ended with status {process.returncode}:\n{process.tail()}")
        if time.monotonic() > deadline:
            raise StartError(f"The {process.name} is not ready after {seconds:.0f} s:\n{process.tail()}")
        process.wait(0.05)
