"""A chart of a user's own, whose template leaves fields empty: helm 3 and helm 4 install it alike."""

from __future__ import annotations

from pathlib import Path

from mcp_gateway_operator.api.names import GROUP
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.packaging.conftest import Helm

TEMPLATE = """
apiVersion: mcpgateway.bedrock.aws/v1alpha1
kind: MCPServer
metadata:
  name: tools
  annotations:
spec:
  endpoint: https://tools.example.com/mcp
  capabilities: [tools]
  authType: NoAuth
  description: {{ .Values.description }}
  listingMode: {{ .Values.listingMode }}
  oauthScopes: {{ .Values.scopes }}
  iam: {{ .Values.iam }}
  toolSync:
    interval: {{ .Values.interval }}
  oauthCustomParameters:
    audience: {{ .Values.audience }}
"""


def test_empty_values_of_a_chart_mean_absent(
    asking: Helm, cluster: LocalCluster, namespace: str, tmp_path: Path
) -> None:
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: team\nversion: 0.1.0\n")
    (chart / "templates" / "server.yaml").write_text(TEMPLATE)
    place = ("--namespace", namespace)

    asking("install", "team", str(chart), *place)
    try:
        asking("upgrade", "team", str(chart), *place, "--set", "description=All of it")
        asking("upgrade", "team", str(chart), *place, "--reset-values")
        stored = cluster.get(f"/apis/{GROUP}/v1alpha1/namespaces/{namespace}/mcpservers/tools")
    finally:
        asking("uninstall", "team", *place)

    assert stored["spec"].get("description") is None
    assert stored["spec"]["endpoint"] == "https://tools.example.com/mcp"
