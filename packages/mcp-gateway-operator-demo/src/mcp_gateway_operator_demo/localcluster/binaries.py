"""Getting the three programs that a local cluster is made of: etcd, kube-apiserver and kubectl.

Looked for in this order, and nothing is fetched or built twice:

1. the directory named by `KUBEBUILDER_ASSETS`, as Kubernetes test tools do;
2. our cache directory (see `cache.cache_root`), one sub-directory a version and platform;
3. the archive that controller-tools publishes for envtest, checksum verified;
4. built from Go modules with the wrapper module in `hack/kubernetes`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mcp_gateway_operator_demo.localcluster.download import download_programs, index_url
from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError, ChecksumMismatchError
from mcp_gateway_operator_demo.localcluster.gobuild import build, module_copy, programs
from mcp_gateway_operator_demo.localcluster.gomodule import GoModule, Version, wrapper_module
from mcp_gateway_operator_demo.localcluster.gotool import find_go
from mcp_gateway_operator_demo.localcluster.kubectl import ensure_kubectl
from mcp_gateway_operator_demo.localcluster.program_cache import (
    cache_root,
    file_lock,
    is_program,
    platform_key,
)

_SERVERS = ("etcd", "kube-apiserver")
_BUILD_CORE_MINUTES = 11.0  # measured: 310 s on two cores with go1.26, cold caches, modules fetched


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the programs are. All three exist and may be executed."""

    etcd: Path
    kube_apiserver: Path
    kubectl: Path


def ensure_binaries(*, progress: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> Binaries:
    """Return the programs, downloading or building what is missing.

    Takes milliseconds when they are in the cache, and minutes the first time where they must be built. Safe
    to call from several processes at once: one works, the others wait for it.

    Args:
        progress: receives one line at a time for the user; nothing when there is nothing to do.
        environ: `KUBEBUILDER_ASSETS`, `MCPS_CACHE_DIR`, `XDG_CACHE_HOME`, `MCPS_ENVTEST_INDEX` and `PATH`
            are read from it, and the go command runs in it.

    Raises:
        BinariesUnavailableError: they can be had in none of the ways; the text says why not.
        ChecksumMismatchError: a download was not what its publisher put there.
    """
    if assets := environ.get("KUBEBUILDER_ASSETS"):
        return _from_assets(Path(assets), progress, environ)
    module = wrapper_module()
    platform = platform_key()
    home = cache_root(environ) / f"kubernetes-{module.kubernetes}-{platform}"
    if not _has_servers(home):
        with file_lock(
            home / ".lock", waiting=lambda: progress(f"Waiting for another process that fills {home}")
        ):
            if not _has_servers(home):
                _obtain(module, platform, home, progress, environ)
    return _with_kubectl(home, module.kubernetes, home, progress, environ)


def _has_servers(directory: Path) -> bool:
    return all(is_program(directory / name) for name in _SERVERS)


def _from_assets(assets: Path, progress: Callable[[str], None], environ: Mapping[str, str]) -> Binaries:
    missing = [name for name in _SERVERS if not is_program(assets / name)]
    if missing:
        raise BinariesUnavailableError(
            f"KUBEBUILDER_ASSETS is {assets}, where there is no {' and no '.join(missing)}. "
            "Correct it, or unset it to let them be downloaded or built."
        )
    if is_program(assets / "kubectl"):
        return Binaries(assets / "etcd", assets / "kube-apiserver", assets / "kubectl")
    server = _server_version(assets / "kube-apiserver")
    return _with_kubectl(assets, server, cache_root(environ) / f"kubectl-{platform_key()}", progress, environ)


def _with_kubectl(
    servers: Path, version: Version, home: Path, progress: Callable[[str], None], environ: Mapping[str, str]
) -> Binaries:
    kubectl = ensure_kubectl(version, home=home, progress=progress, environ=environ)
    return Binaries(servers / "etcd", servers / "kube-apiserver", kubectl)


def _server_version(kube_apiserver: Path) -> Version:
    try:
        done = subprocess.run(  # noqa: S603  -- the user named this program
            [kube_apiserver, "--version"], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BinariesUnavailableError(f"{kube_apiserver} does not run: {error}") from error
    version = Version.parse(done.stdout)
    if version is None:
        raise BinariesUnavailableError(f"{kube_apiserver} --version says {done.stdout.strip()!r}")
    return version


def _obtain(
    module: GoModule, platform: str, home: Path, progress: Callable[[str], None], environ: Mapping[str, str]
) -> None:
    if url := index_url(environ):
        try:
            found = download_programs(
                url, wanted=module.kubernetes, platform=platform, target=home, progress=progress
            )
        except (
            ChecksumMismatchError
        ):  # an attack or a broken mirror: for the user to look at, not to work around
            raise
        except BinariesUnavailableError as error:
            progress(f"No download of Kubernetes: {error}")
        else:
            progress(f"Kubernetes {found} is in {home}")
            return
    _build_all(module, home, progress, environ)


def _build_all(
    module: GoModule, home: Path, progress: Callable[[str], None], environ: Mapping[str, str]
) -> None:
    private = cache_root(environ) / "go"
    with module_copy(module) as directory:
        go = find_go(module.go, module=directory, private=private, progress=progress, environ=environ)
        cores = os.cpu_count() or 1
        caches = "removed afterwards" if go.disposable else "kept by your Go"
        progress(
            f"Building etcd {module.etcd} and kube-apiserver {module.kubernetes} from source, once: about "
            f"{max(1, round(_BUILD_CORE_MINUTES / cores))} minutes on {cores} cores with empty caches; "
            f"120 MB in {home}, 3.5 GB of Go caches {caches}"
        )
        for program in programs(module):
            if is_program(home / program.name):  # an earlier attempt got this far
                continue
            build(program, module=directory, go=go, target=home, progress=progress)
        go.dispose()
