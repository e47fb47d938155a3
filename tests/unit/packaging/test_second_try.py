"""What gets a second try in `make test`, and what is told of it: seen on a project of a few tests."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mcp_gateway_operator_demo.project_files import project_dir

UNLUCKY = """
from pathlib import Path

def test_{name}():
    seen = Path(__file__).with_suffix(".{name}")
    unlucky = not seen.exists()
    seen.touch()
    assert not unlucky
"""
BROKEN = "def test_{name}():\n    assert False\n"
FINE = "def test_{name}():\n    pass\n"


@pytest.fixture
def second_try(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load the script, and let every pytest start in half a second."""
    monkeypatch.syspath_prepend(str(project_dir("hack")))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return importlib.import_module("second_try")


def first_run(root: Path, **files: str) -> None:
    """Make a project with these test files, two underscores for a slash, and run its tests."""
    for name, text in files.items():
        path = root / "tests" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (root / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "tests"], cwd=root, check=False, timeout=60
    )


def test_what_passes_alone_is_told_and_passes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], second_try: ModuleType
) -> None:
    first_run(
        tmp_path,
        integration__test_unlucky=UNLUCKY.format(name="unlucky"),
        integration__test_fine=FINE.format(name="fine"),
    )
    assert second_try.main(tmp_path) == 0
    said = capfd.readouterr().out
    assert "a defect of the test" in said
    assert said.endswith("  tests/integration/test_unlucky.py::test_unlucky\n")
    assert "1 passed" in said


def test_what_fails_twice_has_failed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], second_try: ModuleType
) -> None:
    first_run(tmp_path, integration__test_broken=BROKEN.format(name="broken"))
    assert second_try.main(tmp_path) == 1
    assert "a defect of the test" not in capfd.readouterr().out


@pytest.mark.parametrize(
    "failed",
    [
        ["tests/unit/test_a.py::test_a"],
        ["tests/integration/test_a.py::test_a", "tests/unit/test_a.py::test_a"],
        [f"tests/integration/test_a.py::test_{number}" for number in range(4)],
        [],
    ],
    ids=["virtual time", "both", "many", "none"],
)
def test_no_second_try(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], second_try: ModuleType, failed: list[str]
) -> None:
    (tmp_path / second_try.FAILED).parent.mkdir(parents=True)
    (tmp_path / second_try.FAILED).write_text(json.dumps(dict.fromkeys(failed, True)), encoding="utf-8")
    assert second_try.main(tmp_path) == 1
    assert "Once more" not in capfd.readouterr().out
