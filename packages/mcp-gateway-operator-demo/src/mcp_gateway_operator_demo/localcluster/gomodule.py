"""The wrapper module in `hack/kubernetes`: the one place that says which versions a local cluster runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError
from mcp_gateway_operator_demo.project_files import project_dir

ETCD_PACKAGE = "go.etcd.io/etcd/server/v3"
API_SERVER_PACKAGE = "k8s.io/kubernetes/cmd/kube-apiserver"

_RELEASE = re.compile(r"(?<!\d)(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A release number, in order of release."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """Read the first `x.y` or `x.y.z` in `text` (`go1.26.8`, `v1.37.2`, `1.32.4-rc.1`), else None."""
        found = _RELEASE.search(text)
        if found is None:
            return None
        return cls(int(found[1]), int(found[2]), int(found[3] or 0))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True, slots=True)
class GoModule:
    """The wrapper module and what its go.mod pins."""

    directory: Path
    go: Version
    kubernetes: Version
    etcd: Version


def wrapper_module() -> GoModule:
    """Read the wrapper module of this installation.

    Raises:
        FileNotFoundError: the package was installed without its data files.
        BinariesUnavailableError: its go.mod does not name a version that we need.
    """
    directory = project_dir("hack/kubernetes")
    return GoModule(
        directory=directory,
        go=pinned(directory),
        kubernetes=pinned(directory, "k8s.io/kubernetes"),
        etcd=pinned(directory, "go.etcd.io/etcd/server/v3"),
    )


def pinned(module: Path, package: str = "") -> Version:
    """Return the version that a module's go.mod names of a package, or of Go itself.

    Raises:
        BinariesUnavailableError: it names none.
    """
    line = _line_of(package)
    found = line.search((module / "go.mod").read_text(encoding="utf-8"))
    version = Version.parse(found[1]) if found else None
    if version is None:
        raise BinariesUnavailableError(f"{module / 'go.mod'} has no line that matches {line.pattern!r}")
    return version


def _line_of(package: str) -> re.Pattern[str]:
    wanted = rf"^[ \t]*{re.escape(package)} (v\S+)" if package else r"^go (\S+)$"
    return re.compile(wanted, re.MULTILINE)
