"""Sending MCPServers to an API server."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from mcp_gateway_operator_demo.localcluster import ClusterRequestError, LocalCluster

API_VERSION = "mcpgateway.bedrock.aws/v1alpha1"


def manifest(name: str, namespace: str, spec: dict[str, Any] | None) -> str:
    """Return an MCPServer as JSON text."""
    body: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "MCPServer",
        "metadata": {"name": name, "namespace": namespace},
    }
    return json.dumps(body if spec is None else {**body, "spec": spec})


def create(cluster: LocalCluster, text: str, *, check: bool = True, dry_run: bool = False) -> str:
    """Create one object of this project's kinds over HTTP, at a fiftieth of what a kubectl costs.

    Returns:
        the API server's refusal, "" when it admits the object.

    Raises:
        ClusterRequestError: it refused, and `check` is true.
    """
    body = json.loads(text)
    place = path(body["metadata"].get("namespace", ""), kind=body["kind"])
    dry = "&dryRun=All" if dry_run else ""
    return _asked(lambda: cluster.post(f"{place}?fieldValidation=Strict{dry}", body), check=check)


def patch(
    cluster: LocalCluster,
    namespace: str,
    name: str,
    change: dict[str, Any],
    part: str = "",
    *,
    check: bool = True,
) -> str:
    """Merge `change` into an MCPServer, or into its `part` ("status"); returns and raises as `create`."""
    return _asked(lambda: cluster.patch(f"{path(namespace, name)}{part and '/' + part}", change), check=check)


def get(cluster: LocalCluster, namespace: str, name: str) -> dict[str, Any]:
    """Return an MCPServer."""
    return cluster.get(path(namespace, name))


def path(namespace: str, name: str = "", *, kind: str = "MCPServer") -> str:
    """Return where the API server has an object, or the objects of a kind; "" is the namespace of none."""
    place = f"namespaces/{namespace}/" if namespace else ""
    return f"/apis/{API_VERSION}/{place}{kind.lower()}s{name and '/' + name}"


def _asked(ask: Callable[[], object], *, check: bool) -> str:
    try:
        ask()
    except ClusterRequestError as error:
        if check:
            raise
        return str(error)
    return ""


def kubectl_create(
    cluster: LocalCluster, text: str, *flags: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Create all that `text` says, as `kubectl create` does."""
    return cluster.kubectl("create", "-f", "-", *flags, input=text, check=check)


def told(done: subprocess.CompletedProcess[str], count: int) -> list[bool]:
    """Return which of the objects `case-0` to `case-COUNT` kubectl says were admitted; it speaks of each."""
    admitted = {int(each) for each in re.findall(r"/case-(\d+) created", done.stdout)}
    refused = {int(each) for each in re.findall(r'"case-(\d+)" is invalid', done.stderr)}
    assert admitted | refused == set(range(count)), done.stderr[:2000]
    return [number in admitted for number in range(count)]


def agree(specs: list[dict[str, Any]], admitted: list[bool], understood: list[bool]) -> None:
    """The API server and the operator say the same of each spec, and not the same of all."""
    verdicts = zip(specs, admitted, understood, strict=True)
    assert [spec for spec, one, other in verdicts if one != other] == []
    assert any(admitted)
    assert not all(admitted)


def variations(
    chance: random.Random, good: str, pieces: list[str], *, count: int, least: int
) -> Iterator[str]:
    """Yield the good text, it with one change, and nonsense of `least` to five of the same pieces."""
    yield good
    for number in range(count):
        if number % 2:
            yield "".join(chance.choices(pieces, k=chance.randint(least, 5)))
        else:
            cut = chance.randint(0, len(good))
            yield good[:cut] + chance.choice(["", *pieces]) + good[cut + chance.randint(0, 2) :]
