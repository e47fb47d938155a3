"""With the Go operator's RBAC or IAM policy everything old works; what is missing costs one log line each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.operator.site import HOME, Site, granted, said
from tests.support.polling import until

OLD_ACCOUNT = "go-operator"
OLD_RULES = [
    {
        "apiGroups": ["mcpgateway.bedrock.aws"],
        "resources": ["mcpservers"],
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
    },
    {
        "apiGroups": ["mcpgateway.bedrock.aws"],
        "resources": ["mcpservers/finalizers"],
        "verbs": ["update"],
    },
    {
        "apiGroups": ["mcpgateway.bedrock.aws"],
        "resources": ["mcpservers/status"],
        "verbs": ["get", "patch", "update"],
    },
]


@pytest.fixture
def old_kubeconfig(cluster: LocalCluster, kubeconfig: Path, tmp_path: Path) -> Iterator[Path]:
    """A ServiceAccount with the rules of the Go operator's chart: no leases, Events or kube-system."""
    assert kubeconfig.is_file(), "its namespace and CRD are installed"
    with granted(cluster, OLD_ACCOUNT, OLD_RULES):
        yield cluster.service_account_kubeconfig(HOME, OLD_ACCOUNT, path=tmp_path / "old.kubeconfig")


def test_the_go_operators_rbac_is_enough_for_everything_old(site: Site, old_kubeconfig: Path) -> None:
    process = site.start(kubeconfig=old_kubeconfig)
    with site.bill() as bill:
        site.create(description="Plain")
        site.until_ready()
        site.edit(description="Changed")
        site.until_ready()
        site.simulator.admin.edit_target(site.target_id(), description="Somebody's")
        repaired = {"description": "Changed", "status": "READY"}
        until(lambda: repaired.items() <= site.targets()[0].items(), "the repair")
        site.delete()
        site.until_gone()
    assert bill.aws_writes == {
        "CreateGatewayTarget": 1,
        "UpdateGatewayTarget": 2,
        "DeleteGatewayTarget": 1,
    }
    for what, words in {
        "the Lease": "leases.coordination.k8s.io",
        "Events": "vents",
        "kube-system": "kube-system",
    }.items():
        lines = [line for line in said(process, words) if line["level"] == "warning"]
        assert len(lines) == 1, f"{what}: one line, not {lines}"


def test_leader_election_without_the_right_to_leases_ends_with_a_sentence(
    site: Site, old_kubeconfig: Path
) -> None:
    process = site.start("--leader-elect", kubeconfig=old_kubeconfig, ready=False)
    assert process.wait(20.0)
    assert process.returncode == 1
    (line,) = [each for each in said(process, "") if each["level"] == "error"]
    assert "leases" in line["msg"]
    assert "forbidden" in line["msg"]


def test_the_go_operators_iam_policy_is_enough(site: Site) -> None:
    """Neither Synchronize nor GetGateway, nor STS."""
    site.simulator.admin.configure(
        denied_actions=["SynchronizeGatewayTargets", "GetGateway", "sts:GetCallerIdentity"]
    )
    site.start()
    site.create()
    site.until_ready()
    site.edit(description="Changed")
    site.until_ready()
    site.delete()
    site.until_gone()
    assert site.targets() == []
