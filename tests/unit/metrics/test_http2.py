"""The HTTP/2 protocol against clients that are wrong, slow or hostile, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from uvicorn.server import ServerState

from mcp_gateway_operator.runtime.http2 import IDLE_SECONDS, MAX_REQUESTS, MAX_STREAMS, Http2Protocol
from tests.support.virtual_time import run_virtual, settle

REQUEST = [(":method", "GET"), (":path", "/metrics?x=1"), (":scheme", "https"), (":authority", "localhost")]
BODY = b"passes_total 1.0\n" * 100


async def answer(scope: Any, _receive: Any, send: Any) -> None:
    """Answer at once, or after a minute on `/slow`."""
    assert scope["http_version"] == "2"
    if scope["path"] == "/slow":
        await asyncio.sleep(20)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-path", scope["raw_path"])]})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else BODY})


class Wire(asyncio.Transport):
    """The server's end of a connection, and the client that speaks over it."""

    def __init__(self) -> None:
        super().__init__()
        self.state = ServerState()
        config = uvicorn.Config(answer, log_config=None, lifespan="off")
        config.load()
        self.protocol = Http2Protocol(config, self.state)
        self.client = H2Connection()
        self.closed = False
        self.reading = True
        self.sent = bytearray()
        self.protocol.connection_made(self)

    def write(self, data: Any) -> None:
        """Keep what the server says."""
        assert not self.closed, "written to a closed connection"
        self.sent += data

    def close(self) -> None:
        """End the connection."""
        self.closed = True
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        """End the connection at once."""
        self.closed = True

    def is_closing(self) -> bool:
        """Tell whether it ended."""
        return self.closed

    def is_reading(self) -> bool:
        """Tell whether the server reads."""
        return self.reading

    def pause_reading(self) -> None:
        """Note it."""
        self.reading = False

    def resume_reading(self) -> None:
        """Note it."""
        self.reading = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ARG002  -- the base's signature
        """There is no address and no TLS."""
        return default

    def ask(self, stream: int, path: str = "/metrics", *, method: str = "GET", end: bool = True) -> None:
        """Let the client send a request's head."""
        headers = [*REQUEST[2:], (":method", method), (":path", path)]
        self.client.send_headers(stream, headers, end_stream=end)
        self.pass_on()

    def pass_on(self) -> None:
        """Bring what the client has to say to the server."""
        data = self.client.data_to_send()
        if data and not self.closed:
            self.protocol.data_received(data)

    async def hear(self) -> list[Event]:
        """Let the server work, and bring what it says to the client."""
        await settle()
        data, self.sent = bytes(self.sent), bytearray()
        events = self.client.receive_data(data) if data else []
        for event in events:
            if isinstance(event, DataReceived):
                self.client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.pass_on()
        return events


def wire() -> Wire:
    made = Wire()
    made.client.initiate_connection()
    made.pass_on()
    return made


def bodies(events: list[Event]) -> dict[int, bytes]:
    """Return what was received of each stream."""
    found: dict[int, bytes] = {}
    for event in events:
        if isinstance(event, DataReceived):
            found[event.stream_id] = found.get(event.stream_id, b"") + event.data
    return found


async def test_a_request_is_answered_and_its_stream_ended() -> None:
    connection = wire()
    connection.ask(1)
    events = await connection.hear()
    (head,) = [event for event in events if isinstance(event, ResponseReceived)]
    assert dict(head.headers)[b":status"] == b"200"
    assert dict(head.headers)[b"x-path"] == b"/metrics"
    assert bodies(events) == {1: BODY}
    assert [event.stream_id for event in events if isinstance(event, StreamEnded)] == [1]


async def test_head_has_no_body() -> None:
    connection = wire()
    connection.ask(1, method="HEAD")
    assert set(bodies(await connection.hear()).values()) <= {b""}


async def test_the_answer_does_not_wait_for_the_body_of_the_request() -> None:
    connection = wire()
    connection.ask(1, method="POST", end=False)
    assert bodies(await connection.hear()) == {1: BODY}
    connection.client.send_data(1, b"late", end_stream=True)
    connection.pass_on()
    connection.ask(3)
    assert bodies(await connection.hear()) == {3: BODY}


async def test_a_body_that_never_ends_is_cut_off() -> None:
    connection = wire()
    connection.ask(1, method="POST", end=False)
    await connection.hear()
    await asyncio.sleep(60)
    events = await connection.hear()
    assert any(isinstance(event, StreamReset) for event in events)


async def test_a_connection_without_requests_ends_and_one_with_a_request_does_not() -> None:
    idle, busy = wire(), wire()
    busy.ask(1, "/slow")
    await asyncio.sleep(IDLE_SECONDS + 1)
    assert idle.closed
    assert not busy.closed
    await asyncio.sleep(10)
    assert bodies(await busy.hear()) == {1: BODY}


async def test_the_orderly_end_lets_answers_finish() -> None:
    connection = wire()
    connection.ask(1, "/slow")
    await settle()
    connection.protocol.shutdown()
    assert not connection.is_closing()
    await asyncio.sleep(21)
    events = await connection.hear()
    assert bodies(events) == {1: BODY}
    assert any(isinstance(event, ConnectionTerminated) for event in events)
    assert connection.is_closing()


async def test_the_orderly_end_of_an_idle_connection_is_immediate() -> None:
    connection = wire()
    connection.protocol.shutdown()
    assert connection.is_closing()


async def test_requests_on_a_connection_are_counted_even_while_one_is_always_under_way() -> None:
    connection = wire()
    connection.ask(1, "/slow")
    for number in range(1, MAX_REQUESTS + 1):
        if connection.closed:
            break
        connection.ask(2 * number + 1)
        await connection.hear()
    assert connection.is_closing()
    await settle()
    assert not connection.state.tasks
    assert not connection.state.connections


async def test_a_client_that_goes_leaves_nothing_behind() -> None:
    connection = wire()
    for number in range(MAX_STREAMS):
        connection.ask(2 * number + 1, "/slow")
    await settle()
    assert len(connection.state.tasks) == MAX_STREAMS
    connection.closed = True
    connection.protocol.connection_lost(None)
    await settle()
    assert not connection.state.tasks
    assert not connection.state.connections


async def test_nothing_is_read_from_a_client_that_does_not_read() -> None:
    connection = wire()
    connection.protocol.pause_writing()
    assert not connection.is_reading()
    connection.ask(1)
    events = await connection.hear()
    assert bodies(events) == {}
    connection.protocol.resume_writing()
    assert connection.is_reading()
    assert bodies(await connection.hear()) == {1: BODY}


def _valid_traffic() -> bytes:
    client = H2Connection()
    client.initiate_connection()
    for stream in (1, 3, 5):
        client.send_headers(stream, REQUEST, end_stream=stream != 3)
    client.send_data(3, b"body")
    client.increment_flow_control_window(1000)
    client.ping(b"12345678")
    client.reset_stream(3)
    client.update_settings({})
    return client.data_to_send()


TRAFFIC = _valid_traffic()
_MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, len(TRAFFIC) - 1), st.sampled_from(["set", "drop", "insert"]), st.binary(max_size=9)
    ),
    max_size=6,
)


@given(mutations=_MUTATIONS, cuts=st.lists(st.integers(1, 60), min_size=1, max_size=30))
@settings(deadline=None, max_examples=300)
def test_whatever_a_client_sends_nothing_breaks_and_nothing_stays(
    mutations: list[tuple[int, str, bytes]], cuts: list[int]
) -> None:
    data = bytearray(TRAFFIC)
    for position, kind, new in mutations:
        end = position + (len(new) if kind == "set" else 3 if kind == "drop" else 0)
        data[position:end] = b"" if kind == "drop" else new

    async def run() -> None:
        connection = Wire()
        for chunk in _chunks(bytes(data), cuts):
            if connection.closed:
                break
            connection.protocol.data_received(chunk)
            await settle(3)
        await asyncio.sleep(120)
        assert connection.is_closing()
        assert not connection.state.tasks
        assert not connection.state.connections

    with capture_logs() as logs:
        run_virtual(run())
    assert logs == []


def _chunks(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    position = number = 0
    while position < len(data):
        size = cuts[number % len(cuts)]
        yield data[position : position + size]
        position += size
        number += 1


@pytest.mark.parametrize("path", ["", "*", "/%ff%00", "//metrics", "/metrics?" + "x" * 1000])
async def test_strange_paths_are_answered_or_refused(path: str) -> None:
    connection = wire()
    raw = [*REQUEST[2:], (":method", "GET"), (":path", path)]
    connection.client.config.validate_outbound_headers = False
    connection.client.send_headers(1, raw, end_stream=True)
    connection.pass_on()
    events = await connection.hear()
    assert any(isinstance(event, ResponseReceived | ConnectionTerminated | StreamReset) for event in events)
