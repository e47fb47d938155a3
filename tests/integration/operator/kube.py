"""A user of the API server: makes, edits and reads MCPServers, and counts what was written."""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import yaml

from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.support.polling import until

Json = dict[str, Any]

_OBJECTS = "/apis/mcpgateway.bedrock.aws/v1alpha1/namespaces/{namespace}/mcpservers"
_OF_THE_CLUSTER = "/apis/mcpgateway.bedrock.aws/v1alpha1/mcpservers"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
_WRITES = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"})


class Kube:
    """The administrator of a local cluster, over HTTP: a request takes a fraction of kubectl's time."""

    def __init__(self, cluster: LocalCluster, scratch: Path) -> None:
        settings = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
        user = settings["users"][0]["user"]
        authority = settings["clusters"][0]["cluster"]["certificate-authority-data"]
        trust = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
        certificate, key = scratch / "client.crt", scratch / "client.key"
        certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
        key.write_bytes(base64.b64decode(user["client-key-data"]))
        trust.load_cert_chain(certificate, key)
        self._http = httpx2.Client(base_url=cluster.server_url, verify=trust, trust_env=False, timeout=20.0)
        self.own_writes = 0
        """Requests of this user that wrote, or tried to write, an MCPServer."""

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # MCPServers.

    def create(self, namespace: str, name: str, metadata: Json | None = None, **spec: Any) -> Json:
        """Create an MCPServer; members of `spec` replace those of a simple one."""
        body = {
            "apiVersion": "mcpgateway.bedrock.aws/v1alpha1",
            "kind": "MCPServer",
            "metadata": {"name": name, **(metadata or {})},
            "spec": {
                "endpoint": f"https://{name}.example.com/mcp",
                "capabilities": ["tools"],
                "authType": "NoAuth",
                **spec,
            },
        }
        return self._write("POST", _OBJECTS.format(namespace=namespace), body)

    def get(self, namespace: str, name: str) -> Json | None:
        """Return an MCPServer, None when there is none."""
        return self.read(f"{_OBJECTS.format(namespace=namespace)}/{name}")

    def edit(self, namespace: str, name: str, change: Callable[[Json], object], *, part: str = "") -> Json:
        """Read, change and replace an MCPServer, or its `status`, as often as another writer interferes."""
        path = f"{_OBJECTS.format(namespace=namespace)}/{name}"
        while True:
            current = self.read(path)
            assert current is not None, f"{name} is gone"
            change(current)
            try:
                return self._write("PUT", f"{path}/{part}" if part else path, current)
            except httpx2.HTTPStatusError as error:
                if error.response.status_code != HTTPStatus.CONFLICT:
                    raise

    def delete(self, namespace: str, name: str) -> None:
        """Ask for the deletion of an MCPServer."""
        self._write("DELETE", f"{_OBJECTS.format(namespace=namespace)}/{name}", None)

    def delete_all(self, namespace: str) -> None:
        """Remove every MCPServer of a namespace, finalizers or not."""
        path = _OBJECTS.format(namespace=namespace)
        items = (self.read(path) or {"items": []})["items"]
        for each in items:
            if each["metadata"].get("finalizers"):
                name = each["metadata"]["name"]
                self.edit(namespace, name, lambda obj: obj["metadata"].update(finalizers=[]))
        if items:
            self._write("DELETE", path, None)

    def delete_all_of_the_cluster(self) -> None:
        """Remove what the tests of other folders have left, for an operator that watches every namespace."""
        listed = self.read(_OF_THE_CLUSTER)
        for namespace in {item["metadata"]["namespace"] for item in (listed or {"items": []})["items"]}:
            self.delete_all(namespace)

    def writes(self) -> int:
        """Return how many requests of others wrote MCPServers or their status since the API server started.

        The API server's own count: refused requests are in it, too.
        """
        wrote = (
            number
            for labels, number in self._counted("apiserver_request_total")
            if labels["resource"] == "mcpservers" and labels["verb"] in _WRITES
        )
        return sum(wrote) - self.own_writes

    def denials(self) -> int:
        """Return how many requests of anybody RBAC has denied since the API server started.

        They are not among its `apiserver_request_total`: it counts what comes behind the authorisation.
        """
        attempts = self._counted("authorization_attempts_total")
        return sum(number for labels, number in attempts if labels["result"] != "allowed")

    def _counted(self, metric: str) -> Iterator[tuple[dict[str, str], int]]:
        # Half a megabyte: to compress them costs the API server more than to gather them.
        plain = {"Accept-Encoding": "identity"}
        text = self._http.get("/metrics", headers=plain).raise_for_status().text
        for line in text.splitlines():
            if line.startswith(f"{metric}{{"):
                yield dict(re.findall(r'([\w-]+)="([^"]*)"', line)), int(float(line.rpartition(" ")[2]))

    # Leases, Events and the rest.

    def lease(self, namespace: str) -> Json | None:
        """Return the operator's Lease."""
        return self.read(f"{LEASES.format(namespace=namespace)}/b89ac0a6.bedrock.aws")

    def edit_lease(self, namespace: str, name: str = "b89ac0a6.bedrock.aws", **spec: Any) -> None:
        """Change members of a Lease's spec, whoever holds it."""
        path = f"{LEASES.format(namespace=namespace)}/{name}"
        self._http.patch(
            path, json={"spec": spec}, headers={"Content-Type": "application/merge-patch+json"}
        ).raise_for_status()

    def events(self, namespace: str, name: str) -> list[Json]:
        """Return the Events on an MCPServer."""
        listed = self.read(f"/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.name={name}")
        assert listed is not None
        items: list[Json] = listed["items"]
        return items

    def read(self, path: str) -> Json | None:
        """Return what a path holds, None when there is nothing."""
        # 429: the storage of a CRD that has just been changed is being prepared; kubectl asks again, too.
        answer = until(lambda: self._unless_too_many(path), f"{path}, without a 429")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        body: Json = answer.raise_for_status().json()
        return body

    def _unless_too_many(self, path: str) -> httpx2.Response | None:
        answer = self._http.get(path)
        return None if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS else answer

    def _write(self, method: str, path: str, body: Json | None) -> Json:
        self.own_writes += 1
        answer = self._http.request(method, path, json=body)
        result: Json = answer.raise_for_status().json()
        return result


def condition(obj: Json | None, kind: str = "Ready") -> Json:
    """Return one condition, {} when it is not there."""
    conditions: list[Json] = (obj or {}).get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})


def is_ready(obj: Json | None) -> bool:
    """Whether an object is Ready in its newest generation."""
    found = condition(obj)
    return bool(
        obj is not None
        and found
        and found["status"] == "True"
        and found["observedGeneration"] == obj["metadata"]["generation"]
    )
