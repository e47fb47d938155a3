"""Sending MCPServers to an API server."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Iterator
from typing import Any

from mcp_gateway_operator_demo.localcluster import LocalCluster

API_VERSION = "mcpgateway.bedrock.aws/v1alpha1"


def manifest(name: str, namespace: str, spec: dict[str, Any] | None) -> str:
    """Return an MCPServer as JSON text."""
    body: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "MCPServer",
        "metadata": {"name": name, "namespace": namespace},
    }
    return json.dumps(body if spec is None else {**body, "spec": spec})


def create(
    cluster: LocalCluster, text: str, *flags: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Create what `text` says, as `kubectl create` does."""
    return cluster.kubectl("create", "-f", "-", *flags, input=text, check=check)


def patch(
    cluster: LocalCluster, namespace: str, name: str, change: dict[str, Any], *flags: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Merge `change` into an object."""
    return cluster.kubectl(
        *("patch", "mcps", name, "-n", namespace, "--type=merge", "-p", json.dumps(change)),
        *flags,
        check=check,
    )


def get(cluster: LocalCluster, namespace: str, name: str) -> dict[str, Any]:
    """Return an object."""
    found: dict[str, Any] = json.loads(
        cluster.kubectl("get", "mcps", name, "-n", namespace, "-o", "json").stdout
    )
    return found


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
