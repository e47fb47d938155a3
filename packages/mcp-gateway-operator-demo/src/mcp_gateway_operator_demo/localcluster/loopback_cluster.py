"""One kube-apiserver with its etcd, from start to removal."""

from __future__ import annotations

import atexit
import datetime as dt
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx2

from mcp_gateway_operator_demo.localcluster import servers
from mcp_gateway_operator_demo.localcluster.api_requests import answers, is_established, request
from mcp_gateway_operator_demo.localcluster.binaries import Binaries, ensure_binaries
from mcp_gateway_operator_demo.localcluster.errors import ClusterRequestError, ClusterStartError
from mcp_gateway_operator_demo.localcluster.kubeconfig_file import write_kubeconfig
from mcp_gateway_operator_demo.localcluster.pki import Authority, Identity, signing_key, write_private
from mcp_gateway_operator_demo.localcluster.program_cache import file_lock
from mcp_gateway_operator_demo.localcluster.server_process import ServerProcess

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_MARKER = ".mcps-local-cluster"
_ETCD_TIMEOUT = 30.0  # seconds, as all below
_API_SERVER_TIMEOUT = 90.0
_KUBECTL_TIMEOUT = 90.0
_STOP_GRACE = 5.0
_PROBE_TIMEOUT = 2.0
_ESTABLISHED_TIMEOUT = 30.0
_ESTABLISHED_POLL = 0.05


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _silent(_line: str) -> None:
    pass


class LocalCluster:
    """A running cluster; make one with `start`, as a context manager or with `stop` at the end.

    Every method blocks and belongs to one thread. The API server enforces RBAC, validates and serves watches
    as in production, but there are no controllers: nothing deletes dependents, finishes the deletion of a
    namespace or runs pods.
    """

    def __init__(self, binaries: Binaries, directory: Path, *, keep: bool) -> None:
        self.directory = directory
        self.kubeconfig = directory / "admin.kubeconfig"
        """The kubeconfig of a user in `system:masters`, whom RBAC does not bind."""
        self.server_url = ""
        """The API server's address; the same for the cluster's whole life."""
        self._binaries = binaries
        self._keep = keep
        self._pki = directory / "pki"
        self._authority = b""
        self._cleanup = ExitStack()
        self._etcd: ServerProcess | None = None
        self._api_server: ServerProcess | None = None
        self._etcd_port = 0
        self._port = 0
        self._http: httpx2.Client | None = None

    @classmethod
    def start(
        cls,
        binaries: Binaries,
        *,
        directory: Path,
        progress: Callable[[str], None] = _silent,
        keep: bool = False,
        now: Callable[[], dt.datetime] = _utc_now,
    ) -> Self:
        """Start a cluster and return it when it serves requests.

        Args:
            binaries: see `ensure_binaries`.
            directory: where it keeps everything. Made when absent; else it must be empty, or that of an
                earlier cluster that was kept, whose objects are then there again.
            progress: receives a few lines for the user.
            keep: leave the directory behind at `stop`.
            now: the wall clock, for the certificates.

        Raises:
            ClusterStartError: a server died or did not become ready; the text has its last log lines. Or the
                directory is somebody else's, or in use.
        """
        cluster = cls(binaries, directory.absolute(), keep=keep)
        try:
            cluster._claim_directory()
            cluster._write_keys(now())
            began = time.monotonic()
            cluster._start_etcd()
            progress("etcd is up")
            cluster._start_api_server()
            progress(f"kube-apiserver is up at {cluster.server_url} after {time.monotonic() - began:.1f} s")
        except BaseException:  # Ctrl-C as well: nothing of ours stays behind
            cluster.stop()
            raise
        return cluster

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End both servers and, unless `keep` was asked for, remove the directory. Idempotent."""
        self._cleanup.close()

    def check(self) -> None:
        """Raise ClusterStartError when a server has died by itself."""
        for server in (self._etcd, self._api_server):
            if server is not None:
                servers.check(server)

    def restart_api_server(self) -> None:
        """End the API server and start it again: same address, same data, every watch broken.

        Raises:
            ClusterStartError: it does not come back.
        """
        assert self._api_server is not None  # start() has returned
        self._api_server.stop(_STOP_GRACE)
        self._api_server = self._describe_api_server()
        servers.start(self._api_server, self._serves, timeout=_API_SERVER_TIMEOUT)

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the servers that were started."""
        return tuple(
            server.pid
            for server in (self._etcd, self._api_server)
            if server is not None and server.pid is not None
        )

    @property
    def kubectl_path(self) -> Path:
        """The kubectl that is used."""
        return self._binaries.kubectl

    def kubectl(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002  -- as in subprocess.run
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator.

        Args:
            args: kubectl's arguments.
            input: text for its standard input.
            check: raise when it fails; else look at `returncode` and `stderr`.

        Raises:
            ClusterRequestError: it failed; the text is kubectl's own.
        """
        settings = [f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.directory / 'kubectl-cache'}"]
        done = subprocess.run(  # noqa: S603  -- the caller's arguments, no shell
            [str(self._binaries.kubectl), *settings, *args],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=_KUBECTL_TIMEOUT,
            check=False,
        )
        if check and done.returncode != 0:
            raise ClusterRequestError(f"kubectl {' '.join(args)} failed: {done.stderr.strip()}")
        return done

    def get(self, path: str) -> dict[str, Any]:
        """Read an object or a list as the administrator, at a fiftieth of what a kubectl costs.

        Args:
            path: of the URL, such as `/api/v1/namespaces`.

        Raises:
            ClusterRequestError: the API server refused; the text is its own.
        """
        return self._request("GET", path)

    def post(self, path: str, body: dict[str, Any], *, allow_conflict: bool = False) -> dict[str, Any]:
        """Create an object as the administrator and return it, or the refusal where it exists and may.

        Raises:
            ClusterRequestError: the API server refused; the text is its own.
        """
        allowed = int(httpx2.codes.CONFLICT) if allow_conflict else 0
        return self._request("POST", path, body, allowed=allowed)

    def patch(self, path: str, change: dict[str, Any]) -> dict[str, Any]:
        """Merge a change into an object as the administrator and return it.

        Raises:
            ClusterRequestError: the API server refused; the text is its own.
        """
        return self._request("PATCH", path, change)

    def delete(self, path: str) -> None:
        """Ask as the administrator for the deletion of an object, which need not be there.

        Raises:
            ClusterRequestError: the API server refused; the text is its own.
        """
        self._request("DELETE", path, allowed=int(httpx2.codes.NOT_FOUND))

    def create_namespace(self, name: str) -> None:
        """Make a namespace, unless it is there.

        Raises:
            ClusterRequestError: the API server refused; the text is its own.
        """
        self.post("/api/v1/namespaces", {"metadata": {"name": name}}, allow_conflict=True)

    def apply(self, manifests: Path | str) -> None:
        """Apply manifests server-side and wait until every CRD among them is served.

        Args:
            manifests: a file or directory (Path), or the YAML itself (str).

        Raises:
            ClusterRequestError: the API server refused one.
        """
        source, text = ("-", manifests) if isinstance(manifests, str) else (str(manifests), None)
        done = self.kubectl(
            *("apply", "--server-side", "--force-conflicts", "--output=name", "--filename", source),
            input=text,
        )
        # An object of a new kind that is sent before the kind is served is refused as unknown.
        made = (name.partition("/")[::2] for name in done.stdout.split())
        self._wait_established([name for kind, name in made if kind.startswith("customresourcedefinition.")])

    def service_account_kubeconfig(
        self,
        namespace: str,
        name: str,
        *,
        path: Path,
        lifetime: dt.timedelta = dt.timedelta(days=1),
    ) -> Path:
        """Write a kubeconfig with which a process is exactly this ServiceAccount, and return its path.

        The ServiceAccount is made when absent, its namespace is not. The token comes from the API server's
        TokenRequest and lies beside the kubeconfig (`<path>.token`); calling this again rotates it in place.

        Args:
            namespace: of the ServiceAccount, and the context's.
            name: of the ServiceAccount.
            path: the kubeconfig to write.
            lifetime: of the token, 10 minutes at least.

        Raises:
            ClusterRequestError: the API server refused, for example because the namespace does not exist.
        """
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        self.post(accounts, {"metadata": {"name": name}}, allow_conflict=True)
        answer = self.post(
            f"{accounts}/{name}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": int(lifetime.total_seconds())},
            },
        )
        token = write_private(path.with_name(f"{path.name}.token"), answer["status"]["token"])
        return write_kubeconfig(
            path, server=self.server_url, authority=self._authority, user=token, namespace=namespace
        )

    def _wait_established(self, crds: list[str]) -> None:
        deadline = time.monotonic() + _ESTABLISHED_TIMEOUT
        for crd in crds:
            while not is_established(self.get(f"{_CRDS}/{crd}")):
                if time.monotonic() >= deadline:
                    raise ClusterRequestError(f"{crd} is not served; its conditions say why: {_CRDS}/{crd}")
                time.sleep(_ESTABLISHED_POLL)

    def _claim_directory(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        marker = self.directory / _MARKER
        if not marker.exists() and any(self.directory.iterdir()):
            raise ClusterStartError(
                f"{self.directory} is neither empty nor the directory of an earlier cluster: choose another"
            )
        try:
            self._cleanup.enter_context(file_lock(marker, waiting=None))
        except BlockingIOError:
            raise ClusterStartError(f"Another cluster is running in {self.directory}") from None
        if not self._keep:
            # Removal comes before the lock's release (last in, first out), so no successor loses its files.
            self._cleanup.callback(shutil.rmtree, self.directory, ignore_errors=True)
        atexit.register(self.stop)
        self._cleanup.callback(atexit.unregister, self.stop)

    def _write_keys(self, now: dt.datetime) -> None:
        authority = Authority(now)
        self._authority = authority.certificate
        self._pki.mkdir(mode=0o700, exist_ok=True)
        write_private(self._pki / "ca.crt", authority.certificate)
        for name, identity in (
            ("server", authority.server()),
            ("admin", authority.client("mcps-admin", "system:masters")),
        ):
            write_private(self._pki / f"{name}.crt", identity.certificate)
            write_private(self._pki / f"{name}.key", identity.key)
        tokens = self._pki / "service-account.key"
        if not tokens.exists():  # a kept cluster's tokens stay valid
            write_private(tokens, signing_key())

    def _start_etcd(self) -> None:
        def describe() -> ServerProcess:
            self._etcd_port = servers.free_port()
            self._etcd = servers.etcd(
                self._binaries.etcd,
                directory=self.directory,
                client_port=self._etcd_port,
                peer_port=servers.free_port(),
            )
            return self._etcd

        health = self._cleanup.enter_context(httpx2.Client(trust_env=False, timeout=_PROBE_TIMEOUT))
        self._cleanup.callback(self._stop_server, lambda: self._etcd)
        servers.start_on_free_ports(
            describe,
            lambda: answers(health, f"http://{servers.LOOPBACK}:{self._etcd_port}/health"),
            timeout=_ETCD_TIMEOUT,
        )

    def _start_api_server(self) -> None:
        def describe() -> ServerProcess:
            self._port = servers.free_port()
            self.server_url = f"https://{servers.LOOPBACK}:{self._port}"
            self._api_server = self._describe_api_server()
            return self._api_server

        trust = ssl.create_default_context(cadata=self._authority.decode())
        trust.load_cert_chain(self._pki / "admin.crt", self._pki / "admin.key")
        self._http = self._cleanup.enter_context(
            httpx2.Client(verify=trust, trust_env=False, timeout=_PROBE_TIMEOUT)
        )
        self._cleanup.callback(self._stop_server, lambda: self._api_server)
        servers.start_on_free_ports(describe, self._serves, timeout=_API_SERVER_TIMEOUT)
        admin = Identity((self._pki / "admin.crt").read_bytes(), (self._pki / "admin.key").read_bytes())
        write_kubeconfig(self.kubeconfig, server=self.server_url, authority=self._authority, user=admin)

    def _describe_api_server(self) -> ServerProcess:
        return servers.kube_apiserver(
            self._binaries.kube_apiserver,
            directory=self.directory,
            pki=self._pki,
            etcd_port=self._etcd_port,
            port=self._port,
        )

    def _serves(self) -> bool:
        # The API server makes its namespaces a moment after it calls itself ready.
        assert self._http is not None  # set before the first probe
        return all(
            answers(self._http, f"{self.server_url}{path}")
            for path in ("/readyz", "/api/v1/namespaces/kube-system", "/api/v1/namespaces/default")
        )

    def _stop_server(self, which: Callable[[], ServerProcess | None]) -> None:
        if (server := which()) is not None:
            server.stop(_STOP_GRACE)

    def _request(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, allowed: int = 0
    ) -> dict[str, Any]:
        assert self._http is not None  # start() has returned
        return request(self._http, self.server_url, method, path, body, allowed=allowed)


@contextmanager
def local_cluster(directory: Path, *, progress: Callable[[str], None] = _silent) -> Iterator[LocalCluster]:
    """Get the programs, run a cluster in `directory` and remove both cluster and directory at the end.

    What a test session needs in one line. Test workers run one each: tests that restart the API server or
    delete a CRD would disturb the others in a shared one.
    """
    with LocalCluster.start(
        ensure_binaries(progress=progress), directory=directory, progress=progress
    ) as cluster:
        yield cluster
