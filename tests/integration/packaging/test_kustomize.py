"""`config/`: the API server takes it, under the names scripts know, with the chart's permissions."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_gateway_operator.api.names import GROUP
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.packaging.conftest import ROOT, Helm, load_all, only
from tests.support.crds import remove_crds, served
from tests.support.polling import until

Grant = tuple[str, str, str, str, str]
"""Where (a namespace or "everywhere"), API group, resource or URL, object name ("" for all), verb."""


@pytest.fixture(scope="module")
def kustomized(cluster: LocalCluster) -> Callable[[str], list[dict[str, Any]]]:
    @functools.cache
    def build(directory: str) -> list[dict[str, Any]]:
        return load_all(cluster.kubectl("kustomize", str(ROOT / "config" / directory)).stdout)

    return build


def _grants(objects: list[dict[str, Any]], account: str) -> Iterator[Grant]:
    """Spell out what the bindings among `objects` give a ServiceAccount."""
    roles = {
        (item["kind"], item["metadata"]["name"]): item["rules"]
        for item in objects
        if item["kind"] in ("ClusterRole", "Role")
    }
    for item in objects:
        if item["kind"] not in ("ClusterRoleBinding", "RoleBinding"):
            continue
        assert [subject["name"] for subject in item["subjects"]] == [account]
        where = item["metadata"].get("namespace", "everywhere")
        for rule in roles[item["roleRef"]["kind"], item["roleRef"]["name"]]:
            yield from (
                (where, group, resource, name, verb)
                for group in rule.get("apiGroups", [""])
                for resource in rule.get("resources", rule.get("nonResourceURLs", []))
                for name in rule.get("resourceNames", [""])
                for verb in rule["verbs"]
            )


def test_chart_and_kustomize_grant_the_same(
    one_helm: Helm, kustomized: Callable[[str], list[dict[str, Any]]]
) -> None:
    namespace = "agent-op-system"
    chart = one_helm.template("x", namespace, "--set", "operator.metrics.bindAddress=:8443")

    ours = set(_grants(kustomized("default"), "agent-op-controller-manager"))

    assert ours == set(_grants(chart, "x-mcp-gateway-operator"))
    assert (namespace, "coordination.k8s.io", "leases", "b89ac0a6.bedrock.aws", "update") in ours
    guard = {grant for grant in ours if grant[0] == "kube-system"}
    assert guard == {
        ("kube-system", "coordination.k8s.io", "leases", "", "create"),
        ("kube-system", "coordination.k8s.io", "leases", "guard.mcpgateway.bedrock.aws", "get"),
        ("kube-system", "coordination.k8s.io", "leases", "guard.mcpgateway.bedrock.aws", "update"),
    }
    assert not any(resource == "secrets" for _, _, resource, _, _ in ours)


def test_an_overlay_that_moves_all_of_it_can_put_the_guard_back(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    """With the lines of config/default once more, as it says there."""
    whole = yaml.safe_load((ROOT / "config" / "default" / "kustomization.yaml").read_text())
    overlay = {
        "resources": [os.path.relpath(ROOT / "config" / "default", tmp_path.resolve())],
        "namespace": "mine",
        "replacements": whole["replacements"],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    objects = load_all(cluster.kubectl("kustomize", str(tmp_path)).stdout)

    guards = [item for item in objects if "guard-role" in item["metadata"]["name"]]
    assert [item["metadata"]["namespace"] for item in guards] == ["kube-system"] * 2
    (binding,) = [item for item in guards if item["kind"] == "RoleBinding"]
    (subject,) = binding["subjects"]
    assert (subject["name"], subject["namespace"]) == ("agent-op-controller-manager", "mine")
    assert {item["metadata"].get("namespace") for item in objects} == {None, "mine", "kube-system"}


def test_chart_and_kustomize_have_the_same_roles_for_people(
    one_helm: Helm, kustomized: Callable[[str], list[dict[str, Any]]]
) -> None:
    chart = one_helm.template("x", "default", "--set", "rbac.userRoles.create=true")

    def roles(objects: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            item["metadata"]["name"].rpartition("mcpserver-")[2]: item["rules"]
            for item in objects
            if "mcpserver-" in item["metadata"]["name"]
        }

    assert roles(kustomized("rbac")) == roles(chart)
    assert roles(chart).keys() == {"admin-role", "editor-role", "viewer-role"}


def test_names_that_scripts_know(kustomized: Callable[[str], list[dict[str, Any]]]) -> None:
    objects = kustomized("default")

    named = {item["metadata"]["name"] for item in objects}
    assert named == {
        "agent-op-system",
        "mcpservers.mcpgateway.bedrock.aws",
        "mcpgateways.mcpgateway.bedrock.aws",
        "agent-op-controller-manager",
        "agent-op-manager-role",
        "agent-op-manager-rolebinding",
        "agent-op-leader-election-role",
        "agent-op-leader-election-rolebinding",
        "agent-op-guard-role",
        "agent-op-guard-rolebinding",
        "agent-op-metrics-auth-role",
        "agent-op-metrics-auth-rolebinding",
        "agent-op-metrics-reader",
        "agent-op-debug-reader",
        "agent-op-mcpgateway-admin-role",
        "agent-op-mcpgateway-viewer-role",
        "agent-op-mcpserver-admin-role",
        "agent-op-mcpserver-editor-role",
        "agent-op-mcpserver-viewer-role",
        "agent-op-controller-manager-metrics-service",
    }
    deployment = only(objects, "Deployment")
    assert deployment["spec"]["selector"]["matchLabels"] == {
        "app.kubernetes.io/name": "agent-op",
        "control-plane": "controller-manager",
    }
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert (container["name"], container["command"]) == ("manager", ["/manager"])


@pytest.fixture
def make(bare: LocalCluster) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a make target of this tree against the cluster, with the environment there is."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        kubectl = f"KUBECTL=hack/kubectl.sh --kubeconfig={bare.kubeconfig}"
        done = subprocess.run(  # noqa: S603  -- our own Makefile
            ["make", "--old-file=.venv/runtime.stamp", kubectl, *arguments],  # noqa: S607  -- the make on PATH
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


def _read_both_kinds(cluster: LocalCluster) -> None:
    """They are served. Kubernetes 1.37 may hang in the deletion of a CRD whose objects nobody ever read."""
    kinds = [f"/apis/{GROUP}/v1alpha1/{plural}" for plural in ("mcpservers", "mcpgateways")]
    until(lambda: all(served(cluster, path) for path in kinds), "both are served")


@pytest.mark.usefixtures("dist")
def test_deploy_and_undeploy(
    bare: LocalCluster, make: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """`make deploy IMG=...` installs all of it; `make undeploy` removes all of it."""
    make("deploy", "IMG=registry.example.com/team/operator:1.2.3")
    try:
        image = "jsonpath={.spec.template.spec.containers[*].image}"
        deployed = ("--namespace=agent-op-system", "get", "deployment", "agent-op-controller-manager")
        assert bare.kubectl(*deployed, "-o", image).stdout == "registry.example.com/team/operator:1.2.3"
        _read_both_kinds(bare)

        make("undeploy")

        assert bare.kubectl(*deployed, check=False).returncode != 0
        assert bare.kubectl("get", "mcps", check=False).returncode != 0
        assert bare.kubectl("get", "clusterrole", "agent-op-manager-role", check=False).returncode != 0
    finally:
        remove_crds(bare)


def test_install_and_uninstall(
    bare: LocalCluster, make: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """`make install` brings the CRD and nothing else; `uninstall` forgives its absence when asked to."""
    make("install")
    _read_both_kinds(bare)

    make("uninstall")
    make("uninstall", "ignore-not-found=true")
    assert bare.kubectl("get", "mcps", check=False).returncode != 0


@pytest.mark.parametrize("directory", ["prometheus", "prometheus-pods", "network-policy", "admission"])
def test_the_optional_parts_are_accepted(
    monitored: LocalCluster, kustomized: Callable[[str], list[dict[str, Any]]], directory: str
) -> None:
    monitored.create_namespace("system")

    monitored.kubectl(
        *("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"),
        input=yaml.safe_dump_all(kustomized(directory)),
    )


@pytest.mark.parametrize(
    ("directory", "kind", "endpoints"),
    [("prometheus", "ServiceMonitor", "endpoints"), ("prometheus-pods", "PodMonitor", "podMetricsEndpoints")],
)
def test_what_is_installed_is_read_once(
    kustomized: Callable[[str], list[dict[str, Any]]], directory: str, kind: str, endpoints: str
) -> None:
    """Two monitors of one process would double every sum; the port has to be one that is there."""
    whole = kustomized("default")
    (monitor,) = [item for item in kustomized(directory) if item["kind"].endswith("Monitor")]
    (endpoint,) = monitor["spec"][endpoints]
    assert monitor["kind"] == kind
    source = only(whole, "Service" if kind == "ServiceMonitor" else "Deployment")
    spec = source["spec"] if kind == "ServiceMonitor" else source["spec"]["template"]["spec"]["containers"][0]
    labels = source["metadata"] if kind == "ServiceMonitor" else source["spec"]["template"]["metadata"]
    assert endpoint["port"] in [port["name"] for port in spec["ports"]]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels["labels"].items()
