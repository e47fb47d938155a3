"""What a tenant writes with its own token to get past its MCPGateways: nothing of it reaches AWS.

The safety is the operator's alone, so the admission policy is not there.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import yaml

from mcp_gateway_operator.api import names
from mcp_gateway_operator_demo.localcluster import LocalCluster
from mcp_gateway_operator_demo.project_files import project_dir
from tests.integration.operator.kube import Json, condition
from tests.integration.operator.site import GATEWAY, OTHER_GATEWAY, Site
from tests.support.crds import remove
from tests.support.polling import until
from tests.unit.targets.permits import ALLOW, PLAIN, REFUSED

API = f"{names.GROUP}/{names.VERSION}"
PATIENCE = 120.0
"""Seconds for a hundred objects on a machine that is busy."""


def translated(value: Any) -> Any:
    """Return a value of `permits` for the simulator's account and Region; other places stay others."""
    text = json.dumps(value).replace("us-east-1", "us-west-2").replace("eu-west-1", "us-east-1")
    return json.loads(text.replace("222222222222", "123456789012"))


MINE = translated(PLAIN)
HOSTILE: dict[str, Json] = {
    **{f"{rule}: {name}": translated(written) for name, (rule, written) in REFUSED.items()},
    # Ways to a gateway that is another's.
    "the gateway of another by its MCPGateway": {"gatewayRef": {"name": "theirs"}},
    "the gateway of another by its id": {"gatewayRef": None, "gatewayId": OTHER_GATEWAY},
    "with spaces": {"gatewayRef": None, "gatewayId": f"  {OTHER_GATEWAY}\t"},
    "by its ARN": {
        "gatewayRef": None,
        "gatewayId": f"arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/{OTHER_GATEWAY}",
    },
    "by its ARN in another account": {
        "gatewayRef": None,
        "gatewayId": f"arn:aws:bedrock-agentcore:us-east-1:333333333333:gateway/{OTHER_GATEWAY}",
    },
    "by id and ref": {"gatewayId": OTHER_GATEWAY},
    "in capitals": {
        "gatewayRef": None,
        "gatewayId": OTHER_GATEWAY.upper(),
        "endpoint": "https://evil.example.com/mcp",
    },
    "an MCPGateway that is not there": {"gatewayRef": {"name": "nobodys"}},
    "an MCPGateway without a name": {"gatewayRef": {"name": ""}},
    "an MCPGateway by the name of the gateway": {"gatewayRef": {"name": GATEWAY}},
    "a reference to nothing": {"gatewayRef": {}},
    # Ways round the own MCPGateway.
    "the own gateway by its id": {
        "gatewayRef": None,
        "gatewayId": GATEWAY,
        "endpoint": "https://evil.example.com/mcp",
    },
    "the own gateway by default": {"gatewayRef": None, "endpoint": "https://evil.example.com/mcp"},
    "looking on": {"managementPolicy": "Observe", "gatewayRef": {"name": "theirs"}},
    "looking on by id": {"managementPolicy": "Observe", "gatewayRef": None, "gatewayId": OTHER_GATEWAY},
    "taking over": {"adoptionPolicy": "IfExists", "targetName": "treasure"},
    "taking over by id": {"adoptionPolicy": "IfExists", "gatewayRef": None, "gatewayId": OTHER_GATEWAY},
    "a field that does not exist": {"gatewayRef": {"name": "theirs", "force": True}, "allow": ["*"]},
    "a large spec": {
        "endpoint": "https://evil.example.com/mcp",
        "mcpToolSchema": {
            "inline": json.dumps(
                {"tools": [{"name": f"t{n}", "inputSchema": {"type": "object"}} for n in range(200)]}
            )
        },
    },
}
METADATA: dict[str, Json] = {
    "a gateway noted by hand": {"annotations": {names.GATEWAY_ANNOTATION: OTHER_GATEWAY}},
    "a finalizer and a gateway by hand": {
        "annotations": {names.GATEWAY_ANNOTATION: OTHER_GATEWAY},
        "finalizers": [names.FINALIZER],
    },
    "labels of another namespace": {"labels": {"kubernetes.io/metadata.name": "another"}},
    "tools to be indexed": {"annotations": {names.SYNC_ANNOTATION: "2026-11-26T00:00:00Z"}},
    "a pass to be made": {"annotations": {names.RECONCILE_ANNOTATION: "now"}},
    "an owner": {
        "ownerReferences": [
            {"apiVersion": API, "kind": names.CLASS_KIND, "name": "theirs", "uid": "0", "controller": True}
        ]
    },
}
"""Written with an MCPServer that is nobody's to permit."""
CLASSES = f"/apis/{API}/{names.CLASS_PLURAL}"
FORGED: Json = {
    "gatewayId": OTHER_GATEWAY,
    "targetId": "TREASURE01",
    "placedBy": {"class": "mine", "uid": "0", "gatewayArn": "arn:aws:bedrock-agentcore"},
    "conditions": [],
}


class Tenant:
    """A user with the rights of `mcpserver-editor-role` in one namespace."""

    def __init__(self, cluster: LocalCluster, namespace: str, scratch: Path) -> None:
        role = yaml.safe_load((project_dir("config/rbac") / "mcpserver_editor_role.yaml").read_text())
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "tenant", "namespace": namespace},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": role["metadata"]["name"],
            },
            "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": namespace}],
        }
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        cluster.post(f"{rbac}/clusterroles", role, allow_conflict=True)
        cluster.post(f"{rbac}/namespaces/{namespace}/rolebindings", binding)
        kubeconfig = cluster.service_account_kubeconfig(namespace, "tenant", path=scratch / "tenant")
        settings = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
        authority = base64.b64decode(settings["certificate-authority-data"]).decode()
        token = (scratch / "tenant.token").read_text()
        self.namespace = namespace
        self.http = httpx2.Client(
            base_url=cluster.server_url,
            verify=ssl.create_default_context(cadata=authority),
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=60.0,
        )
        path = f"/apis/{API}/namespaces/{namespace}/mcpservers"
        until(lambda: self.http.get(path).is_success, "the API server has seen the binding")

    def send(self, method: str, path: str, body: Json) -> int:
        """Send a request and return its status."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = self.http.request(method, path, content=json.dumps(body), headers={"Content-Type": kind})
        return answer.status_code

    def create(self, name: str, spec: Json, metadata: Json | None = None) -> int:
        """Create an MCPServer and return the status; null is left out, as it is by kubectl."""
        body = {
            "apiVersion": API,
            "kind": names.KIND,
            "metadata": {"name": name, **(metadata or {})},
            "spec": {field: value for field, value in spec.items() if value is not None},
            "status": FORGED,
        }
        return self.send("POST", f"/apis/{API}/namespaces/{self.namespace}/mcpservers", body)


@pytest.fixture
def tenant(cluster: LocalCluster, site: Site, tmp_path: Path) -> Iterator[Tenant]:
    """A tenant in the site's namespace, which may use one gateway, beside another that it may not."""
    entry = msgspec.to_builtins(
        msgspec.structs.replace(ALLOW, providers=("team-a_*", "shared", "common-*"), namespaces=None)
    )
    here, another = (
        {"matchLabels": {"kubernetes.io/metadata.name": each}} for each in (site.namespace, "another")
    )
    for name, gateway, namespaces in (("mine", GATEWAY, here), ("theirs", OTHER_GATEWAY, another)):
        arn = f"arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/{gateway}"
        spec = {"gatewayArn": arn, "allow": [{**entry, "namespaces": namespaces}]}
        made = {"apiVersion": API, "kind": names.CLASS_KIND, "metadata": {"name": name}, "spec": spec}
        cluster.post(CLASSES, made)
    user = Tenant(cluster, site.namespace, tmp_path)
    yield user
    user.http.close()
    # Others use the same gateways: nothing may keep these.
    for name in ("mine", "theirs"):
        remove(cluster, f"{CLASSES}/{name}")


def asked(site: Site) -> Counter[str]:
    """Return what was asked of AWS about targets; nothing was asked about the gateway of another."""
    entries = site.simulator.admin.requests(limit=10_000)
    assert [each for each in entries if OTHER_GATEWAY in json.dumps(each)] == []
    return Counter(each["operation"] for each in entries if "Target" in each["operation"])


def writes(site: Site) -> dict[str, int]:
    """Return the requests that wrote."""
    return {name: n for name, n in asked(site).items() if not name.startswith(("Get", "List"))}


def test_nothing_that_a_tenant_writes_reaches_what_it_may_not_use(site: Site, tenant: Tenant) -> None:
    site.start()
    mine = {"gatewayRef": {"name": "mine"}, **MINE}
    beside = {**mine, "gatewayRef": {"name": "nobodys"}}
    sent = {
        f"spec-{n}": tenant.create(f"spec-{n}", {**mine, **each}) for n, each in enumerate(HOSTILE.values())
    }
    for n, each in enumerate(METADATA.values()):
        sent[f"meta-{n}"] = tenant.create(f"meta-{n}", beside, each)
    assert len(sent) >= 80
    assert set(sent.values()) <= {HTTPStatus.CREATED, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.BAD_REQUEST}
    admitted = [name for name, status in sent.items() if status == HTTPStatus.CREATED]
    assert len(admitted) >= 80

    # What is not the tenant's to write at all.
    objects = f"/apis/{API}/namespaces/{tenant.namespace}/mcpservers"
    opened = {"spec": {"allow": [{"namespaces": {}, "authTypes": ["*"], "endpoints": ["*"]}]}}
    label = {"metadata": {"labels": {"kubernetes.io/metadata.name": "another"}}}
    for path, body in (
        (f"{objects}/{admitted[0]}/status", {"status": FORGED}),
        (f"/apis/{API}/mcpgateways/mine", opened),
        (f"/api/v1/namespaces/{tenant.namespace}", label),
    ):
        assert tenant.send("PATCH", path, body) == HTTPStatus.FORBIDDEN

    def undecided() -> list[str]:
        listed = site.kube.read(objects)
        assert listed is not None
        return [each["metadata"]["name"] for each in listed["items"] if not _refused(each)]

    until(lambda: not undecided(), "every one is refused", PATIENCE)
    assert asked(site) == {}  # not even a List

    # The operator is there, and does what is permitted.
    assert tenant.create("good", mine) == HTTPStatus.CREATED
    site.until_ready("good", PATIENCE)
    assert writes(site) == {"CreateGatewayTarget": 1}
    (target,) = site.targets()
    assert target["name"] == "good"

    # An edit gets no further than a Create.
    for each in EDITS:
        assert tenant.send("PATCH", f"{objects}/good", {"spec": each}) == HTTPStatus.OK
        until(lambda: _refused(site.get("good") or {}), f"{each} is refused", PATIENCE)
        assert tenant.send("PATCH", f"{objects}/good", {"spec": _back(each, mine)}) == HTTPStatus.OK
        site.until_ready("good", PATIENCE)
    assert writes(site) == {"CreateGatewayTarget": 1}
    assert site.targets() == [target]


EDITS: list[Json] = [
    {"endpoint": "https://evil.example.com/mcp"},
    {"oauthProviderArn": translated(PLAIN)["oauthProviderArn"].replace("team-a_", "team-b_")},
    {"oauthGrantType": "TOKEN_EXCHANGE"},
    {"gatewayRef": {"name": "theirs"}},
    {"oauthCustomParameters": {"audience": "x"}},
]


def _back(change: Json, to: Json) -> Json:
    return {field: to.get(field) for field in change}


def _refused(obj: Json) -> bool:
    """Whether the newest generation of an object is refused, by an MCPGateway or as it is written."""
    newest = obj.get("metadata", {}).get("generation")
    permitted, ready = condition(obj, "Permitted"), condition(obj)
    if ready.get("observedGeneration") != newest:
        return False
    return permitted.get("status") == "False" or ready.get("reason") in {
        "ValidationError",
        "NotPermitted",
        "ConfigurationError",
    }
