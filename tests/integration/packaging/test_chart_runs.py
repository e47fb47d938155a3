"""The operator as a process with exactly the flags, the account and the rights that the chart rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from agentcore_simulator import Settings, SimulatorServer
from mcp_gateway_operator.api.names import GROUP
from mcp_gateway_operator_demo.localcluster import ClusterRequestError, LocalCluster
from tests.integration.operator.kube import Kube, is_ready
from tests.integration.operator.site import QUICK
from tests.integration.packaging.conftest import CHART, HERE, RELEASE, Helm
from tests.support.forked import ForkedOperator
from tests.support.polling import until

GATEWAY = "team-abcdefghij"
ACCOUNT = "123456789012"
PROVIDER = f"arn:aws:bedrock-agentcore:us-east-1:{ACCOUNT}:token-vault/default/oauth2credentialprovider/idp"
ENDPOINT = "https://weather.example.com/mcp"
OLD_ROLE = f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: written-for-the-go-operator}}
rules:
  - apiGroups: [mcpgateway.bedrock.aws]
    resources: [mcpservers]
    verbs: [create, delete, get, list, patch, update, watch]
  - {{apiGroups: [mcpgateway.bedrock.aws], resources: [mcpservers/finalizers], verbs: [update]}}
  - {{apiGroups: [mcpgateway.bedrock.aws], resources: [mcpservers/status], verbs: [get, patch, update]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: written-for-the-go-operator}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: written-for-the-go-operator}}
subjects:
  - {{kind: ServiceAccount, name: {RELEASE}, namespace: NAMESPACE}}
"""
SERVER = {
    "apiVersion": f"{GROUP}/v1alpha1",
    "kind": "MCPServer",
    "metadata": {"name": "weather"},
    "spec": {
        "endpoint": ENDPOINT,
        "capabilities": ["tools"],
        "oauthProviderArn": PROVIDER,
        "oauthScopes": ["read"],
    },
}


class Site:
    """A namespace with the chart installed, the simulated AWS, and the operator once it is started."""

    def __init__(self, helm: Helm, cluster: LocalCluster, namespace: str, directory: Path) -> None:
        self.helm = helm
        self.cluster = cluster
        self.namespace = namespace
        self.directory = directory
        self.stack = ExitStack()
        self.simulator = self.stack.enter_context(
            SimulatorServer(Settings(durations=QUICK), gateways=[GATEWAY])
        )
        self._kube = Kube(cluster, directory)
        self.stack.callback(self._kube.close)
        self._denied_before = self._kube.denials()

    def start_operator(self) -> None:
        """Start it with the flags of the Deployment, other than the address of its probes."""
        deployment = self.cluster.get(f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{RELEASE}")
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
        operator = ForkedOperator(
            self.directory,
            kubeconfig=self.cluster.service_account_kubeconfig(
                self.namespace, account, path=self.directory / "operator.kubeconfig"
            ),
            endpoint_url=self.simulator.url,
            arguments=[flag for flag in container["args"] if "health-probe" not in flag],
        )
        self.stack.callback(operator.stop)
        operator.wait_ready()
        self.operator = operator

    @property
    def weather(self) -> str:
        """The path of the MCPServer."""
        return f"{self._servers}/weather"

    @property
    def _servers(self) -> str:
        return f"/apis/{GROUP}/v1alpha1/namespaces/{self.namespace}/mcpservers"

    def create(self) -> None:
        """Create the MCPServer."""
        self.cluster.post(self._servers, SERVER)

    def until_ready(self) -> dict[str, Any]:
        """Wait until the MCPServer is Ready in its newest generation; return its status."""
        until(lambda: is_ready(self.cluster.get(self.weather)), "weather is Ready")
        status: dict[str, Any] = self.cluster.get(self.weather)["status"]
        return status

    def delete(self) -> None:
        """Delete the MCPServer and wait until it is gone."""
        self.cluster.delete(self.weather)

        def gone() -> bool:
            with suppress(ClusterRequestError):
                return not self.cluster.get(self.weather)
            return True

        until(gone, "weather is gone")

    def writes(self) -> dict[str, int]:
        """Return how often each operation that changes a target was called."""
        counts: dict[str, int] = self.simulator.admin.counts()["operations"]
        reading = ("Get", "List", "sts:Get")
        return {name: count for name, count in counts.items() if not name.startswith(reading)}

    def denied(self) -> int:
        """Return how many requests the API server has refused since the test began."""
        return self._kube.denials() - self._denied_before


@pytest.fixture
def site(live_helm: Helm, bare: LocalCluster, namespace: str, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        made = Site(live_helm, bare, namespace, tmp_path)
        stack.callback(made.stack.close)
        yield made


with_helm3 = pytest.mark.parametrize("helm", [3], indirect=True, ids=["helm3"])
with_helm4 = pytest.mark.parametrize("helm", [4], indirect=True, ids=["helm4"])
# One is enough for a whole life: another test holds that both render the same.


def _whole_life(site: Site) -> None:
    site.create()
    site.until_ready()
    site.cluster.patch(site.weather, {"spec": {"description": "Forecasts"}})
    site.until_ready()
    (target,) = site.simulator.admin.targets(GATEWAY)
    assert target["description"].startswith("Forecasts")
    site.delete()
    assert site.simulator.admin.targets(GATEWAY) == []


@with_helm4
@pytest.mark.parametrize(
    "settings",
    [
        (),
        (
            *("--set", "operator.leaderElection=true", "--set", "replicaCount=2"),
            *("--set", "operator.guardNamespace=team-b"),
        ),
    ],
    ids=["alone", "elected-and-guard-elsewhere"],
)
def test_it_does_its_job_and_nothing_is_denied(site: Site, settings: tuple[str, ...]) -> None:
    gateway = ("--set", f"aws.gatewayId={GATEWAY}", "--set", "aws.region=us-east-1")
    site.helm("install", RELEASE, str(CHART), "--namespace", site.namespace, *gateway, *settings)
    site.start_operator()

    _whole_life(site)

    leases = f"/apis/coordination.k8s.io/v1/namespaces/{site.namespace}/leases"
    assert site.cluster.get(f"{leases}/b89ac0a6.bedrock.aws")
    events = f"/api/v1/namespaces/{site.namespace}/events?fieldSelector=involvedObject.name%3Dweather"
    until(lambda: site.cluster.get(events)["items"], "events")
    assert site.denied() == 0


@with_helm4
@pytest.mark.parametrize("guard", ["", "team-b"], ids=["guard-there", "guard-elsewhere"])
def test_watching_some_namespaces_takes_no_other_rights(site: Site, guard: str) -> None:
    settings = (
        "--set",
        f"operator.guardNamespace={guard}",
        "--set",
        f"aws.gatewayId={GATEWAY}",
        "--set",
        f"operator.watchNamespaces={{{site.namespace}}}",
    )
    site.helm("install", RELEASE, str(CHART), "--namespace", site.namespace, *settings)
    site.start_operator()

    _whole_life(site)

    assert site.denied() == 0


def _left_by_the_go_operator(site: Site) -> dict[str, Any]:
    """Make the object, its finalizer and status, and the target as AWS holds it; return the target."""
    target = site.simulator.admin.create_target(
        GATEWAY,
        name="weather",
        targetConfiguration={"mcp": {"mcpServer": {"endpoint": ENDPOINT}}},
        credentialProviderConfigurations=[
            {
                "credentialProviderType": "OAUTH",
                "credentialProvider": {
                    "oauthCredentialProvider": {"providerArn": PROVIDER, "scopes": ["read"]}
                },
            }
        ],
    )
    assert isinstance(target, dict)
    site.create()
    site.cluster.patch(site.weather, {"metadata": {"finalizers": ["bedrock.aws/gateway-target-finalizer"]}})
    status = {
        "targetId": target["targetId"],
        "gatewayArn": target["gatewayArn"],
        "targetStatus": "READY",
        "observedGeneration": 1,
    }
    site.cluster.patch(f"{site.weather}/status", {"status": status})
    return target


@with_helm3
@pytest.mark.parametrize("update_crd", [True, False], ids=["new-crd", "old-crd"])
def test_upgrade_takes_over_without_a_write(site: Site, update_crd: bool) -> None:
    """From chart 0.1 with its values file: AWS holds the spec, so nothing is sent and the target stays."""
    site.cluster.apply(HERE / "crd-0.1.yaml")
    values = ("--namespace", site.namespace, "--values", str(HERE / "values" / "chart-0.1.yaml"))
    site.helm("install", RELEASE, str(HERE / "chart-0.1"), *values)
    target = _left_by_the_go_operator(site)

    site.helm("upgrade", RELEASE, str(CHART), *values)
    if update_crd:
        site.cluster.apply(CHART / "files" / "crd.yaml")
    site.start_operator()

    assert site.until_ready()["targetId"] == target["targetId"]
    assert site.writes() == {}
    ready = httpx2.get(f"{site.operator.health}/readyz?verbose")
    assert ready.status_code == 200
    assert ("does not have spec.managementPolicy, spec.deletionPolicy, " in ready.text) is not update_crd
    site.delete()
    assert site.simulator.admin.targets(GATEWAY) == []
    assert site.denied() == 0


@with_helm3
def test_the_old_role_and_the_old_policy_suffice(site: Site, can_i: Callable[..., bool]) -> None:
    """No leases, no events, no kube-system; no Synchronize and no GetGateway: all that was there works."""
    site.simulator.admin.configure(denied_actions=["SynchronizeGatewayTargets", "GetGateway"])
    settings = ("--set", "rbac.create=false", "--set", f"aws.gatewayId={GATEWAY}")
    site.helm("install", RELEASE, str(CHART), "--namespace", site.namespace, *settings)
    site.cluster.apply(OLD_ROLE.replace("NAMESPACE", site.namespace))
    assert not can_i(site.namespace, RELEASE, "create", "leases.coordination.k8s.io")
    site.start_operator()

    _whole_life(site)
