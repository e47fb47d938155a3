"""The admission rules on a real API server."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from mcp_gateway_operator.api.codec import decode
from mcp_gateway_operator_demo.localcluster import LocalCluster
from mcp_gateway_operator_demo.project_files import project_dir
from tests.integration.api.objects import create, get, manifest, patch
from tests.unit.api.cases import BAD, GOOD, ODD, Bad, Odd, merged


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_refuses_a_bad_spec_and_says_what_to_write(cluster: LocalCluster, namespace: str, case: Bad) -> None:
    refused = create(cluster, manifest(_slug(case.name), namespace, case.spec), check=False)

    assert case.path in refused
    assert case.says in refused


@pytest.mark.parametrize("case", ODD, ids=lambda case: case.name)
def test_admits_an_odd_but_legal_spec_and_its_updates(
    cluster: LocalCluster, namespace: str, case: Odd
) -> None:
    name = _slug(case.name)

    create(cluster, manifest(name, namespace, case.spec))
    patch(cluster, namespace, name, {"metadata": {"labels": {"team": "a"}}, "spec": {"resourcePriority": 7}})
    patch(cluster, namespace, name, {"status": {"targetStatus": "READY"}}, "status")

    stored = get(cluster, namespace, name)
    assert stored["spec"] == {"authType": "OAuth2", **case.spec, "resourcePriority": 7}
    assert stored["status"]["targetStatus"] == "READY"


def test_says_everything_at_once(cluster: LocalCluster, namespace: str) -> None:
    spec = merged({"endpoint": "http://a", "gatewayId": "arn:aws:a", "iam": {"service": "x"}})

    refused = create(cluster, manifest("many", namespace, spec), check=False)

    for path in ("spec.endpoint:", "spec.gatewayId:", "spec.iam:"):
        assert path in refused


def test_refuses_an_object_without_spec(cluster: LocalCluster, namespace: str) -> None:
    refused = create(cluster, manifest("empty", namespace, None), check=False)

    assert "spec is required: write at least endpoint, capabilities" in refused


def test_nulls_mean_absent_from_admission_to_decoding(cluster: LocalCluster, namespace: str) -> None:
    spec = {**GOOD, "description": None, "gatewayId": None, "iam": None, "oauthScopes": None}

    create(cluster, manifest("nulls", namespace, spec))

    found = decode(json.dumps(get(cluster, namespace, "nulls")).encode())
    assert (found.spec.description, found.spec.iam, found.spec.oauth_scopes) == ("", None, ())


def test_only_authorization_type_is_defaulted(cluster: LocalCluster, namespace: str) -> None:
    provider = (
        "arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default/oauth2credentialprovider/a"
    )
    spec: dict[str, Any] = {
        "endpoint": "https://a.example.com",
        "capabilities": ["tools"],
        "oauthProviderArn": provider,
    }

    create(cluster, manifest("defaults", namespace, spec))

    assert get(cluster, namespace, "defaults")["spec"] == {**spec, "authType": "OAuth2"}


def test_the_samples_are_admitted_and_the_kustomization_lists_them(
    cluster: LocalCluster, namespace: str
) -> None:
    samples = project_dir("config/samples")

    applied = cluster.kubectl("apply", "-k", str(samples), "-n", namespace, "--server-side").stdout

    assert applied.count("serverside-applied") == len(list(samples.glob("mcpgateway_*.yaml")))


def test_columns_in_the_order_that_scripts_know(cluster: LocalCluster, namespace: str) -> None:
    create(cluster, manifest("columns", namespace, GOOD))
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "GatewayTargetReady",
        "message": "Fine.",
        "lastTransitionTime": "2026-11-22T12:00:00Z",
    }
    status = {
        "targetStatus": "READY",
        "targetId": "ABCDEFGHIJ",
        "gatewayId": "tools-abcdefghij",
        "conditions": [ready, {**ready, "type": "Synced", "reason": "Synced"}],
    }
    patch(cluster, namespace, "columns", {"status": status}, "status")

    def table(*flags: str) -> list[list[str]]:
        text = cluster.kubectl("get", "mcps", "columns", "-n", namespace, *flags).stdout
        return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]

    assert table()[0] == ["NAME", "ENDPOINT", "STATUS", "READY", "AGE"]
    assert table()[1][:4] == ["columns", GOOD["endpoint"], "READY", "True"]
    wide = ["REASON", "TARGET ID", "GATEWAY", "SYNCED", "MESSAGE"]
    assert table("-o", "wide")[0][5:] == wide
    assert table("-o", "wide")[1][5:] == [
        "GatewayTargetReady",
        "ABCDEFGHIJ",
        "tools-abcdefghij",
        "True",
        "Fine.",
    ]


def test_conditions_of_different_owners_merge_by_type(cluster: LocalCluster, namespace: str) -> None:
    create(cluster, manifest("owners", namespace, GOOD))
    for owner, condition in (("one", "Ready"), ("two", "Audited")):
        body = json.loads(manifest("owners", namespace, None))
        body["status"] = {
            "conditions": [
                {
                    "type": condition,
                    "status": "True",
                    "reason": "Fine",
                    "message": "",
                    "lastTransitionTime": "2026-11-22T12:00:00Z",
                }
            ]
        }
        cluster.kubectl(
            *("apply", "--server-side", "--subresource=status", f"--field-manager={owner}", "-f", "-"),
            input=json.dumps(body),
        )

    stored = get(cluster, namespace, "owners")["status"]["conditions"]
    assert {each["type"] for each in stored} == {"Ready", "Audited"}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("mcps", "keeps the target in step"),
        ("mcps.spec.endpoint", "https://mcp.example.com/mcp"),
        ("mcps.spec.authType", "NoAuth"),
        ("mcps.spec.privateEndpoint.managedVpcResource.subnetIds", "subnets"),
        ("mcps.spec.toolSync.interval", "at least 10m"),
        ("mcps.status.conditions", "Ready=True means"),
    ],
)
def test_explain_tells_what_a_field_means(cluster: LocalCluster, path: str, words: str) -> None:
    explained = " ".join(cluster.kubectl("explain", path).stdout.split())

    assert words in explained
