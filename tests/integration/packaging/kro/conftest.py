"""Fixtures of the operator as a process, and a cluster that knows the kinds of the kro pair."""

from __future__ import annotations

import pytest

from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.operator.fixtures import kube, kubeconfig, make_site
from tests.integration.packaging.kro.kinds import install_kinds

__all__ = ["kro", "kube", "kubeconfig", "make_site"]


@pytest.fixture(scope="session")
def kro(cluster: LocalCluster) -> LocalCluster:
    """The API server with the graph installed and its kind served; no kro runs."""
    install_kinds(cluster)
    return cluster
