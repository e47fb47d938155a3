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
    return endpoint if host == "localhost" or is_loopback(host) else None


def with_endpoint(params: dict[str, Any], endpoint: str) -> dict[str, Any]:
    """A copy of a request for an MCP server target with another endpoint."""
    server = {**params["targetConfiguration"]["mcp"]["mcpServer"], "endpoint": endpoint}
    return {**params, "targetConfiguration": {"mcp": {"mcpServer": server}}}


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that `host` is, None when it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether `host` is an IP address of loopback, IPv4 within IPv6 included."""
    address = ip_address(host)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is not None and address.is_loopback
