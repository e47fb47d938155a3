"""The operator as a process, with its ServiceAccount's token, on a real API server and a simulated AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway_operator_demo.environment import install
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.operator.kube import Kube
from tests.integration.operator.site import ACCOUNT, HOME, PREFIX, Site, open_site

MakeSite = Callable[..., Site]


@pytest.fixture(scope="session")
def kubeconfig(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install `config/rbac` and return a kubeconfig with the token of its ServiceAccount."""
    scratch = tmp_path_factory.mktemp("operator")
    install(cluster, scratch / "install", namespace=HOME, prefix=PREFIX)
    return cluster.service_account_kubeconfig(HOME, ACCOUNT, path=scratch / "operator.kubeconfig")


@pytest.fixture(scope="session")
def kube(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    """The administrator."""
    user = Kube(cluster, tmp_path_factory.mktemp("kube"))
    yield user
    user.close()


@pytest.fixture
def make_site(cluster: LocalCluster, kubeconfig: Path, kube: Kube, tmp_path: Path) -> Iterator[MakeSite]:
    """Return a function that makes a `Site`; its arguments are those of `open_site` behind the first four."""
    with ExitStack() as stack:

        def make(**arguments: Any) -> Site:
            return stack.enter_context(open_site(cluster, kube, kubeconfig, tmp_path, **arguments))

        yield make


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """A namespace and a simulated AWS, and no operator yet."""
    return make_site()


@pytest.fixture(scope="module")
def running(
    cluster: LocalCluster, kubeconfig: Path, kube: Kube, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site with one operator at work, for all tests of a module."""
    with open_site(cluster, kube, kubeconfig, tmp_path_factory.mktemp("running")) as site:
        site.start()
        yield site
