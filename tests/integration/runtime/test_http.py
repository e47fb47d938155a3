"""The health server on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx2
import pytest

from mcp_gateway_operator.runtime import http1
from mcp_gateway_operator.runtime.health import Health
from mcp_gateway_operator.runtime.http import BindAddress, HttpServer, ServerError


@pytest.fixture
def health() -> Health:
    """Return checks of which one fails."""
    health = Health()
    health.add_liveness("loop", lambda: None)
    health.add_readiness("caches", lambda: "still empty")
    return health


@pytest.fixture
def server(health: Health) -> HttpServer:
    """Return a server, made before the event loop runs, as a process does it."""
    return HttpServer(health, BindAddress("127.0.0.1", 0))


@pytest.fixture
def client() -> httpx2.AsyncClient:
    """Return a client, made before the event loop runs: it reads certificates."""
    return httpx2.AsyncClient(trust_env=False)


@contextlib.asynccontextmanager
async def running(server: HttpServer) -> AsyncIterator[str]:
    task = asyncio.create_task(server.run())
    async with asyncio.timeout(10):
        await server.bound.wait()
    yield f"http://127.0.0.1:{server.port}"
    server.close()
    async with asyncio.timeout(10):
        await task


async def test_probes_are_answered_and_name_the_failed_check(
    server: HttpServer, client: httpx2.AsyncClient
) -> None:
    async with running(server) as url, client:
        alive = await client.get(f"{url}/healthz")
        ready = await client.get(f"{url}/readyz")
    assert (alive.status_code, alive.text) == (200, "ok")
    assert ready.status_code == 500
    assert "[-]caches failed: still empty" in ready.text
    assert server.port == 0


async def test_a_request_that_never_ends_is_ended(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """End it, or whoever reaches the port could use up the process's descriptors."""
    monkeypatch.setattr(http1, "REQUEST_SECONDS", 0.2)
    async with running(server), asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        assert await reader.read() == b""
        writer.close()


async def test_a_taken_port_is_one_sentence(server: HttpServer, health: Health) -> None:
    async with running(server):
        with pytest.raises(ServerError, match=f"Cannot listen on 127.0.0.1:{server.port}: "):
            BindAddress("127.0.0.1", server.port).bind()
    assert health.alive() is None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8081", BindAddress("", 8081)),
        ("127.0.0.1:0", BindAddress("127.0.0.1", 0)),
        ("[::1]:8081", BindAddress("::1", 8081)),
        ("0", None),
        ("", None),
    ],
)
def test_addresses_are_written_as_for_controller_runtime(text: str, address: BindAddress | None) -> None:
    assert BindAddress.parse(text) == address


@pytest.mark.parametrize("text", ["8081", "host:port", ":99999", "x"])
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        BindAddress.parse(text)


def test_no_host_listens_everywhere() -> None:
    with BindAddress("", 0).bind() as listener:
        assert listener.getsockname()[1] > 0
