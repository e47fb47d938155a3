"""MCPGateways on a real API server: what is admitted is what the operator understands, and no other."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from mcp_gateway_operator.api.mcpgateway_codec import decode_gateway
from mcp_gateway_operator_demo.localcluster import ClusterRequestError, LocalCluster
from tests.integration.api.objects import (
    API_VERSION,
    agree,
    create,
    kubectl_create,
    manifest,
    path,
    told,
    variations,
)
from tests.unit.api.cases import merged

PER_FIELD = 150
ARN = "arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/tools-abcdefghij"

PIECES: dict[str, tuple[str, list[str], Callable[[str], dict[str, Any]]]] = {
    "gatewayArn": (
        ARN,
        [
            "arn:aws",
            "-cn",
            ":bedrock-agentcore",
            ":s3",
            ":us-east-1",
            ":123456789012",
            ":gateway/",
            "x-",
            "\n",
        ],
        lambda text: {"gatewayArn": text},
    ),
    "roleArn": (
        "arn:aws:iam::123456789012:role/path/name",
        ["arn:aws", ":iam::", "123456789012", ":role/", "a", "/", "*", " ", "é"],
        lambda text: {"aws": {"roleArn": text}},
    ),
    "externalId": ("acme", ["a", "", "é", " ", "=,.@:/_-", "\n"], lambda text: {"aws": {"externalId": text}}),
    "endpoints": (
        "https://*.team-a.example.com:8443/mcp",
        [
            *(
                "https://",
                "http://",
                "*.",
                "*",
                "a.b",
                "A",
                "-",
                "_",
                ".",
                ":0",
                ":65536",
                "/",
                "//",
                "..",
                "?",
            ),
            *("%2F", "#", "@", "[::1]", "192.0.2.7", "${namespace}", " ", "é"),
        ],
        lambda text: {"allow": [{"endpoints": [text]}]},
    ),
    "providers": (
        "${namespace}_*",
        ["${namespace}", "${name}", "_", "-", "*", "a", "A", ".", "/", "arn:", " ", "é"],
        lambda text: {"allow": [{"providers": [text]}]},
    ),
}
CHOICES: dict[str, list[Any]] = {
    "authTypes": [[], ["*"], ["OAuth2", "NoAuth"], ["oauth2"], [""]],
    "grantTypes": [[], ["*"], ["CLIENT_CREDENTIALS"], ["client"]],
    "namespaces": [
        {},
        {"matchLabels": {}},
        {"matchLabels": {"a": "b"}},
        {"matchExpressions": []},
        {"matchExpressions": [{"key": "a", "operator": "In", "values": ["x"]}]},
        {"matchExpressions": [{"key": "a", "operator": "In"}]},
        {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]},
        {"matchExpressions": [{"key": "a", "operator": "Exists", "values": []}]},
        {"matchExpressions": [{"key": "", "operator": "Exists"}]},
        {"matchExpressions": [{"operator": "Exists"}]},
        {"matchExpressions": [{"key": "a", "operator": "Like"}]},
    ],
}


def body(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return an MCPGateway."""
    return {"apiVersion": API_VERSION, "kind": "MCPGateway", "metadata": {"name": name}, "spec": spec}


def _verdicts(cluster: LocalCluster, specs: list[dict[str, Any]]) -> list[bool]:
    items = [body(f"case-{number}", spec) for number, spec in enumerate(specs)]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    done = kubectl_create(cluster, text, "--dry-run=server", "--validate=false", check=False)
    return told(done, len(specs))


def _compare(cluster: LocalCluster, specs: list[dict[str, Any]]) -> None:
    admitted = _verdicts(cluster, specs)
    understood = [not decode_gateway(json.dumps(body("x", spec)).encode()).problems for spec in specs]
    agree(specs, admitted, understood)


@pytest.mark.parametrize("field", PIECES)
def test_admission_and_operator_agree_on_texts(cluster: LocalCluster, field: str) -> None:
    good, pieces, wrap = PIECES[field]
    chance = random.Random(f"classes {field}")  # noqa: S311  -- the same texts in every run
    _compare(
        cluster,
        [
            {"gatewayArn": ARN, **wrap(text)}
            for text in variations(chance, good, pieces, count=PER_FIELD, least=1)
        ],
    )


def test_admission_and_operator_agree_on_combinations(cluster: LocalCluster) -> None:
    chance = random.Random("classes")  # noqa: S311  -- the same combinations in every run
    entries = [
        {field: chance.choice(values) for field, values in CHOICES.items()} for _ in range(2 * PER_FIELD)
    ]
    _compare(cluster, [{"gatewayArn": ARN, "allow": [entry]} for entry in entries])


@pytest.mark.parametrize(
    "namespaces",
    [None, {"matchLabels": None}, {"matchLabels": {"team": None}}, {"matchExpressions": None}],
    ids=json.dumps,
)
def test_an_unset_value_of_a_template_is_kept_and_permits_nobody(
    cluster: LocalCluster, namespace: str, namespaces: Any
) -> None:
    """Dropped, as API servers do with null elsewhere, the selector would be of everybody."""
    entry = {"namespaces": namespaces, "authTypes": ["*"], "endpoints": ["*"]}
    create(cluster, json.dumps(body(f"null-{namespace}", {"gatewayArn": ARN, "allow": [entry]})))
    stored = json.dumps(cluster.get(path("", f"null-{namespace}", kind="MCPGateway")))
    assert "null" in " ".join(decode_gateway(stored.encode()).problems)


def test_the_arn_cannot_be_changed_and_all_else_can(cluster: LocalCluster) -> None:
    create(cluster, json.dumps(body("immutable", {"gatewayArn": ARN})))

    def patch(spec: dict[str, Any]) -> None:
        cluster.patch(path("", "immutable", kind="MCPGateway"), {"spec": spec})

    with pytest.raises(ClusterRequestError, match="gatewayArn cannot be changed"):
        patch({"gatewayArn": ARN.replace("tools", "other")})
    patch({"capacity": {"targets": 5}})


def test_a_reference_without_a_name_and_one_beside_an_id_are_refused(
    cluster: LocalCluster, namespace: str
) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"gatewayRef": {}}, "name"),
        ({"gatewayRef": {"name": ""}}, "name"),
        ({"gatewayRef": {"name": "Tools"}}, "name of an MCPGateway"),
        ({"gatewayRef": {"name": "tools"}, "gatewayId": "tools-abcdefghij"}, "twice"),
    ]
    for number, (given, word) in enumerate(cases):
        text = manifest(f"refused-{number}", namespace, merged(given))
        assert word in create(cluster, text, check=False)
    create(
        cluster, manifest("admitted", namespace, merged({"gatewayRef": {"name": "tools"}, "gatewayId": ""}))
    )
