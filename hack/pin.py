"""Writes the digests of what is taken from elsewhere by name: `make pin`.

    python hack/pin.py           asks the publishers, and writes what has changed
    python hack/pin.py --check   asks nobody; names what has no digest yet, and exits 1 when there is any

- the images of the Dockerfile's `ARG ..._IMAGE=name:tag`, as `name:tag@sha256:...`, from their registries;
- the archives with etcd and kube-apiserver, from the list that controller-tools publishes.

Python packages have their hashes from `make lock`, Go modules theirs in go.sum.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import yaml

from mcp_gateway_operator_demo.localcluster import pins
from mcp_gateway_operator_demo.localcluster.download import choose_archive, index_url
from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError
from mcp_gateway_operator_demo.localcluster.gomodule import Version, wrapper_module

ROOT = Path(__file__).resolve().parents[1]
# What `program_cache.platform_key` can say.
PLATFORMS = ("linux-amd64", "linux-arm64", "linux-ppc64le", "linux-s390x", "darwin-amd64", "darwin-arm64")

_IMAGE = re.compile(r"^(ARG \w+_IMAGE=)([^\s@]+)(@sha256:[0-9a-f]{64})?$", re.MULTILINE)
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class UnresolvedError(Exception):
    """A digest cannot be had; the text says of what, and why."""


def image_digest(client: httpx2.Client, name: str) -> str:
    """Return the digest (`sha256:...`) of an image for several platforms, computed from what comes.

    Args:
        client: for the requests.
        name: as in a Dockerfile; without a registry it is one of Docker Hub's.

    Raises:
        UnresolvedError: the registry does not answer, or its answer is not such an image.
    """
    registry, repository, tag = _parts(name)
    url = f"https://{registry}/v2/{repository}/manifests/{tag}"
    headers = {"Accept": ", ".join(_INDEXES)}
    try:
        answer = client.get(url, headers=headers)
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            token = _token(client, answer.headers.get("www-authenticate", ""))
            answer = client.get(url, headers=headers | {"Authorization": f"Bearer {token}"})
        answer.raise_for_status()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError) as error:
        raise UnresolvedError(f"{name}: {registry} does not give its digest ({error})") from error
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if kind not in _INDEXES:
        raise UnresolvedError(f"{name}: {registry} has no image for several platforms there, but {kind!r}")
    digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
    said = answer.headers.get("docker-content-digest", digest)
    if said != digest:
        raise UnresolvedError(f"{name}: {registry} says {said} and sends what has {digest}")
    return digest


def _parts(name: str) -> tuple[str, str, str]:
    repository, _, tag = name.rpartition(":")
    first, slash, rest = repository.partition("/")
    if slash and ("." in first or ":" in first):
        return first, rest, tag
    return "registry-1.docker.io", repository if slash else f"library/{repository}", tag


def _token(client: httpx2.Client, challenge: str) -> str:
    """Ask for the token that registries want of everybody, also for public images."""
    wanted = dict(_CHALLENGE.findall(challenge))
    answer = client.get(
        wanted.pop("realm"), params={key: wanted[key] for key in ("service", "scope") if key in wanted}
    )
    answer.raise_for_status()
    said = answer.json()
    return str(said.get("token") or said["access_token"])


def pin_images(text: str, resolve: Callable[[str], str]) -> tuple[str, list[str]]:
    """Return a Dockerfile's text with a digest behind each tag, and why some tags stay as they are."""
    troubles: list[str] = []

    def pinned(found: re.Match[str]) -> str:
        argument, name, _ = found.groups()
        try:
            return f"{argument}{name}@{resolve(name)}"
        except UnresolvedError as error:
            troubles.append(str(error))
            return found[0]

    return _IMAGE.sub(pinned, text), troubles


def pin_archives(client: httpx2.Client, url: str, wanted: Version) -> dict[str, str]:
    """Return the sha512 of the newest archive of the wanted minor version, by name, for each platform.

    Raises:
        UnresolvedError: the list cannot be read, or has none.
    """
    try:
        answer = client.get(url)
        answer.raise_for_status()
        index = yaml.safe_load(answer.text)
    except (httpx2.HTTPError, httpx2.InvalidURL, yaml.YAMLError) as error:
        raise UnresolvedError(f"envtest archives: {url} cannot be read ({error})") from error
    found: dict[str, str] = {}
    for platform in PLATFORMS:
        try:
            chosen = choose_archive(index, base_url=url, wanted=wanted, platform=platform, pinned={})
        except BinariesUnavailableError as error:
            trouble = error
            continue
        found[f"envtest-v{chosen.version}-{platform}.tar.gz"] = chosen.sha512
    if not found:
        raise UnresolvedError(f"envtest archives: {trouble}")
    return found


def _write_archives(file: Path, digests: dict[str, str]) -> None:
    comments = [line for line in file.read_text().splitlines() if line.startswith("#")]
    file.write_text("\n".join([*comments, *(f"{digest}  {name}" for name, digest in digests.items())]) + "\n")


def unpinned(root: Path) -> list[str]:
    """Return what has no digest in the files, as a line for each."""
    dockerfile = (root / "Dockerfile").read_text()
    open_images = [name for _, name, digest in _IMAGE.findall(dockerfile) if not digest]
    wanted = wrapper_module().kubernetes
    minor = f"envtest-v{wanted.major}.{wanted.minor}."
    archives = any(name.startswith(minor) for name in pins.archives())
    missing = [] if archives else [f"envtest archives of Kubernetes {wanted.major}.{wanted.minor}"]
    return [f"image {name}" for name in open_images] + missing


def pin(root: Path, client: httpx2.Client) -> list[str]:
    """Write every digest that can be had and return what could not, as a sentence for each."""
    dockerfile = root / "Dockerfile"
    text, troubles = pin_images(dockerfile.read_text(), lambda name: image_digest(client, name))
    dockerfile.write_text(text)
    url = index_url()
    if url is None:
        return [*troubles, "envtest archives: MCPS_ENVTEST_INDEX is empty"]
    try:
        digests = pin_archives(client, url, wrapper_module().kubernetes)
    except UnresolvedError as error:
        return [*troubles, str(error)]
    _write_archives(root / "hack" / "kubernetes" / pins.ARCHIVES, digests)
    return troubles


def main(arguments: list[str]) -> int:
    """Pin, or with `--check` say what is not pinned."""
    if "--check" in arguments:
        missing = unpinned(ROOT)
        print("\n".join(f"No digest: {line}" for line in missing))
        return 1 if missing else 0
    with httpx2.Client(timeout=20.0, follow_redirects=True) as client:
        troubles = pin(ROOT, client)
    for line in troubles:
        print(line, file=sys.stderr)
    if troubles:
        print(
            "What is named above keeps what it had. Run `make pin` where its publisher can be reached "
            "(HTTPS_PROXY is honoured), and commit what it writes.",
            file=sys.stderr,
        )
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
