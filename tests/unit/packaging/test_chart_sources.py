"""The chart's values, their schema and their documentation say the same."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "helm" / "mcp-gateway-operator"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def _load_generator() -> Any:
    spec = importlib.util.spec_from_file_location("chart", ROOT / "hack" / "chart.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = _load_generator()


def _closed_names(schema: dict[str, Any], prefix: str = "") -> set[str]:
    """Return the dotted name of every value below objects that refuse unknown names."""
    names: set[str] = set()
    for key, child in schema["properties"].items():
        if child.get("additionalProperties") is False:
            names |= _closed_names(child, f"{prefix}{key}.")
        else:
            names.add(f"{prefix}{key}")
    return names


def _names(values: dict[str, Any], schema: dict[str, Any], prefix: str = "") -> set[str]:
    names: set[str] = set()
    for key, value in values.items():
        child = schema["properties"].get(key, {})
        if child.get("additionalProperties") is False:
            names |= _names(value, child, f"{prefix}{key}.")
        else:
            names.add(f"{prefix}{key}")
    return names


def test_the_schema_knows_every_value_and_no_other() -> None:
    """`global` and `enabled` belong to parent charts; `resources.claims` has no default."""
    allowed = _closed_names(SCHEMA) - {"global", "enabled", "resources.claims"}

    assert _names(VALUES, SCHEMA) == allowed


def test_every_value_is_documented() -> None:
    """A value has a comment of its own, or belongs to a group that is explained as one."""
    documented = {name for name, _, _ in generator.documented_values((CHART / "values.yaml").read_text())}

    for name in _names(VALUES, SCHEMA):
        parts = name.split(".")
        stems = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
        assert stems & documented, f"{name} needs a comment in values.yaml"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# One.\na: 1\n", [("a", "One.", 1)]),
        ("# Two\n# lines.\na: {b: 1}\n", [("a", "Two lines.", {"b": 1})]),
        ("a:\n  # Inner.\n  b: x\n", [("a.b", "Inner.", "x")]),
        ("# Of the file.\n\na: 1\n", []),
    ],
)
def test_comments_are_read_as_documentation(text: str, expected: list[object]) -> None:
    assert list(generator.documented_values(text)) == expected


def test_generated_parts_are_up_to_date() -> None:
    assert generator.main(["--check"]) == 0


def test_a_stale_part_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator.mcp_gateway_operator, "__version__", "9.9.9")

    assert generator.main(["--check"]) == 1

    shown = capsys.readouterr()
    assert "+version: 9.9.9" in shown.out
    assert "+    newTag: 9.9.9" in shown.out
    assert "make manifests" in shown.err
