"""Install, upgrade and uninstall against a real API server, where `lookup` sees what is there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway_operator.api.names import GROUP
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.packaging.conftest import (
    CHART,
    CRD_NAME,
    HERE,
    RELEASE,
    ROOT,
    Helm,
    load_all,
    update_command,
)

SERVER = {
    "apiVersion": f"{GROUP}/v1alpha1",
    "kind": "MCPServer",
    "metadata": {"name": "weather", "finalizers": ["bedrock.aws/gateway-target-finalizer"]},
    "spec": {
        "endpoint": "https://weather.example.com/mcp",
        "capabilities": ["tools"],
        "oauthProviderArn": "arn:aws:bedrock-agentcore:us-east-1:123456789012"
        ":token-vault/a/oauth2credentialprovider/b",
        "oauthScopes": ["read"],
    },
}
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

    def deployment(self) -> dict[str, Any]:
        """Return the operator's Deployment."""
        return self.cluster.get(f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{RELEASE}")

    def server(self) -> dict[str, Any]:
        """Return the MCPServer that `publish` made."""
        return self.cluster.get(f"{self._servers}/weather")

    def crd(self) -> dict[str, Any]:
        """Return the CRD of MCPServers."""
        return self.cluster.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CRD_NAME}")

    def publish(self) -> dict[str, Any]:
        """Make an MCPServer with the finalizer and the status that an operator left."""
        self.cluster.post(self._servers, SERVER)
        self.cluster.patch(f"{self._servers}/weather/status", {"status": STATUS})
        return self.server()

    @property
    def _servers(self) -> str:
        return f"/apis/{GROUP}/v1alpha1/namespaces/{self.namespace}/mcpservers"


@pytest.fixture
def install(live_helm: Helm, bare: LocalCluster, namespace: str) -> Install:
    return Install(live_helm, bare, namespace)


def _new_schema(crd: dict[str, Any]) -> bool:
    (version,) = crd["spec"]["versions"]
    return "deletionPolicy" in version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


def test_install_brings_the_crd_and_uninstall_keeps_it(install: Install) -> None:
    """Uninstalling and installing again loses no MCPServer."""
    install.run("install")
    before = install.publish()

    said = install.uninstall()
    assert CRD_NAME in said  # Helm names what it kept
    assert install.server() == before

    install.run("install")
    assert install.server() == before
    assert install.deployment()["spec"]["strategy"] == {"type": "Recreate"}


def _crd_of_the_chart() -> dict[str, Any]:
    (crd,) = load_all((CHART / "files" / "crd.yaml").read_text())
    return crd


def _older_crd() -> dict[str, Any]:
    """Return the CRD as a version that lacks a field would have it."""
    crd = _crd_of_the_chart()
    del crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"][
        "deletionPolicy"
    ]
    return crd


def test_upgrade_updates_a_crd_of_its_own(install: Install, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(CHART, older)
    (older / "files" / "crd.yaml").write_text(json.dumps(_older_crd()))
    install.run("install", chart=str(older))
    assert not _new_schema(install.crd())
    before = install.publish()

    install.run("upgrade")

    assert _new_schema(install.crd())
    assert install.server() == before


def test_a_crd_that_kubectl_changed_since_never_fails_the_upgrade(install: Install) -> None:
    """Helm 3 changes it back; Helm 4 would meet a conflict of field managers, so the notes say what to do."""
    install.run("install")
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    install.cluster.kubectl(*apply, input=json.dumps(_older_crd()))

    notes = install.run("upgrade")

    if install.helm.major > 3:
        assert not _new_schema(install.crd())
        command = update_command(notes)
        install.cluster.kubectl(*command[:-1], str(ROOT / command[-1]))
    assert _new_schema(install.crd())
    assert "kubectl apply --server-side" not in install.run("upgrade")


def test_upgrade_from_the_go_operators_chart(install: Install) -> None:
    """The old values file, an old CRD that kubectl installed, objects with finalizer and status: all kept."""
    install.cluster.apply(HERE / "crd-0.1.yaml")
    values = ("--values", str(HERE / "values" / "chart-0.1.yaml"))
    install.run("install", *values, chart=str(HERE / "chart-0.1"))
    before = install.publish()
    old = install.deployment()

    notes = install.run("upgrade", *values)

    assert install.server() == before
    new = install.deployment()
    assert new["metadata"]["uid"] == old["metadata"]["uid"]  # changed in place
    assert new["spec"]["selector"] == old["spec"]["selector"]
    assert not _new_schema(install.crd())  # not Helm's: left alone

    command = update_command(notes)
    install.cluster.kubectl(*command[:-1], str(ROOT / command[-1]))
    assert _new_schema(install.crd())
    assert install.server() == before

    # Still not Helm's, and nothing is left to do.
    assert "kubectl apply --server-side" not in install.run("upgrade", *values)
    install.uninstall()
    assert install.server() == before


def test_the_old_and_the_new_pod_never_run_together(install: Install) -> None:
    """Neither on the way from chart 0.1, whose strategy was the default, nor back from leader election."""
    install.run("install", chart=str(HERE / "chart-0.1"))

    install.run("upgrade")
    first = install.deployment()["spec"]["strategy"]
    assert first.get("rollingUpdate", {"maxSurge": 0})["maxSurge"] == 0
    install.run("upgrade")
    assert install.deployment()["spec"]["strategy"] == {"type": "Recreate"}

    install.run("upgrade", "--set", "operator.leaderElection=true", "--set", "replicaCount=2")
    assert install.deployment()["spec"]["strategy"]["type"] == "RollingUpdate"
    install.run("upgrade", "--reset-values")
    assert install.deployment()["spec"]["strategy"] == {"type": "Recreate"}


with_helm4 = pytest.mark.parametrize("helm", [4], indirect=True, ids=["helm4"])


@with_helm4  # which helm it is makes no difference to what the template finds
def test_a_crd_of_another_release_is_left_alone(install: Install) -> None:
    """The notes speak of it only when its schema is another one: a missing short name is no reason."""
    same = _crd_of_the_chart()
    same["spec"]["names"]["shortNames"] = ["mcps"]
    second = ("second", str(CHART), "--namespace", install.namespace)
    install.run("install")
    install.cluster.apply(json.dumps(same))
    assert "kubectl apply --server-side" not in install.helm("install", *second).stdout
    install.cluster.apply(json.dumps(_older_crd()))

    notes = install.helm("upgrade", *second).stdout

    assert "by something other than this" in notes
    assert update_command(notes)
    crd = install.crd()
    assert not _new_schema(crd)
    assert crd["metadata"]["annotations"]["meta.helm.sh/release-name"] == RELEASE
