"""What scripts and newcomers rely on: make targets, the locked dependencies, the choice of a Python."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[3]
TARGETS = (
    *("help", "demo", "test", "unit", "integration", "bench", "bench-smoke", "clean"),
    *("manifests", "generate", "fmt", "vet", "lint", "lint-fix", "lint-config"),
    *("build", "run", "lock", "pin", "docker-build", "docker-push", "docker-buildx", "build-installer"),
    *("install", "uninstall", "deploy", "undeploy"),
)


LOCKS = ("requirements.txt", "requirements-build.txt", "requirements-local.txt", "requirements-dev.txt")
PROJECTS = (ROOT / "pyproject.toml", *sorted(ROOT.glob("packages/*/pyproject.toml")))


def _run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  -- our own scripts
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": os.environ["PATH"], **environment},
    )


def _locked(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text()
    found = re.findall(r"^([a-zA-Z0-9._-]+)==(\S+)", text, re.MULTILINE)
    return {package.lower().replace("_", "-"): version for package, version in found}


def test_help_lists_every_target() -> None:
    listed = re.findall(r"^  ([a-z-]+) +\S", _run("make", "help").stdout, re.MULTILINE)

    assert set(TARGETS) <= set(listed)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_is_known(target: str) -> None:
    assert _run("make", "--dry-run", target).returncode == 0


def test_image_and_platforms_are_the_users_choice() -> None:
    said = _run("make", "-n", "docker-buildx", "IMG=r.example.com/op:1", "PLATFORMS=linux/arm64").stdout

    assert '--platform "linux/arm64"' in said
    assert '--tag "r.example.com/op:1"' in said


def test_ci_runs_what_a_contributor_runs() -> None:
    assert "exec make test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("name", [*LOCKS, "hack/uv.txt", "hack/kubernetes/requirements.txt"])
def test_requirements_are_hashed_and_name_no_index(name: str) -> None:
    text = (ROOT / name).read_text()

    assert not re.search(
        r"^\s*(-i|--index-url|--extra-index-url|-f|--find-links|--trusted-host)", text, re.MULTILINE
    )
    assert "://" not in text
    packages = [block for block in re.split(r"^(?=[a-zA-Z0-9])", text, flags=re.MULTILINE) if "==" in block]
    assert packages
    assert all("--hash=sha256:" in package for package in packages)


def test_the_lock_covers_what_the_project_asks_for() -> None:
    operator, *others = (tomllib.loads(path.read_text()) for path in PROJECTS)
    assert len(others) == 2
    wanted = {
        "requirements.txt": operator["project"]["dependencies"],
        "requirements-build.txt": operator["build-system"]["requires"],
        "requirements-local.txt": [item for other in others for item in other["project"]["dependencies"]],
        "requirements-dev.txt": [
            *operator["dependency-groups"]["dev"],
            *(
                item
                for other in others
                for extra in other["project"].get("optional-dependencies", {}).values()
                for item in extra
            ),
        ],
    }
    for name, requirements in wanted.items():
        locked = _locked(name)
        for requirement in map(Requirement, requirements):
            if requirement.name in _ours():
                continue
            version = locked.get(requirement.name.lower().replace("_", "-"))
            assert version, f"{name} lacks {requirement}: run `make lock`"
            assert requirement.specifier.contains(version, prereleases=True), (
                f"{name} has {version} of {requirement}"
            )


def test_development_uses_the_versions_that_users_get() -> None:
    development = _locked("requirements-dev.txt")

    for name in LOCKS:
        assert _locked(name).items() <= development.items()


def _ours() -> set[str]:
    return {tomllib.loads(path.read_text())["project"]["name"] for path in PROJECTS}


@pytest.mark.parametrize("name", LOCKS)
def test_no_requirement_file_names_a_package_of_this_repository(name: str) -> None:
    """They are not on an index; who puts something there under one of the names must not be asked."""
    text = (ROOT / name).read_text()

    assert len(_ours()) == 3
    for ours in _ours():
        assert not re.search(rf"^{re.escape(ours)}\b", text, re.MULTILINE | re.IGNORECASE)


def test_the_named_python_is_taken() -> None:
    done = _run("hack/python.sh", PYTHON=sys.executable)

    assert done.stdout.strip() == sys.executable


def test_an_old_python_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """It is asked for its version and for venv: nothing else tells whether it will do."""
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit 0\nexit 1\n')
    old.chmod(0o755)

    done = _run("hack/python.sh", PYTHON=str(old))

    assert done.returncode == 1
    assert done.stderr.startswith("This needs Python 3.11 or later with venv; found: Python 3.9.2.")
    assert "make PYTHON=" in done.stderr


def test_what_make_runs_may_keep_what_python_compiles() -> None:
    """An environment that forbids it, as container images do, makes each of hundreds of processes compile."""
    shown = _run("make", "--eval", "show: ; @env", "show", PYTHONDONTWRITEBYTECODE="1").stdout

    assert "PATH=" in shown
    assert "PYTHONDONTWRITEBYTECODE" not in shown


def test_integration_tests_are_spread_evenly_among_unit_tests_the_last_ones_first() -> None:
    spec = importlib.util.spec_from_file_location("root_conftest", ROOT / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    names = [*(f"unit/{name}" for name in "abcdef"), "integration/x", "integration/y"]
    items = [SimpleNamespace(path=Path(name), number=number) for name in names for number in (1, 2)]

    conftest.pytest_collection_modifyitems(items)

    order = "".join(item.path.name for item in items)
    assert order == "yyaabbccxxddeeff"
    assert [item.number for item in items] == [1, 2] * len(names)
