"""A real kube-apiserver with etcd on loopback, for the demo, the tests and the benchmarks.

No controllers run in such a cluster: nothing deletes dependents and no pod starts.
"""

from __future__ import annotations

from mcp_gateway_operator_demo.localcluster.binaries import Binaries, ensure_binaries
from mcp_gateway_operator_demo.localcluster.errors import (
    BinariesUnavailableError,
    ChecksumMismatchError,
    ClusterRequestError,
    ClusterStartError,
    LocalClusterError,
)
from mcp_gateway_operator_demo.localcluster.loopback_cluster import LocalCluster, local_cluster

__all__ = [
    "Binaries",
    "BinariesUnavailableError",
    "ChecksumMismatchError",
    "ClusterRequestError",
    "ClusterStartError",
    "LocalCluster",
    "LocalClusterError",
    "ensure_binaries",
    "local_cluster",
]
