"""Whether an entry of an MCPGateway covers an endpoint.

An endpoint is read, never put right: where two programs might read it differently, it is refused, for the
program that calls it is AWS's and nobody knows which way that goes.

The patterns are Python's and RE2's alike: `admission` gives the same ones to the API server.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from mcp_gateway_operator.api.mcpgateway_rules import ANYTHING, HOST_NAME

DEFAULT_PORT: Final = "443"
LONGEST_HOST: Final = 253
ADDRESS: Final = (
    rf"https://(?P<host>{HOST_NAME})(:(?P<port>[1-9][0-9]{{0,4}}))?"
    r"((?P<path>/[!$&-;=@A-Z_a-z~%]*)(?P<query>[?][!-~]*)?)?"
)
"""A plain address: of what RFC 3986 lets stand in a path, all but brackets.

A query has a path before it: in https://a?@b some programs take b for the host.
"""
NUMERIC: Final = "(^|[.])([0-9]+|0x[0-9a-f]*)$"
"""The end of a host that is an IP address in some spelling (WHATWG URL: a host that ends in a number)."""
ESCAPES: Final = "%([^2-7]|[2-7]?$|[2-7][^0-9A-Fa-f]|2[35Ff]|3[Ff]|5[Cc]|7[Ff])"
"""An escape that some programs read otherwise than others, or that is none.

That is one of a slash, a backslash, what ends a path, a percent sign (decoded twice, it is any other), and
all but printable ASCII: overlong UTF-8 and wide forms are folded to dots and slashes.
"""
SEGMENTS: Final = "//|(^|/)(%20)*([.]|%2[Ee]){1,2}(%20)*((;|%3[Bb])[^/]*)?(/|$)"
"""Segments that some programs leave out: empty ones and dots, and dots beside spaces, which are trimmed."""


class _Address(NamedTuple):
    host: str
    port: str
    path: str

    @property
    def numeric(self) -> bool:
        """Whether the host is an IP address in some spelling."""
        return re.search(NUMERIC, self.host) is not None


def covers(entry: str, endpoint: str) -> bool:
    """Return whether an entry covers an endpoint; one that can be read in two ways is covered by none."""
    address = _endpoint(endpoint)
    if address is None:
        return False
    if entry == ANYTHING:
        return not address.numeric and _plain(address.path)
    wide = entry.startswith("https://*.")
    allowed = _entry(entry.replace("*.", "", 1) if wide else entry)
    if allowed is None or allowed.port != address.port:
        return False
    if not _host_within(address, allowed, wide=wide):
        return False
    return _path_within(address.path, allowed.path)


def _read(text: str) -> _Address | None:
    found = re.fullmatch(ADDRESS, text)
    if found is None or len(found["host"]) > LONGEST_HOST:
        return None
    return _Address(found["host"], found["port"] or DEFAULT_PORT, found["path"] or "/")


# One endpoint is asked of each entry in turn, and each entry of one MCPServer after the other. An MCPGateway
# has 64 times 16 of them at most.
_endpoint: Final = lru_cache(maxsize=8)(_read)
_entry: Final = lru_cache(maxsize=2 * 64 * 16)(_read)


def _host_within(address: _Address, allowed: _Address, *, wide: bool) -> bool:
    if not wide:
        return address.host == allowed.host
    return not address.numeric and address.host.endswith(f".{allowed.host}")


def _path_within(path: str, prefix: str) -> bool:
    """Whether a path begins with a prefix, up to a border of segments, and goes on plainly."""
    if not path.startswith(prefix):
        return False
    # A slash at the prefix's end belongs to the rest, too: with it, an empty segment or dots are seen.
    rest = path[len(prefix.removesuffix("/")) :]
    return not rest or (rest.startswith("/") and _plain(rest))


def _plain(path: str) -> bool:
    """Whether every program reads a path as the same segments."""
    return re.search(ESCAPES, path) is None and re.search(SEGMENTS, path) is None
