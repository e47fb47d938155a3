"""Endpoints on a real API server, and how large an object `kubectl apply` can send."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from mcp_gateway_operator.api.advice import advice
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.api.objects import kubectl_create, manifest
from tests.unit.api.cases import merged
from tests.unit.api.endpoint_table import ADMITTED, REFUSED


def test_every_endpoint_is_refused_with_advice_or_admitted(cluster: LocalCluster, namespace: str) -> None:
    endpoints = [*REFUSED, *ADMITTED]
    items = [
        json.loads(manifest(f"case-{number}", namespace, merged({"endpoint": endpoint})))
        for number, endpoint in enumerate(endpoints)
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})

    done = kubectl_create(cluster, text, "--dry-run=server", check=False)

    admitted = {endpoints[int(each)] for each in re.findall(r"/case-(\d+) created", done.stdout)}
    assert admitted == set(ADMITTED)
    said = {int(each[1]): each[0] for each in re.finditer(r".*\"case-(\d+)\" is invalid.*", done.stderr)}
    silent = {
        endpoint
        for number, endpoint in enumerate(REFUSED)
        if REFUSED[endpoint] not in said[number].replace('\\"', '"')
    }
    assert silent == set()


@pytest.mark.parametrize("mark", ["x", '"', "<", "é"])
def test_the_warning_comes_with_the_first_object_that_kubectl_cannot_apply(
    cluster: LocalCluster, namespace: str, mark: str
) -> None:
    def of(size: int) -> dict[str, Any]:
        # Annotations of a user's own count, too.
        body: dict[str, Any] = json.loads(manifest("large", namespace, merged({})))
        body["metadata"]["annotations"] = {"example.com/note": mark * size}
        return body

    fits, too_many = 1, 200_000
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (fits, middle) if list(advice(of(middle))) else (middle, too_many)

    cluster.kubectl("apply", "-f", "-", input=json.dumps(of(fits)))
    refused = cluster.kubectl("apply", "-f", "-", input=json.dumps(of(too_many)), check=False)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(of(too_many)))

    assert "metadata.annotations: Too long" in refused.stderr
