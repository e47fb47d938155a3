"""A small HTTP server in this process's event loop: for health probes and metrics.

uvicorn is imported when a server starts, so a process that serves nothing does not pay for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

ASGIApp = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]

MAX_HEAD = 16 * 1024
"""Bytes of a request's head: a token of a ServiceAccount has about 1 KiB, one with many groups ten times."""
MAX_CONNECTIONS = 64
"""Connections above this are told to come back."""
STOP_TIMEOUT = 2
"""Seconds that open connections get when the server stops."""
MAX_PORT = 65535


class ServerError(Exception):
    """The server cannot start; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class BindAddress:
    """Where to listen, in controller-runtime's notation; a port of 0 takes any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> BindAddress | None:
        """Parse ":8081" (all addresses), "127.0.0.1:0", "[::1]:8081"; "0" and "" mean off, None.

        Raises:
            ValueError: the text is none of these.
        """
        if text in ("", "0"):
            return None
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > MAX_PORT:
            raise ValueError(
                f'{text!r} is not an address to listen on: write ":8081", "127.0.0.1:8081" or "0".'
            )
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    def bind(self) -> socket.socket:
        """Return a listening socket; an empty host takes IPv6 and IPv4 alike where the machine has both.

        Raises:
            ServerError: the address is taken or is not this machine's.
        """
        dual = not self.host and socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual or ":" in self.host else socket.AF_INET
        try:
            listener = socket.create_server(
                (self.host, self.port), family=family, dualstack_ipv6=dual, backlog=128
            )
        except OSError as error:
            raise ServerError(f"Cannot listen on {self.host}:{self.port}: {error.strerror}.") from None
        # Connections inherit it; asyncio sets it only on sockets that were made with their protocol's number.
        # Without it a body that follows its head waits 40 ms for the client's delayed acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener


class Server(Protocol):
    """What a manager runs beside the controller."""

    async def run(self) -> None:
        """Serve until `close` or cancellation; raises ServerError when the address cannot be bound."""

    def close(self) -> None:
        """Stop serving; `run` then returns."""


class HttpServer:
    """Serves one ASGI application. Make it before the event loop is busy: it loads uvicorn.

    Args:
        app: the application.
        address: where to listen.
        tls: the certificate to serve with; None for plain HTTP.
    """

    def __init__(self, app: ASGIApp, address: BindAddress, *, tls: ssl.SSLContext | None = None) -> None:
        import uvicorn  # noqa: PLC0415  -- 16 MB that only a serving process needs

        from mcp_gateway_operator.runtime.http1 import BoundedProtocol  # noqa: PLC0415  -- it is uvicorn's

        class Server(uvicorn.Server):
            """Leaves the signals to the process, and says when it accepts connections."""

            capture_signals = contextlib.nullcontext  # type: ignore[assignment]  # theirs would take SIGTERM

            async def startup(this, sockets: list[socket.socket] | None = None) -> None:  # noqa: N805  -- self is the outer
                await super().startup(sockets)
                self.bound.set()

        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=STOP_TIMEOUT,
            ssl_context_factory=(lambda _config, _default: tls) if tls else None,
            http=BoundedProtocol,
            ws="none",
            limit_concurrency=MAX_CONNECTIONS,
            h11_max_incomplete_event_size=MAX_HEAD,
        )
        config.load()
        self._server = Server(config)
        self._address = address
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
            self.port = listener.getsockname()[1]
            try:
                await self._server.serve([listener])
            finally:
                self.port = 0
                self.bound.clear()

    def close(self) -> None:
        """Stop serving; `run` then returns."""
        self._server.should_exit = True
