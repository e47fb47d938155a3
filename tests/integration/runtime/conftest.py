"""The same promises asked of two servers: the one in memory, and a real kube-apiserver."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from mcp_gateway_operator.runtime.cluster import NAMESPACES, Cluster
from mcp_gateway_operator.runtime.transport import connect
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.support.memory_cluster import MemoryApiServer
from tests.support.things import THINGS

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Kube:
    """A connection, and a namespace of the test's own."""

    cluster: Cluster
    namespace: str


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[None]:
    """Fail a test that blocks the event loop."""
    blockbuster = BlockBuster()
    blockbuster.activate()
    yield
    blockbuster.deactivate()


@pytest.fixture(scope="session")
def real(cluster: LocalCluster) -> LocalCluster:
    """The real API server, serving things."""
    cluster.apply(Path(__file__).with_name("things-crd.yaml"))
    return cluster


@pytest.fixture(params=["memory", "real"])
def connection(request: pytest.FixtureRequest) -> Cluster:
    """A connection to each of the two servers, made before the event loop runs."""
    if request.param == "real":
        running: LocalCluster = request.getfixturevalue("real")
        return connect(kubeconfig=str(running.kubeconfig), context=None)
    server = MemoryApiServer()
    server.serve(THINGS, "Thing", validate=_too_large)
    return server.connect()


@pytest.fixture
async def kube(connection: Cluster) -> AsyncIterator[Kube]:
    """A server with a fresh namespace."""
    name = f"runtime-{next(_numbers)}"
    await connection.create(NAMESPACES, None, {"metadata": {"name": name}})
    yield Kube(connection, name)
    await connection.close()


def _too_large(obj: dict[str, dict[str, int]]) -> str | None:
    """Do what the CRD's schema does."""
    size = obj.get("spec", {}).get("size", 0)
    return None if size <= 1000 else f"spec.size: Invalid value: {size}: should be less than or equal to 1000"
