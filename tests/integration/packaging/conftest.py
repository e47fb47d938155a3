"""Helm 3 and helm 4, what they render, and the cluster without the CRDs: here the chart brings them."""

from __future__ import annotations

import fcntl
import functools
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_gateway_operator.api.names import GROUP
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.packaging.kro.kinds import install_kinds
from tests.support.crds import remove_crds, without_crds

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
CHART = ROOT / "helm" / "mcp-gateway-operator"
HERE = Path(__file__).parent
RELEASE = "mcp-gateway-operator"
CRD_NAME = f"mcpservers.{GROUP}"

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

RARELY_COLLECTING = {"GOGC": "400"}
"""For programs in Go that end before their garbage matters."""

_names = itertools.count(1)


@dataclass(frozen=True)
class Helm:
    """One major version of helm, acting as the cluster's administrator where it has a kubeconfig."""

    major: int
    program: Path
    home: Path
    kubeconfig: Path | None = None

    def __call__(
        self,
        *args: str,
        check: bool = True,
        input: str | None = None,  # noqa: A002  -- as in subprocess.run
    ) -> subprocess.CompletedProcess[str]:
        """Run helm in the root of the tree, where the documentation's commands are typed.

        It is spared to ask the API server for its whole schema: that refuses what does not fit by itself, and
        the guides' own commands are run as they are.
        """
        trusting = ("--disable-openapi-validation",) if args[0] in {"install", "upgrade"} else ()
        done = subprocess.run(  # noqa: S603  -- our own helm and the test's arguments
            [self.program, *args, *trusting],
            cwd=ROOT,
            input=input,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "HELM_CACHE_HOME": str(self.home / "cache"),
                "HELM_CONFIG_HOME": str(self.home / "config"),
                "HELM_DATA_HOME": str(self.home / "data"),
                "KUBECONFIG": str(self.kubeconfig or self.home / "no-cluster"),
                **RARELY_COLLECTING,
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
        """Render the chart without looking at a cluster; the same arguments are rendered once."""
        return load_all(_rendered(self, ("template", release, str(CHART), "--namespace", namespace, *args)))

    def notes(self, *args: str) -> str:
        """Return what an installation would say where no CRD is; Helm 3 wants a cluster for it, though."""
        dry = ("--dry-run=client", "--take-ownership", "--output=json")
        notes: str = json.loads(self("install", RELEASE, str(CHART), *dry, *args).stdout)["info"]["notes"]
        return notes


@functools.cache
def _rendered(helm: Helm, command: tuple[str, ...]) -> str:
    return helm(*command).stdout


def load_all(text: str) -> list[dict[str, Any]]:
    """Return the documents of a text, read by libyaml: a CRD takes a tenth of a second otherwise."""
    return [found for found in yaml.load_all(text, yaml.CSafeLoader) if found]


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
def helms(helm_programs: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[int, Helm]:
    """Both, for what needs no cluster; nothing is kept in their homes."""
    return {
        major: Helm(major, program, tmp_path_factory.mktemp(f"helm{major}"))
        for major, program in helm_programs.items()
    }


@pytest.fixture(params=[3, 4], ids=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest, helms: dict[int, Helm]) -> Helm:
    """Each of them, where they might differ."""
    return helms[request.param]


@pytest.fixture
def one_helm(helms: dict[int, Helm]) -> Helm:
    """One of them, for what another test holds to be the same with both."""
    return helms[4]


@pytest.fixture(scope="session")
def monitored(cluster: LocalCluster) -> LocalCluster:
    """The cluster, with the CRDs of the Prometheus operator and two teams' namespaces."""
    cluster.apply(_MONITOR_CRDS)
    for name in ("team-a", "team-b"):
        cluster.create_namespace(name)
    return cluster


@pytest.fixture(scope="session")
def kro(cluster: LocalCluster) -> LocalCluster:
    """The cluster with the graph of the samples installed and its kind served; no kro runs."""
    install_kinds(cluster)
    return cluster


@pytest.fixture(scope="module")
def bare(monitored: LocalCluster) -> Iterator[LocalCluster]:
    """The cluster without the project's CRDs, until the module's end."""
    with without_crds(monitored):
        yield monitored


@pytest.fixture
def asking(helm: Helm, cluster: LocalCluster, tmp_path: Path) -> Helm:
    """Each helm with the cluster as it is, for what leaves no release behind."""
    return replace(helm, home=tmp_path, kubeconfig=cluster.kubeconfig)


@pytest.fixture
def live_helm(helm: Helm, bare: LocalCluster, tmp_path: Path) -> Iterator[Helm]:
    """One helm; what it installed is gone afterwards, the CRDs and their objects too."""
    live = replace(helm, home=tmp_path, kubeconfig=bare.kubeconfig)
    yield live
    # Where helm keeps what it knows of its releases.
    kept = bare.get("/api/v1/secrets?labelSelector=owner%3Dhelm")["items"]
    for release, namespace in {
        (item["metadata"]["labels"]["name"], item["metadata"]["namespace"]) for item in kept
    }:
        live("uninstall", release, "--namespace", namespace)
    remove_crds(bare)


@pytest.fixture
def namespace(cluster: LocalCluster) -> str:
    """A namespace of the test's own, where only pods of the standard "restricted" are let in."""
    name = f"packaging-{next(_names)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    return name


@pytest.fixture
def can_i(cluster: LocalCluster) -> Callable[..., bool]:
    """Ask the API server what a ServiceAccount may do: `can_i(namespace, account, verb, resource, ...)`.

    The question is written as for `kubectl auth can-i`, at a fiftieth of its cost.
    """

    def ask(namespace: str, account: str, verb: str, resource: str, *flags: str) -> bool:
        kind, _, name = resource.partition("/")
        plural, _, group = kind.partition(".")
        told = dict(flag.removeprefix("--").partition("=")[::2] for flag in flags)
        place = "" if "all-namespaces" in told else told.get("namespace", namespace)
        attributes = {
            "verb": verb,
            "group": group,
            "resource": plural,
            "subresource": told.get("subresource", ""),
            "name": name,
            "namespace": place,
        }
        accounts = "system:serviceaccounts"
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": f"system:serviceaccount:{namespace}:{account}",
                "groups": [accounts, f"{accounts}:{namespace}", "system:authenticated"],
                "resourceAttributes": attributes,
            },
        }
        answer = cluster.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
        return bool(answer["status"]["allowed"])

    return ask


@pytest.fixture
def dist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep dist/install.yaml to one test at a time: make writes it in the tree that all workers share."""
    # Each worker has a directory of its own below the one that they share.
    lock = tmp_path_factory.getbasetemp().parent / "dist.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def parent_chart(directory: Path, *aliases: str) -> Path:
    """Make a chart that depends on this one under each of the names, as a platform's own chart does.

    Its CRDs are the shortest there can be: no value reaches into them, and they take most of helm's time.
    """
    parent = directory / "parent"
    copy = parent / "charts" / RELEASE
    shutil.copytree(CHART, copy)
    for file in (copy / "files").glob("crd*.yaml"):
        crd = yaml.load(file.read_text(), yaml.CSafeLoader)
        named = {"name": crd["metadata"]["name"]}
        file.write_text(yaml.safe_dump({**crd, "metadata": named, "spec": {}}))
    dependency = {"name": RELEASE, "version": "*"}
    conditions = [
        {**dependency, "condition": f"{alias}.enabled", **({"alias": alias} if alias != RELEASE else {})}
        for alias in aliases
    ]
    described = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": conditions}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(described))
    return parent


def of_subcharts(rendered: str) -> Iterator[tuple[str, str]]:
    """Yield the alias and the text of each document that a parent chart renders."""
    for document in rendered.split("\n---\n"):
        source = re.search(r"^# Source: parent/charts/([a-z0-9-]+)/", document, re.MULTILINE)
        assert source is not None
        yield source[1], document


def update_command(notes: str) -> list[str]:
    """Return the arguments of the kubectl that the notes tell to update the CRD with."""
    (line,) = [line for line in notes.splitlines() if line.startswith("kubectl apply --server-side")]
    return shlex.split(line)[1:]


def blocks(path: Path, language: str) -> list[str]:
    """Return the blocks of a guide that are marked as of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


def only(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the one object of a kind."""
    (found,) = [item for item in objects if item["kind"] == kind]
    return found
