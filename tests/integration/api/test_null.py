"""null in every place of a spec: client-side apply, server-side apply and `validate` have one verdict."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from mcp_gateway_operator.api.codec import decode
from mcp_gateway_operator.api.manifests import manifests
from mcp_gateway_operator.api.schema import Node, describe
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.api.objects import get, manifest
from tests.unit.api.cases import GOOD, KEY_ARN, OAUTH, VPC, merged

LATTICE: Final = {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}
SECRET: Final = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ca"
PARENTS: Final[dict[str, dict[str, Any]]] = {
    "iam": {"authType": "GatewayIamRole", "iam": {"service": "lambda", "region": "us-east-1"}},
    "apiKey": {"authType": "ApiKey", "apiKey": {"providerArn": KEY_ARN, "parameterName": "X-Key"}},
    "mcpToolSchema": {"mcpToolSchema": {"s3": {"uri": "s3://bucket/tools.json"}}},
    "privateEndpoint": {"privateEndpoint": {"managedVpcResource": {**VPC, "securityGroupIds": []}}},
    "privateEndpoint.selfManagedLatticeResource": {
        "privateEndpoint": {"selfManagedLatticeResource": LATTICE}
    },
    "certificateConfigurations": {"certificateConfigurations": [{"s3": {"uri": "s3://bucket/ca.pem"}}]},
    "certificateConfigurations.0.secretsManager": {
        "certificateConfigurations": [{"secretsManager": {"secretArn": SECRET}}]
    },
    "toolSync": {"toolSync": {"interval": "6h"}},
    "oauthCustomParameters": {**OAUTH, "oauthCustomParameters": {"audience": "a"}},
    "oauthScopes": {**OAUTH, "oauthScopes": ["read"]},
}
"""What must stand around a field below these, so that nothing else is wrong with the spec."""


def _places(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield where a value can stand: each field, the first item of each list, a key of each map."""
    for name, child in node.properties.items():
        yield (*path, name)
        yield from _places(child, (*path, name))
    if node.item is not None:
        inner = "0" if node.kind == "array" else "audience"
        yield (*path, inner)
        yield from _places(node.item, (*path, inner))


def _with_null(place: tuple[str, ...]) -> dict[str, Any]:
    around = [PARENTS[key] for key in (".".join(place[:n]) for n in range(len(place) + 1)) if key in PARENTS]
    spec: dict[str, Any] = copy.deepcopy(merged(around[-1] if around else {}))
    value: Any = spec
    for index, name in enumerate(place[:-1]):
        if isinstance(value, list):
            value = value[int(name)]
        else:
            value = value.setdefault(name, [None] if place[index + 1] == "0" else {})
    if isinstance(value, list):
        value[:] = [None]
    else:
        value[place[-1]] = None
    return spec


PLACES: Final = list(_places(describe(MCPServer).properties["spec"]))
SPECS: Final = {".".join(place): _with_null(place) for place in PLACES}


def _create(text: str, run: Callable[..., Any]) -> Any:
    return run("create", "--dry-run=server", "-f", "-", input=text, check=False)


def _apply(text: str, run: Callable[..., Any]) -> Any:
    return run("apply", "--dry-run=server", "-f", "-", input=text, check=False)


def _server_side(text: str, run: Callable[..., Any]) -> Any:
    return run("apply", "--server-side", "--dry-run=server", "-f", "-", input=text, check=False)


@pytest.mark.parametrize("send", [_create, _apply, _server_side])
def test_null_is_taken_or_refused_alike(
    cluster: LocalCluster, namespace: str, send: Callable[[str, Callable[..., Any]], Any]
) -> None:
    text = "---\n".join(
        manifest(f"case-{number}", namespace, spec) + "\n" for number, spec in enumerate(SPECS.values())
    )

    done = send(text, cluster.kubectl)
    taken = {int(each) for each in re.findall(r"/case-(\d+) (?:created|serverside-applied)", done.stdout)}
    valid = {number for number, each in enumerate(manifests(text)) if not each.problems}

    named = list(SPECS)
    assert {named[number] for number in taken ^ valid} == set(), done.stderr[-3000:]
    assert len(taken) > len(PLACES) / 2


def test_what_is_stored_with_null_is_read_as_if_it_were_absent(cluster: LocalCluster, namespace: str) -> None:
    optional = {
        name: None
        for name, node in describe(MCPServer).properties["spec"].properties.items()
        if not node.field.required and name != "authType"
    }
    text = manifest("nulls", namespace, {**GOOD, **optional})

    for _ in range(2):
        cluster.kubectl("apply", "--server-side", "-f", "-", input=text)

    found = decode(json.dumps(get(cluster, namespace, "nulls")).encode())
    bare = {"apiVersion": "a", "kind": "b", "metadata": {"name": "nulls"}, "spec": GOOD}
    assert found.spec == decode(json.dumps(bare).encode()).spec
