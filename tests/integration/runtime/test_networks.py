"""The API server behind proxies, and with certificates of authorities of all kinds."""

from __future__ import annotations

import asyncio
import base64
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway_operator.runtime import connections
from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator.runtime.kubeconfig import ClusterConfigError
from mcp_gateway_operator.runtime.pem import as_file
from mcp_gateway_operator.runtime.transport import KubeCluster, connect
from mcp_gateway_operator_demo.localcluster.pki import Authority
from tests.support.connect_proxy import ConnectProxy, proxying
from tests.support.raw_server import (
    Answer,
    client_of,
    http,
    leave_the_network,
    serving,
    write_kubeconfig,
)
from tests.support.things import THINGS

OURS, THEIRS = Authority(datetime.now(UTC)), Authority(datetime.now(UTC))
PATIENCE = 20.0


def served_by(authority: Authority) -> ssl.SSLContext:
    """Return the TLS of a server on loopback with a certificate of this authority."""
    identity = authority.server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with as_file(identity.key + identity.certificate) as path:
        context.load_cert_chain(path)
    return context


OUR_TLS, THEIR_TLS = served_by(OURS), served_by(THEIRS)


def trusting(authority: Authority, **more: Any) -> dict[str, Any]:
    """Return a kubeconfig's cluster that trusts an authority."""
    return {"certificate-authority-data": base64.b64encode(authority.certificate).decode(), **more}


def echo() -> Answer:
    async def answer(line: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(http("200 OK", f"{line}|{headers.get('authorization')}".encode()))

    return answer


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without this machine's network settings."""
    leave_the_network(monkeypatch)


async def failure(cluster: KubeCluster) -> ApiError:
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ApiError) as error:
            await cluster.get(THINGS, "default", "a")
    assert "s3cret" not in str(error.value)
    return error.value


# Proxies.


@pytest.mark.parametrize("proxy_tls", [None, OUR_TLS], ids=["http", "https"])
async def test_a_server_behind_a_proxy_is_reached_through_a_tunnel_that_is_used_again(
    tmp_path: Path, proxy_tls: ssl.SSLContext | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread((tmp_path / "ca.pem").write_bytes, OURS.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with (
        serving(echo(), tls=THEIR_TLS) as url,
        proxying(ConnectProxy(), tls=proxy_tls) as proxy,
        client_of(url, tmp_path, trusting(THEIRS, **{"proxy-url": proxy.url}), token="t") as cluster,
    ):
        for _ in range(3):
            assert await cluster.get_path("/version") == b"GET /version HTTP/1.1|bearer t"
        target = url.removeprefix("https://")
        assert proxy.asked == [(f"CONNECT {target} HTTP/1.1", {"host": target})]


async def test_without_tls_the_proxy_reads_the_requests(tmp_path: Path) -> None:
    async with (
        serving(echo()) as url,
        proxying(ConnectProxy()) as proxy,
        client_of(url, tmp_path, {"proxy-url": proxy.url.replace("//", "//jane:s3cret@")}) as cluster,
    ):
        assert await cluster.get_path("/version") == b"GET /version HTTP/1.1|None"
        assert proxy.asked[0][0] == f"GET {url}/version HTTP/1.1"
        assert (
            proxy.asked[0][1]["proxy-authorization"]
            == "basic " + base64.b64encode(b"jane:s3cret").decode().lower()
        )


async def test_the_proxy_is_told_user_and_password_and_the_server_is_not(tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []

    async def answer(_line: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        seen.append(headers)
        writer.write(http("200 OK", b"{}"))

    async with (
        serving(answer, tls=OUR_TLS) as url,
        proxying(ConnectProxy()) as proxy,
        client_of(
            url,
            tmp_path,
            trusting(OURS, **{"proxy-url": proxy.url.replace("//", "//jane:s3cret%40@")}),
            token="t",
        ) as cluster,
    ):
        await cluster.get_path("/version")
        assert "authorization" not in proxy.asked[0][1]
        wanted = base64.b64encode(b"jane:s3cret@").decode()
        assert proxy.asked[0][1]["proxy-authorization"] == f"basic {wanted}".lower()
    assert "proxy-authorization" not in seen[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            "wants a user and a password",
        ),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno!!", "403 Forbidden"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "502 Bad Gateway"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://login\r\nContent-Length: 0\r\n\r\n", "302 Found"),
        (b"", "connection ended"),
        (b"HTTP/1.1 200 OK\r\n", "connection ended"),
        (b"SSH-2.0\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 500 " + b"x" * 200_000, "does not end"),
    ],
    ids=range(8),
)
async def test_what_a_proxy_refuses_is_told_with_its_name(tmp_path: Path, answer: bytes, words: str) -> None:
    # The last one answers 200 and ends before the head does.
    async with proxying(ConnectProxy(answer.replace(b" 200 ", b" 299 "))) as proxy:
        cluster = trusting(OURS, **{"proxy-url": proxy.url.replace("//", "//jane:s3cret@")})
        async with client_of("https://api.example.com:6443", tmp_path, cluster) as made:
            error = await failure(made)
    assert words in error.message
    assert error.message.endswith(f"(through the proxy {proxy.url})")


async def test_what_a_proxy_says_in_the_place_of_the_server_is_not_believed(tmp_path: Path) -> None:
    early = b"HTTP/1.1 200 OK\r\n\r\n" + http("200 OK", b'{"forged":true}')
    async with (
        serving(echo(), tls=OUR_TLS) as url,
        proxying(ConnectProxy(early)) as proxy,
        client_of(url, tmp_path, trusting(OURS, **{"proxy-url": proxy.url})) as cluster,
    ):
        assert (await cluster.get_path("/version")).startswith(b"GET /version")


async def test_a_proxy_that_is_away_is_named(tmp_path: Path) -> None:
    cluster = trusting(OURS, **{"proxy-url": "http://jane:s3cret@127.0.0.1:9"})
    async with client_of("https://api.example.com:6443", tmp_path, cluster) as made:
        error = await failure(made)
    assert "127.0.0.1:9 cannot be reached" in error.message
    assert error.message.endswith("(through the proxy http://127.0.0.1:9)")


async def test_a_proxy_that_never_answers_is_named_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 0.3)
    async with proxying(ConnectProxy(b"")) as proxy:
        hang = asyncio.Event()
        monkeypatch.setattr(proxy, "serve", lambda *_: hang.wait())
        async with client_of(
            "https://api.example.com", tmp_path, trusting(OURS, **{"proxy-url": proxy.url})
        ) as cluster:
            error = await failure(cluster)
    assert "did not accept a connection within 0.3 s" in error.message
    assert proxy.url in error.message


async def test_a_proxy_that_reads_along_is_named_where_its_certificate_is_not_trusted(tmp_path: Path) -> None:
    async with (
        serving(echo(), tls=THEIR_TLS) as url,
        proxying(ConnectProxy()) as proxy,
        client_of(url, tmp_path, trusting(OURS, **{"proxy-url": proxy.url})) as cluster,
    ):
        error = await failure(cluster)
    assert "certificate is not trusted" in error.message
    assert proxy.url in error.message


async def test_an_https_proxy_must_prove_itself(tmp_path: Path) -> None:
    async with (
        serving(echo(), tls=OUR_TLS) as url,
        proxying(ConnectProxy(), tls=OUR_TLS) as proxy,
        client_of(url, tmp_path, trusting(OURS, **{"proxy-url": proxy.url})) as cluster,
    ):
        error = await failure(cluster)
    assert "certificate is not trusted" in error.message
    assert proxy.asked == []


async def test_the_environments_proxy_is_used_and_not_for_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serving(echo(), tls=OUR_TLS) as url,
        proxying(ConnectProxy(b"HTTP/1.1 403 No\r\n\r\n")) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with client_of(url, tmp_path, trusting(OURS)) as cluster:
            await cluster.get_path("/version")
        assert proxy.asked == []
        async with client_of("https://10.255.255.1:6443", tmp_path, trusting(OURS)) as cluster:
            assert proxy.url in (await failure(cluster)).message
        assert [line for line, _ in proxy.asked] == ["CONNECT 10.255.255.1:6443 HTTP/1.1"]


def test_a_proxy_of_the_environment_that_cannot_be_used_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://jane:s3cret@proxy")
    path = write_kubeconfig(tmp_path / "config", "https://api.example.com", {})
    with pytest.raises(ClusterConfigError, match=r"HTTPS_PROXY cannot be used: .*socks5") as error:
        connect(kubeconfig=path)
    assert "s3cret" not in str(error.value)


# Certificates.


async def test_the_name_in_the_certificate_may_be_another_one_if_the_kubeconfig_says_so(
    tmp_path: Path,
) -> None:
    async with serving(echo(), tls=OUR_TLS) as url:
        for cluster, good in (
            (trusting(OURS), True),
            (trusting(OURS, **{"tls-server-name": "localhost"}), True),
            (trusting(OURS, **{"tls-server-name": "elsewhere"}), False),
            (trusting(THEIRS), False),
            (trusting(THEIRS, **{"tls-server-name": "localhost"}), False),
            ({"insecure-skip-tls-verify": True, "tls-server-name": "elsewhere"}, True),
            ({}, False),
        ):
            async with client_of(url, tmp_path, cluster) as made:
                if good:
                    await made.get_path("/version")
                else:
                    assert "certificate is not trusted" in (await failure(made)).message


async def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    server = await asyncio.to_thread(served_by, OURS)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(cadata=THEIRS.certificate.decode())
    identity, stranger = THEIRS.client("jane", "team"), OURS.client("jane", "team")

    def user(of: Any) -> dict[str, str]:
        return {
            "client-certificate-data": base64.b64encode(of.certificate).decode(),
            "client-key-data": base64.b64encode(of.key).decode(),
        }

    async with serving(echo(), tls=server) as url:
        async with client_of(url, tmp_path, trusting(OURS), **user(identity)) as cluster:
            await cluster.get_path("/version")
        for wrong in (user(stranger), {}):
            async with client_of(url, tmp_path, trusting(OURS), **wrong) as cluster:
                assert (await failure(cluster)).status == 0


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_an_authority_of_the_environment_is_trusted(
    tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a directory under any name, as a mounted ConfigMap has them, beside files of other kinds."""
    folder = tmp_path / "certificates"

    def prepare() -> None:
        (folder / "..data").mkdir(parents=True)
        (folder / "..data" / "ca").write_bytes(b"# \xc3\xa4\n" + THEIRS.certificate + OURS.certificate)
        (folder / "our company.crt").symlink_to(Path("..data", "ca"))
        (folder / "README").write_text("not a certificate")

    await asyncio.to_thread(prepare)
    monkeypatch.setenv(
        variable, str(folder / "our company.crt") if variable == "SSL_CERT_FILE" else f"{folder}"
    )
    async with serving(echo(), tls=OUR_TLS) as url, client_of(url, tmp_path) as cluster:
        await cluster.get_path("/version")


@pytest.mark.parametrize(
    ("variable", "make"),
    [
        ("SSL_CERT_FILE", None),
        ("SSL_CERT_FILE", b""),
        ("SSL_CERT_FILE", b"not a certificate"),
        ("SSL_CERT_FILE", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("SSL_CERT_DIR", None),
        ("SSL_CERT_DIR", b"not a certificate"),
        ("SSL_CERT_DIR", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ],
)
def test_a_bundle_that_cannot_be_read_is_named_with_its_variable(
    tmp_path: Path, variable: str, make: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "bundle"
    if make is not None:
        target.mkdir()
        (target / "ca.pem").write_bytes(make)
        target = target if variable == "SSL_CERT_DIR" else target / "ca.pem"
    monkeypatch.setenv(variable, str(target))
    path = write_kubeconfig(tmp_path / "config", "https://api.example.com", {})
    with pytest.raises(ClusterConfigError, match=rf"{variable} names '{target}.*'") as error:
        connect(kubeconfig=path)
    assert str(error.value).endswith(".")
