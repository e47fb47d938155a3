"""Builds helm 3 and helm 4 for the tests of the chart, from the Go modules pinned in `hack/helm`.

    python hack/helm_programs.py        builds what is missing, prints one line `MAJOR PATH` for each

The two have a module each: they need different versions of the same Kubernetes libraries.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError
from mcp_gateway_operator_demo.localcluster.gobuild import Program, build
from mcp_gateway_operator_demo.localcluster.gomodule import Version, pinned
from mcp_gateway_operator_demo.localcluster.gotool import find_go
from mcp_gateway_operator_demo.localcluster.program_cache import (
    cache_root,
    file_lock,
    is_program,
    platform_key,
)

MAJORS = (3, 4)

_MODULES = Path(__file__).resolve().parent / "helm"


@dataclass(frozen=True, slots=True)
class _Release:
    """What one wrapper module pins, and where its program is kept."""

    major: int
    module: Path
    helm: Version
    client: Version
    go: Version

    @property
    def home(self) -> Path:
        return cache_root() / f"helm-{self.helm}-{platform_key()}"

    @property
    def program(self) -> Path:
        return self.home / "helm"


def ensure_helms(*, progress: Callable[[str], None]) -> dict[int, Path]:
    """Return helm's program by major version, building what is missing (two minutes each on two free cores).

    Raises:
        BinariesUnavailableError: one could not be built; the text says why.
    """
    releases = [_read(major) for major in MAJORS]
    if not all(is_program(release.program) for release in releases):
        lock = cache_root() / "helm.lock"
        with file_lock(lock, waiting=lambda: progress("Waiting for another process that builds helm")):
            _build([release for release in releases if not is_program(release.program)], progress)
    return {release.major: release.program for release in releases}


def _build(missing: list[_Release], progress: Callable[[str], None]) -> None:
    if not missing:
        return
    go = find_go(
        max(release.go for release in missing),
        module=missing[0].module,
        private=cache_root() / "go",
        progress=progress,
        environ=os.environ,
    )
    for release in missing:
        progress(f"Building helm {release.helm} from source, once: a few minutes, 60 MB in {release.home}")
        release.home.mkdir(parents=True, exist_ok=True)
        build(_program(release), module=release.module, go=go, target=release.home, progress=progress)
    go.dispose()


def _read(major: int) -> _Release:
    module = _MODULES / f"v{major}"
    return _Release(
        major=major,
        module=module,
        helm=pinned(module, f"helm.sh/helm/v{major}"),
        client=pinned(module, "k8s.io/client-go"),
        go=pinned(module),
    )


def _program(release: _Release) -> Program:
    """Name the package and the versions that helm's own Makefile stamps in.

    Helm 3 compares a chart's `kubeVersion` with the stamped Kubernetes version when it renders without a
    cluster; helm 4 finds that version out by itself.
    """
    major = release.major
    stamps = {f"helm.sh/helm/v{major}/internal/version.version": f"v{release.helm}"}
    if major == 3:  # noqa: PLR2004  -- the major version itself
        for package in ("pkg/lint/rules", "pkg/chartutil"):
            # The libraries are numbered v0.x for Kubernetes 1.x.
            stamps[f"helm.sh/helm/v3/{package}.k8sVersionMajor"] = str(release.client.major + 1)
            stamps[f"helm.sh/helm/v3/{package}.k8sVersionMinor"] = str(release.client.minor)
    return Program("helm", f"helm.sh/helm/v{major}/cmd/helm", stamps)


def main() -> int:
    """Build both and print where they are."""
    try:
        built = ensure_helms(progress=lambda line: print(line, file=sys.stderr, flush=True))
    except BinariesUnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    for major, path in built.items():
        print(major, path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
