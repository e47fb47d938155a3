"""Objects of the Go operator's CRD under the strict one can still be changed, reported on and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway_operator_demo.localcluster import ClusterRequestError, LocalCluster
from mcp_gateway_operator_demo.project_files import project_dir
from tests.integration.api.objects import create, get, manifest, patch, path
from tests.support.polling import until
from tests.unit.api.cases import GOOD, OAUTH_ARN

OLD: dict[str, Any] = {
    "endpoint": "https://mcp.example.com/mcp",
    "capabilities": ["tools"],
    "oauthProviderArn": OAUTH_ARN,
    "oauthScopes": ["repo"],
}
# Everything here was legal under the old CRD and breaks a rule of the strict one.
BROKEN: dict[str, dict[str, Any]] = {
    "no-host": {"endpoint": "https://"},
    "password": {"endpoint": "https://u:p@mcp.example.com/mcp"},
    "fragment": {"endpoint": "https://mcp.example.com/mcp#top"},
    "white-space": {"endpoint": "https://mcp.example.com/a b"},
    "underscore": {"endpoint": "https://mcp_server.example.com/mcp"},
    "placeholder": {"endpoint": "https://mcp.example.com/{tenant}"},
    "port": {"endpoint": "https://mcp.example.com:70000/mcp"},
    "percent": {"endpoint": "https://mcp.example.com/100%"},
    "not-ascii": {"endpoint": "https://bücher.example/mcp"},
    "provider-of-another-kind": {"oauthProviderArn": "arn:aws:x:us-east-1:123456789012:y"},
    "endless-endpoint": {"endpoint": "https://mcp.example.com/" + "a" * 3000},
    "no-tools": {"capabilities": ["resources"]},
    "empty-capability": {"capabilities": [""]},
    "many-capabilities": {"capabilities": ["tools", *(f"c{n}" for n in range(20))]},
    "gateway-arn": {"gatewayId": "arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/tools-abcdefghij"},
    "gateway-with-dots": {"gatewayId": "tools.example"},
    "endless-gateway": {"gatewayId": "a" * 500},
    "target-name": {"targetName": "git_hub tools"},
    "long-description": {"description": "a" * 400},
    "marked-description": {"description": "Mine [mcps abcdef/abcdefghijkl]"},
    "empty-provider": {"oauthProviderArn": ""},
    "provider-by-name": {"oauthProviderArn": "github"},
    "empty-scope": {"oauthScopes": [""]},
    "long-scope": {"oauthScopes": ["a" * 100]},
    "many-scopes": {"oauthScopes": [f"s{n}" for n in range(120)]},
    "many-headers": {"allowedRequestHeaders": [f"X-{n}" for n in range(12)]},
    "header-with-a-space": {"allowedRequestHeaders": ["X Tenant"]},
    "empty-header": {"allowedResponseHeaders": [""]},
    "long-header": {"allowedResponseHeaders": ["X" * 150]},
    "long-query-parameter": {"allowedQueryParameters": ["a" * 60]},
    "many-query-parameters": {"allowedQueryParameters": [f"q{n}" for n in range(12)]},
}
NAMESPACE = "old"
READY = {
    "type": "Ready",
    "status": "False",
    "reason": "ValidationError",
    "message": "See the documentation.",
    "lastTransitionTime": "2026-11-22T12:00:00Z",
}


CHANGED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "changed-endpoint": ({"endpoint": "https://"}, {"endpoint": "https:///other"}, "must name a host"),
    "changed-scopes": ({"oauthScopes": [""]}, {"oauthScopes": ["", "b"]}, "oauthScopes[0]"),
    "changed-target": ({"targetName": "a b"}, {"targetName": "a  b"}, "single dashes"),
}
GITOPS = {**OLD, "endpoint": "https://u:p@gitops.example.com", "targetName": "git_ops"}


def _serve(cluster: LocalCluster, crd: Path, *, probe: dict[str, Any], answer: str) -> None:
    """Change the CRD and wait until the API server answers to `probe` by it, a moment after storing it."""
    cluster.apply(crd)
    text = manifest("probe", NAMESPACE, {**OLD, **probe})

    def says() -> str:
        return create(cluster, text, dry_run=True, check=False) or "created"

    until(lambda: answer in says(), f"the API server serves {crd}")


def _serve_strict(cluster: LocalCluster) -> None:
    strict = project_dir("config/crd") / "bases"
    _serve(cluster, strict, probe={"endpoint": "https://"}, answer="must name a host")


@pytest.fixture(scope="module")
def upgraded(cluster: LocalCluster) -> Iterator[LocalCluster]:
    """The cluster, with objects that were made under the old CRD; it now serves the strict one again."""
    cluster.create_namespace(NAMESPACE)
    old = Path(__file__).parent / "old_crd.yaml"
    try:
        _serve(cluster, old, probe={"endpoint": "https://"}, answer="created")
        for name, change in BROKEN.items():
            create(cluster, manifest(name, NAMESPACE, {**OLD, **change}))
        for name, (was, _, _) in CHANGED.items():
            create(cluster, manifest(name, NAMESPACE, {**OLD, **was}))
        create(cluster, manifest("gitops", NAMESPACE, GITOPS))
        create(cluster, manifest("no-spec", NAMESPACE, None))
        create(cluster, manifest("fine", NAMESPACE, OLD))
    finally:
        _serve_strict(cluster)
    yield cluster
    for item in cluster.get(path(NAMESPACE))["items"]:
        cluster.delete(path(NAMESPACE, item["metadata"]["name"]))


@pytest.mark.parametrize("name", [*BROKEN, "fine"])
def test_an_old_object_lives_on_under_the_strict_rules(upgraded: LocalCluster, name: str) -> None:
    patch(upgraded, NAMESPACE, name, {"metadata": {"labels": {"team": "a"}, "finalizers": ["example.com/f"]}})
    patch(upgraded, NAMESPACE, name, {"spec": {"deletionPolicy": "Retain"}})
    patch(upgraded, NAMESPACE, name, {"spec": {"listingMode": "DEFAULT", "resourcePriority": 3}})
    status = {"observedGeneration": 3, "conditions": [READY]}
    patch(upgraded, NAMESPACE, name, {"status": status}, "status")

    stored = get(upgraded, NAMESPACE, name)
    assert stored["status"]["conditions"] == [READY]
    assert stored["spec"]["deletionPolicy"] == "Retain"

    upgraded.delete(path(NAMESPACE, name))
    patch(upgraded, NAMESPACE, name, {"metadata": {"finalizers": None}})
    with pytest.raises(ClusterRequestError, match="not found"):
        get(upgraded, NAMESPACE, name)


def test_an_old_object_without_spec_lives_on(upgraded: LocalCluster) -> None:
    patch(upgraded, NAMESPACE, "no-spec", {"metadata": {"labels": {"team": "a"}}})
    patch(upgraded, NAMESPACE, "no-spec", {"status": {"conditions": [READY]}}, "status")

    assert "spec" not in get(upgraded, NAMESPACE, "no-spec")


@pytest.mark.parametrize("name", CHANGED)
def test_a_broken_field_is_changed_only_for_a_good_value(upgraded: LocalCluster, name: str) -> None:
    was, becomes, says = CHANGED[name]

    refused = patch(upgraded, NAMESPACE, name, {"spec": becomes}, check=False)
    assert says in refused

    good = {key: OLD.get(key, "a-b") for key in was}
    patch(upgraded, NAMESPACE, name, {"spec": good})
    back = patch(upgraded, NAMESPACE, name, {"spec": was}, check=False)
    assert back != ""


def test_a_missing_provider_cannot_be_made_later(upgraded: LocalCluster) -> None:
    create(upgraded, manifest("later", NAMESPACE, {**OLD}))

    refused = patch(upgraded, NAMESPACE, "later", {"spec": {"oauthProviderArn": None}}, check=False)

    assert "oauthProviderArn is required" in refused


def test_the_same_manifest_is_applied_again_by_a_gitops_tool(upgraded: LocalCluster) -> None:
    text = manifest("gitops", NAMESPACE, GITOPS)

    for _ in range(2):
        upgraded.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=text)
    upgraded.kubectl("apply", "-f", "-", input=text)
    upgraded.kubectl("replace", "-f", "-", input=text)

    assert get(upgraded, NAMESPACE, "gitops")["spec"]["targetName"] == "git_ops"


def test_the_legacy_crd_asks_no_more_than_the_old_one(upgraded: LocalCluster) -> None:
    legacy = project_dir("config/crd") / "legacy"
    _serve(upgraded, legacy, probe={"endpoint": "https://", "resourcePriority": 3}, answer="created")
    try:
        for name, change in BROKEN.items():
            create(upgraded, manifest(f"legacy-{name}", NAMESPACE, {**OLD, **change}), dry_run=True)
        create(upgraded, manifest("new", NAMESPACE, GOOD), dry_run=True)
        for change, says in (
            ({"endpoint": "http://a"}, "spec.endpoint"),
            ({"capabilities": []}, "spec.capabilities"),
            ({"authType": "Basic"}, "spec.authType"),
            ({"listingMode": "LIVE"}, "spec.listingMode"),
        ):
            refused = create(upgraded, manifest("bad", NAMESPACE, {**OLD, **change}), check=False)
            assert says in refused
    finally:
        _serve_strict(upgraded)
