"""Where the project's own data files are: beside the package in a wheel, in the tree of a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def project_dir(name: str) -> Path:
    """Return the directory `name` ("config/crd", "hack/kubernetes", ...) of this installation.

    Raises:
        FileNotFoundError: the package was installed without its data files.
    """
    for candidate in (_PACKAGE / "_project" / name, _PACKAGE.parents[3] / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(
        f"The directory {name!r} is missing from this installation: reinstall the wheel of "
        "mcp-gateway-operator-demo."
    )
