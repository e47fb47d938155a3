"""Each rule is said twice, in CEL and in Python: on thousands of values both have the same verdict."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from mcp_gateway_operator.api.schema import check, describe
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.api.objects import API_VERSION, agree, kubectl_create, told, variations
from tests.unit.api.cases import KEY_ARN, OAUTH_ARN, VPC, merged

PER_FIELD = 150
SPEC = describe(MCPServer).properties["spec"]

PIECES: dict[str, tuple[str, list[str], Callable[[str], dict[str, Any]]]] = {
    "endpoint": (
        "mcp.example.com:8443/mcp?a=b",
        [
            *("https://", "http://", "a.b", "a-", "-", "_", ".", "..", "é", "\u00a0", "\u200b"),
            *(":", "8443", "0", "65536", "/", "\\", "?", "#", "@", "{x}", "<", "|", " ", "\n", "\t"),
            *("[", "]", "::1", "2001:db8:", "1:2:3:4:5:6:7:8", "10.0.0.1", "256", "0x1f", "%", "%2", "%20"),
        ],
        lambda text: {"endpoint": f"https://{text}"},
    ),
    "gatewayId": (
        "tools-abcdefghij",
        ["arn:", " ", "tools", "-", "A1", "_", ".", "\t", "\u2003"],
        lambda text: {"gatewayId": text},
    ),
    "targetName": (
        "git-hub",
        ["a", "-", "--", "_", ".", "Z9", " ", "é", "x" * 60],
        lambda text: {"targetName": text},
    ),
    "description": (
        "All of it",
        ["[mcps ", "]", "[", "mcps", "a", "\n", "é" * 90],
        lambda text: {"description": text},
    ),
    "oauthProviderArn": (
        OAUTH_ARN,
        [
            *("arn:aws", "-cn", ":acps", ":bedrock-agentcore", ":s3", ":us-east-1", ":123456789012", ":12"),
            *(":token-vault/default", "/oauth2credentialprovider", "/apikeycredentialprovider", "/a", "\n"),
        ],
        lambda text: {"authType": "OAuth2", "oauthProviderArn": text},
    ),
    "oauthDefaultReturnUrl": (
        "https://a.example.com/x",
        ["https", ":", "/", "app", " ", "_", "é", "\n"],
        lambda text: {
            "authType": "OAuth2",
            "oauthProviderArn": OAUTH_ARN,
            "oauthGrantType": "AUTHORIZATION_CODE",
            "oauthDefaultReturnUrl": text,
        },
    ),
    "header": (
        "X-Tenant",
        ["X", "-", "_", "é", " ", ":", "", "a" * 50],
        lambda text: {"allowedRequestHeaders": [text]},
    ),
    "iam": (
        "execute-api",
        ["execute", "-", "api", ".", "_", " ", "é", ""],
        lambda text: {"authType": "GatewayIamRole", "iam": {"service": text, "region": f"us-{text[:6]}-1"}},
    ),
    "uri": (
        "s3://bucket/key",
        ["s3:", "//", "bucket", "B.", "/", "a/", "\n", " ", "\x7f", "é", "https:"],
        lambda text: {
            "mcpToolSchema": {"s3": {"uri": text, "bucketOwnerAccountId": "123456789012"[len(text) :]}}
        },
    ),
    "region": (
        "us-east-1",
        ["us", "-", "east", "gov", "1", "a", "E", " ", "eusc", "iso", "b", ""],
        lambda text: {"authType": "GatewayIamRole", "iam": {"service": "lambda", "region": text}},
    ),
    "apiKey": (
        KEY_ARN,
        ["arn:aws", "-us-gov", ":acps:", "us-east-1:", "123456789012:", "token-vault/a/", "x", "/", "b.c"],
        lambda text: {"authType": "ApiKey", "apiKey": {"providerArn": text}},
    ),
    "interval": (
        "1h30m",
        ["1", "10", "h", "m", "s", "ms", ".", "us", "ns", "-", " ", "9", "µs", "999999"],
        lambda text: {"toolSync": {"interval": text}},
    ),
    "vpc": (
        "vpc-0a1b2c3d",
        ["vpc-", "sg-", "subnet-", "0a1b2c3d", "4e5f6a7b8", "A", ""],
        lambda text: {
            "privateEndpoint": {
                "managedVpcResource": {
                    **VPC,
                    "vpcIdentifier": text,
                    "subnetIds": [f"subnet-{text[4:]}"],
                }
            }
        },
    ),
    "lattice": (
        "rcfg-0123456789abcdef0",
        [
            "rcfg-",
            "0123456789abcdef0",
            "arn:aws:vpc-lattice:us-east-1:",
            "123456789012",
            ":resourceconfiguration/",
        ],
        lambda text: {
            "privateEndpoint": {"selfManagedLatticeResource": {"resourceConfigurationIdentifier": text}}
        },
    ),
    "secretArn": (
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:ca",
        ["arn:aws", "-cn", ":secretsmanager:", "us-east-1:", "123456789012:", "secret:", "a", ""],
        lambda text: {"certificateConfigurations": [{"secretsManager": {"secretArn": text}}]},
    ),
}
CHOICES: dict[str, list[Any]] = {
    "authType": [None, "", "OAuth2", "NoAuth", "GatewayIamRole", "ApiKey"],
    "oauthProviderArn": [None, "", OAUTH_ARN],
    "iam": [None, None, {"service": "lambda"}, {}],
    "apiKey": [None, None, {"providerArn": KEY_ARN, "parameterName": ""}, {"providerArn": ""}],
    "oauthGrantType": [None, "", "CLIENT_CREDENTIALS", "AUTHORIZATION_CODE", "TOKEN_EXCHANGE"],
    "oauthDefaultReturnUrl": [None, "", "https://a.example.com"],
    "listingMode": [None, "", "DEFAULT", "DYNAMIC"],
    "mcpToolSchema": [None, None, {"inline": "{}"}, {"inline": ""}, {"s3": {"uri": "s3://bucket/b"}}],
    "capabilities": [["tools"], ["tools"], ["tools", "x"], ["x"], []],
}


def _verdicts(cluster: LocalCluster, namespace: str, specs: list[dict[str, Any]]) -> list[bool]:
    """Return for each spec whether the API server admits it."""
    items = [
        {
            "apiVersion": API_VERSION,
            "kind": "MCPServer",
            "metadata": {"name": f"case-{number}", "namespace": namespace},
            "spec": spec,
        }
        for number, spec in enumerate(specs)
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    done = kubectl_create(cluster, text, "--dry-run=server", "--validate=false", check=False)
    return told(done, len(specs))


def _compare(cluster: LocalCluster, namespace: str, specs: list[dict[str, Any]]) -> None:
    admitted = _verdicts(cluster, namespace, specs)
    offline = [not list(check(spec, SPEC, "spec", closed=True)) for spec in specs]
    agree(specs, admitted, offline)


@pytest.mark.parametrize("field", PIECES)
def test_both_agree_on_texts(cluster: LocalCluster, namespace: str, field: str) -> None:
    good, pieces, wrap = PIECES[field]
    chance = random.Random(f"agreement {field}")  # noqa: S311  -- the same texts in every run

    _compare(
        cluster,
        namespace,
        [merged(wrap(text)) for text in variations(chance, good, pieces, count=PER_FIELD, least=0)],
    )


def test_both_agree_on_combinations_of_fields(cluster: LocalCluster, namespace: str) -> None:
    chance = random.Random("agreement")  # noqa: S311  -- the same combinations in every run
    specs = [
        merged({field: chance.choice(values) for field, values in CHOICES.items()})
        for _ in range(2 * PER_FIELD)
    ]

    _compare(cluster, namespace, specs)
