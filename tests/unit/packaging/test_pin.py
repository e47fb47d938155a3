"""`make pin` writes digests that it computed or that a publisher lists, and none of its own."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from mcp_gateway_operator_demo.localcluster.gomodule import wrapper_module

ROOT = Path(__file__).resolve().parents[3]
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
BODY = b'{"manifests": []}'
DIGEST = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
OLD = f"sha256:{'0' * 64}"
MINOR = f"v{wrapper_module().kubernetes.major}.{wrapper_module().kubernetes.minor}"


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("pin", ROOT / "hack" / "pin.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pin = _load()


def _client(answer: Callable[[httpx2.Request], httpx2.Response]) -> httpx2.Client:
    return httpx2.Client(transport=httpx2.MockTransport(answer))


def _image(body: bytes = BODY, **headers: str) -> httpx2.Response:
    said = {"content-type": INDEX_TYPE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return httpx2.Response(200, content=body, headers=said)


def _publishers(request: httpx2.Request) -> httpx2.Response:
    """Answer as Docker Hub, Google's registry and the list of envtest archives do."""
    if request.url.path == "/token":
        assert request.url.params["scope"] == "repository:library/python:pull"
        return httpx2.Response(200, json={"token": "t"})
    if request.url.host == "registry-1.docker.io" and "authorization" not in request.headers:
        assert request.url.path == "/v2/library/python/manifests/3.13-slim-trixie"
        challenge = (
            'Bearer realm="https://auth.example/token",service="s",scope="repository:library/python:pull"'
        )
        return httpx2.Response(401, headers={"www-authenticate": challenge})
    if request.url.path.endswith("envtest-releases.yaml"):
        releases = {
            f"{MINOR}.{patch}": {
                f"envtest-{MINOR}.{patch}-{platform}.tar.gz": {"hash": f"{patch}" * 128, "selfLink": "x"}
                for platform in ("linux-amd64", "darwin-arm64", "windows-amd64")
            }
            for patch in (0, 1)
        }
        return httpx2.Response(200, text=yaml.safe_dump({"releases": releases}))
    return _image()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of what is written to."""
    shutil.copyfile(ROOT / "Dockerfile", tmp_path / "Dockerfile")
    archives = tmp_path / "hack" / "kubernetes" / "envtest.sha512"
    archives.parent.mkdir(parents=True)
    archives.write_text(f"# Kept.\n{'9' * 128}  envtest-old.tar.gz\n")
    return tmp_path


def test_tags_keep_their_names_and_get_their_digests(root: Path) -> None:
    assert pin.pin(root, _client(_publishers)) == []

    text = (root / "Dockerfile").read_text()
    assert f"\nARG BUILD_IMAGE=python:3.13-slim-trixie@{DIGEST}\n" in text
    assert f"\nARG BASE_IMAGE=gcr.io/distroless/python3-debian13:nonroot@{DIGEST}\n" in text
    assert (root / "hack" / "kubernetes" / "envtest.sha512").read_text().splitlines() == [
        "# Kept.",
        f"{'1' * 128}  envtest-{MINOR}.1-linux-amd64.tar.gz",
        f"{'1' * 128}  envtest-{MINOR}.1-darwin-arm64.tar.gz",
    ]
    assert pin.pin(root, _client(_publishers)) == []
    assert (root / "Dockerfile").read_text() == text


def test_every_image_of_the_dockerfile_is_one_that_is_pinned() -> None:
    """No `FROM` names an image itself, and no syntax line brings one in."""
    text = (ROOT / "Dockerfile").read_text()
    sources = re.findall(r"^FROM (?:--\S+ )?(\S+)", text, re.MULTILINE)

    arguments = re.findall(r"^ARG (\w+_IMAGE)=", text, re.MULTILINE)
    assert sources == [f"${{{name}}}" for name in arguments]
    assert len(pin._IMAGE.findall(text)) == len(sources)
    assert "syntax=" not in text


def _away(_: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("no route")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_away, "no route"),
        (lambda _: httpx2.Response(404), "404"),
        (lambda _: httpx2.Response(401), "does not give its digest"),
        (lambda _: _image(docker_content_digest=OLD), f"says {OLD} and sends what has {DIGEST}"),
        (lambda _: _image(content_type="application/vnd.oci.image.manifest.v1+json"), "several platforms"),
        (lambda _: httpx2.Response(200, text="<html>sign in</html>"), "several platforms"),
    ],
    ids=["away", "unknown", "no-challenge", "another-digest", "one-platform", "captive-portal"],
)
def test_what_cannot_be_had_stays_as_it_is(
    root: Path, answer: Callable[[httpx2.Request], httpx2.Response], reason: str
) -> None:
    before = {path: path.read_text() for path in root.rglob("*") if path.is_file()}

    troubles = pin.pin(root, _client(answer))

    assert len(troubles) == 3
    assert reason in troubles[0]
    assert {path: path.read_text() for path in before} == before


def test_the_command_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    monkeypatch.setattr(pin, "ROOT", root)
    client = _client(_away)
    monkeypatch.setattr(pin.httpx2, "Client", lambda **_: client)

    assert pin.main([]) == 1

    said = capsys.readouterr().err
    assert "python:3.13-slim-trixie: registry-1.docker.io does not give its digest (no route)" in said
    assert "Run `make pin` where its publisher can be reached" in said


def test_what_has_no_digest_yet_is_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    (root / "Dockerfile").write_text(f"ARG BUILD_IMAGE=a/b:1@{DIGEST}\nARG BASE_IMAGE=c:2\n")
    monkeypatch.setattr(pin, "ROOT", root)
    monkeypatch.setattr(pin.pins, "archives", lambda: {f"envtest-{MINOR}.0-linux-amd64.tar.gz": "0" * 128})

    assert pin.main(["--check"]) == 1
    assert capsys.readouterr().out == "No digest: image c:2\n"
