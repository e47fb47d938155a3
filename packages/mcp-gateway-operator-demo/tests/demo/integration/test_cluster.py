from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcp_gateway_operator_demo.localcluster import (
    Binaries,
    ClusterRequestError,
    ClusterStartError,
    LocalCluster,
    ensure_binaries,
    loopback_cluster,
)
from mcp_gateway_operator_demo.localcluster.gomodule import Version
from mcp_gateway_operator_demo.localcluster.kubectl import fits

RBAC = """
apiVersion: v1
kind: Namespace
metadata: {name: team-a}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: team-a}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: team-a}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
- {kind: ServiceAccount, name: operator, namespace: team-a}
"""

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  names: {plural: widgets, singular: widget, kind: Widget}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer}
            x-kubernetes-validations:
            - {rule: self.size < 10, message: a widget is small}
"""


def widget(name: str, size: int) -> str:
    """Return a manifest of the kind that CRD defines."""
    return json.dumps(
        {
            "apiVersion": "example.org/v1",
            "kind": "Widget",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"size": size},
        }
    )


@pytest.fixture(scope="module")
def binaries() -> Binaries:
    """Return the real programs."""
    return ensure_binaries(progress=print)


@dataclass(frozen=True)
class Kept:
    """The directory of a command that was killed, in which somebody had made a ConfigMap and a token."""

    directory: Path
    token: str


@pytest.fixture(scope="module")
def kept(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Run the command for a kept cluster, use its cluster as it says, and kill the command."""
    directory = tmp_path_factory.mktemp("localcluster") / "cluster"

    def kubectl(*args: str) -> str:
        argv = [str(binaries.kubectl), f"--kubeconfig={directory / 'admin.kubeconfig'}", *args]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout  # noqa: S603  -- our own kubectl

    with command(directory) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"export KUBECONFIG={directory / 'admin.kubeconfig'}\n"
        kubectl("create", "configmap", "kept")
        kubectl("create", "serviceaccount", "operator")
        token = kubectl("create", "token", "operator").strip()
        with pytest.raises(ClusterStartError, match="Another cluster is running"):
            LocalCluster.start(binaries, directory=directory)
        assert end(process, signal.SIGKILL, directory, servers=2) == -signal.SIGKILL
    return Kept(directory, token)


@pytest.fixture(scope="module")
def cluster(binaries: Binaries, kept: Kept) -> Iterator[LocalCluster]:
    """Run one cluster for this module, where the kept one was; at its end nothing of it is left."""
    with LocalCluster.start(binaries, directory=kept.directory, progress=print) as cluster:
        yield cluster
        pids = cluster.pids
        assert sorted(servers_of(cluster.directory)) == sorted(pids)
    assert all(gone(pid, seconds=0) for pid in pids)
    assert not cluster.directory.exists(), "it was not told to keep it"
    with pytest.raises(ClusterStartError, match="ended with status"):
        cluster.check()


def gone(pid: int, seconds: float = 20) -> bool:
    """Wait until the process has ended, and tell whether it has."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def servers_of(directory: Path) -> list[int]:
    """Return the processes whose command line names `directory`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            argv = path.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(word.startswith(b"--") and str(directory).encode() in word for word in argv):
            found.append(int(path.parent.name))
    return found


def test_it_is_kubernetes(cluster: LocalCluster) -> None:
    """Serve the namespaces that Kubernetes makes, under its real version, to a kubectl that fits."""
    names = cluster.kubectl("get", "namespaces", "-o", "name").stdout.split()
    assert {"namespace/default", "namespace/kube-system"} <= set(names)
    versions = json.loads(cluster.kubectl("version", "-o", "json").stdout)
    server = Version.parse(versions["serverVersion"]["gitVersion"])
    client = Version.parse(versions["clientVersion"]["gitVersion"])
    assert server is not None
    assert client is not None
    assert server >= Version(1, 30, 0)
    assert fits(client, server)
    cluster.check()


def test_kubectl_reports_what_it_was_told(cluster: LocalCluster) -> None:
    """Raise with kubectl's own words, unless the caller wants to look himself."""
    with pytest.raises(ClusterRequestError, match='namespaces "absent" not found'):
        cluster.kubectl("get", "namespace", "absent")
    assert cluster.kubectl("get", "namespace", "absent", check=False).returncode == 1


def test_a_service_account_has_exactly_its_rights(cluster: LocalCluster, tmp_path: Path) -> None:
    """Let the token do what its Role says, there and nowhere else."""
    cluster.apply(RBAC)
    path = cluster.service_account_kubeconfig("team-a", "operator", path=tmp_path / "operator.kubeconfig")

    def may(*args: str) -> bool:
        done = cluster.kubectl("--kubeconfig", str(path), *args, check=False)
        assert done.returncode == 0 or "forbidden" in done.stderr.lower()
        return done.returncode == 0

    me = json.loads(cluster.kubectl("--kubeconfig", str(path), "auth", "whoami", "-o", "json").stdout)
    assert me["status"]["userInfo"]["username"] == "system:serviceaccount:team-a:operator"
    assert may("get", "configmaps")
    assert not may("get", "secrets")
    assert not may("create", "configmap", "x")
    assert not may("get", "configmaps", "-n", "default")
    assert not may("get", "configmaps", "-A")


def test_a_token_is_rotated_in_place(cluster: LocalCluster, tmp_path: Path) -> None:
    """Write a new token beside the same kubeconfig, for the same ServiceAccount."""
    cluster.apply(RBAC)
    path = tmp_path / "operator.kubeconfig"
    cluster.service_account_kubeconfig("team-a", "operator", path=path)
    before = (tmp_path / "operator.kubeconfig.token").read_text()
    cluster.service_account_kubeconfig("team-a", "operator", path=path)
    assert (tmp_path / "operator.kubeconfig.token").read_text() != before
    cluster.kubectl("--kubeconfig", str(path), "get", "configmaps")
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600


def test_a_service_account_needs_its_namespace(cluster: LocalCluster, tmp_path: Path) -> None:
    """Say what the API server says."""
    with pytest.raises(ClusterRequestError, match='namespaces "absent" not found'):
        cluster.service_account_kubeconfig("absent", "operator", path=tmp_path / "config")


def test_a_new_kind_can_be_used_at_once(cluster: LocalCluster, tmp_path: Path) -> None:
    """Return from applying a CRD when its objects are accepted, and enforce its rules."""
    (tmp_path / "crd.yaml").write_text(CRD)
    cluster.apply(tmp_path)
    cluster.apply(widget("small", 1))
    cluster.apply(widget("small", 2))
    with pytest.raises(ClusterRequestError, match="a widget is small"):
        cluster.apply(widget("large", 10))
    assert cluster.kubectl("get", "widgets", "-o", "name").stdout.split() == ["widget.example.org/small"]


def test_a_kind_that_is_not_served_is_told(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the CRD whose names another has taken, instead of waiting for ever."""
    cluster.apply(CRD)
    monkeypatch.setattr(loopback_cluster, "_ESTABLISHED_TIMEOUT", 1.0)
    rival = CRD.replace("widgets", "gadgets").replace("singular: widget", "singular: gadget")
    with pytest.raises(ClusterRequestError, match=r"gadgets\.example\.org is not served"):
        cluster.apply(rival)
    cluster.kubectl("wait", "--for=condition=NamesAccepted=False", "--timeout=60s", "crd/gadgets.example.org")
    cluster.kubectl("delete", "crd", "gadgets.example.org")


def test_somebody_elses_directory_is_left_alone(binaries: Binaries, tmp_path: Path) -> None:
    """Refuse to fill, and above all to remove, a directory with other things in it."""
    (tmp_path / "thesis.txt").write_text("important")
    with pytest.raises(ClusterStartError, match="neither empty nor"):
        LocalCluster.start(binaries, directory=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_server_that_cannot_start_takes_the_other_with_it(binaries: Binaries, tmp_path: Path) -> None:
    """Report the API server's last words and leave no etcd behind."""
    broken = tmp_path / "kube-apiserver"
    broken.write_text("#!/bin/sh\necho 'Error: unknown flag' >&2\nexit 1\n")
    broken.chmod(0o755)
    directory = tmp_path / "cluster"
    with pytest.raises(ClusterStartError, match=r"kube-apiserver ended with status 1(.|\n)*unknown flag"):
        LocalCluster.start(Binaries(binaries.etcd, broken, binaries.kubectl), directory=directory)
    assert servers_of(directory) == []
    assert not directory.exists()


@contextmanager
def command(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the command for a kept cluster in a directory."""
    argv = [sys.executable, "-m", "mcp_gateway_operator_demo.localcluster", "--directory", str(directory)]
    with subprocess.Popen(  # noqa: S603  -- our own command
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def end(process: subprocess.Popen[str], number: signal.Signals, directory: Path, servers: int) -> int:
    """Send a signal; none of the command's servers outlives it. Return the exit status."""
    pids = servers_of(directory)
    assert len(pids) == servers
    process.send_signal(number)
    process.communicate(timeout=30)
    assert all(gone(pid) for pid in pids)
    assert (directory / "etcd").is_dir()
    return process.returncode


def test_a_command_that_is_ended_while_it_starts_leaves_no_process(tmp_path: Path) -> None:
    directory = tmp_path / "cluster"
    with command(directory) as process:
        assert process.stderr is not None
        assert any("etcd is up" in line for line in process.stderr)
        assert end(process, signal.SIGTERM, directory, servers=1) == 1


def test_a_kept_cluster_outlives_its_command_and_no_process_does(cluster: LocalCluster, kept: Kept) -> None:
    """Objects and tokens are there again even where the command was killed, as the fixture has seen it."""
    assert cluster.get("/api/v1/namespaces/default/configmaps/kept")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": kept.token}}
    answer = cluster.post("/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert answer["status"]["user"]["username"] == "system:serviceaccount:default:operator"
