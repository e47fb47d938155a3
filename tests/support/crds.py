"""Takes the project's CRDs and what is left of their objects away from a cluster that tests share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mcp_gateway_operator.api.names import GROUP
from mcp_gateway_operator_demo.localcluster import ClusterRequestError, LocalCluster
from mcp_gateway_operator_demo.project_files import project_dir
from tests.support.polling import until

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_NO_FINALIZERS = {"metadata": {"finalizers": None}}


@contextlib.contextmanager
def without_crds(cluster: LocalCluster) -> Iterator[None]:
    """Take the CRDs away; in the end they are there again, whatever was made of them meanwhile."""
    remove_crds(cluster)
    try:
        yield
    finally:
        # One whose deletion is under way would take what is applied to it along.
        remove_crds(cluster)
        cluster.apply(project_dir("config/crd") / "bases")


def remove_crds(cluster: LocalCluster) -> None:
    """Remove the CRDs and every object of theirs, also those with a finalizer that no operator takes away."""
    for plural in ("mcpservers", "mcpgateways"):
        if served(cluster, crd := f"{_CRDS}/{plural}.{GROUP}"):
            _remove_crd(cluster, crd, plural)


def _remove_crd(cluster: LocalCluster, crd: str, plural: str) -> None:
    cluster.delete(crd)

    def gone() -> bool:
        with contextlib.suppress(ClusterRequestError):  # it went meanwhile
            for item in cluster.get(f"/apis/{GROUP}/v1alpha1/{plural}")["items"]:
                metadata = item["metadata"]
                if metadata.get("finalizers"):
                    place = f"namespaces/{metadata['namespace']}/" if "namespace" in metadata else ""
                    path = f"/apis/{GROUP}/v1alpha1/{place}{plural}/{metadata['name']}"
                    cluster.patch(path, _NO_FINALIZERS)
        return not served(cluster, crd)

    until(gone, f"{crd} is gone")


def remove(cluster: LocalCluster, path: str) -> None:
    """Remove an object, also one with a finalizer that no operator takes away, and wait until it is gone."""
    cluster.delete(path)
    with contextlib.suppress(ClusterRequestError):  # it went meanwhile
        cluster.patch(path, _NO_FINALIZERS)
    until(lambda: not served(cluster, path), f"{path} is gone")


def served(cluster: LocalCluster, path: str) -> bool:
    """Whether the API server has something there."""
    with contextlib.suppress(ClusterRequestError):
        return bool(cluster.get(path))
    return False
