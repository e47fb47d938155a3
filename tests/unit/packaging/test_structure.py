"""The packages as docs/architecture.md has them: the contracts hold, and every one of them can be broken."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE = "mcp_gateway_operator"
SOURCES = ROOT / "src" / PACKAGE
COMMON = {"__init__.py", "__main__.py", "errors.py"}
MODULE_LINES, FUNCTION_LINES = 400, 40
LONG = {
    "cli/process.py:run_operator": "the parts of the process in the order in which they start and end",
    "controller/operator.py:__init__": "the parts of the controller, each named once",
    "runtime/informer.py:_list": "pages until the list is whole, then what follows from it",
    "admin/snapshots.py:_load_gateway": "the fields of a gateway and of its targets",
    "admin/admin_api.py:__init__": "the table of the admin interface's addresses",
}
"""Functions that are a list rather than a course of action, and may be as long as what they list."""


FORBIDDEN = {
    "targets/shape/diff.py": ["import httpx2", f"from {PACKAGE}.targets.rules import objection"],
    "targets/rules/failed_target.py": [
        "import asyncio",
        f"from {PACKAGE}.targets.known.memory import Record",
    ],
    "targets/plan.py": [
        f"from {PACKAGE}.targets.shape.target import find_marker",
        f"from {PACKAGE}.targets.permit.decision import refusal",
    ],
    "api/names.py": ["import httptools", f"from {PACKAGE}.runtime import queue"],
    "agentcore/port.py": [
        f"from {PACKAGE}.agentcore.quota import Quotas",
        f"from {PACKAGE}.targets.rules.failed_target import failed",
    ],
    "agentcore/observe/listing.py": [
        f"from {PACKAGE}.agentcore.quota.scheduler import QuotaScheduler",
        f"from {PACKAGE}.runtime.backoff import exponential",
    ],
    "runtime/backoff.py": [f"from {PACKAGE}.api import names"],
    "controller/operator.py": [
        f"from {PACKAGE}.agentcore.accounts.account_regions import AccountRegions",
        f"from {PACKAGE}.agentcore.aws.adapter import Boto3AgentCore",
        f"from {PACKAGE}.agentcore.observe.evidence import Evidence",
        f"from {PACKAGE}.controller.classes.registry import Registry",
        f"from {PACKAGE}.controller.gather.load import Loader",
        f"from {PACKAGE}.controller.perform.performer import Performer",
        f"from {PACKAGE}.controller.tell.report import status_of",
    ],
    "controller/ports.py": [f"from {PACKAGE}.controller.reconciler import Reconciler"],
}
"""Imports that nobody may write; together they break every contract that is about the operator."""


def contracts() -> Iterator[str]:
    """Yield the names of the contracts that are about the operator alone."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for contract in settings["tool"]["importlinter"]["contracts"]:
        if not re.search("[Ss]imulator|demo|local cluster", contract["name"]):
            yield contract["name"]


def test_forbidden_imports_are_refused_in_a_copy(tmp_path: Path) -> None:
    copy = tmp_path / "src" / PACKAGE
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    paths = [str(copy.parent), *map(str, (ROOT / "packages").glob("*/src"))]
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, lines in FORBIDDEN.items():
        path = copy / name
        path.write_text("\n".join([path.read_text(), *lines, ""]))
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run(  # noqa: S603  -- the linter of this environment
        [linter, "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(paths), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    broken = set(re.findall(r"^(.*) BROKEN$", run.stdout, re.MULTILINE))
    assert broken >= set(contracts()), run.stdout + run.stderr


def test_a_face_offers_nothing_that_nobody_takes() -> None:
    """What only the tests of a folder want, they import from its module."""
    taken: dict[str, set[str]] = {}
    for root in (ROOT / "src", *(ROOT / "packages").glob("*/src")):
        for path in root.rglob("*.py"):
            package = ".".join(path.relative_to(root).parent.parts)
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and not f"{package}.".startswith(f"{node.module}."):
                    taken.setdefault(node.module or "", set()).update(each.name for each in node.names)
    left = []
    for face in SOURCES.rglob("__init__.py"):
        for node in ast.parse(face.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                name = ".".join((PACKAGE, *face.parent.relative_to(SOURCES).parts))
                left += [f"{name}.{each}" for each in ast.literal_eval(node.value) if each not in taken[name]]
    assert left == []


def test_no_file_name_is_there_twice() -> None:
    names = Counter(path.name for path in SOURCES.rglob("*.py") if path.name not in COMMON)
    assert [name for name, times in names.items() if times > 1] == []


def sources() -> Iterator[Path]:
    """Yield the modules of all three distributions."""
    for root in (SOURCES, *(ROOT / "packages").glob("*/src/*")):
        yield from sorted(root.rglob("*.py"))


def test_modules_and_functions_are_short() -> None:
    """Docstrings and signatures of functions do not count, for they are not what has to be followed."""
    long = [path.name for path in sources() if len(path.read_text().splitlines()) > MODULE_LINES]
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            name = f"{path.parent.name}/{path.name}:{node.name}"
            if lines > FUNCTION_LINES and name not in LONG:
                long.append(name)
    assert long == []


def test_memory_is_replaced_where_a_decision_begins_and_where_its_outcome_is_noted_alone() -> None:
    """`entry.memory = ...` stands in the reconciler and in controller/perform, and nowhere else."""
    places = set()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(each, ast.Attribute) and each.attr == "memory" for each in targets):
                places.add(path.relative_to(SOURCES).as_posix())
    allowed = {path for path in places if path.startswith("controller/perform/")}
    assert places - allowed == {"controller/reconciler.py"}


def test_nothing_that_is_remembered_or_decided_can_be_changed() -> None:
    """Every value that `targets` knows is frozen, so that no rule can write."""
    for path in (SOURCES / "targets").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and any("Struct" in ast.unparse(base) for base in node.bases):
                assert any(word.arg == "frozen" for word in node.keywords), f"{path.name}: {node.name}"
            assigned = node.targets if isinstance(node, ast.Assign) else []
            written = [ast.unparse(each) for each in assigned if isinstance(each, ast.Attribute)]
            assert all(each.startswith(("self.", "status.")) for each in written), f"{path.name}: {written}"


def test_the_map_names_files_that_there_are() -> None:
    """Paths in the pages that lead through the code; a bare name is one of the folder spoken of."""
    folders = (ROOT, SOURCES, ROOT / "src", *(ROOT / "packages").glob("*/src/*"))
    pages = (ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md")
    named = {name for page in pages for name in re.findall(r"`([\w./-]+/[\w-]+\.py)`", page.read_text())}
    assert named
    assert [each for each in named if not any((folder / each).exists() for folder in folders)] == []
