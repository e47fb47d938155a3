"""Whatever arrives on the port gets a modelled error or a clean close, and the server goes on."""

from __future__ import annotations

import socket

import pytest

from agentcore_simulator import SimulatorServer
from agentcore_simulator.wire import asgi

from .conftest import GATEWAY, client

SCOPE = "AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/bedrock-agentcore/aws4_request, Signature=0"


def exchange(simulator: SimulatorServer, raw: bytes, *, end: bool = False) -> bytes:
    """What the server answers to raw bytes until it closes the connection, or the answer is complete."""
    port = int(simulator.url.rsplit(":", 1)[1])
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall(raw)
            if end:
                connection.shutdown(socket.SHUT_WR)
            while not complete(received):
                chunk = connection.recv(65536)
                if not chunk:
                    break
                received += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
    return received


def complete(received: bytes) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(found and lengths) and len(body) >= int(lengths[0].split(b":")[1])


def post(body: bytes, *, path: str = f"/gateways/{GATEWAY}/targets/") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {SCOPE}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.fixture
def alive(simulator: SimulatorServer, capfd: pytest.CaptureFixture[str]) -> SimulatorServer:
    """A simulator that must answer before and after, and print nothing."""
    simulator.admin.health()
    capfd.readouterr()
    return simulator


@pytest.fixture(autouse=True)
def still_alive(alive: SimulatorServer, capfd: pytest.CaptureFixture[str]) -> object:
    """Check, after each test, that the server is unharmed and quiet."""
    yield
    assert client(alive.url).list_gateways()["items"]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "body",
    [b"{", b"\x00\x01", b"[" * 1_000_000, b'{"a":' * 200_000, b'{"name":"\xff"}', b"null", b'{"name":1e999}'],
)
def test_broken_bodies(alive: SimulatorServer, body: bytes) -> None:
    answer = exchange(alive, post(body))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"x-amzn-errortype: ValidationException" in answer


def test_a_body_that_is_too_large(alive: SimulatorServer) -> None:
    answer = exchange(alive, post(b" " * (3 * 1024 * 1024)))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"ValidationException" in answer


def test_unknown_paths(alive: SimulatorServer) -> None:
    for path in ("/", "/%00", "/gateways/../../etc/passwd", "//", "/%ff%fe", "/a" * 1000):
        assert exchange(alive, post(b"", path=path))[:13] in {b"HTTP/1.1 404 ", b"HTTP/1.1 400 "}


def test_http_1_0_is_answered_and_closed(alive: SimulatorServer) -> None:
    request = f"GET /gateways/ HTTP/1.0\r\nauthorization: {SCOPE}\r\n\r\n".encode()
    answer = exchange(alive, request)
    assert b" 200 " in answer.split(b"\r\n")[0]
    assert GATEWAY.encode() in answer


@pytest.mark.parametrize(
    "raw", [b"\x16\x03\x01\x02\x00\x01", b"HELLO\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 10]
)
def test_what_is_no_http(alive: SimulatorServer, raw: bytes) -> None:
    answer = exchange(alive, raw, end=True)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


def test_a_head_without_end(alive: SimulatorServer) -> None:
    raw = b"GET / HTTP/1.1\r\n" + b"x-filler: " + b"y" * (1024 * 1024)
    answer = exchange(alive, raw)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("raw", [b"", b"GET /gateways/ HT", post(b"x" * 100)[:-50]])
def test_half_a_request_is_closed_in_time(
    alive: SimulatorServer, raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "REQUEST_SECONDS", 0.2)
    assert exchange(alive, raw) == b""


def test_half_a_request_and_goodbye(alive: SimulatorServer) -> None:
    assert exchange(alive, post(b"x" * 100)[:-50], end=True) == b""


def test_pipelined_requests_are_answered_in_order(alive: SimulatorServer) -> None:
    one = f"GET /gateways/ HTTP/1.1\r\nhost: x\r\nauthorization: {SCOPE}\r\n\r\n".encode()
    two = b"GET /_sim/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    port = int(alive.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(one + two)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    assert received.index(GATEWAY.encode()) < received.index(b'"status":"ok"')
