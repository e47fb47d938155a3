"""An HTTP proxy on loopback: tunnels for CONNECT, and requests for http URLs passed on."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class ConnectProxy:
    """The proxy, and what it was asked.

    Attributes:
        answer: what a CONNECT gets; one that begins with 200 opens the tunnel.
        asked: the first line of each request, and its headers in lower case.
        url: its address.
        upstream: where tunnels lead, whatever is asked for; None for where it is asked for.
    """

    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    upstream: tuple[str, int] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            line, *fields = head.decode().strip().split("\r\n")
            self.asked.append((line, dict(each.lower().split(": ", 1) for each in fields)))
            method, target, _ = line.split()
            address = urlsplit(f"//{target}" if method == "CONNECT" else target)
            if method == "CONNECT":
                writer.write(self.answer)
                await writer.drain()
                if b" 200 " not in self.answer:
                    return
            host, port = self.upstream or (address.hostname, address.port)
            upstream = await asyncio.open_connection(host, port)
            if method != "CONNECT":
                upstream[1].write(head.replace(target.encode(), address.path.encode(), 1))
            try:
                await asyncio.gather(_pass(reader, upstream[1]), _pass(upstream[0], writer))
            finally:
                upstream[1].transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def proxying(proxy: ConnectProxy, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[ConnectProxy]:
    """Run a proxy."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "the server made one"
        tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await proxy.serve(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    async with server:
        proxy.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield proxy
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
