"""Download of the archive with etcd, kube-apiserver and kubectl that controller-tools publishes for envtest.

The index lists a sha512 and an address for each release and platform; `setup-envtest` reads the same file.
An address may be relative to the index, so a mirror is a plain directory: the index and its archives. Where
an archive of the wanted version is pinned (see `pins`), no other is taken, and its sha512 is the pinned one.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urljoin

import httpx2
import yaml

from mcp_gateway_operator_demo.localcluster import pins
from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError, ChecksumMismatchError
from mcp_gateway_operator_demo.localcluster.gomodule import Version

INDEX_VARIABLE = "MCPS_ENVTEST_INDEX"
PROGRAMS = ("etcd", "kube-apiserver", "kubectl")

_REPOSITORY = "kubernetes-sigs/controller-tools"
_DEFAULT_INDEX = f"https://raw.githubusercontent.com/{_REPOSITORY}/HEAD/envtest-releases.yaml"
# A closed network is the usual reason for failure, and building is a good answer to it: give up on it soon.
_TIMEOUT = httpx2.Timeout(20.0, connect=3.0)


@dataclass(frozen=True, slots=True)
class Archive:
    """One published archive."""

    version: Version
    url: str
    sha512: str


def index_url(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the index's address: `MCPS_ENVTEST_INDEX` (empty means no download), else the official one."""
    return environ.get(INDEX_VARIABLE, _DEFAULT_INDEX) or None


def choose_archive(
    index: Any, *, base_url: str, wanted: Version, platform: str, pinned: Mapping[str, str]
) -> Archive:
    """Return the newest archive of the wanted minor version for `platform` in a parsed index.

    Not every patch release is published for envtest, so the patch number may differ from the wanted one.

    Args:
        index: what the publisher or a mirror lists.
        base_url: where the index is.
        wanted: the version of the API server that is built where nothing can be downloaded.
        platform: as `program_cache.platform_key` says it.
        pinned: sha512 by the archive's name.

    Raises:
        BinariesUnavailableError: there is none, or the index does not look like one.
    """
    found: list[Archive] = []
    minor = f"envtest-v{wanted.major}.{wanted.minor}."
    any_pinned = any(name.startswith(minor) and f"-{platform}." in name for name in pinned)
    try:
        for release, files in index["releases"].items():
            version = Version.parse(release)
            if (
                version is None
                or "-" in release
                or (version.major, version.minor) != (wanted.major, wanted.minor)
            ):
                continue
            for name, entry in files.items():
                if name != f"envtest-{release}-{platform}.tar.gz" or (any_pinned and name not in pinned):
                    continue
                digest = pinned.get(name) or entry["hash"].lower()
                found.append(Archive(version, urljoin(base_url, entry["selfLink"]), digest))
    except (AttributeError, KeyError, TypeError):
        raise BinariesUnavailableError(f"{base_url} is not an index of envtest releases") from None
    if not found:
        what = "pinned archive of " if any_pinned else ""
        raise BinariesUnavailableError(
            f"{base_url} lists no {what}{wanted.major}.{wanted.minor} for {platform}"
        )
    return max(found, key=lambda archive: archive.version)


def download_programs(
    url: str, *, wanted: Version, platform: str, target: Path, progress: Callable[[str], None]
) -> Version:
    """Fetch the programs for `wanted` into the directory `target` and return the version that was found.

    Raises:
        BinariesUnavailableError: the index or the archive cannot be had.
        ChecksumMismatchError: the archive is not the one that was published.
    """
    try:
        with httpx2.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
            answer = client.get(url)
            answer.raise_for_status()
            archive = choose_archive(
                yaml.safe_load(answer.text),
                base_url=url,
                wanted=wanted,
                platform=platform,
                pinned=pins.archives(),
            )
            with tempfile.TemporaryFile(dir=target) as file:
                _fetch(client, archive, file, progress)
                file.seek(0)
                _extract(file, target)
    except (httpx2.HTTPError, httpx2.InvalidURL, yaml.YAMLError) as error:
        raise BinariesUnavailableError(f"{url}: {error}") from error
    except (tarfile.TarError, EOFError) as error:
        raise BinariesUnavailableError(f"the archive at {archive.url} cannot be read: {error}") from error
    return archive.version


def _fetch(client: httpx2.Client, archive: Archive, file: Any, progress: Callable[[str], None]) -> None:
    digest = hashlib.sha512()
    done = 0
    reported = 0
    with client.stream("GET", archive.url) as answer:
        answer.raise_for_status()
        total = int(answer.headers.get("content-length", 0))
        progress(f"Downloading Kubernetes {archive.version} for tests ({total / 1e6:.0f} MB)")
        for chunk in answer.iter_bytes():
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if total and done * 10 // total > reported:
                reported = done * 10 // total
                progress(f"Downloaded {done / 1e6:.0f} of {total / 1e6:.0f} MB")
    if digest.hexdigest() != archive.sha512:
        raise ChecksumMismatchError(
            f"{archive.url} does not have the sha512 that is pinned in hack/kubernetes/{pins.ARCHIVES} or, "
            "where none is, that its index says; it was not used. "
            f"Check the mirror or proxy in between, or set {INDEX_VARIABLE}= (empty) to build from source."
        )


def _extract(file: Any, target: Path) -> None:
    # By base name and as fresh files: a member's own path, mode and links never reach the file system.
    missing = set(PROGRAMS)
    with tarfile.open(fileobj=file, mode="r:gz") as tar:
        for member in tar:
            name = PurePosixPath(member.name).name
            if name not in missing or not member.isfile():
                continue
            content = tar.extractfile(member)
            assert content is not None  # isfile() above
            staging = target / f".{name}.download"
            with staging.open("wb") as out:
                while block := content.read(1 << 20):
                    out.write(block)
            staging.chmod(0o755)
            staging.rename(target / name)
            missing.remove(name)
    if missing:
        raise BinariesUnavailableError(f"the archive holds no {', '.join(sorted(missing))}")
