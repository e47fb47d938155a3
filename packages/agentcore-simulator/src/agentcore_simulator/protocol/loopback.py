"""Plain http endpoints on this machine, which the service would refuse and a demo cannot do without."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit


def loopback_endpoint(params: dict[str, Any]) -> str | None:
    """The endpoint of an MCP server target if it is plain http on a loopback address."""
    endpoint: Any = params
    for member in ("targetConfiguration", "mcp", "mcpServer", "endpoint"):
        if not isinstance(endpoint, dict):
            return None
        endpoint = endpoint.get(member, {})
    if not isinstance(endpoint, str) or not endpoint.startswith("http://"):
        return None
    try:
        host = urlsplit(endpoint).hostname or ""
    except ValueError:
        return None
    return endpoint if host == "localhost" or _is_loopback(host) else None


def with_endpoint(params: dict[str, Any], endpoint: str) -> dict[str, Any]:
    """A copy of a request for an MCP server target with another endpoint."""
    server = {**params["targetConfiguration"]["mcp"]["mcpServer"], "endpoint": endpoint}
    return {**params, "targetConfiguration": {"mcp": {"mcpServer": server}}}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
