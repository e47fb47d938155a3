"""HTTP/2 beside HTTP/1.1 over one TLS port. uvicorn speaks HTTP/1.1 only, so hypercorn serves here.

Imported only where HTTP/2 was asked for. It is off by default as in controller-runtime: a client can make a
server work for streams that it cancels at once (CVE-2023-44487), and scrapers need nothing that it brings.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from hypercorn.asyncio import serve
from hypercorn.config import Config, Sockets

from mcp_gateway_operator.runtime.http import STOP_TIMEOUT, ASGIApp, BindAddress

MAX_STREAMS: Final = 8
"""Requests at a time on one connection."""
MAX_REQUESTS: Final = 1000
"""Requests on one connection, cancelled ones too; then the client must connect again."""
HANDSHAKE_SECONDS: Final = 10.0
BODY_SECONDS: Final = 10.0
"""How long a request's body, which nobody reads, is taken in before the answer."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Http2Server:
    """Serves one ASGI application over TLS, with the interface of `HttpServer`.

    Args:
        app: the application.
        address: where to listen.
        tls: a context that offers `h2` and `http/1.1` by ALPN.
        max_head: bytes of a request's head.
    """

    def __init__(self, app: ASGIApp, address: BindAddress, *, tls: ssl.SSLContext, max_head: int) -> None:
        self._app = app
        self._address = address
        self._tls = tls
        self._max_head = max_head
        self._stop = asyncio.Event()
        self.port = 0
        """The port bound; 0 while not serving."""
        self.bound = asyncio.Event()
        """Set when connections are accepted."""

    async def run(self) -> None:
        """Serve until `close` or cancellation.

        Raises:
            ServerError: the address cannot be bound.
        """
        with self._address.bind() as listener:
            listener.setblocking(False)
            self.port = listener.getsockname()[1]
            self.bound.set()
            try:
                await serve(
                    _adapted(self._app),  # type: ignore[arg-type]  # hypercorn types scopes as TypedDicts
                    self._config(listener),
                    shutdown_trigger=self._stop.wait,
                    mode="asgi",
                )
            finally:
                self.port = 0
                self.bound.clear()

    def close(self) -> None:
        """Stop serving; `run` then returns."""
        self._stop.set()

    def _config(self, listener: socket.socket) -> Config:
        config = _Config(listener, self._tls)
        config.accesslog = None
        config.errorlog = logging.getLogger("hypercorn.error")
        config.include_server_header = False
        config.h11_max_incomplete_size = self._max_head
        config.h2_max_header_list_size = self._max_head
        config.h2_max_concurrent_streams = MAX_STREAMS
        config.keep_alive_max_requests = MAX_REQUESTS
        config.ssl_handshake_timeout = HANDSHAKE_SECONDS
        config.graceful_timeout = STOP_TIMEOUT
        return config


class _Config(Config):
    """Hypercorn's configuration, with a socket and a TLS context of ours: its own come from file names."""

    def __init__(self, listener: socket.socket, tls: ssl.SSLContext) -> None:
        self._listener = listener
        self._tls = tls

    @property
    def ssl_enabled(self) -> bool:
        return True

    def create_ssl_context(self) -> ssl.SSLContext:
        return self._tls

    def create_sockets(self) -> Sockets:
        return Sockets([self._listener], [], [])


def _adapted(app: ASGIApp) -> ASGIApp:
    """Keep from the application what it does not know: start and end of the server, WebSockets, bodies."""

    async def adapted(
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] == "http":
            await _drain(receive)
            await app(scope, receive, send)
        elif scope["type"] == "lifespan":
            for _ in range(2):
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
        else:
            await send({"type": "websocket.close"})

    return adapted


async def _drain(receive: Receive) -> None:
    """Take a body in: hypercorn 0.18 drops the connection when one goes on after the answer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BODY_SECONDS):
            while (await receive()).get("more_body", False):
                pass
