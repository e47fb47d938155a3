"""What goes into the image, as far as it can be told without an engine and without a network."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[3]

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "hack" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The locked packages of this environment, put in place as pip would, and the project."""
    made = tmp_path_factory.mktemp("image")
    app = made / "app"
    locked = re.findall(
        r"^([a-zA-Z0-9._-]+)==([^ \n]+)( ;.*)?", (ROOT / "requirements.txt").read_text(), re.MULTILINE
    )
    for name, _, marker in locked:
        if "emscripten" in marker and "!=" not in marker:
            continue
        for entry in files(name) or []:
            target = app / entry
            if ".." in entry.parts:
                target = app / "bin" / entry.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(entry.locate(), target)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src/mcp_gateway_operator", app / "mcp_gateway_operator", ignore=ignored)
    _load("image").finish(made)
    return made


def _manager(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run /manager as its first line says, with /app where it is here."""
    text = (out / "manager").read_text()
    first, _, program = text.partition("\n")
    flags = first.split()[1:]
    (out / "here").write_text(program.replace('"/app"', repr(str(out / "app"))))
    return subprocess.run(  # noqa: S603  -- what the test made
        [sys.executable, "-S", *flags, str(out / "here"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"AWS_EC2_METADATA_DISABLED": "true"},
    )


def test_manager_runs_from_the_pruned_packages_alone(out: Path) -> None:
    """It finds everything in /app, takes bare flags, and writes nothing beside its modules."""
    before = {path for path in out.rglob("*") if path.is_file()}

    said = _manager(out, "version")
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("mcp-gateway-operator ")

    wrong = _manager(out, "--no-such-flag")
    assert wrong.returncode == 2
    assert "--no-such-flag" in wrong.stderr

    assert {path for path in out.rglob("*") if path.is_file()} - before == {out / "here"}


@pytest.mark.parametrize("command", ["demo", "simulator"])
def test_what_the_image_does_not_carry_is_said(out: Path, command: str) -> None:
    said = _manager(out, command)

    assert said.returncode == 1
    assert said.stderr.startswith(f"Error: `{command}` needs the package ")
    assert len(said.stderr.splitlines()) == 1


def test_only_the_services_in_use_are_kept(out: Path) -> None:
    data = out / "app" / "botocore" / "data"

    assert {path.name for path in data.iterdir() if path.is_dir()} == {"bedrock-agentcore-control", "sts"}
    assert json.loads((data / "partitions.json").read_text())
    assert not (out / "app" / "bin").exists()


def test_every_module_is_compiled_for_good(out: Path) -> None:
    """Unchecked: neither a timestamp nor the source is looked at, so a layer's timestamps do not matter."""
    (compiled,) = (out / "app/mcp_gateway_operator/__pycache__").glob("__init__.*.pyc")

    assert int.from_bytes(compiled.read_bytes()[4:8], "little") == 0b01
    assert b"/app/mcp_gateway_operator/__init__.py" in compiled.read_bytes()


def test_the_build_context_has_what_the_wheel_needs(tmp_path: Path) -> None:
    """`.dockerignore` lets through little; the project builds from that alone."""
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            source, target = ROOT / line[1:], tmp_path / line[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, target)

    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603  -- a fixed command line
    assert done.returncode == 0, done.stderr

    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = ZipFile(wheel).namelist()
    assert "mcp_gateway_operator/cli/run.py" in names
    assert not any({"tests", "packages"} & set(Path(name).parts) for name in names)
    assert (tmp_path / "hack" / "image.py").is_file()


def test_the_last_stage_runs_nothing_and_runs_as_nobody() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]

    assert "\nRUN " not in last
    assert "\nUSER 65532:65532\n" in last
    assert '\nENTRYPOINT ["/manager"]\n' in last
    assert last.startswith("${BASE_IMAGE}\n")
    assert "\nARG BASE_IMAGE=gcr.io/distroless/python3-debian13:nonroot" in DOCKERFILE


def test_python_of_the_image_is_supported() -> None:
    version = re.search(r"^ARG BUILD_IMAGE=python:(3\.\d+)-slim", DOCKERFILE, re.MULTILINE)
    assert version is not None

    assert f"Programming Language :: Python :: {version[1]}" in (ROOT / "pyproject.toml").read_text()
