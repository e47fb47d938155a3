"""Really connecting to the targets' servers, with the official MCP SDK, as the service does to fetch tools.

The order of the calls and the words of the failures are those that users of the service reported. The
simulator has no credentials to present.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
from mcp import ClientSession, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import METHOD_NOT_FOUND, PaginatedRequestParams

from agentcore_simulator.engine import Engine
from agentcore_simulator.plane import Target, finish_probe

_FAILED = "Failed to connect and fetch tools from the provided MCP target server."
_UNREACHABLE = "Unable to connect to the MCP server. Please check the server"
_POLL_SECONDS = 0.05
_UNAUTHORIZED = frozenset({401, 403})
_UNSUPPORTED_KEYWORDS = frozenset({"$ref", "$defs", "$anchor", "$dynamicRef", "$dynamicAnchor"})

_log = logging.getLogger(__name__)


class Prober:
    """Connects to the server of every target that an engine wants probed, `parallel` at a time."""

    def __init__(self, engine: Engine, *, seconds: float = 10.0, parallel: int = 16) -> None:
        self._engine = engine
        self._seconds = seconds
        self._slots = asyncio.Semaphore(parallel)
        engine.plane.probe_endpoints = True

    async def run(self) -> None:
        """Work until cancelled."""
        plane = self._engine.plane
        async with asyncio.TaskGroup() as tasks:
            while True:
                # Transitions happen only when somebody looks at the clock; here that has to be us.
                self._engine.advance()
                while plane.probes:
                    tasks.create_task(self._probe(*plane.probes.popleft()))
                await asyncio.sleep(_POLL_SECONDS)

    async def _probe(self, target: Target, epoch: int) -> None:
        async with self._slots:
            reasons = await fetch_tools(target.traits.endpoint, self._seconds)
        finish_probe(self._engine.plane, target, epoch, reasons, self._engine.advance())


async def fetch_tools(endpoint: str, seconds: float) -> tuple[str, ...]:
    """Connect to an MCP server and list what it has; the statusReasons of a failure, or nothing.

    `seconds` bounds the whole conversation.
    """
    refusals: list[int] = []

    async def note(response: httpx2.Response) -> None:
        if response.is_error:
            refusals.append(response.status_code)

    try:
        async with (
            asyncio.timeout(seconds),
            httpx2.AsyncClient(timeout=seconds, event_hooks={"response": [note]}) as http,
            # Ending the session is a courtesy that may fail after everything has been fetched.
            streamable_http_client(endpoint, http_client=http, terminate_on_close=False) as (read, write),
            ClientSession(read, write) as session,
        ):
            return await _converse(session)
    except Exception as error:  # noqa: BLE001  -- whatever a server does is a failed probe, never ours
        _log.debug("The probe of %s failed", endpoint, exc_info=True)
        return (_reason(endpoint, error, refusals),)


async def _converse(session: ClientSession) -> tuple[str, ...]:
    capabilities = (await session.initialize()).capabilities
    if capabilities.tools is None:
        return (f"{_FAILED} Please check the server endpoint or tool capability support. {_UNREACHABLE}",)
    for tool in await _pages(session.list_tools, "tools"):
        if used := _UNSUPPORTED_KEYWORDS & _keys(tool.input_schema):
            return (
                f"{_FAILED} Error - The schema of tool {tool.name} uses {min(used)}, which is not supported",
            )
    if capabilities.prompts is not None:
        await _pages(session.list_prompts, "prompts")
    if capabilities.resources is not None:
        await _pages(session.list_resources, "resources")
        try:
            await session.list_resource_templates()
        except MCPError as error:
            if error.code == METHOD_NOT_FOUND:
                return (f"{_FAILED} Error - Method not found: resources/templates/list",)
            raise
    return ()


async def _pages(fetch: Callable[..., Awaitable[Any]], member: str) -> list[Any]:
    found: list[Any] = []
    cursor = None
    while True:
        page = await fetch(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
        found.extend(getattr(page, member))
        cursor = page.next_cursor
        if not cursor:
            return found


def _keys(schema: Any) -> set[str]:
    """All keys of a JSON schema, at any depth."""
    if isinstance(schema, list):
        return set().union(*(_keys(item) for item in schema))
    if not isinstance(schema, dict):
        return set()
    return set(schema).union(*(_keys(item) for item in schema.values()))


def _reason(endpoint: str, error: Exception, refusals: list[int]) -> str:
    if refusals and refusals[0] in _UNAUTHORIZED:
        return f"{_FAILED} Error - Authorization error when sending message"
    if refusals:
        return f"MCP server '{endpoint}' returned HTTP {refusals[0]} to the initialize handshake."
    if isinstance(error, MCPError) and error.code == METHOD_NOT_FOUND:
        return f"{_FAILED} Error - {error.message}"
    return f"{_FAILED} Error - {_UNREACHABLE}"
