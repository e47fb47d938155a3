from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError
from mcp_gateway_operator_demo.localcluster.gobuild import (
    BuildProgress,
    Program,
    build,
    elapsed,
    module_copy,
    programs,
)
from mcp_gateway_operator_demo.localcluster.gomodule import GoModule, Version, wrapper_module
from mcp_gateway_operator_demo.localcluster.gotool import GoTool

PROGRAM = Program("server", "example.org/server", {"example.org/version.gitVersion": "v1.2.3"})
# A go command that has three packages to compile and then writes its arguments as the program.
FAKE_GO = """
case $1 in
list) printf 'a\\n\\nb\\nc\\n'; echo 'go: downloading example.org/x v1.0.0' >&2 ;;
build)
  printf 'a\\nb\\nc\\n' >&2
  while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; [ "$1" = -ldflags ] && flags=$2; shift; done
  echo "$flags" > "$out"; chmod +x "$out" ;;
esac
"""


class Clock:
    """Monotonic seconds that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def go(tmp_path: Path, script: Callable[[Path, str], Path], body: str) -> GoTool:
    """Return a go command that does `body`."""
    return GoTool(script(tmp_path / "bin" / "go", body), {"PATH": "/usr/bin:/bin"})


def test_lines_are_counted_and_reported_every_few_seconds(said: list[str]) -> None:
    """Report modules, then packages of the total, at most every five seconds and at the end."""
    clock = Clock()
    progress = BuildProgress("etcd", said.append, clock)
    for seconds, line in [
        (1, "go: downloading go.etcd.io/raft/v3 v3.7.0"),
        (6, "go: downloading go.etcd.io/bbolt v1.5.0"),
        (7, "internal/goarch"),
        (9, "runtime"),
        (12, "os"),
    ]:
        clock.now = 100.0 + seconds
        progress.expect(4)
        progress.feed(line)
    clock.now = 161.0
    progress.feed("go.etcd.io/etcd/server/v3")
    assert said == [
        "etcd: fetched 2 Go modules, 6 s",
        "etcd: compiled 3 of 4 packages, 12 s",
        "etcd: compiled 4 of 4 packages, 1 min 01 s",
    ]
    assert not progress.tail


@given(
    st.integers(0, 30),
    st.lists(st.sampled_from(["pkg/a", "", "# pkg/a", "go: downloading x v1", "x.go:1:2: no"])),
)
def test_progress_never_claims_more_than_the_total(total: int, lines: list[str]) -> None:
    """Keep "n of m" sensible whatever the go command prints."""
    said: list[str] = []
    clock = Clock()
    progress = BuildProgress("x", said.append, clock)
    progress.expect(total)
    for line in lines:
        clock.now += 10
        progress.feed(line)
    for line in said:
        words = line.split()
        if "compiled" in words:
            assert 0 < int(words[2]) <= int(words[4])
    assert len(said) == sum(1 for line in lines if line.startswith("go: downloading") or line == "pkg/a")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (302.2, "5 min 02 s")]
)
def test_durations_read_as_a_person_says_them(seconds: float, text: str) -> None:
    """Show minutes only when there are some."""
    assert elapsed(seconds) == text


def test_a_build_stamps_the_version_and_leaves_one_program(
    tmp_path: Path, said: list[str], script: Callable[[Path, str], Path]
) -> None:
    """Put the program in place under its name, with its version, and say how long it took."""
    target = tmp_path / "target"
    target.mkdir()
    build(
        PROGRAM,
        module=tmp_path,
        go=go(tmp_path, script, FAKE_GO),
        target=target,
        progress=said.append,
        clock=Clock(),
    )
    assert [path.name for path in target.iterdir()] == ["server"]
    assert "-X example.org/version.gitVersion=v1.2.3" in (target / "server").read_text()
    assert said == ["server: compiled 3 of 3 packages, 0 s", "server: built in 0 s"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            'echo "go: example.org/server@v1: dial tcp: lookup mirror.example: no such host" >&2; exit 1',
            "no such host",
        ),
        (
            '[ $1 = list ] && exit; echo a >&2; echo "# a" >&2; echo "a/b.go:3:1: syntax error" >&2; exit 1',
            "syntax error",
        ),
        ("[ $1 = list ] || exit 3", "exit status 3"),
    ],
    ids=["no-network", "does-not-compile", "silent"],
)
def test_a_failed_build_says_why_and_leaves_nothing(
    body: str, reason: str, tmp_path: Path, said: list[str], script: Callable[[Path, str], Path]
) -> None:
    """Quote the go command's own words."""
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(BinariesUnavailableError, match=reason):
        build(PROGRAM, module=tmp_path, go=go(tmp_path, script, body), target=target, progress=said.append)
    assert list(target.iterdir()) == []


def test_kubernetes_is_stamped_with_the_release_that_go_mod_names() -> None:
    """Let clients see the real version: both packages that Kubernetes' release scripts stamp."""
    module = GoModule(wrapper_module().directory, Version(1, 26, 0), Version(1, 37, 2), Version(3, 7, 0))
    etcd, api_server = programs(module)
    assert etcd.stamps == {}
    assert api_server.stamps["k8s.io/component-base/version.gitVersion"] == "v1.37.2"
    assert api_server.stamps["k8s.io/client-go/pkg/version.gitMinor"] == "37"


def test_the_module_is_copied_since_installations_may_be_read_only() -> None:
    """Give the go command a directory that it may write to, and remove it afterwards."""
    with module_copy(wrapper_module()) as copy:
        assert sorted(path.name for path in copy.iterdir()) == ["go.mod", "go.sum"]
        (copy / "go.sum").write_text("")
    assert not copy.exists()
