"""The simulator really connects to MCP servers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from .conftest import GATEWAY, client, eventually, server
from .test_command import running


async def fetch_tools(url: str, seconds: float) -> tuple[str, ...]:
    """Connect as the simulator does.

    The MCP SDK takes a second to import: every worker of a test run reads this file, and one runs its tests.
    """
    from agentcore_simulator.wire import probing  # noqa: PLC0415

    return await probing.fetch_tools(url, seconds)


class Hosted:
    """An ASGI application on a free port, in a thread."""

    def __init__(self, app: Any) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/mcp"
        config = uvicorn.Config(
            app, log_config=None, log_level="critical", ws="none", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def __enter__(self) -> str:
        self._socket.listen()
        self._thread.start()
        return self.url

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


def tools_server() -> Any:
    from mcp.server.mcpserver import MCPServer  # noqa: PLC0415  -- see fetch_tools

    mcp = MCPServer("tools")

    @mcp.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @mcp.resource("tools://version")
    def version() -> str:
        """What version this is."""
        return "1"

    return mcp.streamable_http_app(stateless_http=True, json_response=True)


def refusing_server(status: int) -> Any:
    def refuse(_: Request) -> Response:
        return PlainTextResponse("no", status_code=status)

    return Starlette(routes=[Route("/mcp", refuse, methods=["GET", "POST", "DELETE"])])


@pytest.fixture
def tools() -> Iterator[str]:
    """URL of a working MCP server."""
    with Hosted(tools_server()) as url:
        yield url


async def test_a_working_server_has_no_reasons(tools: str) -> None:
    assert await fetch_tools(tools, 20) == ()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "Error - Authorization error when sending message"),
        (403, "Error - Authorization error when sending message"),
        (400, "returned HTTP 400 to the initialize handshake."),
        (500, "returned HTTP 500 to the initialize handshake."),
    ],
)
async def test_a_server_that_refuses(status: int, words: str) -> None:
    with Hosted(refusing_server(status)) as url:
        (reason,) = await fetch_tools(url, 20)
    assert reason.endswith(words)


async def test_nobody_there_and_nobody_answering() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"
        unreachable = await fetch_tools(url, 20)
        silent.listen()
        assert await fetch_tools(url, 0.3) == unreachable
    assert unreachable[0].endswith("Error - Unable to connect to the MCP server. Please check the server")


@pytest.mark.parametrize("attempt", range(2))
async def test_parallel_probes_do_not_disturb_each_other(tools: str, attempt: int) -> None:
    with Hosted(refusing_server(401)) as closed:
        found = await asyncio.gather(*(fetch_tools(url, 20) for url in (tools, closed) * 4))
    assert [bool(reasons) for reasons in found] == [False, True] * 4, attempt


def test_targets_take_the_state_that_their_server_earns(tools: str) -> None:
    with running("--gateway", GATEWAY, "--probe", "--loopback-http") as (_, url):
        control = client(url)
        ids = {}
        for name, endpoint in (("good", tools), ("bad", "http://127.0.0.1:1/mcp")):
            made = control.create_gateway_target(
                gatewayIdentifier=GATEWAY, name=name, targetConfiguration=server(endpoint)
            )
            ids[name] = made["targetId"]

        def shown(name: str) -> Any:
            return control.get_gateway_target(gatewayIdentifier=GATEWAY, targetId=ids[name])

        eventually(lambda: {shown("good")["status"], shown("bad")["status"]} == {"READY", "FAILED"}, 60)
        assert shown("good")["status"] == "READY"
        assert "Unable to connect" in shown("bad")["statusReasons"][0]


def test_plain_http_is_refused_without_the_switch() -> None:
    with running("--gateway", GATEWAY) as (_, url):
        control = client(url)
        with pytest.raises(control.exceptions.ValidationException):
            control.create_gateway_target(
                gatewayIdentifier=GATEWAY, name="a", targetConfiguration=server("http://127.0.0.1:1/mcp")
            )
