"""A server's end of one TCP connection, plain or TLS, as coroutines.

asyncio's own TLS sets 256 KiB aside for each connection the moment it is accepted. Here OpenSSL works on the
socket itself, and not before the other side has said something.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

CHUNK: Final = 16 * 1024
"""Bytes read at a time: what a TLS record holds at most."""
LAST_CHUNKS: Final = 64
"""Of what comes after the last answer."""


class Wire:
    """Reads, writes and closes. Every method may raise OSError, of which ssl.SSLError is one.

    Args:
        sock: an accepted connection; this object closes it.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock

    async def readable(self) -> None:
        """Wait until the other side has said something, or has ended: a silent one costs just its socket."""
        await _ready(self._sock, write=False)

    async def secure(self, context: ssl.SSLContext) -> None:
        """Shake hands: from here on everything is encrypted."""
        secured = context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
        self._sock = secured
        try:
            await reading(secured, secured.do_handshake)
        except ssl.SSLError:
            # So that whoever speaks plain HTTP by mistake gets the alert instead of a reset.
            await self.part()
            raise

    async def receive(self) -> bytes:
        """Return what has come, nothing at the end."""
        return await reading(self._sock, self._sock.recv, CHUNK)

    async def send(self, data: bytes) -> None:
        """Hand everything over to the kernel, at the pace at which the other side takes it."""
        rest = memoryview(data)
        while rest:
            rest = rest[await writing(self._sock, self._sock.send, rest) :]

    async def part(self) -> None:
        """Say that nothing more will come, and read on until the other side ends, or has sent too much.

        A socket that is closed with something unread resets the connection, and the last answer may be lost.
        """
        if isinstance(self._sock, ssl.SSLSocket):
            with contextlib.suppress(OSError):
                self._sock.unwrap()  # sends the alert; it does not wait for theirs
        self._sock.shutdown(socket.SHUT_WR)
        for _ in range(LAST_CHUNKS):
            if not await self.receive():
                return
            # What is there already is read without a wait, in which others would have their turn.
            await asyncio.sleep(0)

    def close(self) -> None:
        """Close at once; the other side sees an end or a reset."""
        self._sock.close()


async def reading(sock: socket.socket, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Repeat a step that does not block, and reads, until it has something to return."""
    while True:
        try:
            return step(*args, **kwargs)
        except (BlockingIOError, ssl.SSLWantReadError):
            await _ready(sock, write=False)
        except ssl.SSLWantWriteError:
            await _ready(sock, write=True)


async def writing(sock: socket.socket, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Repeat a step that does not block, and writes, until it has something to return."""
    while True:
        try:
            return step(*args, **kwargs)
        except (BlockingIOError, ssl.SSLWantWriteError):
            await _ready(sock, write=True)
        except ssl.SSLWantReadError:
            await _ready(sock, write=False)


async def _ready(sock: socket.socket, *, write: bool) -> None:
    """Wait until a socket can be read, or written to."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    number = sock.fileno()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    add(number, tell)
    try:
        await ready
    finally:
        remove(number)
