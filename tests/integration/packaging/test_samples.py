"""All six samples, and the manifests of the guides, on a real API server."""

from __future__ import annotations

import json

import pytest
import yaml

from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.packaging.conftest import DOCS, blocks
from tests.integration.packaging.kro.kinds import GRAPH, INSTANCE, SAMPLES, load

FILES = sorted(path for path in SAMPLES.glob("*.yaml") if path.name != "kustomization.yaml")


def _kept(written: object, stored: object) -> bool:
    """Whether what is stored has everything that was written; defaults may have come to it."""
    if isinstance(written, dict):
        return isinstance(stored, dict) and all(
            name in stored and _kept(value, stored[name]) for name, value in written.items()
        )
    if isinstance(written, list):
        return isinstance(stored, list) and len(written) == len(stored) and all(map(_kept, written, stored))
    return written == stored


def test_all_six_are_applied_and_kept_as_written(kro: LocalCluster, namespace: str) -> None:
    assert len(FILES) == 6

    done = kro.kubectl(
        *("apply", "--server-side", "--validate=strict", "--output=json", "--namespace", namespace),
        *(f"--filename={file}" for file in FILES),
    )

    for file, stored in zip(FILES, json.loads(done.stdout)["items"], strict=True):
        assert _kept(load(file), stored), file.name


def test_the_instance_gets_the_defaults_of_the_graph(kro: LocalCluster, namespace: str) -> None:
    done = kro.kubectl("apply", "-n", namespace, "-f", str(INSTANCE), "--server-side", "--output=json")

    spec = json.loads(done.stdout)["spec"]
    assert (spec["path"], spec["port"], spec["replicas"], spec["gatewayId"]) == ("/mcp", 8080, 2, "")


def test_a_wrong_sample_would_be_seen(kro: LocalCluster, namespace: str) -> None:
    misspelt, incomplete, graph = load(INSTANCE), load(INSTANCE), load(GRAPH)
    misspelt["spec"]["imgae"] = "registry.example.com/tool"
    del incomplete["spec"]["image"]
    graph["spec"]["resources"][0]["readyIf"] = ["${true}"]

    done = kro.kubectl(
        *("apply", "--server-side", "--validate=strict", "--namespace", namespace, "--filename", "-"),
        input="\n---\n".join(map(json.dumps, (misspelt, incomplete, graph))),
        check=False,
    )

    assert done.stdout == "", "none of them is taken"
    for words in ("imgae", "spec.image: Required value", "readyIf"):
        assert words in done.stderr


@pytest.mark.parametrize("name", ["SETUP.md", "AUTHENTICATION-REQUIREMENTS.md"])
def test_manifests_are_admitted(cluster: LocalCluster, name: str) -> None:
    documents = [document for block in blocks(DOCS / name, "yaml") for document in yaml.safe_load_all(block)]
    servers = [document for document in documents if document.get("kind") == "MCPServer"]

    assert servers
    cluster.kubectl(
        *("--namespace", "default", "apply", "--server-side", "--dry-run=server", "-f", "-"),
        input=yaml.safe_dump_all(servers),
    )
