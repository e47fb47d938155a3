"""Signs by AWS's clock where the node's own is wrong.

AWS refuses signatures that are more than five minutes old or early. The other AWS SDKs learn the difference
from the Date of the refusal; botocore does not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore import auth
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind

TOLERATED: Final = timedelta(minutes=1)
"""A refusal whose Date differs less from the signature's was not for the time."""

_SIGNER: Final = "mcps-v4"
_SKEW: Final = "mcps-skew"
_REFUSALS: Final = frozenset(
    {
        "AuthFailure",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)


class _CorrectedSigV4(auth.SigV4Auth):  # type: ignore[misc]  # botocore ships no types
    def _modify_request_before_signing(self, request: Any) -> None:
        signed = datetime.strptime(request.context["timestamp"], auth.SIGV4_TIMESTAMP).replace(tzinfo=UTC)
        signed += request.context.get(_SKEW, timedelta())
        request.context["timestamp"] = signed.strftime(auth.SIGV4_TIMESTAMP)
        super()._modify_request_before_signing(request)


auth.AUTH_TYPE_MAPS[_SIGNER] = _CorrectedSigV4


class ClockSkew:
    """By how much AWS's clock is ahead of ours, for the signatures of some clients.

    Args:
        wall: UTC now, as botocore sees it.
    """

    def __init__(self, wall: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._wall = wall
        self._skew = timedelta()

    def now(self) -> datetime:
        """Return AWS's time, as far as it is known to differ from ours."""
        return self._wall() + self._skew

    def attach(self, client: BaseClient) -> None:
        """Let a client sign by the corrected clock."""
        client.meta.events.register("choose-signer", lambda **_: _SIGNER)
        client.meta.events.register("before-sign", self._before_sign)

    def learn(self, error: ClientError) -> AgentCoreError | None:
        """Return what to report of a refusal that a wrong clock explains, None for any other.

        The next signature is right, so the call is worth a second try.
        """
        metadata = error.response.get("ResponseMetadata") or {}
        code = str((error.response.get("Error") or {}).get("Code"))
        stamp = (metadata.get("HTTPHeaders") or {}).get("date")
        if code not in _REFUSALS or not stamp:
            return None
        try:
            skew = parsedate_to_datetime(stamp) - self._wall()
        except (TypeError, ValueError):
            return None
        if abs(skew - self._skew) < TOLERATED:
            return None
        self._skew = skew
        return AgentCoreError(
            ErrorKind.TRANSIENT,
            code,
            "the node's clock differs from AWS's; from now on requests carry AWS's time: synchronize the "
            "node's clock",
        )

    def _before_sign(self, request: Any, **_: object) -> None:
        request.context[_SKEW] = self._skew
