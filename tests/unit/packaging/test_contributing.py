"""CONTRIBUTING.md names only what there is, and what it shows works."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
OPERATOR = ROOT / "src" / "mcp_gateway_operator"


def test_every_path_is_there() -> None:
    """Those of the table, and those of the lists, which leave out what is clear from the words around."""
    named = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*)[`:]", TEXT))
    assert len(named) > 60
    roots = (ROOT, OPERATOR)
    assert [name for name in sorted(named) if not any((root / name).exists() for root in roots)] == []


def test_every_row_of_the_table_names_modules_and_tests() -> None:
    table = TEXT.partition("| behaviour | module | tests |\n")[2].partition("\n\n")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines()[1:]]
    assert len(rows) > 20
    for behaviour, modules, tests in rows:
        assert re.search(r"`src/\S+\.py`", modules), behaviour
        assert re.search(r"`tests/\S+\.py`", tests), behaviour


def test_every_test_that_is_named_exists() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`(test_\w+)`(?!\.py)", TEXT):
        assert f"def {name}(" in sources or list((ROOT / "tests").rglob(f"{name}.py")), name


def test_the_debugging_session_does_what_is_said() -> None:
    """In a process of its own, as a reader would: it tells decisions, calls and the end."""
    (session,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    run = subprocess.run(  # noqa: S603  -- the text of this repository
        [sys.executable, "-c", session], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert run.stdout.splitlines()[-1] == "GatewayTargetReady 2"
    assert "action=Create" in run.stdout
    assert "answer=ThrottlingException" in run.stdout


def test_the_mutation_check_knows_every_module_of_the_decision_core() -> None:
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "hack" / "mutants.py")
    assert spec is not None
    assert spec.loader is not None
    mutants = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = mutants
    spec.loader.exec_module(mutants)
    core = {
        path.relative_to(OPERATOR).with_suffix("").as_posix()
        for path in OPERATOR.glob("targets/rules/[!_]*.py")
    }
    assert mutants.TESTS.keys() >= core
    for module, tests in mutants.TESTS.items():
        assert (OPERATOR / f"{module}.py").is_file(), module
        assert [test for test in tests if not (ROOT / test).is_file()] == []
