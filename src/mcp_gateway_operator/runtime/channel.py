"""One HTTP/1.1 connection to a server, and what it may send: parsed by llhttp (`httptools`), bounded here.

A connection carries one exchange at a time. Whatever is not the answer to what was asked ends it: bytes that
nobody asked for, bytes behind an answer, an answer that was not read to its end. So no answer can be taken
for that of another request.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import ssl
from http import HTTPStatus
from typing import Final

import httptools

MAX_HEAD: Final = 64 * 1024
"""Bytes that a server may send without a byte of a body among them: heads, and what stands around chunks."""
MAX_WAITING: Final = 256 * 1024
"""Bytes of a body that may wait for their reader; then nothing more is read from the server."""


class NoAnswerError(Exception):
    """The server gave no answer, or none that can be believed: the request may have taken effect.

    Attributes:
        reason: one word for programs.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def why(error: Exception) -> str:
    """Return in a few words why a connection cannot be made, or ended."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'no reason given').replace('_', ' ').lower()}"
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        # asyncio writes the address into the error, and not what is wrong with it.
        return os.strerror(error.errno)
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__


class Channel(asyncio.Protocol):
    """The protocol of one connection.

    Args:
        tunnel: the request will be a CONNECT, whose good answer has no body and no end.

    Attributes:
        since: when it became idle, in seconds of the loop.
        status: the answer's status code; 0 until its head is there.
        phrase: the words beside the code.
        headers: the answer's, with names in lower case; of those sent twice the last.
    """

    def __init__(self, *, tunnel: bool = False) -> None:
        self.since = 0.0
        self._is_tunnel = tunnel
        self._transport: asyncio.Transport | None = None
        self._asked = False
        self._paused = False
        self._broken: NoAnswerError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._begin()

    def _begin(self) -> None:
        self.status = 0
        self.phrase = ""
        self.headers: dict[str, str] = {}
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._waiting = 0
        self._barren = 0
        self._interim = False
        self._until_end = False
        self._complete = False
        self._kept = False
        self._more = False

    @property
    def transport(self) -> asyncio.Transport:
        """The transport under it.

        Raises:
            NoAnswerError: it has ended.
        """
        if self._transport is None:
            raise self._broken or NoAnswerError("ConnectionLost", "the connection ended")
        return self._transport

    @property
    def socket(self) -> socket.socket:
        """The socket under it."""
        found: socket.socket = self.transport.get_extra_info("socket")
        return found

    # What requests ask.

    def send(self, request: bytes) -> None:
        """Send a request; the answer to the one before must have been read."""
        self._begin()
        self._asked = True
        self.transport.write(request)

    async def head(self) -> None:
        """Wait for the answer's status and headers.

        Raises:
            NoAnswerError: they did not come, or are not HTTP/1.1.
        """
        while not self.status:
            self._check()
            await self._wait()

    async def part(self) -> bytes:
        """Return the next part of the body, as much as is there; nothing at its end.

        Raises:
            NoAnswerError: the body ended too early, or is not what its head said.
        """
        while not self._parts:
            if self._complete:
                return b""
            self._check()
            await self._wait()
        parts, self._parts, self._waiting = self._parts, [], 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent: the answer was read to its end, and nothing came behind it."""
        return (
            self._complete
            and self._kept
            and not (self._parts or self._more or self._until_end)
            and self._transport is not None
            and not self._transport.is_closing()
        )

    def released(self, now: float) -> None:
        """Note that nobody uses it: from here on the server has nothing to say."""
        self._asked = False
        self.since = now

    def quiet(self) -> bool:
        """Whether the other side has sent nothing, its end included, that the loop has not seen yet."""
        if self._transport is None or self._transport.is_closing():
            return False
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """End it at once: an orderly end would wait for a peer that may be gone."""
        if self._transport is not None:
            self._transport.abort()

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; a TLS one, once the handshake is over."""
        assert isinstance(transport, asyncio.Transport), "a stream"
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take in a part of the answer."""
        if not self._asked or self._complete or self._broken is not None:
            self._more = True
            self.close()
            return
        waiting = self._waiting
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # Behind a complete answer garbage takes nothing from the answer.
            self._more = True
            if not self._complete:
                self._break(_why_broken(error))
        self._barren = 0 if self._waiting > waiting else self._barren + len(data)
        if self._barren > MAX_HEAD and not self._complete:
            self._break(NoAnswerError("HeadTooLong", "the head of the answer does not end"))
        if self._waiting > MAX_WAITING and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end."""
        if self._until_end and exc is None:
            self._complete = True
        elif self._asked and not self._complete and self._broken is None:
            where = "in the middle of an answer" if self.status else "without an answer"
            words = f"the connection ended {where}{f': {why(exc)}' if exc else ''}"
            self._broken = NoAnswerError("ConnectionLost", words)
            self._broken.__cause__ = exc
        self._transport = None
        self._wake()

    # What the parser tells.

    def on_message_begin(self) -> None:
        """Note an answer behind the one asked for."""
        self._more = self._complete

    def on_status(self, phrase: bytes) -> None:
        """Take the words beside the status code."""
        self.phrase += phrase.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those behind a body (trailers) say nothing here."""
        if not self.status:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Decide how the body is read, if at all."""
        if self._complete:
            return
        status = self._parser.get_status_code()
        if status < HTTPStatus.CONTINUE or not self._parser.get_http_version().startswith("1."):
            raise NoAnswerError("NotHTTP", "the answer is not HTTP/1.1: no such status or version")
        self._interim = status < HTTPStatus.OK
        if self._interim:
            self.phrase, self.headers = "", {}
            return
        if self._is_tunnel and status < HTTPStatus.MULTIPLE_CHOICES:
            self.status, self._complete = status, True
            return
        encoding = self.headers.get("content-encoding", "identity").lower()
        transfer = self.headers.get("transfer-encoding", "chunked").lower()
        if encoding != "identity" or transfer != "chunked":
            raise NoAnswerError("Encoded", "the answer is compressed, which was not asked for")
        framed = "content-length" in self.headers or "transfer-encoding" in self.headers
        self._until_end = not framed and status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
        if self._until_end and status < HTTPStatus.MULTIPLE_CHOICES:
            raise NoAnswerError("NoLength", "the answer does not say where it ends, so it may be cut short")
        self.status = status

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body until it is read."""
        if not self._complete:
            self._parts.append(part)
            self._waiting += len(part)

    def on_message_complete(self) -> None:
        """Note the end of the answer; an interim one only announces it."""
        if not (self._interim or self._complete):
            self._complete = True
            self._kept = self._parser.should_keep_alive()

    # Between the two.

    def _check(self) -> None:
        if self._broken is not None:
            raise self._broken

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _break(self, error: NoAnswerError) -> None:
        self._broken = error
        self.close()


def _why_broken(error: Exception) -> NoAnswerError:
    """Return why an answer cannot be read: our own reason where a callback of ours had one."""
    if isinstance(error.__context__, NoAnswerError):
        return error.__context__
    if isinstance(error, httptools.HttpParserUpgrade):
        return NoAnswerError("NotHTTP", "the server wants to speak another protocol")
    return NoAnswerError("NotHTTP", f"the answer is not HTTP/1.1: {error}")
