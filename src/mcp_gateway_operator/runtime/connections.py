"""Kept connections to one server, directly or through a proxy, and the exchanges on them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from mcp_gateway_operator.runtime.channel import Channel, NoAnswerError, why
from mcp_gateway_operator.runtime.proxies import Proxy

CONNECTIONS: Final = 64
"""At a time; further requests wait for one, within the time that they have."""
IDLE_SECONDS: Final = 60.0
"""After which an idle connection is not used again: the API server closes its side after some minutes."""
CONNECT_SECONDS: Final = 5.0
"""For opening one, handshakes included; through a proxy for each of the two ways."""
_OPTIONS: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    # The kernel notices within half a minute that the other side of an idle watch is gone, and soon after it
    # is back and knows nothing of it; what is not confirmed for ten seconds ends a connection.
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (
            ("TCP_KEEPIDLE", 10),
            ("TCP_KEEPINTVL", 5),
            ("TCP_KEEPCNT", 4),
            ("TCP_USER_TIMEOUT", 10_000),
        )
        if hasattr(socket, name)
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where requests go.

    Attributes:
        host: name or address to connect to.
        port: its port.
        tls: how the server is proven; None for plain HTTP.
        tls_name: the name its certificate must have.
        proxy: through which it is reached; None for directly.
        proxy_tls: how the proxy is proven; None where it is spoken to in the clear.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    tls_name: str = ""
    proxy: Proxy | None = None
    proxy_tls: ssl.SSLContext | None = None

    @property
    def authority(self) -> str:
        """Host and port as requests name them; the scheme's own port is left out."""
        host = _bracketed(self.host)
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class Connections:
    """Sends requests to one server.

    Args:
        server: the server.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self._idle: list[Channel] = []
        self._open: set[Channel] = set()
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._retired = False

    @contextlib.asynccontextmanager
    async def exchange(
        self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes = b""
    ) -> AsyncIterator[Channel]:
        """Send a request and give the connection on which its answer comes, for as long as the context lasts.

        An answer that was not read to its end then costs the connection.

        Raises:
            NoAnswerError: there is no connection, or what the body of the context raised; it names the proxy.
        """
        await self._free.acquire()
        channel: Channel | None = None
        try:
            channel = await self._channel()
            channel.send(self._head(method, path, headers, body) + body)
            yield channel
        except NoAnswerError as error:
            raise self._through(error) from error.__cause__
        finally:
            self._release(channel)

    def retire(self) -> None:
        """End every connection as soon as it is not in use: others take its place."""
        self._retired = True
        while self._idle:
            self._discard(self._idle.pop())

    def close(self) -> None:
        """End all connections, those in use too."""
        self.retire()
        for channel in tuple(self._open):
            self._discard(channel)

    async def _channel(self) -> Channel:
        now = asyncio.get_running_loop().time()
        while self._idle:
            channel = self._idle.pop()
            if now - channel.since < IDLE_SECONDS and channel.quiet():
                return channel
            self._discard(channel)
        channel = await connect(self.server)
        self._open.add(channel)
        return channel

    def _release(self, channel: Channel | None) -> None:
        self._free.release()
        if channel is None:
            return
        now = asyncio.get_running_loop().time()
        while self._idle and now - self._idle[0].since >= IDLE_SECONDS:
            self._discard(self._idle.pop(0))
        if channel.reusable and channel in self._open and not self._retired:
            channel.released(now)
            self._idle.append(channel)
        else:
            self._discard(channel)

    def _discard(self, channel: Channel) -> None:
        self._open.discard(channel)
        channel.close()

    def _through(self, error: NoAnswerError) -> NoAnswerError:
        proxy = self.server.proxy
        return NoAnswerError(error.reason, f"{error} (through the proxy {proxy})") if proxy else error

    def _head(self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
        server = self.server
        sent = [("Host", server.authority), *headers]
        if server.tls is None and server.proxy is not None:
            path = f"http://{server.authority}{path}"
            sent += _login(server.proxy)
        if body or method in ("POST", "PUT", "PATCH"):
            sent.append(("Content-Length", str(len(body))))
        return _encoded(f"{method} {path} HTTP/1.1", sent)


async def connect(server: Server) -> Channel:
    """Open a connection.

    Raises:
        NoAnswerError: it cannot be opened; an `ssl.SSLError` is its cause where TLS failed.
    """
    proxy = server.proxy
    if proxy is None:
        return await _dial(server.host, server.port, server.tls, server.tls_name)
    gate = await _dial(proxy.host, proxy.port, server.proxy_tls, proxy.host, tunnel=server.tls is not None)
    if server.tls is None:
        # Without TLS there is no tunnel: the proxy reads the requests itself.
        return gate
    try:
        return await _tunnel(gate, server, server.tls, proxy)
    except BaseException:
        gate.close()
        raise


async def _dial(
    host: str, port: int, tls: ssl.SSLContext | None, name: str, *, tunnel: bool = False
) -> Channel:
    loop = asyncio.get_running_loop()
    async with _opening(f"{host}:{port}"):
        _, channel = await loop.create_connection(
            lambda: Channel(tunnel=tunnel), host, port, ssl=tls, server_hostname=name if tls else None
        )
    for option in _OPTIONS:
        channel.socket.setsockopt(*option)
    return channel


async def _tunnel(gate: Channel, server: Server, tls: ssl.SSLContext, proxy: Proxy) -> Channel:
    target = f"{_bracketed(server.host)}:{server.port}"
    async with _opening(target):
        gate.send(_encoded(f"CONNECT {target} HTTP/1.1", [("Host", target), *_login(proxy)]))
        await gate.head()
        if gate.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            raise NoAnswerError(
                "ProxyRefused", "the proxy wants a user and a password: put the right ones into its address"
            )
        if gate.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise NoAnswerError(
                "ProxyRefused", f"the proxy does not connect to {target}: {gate.status} {gate.phrase}"
            )
        channel = Channel()
        transport = await asyncio.get_running_loop().start_tls(
            gate.transport, channel, tls, server_hostname=server.tls_name
        )
        assert transport is not None, "only a closed one gives none, and that raises"
        channel.connection_made(transport)
        return channel


@contextlib.asynccontextmanager
async def _opening(target: str) -> AsyncIterator[None]:
    """Bound the time, and say what could not be reached and why."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            yield
    except TimeoutError as error:
        raise NoAnswerError(
            "ConnectTimeout", f"{target} did not accept a connection within {CONNECT_SECONDS:g} s"
        ) from error
    except (OSError, UnicodeError) as error:
        raise NoAnswerError("ConnectError", f"{target} cannot be reached: {why(error)}") from error


def _encoded(first: str, headers: Sequence[tuple[str, str]]) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    if any(not line.isprintable() for line in lines):
        raise NoAnswerError("NotSent", "a header would have a line break or another control character in it")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _login(proxy: Proxy) -> list[tuple[str, str]]:
    if not proxy.user:
        return []
    secret = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
    return [("Proxy-Authorization", f"Basic {secret}")]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
