"""Beside kmcp, whose resource has the same plural and short name, `bmcps` still means ours."""

from __future__ import annotations

from pathlib import Path

from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.api.objects import kubectl_create, manifest
from tests.unit.api.cases import GOOD

# As kmcp installs it, its schema aside.
KMCP = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: mcpservers.kagent.dev}
spec:
  group: kagent.dev
  names: {kind: MCPServer, plural: mcpservers, singular: mcpserver, shortNames: [mcps]}
  scope: Namespaced
  versions:
    - name: v1alpha1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""


def test_a_name_is_left_that_is_ours_alone(cluster: LocalCluster, namespace: str, tmp_path: Path) -> None:
    # What kubectl remembers of this cluster's names must not outlive it: other tests use the same one.
    place = ("--namespace", namespace, f"--cache-dir={tmp_path}")
    cluster.apply(KMCP)
    try:
        kubectl_create(cluster, manifest("ours", namespace, GOOD), *place)
        for name in ("bmcps", "mcpservers.mcpgateway.bedrock.aws"):
            listed = cluster.kubectl("get", name, *place, "--output=name").stdout
            assert listed.split() == ["mcpserver.mcpgateway.bedrock.aws/ours"]
        assert cluster.kubectl("get", "mcps", *place, "--output=name").stdout == ""
    finally:
        cluster.kubectl("delete", "crd", "mcpservers.kagent.dev")
