"""Install, upgrade and uninstall against a real API server, where `lookup` sees what is there."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.packaging.conftest import CHART, CRD_NAME, HERE, ROOT, Helm

RELEASE = "mcp-gateway-operator"
SERVER = """
apiVersion: mcpgateway.bedrock.aws/v1alpha1
kind: MCPServer
metadata:
  name: weather
  finalizers: [bedrock.aws/gateway-target-finalizer]
spec:
  endpoint: https://weather.example.com/mcp
  capabilities: [tools]
  oauthProviderArn: arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/a/oauth2credentialprovider/b
  oauthScopes: [read]
"""
STATUS = {
    "targetId": "ABCDEFGHIJ",
    "gatewayArn": "arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/team-abcdefghij",
    "targetStatus": "READY",
    "observedGeneration": 1,
}


class Install:
    """The chart in a namespace, as the tests talk about it."""

    def __init__(self, helm: Helm, cluster: LocalCluster, namespace: str) -> None:
        self.helm = helm
        self.cluster = cluster
        self.namespace = namespace

    def run(self, command: str, *args: str, chart: str = str(CHART)) -> str:
        """Run `helm install` or `helm upgrade` and return what it prints."""
        return self.helm(command, RELEASE, chart, "--namespace", self.namespace, *args).stdout

    def uninstall(self) -> str:
        """Run `helm uninstall` and return what it prints."""
        return self.helm("uninstall", RELEASE, "--namespace", self.namespace).stdout

    def get(self, *what: str) -> dict[str, Any]:
        """Return an object of the namespace, or a cluster-scoped one."""
        found = self.cluster.kubectl("--namespace", self.namespace, "get", *what, "--output=json")
        decoded = json.loads(found.stdout)
        assert isinstance(decoded, dict)
        return decoded

    def publish(self) -> dict[str, Any]:
        """Make an MCPServer with the finalizer and the status that an operator left."""
        namespaced = ("--namespace", self.namespace)
        self.cluster.kubectl(*namespaced, "apply", "-f", "-", input=SERVER)
        patch = json.dumps({"status": STATUS})
        self.cluster.kubectl(
            *namespaced, "patch", "mcps", "weather", "--subresource=status", "--type=merge", "-p", patch
        )
        return self.get("mcps", "weather")


@pytest.fixture
def install(live_helm: Helm, bare: LocalCluster, namespace: str) -> Install:
    return Install(live_helm, bare, namespace)


def _update_command(notes: str) -> list[str]:
    (line,) = [line for line in notes.splitlines() if line.startswith("kubectl apply --server-side")]
    return shlex.split(line)[1:]


def _new_schema(crd: dict[str, Any]) -> bool:
    (version,) = crd["spec"]["versions"]
    return "deletionPolicy" in version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


def test_install_brings_the_crd_and_uninstall_keeps_it(install: Install) -> None:
    """Uninstalling and installing again loses no MCPServer."""
    install.run("install")
    before = install.publish()

    said = install.uninstall()
    assert CRD_NAME in said  # Helm names what it kept
    assert install.get("mcps", "weather") == before

    install.run("install")
    assert install.get("mcps", "weather") == before
    assert install.get("deployment", RELEASE)["spec"]["strategy"] == {"type": "Recreate"}


def _older_crd() -> dict[str, Any]:
    """Return the CRD as a version that lacks a field would have it."""
    crd = yaml.safe_load((CHART / "files" / "crd.yaml").read_text())
    assert isinstance(crd, dict)
    del crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"][
        "deletionPolicy"
    ]
    return crd


def test_upgrade_updates_a_crd_of_its_own(install: Install, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(CHART, older)
    (older / "files" / "crd.yaml").write_text(yaml.safe_dump(_older_crd()))
    install.run("install", chart=str(older))
    assert not _new_schema(install.get("crd", CRD_NAME))
    before = install.publish()

    install.run("upgrade")

    assert _new_schema(install.get("crd", CRD_NAME))
    assert install.get("mcps", "weather") == before


def test_a_crd_that_kubectl_changed_since_never_fails_the_upgrade(install: Install) -> None:
    """Helm 3 changes it back; Helm 4 would meet a conflict of field managers, so the notes say what to do."""
    install.run("install")
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    install.cluster.kubectl(*apply, input=yaml.safe_dump(_older_crd()))

    notes = install.run("upgrade")

    if install.helm.major > 3:
        assert not _new_schema(install.get("crd", CRD_NAME))
        command = _update_command(notes)
        install.cluster.kubectl(*command[:-1], str(ROOT / command[-1]))
    assert _new_schema(install.get("crd", CRD_NAME))
    assert "kubectl apply --server-side" not in install.run("upgrade")


def test_upgrade_from_the_go_operators_chart(install: Install) -> None:
    """The old values file, an old CRD that kubectl installed, objects with finalizer and status: all kept."""
    install.cluster.apply(HERE / "crd-0.1.yaml")
    values = ("--values", str(HERE / "values" / "chart-0.1.yaml"))
    install.run("install", *values, chart=str(HERE / "chart-0.1"))
    before = install.publish()
    old = install.get("deployment", RELEASE)

    notes = install.run("upgrade", *values)

    assert install.get("mcps", "weather") == before
    new = install.get("deployment", RELEASE)
    assert new["metadata"]["uid"] == old["metadata"]["uid"]  # changed in place
    assert new["spec"]["selector"] == old["spec"]["selector"]
    assert not _new_schema(install.get("crd", CRD_NAME))  # not Helm's: left alone

    command = _update_command(notes)
    install.cluster.kubectl(*command[:-1], str(ROOT / command[-1]))
    assert _new_schema(install.get("crd", CRD_NAME))
    assert install.get("mcps", "weather") == before

    # Still not Helm's, and nothing is left to do.
    assert "kubectl apply --server-side" not in install.run("upgrade", *values)
    install.uninstall()
    assert install.get("mcps", "weather") == before


def test_the_old_and_the_new_pod_never_run_together(install: Install) -> None:
    """Neither on the way from chart 0.1, whose strategy was the default, nor back from leader election."""
    install.run("install", chart=str(HERE / "chart-0.1"))

    install.run("upgrade")
    first = install.get("deployment", RELEASE)["spec"]["strategy"]
    assert first.get("rollingUpdate", {"maxSurge": 0})["maxSurge"] == 0
    install.run("upgrade")
    assert install.get("deployment", RELEASE)["spec"]["strategy"] == {"type": "Recreate"}

    install.run("upgrade", "--set", "operator.leaderElection=true", "--set", "replicaCount=2")
    assert install.get("deployment", RELEASE)["spec"]["strategy"]["type"] == "RollingUpdate"
    install.run("upgrade", "--reset-values")
    assert install.get("deployment", RELEASE)["spec"]["strategy"] == {"type": "Recreate"}


def test_a_crd_of_another_release_is_left_alone(install: Install) -> None:
    """The notes speak of it only when its schema is another one: a missing short name is no reason."""
    same = yaml.safe_load((CHART / "files" / "crd.yaml").read_text())
    same["spec"]["names"]["shortNames"] = ["mcps"]
    second = ("second", str(CHART), "--namespace", install.namespace)
    install.run("install")
    install.cluster.apply(yaml.safe_dump(same))
    assert "kubectl apply --server-side" not in install.helm("install", *second).stdout
    install.cluster.apply(yaml.safe_dump(_older_crd()))

    notes = install.helm("upgrade", *second).stdout

    assert "by something else than this" in notes
    assert _update_command(notes)
    crd = install.get("crd", CRD_NAME)
    assert not _new_schema(crd)
    assert crd["metadata"]["annotations"]["meta.helm.sh/release-name"] == RELEASE


def test_notes_say_what_is_missing(install: Install) -> None:
    settings = "crds.install=false,rbac.create=false,aws=null,serviceAccount=null,operator=null"
    notes = install.run("install", "--set", settings)

    assert "aws.gatewayId is empty: every MCPServer must name its gateway" in notes
    assert "carries no IAM role" in notes
    assert "rbac.create is false" in notes
    command = _update_command(notes)
    install.cluster.kubectl(*command[:-1], str(ROOT / command[-1]))
    assert _new_schema(install.get("crd", CRD_NAME))


def test_notes_are_silent_about_what_is_in_order(install: Install) -> None:
    notes = install.run("install", "--values", str(HERE / "values" / "chart-0.1.yaml"))

    assert "gatewayId is empty" not in notes
    assert "IAM role" not in notes
    assert "gatewayId:" not in notes


def test_the_example_of_the_notes_is_admitted(install: Install) -> None:
    notes = install.run("install")

    example = notes.partition("<<YAML\n")[2].partition("\nYAML\n")[0]
    install.cluster.kubectl("--namespace", install.namespace, "apply", "-f", "-", input=example)

    assert install.get("mcps", "weather")["spec"]["authType"] == "NoAuth"


ALLOWED = (
    ("get", "mcpservers.mcpgateway.bedrock.aws", "--all-namespaces"),
    ("list", "mcpservers.mcpgateway.bedrock.aws", "--all-namespaces"),
    ("watch", "mcpservers.mcpgateway.bedrock.aws", "--all-namespaces"),
    ("patch", "mcpservers.mcpgateway.bedrock.aws", "--all-namespaces"),
    ("patch", "mcpservers.mcpgateway.bedrock.aws", "--subresource=status", "--all-namespaces"),
    ("list", "mcpgateways.mcpgateway.bedrock.aws"),
    ("watch", "mcpgateways.mcpgateway.bedrock.aws"),
    ("patch", "mcpgateways.mcpgateway.bedrock.aws"),
    ("patch", "mcpgateways.mcpgateway.bedrock.aws", "--subresource=status"),
    ("list", "namespaces"),
    ("watch", "namespaces"),
    ("create", "events", "--all-namespaces"),
    ("create", "leases.coordination.k8s.io"),
    ("update", "leases.coordination.k8s.io/b89ac0a6.bedrock.aws"),
    ("get", "namespaces/kube-system"),
    ("create", "leases.coordination.k8s.io", "--namespace=kube-system"),
    ("get", "leases.coordination.k8s.io/guard.mcpgateway.bedrock.aws", "--namespace=kube-system"),
    ("update", "leases.coordination.k8s.io/guard.mcpgateway.bedrock.aws", "--namespace=kube-system"),
    ("list", "leases.coordination.k8s.io/namespace-guard.mcpgateway.bedrock.aws", "--all-namespaces"),
)
DENIED = (
    ("get", "secrets"),
    ("create", "mcpservers.mcpgateway.bedrock.aws"),
    ("delete", "mcpservers.mcpgateway.bedrock.aws"),
    # Rights that it has no use for: each of its writes is a patch, but for those of Leases.
    ("update", "mcpservers.mcpgateway.bedrock.aws", "--all-namespaces"),
    ("update", "mcpservers.mcpgateway.bedrock.aws", "--subresource=status", "--all-namespaces"),
    ("get", "mcpservers.mcpgateway.bedrock.aws", "--subresource=status", "--all-namespaces"),
    ("update", "mcpservers.mcpgateway.bedrock.aws", "--subresource=finalizers", "--all-namespaces"),
    ("patch", "leases.coordination.k8s.io/b89ac0a6.bedrock.aws"),
    ("get", "namespaces/default"),
    ("patch", "namespaces"),
    ("get", "mcpgateways.mcpgateway.bedrock.aws"),
    ("create", "mcpgateways.mcpgateway.bedrock.aws"),
    ("delete", "mcpgateways.mcpgateway.bedrock.aws"),
    ("update", "leases.coordination.k8s.io/of-someone-else"),
    ("update", "leases.coordination.k8s.io/kube-scheduler", "--namespace=kube-system"),
    ("delete", "leases.coordination.k8s.io/guard.mcpgateway.bedrock.aws", "--namespace=kube-system"),
    ("create", "leases.coordination.k8s.io", "--namespace=default"),
    ("list", "leases.coordination.k8s.io", "--all-namespaces"),
    ("update", "leases.coordination.k8s.io/namespace-guard.mcpgateway.bedrock.aws", "--namespace=default"),
    ("create", "tokenreviews.authentication.k8s.io"),
    ("patch", "customresourcedefinitions.apiextensions.k8s.io"),
)


def test_the_service_account_may_do_its_job_and_no_more(install: Install, can_i: Callable[..., bool]) -> None:
    install.run("install")

    asked = {question: can_i(install.namespace, RELEASE, *question) for question in (*ALLOWED, *DENIED)}

    assert asked == {question: question in ALLOWED for question in asked}


def test_secured_metrics_may_ask_who_calls(install: Install, can_i: Callable[..., bool]) -> None:
    install.run("install", "--set", "operator.metrics.bindAddress=:8443")

    assert can_i(install.namespace, RELEASE, "create", "tokenreviews.authentication.k8s.io")
    assert can_i(install.namespace, RELEASE, "create", "subjectaccessreviews.authorization.k8s.io")


def test_rights_stay_in_the_watched_namespaces(install: Install, can_i: Callable[..., bool]) -> None:
    install.run("install", "--set", "operator.watchNamespaces={team-a,team-b}")

    for namespace, answer in (("team-a", True), ("team-b", True), ("default", False)):
        place = f"--namespace={namespace}"
        for verb, resource in (("patch", "mcpservers.mcpgateway.bedrock.aws"), ("create", "events")):
            assert can_i(install.namespace, RELEASE, verb, resource, place) is answer
    assert can_i(install.namespace, RELEASE, "get", "namespaces/kube-system")
    single = "leases.coordination.k8s.io/namespace-guard.mcpgateway.bedrock.aws"
    for namespace, answer in (("team-a", True), ("team-b", True), ("kube-system", False), ("default", False)):
        assert can_i(install.namespace, RELEASE, "update", single, f"--namespace={namespace}") is answer
    everywhere = ("leases.coordination.k8s.io/guard.mcpgateway.bedrock.aws", "--namespace=kube-system")
    assert can_i(install.namespace, RELEASE, "get", *everywhere)
    assert not can_i(install.namespace, RELEASE, "update", *everywhere)
    assert not can_i(install.namespace, RELEASE, "create", "leases.coordination.k8s.io", everywhere[1])


def test_rights_on_a_guard_in_another_place(install: Install, can_i: Callable[..., bool]) -> None:
    watched = (
        "--set",
        "operator.watchNamespaces={team-a,team-b}",
        "--set",
        "operator.guardNamespace=default",
    )
    install.run("install", *watched)

    lease, place = "leases.coordination.k8s.io/{}guard.mcpgateway.bedrock.aws{}", "--namespace=default"
    for name in (lease.format("namespace-", ".team-a"), lease.format("namespace-", ".team-b")):
        assert can_i(install.namespace, RELEASE, "update", name, place)
        assert not can_i(install.namespace, RELEASE, "update", name, "--namespace=kube-system")
    assert can_i(install.namespace, RELEASE, "get", lease.format("", ""), place)
    assert not can_i(install.namespace, RELEASE, "update", lease.format("", ""), place)
    assert not can_i(install.namespace, RELEASE, "list", "leases.coordination.k8s.io", place)
