from __future__ import annotations

import hashlib
import http.server
import io
import socket
import tarfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from mcp_gateway_operator_demo.localcluster import pins
from mcp_gateway_operator_demo.localcluster.download import (
    Archive,
    choose_archive,
    download_programs,
    index_url,
)
from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError, ChecksumMismatchError
from mcp_gateway_operator_demo.localcluster.gomodule import Version

WANTED = Version(1, 37, 2)
PLATFORM = "linux-amd64"
NAME = "envtest-v1.37.0-linux-amd64.tar.gz"


def archive(*names: str) -> bytes:
    """Return a gzipped tar file whose members hold their own names."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name in names:
            body = f"program {name}".encode()
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return content.getvalue()


GOOD = archive(*(f"controller-tools/envtest/{name}" for name in ("etcd", "kube-apiserver", "kubectl")))


def index(content: bytes, link: str = NAME) -> bytes:
    """Return an index of one release, whose checksum is that of `content`."""
    entry = {"hash": hashlib.sha512(content).hexdigest(), "selfLink": link}
    return yaml.safe_dump({"releases": {"v1.37.0": {NAME: entry}}}).encode()


class Mirror:
    """A web server on loopback with the pages given to it."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = mirror.pages.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  -- the base class's name
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/index.yaml"


@pytest.fixture(autouse=True)
def no_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look away from what this repository pins."""
    monkeypatch.setattr(pins, "archives", dict)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """Serve a mirror for the length of a test."""
    mirror = Mirror()
    thread = threading.Thread(target=mirror.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield mirror
    mirror.server.shutdown()
    thread.join(10)
    mirror.server.server_close()


def fetch(mirror: Mirror, target: Path, said: list[str]) -> Version:
    """Download from the mirror into `target`."""
    return download_programs(
        mirror.url, wanted=WANTED, platform=PLATFORM, target=target, progress=said.append
    )


def test_a_mirror_is_a_directory_with_the_index_and_its_archives(
    mirror: Mirror, tmp_path: Path, said: list[str]
) -> None:
    """Accept addresses relative to the index, and leave three programs and nothing else."""
    mirror.pages = {"/index.yaml": index(GOOD), f"/{NAME}": GOOD}
    assert fetch(mirror, tmp_path, said) == Version(1, 37, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["etcd", "kube-apiserver", "kubectl"]
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o755
        assert path.read_text().endswith(f"/{path.name}")
    assert said[0].startswith("Downloading Kubernetes 1.37.0")
    assert said[-1].startswith("Downloaded")


def test_an_archive_with_another_checksum_is_never_used(
    mirror: Mirror, tmp_path: Path, said: list[str]
) -> None:
    """Extract nothing from an archive that was changed on the way."""
    mirror.pages = {"/index.yaml": index(GOOD), f"/{NAME}": GOOD + b"!"}
    with pytest.raises(ChecksumMismatchError, match="sha512"):
        fetch(mirror, tmp_path, said)
    assert list(tmp_path.iterdir()) == []


def test_members_land_under_their_own_names_only(mirror: Mirror, tmp_path: Path, said: list[str]) -> None:
    """Never let a member's path decide where a file goes."""
    content = archive("../../etcd", "/tmp/kube-apiserver", "x/kubectl", "x/etcd", "x/README")
    mirror.pages = {"/index.yaml": index(content), f"/{NAME}": content}
    target = tmp_path / "inner" / "target"
    target.mkdir(parents=True)
    fetch(mirror, target, said)
    assert sorted(path.name for path in target.iterdir()) == ["etcd", "kube-apiserver", "kubectl"]
    assert (target / "etcd").read_text() == "program ../../etcd"
    assert list(tmp_path.iterdir()) == [tmp_path / "inner"]


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        ({}, "404"),
        ({"/index.yaml": index(GOOD)}, "404"),
        ({"/index.yaml": b"<html>sign in</html>"}, "not an index"),
        ({"/index.yaml": b"releases: {v1.37.0: [unclosed"}, "index.yaml"),
        ({"/index.yaml": b"releases: {v1.36.0: {}}"}, "lists no 1.37 for linux-amd64"),
        ({"/index.yaml": index(b"junk"), f"/{NAME}": b"junk"}, "cannot be read"),
        ({"/index.yaml": index(GOOD[:-40]), f"/{NAME}": GOOD[:-40]}, "cannot be read"),
        ({"/index.yaml": index(archive("etcd")), f"/{NAME}": archive("etcd")}, "no kube-apiserver, kubectl"),
        ({"/index.yaml": index(GOOD, "ftp://127.0.0.1/x")}, "index.yaml"),
    ],
    ids=[
        "no-index",
        "no-archive",
        "captive-portal",
        "broken-yaml",
        "other-release",
        "not-an-archive",
        "cut-short",
        "incomplete",
        "other-protocol",
    ],
)
def test_what_cannot_be_had_is_said_in_one_error(
    mirror: Mirror, tmp_path: Path, said: list[str], pages: dict[str, bytes], reason: str
) -> None:
    """Report every way a download can fail as one kind of error with its reason."""
    mirror.pages = pages
    with pytest.raises(BinariesUnavailableError, match=reason):
        fetch(mirror, tmp_path, said)


def test_a_closed_port_is_reported_and_not_waited_for(tmp_path: Path) -> None:
    """Treat a refused connection as one more reason to build instead."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/index.yaml"
        with pytest.raises(BinariesUnavailableError, match=r"index\.yaml"):
            download_programs(url, wanted=WANTED, platform=PLATFORM, target=tmp_path, progress=print)


def test_newest_patch_of_the_wanted_minor_is_chosen() -> None:
    """Stay within the minor version, compare patches as numbers, skip pre-releases."""

    def files(release: str) -> dict[str, dict[str, str]]:
        name = f"envtest-{release}-{PLATFORM}.tar.gz"
        return {name: {"hash": "AB", "selfLink": f"https://mirror.example/{name}"}}

    releases = {name: files(name) for name in ("v1.36.9", "v1.37.0", "v1.37.10", "v1.37.9", "v1.38.0")}
    releases["v1.37.11-rc.0"] = files("v1.37.11-rc.0")
    chosen = choose(releases)
    assert chosen.version == Version(1, 37, 10)
    assert chosen.sha512 == "ab"

    pinned = {f"envtest-v1.37.9-{PLATFORM}.tar.gz": "cd", "envtest-v1.37.10-darwin-arm64.tar.gz": "ef"}
    chosen = choose(releases, pinned)
    assert (chosen.version, chosen.sha512) == (Version(1, 37, 9), "cd")
    with pytest.raises(BinariesUnavailableError, match=r"no pinned archive of 1\.37"):
        choose(releases, {f"envtest-v1.37.1-{PLATFORM}.tar.gz": "cd"})


def choose(releases: object, pinned: Mapping[str, str] | None = None) -> Archive:
    """Choose from an index."""
    return choose_archive(
        {"releases": releases},
        base_url="https://mirror.example/i.yaml",
        wanted=WANTED,
        platform=PLATFORM,
        pinned=pinned or {},
    )


def test_an_index_that_was_changed_with_its_archive_is_found_out(
    mirror: Mirror, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Believe the pinned sha512, not the one that comes from where the archive comes from."""
    monkeypatch.setattr(pins, "archives", lambda: {NAME: hashlib.sha512(GOOD).hexdigest()})
    other = archive("etcd", "kube-apiserver", "kubectl", "backdoor")
    mirror.pages = {"/index.yaml": index(other), f"/{NAME}": other}
    with pytest.raises(ChecksumMismatchError, match=r"envtest\.sha512"):
        fetch(mirror, tmp_path, said)
    assert list(tmp_path.iterdir()) == []


def test_the_index_can_be_changed_and_switched_off() -> None:
    """Use the official index unless the user names another or none."""
    official = index_url({})
    assert official is not None
    assert official.endswith("/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml")
    assert index_url({"MCPS_ENVTEST_INDEX": "http://mirror.example/i.yaml"}) == "http://mirror.example/i.yaml"
    assert index_url({"MCPS_ENVTEST_INDEX": ""}) is None
