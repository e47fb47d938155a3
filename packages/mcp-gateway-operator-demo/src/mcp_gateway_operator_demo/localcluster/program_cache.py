"""Where programs are kept between runs, and how several processes share that place."""

from __future__ import annotations

import fcntl
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError

_ARCHITECTURES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}


def cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory for everything we keep: `MCPS_CACHE_DIR`, else the XDG cache directory's own."""
    if chosen := environ.get("MCPS_CACHE_DIR"):
        return Path(chosen).expanduser().absolute()
    base = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "mcp-gateway-operator"


def platform_key(system: str = sys.platform, machine: str | None = None) -> str:
    """Return the platform in Go's words, for example `linux-amd64`.

    Raises:
        BinariesUnavailableError: kube-apiserver exists for no such platform.
    """
    machine = platform.machine() if machine is None else machine
    architecture = _ARCHITECTURES.get(machine.lower())
    if system not in ("linux", "darwin") or architecture is None:
        raise BinariesUnavailableError(
            f"A local cluster needs Linux or macOS on a 64-bit machine; this is {system} on {machine}. "
            "Set KUBEBUILDER_ASSETS to a directory with etcd, kube-apiserver and kubectl to try anyway."
        )
    return f"{system}-{architecture}"


@contextmanager
def file_lock(path: Path, *, waiting: Callable[[], None] | None) -> Iterator[None]:
    """Hold the advisory lock on `path` (created when absent; left behind, as removing it would race).

    The lock dies with the process, so a crash never leaves it held.

    Args:
        path: the lock file.
        waiting: called once before waiting for another holder; None means do not wait.

    Raises:
        BlockingIOError: another process holds the lock and `waiting` is None.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is None:
                raise
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_program(path: Path) -> bool:
    """Tell whether `path` is a file that this user may execute."""
    return path.is_file() and os.access(path, os.X_OK)
