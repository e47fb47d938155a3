"""Which files a local cluster may be made of, by digest: `hack/kubernetes` has the lists.

`requirements.txt` (written by `make lock`) names the Python packages that carry programs, and the sha256 of
each of their files; `envtest.sha512` (written by `make pin`) the archives with etcd and kube-apiserver.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mcp_gateway_operator_demo.project_files import project_dir

ARCHIVES = "envtest.sha512"

_ARCHIVE = re.compile(r"^([0-9a-f]{128})  (envtest-\S+\.tar\.gz)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """A Python package at one version.

    Args:
        version: the only one that is installed.
        requirement: as pip's requirement files have it, with the hash of every file that may be installed.
    """

    version: str
    requirement: str


def package(name: str) -> Package:
    """Return the pinned package of that name.

    Raises:
        ValueError: the list does not have it.
    """
    listed = (project_dir("hack/kubernetes") / "requirements.txt").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(name)}==(\S+)(?: \\\n +--hash=\S+)+$", listed, re.MULTILINE)
    if found is None:
        raise ValueError(f"hack/kubernetes/requirements.txt pins no {name}: run `make lock`")
    return Package(version=found[1], requirement=found[0])


def archives() -> Mapping[str, str]:
    """Return the sha512 of each pinned archive by its name; empty until `make pin` has written it."""
    listed = (project_dir("hack/kubernetes") / ARCHIVES).read_text(encoding="utf-8")
    return {name: digest for digest, name in _ARCHIVE.findall(listed)}
