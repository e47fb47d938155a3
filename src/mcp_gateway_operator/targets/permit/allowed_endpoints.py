"""Whether an entry of an MCPGateway covers an endpoint.

An endpoint is read, never put right: where two programs might read it differently, it is refused, for the
program that calls it is AWS's and nobody knows which way that goes.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import unquote

from mcp_gateway_operator.api.mcpgateway_rules import ANYTHING, HOST_NAME

_DEFAULT_PORT: Final = "443"
_LONGEST_HOST: Final = 253
_ADDRESS: Final = re.compile(
    rf"https://(?P<host>{HOST_NAME})(:(?P<port>[1-9][0-9]{{0,4}}))?"
    r"((?P<path>/[!$&-;=@A-Z_a-z~%]*)(?P<query>[?][!-~]*)?)?"
)
"""A plain address: of what RFC 3986 lets stand in a path, all but brackets.

A query has a path before it: in https://a?@b some programs take b for the host.
"""
_NUMBER: Final = re.compile("[0-9]+|0x[0-9a-f]*")
_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_TWO_READINGS: Final = re.compile(r"[\x00-\x1f\x7f-\xff\\?#]|//|(^|/) *[.]{1,2} *(;[^/]*)?(/|$)")
"""What some programs take for another path: empty segments, dots, and what hides them where it is decoded.

That is all but ASCII (overlong UTF-8 and wide forms are folded to dots and slashes), a backslash, what ends a
path, and spaces beside dots, which are trimmed.
"""


class _Address(NamedTuple):
    host: str
    port: str
    path: str

    @property
    def numeric(self) -> bool:
        """Whether the host is an IP address in some spelling (WHATWG URL: a host that ends in a number)."""
        return _NUMBER.fullmatch(self.host.rpartition(".")[2]) is not None


def covers(entry: str, endpoint: str) -> bool:
    """Return whether an entry covers an endpoint; one that can be read in two ways is covered by none."""
    address = _read(endpoint)
    if address is None:
        return False
    if entry == ANYTHING:
        return not address.numeric and _plain(address.path)
    wide = entry.startswith("https://*.")
    allowed = _read(entry.replace("*.", "", 1) if wide else entry)
    if allowed is None or allowed.port != address.port:
        return False
    if not _host_within(address, allowed, wide=wide):
        return False
    return _path_within(address.path, allowed.path)


def _read(text: str) -> _Address | None:
    found = _ADDRESS.fullmatch(text)
    if found is None or len(found["host"]) > _LONGEST_HOST:
        return None
    return _Address(found["host"], found["port"] or _DEFAULT_PORT, found["path"] or "/")


def _host_within(address: _Address, allowed: _Address, *, wide: bool) -> bool:
    if not wide:
        return address.host == allowed.host
    return not address.numeric and address.host.endswith(f".{allowed.host}")


def _path_within(path: str, prefix: str) -> bool:
    """Whether a path begins with a prefix, up to a border of segments, and goes on plainly."""
    if not path.startswith(prefix):
        return False
    rest = path[len(prefix) :]
    if prefix.endswith("/"):
        # The slash belongs to the rest, too: with it, an empty segment or dots are seen.
        return _plain(f"/{rest}")
    return not rest or (rest.startswith("/") and _plain(rest))


def _plain(path: str) -> bool:
    """Whether every program reads a path as the same segments, however often it decodes it."""
    if _ESCAPE.search(path):
        return False
    borders = path.count("/")
    while (decoded := unquote(path, encoding="latin-1")) != path:
        path = decoded
    return path.count("/") == borders and _TWO_READINGS.search(path) is None
