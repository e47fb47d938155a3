"""Gets Prometheus and its promtool: from PATH, or from Debian's package, which is only unpacked.

No root is needed: `apt-get download` checks the archive's signatures, `dpkg-deb` unpacks into the cache.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mcp_gateway_operator_demo.localcluster.program_cache import (
    cache_root,
    file_lock,
    is_program,
    platform_key,
)

_NAMES = ("prometheus", "promtool")


class UnavailableError(RuntimeError):
    """Prometheus cannot be had here; the text says why and what to do."""


class Programs(NamedTuple):
    """Where they are."""

    prometheus: Path
    promtool: Path


def ensure_prometheus(*, progress: Callable[[str], None]) -> Programs:
    """Return both programs of one version.

    Raises:
        UnavailableError: they are not on PATH, and Debian's package cannot be fetched.
    """
    found = [shutil.which(name) for name in _NAMES]
    if all(found):
        return Programs(*(Path(str(each)) for each in found))
    home = cache_root() / f"prometheus-debian-{platform_key()}"
    programs = Programs(*(home / "usr" / "bin" / name for name in _NAMES))
    if not all(map(is_program, programs)):
        with file_lock(cache_root() / "prometheus.lock", waiting=None):
            if not all(map(is_program, programs)):
                progress(f"Fetching Debian's package prometheus, once: 20 MB, unpacked in {home}")
                _unpack(home)
    return programs


def _unpack(home: Path) -> None:
    tools = {name: shutil.which(name) for name in ("apt-get", "dpkg-deb")}
    if not all(tools.values()):
        raise UnavailableError(
            "Put prometheus and promtool on PATH: this is no Debian that they could be had from."
        )
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        done = _run([str(tools["apt-get"]), "download", "prometheus"], Path(scratch))
        packages = list(Path(scratch).glob("prometheus_*.deb"))
        if done.returncode or not packages:
            raise UnavailableError(
                f"`apt-get download prometheus` failed: {done.stderr.strip()}\n"
                "Run `apt-get update` as root once, or put prometheus and promtool on PATH."
            )
        whole = Path(scratch) / "unpacked"
        done = _run([str(tools["dpkg-deb"]), "--extract", str(packages[0]), str(whole)], Path(scratch))
        if done.returncode:
            raise UnavailableError(f"{packages[0].name} cannot be unpacked: {done.stderr.strip()}")
        shutil.rmtree(home, ignore_errors=True)
        whole.rename(home)


def _run(command: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  -- apt and dpkg
        command, cwd=directory, capture_output=True, text=True, check=False, timeout=300
    )
