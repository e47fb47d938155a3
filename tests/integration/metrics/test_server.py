"""The metrics server on real sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from h2.connection import H2Connection
from h2.events import StreamReset
from structlog.testing import capture_logs

from mcp_gateway_operator.runtime import http, http1, http2
from mcp_gateway_operator.runtime.certificates import PairFiles
from mcp_gateway_operator.runtime.http import MAX_HEAD, BindAddress, ServerError
from mcp_gateway_operator.runtime.metrics_server import MetricsServer, open_certificate
from tests.unit.metrics.pairs import MountedSecret, make_pair, name_of, trusting

OLD, NEW = make_pair("old"), make_pair("new")
AUTHORITY = ((":scheme", "https"), (":authority", "localhost"), ("accept", "*/*"))
GOAWAY = b"\x07\x00\x00\x00\x00\x00"
"""Type, flags and stream of the frame that ends a connection."""
LOOPBACK = BindAddress("127.0.0.1", 0)
PATIENCE = 10.0
"""Seconds that something may take on a busy machine."""


async def app(
    scope: MutableMapping[str, Any],
    _receive: Callable[[], Any],
    send: Callable[[MutableMapping[str, Any]], Any],
) -> None:
    """Answer every request with its HTTP version."""
    assert scope["type"] == "http"
    body = scope["http_version"].encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


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


def tls_server(*, offer: bool = False, files: PairFiles | None = None) -> MetricsServer:
    return MetricsServer(app, LOOPBACK, certificate=open_certificate(files, http2=offer), http2=offer)


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
        assert (await client.get(f"http://127.0.0.1:{port}/metrics")).text == "1.1"


async def test_without_the_flag_http2_is_not_offered() -> None:
    async with serving(tls_server()) as port:
        async with httpx2.AsyncClient(verify=trusting(), http2=True, trust_env=False) as client:
            assert (await client.get(f"https://127.0.0.1:{port}/metrics")).text == "1.1"
        _, writer = await connect(port, alpn=("h2", "http/1.1"))
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        writer.transport.abort()


async def test_with_the_flag_http2_is_offered_beside_http1() -> None:
    async with serving(tls_server(offer=True)) as port:
        for offered, spoken in ((True, "2"), (False, "1.1")):
            async with httpx2.AsyncClient(verify=trusting(), http2=offered, trust_env=False) as client:
                for _ in range(3):
                    assert (await client.get(f"https://127.0.0.1:{port}/metrics")).text == spoken


async def test_over_http2_a_request_with_a_body_keeps_the_connection() -> None:
    async with (
        serving(tls_server(offer=True)) as port,
        httpx2.AsyncClient(verify=trusting(), http2=True, trust_env=False) as client,
    ):
        url = f"https://127.0.0.1:{port}/metrics"
        for _ in range(3):
            assert (await client.post(url, content=b"x" * 100_000)).status_code == 200
            assert (await client.get(url)).status_code == 200


async def test_over_http2_many_requests_at_a_time_are_all_answered() -> None:
    async with (
        serving(tls_server(offer=True)) as port,
        httpx2.AsyncClient(verify=trusting(), http2=True, trust_env=False) as client,
    ):
        answers = await asyncio.gather(*(client.get(f"https://127.0.0.1:{port}/metrics") for _ in range(50)))
        assert {answer.status_code for answer in answers} == {200}


async def test_over_http2_a_large_answer_arrives_whole_however_small_the_clients_window_is() -> None:
    body = bytes(range(256)) * 2000

    async def large(scope: Any, _receive: Any, send: Any) -> None:
        assert scope["headers"], "the request's own"
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    server = MetricsServer(large, LOOPBACK, certificate=open_certificate(None, http2=True), http2=True)
    async with (
        serving(server) as port,
        httpx2.AsyncClient(verify=trusting(), http2=True, trust_env=False) as client,
    ):
        answers = await asyncio.gather(*(client.get(f"https://127.0.0.1:{port}/metrics") for _ in range(6)))
        assert all(answer.content == body for answer in answers)


async def test_over_http2_a_failure_ends_one_stream_and_not_the_connection() -> None:
    async def fails(scope: Any, _receive: Any, send: Any) -> None:
        if scope["path"] == "/fails":
            raise RuntimeError("a bug")
        await app(scope, _receive, send)

    server = MetricsServer(fails, LOOPBACK, certificate=open_certificate(None, http2=True), http2=True)
    with capture_logs() as logs:
        async with (
            serving(server) as port,
            httpx2.AsyncClient(verify=trusting(), http2=True, trust_env=False) as client,
        ):
            with pytest.raises(httpx2.RemoteProtocolError):
                await client.get(f"https://127.0.0.1:{port}/fails")
            assert (await client.get(f"https://127.0.0.1:{port}/metrics")).status_code == 200
    assert [entry["event"] for entry in logs] == ["a request could not be answered"]


async def test_over_http2_idle_connections_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2, "IDLE_SECONDS", 0.1)
    async with serving(tls_server(offer=True)) as port:
        reader, writer = await connect(port, alpn=("h2",))
        async with asyncio.timeout(3.0):
            assert GOAWAY in await reader.read()
        writer.close()


async def test_over_http2_garbage_ends_the_connection() -> None:
    async with serving(tls_server(offer=True)) as port:
        reader, writer = await connect(port, alpn=("h2",))
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(3.0):
            await reader.read()
        writer.close()


async def test_over_http2_streams_that_are_cancelled_at_once_end_the_connection_and_cost_little() -> None:
    """CVE-2023-44487: open and reset as fast as the network allows."""
    running = peak = 0

    async def slow(_scope: Any, _receive: Any, _send: Any) -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        try:
            await asyncio.sleep(60)
        finally:
            running -= 1

    server = MetricsServer(slow, LOOPBACK, certificate=open_certificate(None, http2=True), http2=True)
    async with serving(server) as port:
        reader, writer = await connect(port, alpn=("h2",))
        client = H2Connection()
        client.initiate_connection()
        for number in range(http2.MAX_REQUESTS + 50):
            stream = 2 * number + 1
            client.send_headers(stream, [(":method", "GET"), (":path", "/metrics"), *AUTHORITY])
            client.reset_stream(stream)
        writer.write(client.data_to_send())
        async with asyncio.timeout(PATIENCE):
            assert GOAWAY in await reader.read()
        writer.close()
        assert peak <= http2.MAX_STREAMS
        assert running == 0


async def test_over_http2_too_many_streams_at_a_time_end_the_connection() -> None:
    async def slow(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(60)

    server = MetricsServer(slow, LOOPBACK, certificate=open_certificate(None, http2=True), http2=True)
    async with serving(server) as port:
        reader, writer = await connect(port, alpn=("h2",))
        client = H2Connection()
        client.initiate_connection()
        for number in range(http2.MAX_STREAMS + 1):
            client.send_headers(
                2 * number + 1, [(":method", "GET"), (":path", "/metrics"), *AUTHORITY], end_stream=True
            )
        writer.write(client.data_to_send())
        async with asyncio.timeout(PATIENCE):
            assert GOAWAY in await reader.read()
        writer.close()


async def test_over_http2_an_answer_that_the_client_does_not_take_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http2, "ANSWER_SECONDS", 0.2)

    async def large(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 1_000_000})

    server = MetricsServer(large, LOOPBACK, certificate=open_certificate(None, http2=True), http2=True)
    async with serving(server) as port:
        reader, writer = await connect(port, alpn=("h2",))
        client = H2Connection()
        client.initiate_connection()
        client.send_headers(1, [(":method", "GET"), (":path", "/metrics"), *AUTHORITY], end_stream=True)
        writer.write(client.data_to_send())
        ended: list[Any] = []
        async with asyncio.timeout(PATIENCE):
            while not ended:
                events = client.receive_data(await reader.read(65536))
                ended = [event for event in events if isinstance(event, StreamReset)]
        writer.close()


@pytest.mark.parametrize("offered", [False, True])
async def test_a_certificate_that_changes_is_served_without_a_restart(
    secret: MountedSecret, monkeypatch: pytest.MonkeyPatch, *, offered: bool
) -> None:
    server = tls_server(offer=offered, files=files_of(secret))
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
    server = tls_server(files=files_of(secret))
    async with serving(server) as port:
        async with httpx2.AsyncClient(verify=trusting(), trust_env=False) as client:
            url = f"https://127.0.0.1:{port}/metrics"
            assert (await client.get(url)).status_code == 200
            secret.replace(NEW)
            assert server._certificate is not None
            server._certificate.refresh()
            assert (await client.get(url)).status_code == 200
        assert await served_certificate(port) == "new"


@pytest.mark.parametrize("offered", [False, True])
async def test_a_request_with_too_large_a_head_is_refused(*, offered: bool) -> None:
    async with serving(tls_server(offer=offered)) as port:
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
        # uvicorn closes idle connections too, but after an answer only, and after 5 s.
        async with asyncio.timeout(3.0):
            while await reader.read(1000):
                pass
        writer.close()


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_CONNECTIONS", 3)
    async with serving(MetricsServer(app, LOOPBACK)) as port:
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        async with httpx2.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/metrics")).status_code == 503
        for _, writer in opened:
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize("offered", [False, True])
async def test_a_client_that_idles_does_not_hold_the_end_up(*, offered: bool) -> None:
    loop = asyncio.get_running_loop()
    async with serving(tls_server(offer=offered)) as port:
        client = httpx2.AsyncClient(verify=trusting(), http2=offered, trust_env=False)
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
