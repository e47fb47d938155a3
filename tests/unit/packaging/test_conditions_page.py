"""docs/conditions.md and the code name the same conditions, reasons, annotations and Events."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import mcp_gateway_operator
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.crd_manifest import custom_resource_definition
from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator_demo.project_files import project_dir

SOURCE = Path(mcp_gateway_operator.__file__).parent
PAGE = (project_dir("docs") / "conditions.md").read_text(encoding="utf-8")


def rows(title: str) -> list[list[str]]:
    """Return the cells of the first table under a heading."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def first_cells(title: str) -> list[str]:
    """Return the names in the first column, which are in backquotes."""
    return [re.findall(r"`([^`:]+)", row[0])[0] for row in rows(title)]


def constants(holder: type) -> set[str]:
    """Return the values that a class of names holds."""
    return {value for name, value in vars(holder).items() if name.isupper()}


def test_every_condition_and_no_other_is_described() -> None:
    assert sorted(first_cells("Conditions")) == sorted(constants(ConditionType))


def test_every_reason_and_no_other_is_described_once() -> None:
    assert sorted(first_cells("Reasons")) == sorted(constants(Reason))


def test_every_reason_says_what_it_means_and_what_to_do() -> None:
    for reason, means, advice in rows("Reasons"):
        assert means, reason
        assert advice, reason


def test_every_annotation_of_the_users_is_described() -> None:
    assert first_cells("Annotations that ask for something") == [
        names.PAUSED_ANNOTATION,
        names.RECONCILE_ANNOTATION,
        names.SYNC_ANNOTATION,
    ]


def test_every_event_with_a_reason_of_its_own_is_described() -> None:
    sent: set[str] = set()
    for folder in ("controller", "targets"):
        for path in sorted((SOURCE / folder).rglob("*.py")):
            sent |= _events(ast.parse(path.read_text(encoding="utf-8")))
    assert sorted(first_cells("Events")) == sorted(sent)


def _events(tree: ast.Module) -> set[str]:
    """Return the literal reasons of Events: `x.event(obj, type, REASON)`, `NewEvent(type, REASON)`."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        given = [each.value for each in node.keywords if each.arg == "event"]
        if isinstance(node.func, ast.Attribute) and node.func.attr == "event":
            given += node.args[2:3]
        if isinstance(node.func, ast.Name) and node.func.id == "NewEvent":
            given += node.args[1:2]
        found |= {
            value.value for value in given if isinstance(value, ast.Constant) and isinstance(value.value, str)
        }
    return found


def test_every_field_and_flag_on_the_page_exists() -> None:
    schema = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for part, field in re.findall(r"`?\b(spec|status)\.(\w+)", PAGE):
        assert field in schema["properties"][part]["properties"], f"{part}.{field}"
    options = "".join(path.read_text(encoding="utf-8") for path in (SOURCE / "cli").glob("*.py"))
    for flag in re.findall(r"`(--[a-z-]+)[`=]", PAGE):
        assert flag in options, flag
