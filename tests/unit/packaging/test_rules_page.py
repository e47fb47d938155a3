"""docs/rules.md has every rule in the order of the code, and architecture.md names what there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
TARGETS = ROOT / "src" / "mcp_gateway_operator" / "targets"
PAGE = ROOT / "docs" / "rules.md"
DECIDES = re.compile(r"\bact\.|\bClearing\b|\bC\b")
"""What is in the return annotation of a function that decides."""


def functions() -> dict[str, dict[str, ast.FunctionDef]]:
    """Return the functions of the decision core that return a step or a wait, by module."""
    modules = [TARGETS / "plan.py", *sorted((TARGETS / "rules").glob("[!_]*.py"))]
    return {
        path.relative_to(TARGETS).as_posix(): {
            node.name: node
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.FunctionDef)
            and DECIDES.search(ast.unparse(node.returns or ast.Constant("")))
        }
        for path in modules
    }


def tables(module: str) -> dict[str, list[str]]:
    """Return the tuples of rules of a module."""
    body = ast.parse((TARGETS / module).read_text()).body
    return {
        node.targets[0].id: [each.id for each in node.value.elts if isinstance(each, ast.Name)]
        for node in body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id.startswith("_RULES")
        and isinstance(node.value, ast.Tuple)
    }


def asked(function: ast.FunctionDef, deciding: set[str]) -> list[str]:
    """Return what a function asks, in the order of its source."""
    arguments = (*function.args.args, *function.args.kwonlyargs)
    own = {function.name, *(each.arg for each in arguments)}
    found: list[tuple[int, int, str]] = []
    for node in ast.walk(function):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                own.add(name)
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in deciding:
                found.append((node.lineno, node.col_offset, name))
    return list(dict.fromkeys(name for _, _, name in sorted(found) if name not in own))


def written() -> Iterator[tuple[str, str, list[str]]]:
    """Yield module, function and what it asks, for each heading of the page."""
    for part in re.split(r"^### ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        heading = re.match(r"`([\w/]+\.py)`: `(\w+)`", part)
        if heading:
            yield heading[1], heading[2], re.findall(r"^\d+\. `(\w+)`", part, re.MULTILINE)


def test_the_page_has_every_rule_in_the_order_of_the_code() -> None:
    """Each function that asks several has a list of them, and each table of rules; nothing is left out."""
    known = functions()
    lists = {(module, name): rules for module in known for name, rules in tables(module).items()}
    deciding = {name for defined in known.values() for name in defined} | {name for _, name in lists}
    for module, defined in known.items():
        for name, node in defined.items():
            if len(order := asked(node, deciding)) > 1:
                lists[module, name] = order
    on_page = {(module, name): rules for module, name, rules in written()}
    wrong = [place for place, rules in lists.items() if on_page.get(place) != rules]
    assert not wrong, [(place, lists[place], on_page.get(place)) for place in wrong]
    assert on_page.keys() == lists.keys()


def test_architecture_names_only_what_there_is() -> None:
    """Every file of the operator that the page names is there."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    sources = ROOT / "src" / "mcp_gateway_operator"
    named = set(re.findall(r"\b((?:targets|agentcore|controller|runtime|api|cli)/[\w/]+\.py)\b", text))
    assert named
    assert [name for name in sorted(named) if not (sources / name).is_file()] == []
    diagram = text.partition("stateDiagram")[2].partition("```")[0]
    rules = {path.name for path in TARGETS.rglob("*.py")}
    assert set(re.findall(r"\b\w+\.py\b", diagram)) <= rules


def test_all_links_of_the_pages_lead_somewhere() -> None:
    for page in (PAGE, ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md"):
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
