"""Header names that a gateway does not pass on (AgentCore developer guide, "header propagation")."""

from __future__ import annotations

import re

POLICY_SESSION_HEADER = "x-amzn-bedrock-agentcore-policy-session-id"
"""The service adds this one itself where a gateway has a policy engine, and refuses it as input."""

_CUSTOM_RUNTIME_PREFIX = "x-amzn-bedrock-agentcore-runtime-custom-"
_LEGAL = re.compile(r"[a-zA-Z0-9_-]+")

_FORBIDDEN = frozenset(
    # A table of words: ninety quoted strings would hide what is missing.
    """
    authorization proxy-authorization www-authenticate
    accept accept-charset accept-encoding accept-language accept-ranges accept-ch accept-ch-lifetime
    content-type content-length content-encoding content-language content-location content-range
    content-security-policy content-security-policy-report-only
    cache-control etag expires if-match if-modified-since if-none-match if-range if-unmodified-since
    last-modified pragma vary
    connection keep-alive proxy-connection upgrade transfer-encoding te trailer
    host user-agent referer from range server date location retry-after origin link
    set-cookie cookie clear-site-data
    strict-transport-security x-content-type-options x-frame-options x-xss-protection referrer-policy
    permissions-policy feature-policy expect-ct public-key-pins public-key-pins-report-only
    cross-origin-embedder-policy cross-origin-opener-policy cross-origin-resource-policy
    access-control-allow-origin access-control-allow-methods access-control-allow-headers
    access-control-allow-credentials access-control-expose-headers access-control-max-age
    access-control-request-method access-control-request-headers
    dpr width viewport-width downlink ect rtt save-data
    x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip x-requested-with x-csrf-token
    cf-ray cf-connecting-ip x-amz-cf-id x-cache x-served-by
    sec-websocket-key sec-websocket-accept sec-websocket-version sec-websocket-protocol
    sec-websocket-extensions
    """.split()  # noqa: SIM905  -- as said above
)


def header_problem(name: str) -> str | None:
    """Why `name` cannot be in an allow list of headers; None when it can."""
    lowered = name.lower()
    if lowered in _FORBIDDEN or _reserved(lowered):
        return f"Header {name} is restricted and cannot be propagated"
    if _LEGAL.fullmatch(name) is None:
        return f"Header {name} must match the pattern ^[a-zA-Z0-9_-]+$"
    return None


def _reserved(lowered: str) -> bool:
    if not lowered.startswith("x-amzn-"):
        return False
    return not (lowered.startswith(_CUSTOM_RUNTIME_PREFIX) and len(lowered) > len(_CUSTOM_RUNTIME_PREFIX))
