"""HTTP/2 for uvicorn, which speaks HTTP/1.1 only: the `h2` library's state machine on uvicorn's connections.

Imported only where HTTP/2 was asked for. It is off by default as in controller-runtime, because a client can
make a server work for streams that it cancels at once (CVE-2023-44487), and scrapers need nothing it brings.
So everything a client can have many of is bounded here, and while it does not read, nothing is read from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import MutableMapping
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

import structlog
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from mcp_gateway_operator.runtime.http1 import BoundedProtocol, end

MAX_STREAMS: Final = 8
"""Requests at a time on one connection."""
MAX_REQUESTS: Final = 1000
"""Requests on one connection, cancelled ones too; then the client must connect again."""
IDLE_SECONDS: Final = 10.0
"""How long a connection without a request stays open."""
ANSWER_SECONDS: Final = 30.0
"""How long an answer takes at most, the client's reading included."""

log = structlog.get_logger(__name__)


class NegotiatedProtocol(asyncio.Protocol):
    """Begins every connection, and gives it to the protocol that the client chose by ALPN."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._http1 = partial(BoundedProtocol, config, server_state, app_state, _loop)
        self._http2 = partial(Http2Protocol, config, server_state)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Choose; over TLS the handshake is over by now."""
        assert isinstance(transport, asyncio.Transport), "a stream"
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        chosen = tls.selected_alpn_protocol() if tls is not None else None
        protocol: asyncio.Protocol = self._http2() if chosen == "h2" else self._http1()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


class Http2Protocol(asyncio.Protocol):
    """One HTTP/2 connection, for requests whose bodies nobody reads.

    Args:
        config: uvicorn's: the application and `h11_max_incomplete_event_size`, the bytes of a request's head.
        server_state: uvicorn's connections and tasks, for its orderly end.
    """

    def __init__(self, config: Config, server_state: ServerState) -> None:
        self._app = config.loaded_app
        self._max_head = config.h11_max_incomplete_event_size or 16 * 1024
        self._state = server_state
        self._h2 = H2Connection(config=H2Configuration(client_side=False, header_encoding=None))
        self._answers: dict[int, asyncio.Task[None]] = {}
        self._complete: dict[int, asyncio.Event] = {}
        self._requests = 0
        self._limit = config.limit_concurrency
        self._closing = False
        self._windows = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._idle: asyncio.TimerHandle | None = None

    # What the transport and uvicorn tell.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say what is allowed here."""
        assert isinstance(transport, asyncio.Transport), "a stream"
        self._transport = transport
        self._state.connections.add(self)  # type: ignore[arg-type]  # uvicorn knows its own protocols only
        if self._limit is not None and len(self._state.connections) > self._limit:
            transport.abort()
            return
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
                SettingCodes.MAX_HEADER_LIST_SIZE: self._max_head,
            },
        )
        self._h2.initiate_connection()
        self._flush()
        self._watch_idleness()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  -- asyncio's signature
        """Stop working for a client that is gone."""
        self._state.connections.discard(self)
        self._stop_idle_clock()
        for answer in self._answers.values():
            answer.cancel()

    def data_received(self, data: bytes) -> None:
        """Take frames in."""
        try:
            for event in self._h2.receive_data(data):
                self._handle(event)
        except ProtocolError:
            # The library has put the reason into what is to be sent.
            self._close()
            return
        self._flush()
        self._watch_idleness()

    def pause_writing(self) -> None:
        """Let a client that does not read ask for nothing more."""
        self._writable.clear()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on: the client reads again."""
        self._writable.set()
        self._transport.resume_reading()

    def shutdown(self) -> None:
        """End the connection when the answers under way have been sent (uvicorn's orderly end)."""
        self._closing = True
        self._watch_idleness()

    # Requests.

    def _handle(self, event: events.Event) -> None:
        if isinstance(event, events.RequestReceived):
            self._begin(event)
        elif isinstance(event, events.DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, events.StreamEnded):
            if complete := self._complete.get(event.stream_id):
                complete.set()
        elif isinstance(event, events.StreamReset):
            if answer := self._answers.get(event.stream_id):
                answer.cancel()
        elif isinstance(event, events.WindowUpdated | events.RemoteSettingsChanged):
            self._windows.set()
        elif isinstance(event, events.ConnectionTerminated):
            self._closing = True

    def _begin(self, event: events.RequestReceived) -> None:
        self._requests += 1
        if self._requests > MAX_REQUESTS:
            self._close()
            return
        if self._requests == MAX_REQUESTS:
            # The orderly way; but whoever always keeps a request under way does not get there.
            self._closing = True
        self._complete[event.stream_id] = asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._answer(event))
        self._answers[event.stream_id] = task
        self._state.tasks.add(task)
        task.add_done_callback(lambda task: self._ended(event.stream_id, task))

    async def _answer(self, event: events.RequestReceived) -> None:
        stream = event.stream_id
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._app(
                    self._scope(event),
                    _no_body,
                    lambda message: self._send(stream, message),
                )
                # Clients that are still sending a body do not all understand that its end is not wanted.
                await self._complete[stream].wait()
        except ProtocolError:
            # The client ended the stream meanwhile.
            return
        except TimeoutError:
            self._reset(stream, ErrorCodes.CANCEL)
        except Exception:
            log.exception("a request could not be answered")
            self._reset(stream, ErrorCodes.INTERNAL_ERROR)

    def _ended(self, stream: int, task: asyncio.Task[None]) -> None:
        self._state.tasks.discard(task)
        self._state.total_requests += 1
        del self._answers[stream], self._complete[stream]
        self._watch_idleness()

    def _scope(self, event: events.RequestReceived) -> MutableMapping[str, Any]:
        pairs = [(bytes(name), bytes(value)) for name, value in event.headers]
        pseudo = {name: value for name, value in pairs if name.startswith(b":")}
        raw_path, _, query = pseudo.get(b":path", b"").partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "2",
            "method": pseudo[b":method"].decode("latin-1"),
            "scheme": "https",
            "path": unquote(raw_path.decode("latin-1")),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": [(name, value) for name, value in pairs if not name.startswith(b":")],
            "server": get_local_addr(self._transport),
            "client": get_remote_addr(self._transport),
        }

    async def _send(self, stream: int, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            status = (b":status", str(message["status"]).encode())
            self._h2.send_headers(stream, [status, *self._state.default_headers, *message["headers"]])
        else:
            await self._send_body(stream, message.get("body", b""))
            if not message.get("more_body", False):
                self._h2.end_stream(stream)
        self._flush()

    async def _send_body(self, stream: int, body: bytes) -> None:
        rest = memoryview(body)
        while rest:
            await self._writable.wait()
            size = min(
                len(rest), self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size
            )
            if size <= 0:
                self._windows.clear()
                await self._windows.wait()
                continue
            self._h2.send_data(stream, bytes(rest[:size]))
            self._flush()
            rest = rest[size:]

    # The connection.

    def _reset(self, stream: int, code: ErrorCodes) -> None:
        """End a stream, unless both sides have ended it."""
        with contextlib.suppress(ProtocolError):
            self._h2.reset_stream(stream, code)
        self._flush()

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._transport.write(data)

    def _watch_idleness(self) -> None:
        """Close a connection that is to end, or that was idle for long, once nothing is under way."""
        self._stop_idle_clock()
        if self._answers:
            return
        if self._closing:
            self._close()
        else:
            self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close)

    def _stop_idle_clock(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _close(self) -> None:
        if self._transport.is_closing():
            return
        with contextlib.suppress(ProtocolError):
            self._h2.close_connection()
        self._flush()
        end(self._transport)


async def _no_body() -> MutableMapping[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}
