"""AWS behind proxies, and with certificates of private authorities, chosen as for the API server."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore import endpoint, session, utils

from mcp_gateway_operator.agentcore.aws import Boto3AgentCore, choose_proxies
from mcp_gateway_operator.cli.network import Network
from mcp_gateway_operator.runtime import pem
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from tests.support.connect_proxy import ConnectProxy, proxying
from tests.support.raw_server import http, leave_the_network, serving
from tests.unit.metrics.pairs import make_pair

HOST = "agentcore.example.com"
PAIR, OTHER = make_pair("aws", host=HOST), make_pair("other", host=HOST)
TARGETS = http("200 OK", b'{"items": []}', "Content-Type: application/json")


def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pem.as_file(PAIR.key + PAIR.chain) as path:
        context.load_cert_chain(path)
    return context


TLS = tls()


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    """A file with the authority of the server."""
    path = tmp_path / "ca.pem"
    path.write_bytes(PAIR.chain)
    return path


@pytest.fixture(autouse=True)
def botocore_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without this machine's network settings, and give botocore its own choice of proxies back."""
    leave_the_network(monkeypatch)
    for module in (endpoint, utils):
        monkeypatch.setattr(module, "get_environ_proxies", module.get_environ_proxies)


@contextlib.contextmanager
def adapter(environ: dict[str, str], *, bundle: str = "") -> Iterator[Boto3AgentCore]:
    """Make an adapter as the process does."""
    network = Network(environ, bundle=bundle)

    def proxy_for(url: str) -> str | None:
        proxy = network.proxy_for(url)
        return proxy.url if proxy else None

    choose_proxies(proxy_for)
    with network.authorities() as authorities:
        yield Boto3AgentCore(
            region="us-east-1",
            user_agent="test/1",
            authorities=authorities,
            proxy_for=lambda url: str(network.proxy_for(url) or ""),
        )


async def listed(environ: dict[str, str], aws: pytest.MonkeyPatch, url: str, **more: Any) -> None:
    """List targets at an endpoint."""
    aws.setenv("AWS_ENDPOINT_URL", url)
    for name, value in environ.items():
        aws.setenv(name, value)
    context = adapter(environ, **more)
    made = await asyncio.to_thread(context.__enter__)
    try:
        async with asyncio.timeout(20):
            await made.list_targets("demo-abcdefghij")
    finally:
        await made.close()
        context.__exit__(None, None, None)


async def failure(*arguments: Any, **more: Any) -> AgentCoreError:
    with pytest.raises(AgentCoreError) as error:
        await listed(*arguments, **more)
    assert "s3cret" not in str(error.value)
    assert error.value.kind is ErrorKind.TRANSIENT
    return error.value


@contextlib.asynccontextmanager
async def behind_a_proxy(**more: Any) -> AsyncIterator[ConnectProxy]:
    """Serve AWS at HOST, which only a proxy can reach."""

    async def answer(_line: str, _headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(TARGETS)

    async with serving(answer, tls=TLS) as url, proxying(ConnectProxy(**more)) as proxy:
        proxy.upstream = ("127.0.0.1", urlsplit(url).port or 0)
        yield proxy


async def test_aws_is_reached_through_the_proxy(aws: pytest.MonkeyPatch, ca: Path) -> None:
    async with behind_a_proxy() as proxy:
        login = proxy.url.replace("//", "//jane:s3cret%40@")
        environ = {"HTTPS_PROXY": login, "NO_PROXY": "10.0.0.0/8,.example.org", "SSL_CERT_FILE": str(ca)}
        await listed(environ, aws, f"https://{HOST}")
        line, headers = proxy.asked[0]
    assert line.startswith(f"CONNECT {HOST}:443 ")
    assert headers["proxy-authorization"].startswith("basic ")


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("127.0.0.2", "127.0.0.1", True),
        ("", "localhost", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("agentcore.example.com:443", HOST, True),
        ("agentcore.example.com:444", HOST, False),
        (".example.com", HOST, True),
        (".agentcore.example.com", HOST, False),
        ("*", HOST, True),
    ],
)
def test_one_rule_decides_for_aws_and_for_the_api_server(
    aws: pytest.MonkeyPatch, no_proxy: str, host: str, *, direct: bool
) -> None:
    """Also where urllib, which botocore asks by itself, decides in another way."""
    environ = {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": no_proxy, "https_proxy": "http://never:1"}
    for name, value in environ.items():
        aws.setenv(name, value)
    with adapter(environ):
        client = session.Session().create_client("sts", "us-east-1", endpoint_url=f"https://{host}")
    chosen = client._endpoint.http_session._proxy_config.proxy_url_for(f"https://{host}/")
    assert chosen == (None if direct else "http://proxy:1")
    client.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407 Proxy Authentication Required"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "403 Forbidden"),
        (b"", ""),
    ],
)
async def test_what_a_proxy_refuses_is_told_with_its_name(
    aws: pytest.MonkeyPatch, ca: Path, answer: bytes, words: str
) -> None:
    async with behind_a_proxy(answer=answer) as proxy:
        login = proxy.url.replace("//", "//jane:s3cret@")
        error = await failure({"HTTPS_PROXY": login, "SSL_CERT_FILE": str(ca)}, aws, f"https://{HOST}")
    assert proxy.url in error.message
    assert words in error.message
    assert "jane" not in error.message


async def test_a_proxy_that_is_away_is_named(aws: pytest.MonkeyPatch) -> None:
    error = await failure({"HTTPS_PROXY": "http://jane:s3cret@127.0.0.1:9"}, aws, f"https://{HOST}")
    assert "The proxy http://127.0.0.1:9 cannot be reached" in error.message


async def test_a_proxy_that_reads_along_is_named_where_its_authority_is_not_trusted(
    aws: pytest.MonkeyPatch,
) -> None:
    async with behind_a_proxy() as proxy:
        error = await failure({"HTTPS_PROXY": proxy.url}, aws, f"https://{HOST}")
    assert "CERTIFICATE_VERIFY_FAILED" in error.message
    assert f"(through the proxy {proxy.url})" in error.message


@pytest.mark.parametrize(
    "way", ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "system"]
)
async def test_a_private_authority_is_trusted(
    aws: pytest.MonkeyPatch, ca: Path, way: str, tmp_path: Path
) -> None:
    environ = {}
    if way == "system":
        aws.setattr(pem, "STORES", (str(tmp_path / "none"), str(ca)))
    else:
        environ[way] = str(ca.parent if way == "SSL_CERT_DIR" else ca)
    async with behind_a_proxy() as proxy:
        bundle = environ.get("AWS_CA_BUNDLE", "")
        await listed({"HTTPS_PROXY": proxy.url, **environ}, aws, f"https://{HOST}", bundle=bundle)


async def test_the_sdks_own_variable_stands_for_all_others(
    aws: pytest.MonkeyPatch, ca: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    await asyncio.to_thread(other.write_bytes, OTHER.chain)
    async with behind_a_proxy() as proxy:
        environ = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(ca), "AWS_CA_BUNDLE": str(other)}
        error = await failure(environ, aws, f"https://{HOST}", bundle=str(other))
    assert "CERTIFICATE_VERIFY_FAILED" in error.message


def test_a_private_authority_comes_beside_the_public_ones(ca: Path) -> None:
    with Network({"SSL_CERT_FILE": str(ca)}).authorities() as path:
        assert path is not None
        content = Path(path).read_bytes()
    assert PAIR.chain.strip() in content
    assert content.count(b"BEGIN CERTIFICATE") > 50


def test_without_any_variable_the_systems_store_is_taken_or_the_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    for stores, expected in (((), None), (("/none",), None)):
        monkeypatch.setattr(pem, "STORES", stores)
        with Network({}).authorities() as path:
            assert path == expected


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_bundle_that_cannot_be_read_is_named_with_its_variable(variable: str) -> None:
    environ = {variable: "/none/such"}
    with pytest.raises(ValueError, match=rf"^{variable} names '/none/such', which cannot be .*\.$"):
        Network(environ, bundle=environ.get("AWS_CA_BUNDLE", ""))


def test_a_bundle_of_the_profile_that_cannot_be_read_is_told() -> None:
    with pytest.raises(ValueError, match=r"^ca_bundle of the AWS profile names '/none/such'"):
        Network({}, bundle="/none/such")
