"""Helm 3 and helm 4, and a cluster without the CRD: here the chart brings it."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_gateway_operator_demo.localcluster import LocalCluster, local_cluster

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "helm" / "mcp-gateway-operator"
HERE = Path(__file__).parent
CRD_NAME = "mcpservers.mcpgateway.bedrock.aws"

_MONITOR_CRDS = "---".join(
    f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {kind.lower()}s.monitoring.coreos.com}}
spec:
  group: monitoring.coreos.com
  names: {{kind: {kind}, plural: {kind.lower()}s}}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""
    for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule")
)

_names = itertools.count(1)


@dataclass(frozen=True)
class Helm:
    """One major version of helm, acting as the cluster's administrator."""

    major: int
    program: Path
    home: Path
    kubeconfig: Path

    def __call__(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run helm in the root of the tree, where the documentation's commands are typed."""
        done = subprocess.run(  # noqa: S603  -- our own helm and the test's arguments
            [self.program, *args],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "HELM_CACHE_HOME": str(self.home / "cache"),
                "HELM_CONFIG_HOME": str(self.home / "config"),
                "HELM_DATA_HOME": str(self.home / "data"),
                "KUBECONFIG": str(self.kubeconfig),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"helm {' '.join(args)}: {done.stderr}"
        return done

    def template(self, release: str, namespace: str, *args: str) -> list[dict[str, Any]]:
        """Render the chart without looking at a cluster."""
        done = self("template", release, str(CHART), "--namespace", namespace, *args)
        return [document for document in yaml.safe_load_all(done.stdout) if document]


@pytest.fixture(scope="session")
def helm_programs() -> dict[int, Path]:
    """The helm binaries; `make test` has built them before, so that this takes no time."""
    done = subprocess.run(  # noqa: S603  -- our own script
        [sys.executable, ROOT / "hack" / "helm_programs.py"], capture_output=True, text=True, check=True
    )
    return {
        int(major): Path(path) for major, path in (line.split(" ", 1) for line in done.stdout.splitlines())
    }


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster of its own, without the MCPServer CRD."""
    with local_cluster(tmp_path_factory.mktemp("bare") / "state") as running:
        running.apply(_MONITOR_CRDS)
        for name in ("team-a", "team-b"):
            running.kubectl("create", "namespace", name)
        yield running


@pytest.fixture(params=[3, 4], ids=["helm3", "helm4"])
def helm(
    request: pytest.FixtureRequest, bare: LocalCluster, helm_programs: dict[int, Path], tmp_path: Path
) -> Helm:
    """One helm, for tests that install nothing."""
    return Helm(request.param, helm_programs[request.param], tmp_path, bare.kubeconfig)


@pytest.fixture
def live_helm(helm: Helm, bare: LocalCluster) -> Iterator[Helm]:
    """One helm; what it installed is gone afterwards, the CRD and its objects too."""
    yield helm
    for release in json.loads(helm("list", "--all-namespaces", "--output", "json").stdout):
        helm("uninstall", release["name"], "--namespace", release["namespace"])
    remove_crd(bare)


@pytest.fixture
def namespace(bare: LocalCluster) -> str:
    """A namespace of the test's own, where only pods of the standard "restricted" are let in."""
    name = f"packaging-{next(_names)}"
    bare.kubectl("create", "namespace", name)
    bare.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    return name


@pytest.fixture
def can_i(bare: LocalCluster, tmp_path: Path) -> Callable[..., bool]:
    """Ask the API server what a ServiceAccount may do: `can_i(namespace, account, verb, resource, ...)`."""

    def ask(namespace: str, account: str, *question: str) -> bool:
        kubeconfig = tmp_path / f"{namespace}-{account}.kubeconfig"
        if not kubeconfig.exists():
            bare.service_account_kubeconfig(namespace, account, path=kubeconfig)
        done = bare.kubectl(f"--kubeconfig={kubeconfig}", "auth", "can-i", *question, check=False)
        return done.stdout.strip() == "yes"

    return ask


@pytest.fixture
def dist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep dist/install.yaml to one test at a time: make writes it in the tree that all workers share."""
    # Each worker has a directory of its own below the one that they share.
    lock = tmp_path_factory.getbasetemp().parent / "dist.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_crd(cluster: LocalCluster) -> None:
    """Remove the CRD and every MCPServer, also those with a finalizer that no operator takes away."""
    listed = cluster.kubectl("get", "mcps", "--all-namespaces", "--output=json", check=False)
    for item in json.loads(listed.stdout)["items"] if listed.returncode == 0 else []:
        metadata = item["metadata"]
        free = '{"metadata":{"finalizers":null}}'
        cluster.kubectl(
            "--namespace",
            metadata["namespace"],
            "patch",
            "mcps",
            metadata["name"],
            "--type=merge",
            "-p",
            free,
        )
    cluster.kubectl("delete", "crd", CRD_NAME, "--ignore-not-found")


def only(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the one object of a kind."""
    (found,) = [item for item in objects if item["kind"] == kind]
    return found
