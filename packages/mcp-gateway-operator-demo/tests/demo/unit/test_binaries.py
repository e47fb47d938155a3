from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mcp_gateway_operator_demo.localcluster import binaries as under_test
from mcp_gateway_operator_demo.localcluster.binaries import Binaries, ensure_binaries
from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError, ChecksumMismatchError
from mcp_gateway_operator_demo.localcluster.gomodule import Version, wrapper_module
from mcp_gateway_operator_demo.localcluster.program_cache import platform_key

# A go command that builds anything by writing a line to a log and an empty script.
FAKE_GO = """
case $1 in
env) echo go1.99.0 ;;
build)
  while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done
  echo "$1" >> "$BUILD_LOG"; printf '#!/bin/sh\\n' > "$out"; chmod +x "$out" ;;
esac
"""


class World:
    """A machine: a cache, a PATH with go and kubectl, and a mirror that does what the test says."""

    def __init__(self, root: Path, script: Callable[[Path, str], Path]) -> None:
        self.cache = root / "cache"
        self.home = self.cache / f"kubernetes-{wrapper_module().kubernetes}-{platform_key()}"
        self.assets = root / "assets"
        self.built = root / "built"
        self.downloads: list[str] = []
        self.download: Callable[[Path], Version] = self.unreachable
        self.said: list[str] = []
        version = wrapper_module().kubernetes
        script(root / "bin" / "go", FAKE_GO)
        script(root / "bin" / "kubectl", f"""echo '{{"clientVersion": {{"gitVersion": "v{version}"}}}}'""")
        self.environ = {
            "MCPS_CACHE_DIR": str(self.cache),
            "MCPS_ENVTEST_INDEX": "http://mirror.example/index.yaml",
            "PATH": f"{root / 'bin'}:/usr/bin:/bin",
            "BUILD_LOG": str(self.built),
        }

    def unreachable(self, _target: Path) -> Version:
        """Behave as a closed network does."""
        raise BinariesUnavailableError("name or service not known")

    def ensure(self, **environ: str) -> Binaries:
        """Ask for the programs."""
        return ensure_binaries(progress=self.said.append, environ=self.environ | environ)

    @property
    def packages_built(self) -> list[str]:
        """What the go command was asked to build."""
        return self.built.read_text().split() if self.built.exists() else []


@pytest.fixture
def world(tmp_path: Path, script: Callable[[Path, str], Path], monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a machine with nothing in its cache."""
    world = World(tmp_path, script)

    def download(
        url: str, *, wanted: Version, platform: str, target: Path, progress: Callable[[str], None]
    ) -> Version:
        world.downloads.append(f"{url} {wanted} {platform}")
        progress("Downloading")
        return world.download(target)

    monkeypatch.setattr(under_test, "download_programs", download)
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path / "venv"))
    return world


def test_assets_directory_wins(world: World, script: Callable[[Path, str], Path]) -> None:
    """Use KUBEBUILDER_ASSETS as every Kubernetes test tool does, and look nowhere else."""
    for name in ("etcd", "kube-apiserver", "kubectl"):
        script(world.assets / name, "")
    found = world.ensure(KUBEBUILDER_ASSETS=str(world.assets))
    assert found == Binaries(world.assets / "etcd", world.assets / "kube-apiserver", world.assets / "kubectl")
    assert (world.said, world.downloads, world.packages_built) == ([], [], [])


def test_assets_directory_without_a_server_is_an_error(
    world: World, script: Callable[[Path, str], Path]
) -> None:
    """Tell the user that the variable points at the wrong place, rather than work around it."""
    script(world.assets / "etcd", "")
    with pytest.raises(BinariesUnavailableError, match=r"KUBEBUILDER_ASSETS is .* no kube-apiserver"):
        world.ensure(KUBEBUILDER_ASSETS=str(world.assets))


@pytest.mark.parametrize(
    ("body", "reason"), [("echo nonsense", "nonsense"), ("exit 1", "does not run")], ids=["odd", "broken"]
)
def test_assets_directory_with_a_broken_server_is_an_error(
    world: World, script: Callable[[Path, str], Path], body: str, reason: str
) -> None:
    """Need the server's version to find a kubectl for it."""
    script(world.assets / "etcd", "")
    script(world.assets / "kube-apiserver", body)
    with pytest.raises(BinariesUnavailableError, match=reason):
        world.ensure(KUBEBUILDER_ASSETS=str(world.assets))


def test_assets_directory_without_kubectl_gets_a_fitting_one(
    world: World, script: Callable[[Path, str], Path], tmp_path: Path
) -> None:
    """Choose kubectl by the version of that directory's server."""
    script(world.assets / "etcd", "")
    script(world.assets / "kube-apiserver", f"echo Kubernetes v{wrapper_module().kubernetes}")
    found = world.ensure(KUBEBUILDER_ASSETS=str(world.assets))
    assert found.kubectl == tmp_path / "bin" / "kubectl"


def test_a_download_is_kept_and_not_repeated(world: World, script: Callable[[Path, str], Path]) -> None:
    """Download once; afterwards say nothing and do nothing."""

    def download(target: Path) -> Version:
        for name in ("etcd", "kube-apiserver", "kubectl"):
            script(target / name, "")
        return Version(1, 37, 0)

    world.download = download
    first = world.ensure()
    assert first == Binaries(world.home / "etcd", world.home / "kube-apiserver", world.home / "kubectl")
    assert world.packages_built == []
    lines = len(world.said)
    assert world.ensure() == first
    assert len(world.downloads) == 1
    assert len(world.said) == lines


def test_a_closed_network_ends_in_a_build(world: World) -> None:
    """Say in one line why nothing was downloaded, what the build costs, and go on."""
    found = world.ensure()
    assert found.etcd == world.home / "etcd"
    assert world.packages_built == ["go.etcd.io/etcd/server/v3", "k8s.io/kubernetes/cmd/kube-apiserver"]
    refusal, estimate = world.said[1], world.said[2]
    assert "name or service not known" in refusal
    assert "minutes" in estimate
    assert str(world.home) in estimate
    world.ensure()
    assert len(world.packages_built) == 2


def test_a_download_can_be_switched_off(world: World) -> None:
    """Go straight to the build when the index is set to nothing."""
    world.ensure(MCPS_ENVTEST_INDEX="")
    assert world.downloads == []
    assert len(world.packages_built) == 2


def test_a_changed_archive_ends_the_search(world: World) -> None:
    """Never answer a wrong checksum with something else that might hide it."""

    def tampered(_target: Path) -> Version:
        raise ChecksumMismatchError("not what was published")

    world.download = tampered
    with pytest.raises(ChecksumMismatchError):
        world.ensure()
    assert world.packages_built == []


def test_a_build_goes_on_where_an_interrupted_one_stopped(
    world: World, script: Callable[[Path, str], Path]
) -> None:
    """Keep what an earlier attempt has finished."""
    script(world.home / "etcd", "")
    world.ensure()
    assert world.packages_built == ["k8s.io/kubernetes/cmd/kube-apiserver"]


def test_two_at_once_build_once(world: World) -> None:
    """Let the second wait for the first and take what it made."""
    results: list[Binaries] = []
    threads = [threading.Thread(target=lambda: results.append(world.ensure())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(results)) == 1
    assert len(results) == 4
    assert len(world.packages_built) == 2
