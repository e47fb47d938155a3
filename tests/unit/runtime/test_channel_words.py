"""Why a connection is not made, in words."""

from __future__ import annotations

import errno
import socket

import pytest

from mcp_gateway_operator.runtime.channel import why


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('10.0.0.1', 443)"),
            "Connection refused",
        ),
        # Looking up a name has numbers of its own, which on macOS are those of other errors.
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (
            socket.gaierror(8, "nodename nor servname provided, or not known"),
            "nodename nor servname provided, or not known",
        ),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_what_is_wrong_is_said_without_the_address(error: Exception, words: str) -> None:
    assert why(error) == words
