"""The engine behind HTTP: a plain ASGI application, and the protocol that lets it drop connections."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from agentcore_simulator.admin import ADMIN_PREFIX
from agentcore_simulator.engine import Engine
from agentcore_simulator.messages import Request, Response
from agentcore_simulator.protocol import MAX_BODY
from agentcore_simulator.wire.admin_guard import AdminGuard, Refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_log = logging.getLogger(__name__)

REQUEST_SECONDS = 30.0
"""How long a client may take to send one request, head and body."""
MAX_HEAD = 64 * 1024
"""Largest request line and headers in bytes."""


class Application:
    """ASGI application over an engine. All requests run on one event loop, so the engine needs no lock."""

    def __init__(self, engine: Engine, guard: AdminGuard) -> None:
        self._engine = engine
        self._guard = guard

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request; lifespan events are not needed."""
        if scope["type"] != "http":
            return
        body = await _body(receive)
        if body is None:
            return
        request = Request(
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body=body,
        )
        try:
            if request.path.startswith(ADMIN_PREFIX):
                # As they came: `request.headers` has the last one of each name.
                given = [
                    (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
                ]
                self._guard.check(request.method, request.path, given, has_body=bool(body))
            response = self._engine.handle(request)
        except Refusal as refusal:
            response = _refused(refusal)
        except Exception:  # noqa: BLE001  -- the caller gets an answer and the server lives on
            _log.exception("The simulator failed on %s %s", request.method, request.path)
            response = _internal_error()
        if response.delay:
            await asyncio.sleep(response.delay)
        if response.effect == "answer":
            await _send(response, send)
        else:
            await _lose(response, scope, receive)


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when the client went away. A large one is cut one byte past the limit."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        if size <= MAX_BODY:
            chunks.append(chunk[: MAX_BODY + 1 - size])
        size += len(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


async def _send(response: Response, send: Send) -> None:
    headers = [(name.encode(), value.encode()) for name, value in response.headers.items()]
    if response.status != 204:  # noqa: PLR2004  -- No Content has no length either
        headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _lose(response: Response, scope: MutableMapping[str, Any], receive: Receive) -> None:
    """Let the caller see no answer: hang until it goes, close the connection, or reset it."""
    transport: asyncio.Transport = scope["state"]["transport"]
    if response.effect == "close":
        transport.close()
    elif response.effect == "reset":
        _reset(transport)
    while (await receive())["type"] != "http.disconnect":
        pass


def _reset(transport: asyncio.Transport) -> None:
    # With SO_LINGER at zero the kernel sends RST instead of FIN, so the caller sees a reset and not an end.
    connection = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _refused(refusal: Refusal) -> Response:
    body = msgspec.json.encode({"message": str(refusal)})
    return Response(refusal.status, {"content-type": "application/json"}, body)


def _internal_error() -> Response:
    return Response(
        500,
        {"content-type": "application/json", "x-amzn-errortype": "InternalServerException"},
        b'{"message":"The simulator failed; its standard error says how."}',
    )


class SimulatorProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the transport in reach of the application, and bounds on requests."""

    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Start the clock of the first request."""
        super().connection_made(transport)
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless the head of the request is too large."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD:
            self.send_400_response("The request head is too large.")

    def on_message_begin(self) -> None:
        """A request begins: it has to be complete in time."""
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport
        self._start_deadline()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete: from here on it may take as long as it likes."""
        self._stop_deadline()
        self._in_head = True
        self._head_bytes = 0
        super().on_message_complete()

    def _start_deadline(self) -> None:
        self._stop_deadline()
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._too_slow)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        self.transport.close()
