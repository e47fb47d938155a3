"""YAML scalars through a real kubectl to a real API server, against what `validate` reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from mcp_gateway_operator.api.manifests import manifests
from mcp_gateway_operator.api.reading import ManifestError, documents
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.unit.api.scalars import NO_SCALARS, SCALARS

GROUP = "test.example.com"
ANYTHING = f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: anythings.{GROUP}}}
spec:
  group: {GROUP}
  names: {{kind: Anything, plural: anythings}}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""


@pytest.fixture(scope="module")
def anything(cluster: LocalCluster) -> Iterator[LocalCluster]:
    """The cluster, with a kind that stores whatever it is sent."""
    cluster.apply(ANYTHING)
    cluster.kubectl("wait", "--for=condition=Established", f"crd/anythings.{GROUP}")
    yield cluster
    cluster.kubectl("delete", "crd", f"anythings.{GROUP}")


def _anything(namespace: str, lines: str) -> str:
    head = f"apiVersion: {GROUP}/v1\nkind: Anything\nmetadata: {{name: all, namespace: {namespace}}}\n"
    return f"{head}values:\n{lines}"


def test_scalars_are_stored_as_they_are_read(anything: LocalCluster, namespace: str) -> None:
    # A list keeps null, too; the API server may drop the null of a field.
    text = _anything(namespace, "".join(f"- {scalar}\n" for scalar in SCALARS))

    anything.kubectl("create", "-f", "-", input=text)
    got = anything.kubectl("get", "anythings", "all", "-n", namespace, "-o", "json").stdout
    (read,) = documents(text)

    (stored,) = documents(got)
    both = zip(SCALARS, stored["values"], read["values"], strict=True)
    assert {s: (k, v) for s, k, v in both if type(k) is not type(v) or k != v} == {}


@pytest.mark.parametrize("scalar", NO_SCALARS)
def test_what_is_not_read_is_not_sent(anything: LocalCluster, namespace: str, scalar: str) -> None:
    text = _anything(namespace, f"- {scalar}\n")

    refused = anything.kubectl("create", "-f", "-", input=text, check=False)

    assert "error parsing STDIN" in refused.stderr
    with pytest.raises(ManifestError):
        list(documents(text))


@pytest.mark.parametrize("field", ["description", "resourcePriority", "targetName", "oauthScopes"])
def test_a_scalar_is_admitted_where_validate_takes_it(
    cluster: LocalCluster, namespace: str, field: str
) -> None:
    text = "---\n".join(
        "apiVersion: mcpgateway.bedrock.aws/v1alpha1\nkind: MCPServer\n"
        f"metadata: {{name: case-{number}, namespace: {namespace}}}\n"
        "spec:\n  endpoint: https://a.example.com\n  capabilities: [tools]\n  authType: NoAuth\n"
        f"  {field}: {scalar}\n"
        for number, scalar in enumerate(SCALARS)
    )

    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", input=text, check=False)
    taken = {int(each) for each in re.findall(r"/case-(\d+) created", done.stdout)}
    valid = {number for number, each in enumerate(manifests(text)) if not each.problems}

    scalars: list[Any] = list(SCALARS)
    assert {scalars[number] for number in taken ^ valid} == set(), done.stderr[-2000:]
    assert taken
    assert len(taken) < len(SCALARS)
