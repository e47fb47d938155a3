from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from mcp_gateway_operator.api.manifests import manifests
from mcp_gateway_operator.api.types import MCPServerSpec, MCPServerStatus
from mcp_gateway_operator_demo.project_files import project_dir

SAMPLES = project_dir("config/samples")
SERVERS = sorted(SAMPLES.glob("mcpgateway_*.yaml"))


def _plain(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((SAMPLES / name).read_text())
    return loaded


@pytest.mark.parametrize("file", SERVERS, ids=lambda file: file.name)
def test_a_sample_is_valid(file: Any) -> None:
    (found,) = manifests(file.read_text())

    assert found.problems == ()


def test_samples_work_with_the_default_gateway_but_for_one() -> None:
    named = [file.name for file in SERVERS if "gatewayId" in _plain(file.name)["spec"]]

    assert named == ["mcpgateway_v1alpha1_mcpserver_github.yaml"]


def test_the_kustomization_lists_every_server() -> None:
    assert sorted(_plain("kustomization.yaml")["resources"]) == [file.name for file in SERVERS]


def _graph() -> dict[str, Any]:
    spec: dict[str, Any] = _plain("kro_mcpserver_rgd.yaml")["spec"]
    return spec


def test_the_graph_makes_a_valid_server_from_the_instance() -> None:
    graph, instance = _graph(), _plain("kro_mcpserver_instance.yaml")
    values = {
        "oauthScopes": [],
        **dict.fromkeys(("gatewayId", "description"), ""),
        "path": "/mcp",
        **instance["spec"],
    }
    (server,) = (each["template"] for each in graph["resources"] if each["id"] == "mcpserver")
    known = {
        "${deployment.metadata.name}": values["name"],
        "https://${ingress.spec.rules[0].host}${schema.spec.path}": f"https://{values['host']}{values['path']}",
        **{f"${{schema.spec.{name}}}": value for name, value in values.items()},
    }
    server["metadata"]["name"] = known[server["metadata"]["name"]]
    server["spec"] = {
        name: known[value] if isinstance(value, str) and "${" in value else value
        for name, value in server["spec"].items()
    }

    (found,) = manifests(yaml.safe_dump(server))

    assert found.problems == ()
    assert instance["kind"] == graph["schema"]["kind"]
    assert set(instance["spec"]) <= set(graph["schema"]["spec"])


def test_the_graph_reads_fields_that_exist() -> None:
    text = (SAMPLES / "kro_mcpserver_rgd.yaml").read_text()

    read = set(re.findall(r"mcpserver\.status\.(\w+)", text))
    assert read == {"targetId", "targetStatus", "gatewayArn", "conditions"}
    assert read <= set(MCPServerStatus.__struct_encode_fields__)
    assert set(re.findall(r"mcpserver\.spec\.(\w+)", text)) <= set(MCPServerSpec.__struct_encode_fields__)
    fields = set(_graph()["schema"]["spec"])
    assert set(re.findall(r"schema\.spec\.(\w+)", text)) <= fields


@pytest.mark.parametrize("guide", ["kro_mcpserver_platform_guide.md", "kro_mcpserver_developer_guide.md"])
def test_each_guide_names_files_that_are_there(guide: str) -> None:
    for name in re.findall(r"`(?:config/samples/)?(kro_\w+\.yaml)`", (SAMPLES / guide).read_text()):
        assert (SAMPLES / name).is_file()
