"""A real API server per test worker, with the CRD installed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from mcp_gateway_operator_demo.localcluster import LocalCluster, local_cluster
from mcp_gateway_operator_demo.project_files import project_dir

_names = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Run etcd and kube-apiserver on loopback, with this project's CRD."""
    with local_cluster(tmp_path_factory.mktemp("cluster") / "state") as running:
        running.apply(project_dir("config/crd") / "bases")
        yield running


@pytest.fixture
def namespace(cluster: LocalCluster) -> str:
    """Return a namespace of the test's own; no controller would finish its deletion, so it stays."""
    name = f"test-{next(_names)}"
    cluster.create_namespace(name)
    return name
