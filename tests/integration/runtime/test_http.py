"""The health server on a real socket, and what strangers may do to one."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from mcp_gateway_operator.runtime import http, http1
from mcp_gateway_operator.runtime.health import Health
from mcp_gateway_operator.runtime.http import (
    MAX_CONNECTIONS,
    BindAddress,
    HttpServer,
    ServerError,
    source_of,
)
from mcp_gateway_operator.runtime.http1 import MAX_HEAD, Answer, Request
from tests.support.polling import until_on_loop

LOOPBACK = BindAddress("127.0.0.1", 0)
PATIENCE = 10.0
"""Seconds that something may take on a busy machine."""
PROBE = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def health() -> Health:
    """Return checks of which one fails."""
    health = Health()
    health.add_liveness("loop", lambda: None)
    health.add_readiness("caches", lambda: "still empty")
    return health


@pytest.fixture
def server(health: Health) -> HttpServer:
    """Return a server of the health checks."""
    return HttpServer(health, LOOPBACK)


@pytest.fixture
def client() -> httpx2.AsyncClient:
    """Return a client, made before the event loop runs: it reads certificates."""
    return httpx2.AsyncClient(trust_env=False)


@contextlib.asynccontextmanager
async def running(server: HttpServer) -> AsyncIterator[str]:
    task = asyncio.create_task(server.run())
    async with asyncio.timeout(PATIENCE):
        await server.bound.wait()
    yield f"http://127.0.0.1:{server.port}"
    server.close()
    async with asyncio.timeout(PATIENCE):
        await task


@contextlib.asynccontextmanager
async def opened(port: int, count: int, sent: bytes = b"") -> AsyncIterator[list[Stream]]:
    """Hold connections on which no more than `sent` is said."""
    streams = []
    for _ in range(count):
        streams.append(await asyncio.open_connection("127.0.0.1", port))
        streams[-1][1].write(sent)
    try:
        yield streams
    finally:
        for _, writer in streams:
            writer.transport.abort()


async def ask(port: int, request: bytes = PROBE) -> bytes:
    """Return all that comes back on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    finally:
        writer.transport.abort()


async def ended(stream: Stream, within: float = PATIENCE) -> bool:
    """Tell whether the other side ends a connection in time."""
    try:
        async with asyncio.timeout(within):
            with contextlib.suppress(ConnectionError):
                while await stream[0].read(65536):
                    pass
    except TimeoutError:
        return False
    return True


async def test_probes_are_answered_and_name_the_failed_check(
    server: HttpServer, client: httpx2.AsyncClient
) -> None:
    async with running(server) as url, client:
        alive = await client.get(f"{url}/healthz")
        ready = await client.get(f"{url}/readyz")
        everything = await client.get(f"{url}/healthz?verbose")
    assert (alive.status_code, alive.text) == (200, "ok")
    assert ready.status_code == 500
    assert "[-]caches failed: still empty" in ready.text
    assert "[+]loop ok" in everything.text
    assert server.port == 0


async def test_head_has_the_headers_alone(server: HttpServer) -> None:
    async with running(server):
        answer = await ask(server.port, PROBE.replace(b"GET", b"HEAD"))
    assert b"content-length: 2\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("said", [b"", b"GET /hea", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_probes_are_answered_however_many_connections_say_nothing_or_half_of_it(
    server: HttpServer, said: bytes
) -> None:
    """The process is as well as it was: a 503 would have it restarted."""
    async with running(server), opened(server.port, 5 * MAX_CONNECTIONS, said):
        for _ in range(10):
            assert (await ask(server.port)).startswith(b"HTTP/1.1 200")
        assert len(server._open) <= MAX_CONNECTIONS


async def test_the_connection_that_idles_longest_goes_and_the_new_one_stays(server: HttpServer) -> None:
    async with (
        running(server),
        opened(server.port, MAX_CONNECTIONS) as first,
        opened(server.port, 10) as second,
    ):
        assert all([await ended(stream) for stream in first[:10]])
        assert not await ended(first[10], within=0.1)
        assert not await ended(second[0], within=0.1)


async def test_a_connection_that_was_just_used_is_not_the_oldest(server: HttpServer) -> None:
    async with running(server), opened(server.port, MAX_CONNECTIONS) as streams:
        reader, writer = streams[0]
        writer.write(PROBE.replace(b"Connection: close\r\n", b""))
        assert await reader.readuntil(b"\r\n\r\nok")
        async with opened(server.port, 10):
            assert await ended(streams[10])
            assert not await ended(streams[0], within=0.1)


@pytest.mark.parametrize(
    ("sent", "name"),
    [(b"", "nothing"), (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", "half a head")],
)
async def test_a_request_that_never_ends_is_ended(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch, sent: bytes, name: str
) -> None:
    monkeypatch.setattr(http1, "REQUEST_SECONDS", 0.2)
    async with running(server), opened(server.port, 1, sent) as (stream,):
        assert await ended(stream), name


async def test_a_head_that_comes_byte_by_byte_has_no_more_time_for_it(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http1, "REQUEST_SECONDS", 0.5)
    async with running(server), opened(server.port, 1, b"GET /healthz HTTP/1.1\r\nX: ") as (stream,):

        async def drip() -> None:
            while True:
                stream[1].write(b"a")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        assert await ended(stream)
        dripping.cancel()


async def test_who_has_no_more_to_say_still_gets_the_answer(server: HttpServer) -> None:
    async with running(server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(PROBE)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            assert (await reader.read()).endswith(b"\r\n\r\nok")
        writer.close()


async def test_requests_sent_all_at_once_are_answered_in_turn_and_at_a_pace(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one connection could keep the event loop busy with nothing but itself."""
    monkeypatch.setattr(http1, "PACE_SECONDS", 0.05)
    one = PROBE.replace(b"Connection: close\r\n", b"")
    async with running(server):
        began = asyncio.get_running_loop().time()
        answers = await ask(server.port, one + one.replace(b"healthz", b"readyz") + one * 3 + PROBE)
        took = asyncio.get_running_loop().time() - began
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"500", *[b"200"] * 4]
    assert took >= 5 * 0.05


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * (2 * MAX_HEAD) + b"\r\n\r\n",
        b"GET /" + b"a" * (2 * MAX_HEAD),
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * MAX_HEAD,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 100_000,
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffffff\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
    ],
    ids=range(9),
)
async def test_what_is_no_request_is_refused_and_ends(
    server: HttpServer, client: httpx2.AsyncClient, request_: bytes
) -> None:
    with capture_logs() as logs:
        async with running(server) as url, client:
            answer = await ask(server.port, request_)
            assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
            assert b"connection: close" in answer.lower()
            assert (await client.get(f"{url}/healthz")).status_code == 200
    assert logs == []


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 500_000,
        b"POST /healthz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\n\r\n",
    ],
    ids=["large body", "expect", "half a chunk", "connect", "http 1.0"],
)
async def test_a_body_is_not_waited_for_and_the_answer_arrives_all_the_same(
    server: HttpServer, request_: bytes
) -> None:
    async with running(server):
        answer = await ask(server.port, request_)
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 404"))


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED, errno.EPERM]
)
async def test_connections_that_the_kernel_cannot_give_are_asked_for_again_in_peace(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    accept, tries = socket.socket.accept, 0

    def refuse(sock: socket.socket) -> tuple[socket.socket, object]:
        nonlocal tries
        tries += 1
        if tries > 4:
            return accept(sock)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "accept", refuse)
    with capture_logs() as logs:
        async with running(server):
            began = asyncio.get_running_loop().time()
            assert (await ask(server.port)).startswith(b"HTTP/1.1 200")
            assert asyncio.get_running_loop().time() - began >= 3 * http.ACCEPT_PAUSE
    assert [entry["event"] for entry in logs] == ["connections cannot be accepted; it is tried again"]


async def test_without_descriptors_the_one_that_idles_longest_gives_its_own(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, left = socket.socket.accept, 3

    def limited(sock: socket.socket) -> tuple[socket.socket, object]:
        if len(server._open) >= left:
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(sock)

    monkeypatch.setattr(socket.socket, "accept", limited)
    with capture_logs():
        async with running(server), opened(server.port, 3) as streams:
            for number in range(3):
                assert (await ask(server.port)).startswith(b"HTTP/1.1 200")
                assert await ended(streams[number])


def large(size: int) -> Callable[[Request], Awaitable[Answer]]:
    """Return a handler whose answers are large under /large."""

    async def handler(request: Request) -> Answer:
        body = b"x" * size if request.path == "/large" else b"small"
        return Answer(HTTPStatus.OK, body)

    return handler


async def test_answers_that_nobody_takes_are_bounded_and_others_get_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "MAX_UNSENT", 5_000_000)
    server = HttpServer(large(2_000_000), LOOPBACK)
    request = PROBE.replace(b"/healthz", b"/large")
    async with running(server):
        streams = []
        for _ in range(20):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
            streams.append(await asyncio.open_connection(sock=sock, limit=4096))
            streams[-1][1].write(request)
            await asyncio.sleep(0.02)
        await until_on_loop(lambda: sum(each.talk.unsent for each in server._open.values()) <= 5_000_000)
        assert len(server._open) <= 2
        assert (await ask(server.port)).endswith(b"small")
        assert len(await ask(server.port, request)) > 2_000_000
        for _, writer in streams:
            writer.transport.abort()


async def test_an_answer_that_is_not_taken_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "ANSWER_SECONDS", 0.3)
    server = HttpServer(large(5_000_000), LOOPBACK)
    async with running(server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=4096)
        writer.write(PROBE.replace(b"/healthz", b"/large"))
        await until_on_loop(lambda: server._open)
        await until_on_loop(lambda: not server._open)
        with contextlib.suppress(ConnectionError):
            assert len(await reader.read()) < 5_000_000
        writer.transport.abort()


async def test_a_failure_is_one_answer_and_one_log_line_and_the_connection_goes_on() -> None:
    async def fails(request: Request) -> Answer:
        if request.path == "/fails":
            raise RuntimeError("a bug")
        return Answer.text(HTTPStatus.OK, "fine")

    server = HttpServer(fails, LOOPBACK)
    with capture_logs() as logs:
        async with running(server):
            failing = PROBE.replace(b"/healthz", b"/fails").replace(b"Connection: close\r\n", b"")
            answers = await ask(server.port, failing + PROBE)
    assert answers.startswith(b"HTTP/1.1 500")
    assert answers.endswith(b"fine")
    assert [entry["event"] for entry in logs] == ["a request could not be answered"]


async def test_at_the_end_what_idles_goes_at_once_and_what_is_being_answered_is_finished() -> None:
    asked = asyncio.Event()

    async def slow(request: Request) -> Answer:
        asked.set()
        # The end has begun, and waits for this.
        await until_on_loop(lambda: not ending.bound.is_set())
        return Answer.text(HTTPStatus.OK, request.path)

    ending = HttpServer(slow, LOOPBACK)
    async with running(ending):
        idle = await asyncio.open_connection("127.0.0.1", ending.port)
        answer = asyncio.create_task(ask(ending.port, PROBE.replace(b"Connection: close\r\n", b"")))
        await asked.wait()
    assert (await answer).endswith(b"/healthz")
    assert await ended(idle)
    idle[1].close()


async def test_the_end_does_not_wait_for_an_answer_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "STOP_SECONDS", 0.2)

    async def never(_: Request) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    server = HttpServer(never, LOOPBACK)
    async with running(server):
        stream = await asyncio.open_connection("127.0.0.1", server.port)
        stream[1].write(PROBE)
        await until_on_loop(lambda: any(each.talk.working for each in server._open.values()))
    assert await ended(stream)
    stream[1].close()


async def test_a_taken_port_is_one_sentence(server: HttpServer, health: Health) -> None:
    async with running(server):
        with pytest.raises(ServerError, match=f"Cannot listen on 127.0.0.1:{server.port}: "):
            BindAddress("127.0.0.1", server.port).bind()
    assert health.answer("/healthz") == (HTTPStatus.OK, "ok")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8081", BindAddress("", 8081)),
        ("127.0.0.1:0", BindAddress("127.0.0.1", 0)),
        ("[::1]:8081", BindAddress("::1", 8081)),
        ("[::]:8081", BindAddress("::", 8081)),
        ("0.0.0.0:8081", BindAddress("0.0.0.0", 8081)),
        ("[fe80::1%eth0]:8081", BindAddress("fe80::1%eth0", 8081)),
        ("localhost:8081", BindAddress("localhost", 8081)),
        ("0", None),
        ("", None),
    ],
)
def test_addresses_are_written_as_for_controller_runtime(text: str, address: BindAddress | None) -> None:
    assert BindAddress.parse(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "8081",
        "host:port",
        ":99999",
        "x",
        "::1:8081",
        "::",
        "[::1:8081",
        "::1]:8081",
        "[127.0.0.1]:8081",
        "[]:8081",
        "[[::1]]:8081",
        ":\u0661",
        ":-1",
        ":" + "9" * 5000,
        "http://127.0.0.1:8081",
        "a b:8081",
    ],
)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        BindAddress.parse(text)


def families(listener: socket.socket) -> set[str]:
    """Return the loopback addresses on which somebody listens there."""
    found = set()
    for host in ("127.0.0.1", "::1"):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection((host, listener.getsockname()[1]), timeout=5).close()
            found.add(host)
    return found


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        (":0", {"127.0.0.1", "::1"}),
        ("[::]:0", {"127.0.0.1", "::1"}),
        ("0.0.0.0:0", {"127.0.0.1", "::1"}),
        ("127.0.0.1:0", {"127.0.0.1"}),
        ("[::1]:0", {"::1"}),
        ("localhost:0", {"127.0.0.1"}),
        ("[::ffff:127.0.0.1]:0", {"127.0.0.1"}),
    ],
)
def test_which_addresses_are_listened_on_is_as_in_go(text: str, reached: set[str]) -> None:
    address = BindAddress.parse(text)
    assert address is not None
    with address.bind() as listener:
        assert families(listener) == reached


@pytest.mark.parametrize("text", [":0", "[::]:0", "0.0.0.0:0"])
@pytest.mark.parametrize("lacks", ["support", "addresses"])
def test_where_there_is_no_ipv6_all_of_ipv4_is_listened_on(
    text: str, lacks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = socket.create_server

    def no_ipv6(address: tuple[str, int], *, family: int = socket.AF_INET, **more: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return create(address, family=family, **more)

    if lacks == "support":
        monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    else:
        monkeypatch.setattr(socket, "create_server", no_ipv6)
    address = BindAddress.parse(text)
    assert address is not None
    with address.bind() as listener:
        assert families(listener) == {"127.0.0.1"}


@pytest.mark.parametrize("text", ["[2001:db8::1]:8081", "[::1%nowhere]:8081", "no.such.host.invalid:8081"])
def test_an_address_that_is_not_this_machines_is_one_sentence(text: str) -> None:
    address = BindAddress.parse(text)
    assert address is not None
    with pytest.raises(ServerError, match=rf"^Cannot listen on {re.escape(text)}: .*\.$"):
        address.bind()


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_a_host_counts_once_however_many_addresses_it_has(host: str, source: str) -> None:
    assert source_of(host) == source
