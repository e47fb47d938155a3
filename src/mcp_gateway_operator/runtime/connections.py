"""HTTP/1.1 over asyncio's own streams, for httpx2: what a client of one API server needs and no more.

The general transport of httpx2 (httpcore2, h11, anyio) takes ten times the CPU for a request, which was half
of what the operator used while a fleet changed.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeVar

import httpx2

CONNECTIONS: Final = 64
"""At a time; further requests wait for one."""
IDLE_SECONDS: Final = 60.0
"""After which an idle connection is not used again: the API server closes its side after some minutes."""
READ_SIZE: Final = 64 * 1024
MAX_HEAD: Final = 64 * 1024

CHUNKED: Final = -1

T = TypeVar("T")
SocketOption = tuple[int, int, int]
Headers = list[tuple[bytes, bytes]]


class _Connection:
    """One connection; `since` is when it became idle, in seconds of the loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.since = 0.0

    def usable(self, now: float) -> bool:
        """Whether neither side has ended it, and it was not idle for long."""
        if self.reader.at_eof() or self.writer.is_closing() or now - self.since >= IDLE_SECONDS:
            return False
        # What arrives unasked can only be the end, which a busy event loop has not seen yet.
        poll = select.poll()
        poll.register(self.writer.get_extra_info("socket"), select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """End it at once: an orderly end would wait for a peer that may be gone."""
        self.writer.transport.abort()


class StreamTransport(httpx2.AsyncBaseTransport):
    """Sends requests to one server over kept connections.

    Args:
        tls: how the server is proven; not used for http URLs.
        options: for each socket.
    """

    def __init__(self, *, tls: ssl.SSLContext, options: Sequence[SocketOption]) -> None:
        self._tls = tls
        self._options = options
        self._idle: list[_Connection] = []
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._open: set[_Connection] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return the answer's head; the body is read as it is asked for.

        Raises:
            httpx2.TransportError: no answer.
        """
        limits: dict[str, float | None] = request.extensions.get("timeout", {})
        body = await request.aread()
        await _within(self._free.acquire(), limits.get("pool"), httpx2.PoolTimeout, httpx2.PoolTimeout)
        connection: _Connection | None = None
        try:
            connection = await self._connect(request.url, limits.get("connect"))
            connection.writer.write(_head(request) + body)
            await _within(
                connection.writer.drain(), limits.get("write"), httpx2.WriteTimeout, httpx2.WriteError
            )
            status, headers = await _within(
                _answer(connection.reader), limits.get("read"), httpx2.ReadTimeout, httpx2.ReadError
            )
            length = _length(request.method, status, headers)
        except BaseException:
            self._release(connection, reusable=False)
            raise
        body_of = _Body(
            connection, length, keep=_kept(headers), seconds=limits.get("read"), release=self._release
        )
        return httpx2.Response(status, headers=headers, stream=body_of)

    async def aclose(self) -> None:
        """End all connections, those in use too."""
        self._idle.clear()
        for connection in tuple(self._open):
            connection.close()
        self._open.clear()

    async def _connect(self, url: httpx2.URL, seconds: float | None) -> _Connection:
        now = asyncio.get_running_loop().time()
        while self._idle:
            kept = self._idle.pop()
            if kept.usable(now):
                return kept
            self._discard(kept)
        secure = url.scheme == "https"
        opening = asyncio.open_connection(
            url.host, url.port or (443 if secure else 80), ssl=self._tls if secure else None, limit=MAX_HEAD
        )
        connection = _Connection(*await _within(opening, seconds, httpx2.ConnectTimeout, httpx2.ConnectError))
        self._open.add(connection)
        sock: socket.socket = connection.writer.get_extra_info("socket")
        for option in self._options:
            sock.setsockopt(*option)
        return connection

    def _release(self, connection: _Connection | None, *, reusable: bool) -> None:
        self._free.release()
        if connection is None:
            return
        if reusable and connection in self._open:
            connection.since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            self._discard(connection)

    def _discard(self, connection: _Connection) -> None:
        self._open.discard(connection)
        connection.close()


class _Body(httpx2.AsyncByteStream):
    """An answer's body. `aclose` gives the connection back: to be used again if all was read."""

    def __init__(
        self,
        connection: _Connection,
        length: int | None,
        *,
        keep: bool,
        seconds: float | None,
        release: Callable[..., None],
    ) -> None:
        self._connection = connection
        self._length = length
        self._keep = keep
        self._seconds = seconds
        self._release: Callable[..., None] | None = release
        self._complete = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._length == CHUNKED:
            async for part in self._chunks():
                yield part
        else:
            left = self._length
            while left is None or left > 0:
                part = await self._read(READ_SIZE if left is None else min(left, READ_SIZE))
                if not part and left is None:
                    break
                self._check(part)
                yield part
                left = None if left is None else left - len(part)
        self._complete = True

    async def aclose(self) -> None:
        """Give the connection back; only the first call counts."""
        release, self._release = self._release, None
        if release is not None:
            release(self._connection, reusable=self._complete and self._keep)

    async def _chunks(self) -> AsyncIterator[bytes]:
        buffer = bytearray()
        while True:
            parts, ended = _take_chunks(buffer)
            if parts:
                yield b"".join(parts)
            if ended:
                return
            part = await self._read(READ_SIZE)
            self._check(part)
            buffer += part

    async def _read(self, size: int) -> bytes:
        return await _within(
            self._connection.reader.read(size), self._seconds, httpx2.ReadTimeout, httpx2.ReadError
        )

    @staticmethod
    def _check(part: bytes) -> None:
        if not part:
            raise httpx2.RemoteProtocolError("the connection ended in the middle of an answer")


def _take_chunks(buffer: bytearray) -> tuple[list[bytes], bool]:
    """Take the complete chunks out of what was received; tell whether the last one was among them.

    Raises:
        httpx2.RemoteProtocolError: this is not a chunked body.
    """
    parts: list[bytes] = []
    while (end := buffer.find(b"\r\n")) >= 0:
        try:
            size = int(buffer[:end].partition(b";")[0], 16)
        except ValueError:
            size = -1
        if size < 0:
            raise httpx2.RemoteProtocolError("a chunk without a size")
        begin = end + 2
        if size == 0:
            # Behind the last chunk come trailers, nearly always none, and an empty line.
            return parts, buffer.startswith(b"\r\n", begin) or b"\r\n\r\n" in buffer[begin:]
        if len(buffer) < begin + size + 2:
            return parts, False
        parts.append(bytes(buffer[begin : begin + size]))
        del buffer[: begin + size + 2]
    if len(buffer) > MAX_HEAD:
        raise httpx2.RemoteProtocolError("a chunk without a size")
    return parts, False


def _head(request: httpx2.Request) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b" % pair for pair in request.headers.raw]
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise httpx2.LocalProtocolError("a header with a line break in it")
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def _answer(reader: asyncio.StreamReader) -> tuple[int, Headers]:
    """Read the head of an answer, after those that only announce one (1xx)."""
    while True:
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        except asyncio.IncompleteReadError as error:
            raise httpx2.RemoteProtocolError("the connection ended without an answer") from error
        except asyncio.LimitOverrunError as error:
            raise httpx2.RemoteProtocolError("the head of the answer does not end") from error
        words = first.split(b" ", 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():  # noqa: PLR2004  -- version and status
            raise httpx2.RemoteProtocolError("the answer is not HTTP/1.1")
        status = int(words[1])
        if status >= HTTPStatus.OK:
            return status, [_pair(line) for line in lines]


def _pair(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip(), value.strip()


def _length(method: str, status: int, headers: Headers) -> int | None:
    """Return how long the body is: CHUNKED when it says so itself, None when it lasts until the end."""
    if method == "HEAD" or status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        return 0
    found = {name.lower(): value for name, value in headers}
    if found.get(b"transfer-encoding", b"").lower() == b"chunked":
        return CHUNKED
    length = found.get(b"content-length")
    if length is not None and not length.isdigit():
        raise httpx2.RemoteProtocolError("a Content-Length that is no number")
    return int(length) if length is not None else None


def _kept(headers: Headers) -> bool:
    return not any(name.lower() == b"connection" and value.lower() == b"close" for name, value in headers)


async def _within(
    doing: Coroutine[Any, Any, T],
    seconds: float | None,
    late: type[httpx2.TransportError],
    broken: type[httpx2.TransportError],
) -> T:
    """Wait for so many seconds at most, and raise what httpx2's users expect."""
    try:
        async with asyncio.timeout(seconds):
            return await doing
    except TimeoutError as error:
        raise late(f"no answer within {seconds:g} s" if seconds else str(error)) from error
    except OSError as error:
        raise broken(str(error) or type(error).__name__) from error
