"""Builds helm 3 and helm 4 for the tests of the chart, from the Go modules pinned in `hack/helm`.

    python hack/helm_programs.py        builds what is missing, prints one line `MAJOR PATH` for each

The two have a module each: they need different versions of the same Kubernetes libraries.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_gateway_operator.localcluster.cache import cache_root, file_lock, is_program, platform_key
from mcp_gateway_operator.localcluster.errors import BinariesUnavailableError
from mcp_gateway_operator.localcluster.gobuild import Program, build
from mcp_gateway_operator.localcluster.gomodule import Version
from mcp_gateway_operator.localcluster.gotool import find_go

if TYPE_CHECKING:
    from collections.abc import Callable

MAJORS = (3, 4)

_MODULES = Path(__file__).resolve().parent / "helm"


def ensure_helm(major: int, *, progress: Callable[[str], None]) -> Path:
    """Return the helm of this major version, building it the first time (two minutes on two free cores).

    Raises:
        BinariesUnavailableError: it could not be built; the text says why.
    """
    module = _MODULES / f"v{major}"
    requirements = (module / "go.mod").read_text(encoding="utf-8")
    release = _pinned(requirements, rf"^\s*helm\.sh/helm/v{major} (v\S+)")
    home = cache_root() / f"helm-{release}-{platform_key()}"
    program = home / "helm"
    if is_program(program):
        return program
    with file_lock(
        home / ".lock", waiting=lambda: progress(f"Waiting for another process that fills {home}")
    ):
        if not is_program(program):
            go = find_go(
                _pinned(requirements, r"^go (\S+)$"),
                module=module,
                private=cache_root() / "go",
                progress=progress,
                environ=os.environ,
            )
            progress(f"Building helm {release} from source, once: a few minutes, 60 MB in {home}")
            build(_helm(major, requirements), module=module, go=go, target=home, progress=progress)
    return program


def _helm(major: int, requirements: str) -> Program:
    """Name the package and the versions that helm's own Makefile stamps in.

    Helm 3 compares a chart's `kubeVersion` with the stamped Kubernetes version when it renders without a
    cluster; helm 4 finds that version out by itself.
    """
    release = _pinned(requirements, rf"^\s*helm\.sh/helm/v{major} (v\S+)")
    stamps = {f"helm.sh/helm/v{major}/internal/version.version": f"v{release}"}
    if major == 3:  # noqa: PLR2004  -- the major version itself
        client = _pinned(requirements, r"^\s*k8s\.io/client-go (v\S+)")
        for package in ("pkg/lint/rules", "pkg/chartutil"):
            stamps[f"helm.sh/helm/v3/{package}.k8sVersionMajor"] = str(client.major + 1)
            stamps[f"helm.sh/helm/v3/{package}.k8sVersionMinor"] = str(client.minor)
    return Program("helm", f"helm.sh/helm/v{major}/cmd/helm", stamps)


def _pinned(requirements: str, pattern: str) -> Version:
    found = re.search(pattern, requirements, re.MULTILINE)
    version = Version.parse(found[1]) if found else None
    if version is None:
        raise BinariesUnavailableError(f"No line of go.mod matches {pattern!r}")
    return version


def main() -> int:
    """Build both and print where they are."""
    for major in MAJORS:
        try:
            path = ensure_helm(major, progress=lambda line: print(line, file=sys.stderr, flush=True))
        except BinariesUnavailableError as error:
            print(f"helm {major}: {error}", file=sys.stderr)
            return 1
        print(major, path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
