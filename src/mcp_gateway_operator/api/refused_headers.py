"""Header names that AgentCore refuses to pass on.

Source: the AWS developer guide's page on header propagation of gateways. The names of HTTP/2 pseudo-headers
on that page cannot occur, because a colon is not legal in the names that the API takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_REFUSED: Final = frozenset(
    """
    authorization proxy-authorization www-authenticate
    accept accept-charset accept-encoding accept-language accept-ranges accept-ch accept-ch-lifetime
    content-type content-length content-encoding content-language content-location content-range
    cache-control etag expires if-match if-modified-since if-none-match if-range if-unmodified-since
    last-modified pragma vary
    connection keep-alive proxy-connection upgrade host user-agent referer from range
    transfer-encoding te trailer server date location retry-after link
    set-cookie cookie
    content-security-policy content-security-policy-report-only strict-transport-security
    x-content-type-options x-frame-options x-xss-protection referrer-policy permissions-policy
    cross-origin-embedder-policy cross-origin-opener-policy cross-origin-resource-policy
    access-control-allow-origin access-control-allow-methods access-control-allow-headers
    access-control-allow-credentials access-control-expose-headers access-control-max-age
    access-control-request-method access-control-request-headers origin
    dpr width viewport-width downlink ect rtt save-data
    clear-site-data feature-policy expect-ct public-key-pins public-key-pins-report-only
    x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip x-requested-with x-csrf-token
    cf-ray cf-connecting-ip x-amz-cf-id x-cache x-served-by
    sec-websocket-key sec-websocket-accept sec-websocket-version sec-websocket-protocol
    sec-websocket-extensions
    """.split()  # noqa: SIM905  -- a text is easier to compare with the page than a list of 90 strings
)
_REFUSED_PREFIX: Final = "x-amzn-"
_ALLOWED_PREFIX: Final = "x-amzn-bedrock-agentcore-runtime-custom-"


def forbidden_headers(names: Iterable[str]) -> tuple[str, ...]:
    """Return those of `names` that AWS refuses in the two header lists, as written and in their order."""
    return tuple(name for name in names if _is_forbidden(name.lower()))


def _is_forbidden(name: str) -> bool:
    return name in _REFUSED or (name.startswith(_REFUSED_PREFIX) and not name.startswith(_ALLOWED_PREFIX))
