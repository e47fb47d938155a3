"""Why a target failed, in a closed set of classes, and what a user can do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from mcp_gateway_operator.api.endpoints import doubts
from mcp_gateway_operator.api.types import MCPServerSpec


class FailureClass(StrEnum):
    """What AWS's status reasons come down to."""

    UNREACHABLE = "Unreachable"
    UNAUTHORIZED = "Unauthorized"
    GATEWAY_ROLE = "GatewayRole"
    INVALID_SCHEMA = "InvalidSchema"
    RUNTIME_STARTUP = "RuntimeStartup"
    THROTTLED = "Throttled"
    UNKNOWN = "Unknown"


# AWS puts these words before every failure of its probe, so they tell nothing of the cause.
_PREAMBLE: Final = "failed to connect and fetch tools from the provided mcp target server"
_ADVICE: Final = "please check the server endpoint or tool capability support"
_URL: Final = re.compile(r"https?://\S+")

# In this order: the first words found decide. The phrases are AWS's own (status reasons seen in the field).
_PHRASES: Final = (
    (FailureClass.UNREACHABLE, ("unable to connect to the mcp server",)),
    (
        FailureClass.GATEWAY_ROLE,
        ("assume the execution role", "is not authorized to perform", "execution role lacks"),
    ),
    (FailureClass.UNAUTHORIZED, ("authorization error", "unauthorized", "http 401", "http 403", "forbidden")),
    (FailureClass.THROTTLED, ("throttl", "too many requests", "rate exceeded", "http 429")),
    (FailureClass.RUNTIME_STARTUP, ("initialization time exceeded", "from runtime")),
    (
        FailureClass.UNREACHABLE,
        ("timed out", "timeout", "unreachable", "http 502", "http 503", "http 504"),
    ),
    (
        FailureClass.INVALID_SCHEMA,
        ("schema", "method not found", "initialize handshake", _ADVICE),
    ),
    (FailureClass.UNREACHABLE, ("unable to connect", "failed to connect")),
)


def classify(reasons: Sequence[str]) -> FailureClass:
    """Return the class of a failed target's status reasons; addresses in them do not count."""
    text = _URL.sub("", " ".join(reasons).lower())
    cause = text.replace(_PREAMBLE, "")
    for failure, phrases in _PHRASES:
        if any(phrase in cause for phrase in phrases):
            return failure
    bare = cause != text and not cause.strip(" .")
    return FailureClass.UNREACHABLE if bare else FailureClass.UNKNOWN


def quoted(reasons: Sequence[str]) -> str:
    """Return AWS's status reasons as one phrase that a sentence can go on from."""
    return ("; ".join(reasons) or "AWS gave no reason").rstrip(".")


ADVICE: Final = {
    FailureClass.UNREACHABLE: "Check that the endpoint can be reached from AWS and answers MCP.",
    FailureClass.UNAUTHORIZED: "Check the credential provider, its secret and its scopes.",
    FailureClass.GATEWAY_ROLE: "Give the gateway's service role the permission that is missing.",
    FailureClass.INVALID_SCHEMA: "Check the server's capabilities and the schemas of its tools.",
    FailureClass.RUNTIME_STARTUP: "Check that the server starts and answers within 30 seconds.",
    FailureClass.THROTTLED: "Check the quotas of what the server depends on.",
    FailureClass.UNKNOWN: "Check the server's own logs.",
}
"""What a user can do about each class."""


_OF_THE_SERVER: Final = frozenset(
    {
        FailureClass.UNREACHABLE,
        FailureClass.INVALID_SCHEMA,
        FailureClass.RUNTIME_STARTUP,
        FailureClass.UNKNOWN,
    }
)
"""Failures that an endpoint may be the cause of."""


def advice_on(reasons: Sequence[str], spec: MCPServerSpec) -> str:
    """Return the sentences on what a user can do about a failure, what the endpoint itself tells first."""
    failure = classify(reasons)
    private = bool(spec.private_endpoint)
    found = doubts(spec.endpoint, private=private) if failure in _OF_THE_SERVER else ()
    return " ".join((*(f"{each[0].upper()}{each[1:]}." for each in found), ADVICE[failure]))
