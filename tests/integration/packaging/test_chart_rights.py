"""What the chart grants: the API server is asked what the ServiceAccount may do."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.packaging.conftest import Helm
from tests.support.polling import until

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


class Rights:
    """What the chart grants, installed without the rest, and asked for."""

    def __init__(self, helm: Helm, cluster: LocalCluster, namespace: str, can_i: Callable[..., bool]) -> None:
        self._helm, self._cluster, self._namespace, self._can_i = helm, cluster, namespace, can_i

    def give(self, *settings: str) -> None:
        """Install the account, the roles and the bindings that these settings make."""
        arguments = [part for setting in settings for part in ("--set", setting)]
        # The names of what has no namespace begin with the release's.
        objects = self._helm.template(self._namespace, self._namespace, *arguments)
        group = "rbac.authorization.k8s.io/v1"
        rbac = [item for item in objects if item["apiVersion"] == group or item["kind"] == "ServiceAccount"]
        (account,) = (item["metadata"]["name"] for item in rbac if item["kind"] == "ServiceAccount")
        self._account = account
        self._cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": rbac}))

    def may(self, *question: str) -> bool:
        """Ask as with `kubectl auth can-i`."""
        return self._can_i(self._namespace, self._account, *question)

    def until(self, *questions: tuple[str, ...]) -> None:
        """Wait until all of these are answered with yes, as the API server comes to know the bindings."""
        until(lambda: all(self.may(*question) for question in questions), f"yes to {questions}")


@pytest.fixture
def rights(one_helm: Helm, monitored: LocalCluster, namespace: str, can_i: Callable[..., bool]) -> Rights:
    return Rights(one_helm, monitored, namespace, can_i)


def test_the_service_account_may_do_its_job_and_no_more(rights: Rights) -> None:
    rights.give()

    rights.until(*ALLOWED)
    assert [question for question in DENIED if rights.may(*question)] == []


def test_secured_metrics_may_ask_who_calls(rights: Rights) -> None:
    rights.give("operator.metrics.bindAddress=:8443")

    rights.until(
        ("create", "tokenreviews.authentication.k8s.io"),
        ("create", "subjectaccessreviews.authorization.k8s.io"),
    )


def test_rights_stay_in_the_watched_namespaces(rights: Rights) -> None:
    rights.give("operator.watchNamespaces={team-a,team-b}")

    work = (("patch", "mcpservers.mcpgateway.bedrock.aws"), ("create", "events"))
    single = ("update", "leases.coordination.k8s.io/namespace-guard.mcpgateway.bedrock.aws")
    guard = "leases.coordination.k8s.io/guard.mcpgateway.bedrock.aws"
    rights.until(
        *((*each, f"--namespace={team}") for each in (*work, single) for team in ("team-a", "team-b")),
        ("get", "namespaces/kube-system"),
        ("get", guard, "--namespace=kube-system"),
    )
    denied = [
        *((*each, "--namespace=default") for each in (*work, single)),
        (*single, "--namespace=kube-system"),
        ("update", guard, "--namespace=kube-system"),
        ("create", "leases.coordination.k8s.io", "--namespace=kube-system"),
    ]
    assert [question for question in denied if rights.may(*question)] == []


def test_rights_on_a_guard_in_another_place(rights: Rights) -> None:
    rights.give("operator.watchNamespaces={team-a,team-b}", "operator.guardNamespace=default")

    lease, place = "leases.coordination.k8s.io/{}guard.mcpgateway.bedrock.aws{}", "--namespace=default"
    singles = [lease.format("namespace-", team) for team in (".team-a", ".team-b")]
    rights.until(*(("update", name, place) for name in singles), ("get", lease.format("", ""), place))
    denied = [
        *(("update", name, "--namespace=kube-system") for name in singles),
        ("update", lease.format("", ""), place),
        ("list", "leases.coordination.k8s.io", place),
    ]
    assert [question for question in denied if rights.may(*question)] == []
