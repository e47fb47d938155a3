"""The admission policy on a real API server: who may create what, asked by dry runs."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from mcp_gateway_operator.api.mcpgateway import MCPGatewaySpec
from mcp_gateway_operator.targets.permit.admission import admission_binding, admission_policy
from mcp_gateway_operator_demo.localcluster import LocalCluster
from mcp_gateway_operator_demo.localcluster.errors import ClusterRequestError
from tests.integration.api.objects import API_VERSION
from tests.support.polling import until

SOON = 120.0
"""Seconds within which the API server has come to know a policy and its parameters."""
CRD = "refused by the CRD"
_AT_ONCE = 8
_DENIED = re.compile("is forbidden: ValidatingAdmissionPolicy '.*' with binding '.*' denied request: (.*)")


def mcpgateway(name: str, spec: MCPGatewaySpec) -> dict[str, Any]:
    """Return an MCPGateway."""
    plain = msgspec.to_builtins(spec)
    # Every namespace is an empty selector, and an empty one is a default.
    for entry, each in zip(plain.get("allow", ()), spec.allow, strict=True):
        if each.namespaces is not None:
            entry["namespaces"] = msgspec.to_builtins(each.namespaces)
    return {"apiVersion": API_VERSION, "kind": "MCPGateway", "metadata": {"name": name}, "spec": plain}


def server(name: str, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return an MCPServer."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": "MCPServer", "metadata": metadata, "spec": spec}


def policy(name: str, namespaces: list[str]) -> list[dict[str, Any]]:
    """Return policy and binding under a name, for some namespaces."""
    rules, binding = admission_policy(), admission_binding()
    rules["metadata"]["name"] = binding["metadata"]["name"] = binding["spec"]["policyName"] = name
    selected = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": namespaces}
    binding["spec"]["matchResources"] = {"namespaceSelector": {"matchExpressions": [selected]}}
    return [rules, binding]


def apply(cluster: LocalCluster, objects: list[dict[str, Any]]) -> None:
    """Apply objects."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    cluster.kubectl("apply", "--server-side", "-f", "-", input=text)


def refusals(cluster: LocalCluster, servers: list[dict[str, Any]]) -> list[str]:
    """Return what the policy says to each of these, "" where it is admitted and `CRD` where that refuses."""

    def ask(each: dict[str, Any]) -> str:
        path = f"/apis/{API_VERSION}/namespaces/{each['metadata']['namespace']}/mcpservers?dryRun=All"
        try:
            cluster.post(path, each)
        except ClusterRequestError as error:
            if (denied := _DENIED.search(str(error))) is not None:
                return denied[1]
            if " is invalid: " in str(error):
                return CRD
            raise
        return ""

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(ask, servers))


def until_refused(cluster: LocalCluster, each: dict[str, Any]) -> None:
    """Wait until the API server keeps to a policy that it has been given."""
    until(lambda: refusals(cluster, [each]) not in ([""], [CRD]), "the policy's effect", SOON)
