"""The API server goes away and comes back, and so does the CRD."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from mcp_gateway_operator_demo.localcluster import LocalCluster
from mcp_gateway_operator_demo.project_files import project_dir
from tests.integration.operator.fixtures import MakeSite
from tests.integration.operator.site import Site, ask, logs, said
from tests.support.crds import without_crds
from tests.support.polling import until

CRD = "mcpservers.mcpgateway.bedrock.aws"


@pytest.fixture(scope="module")
def own(cluster: LocalCluster) -> Iterator[None]:
    """The CRD without what other tests left, so that it can be deleted; at the end it is there again."""
    with without_crds(cluster):
        cluster.apply(project_dir("config/crd") / "bases")
        yield


@pytest.fixture
def alone(own: None, make_site: MakeSite) -> Site:  # noqa: ARG001  -- comes first, and is nothing
    """A site on that cluster."""
    return make_site()


def test_a_restart_of_the_api_server_costs_nothing_and_ends_nothing(alone: Site) -> None:
    process = alone.start()
    for name in ("one", "two"):
        alone.create(name)
    for name in ("one", "two"):
        alone.until_ready(name)
    alone.until_calls("ListGatewayTargets", 2)
    before = Counter(alone.simulator.admin.counts()["operations"])
    url, (etcd, api_server) = alone.cluster.server_url, alone.cluster.pids
    alone.cluster.restart_api_server()
    assert (alone.cluster.server_url, alone.cluster.pids[0]) == (url, etcd)
    assert alone.cluster.pids[1] != api_server
    alone.kube.own_writes = 0
    alone.create("three")
    alone.until_ready("three", 40.0)
    alone.until_calls("ListGatewayTargets", 2)
    assert alone.kube.writes() == 2, "those of the new object; the API server counts from its start"
    calls = Counter(alone.simulator.admin.counts()["operations"]) - before
    assert {name: n for name, n in calls.items() if name != "ListGatewayTargets"} == {
        "CreateGatewayTarget": 1
    }
    assert process.returncode is None
    assert ask(process, "/healthz") == (200, "ok")
    assert ask(process, "/readyz") == (200, "ok")


def test_the_crd_is_deleted_and_made_again_under_a_running_operator(alone: Site) -> None:
    """Objects go with it, and so do their targets; the operator waits and goes on with the new one."""
    process = alone.start()
    alone.create()
    alone.until_ready()
    alone.cluster.kubectl("delete", "crd", CRD, "--wait=false")
    until(lambda: alone.targets() == [], "the target is gone", 40.0)
    until(
        lambda: alone.cluster.kubectl("get", "crd", CRD, check=False).returncode != 0, "so is the CRD", 40.0
    )
    until(lambda: said(process, "kubectl apply"), "it says what to do", 40.0)
    assert process.returncode is None
    assert ask(process, "/healthz")[0] == 200, "a restart would not help"
    alone.cluster.apply(project_dir("config/crd") / "bases")
    alone.create()
    alone.until_ready(seconds=40.0)
    assert len(alone.targets()) == 1


def test_an_operator_started_before_the_crd_waits_for_it(alone: Site) -> None:
    alone.cluster.kubectl("delete", "crd", CRD)
    process = alone.start(ready=False)
    until(lambda: said(process, "kubectl apply --server-side"), "it says what to do")
    code, body = ask(process, "/readyz")
    assert code == 500
    assert "CustomResourceDefinition" in body
    assert ask(process, "/healthz")[0] == 200, "a restart would not help"
    assert len(said(process, "kubectl apply --server-side")) == 1
    assert not [line for line in logs(process) if "Traceback" in str(line)]
    alone.cluster.apply(project_dir("config/crd") / "bases")
    process.wait_ready()
    alone.create()
    alone.until_ready()
