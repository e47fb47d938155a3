"""The metrics server on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import httpx2
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from mcp_gateway_operator.runtime import http, http1
from mcp_gateway_operator.runtime.access import TOKEN_REVIEWS, AccessGuard
from mcp_gateway_operator.runtime.certificates import PairFiles
from mcp_gateway_operator.runtime.http import MAX_CONNECTIONS, BindAddress, ServerError
from mcp_gateway_operator.runtime.http1 import MAX_HEAD, Answer, Request
from mcp_gateway_operator.runtime.metrics_server import MetricsEndpoint, MetricsServer, open_certificate
from tests.support.polling import until_on_loop
from tests.unit.metrics.pairs import MountedSecret, make_pair, name_of, trusting
from tests.unit.metrics.reviews import Reviewer

OLD, NEW = make_pair("old"), make_pair("new")
LOOPBACK = BindAddress("127.0.0.1", 0)
PATIENCE = 10.0
"""Seconds that something may take on a busy machine."""


async def app(request: Request) -> Answer:
    """Answer every request with its path."""
    return Answer.text(HTTPStatus.OK, request.path)


@asynccontextmanager
async def serving(server: MetricsServer) -> AsyncIterator[int]:
    """Run a server and give its port."""
    task = asyncio.create_task(server.run())
    async with asyncio.timeout(PATIENCE):
        await server.server.bound.wait()
    yield server.server.port
    server.close()
    async with asyncio.timeout(PATIENCE):
        await task


def tls_server(files: PairFiles | None = None) -> MetricsServer:
    return MetricsServer(app, LOOPBACK, certificate=open_certificate(files))


@pytest.fixture
def secret(tmp_path: Path) -> MountedSecret:
    """A mounted Secret with the old pair."""
    return MountedSecret(tmp_path, OLD)


def files_of(secret: MountedSecret) -> PairFiles:
    return PairFiles(secret.directory / "tls.crt", secret.directory / "tls.key")


async def connect(
    port: int, *, alpn: tuple[str, ...] = ()
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = trusting()
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return await asyncio.open_connection("127.0.0.1", port, ssl=context)


async def served_certificate(port: int) -> str:
    _, writer = await connect(port)
    connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate = connection.getpeercert(binary_form=True)
    writer.transport.abort()
    assert certificate is not None
    return name_of(certificate)


async def test_plain_http() -> None:
    async with (
        serving(MetricsServer(app, LOOPBACK)) as port,
        httpx2.AsyncClient(trust_env=False) as client,
    ):
        assert (await client.get(f"http://127.0.0.1:{port}/metrics")).text == "/metrics"


async def test_a_client_that_would_speak_http2_is_given_http1() -> None:
    async with serving(tls_server()) as port:
        reader, writer = await connect(port, alpn=("h2", "http/1.1"))
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            assert (await reader.read()).endswith(b"\r\n\r\n/metrics")
        writer.transport.abort()


@pytest.mark.parametrize("tls", [False, True])
async def test_a_client_that_speaks_http2_unasked_is_refused_and_its_frames_are_not_answered(
    *, tls: bool
) -> None:
    """A preface, settings and a flood of pings."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)
    async with serving(tls_server() if tls else MetricsServer(app, LOOPBACK)) as port:
        if tls:
            reader, writer = await connect(port, alpn=("h2",))
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(preface + b"\0\0\x08\x06\0\0\0\0\0pingping" * 10_000)
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                assert (await reader.read()).count(b"HTTP/1.1 400") == 1
        writer.transport.abort()


async def test_a_certificate_that_changes_is_served_without_a_restart(
    secret: MountedSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tls_server(files_of(secret))
    certificate = server._certificate
    assert certificate is not None
    watch = certificate.watch
    monkeypatch.setattr(certificate, "watch", lambda: watch(interval=0.02))
    with capture_logs() as logs:
        async with serving(server) as port:
            assert await served_certificate(port) == "old"
            secret.replace(NEW)
            async with asyncio.timeout(PATIENCE):
                while await served_certificate(port) != "new":
                    pass
    assert [entry["event"] for entry in logs] == ["a new certificate is in use"]


async def test_a_connection_that_is_open_outlives_the_change(secret: MountedSecret) -> None:
    server = tls_server(files_of(secret))
    async with serving(server) as port:
        async with httpx2.AsyncClient(verify=trusting(), trust_env=False) as client:
            url = f"https://127.0.0.1:{port}/metrics"
            assert (await client.get(url)).status_code == 200
            secret.replace(NEW)
            assert server._certificate is not None
            server._certificate.refresh()
            assert (await client.get(url)).status_code == 200
        assert await served_certificate(port) == "new"


async def test_a_request_with_too_large_a_head_is_refused() -> None:
    async with serving(tls_server()) as port:
        reader, writer = await connect(port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"a" * (2 * MAX_HEAD))
        async with asyncio.timeout(PATIENCE):
            answer = await reader.read(100)
        assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
        writer.transport.abort()


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /metrics HT", b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc"],
    ids=["nothing", "half a head", "half a body"],
)
async def test_a_request_that_is_not_finished_in_time_ends(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http1, "REQUEST_SECONDS", 0.2)
    async with serving(MetricsServer(app, LOOPBACK)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(3.0):
            while await reader.read(1000):
                pass
        writer.close()


@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
async def test_connections_that_do_not_shake_hands_keep_no_scraper_out(said: bytes) -> None:
    """And there are never more of them than there may be, whoever opens them how fast."""
    server = tls_server()
    async with serving(server) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5 * MAX_CONNECTIONS)]
        for _, writer in silent:
            writer.write(said)
        for _ in range(5):
            async with httpx2.AsyncClient(verify=trusting(), trust_env=False) as client:
                assert (await client.get(f"https://127.0.0.1:{port}/metrics")).status_code == 200
        assert len(server.server._open) <= MAX_CONNECTIONS
        for _, writer in silent:
            writer.transport.abort()


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00"])
async def test_a_handshake_that_does_not_end_is_ended(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HANDSHAKE_SECONDS", 0.2)
    async with serving(tls_server()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()


async def test_who_is_pushed_out_of_the_line_for_a_handshake_is_no_news(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A neighbour who opens one connection after the other would fill the log with it."""
    monkeypatch.setattr(http, "HANDSHAKE_PACE", PATIENCE)
    with capture_logs() as logs:
        async with serving(tls_server()) as port:
            # The first has the turn; the others wait, and make room for each other.
            streams = []
            for source in ("127.0.0.2", *("127.0.0.3",) * (3 * MAX_CONNECTIONS)):
                streams.append(await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))
                streams[-1][1].write(b"\x16")
            async with asyncio.timeout(PATIENCE):
                for reader, _ in streams[1:MAX_CONNECTIONS]:
                    with contextlib.suppress(ConnectionError):
                        assert await reader.read() == b""
            for _, writer in streams:
                writer.transport.abort()
    assert logs == []


async def test_a_request_that_does_not_follow_the_handshake_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http1, "REQUEST_SECONDS", 0.2)
    async with serving(tls_server()) as port:
        reader, _ = await connect(port)
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""


async def test_handshakes_are_made_at_a_pace_and_address_by_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many a neighbour begins, the loop has time for the work, and others their turn."""
    monkeypatch.setattr(http, "HANDSHAKE_PACE", 0.1)
    server = tls_server()
    async with serving(server) as port:
        loop, context = asyncio.get_running_loop(), trusting()
        began = loop.time()

        async def shake(source: str) -> float:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, local_addr=(source, 0))
            writer.transport.abort()
            return loop.time() - began

        many = [asyncio.create_task(shake("127.0.0.2")) for _ in range(30)]
        lines = server.server._handshakes[False]._waiting
        await until_on_loop(lambda: sum(map(len, lines.values())) >= 20)
        one = await shake("127.0.0.3")
        took = [await task for task in many]
        assert max(took) >= 30 * 0.1
        assert sum(each < one for each in took) <= 5
        assert one < max(took) / 2


def guarded(reviewer: Reviewer) -> MetricsServer:
    """Return a server that checks its callers."""
    endpoint = MetricsEndpoint(
        CollectorRegistry(), CollectorRegistry(), AccessGuard(reviewer.cluster, path="/metrics")
    )
    return MetricsServer(endpoint, LOOPBACK, certificate=open_certificate(None))


GOOD = {"authorization": "Bearer good"}


async def test_a_known_caller_keeps_its_connection_when_others_have_to_go() -> None:
    async with serving(guarded(Reviewer())) as port:
        reader, writer = await connect(port)
        request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n"
        writer.write(request)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        strangers = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2 * MAX_CONNECTIONS)]
        async with asyncio.timeout(PATIENCE):
            assert await strangers[0][0].read() == b""
        writer.write(request)
        assert b"HTTP/1.1 200" in await reader.readuntil(b"\r\n\r\n")
        for _, other in (*strangers, (reader, writer)):
            other.transport.abort()


async def test_wrong_tokens_do_not_keep_the_right_one_out() -> None:
    """Of each caller a connection of its own, as fast as answers come."""
    reviewer = Reviewer()
    reviewer.seconds = 0.005
    async with serving(guarded(reviewer)) as port:
        url = f"https://127.0.0.1:{port}/metrics"

        async def knock(number: int) -> None:
            for serial in range(100_000):
                if over.is_set():
                    return
                async with httpx2.AsyncClient(verify=context, trust_env=False) as client:
                    with contextlib.suppress(httpx2.TransportError):
                        wrong = {"authorization": f"Bearer wrong-{number}-{serial}"}
                        assert (await client.get(url, headers=wrong)).status_code in {401, 429}

        context, over = trusting(), asyncio.Event()
        async with httpx2.AsyncClient(verify=context, trust_env=False) as client:
            assert (await client.get(url, headers=GOOD)).status_code == 200
        tasks = [asyncio.create_task(knock(number)) for number in range(40)]
        for _ in range(5):
            seen = reviewer.count(TOKEN_REVIEWS)
            await until_on_loop(lambda: reviewer.count(TOKEN_REVIEWS) >= seen + 6)  # noqa: B023  -- ends here
            async with httpx2.AsyncClient(verify=context, trust_env=False, timeout=PATIENCE) as client:
                assert (await client.get(url, headers=GOOD)).status_code == 200
        over.set()
        await asyncio.gather(*tasks)


async def test_a_client_that_idles_does_not_hold_the_end_up() -> None:
    loop = asyncio.get_running_loop()
    async with serving(tls_server()) as port:
        client = httpx2.AsyncClient(verify=trusting(), trust_env=False)
        await client.get(f"https://127.0.0.1:{port}/metrics")
        began = loop.time()
    assert loop.time() - began < 2.0
    await client.aclose()


async def test_an_address_in_use_is_one_sentence() -> None:
    async with serving(MetricsServer(app, LOOPBACK)) as port:
        with pytest.raises(ServerError, match=rf"^Cannot listen on 127\.0\.0\.1:{port}: .*\.$"):
            await MetricsServer(app, BindAddress("127.0.0.1", port)).run()


async def test_plain_requests_to_the_tls_port_are_not_answered() -> None:
    async with serving(tls_server()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            answer = await reader.read()
        assert b"HTTP" not in answer
        writer.close()
