from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError
from mcp_gateway_operator_demo.localcluster.program_cache import (
    cache_root,
    file_lock,
    is_program,
    platform_key,
)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"MCPS_CACHE_DIR": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/mcp-gateway-operator"),
        ({"XDG_CACHE_HOME": "", "HOME": "/c"}, "/c/.cache/mcp-gateway-operator"),
        ({"HOME": "/c"}, "/c/.cache/mcp-gateway-operator"),
    ],
)
def test_cache_follows_our_variable_then_xdg(
    environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefer our own variable, then the XDG base directory, then the home directory."""
    monkeypatch.setenv("HOME", environ["HOME"])
    assert cache_root(environ) == Path(expected)


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("linux", "x86_64", "linux-amd64"),
        ("linux", "aarch64", "linux-arm64"),
        ("darwin", "arm64", "darwin-arm64"),
        ("linux", "ppc64le", "linux-ppc64le"),
    ],
)
def test_platform_is_named_as_go_names_it(system: str, machine: str, expected: str) -> None:
    """Translate what Python calls a machine into the names that archives carry."""
    assert platform_key(system, machine) == expected


@pytest.mark.parametrize(("system", "machine"), [("win32", "AMD64"), ("linux", "armv7l")])
def test_other_platforms_are_told_what_to_do(system: str, machine: str) -> None:
    """Point at KUBEBUILDER_ASSETS where no program is published."""
    with pytest.raises(BinariesUnavailableError, match="KUBEBUILDER_ASSETS"):
        platform_key(system, machine)


def test_lock_refuses_a_second_holder_and_opens_again(tmp_path: Path) -> None:
    """Refuse at once when told not to wait, and leave nothing held."""
    path = tmp_path / "new" / "lock"
    with (
        file_lock(path, waiting=None),
        pytest.raises(BlockingIOError),
        file_lock(path, waiting=None),
    ):
        pytest.fail("the lock was held twice")
    with file_lock(path, waiting=None):
        pass


def test_lock_tells_before_it_waits_for_the_holder(tmp_path: Path) -> None:
    """Say that there is a wait, then go on as soon as the holder is done."""
    path = tmp_path / "lock"
    waits, entered = threading.Event(), threading.Event()

    def second() -> None:
        with file_lock(path, waiting=waits.set):
            entered.set()

    with file_lock(path, waiting=None):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(10)
        assert not entered.is_set()
    assert entered.wait(10)
    thread.join(10)


def test_only_executable_files_are_programs(tmp_path: Path) -> None:
    """Take neither a directory nor a file without the executable bit for a program."""
    file = tmp_path / "file"
    file.write_text("")
    file.chmod(0o644)
    assert not is_program(file)
    file.chmod(0o755)
    assert is_program(file)
    assert not is_program(tmp_path)
    assert not is_program(tmp_path / "absent")
