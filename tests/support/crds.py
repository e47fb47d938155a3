"""Takes the project's CRDs away from a cluster that tests share."""

from __future__ import annotations

import contextlib

from mcp_gateway_operator_demo.localcluster import ClusterRequestError, LocalCluster
from tests.support.polling import until

GROUP = "mcpgateway.bedrock.aws"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def remove_crds(cluster: LocalCluster) -> None:
    """Remove the CRDs and every object of theirs, also those with a finalizer that no operator takes away."""
    for plural in ("mcpservers", "mcpgateways"):
        if served(cluster, crd := f"{_CRDS}/{plural}.{GROUP}"):
            _remove_crd(cluster, crd, plural)


def _remove_crd(cluster: LocalCluster, crd: str, plural: str) -> None:
    for item in cluster.get(f"/apis/{GROUP}/v1alpha1/{plural}")["items"]:
        metadata = item["metadata"]
        if metadata.get("finalizers"):
            place = f"namespaces/{metadata['namespace']}/" if "namespace" in metadata else ""
            path = f"/apis/{GROUP}/v1alpha1/{place}{plural}/{metadata['name']}"
            cluster.patch(path, {"metadata": {"finalizers": None}})
    cluster.delete(crd)
    until(lambda: not served(cluster, crd), f"{crd} is gone")


def served(cluster: LocalCluster, path: str) -> bool:
    """Whether the API server has something there."""
    with contextlib.suppress(ClusterRequestError):
        return bool(cluster.get(path))
    return False
