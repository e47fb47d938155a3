"""Programs that pretend: small shell scripts in the places where the real ones would be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def script() -> Callable[[Path, str], Path]:
    """Return a function that writes an executable shell script, making its directory."""

    def write(path: Path, body: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def said() -> list[str]:
    """A place to collect the lines of progress."""
    return []
