"""Two installations on one cluster: each MCPServer has one operator, and the other one says that it waits."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator_demo.environment import OperatorProcess, free_port
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.operator.fixtures import MakeSite
from tests.integration.operator.kube import LEASES, Kube, is_ready
from tests.integration.operator.site import (
    BRIEF_LEASE,
    HOME,
    NAMESPACE_GUARD,
    Site,
    ask,
    granted,
    kill,
    lease_rights,
    logs,
    make_home,
    said,
)
from tests.support.polling import until

EVERYWHERE = "--watch-namespaces="
AT_ONCE = 6.0
"""Seconds: looks are two apart; a lease that must run out first takes 60."""
OLD_ACCOUNT = "of-chart-0-2"


@pytest.fixture(autouse=True)
def _alone(kube: Kube) -> None:
    """What is counted here is the work of operators that see the whole cluster."""
    kube.delete_all_of_the_cluster()


@pytest.fixture
def other_home(cluster: LocalCluster, site: Site) -> str:
    """The namespace of a second release, with its Lease."""
    name = f"{site.namespace}-second"
    make_home(cluster, name)
    return name


@pytest.fixture
def second(site: Site, other_home: str) -> Any:
    """Return a function that starts an operator of the second release."""

    def start(*flags: str, **more: Any) -> OperatorProcess:
        return site.start(f"--leader-election-namespace={other_home}", *flags, **more)

    return start


def waits(process: OperatorProcess) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = until(
        lambda: said(process, "Another operator"), "it says that it waits", 10.0
    )
    return found


def works(process: OperatorProcess) -> Any:
    return until(lambda: said(process, "works"), "it works")


def guard(kube: Kube, namespace: str = "kube-system", name: str = names.GUARD_NAME) -> dict[str, Any]:
    lease = kube.read(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}")
    return {} if lease is None else dict(lease["spec"])


def test_a_second_release_waits_says_so_and_takes_over(site: Site, second: Any, kube: Kube) -> None:
    first = site.start(EVERYWHERE)
    works(first)
    address = f"127.0.0.1:{free_port()}"
    other = second(EVERYWHERE, f"--metrics-bind-address={address}", "--metrics-secure=false")
    with site.bill() as bill:
        for number in range(4):
            site.create(f"server-{number}")
        for number in range(4):
            site.until_ready(f"server-{number}")
    assert bill.aws_writes == {"CreateGatewayTarget": 4}
    assert bill.writes == 8
    (line,) = waits(other)
    assert line["level"] == "warning"
    assert guard(kube)["holderIdentity"] in line["msg"]
    assert "--watch-namespaces" in line["msg"]
    assert ask(other, "/readyz") == (200, "ok")
    assert "[+]guard ok: worked on all namespaces by " in ask(other, "/readyz?verbose")[1]
    assert 'mcps_guard_leases{state="other"} 1.0' in _figures(address)
    until(lambda: _told(kube, "kube-system", names.GUARD_NAME), "an Event says so")
    os.kill(first.pid, signal.SIGTERM)
    assert first.wait(15.0)
    with site.bill() as bill:
        site.create("next")
        site.until_ready("next", AT_ONCE)
    assert bill.aws_writes == {"CreateGatewayTarget": 1}
    assert bill.writes == 2
    assert 'mcps_guard_leases{state="held"} 1.0' in _figures(address)


def test_a_process_beside_an_installed_operator_waits(site: Site, cluster: LocalCluster) -> None:
    """`make run`: another account, with every right, and a Lease in the namespace of its context."""
    works(site.start(EVERYWHERE))
    developer = site.start(EVERYWHERE, "--leader-election-namespace=default", kubeconfig=cluster.kubeconfig)
    waits(developer)
    with site.bill() as bill:
        site.create()
        site.until_ready()
    assert bill.aws_writes == {"CreateGatewayTarget": 1}
    assert bill.writes == 2


def test_disjoint_namespaces_side_by_side(make_site: MakeSite) -> None:
    first, other = make_site(), make_site()
    processes = [each.start() for each in (first, other)]
    for each in (first, other):
        each.create()
    for each in (first, other):
        each.until_ready()
    for process in processes:
        assert said(process, "Another operator") == []
        assert ask(process, "/readyz?verbose")[1].count("[+]guard ok\n") == 1


def test_an_operator_for_one_namespace_beside_one_for_all(site: Site, second: Any, kube: Kube) -> None:
    """Whoever came first goes on; the namespace changes hands when he goes."""
    single = site.start()
    works(single)
    everywhere = second(EVERYWHERE)
    # Claims of processes that other tests have killed stand for a while, each told of on its own line.
    until(lambda: said(everywhere, f"namespace {site.namespace}"), "it says that it waits for this one")
    until(lambda: _told(kube, site.namespace, NAMESPACE_GUARD), "its tenants are told")
    with site.bill() as bill:
        site.create()
        site.until_ready()
    assert bill.aws_writes == {"CreateGatewayTarget": 1}
    os.kill(single.pid, signal.SIGTERM)
    assert single.wait(15.0)
    site.edit(description="By the other")
    site.until_ready(seconds=AT_ONCE)
    again = site.start()
    (line,) = waits(again)
    assert guard(kube)["holderIdentity"] in line["msg"]
    with site.bill() as bill:
        site.edit(description="Still by the other")
        site.until_ready()
    assert bill.aws_writes == {"UpdateGatewayTarget": 1}


def test_a_killed_release_is_succeeded_at_once_on_the_same_host(site: Site, second: Any) -> None:
    first = site.start(EVERYWHERE)
    works(first)
    other = second(EVERYWHERE)
    waits(other)
    kill(first)
    site.create()
    site.until_ready(seconds=AT_ONCE)


def test_a_killed_release_is_succeeded_when_its_lease_has_run_out(site: Site, second: Any) -> None:
    """From another host, whose lock file proves nothing."""
    first = site.start(EVERYWHERE, *BRIEF_LEASE)
    works(first)
    elsewhere = site.directory / "another-host"
    elsewhere.mkdir()
    other = second(EVERYWHERE, *BRIEF_LEASE, environment={"XDG_RUNTIME_DIR": str(elsewhere)})
    waits(other)
    kill(first)
    killed = time.monotonic()
    site.create()
    until(site.targets, "the other one writes", 20)
    assert time.monotonic() - killed > 3


def test_a_tenant_who_takes_the_guard_of_his_namespace_stops_himself_alone(
    make_site: MakeSite, kube: Kube, cluster: LocalCluster
) -> None:
    his, neighbour = make_site(), make_site()
    cluster.post(
        LEASES.format(namespace=his.namespace),
        {
            "metadata": {"name": NAMESPACE_GUARD},
            "spec": {"holderIdentity": "mine", "leaseDurationSeconds": 2_000_000_000},
        },
    )
    process = neighbour.start(f"--watch-namespaces={neighbour.namespace},{his.namespace}")
    (line,) = waits(process)
    assert f"namespace {his.namespace}" in line["msg"]
    neighbour.create()
    his.create("his")
    neighbour.until_ready()
    assert ask(process, "/readyz") == (200, "ok")
    until(lambda: _told(kube, his.namespace, NAMESPACE_GUARD), "he is told")
    assert not is_ready(his.get("his"))
    cluster.delete(f"{LEASES.format(namespace=his.namespace)}/{NAMESPACE_GUARD}")
    his.until_ready("his", seconds=AT_ONCE)


@pytest.fixture
def account_of_0_2(cluster: LocalCluster, site: Site, kubeconfig: Path, tmp_path: Path) -> Iterator[Path]:
    """A ServiceAccount with the roles of chart 0.2: its own Lease, Events, and no guard."""
    assert kubeconfig.is_file(), "its namespace and CRD are installed"
    name = f"{OLD_ACCOUNT}-{site.namespace}"
    own = ["mcpservers", "mcpservers/status", "mcpservers/finalizers"]
    rules = [
        {
            "apiGroups": [names.GROUP],
            "resources": own,
            "verbs": ["get", "list", "watch", "update", "patch"],
        },
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
        {
            "apiGroups": [""],
            "resources": ["namespaces"],
            "resourceNames": ["kube-system"],
            "verbs": ["get"],
        },
    ]
    lease_rules = [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [names.LEASE_NAME],
            "verbs": ["get", "update", "patch"],
        },
    ]
    with (
        granted(cluster, name, rules),
        granted(cluster, name, lease_rules, namespace=site.namespace),
    ):
        yield cluster.service_account_kubeconfig(HOME, name, path=tmp_path / "old.kubeconfig")


@pytest.mark.parametrize("watched", ["all", "one"])
def test_with_the_roles_of_0_2_all_works_and_one_line_says_what_is_missing(
    site: Site, account_of_0_2: Path, watched: str
) -> None:
    flags = (EVERYWHERE,) if watched == "all" else ()
    # A role for the guard of this namespace is there; it is another account's.
    process = site.start(*flags, "--leader-elect", kubeconfig=account_of_0_2)
    site.create()
    site.until_ready()
    site.delete()
    site.until_gone()
    warnings = [each for each in logs(process) if each["level"] == "warning"]
    # The others: that the kinds and the namespaces cannot be listed, and what follows for MCPGateways.
    (line,) = [each for each in warnings if "mcpgateways" not in str(each) and "namespaces" not in str(each)]
    assert len(warnings) <= 4, warnings
    assert "nothing keeps a second operator" in line["msg"]
    assert "--guard-namespace" in line["msg"]
    assert "without a guard" in ask(process, "/readyz?verbose")[1]


def test_a_rollout_from_0_2_which_knows_no_guard(site: Site, kube: Kube) -> None:
    """The old pod holds the Lease and no guard; the new one takes both when it goes."""
    old = site.start("--leader-elect", environment={"POD_NAME": "old-pod", "POD_NAMESPACE": site.namespace})
    site.create()
    site.until_ready()
    # As 0.2 leaves it behind: its Lease given up, and never a guard.
    os.kill(old.pid, signal.SIGSTOP)
    new = site.start("--leader-elect", environment={"POD_NAME": "new-pod", "POD_NAMESPACE": site.namespace})
    site.cluster.delete(f"{LEASES.format(namespace=site.namespace)}/{NAMESPACE_GUARD}")
    until(lambda: said(new, "waiting for the lease"), "the new one is a standby")
    assert said(new, "Another operator") == []
    assert guard(kube, site.namespace, NAMESPACE_GUARD) == {}
    kube.edit_lease(site.namespace, holderIdentity="", leaseDurationSeconds=1)
    site.edit(description="By the new one")
    site.until_ready(seconds=AT_ONCE)
    assert guard(kube, site.namespace, NAMESPACE_GUARD)["holderIdentity"] == f"{site.namespace}/new-pod"
    with site.bill() as bill:
        os.kill(old.pid, signal.SIGCONT)
        assert old.wait(15.0)
    assert bill.writes == 0
    assert bill.aws_writes == {}


def test_another_place_for_the_guard(site: Site, second: Any, kube: Kube, other_home: str) -> None:
    """Both are told the same; the account needs its rights there."""
    place = f"--guard-namespace={other_home}"
    for path, document in lease_rights(other_home, guard=names.GUARD_NAME):
        if document["kind"] == "Role":
            site.cluster.patch(f"{path}/{document['metadata']['name']}", {"rules": document["rules"]})
    first = site.start(EVERYWHERE, place)
    works(first)
    other = second(EVERYWHERE, place)
    waits(other)
    assert guard(kube, other_home)["holderIdentity"]
    site.create()
    site.until_ready()


def _figures(address: str) -> str:
    return httpx2.get(f"http://{address}/metrics", trust_env=False).text


def _told(kube: Kube, namespace: str, name: str) -> list[dict[str, Any]]:
    return [
        event
        for event in kube.events(namespace, name)
        if event["reason"] == "AnotherOperator" and event["type"] == "Warning"
    ]
