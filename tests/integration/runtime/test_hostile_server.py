"""The client against a server, or something in front of it, that sends what no API server sends."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mcp_gateway_operator.runtime import answers, channel, transport
from mcp_gateway_operator.runtime.cluster import ApiError, PatchType
from mcp_gateway_operator.runtime.transport import KubeCluster
from tests.support.raw_server import always, client_of, connected, http, serving
from tests.support.things import THINGS

PATIENCE = 20.0
"""Seconds that something may take on a busy machine."""
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FAKE = http("200 OK", b'{"metadata":{"name":"of another request"}}')


async def refused(cluster: KubeCluster, reason: str = "") -> ApiError:
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ApiError) as error:
            await cluster.get(THINGS, "default", "a")
    if reason:
        assert error.value.reason == reason, error.value
    return error.value


class Paths:
    """Answers each request with its path, and with what a test puts behind it."""

    def __init__(self, behind: bytes = b"", *, headers: tuple[str, ...] = ()) -> None:
        self.connections: list[asyncio.StreamWriter] = []
        self._behind = behind
        self._headers = headers

    async def __call__(self, line: str, _headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        """Answer."""
        if writer not in self.connections:
            self.connections.append(writer)
        writer.write(http("200 OK", line.split()[1].encode(), *self._headers) + self._behind)


# Bytes that belong to no request.


@pytest.mark.parametrize("behind", [FAKE, b"x", b"\0" * 10, FAKE * 100, b"HTTP/1.1 200 OK\r\n"], ids=range(5))
async def test_what_comes_behind_an_answer_is_not_the_next_one(tmp_path: Path, behind: bytes) -> None:
    server = Paths(behind)
    async with connected(server, tmp_path) as cluster:
        for number in range(3):
            assert await cluster.get_path(f"/{number}") == f"/{number}".encode()
    assert len(server.connections) == 3


async def test_what_comes_to_an_idle_connection_is_not_the_next_answer(tmp_path: Path) -> None:
    server = Paths()
    async with connected(server, tmp_path) as cluster:
        assert await cluster.get_path("/0") == b"/0"
        # Already received by this machine, and not yet by the event loop.
        server.connections[0].transport.get_extra_info("socket")._sock.send(FAKE)
        assert await cluster.get_path("/1") == b"/1"
    assert len(server.connections) == 2


async def test_an_idle_connection_on_which_something_comes_is_ended(tmp_path: Path) -> None:
    server = Paths()
    async with connected(server, tmp_path) as cluster:
        assert await cluster.get_path("/0") == b"/0"
        server.connections[0].write(FAKE)
        async with asyncio.timeout(PATIENCE):
            await server.connections[0].wait_closed()
        assert await cluster.get_path("/1") == b"/1"


@pytest.mark.parametrize("header", ["Connection: close", "Connection: Close", "connection:close, x"])
async def test_a_connection_that_the_server_wants_to_end_is_not_used_again(
    tmp_path: Path, header: str
) -> None:
    server = Paths(headers=(header,))
    async with connected(server, tmp_path) as cluster:
        for number in range(3):
            assert await cluster.get_path(f"/{number}") == f"/{number}".encode()
    assert len(server.connections) == 3


async def test_an_answer_that_was_not_read_to_its_end_costs_its_connection(tmp_path: Path) -> None:
    sent: list[asyncio.StreamWriter] = []

    async def answer(line: str, _headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        sent.append(writer)
        if "watch" in line:
            writer.write(CHUNKED + b'2c\r\n{"type":"ADDED","object":{"metadata":null}}\n\r\n')
            return
        body = line.split()[1].encode()
        writer.write(http("200 OK", body) if "late" not in line else http("200 OK", body)[:-1])

    async with connected(answer, tmp_path) as cluster:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await cluster.get_path("/late")
        watch = cluster.watch(THINGS, resource_version="1", timeout=60)
        async with contextlib.aclosing(watch), asyncio.timeout(PATIENCE):
            assert (await anext(watch)).type == "ADDED"
        assert await cluster.get_path("/good") == b"/good"
    assert len(set(sent)) == 3


# Answers that are not HTTP/1.1, or not whole.

DIGITS = "9" * 5000


@pytest.mark.parametrize(
    "reply",
    [
        f"HTTP/1.1 200 OK\r\nContent-Length: {DIGITS}\r\n\r\n".encode(),
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: \u0662\r\n\r\n{}".encode(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n{}",
        CHUNKED + DIGITS.encode() + b"\r\n{}",
        CHUNKED + b"f" * 5000 + b"\r\n{}",
        CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"2\r\n{}X\r\n0\r\n\r\n",
        CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"2\n{}\n0\n\n",
        CHUNKED + b"2\r\n{}\r\n",
        CHUNKED + b"2\r\n{}\r\n0\r\n",
        CHUNKED + b"2\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX\0: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX : 1\r\nContent-Length : 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: x\r\n\r\n{}",
        b"\x16\x03\x01\x02\0\x01",
        b"{}",
        b"\r\n" * 100,
        b"\xff" * 1000,
    ],
    ids=range(36),
)
async def test_an_answer_that_cannot_be_believed_is_no_answer(tmp_path: Path, reply: bytes) -> None:
    async with connected(always(reply, then_close=True), tmp_path) as cluster:
        error = await refused(cluster)
        assert (error.status, error.unavailable) == (0, True)
        assert len(str(error)) < 300
        with pytest.raises(ApiError):
            await cluster.patch(THINGS, "default", "a", {}, kind=PatchType.MERGE)


@pytest.mark.parametrize(
    "reply",
    [
        http("200 OK", b"{}"),
        CHUNKED + b"2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"1;a=b\r\n{\r\n1\r\n}\r\n000\r\nX-Sum: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\n{}",
        b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n"
        + http("200 OK", b"{}"),
        http("201 Created", b"{}"),
        http("200 OK", b"{}", "Content-Encoding: identity", "Connection: keep-alive"),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_an_answer_is_the_same_however_it_arrives(tmp_path: Path, reply: bytes, size: int) -> None:
    async def answer(_line: str, _headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        for begin in range(0, len(reply), size):
            writer.write(reply[begin : begin + size])
            await writer.drain()
            await asyncio.sleep(0)

    async with connected(answer, tmp_path) as cluster:
        for _ in range(2):
            assert await cluster.get(THINGS, "default", "a") == b"{}"


async def test_an_error_page_that_ends_with_its_connection_is_told(tmp_path: Path) -> None:
    page = b"HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/html\r\n\r\n<html>no backend</html>"
    async with connected(always(page, then_close=True), tmp_path) as cluster:
        error = await refused(cluster)
    assert error.status == 503
    assert "no backend" in error.message


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found", "500 Oops"])
async def test_an_error_whose_page_is_not_whole_keeps_its_status(tmp_path: Path, status: str) -> None:
    page = f"HTTP/1.1 {status}\r\nContent-Length: 100\r\n\r\nhalf".encode()
    async with connected(always(page, then_close=True), tmp_path, token="t") as cluster:
        assert (await refused(cluster)).status == int(status[:3])


async def test_an_answer_without_a_body_is_one(tmp_path: Path) -> None:
    async with connected(always(b"HTTP/1.1 204 No Content\r\n\r\n"), tmp_path) as cluster:
        for _ in range(2):
            assert await cluster.get(THINGS, "default", "a") == b""


# Compression, which is not asked for.


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"this is not gzip"),
        ("gzip", b""),
        ("gzip", gzip.compress(b'{"metadata":{}}')),
        ("gzip", gzip.compress(b'{"metadata":{}}')[:-9]),
        ("gzip", gzip.compress(bytes(50_000_000))),
        ("deflate", zlib.compress(b"{}")),
        ("br", b"x"),
        ("zstd", b"x"),
        ("identity, gzip", gzip.compress(b"{}")),
    ],
    ids=range(9),
)
async def test_a_compressed_answer_is_an_error_and_never_an_empty_or_a_huge_one(
    tmp_path: Path, encoding: str, body: bytes
) -> None:
    async with connected(always(http("200 OK", body, f"Content-Encoding: {encoding}")), tmp_path) as cluster:
        await refused(cluster, "Encoded")
        with pytest.raises(ApiError):
            await cluster.list(THINGS)


# Without an end.


class Flood:
    """Sends a head, and then the same bytes for as long as somebody takes them; counts them."""

    def __init__(self, head: bytes, again: bytes) -> None:
        self.sent = 0
        self.ended = asyncio.Event()
        self._head = head
        self._again = again

    async def __call__(self, _line: str, _headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        """Answer without an end."""
        writer.write(self._head)
        try:
            while True:
                writer.write(self._again)
                await writer.drain()
                self.sent += len(self._again)
        finally:
            self.ended.set()


BLOCK = b"x" * 65_536


@pytest.mark.parametrize(
    ("head", "again"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Header: value\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\nX: ", BLOCK),
        (b"HTTP/1.1 200 OK\r\n", BLOCK),
        (b"HTTP/1.1 200 ", b"OK" * 10_000),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 100),
        (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-Trailer: value\r\n" * 100),
        (CHUNKED + b"2;", BLOCK),
        (CHUNKED, b"0" * 10_000),
    ],
    ids=["headers", "header", "name", "status", "announcements", "trailers", "extension", "size"],
)
async def test_a_head_without_an_end_is_given_up_early(tmp_path: Path, head: bytes, again: bytes) -> None:
    flood = Flood(head, again)
    async with connected(flood, tmp_path) as cluster:
        await refused(cluster)
        async with asyncio.timeout(PATIENCE):
            await flood.ended.wait()
    assert flood.sent < 8_000_000, "what the sockets' buffers hold, and no more"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n",
        CHUNKED + b"17d78400\r\n",
        CHUNKED + b"ffffffffffffff\r\n",
    ],
    ids=["length", "chunk", "petabytes"],
)
@pytest.mark.parametrize("what", ["watch", "list", "get", "error"])
async def test_more_than_may_be_is_given_up_while_it_is_read(
    tmp_path: Path, head: bytes, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, bound in ((answers, "MAX_LINE"), (transport, "MAX_PAGE"), (transport, "MAX_ANSWER")):
        monkeypatch.setattr(module, bound, 1_000_000)
    flood = Flood(head.replace(b"200 OK", b"500 Oops") if what == "error" else head, BLOCK)

    async def watch(cluster: KubeCluster) -> None:
        async for _ in cluster.watch(THINGS, resource_version="1", timeout=60):
            pass

    reads: dict[str, Callable[[KubeCluster], Awaitable[object]]] = {
        "watch": watch,
        "list": lambda cluster: cluster.list(THINGS),
        "get": lambda cluster: cluster.get(THINGS, "default", "a"),
        "error": lambda cluster: cluster.get(THINGS, "default", "a"),
    }
    async with connected(flood, tmp_path) as cluster:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ApiError) as error:
                await reads[what](cluster)
            await flood.ended.wait()
    assert error.value.reason in {"watch": ("LineTooLong",), "error": ("Oops",)}.get(what, ("TooLong",))
    assert flood.sent < 1_000_000 + 8_000_000


async def test_a_watch_that_is_not_read_takes_no_more_memory(tmp_path: Path) -> None:
    event = b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n'
    flood = Flood(CHUNKED, b"%x\r\n%b\r\n" % (1000 * len(event), 1000 * event))
    async with connected(flood, tmp_path) as cluster:
        watch = cluster.watch(THINGS, resource_version="1", timeout=60)
        async with contextlib.aclosing(watch):
            assert (await anext(watch)).type == "ADDED"
            before, still = -1, 0
            while still < 1000:
                still = still + 1 if flood.sent == before else 0
                before = flood.sent
                await asyncio.sleep(0)
            assert flood.sent < channel.MAX_WAITING + 8_000_000
            for _ in range(100_000):
                await anext(watch)
            assert flood.sent > before


async def test_an_answer_that_drips_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 0.3)

    async def answer(_line: str, _headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0)

    async with connected(answer, tmp_path) as cluster:
        await refused(cluster, "Timeout")


async def test_a_server_that_takes_no_request_ends_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 0.3)

    writers: list[asyncio.StreamWriter] = []

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's has it

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, client_of(url, tmp_path) as cluster, asyncio.timeout(PATIENCE):
        with pytest.raises(ApiError, match="no answer"):
            await cluster.create(THINGS, "default", {"data": "x" * 20_000_000})
        writers[0].transport.abort()


# Redirects.


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
async def test_a_redirect_is_an_error_and_takes_no_credentials_along(tmp_path: Path, status: str) -> None:
    elsewhere = Paths()
    async with serving(elsewhere) as url:
        reply = http(status, b"moved", f"Location: {url}/api")
        async with connected(always(reply), tmp_path, token="secret") as cluster:
            error = await refused(cluster, "Redirected")
            assert error.status == int(status[:3])
            assert url in error.message
            with pytest.raises(ApiError):
                await cluster.patch(THINGS, "default", "a", {}, kind=PatchType.MERGE)
    assert elsewhere.connections == []


@pytest.mark.parametrize("token", ["a\r\nImpersonate-User: admin", "a\nX: y", "a\0b", "a\x7f", "\u2028"])
async def test_a_token_cannot_bring_a_header_along(tmp_path: Path, token: str) -> None:
    server = Paths()
    async with connected(server, tmp_path, token=token) as cluster:
        error = await refused(cluster, "NotSent")
    assert token not in str(error)
    assert server.connections == []
