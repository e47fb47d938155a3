from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.crd_manifest import custom_resource_definition, to_yaml
from mcp_gateway_operator.api.types import MCPServerSpec, MCPServerStatus

ROOT = Path(__file__).parents[3]


def _schema(*, legacy: bool = False) -> dict[str, Any]:
    (version,) = custom_resource_definition(legacy=legacy)["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def _nodes(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from _nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in node:
            yield from _nodes(node[key], f"{path}[]")


SPEC = dict(_nodes(_schema()["properties"]["spec"], "spec"))
LEGACY = dict(_nodes(_schema(legacy=True)["properties"]["spec"], "spec"))


def test_names_that_users_rely_on() -> None:
    spec = custom_resource_definition()["spec"]

    assert spec["group"] == "mcpgateway.bedrock.aws"
    assert spec["names"] == {
        "kind": "MCPServer",
        "listKind": "MCPServerList",
        "plural": "mcpservers",
        "singular": "mcpserver",
        "shortNames": ["mcps", "bmcps"],
    }
    assert spec["scope"] == "Namespaced"
    assert spec["versions"][0]["name"] == "v1alpha1"
    assert spec["versions"][0]["subresources"] == {"status": {}}


def test_the_schema_has_the_fields_of_the_types() -> None:
    properties = _schema()["properties"]

    assert tuple(properties["spec"]["properties"]) == MCPServerSpec.__struct_encode_fields__
    assert tuple(properties["status"]["properties"]) == MCPServerStatus.__struct_encode_fields__


@pytest.mark.parametrize("path", SPEC)
def test_every_value_of_the_spec_is_bounded(path: str) -> None:
    # Without bounds the API server takes the worst case for the cost of a rule, and refuses the CRD.
    node = SPEC[path]
    if node["type"] == "string":
        assert "maxLength" in node or "enum" in node
    if node["type"] == "array":
        assert "maxItems" in node
        assert node["x-kubernetes-list-type"] == "atomic"
    if "additionalProperties" in node:
        assert "maxProperties" in node


@pytest.mark.parametrize("path", [path for path in SPEC if not path.endswith("[]")])
def test_every_field_is_explained_in_sentences(path: str) -> None:
    description = SPEC[path]["description"]

    assert len(description) > 25
    assert description[0].isupper()


def test_every_rule_says_what_to_write() -> None:
    for path, node in SPEC.items():
        for rule in node.get("x-kubernetes-validations", ()):
            assert re.search(r"write|set |remove|add |replace|shorten", rule["message"]), path
            assert "\n" not in rule["message"]


def test_empty_texts_are_admitted_wherever_a_field_is_optional() -> None:
    for path, node in SPEC.items():
        required = set(node.get("required", ()))
        for name, child in node.get("properties", {}).items():
            if name not in required and child["type"] == "string":
                assert "minLength" not in child, f"{path}.{name}"
                assert "" in child.get("enum", [""]), f"{path}.{name}"
                assert "pattern" not in child, f"{path}.{name}"


def test_only_the_authorization_type_is_defaulted() -> None:
    for nodes in (SPEC, LEGACY):
        assert {path for path, node in nodes.items() if "default" in node} == {"spec.authType"}


def test_the_legacy_crd_has_the_old_rules_for_the_old_fields() -> None:
    old = {"type": "string", "nullable": True}
    for name in ("gatewayId", "targetName", "description", "oauthProviderArn"):
        assert {
            key: LEGACY[f"spec.{name}"][key] for key in LEGACY[f"spec.{name}"] if key != "description"
        } == old
    for name in ("oauthScopes", "allowedRequestHeaders", "allowedQueryParameters", "allowedResponseHeaders"):
        assert LEGACY[f"spec.{name}"]["items"] == {"type": "string"}
        assert "maxItems" not in LEGACY[f"spec.{name}"]
    assert LEGACY["spec.endpoint"]["pattern"] == "^https://.*"
    assert LEGACY["spec.capabilities"]["minItems"] == 1
    assert LEGACY["spec"]["required"] == ["endpoint", "capabilities"]


def test_the_legacy_crd_has_nothing_that_old_servers_do_not_know() -> None:
    text = to_yaml(custom_resource_definition(legacy=True))

    assert "x-kubernetes-validations" not in text
    assert "optionalOldSelf" not in text


def test_conditions_merge_by_type() -> None:
    conditions = _schema()["properties"]["status"]["properties"]["conditions"]

    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert conditions["items"]["required"] == ["type", "status"]


def test_a_client_side_apply_can_store_the_crd_in_its_annotation() -> None:
    assert len(to_yaml(custom_resource_definition())) < 200_000


def test_yaml_reads_back_as_what_was_rendered() -> None:
    crd = custom_resource_definition()

    assert yaml.safe_load(to_yaml(crd)) == crd


def test_the_reference_explains_every_field_and_annotation() -> None:
    text = (ROOT / "docs" / "reference.md").read_text()

    for field in (*MCPServerSpec.__struct_encode_fields__, *MCPServerStatus.__struct_encode_fields__):
        assert f"| `{field}`" in text
    for annotation in (names.PAUSED_ANNOTATION, names.SYNC_ANNOTATION, names.RECONCILE_ANNOTATION):
        assert f"| `{annotation}`" in text


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "hack" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_files_are_what_the_types_say() -> None:
    done = subprocess.run(  # noqa: S603  -- our own script
        [sys.executable, str(ROOT / "hack" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_a_stale_file_is_shown_and_then_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generate = _generator()
    shutil.copytree(generate.ROOT / "docs", tmp_path / "docs")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["generate.py"])
    assert generate.main() == 0
    crd = next(tmp_path.glob("config/crd/bases/*mcpservers.yaml"))
    crd.write_text(crd.read_text().replace("Retain", "Keep"))

    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    capsys.readouterr()
    assert generate.main() == 1
    said = capsys.readouterr().out
    assert re.search(r"^-.*Keep", said, re.MULTILINE)
    assert re.search(r"^\+.*Retain", said, re.MULTILINE)
    assert "make manifests" in said

    monkeypatch.setattr(sys, "argv", ["generate.py"])
    assert generate.main() == 0
    assert "Keep" not in crd.read_text()
