"""The krew plugin: a manifest whose digest is the archive's, and a launcher that finds its Python."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mcp_gateway_operator_demo.project_files import project_dir

VERSION = "1.2.3"


@pytest.fixture
def krew(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program."""
    monkeypatch.syspath_prepend(str(project_dir("hack")))
    return __import__("krew")


def packed(krew: ModuleType, tmp_path: Path) -> bytes:
    """Return an archive of files that are not what they say."""
    for name in ("x-1.2.3-py3-none-any.whl", "requirements.txt", "LICENSE"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    body: bytes = krew.archive(
        tmp_path / "x-1.2.3-py3-none-any.whl", tmp_path / "requirements.txt", VERSION, tmp_path / "LICENSE"
    )
    return body


def test_the_manifest_names_the_archive_and_its_digest(krew: ModuleType, tmp_path: Path) -> None:
    body = packed(krew, tmp_path)
    assert packed(krew, tmp_path) == body, "the same files make the same archive"
    found: dict[str, Any] = krew.manifest(VERSION, "https://example.com/r", hashlib.sha256(body).hexdigest())
    assert found["metadata"]["name"] == "mcps"
    assert found["spec"]["version"] == "v1.2.3"
    assert len(found["spec"]["shortDescription"]) <= 50
    assert len(found["spec"]["platforms"]) == 4
    for each in found["spec"]["platforms"]:
        assert each["uri"] == "https://example.com/r/kubectl-mcps-1.2.3.tar.gz"
        assert each["sha256"] == hashlib.sha256(body).hexdigest()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        launcher = tar.getmember(found["spec"]["platforms"][0]["bin"])
        assert launcher.mode == 0o755
        assert {"LICENSE", "requirements.txt"} <= set(tar.getnames())


@pytest.mark.parametrize("python", ["no-such-python", "false"])
def test_the_launcher_says_which_python_it_needs(krew: ModuleType, tmp_path: Path, python: str) -> None:
    done = launch(krew, tmp_path, python)
    assert done.returncode == 1
    assert "needs Python 3.11 or later: install it, or name one in KUBECTL_MCPS_PYTHON" in done.stderr


def test_the_launcher_runs_what_it_has_set_up(krew: ModuleType, tmp_path: Path) -> None:
    program = tmp_path / "cache" / "kubectl-mcps" / VERSION / "bin" / "kubectl-mcps"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "asked: $*"\n', encoding="utf-8")
    program.chmod(0o755)
    python = program.with_name("python")
    python.symlink_to(sys.executable)
    assert launch(krew, tmp_path, sys.executable, "status", "-A").stdout == "asked: status -A\n"
    python.unlink()
    python.symlink_to(tmp_path / "upgraded-and-gone")
    assert "needs Python 3.11 or later" in launch(krew, tmp_path, "false", "status").stderr


def launch(
    krew: ModuleType, tmp_path: Path, python: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run the launcher with a cache of its own."""
    launcher = tmp_path / "kubectl-mcps"
    launcher.write_text(krew.LAUNCHER.replace("VERSION", VERSION), encoding="utf-8")
    launcher.chmod(0o755)
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "KUBECTL_MCPS_PYTHON": python}
    return subprocess.run(  # noqa: S603  -- our own program
        [str(launcher), *arguments], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
