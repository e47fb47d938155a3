"""Beside kmcp, whose resource has the same plural and short name, `bmcps` still means ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.api.objects import kubectl_create, manifest
from tests.support.polling import until
from tests.unit.api.cases import GOOD

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# As kmcp installs it, its schema aside.
_KMCP = {
    "metadata": {"name": "mcpservers.kagent.dev"},
    "spec": {
        "group": "kagent.dev",
        "names": {
            "kind": "MCPServer",
            "plural": "mcpservers",
            "singular": "mcpserver",
            "shortNames": ["mcps"],
        },
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                },
            }
        ],
    },
}


@pytest.fixture
def kmcp(cluster: LocalCluster, tmp_path: Path) -> Iterator[None]:
    """Serve kmcp's kind too, until the test ends.

    Over HTTP: kubectl would remember what this cluster's names mean, and other tests use the same cluster.
    """
    looks = ("api-resources", "--api-group=kagent.dev", "--output=name", f"--cache-dir={tmp_path / 'looks'}")

    def served() -> bool:
        return bool(cluster.kubectl(*looks).stdout)

    cluster.post(_CRDS, _KMCP)
    until(served, "kmcp's kind is served")
    yield
    cluster.delete(f"{_CRDS}/mcpservers.kagent.dev")
    until(lambda: not served(), "kmcp's kind is gone")


@pytest.mark.usefixtures("kmcp")
def test_a_name_is_left_that_is_ours_alone(cluster: LocalCluster, namespace: str, tmp_path: Path) -> None:
    place = ("--namespace", namespace, f"--cache-dir={tmp_path}")
    kubectl_create(cluster, manifest("ours", namespace, GOOD), *place)
    for name in ("bmcps", "mcpservers.mcpgateway.bedrock.aws"):
        listed = cluster.kubectl("get", name, *place, "--output=name").stdout
        assert listed.split() == ["mcpserver.mcpgateway.bedrock.aws/ours"]
    assert cluster.kubectl("get", "mcps", *place, "--output=name").stdout == ""
