"""Who calls: account, Region and access key, read from the SigV4 credential scope (never verified)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from agentcore_simulator.errors import ServiceError, denied
from agentcore_simulator.messages import Request
from agentcore_simulator.protocol.partitions import iam_arn
from agentcore_simulator.protocol.sessions import Session

_SCOPE = re.compile(r"([^/\s,=]{1,128})/([0-9]{8})/([a-z0-9-]{1,32})/([a-z0-9-]{1,64})/aws4_request")
_ACCOUNT = re.compile(r"[0-9]{12}")


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of one request."""

    account: str
    region: str
    access_key: str
    service: str
    arn: str
    session: Session | None = None
    """The session, if the access key is that of one."""


def caller_of(
    request: Request,
    *,
    account: str,
    region: str,
    service: str,
    issued: Mapping[str, Session],
    required: bool,
) -> Caller:
    """The caller of `request`.

    The account is that of `issued` credentials (access key -> session), or the access key itself when it is a
    12-digit account id, or else `account`.

    Raises:
        ServiceError: AccessDeniedException when a `required` credential scope is missing or cannot be read,
            InvalidSignatureException when it is one of another service than `service`.
    """
    scope = _credential(request)
    if scope is None:
        if required:
            raise denied(
                "Missing Authentication Token: the request is not signed with AWS Signature Version 4."
            )
        return Caller(account, region, "", "", _user_arn(region, account))
    match = _SCOPE.fullmatch(scope)
    if match is None:
        raise denied(
            "Credential should be scoped with a valid AWS Signature Version 4 scope: "
            "ACCESS_KEY/YYYYMMDD/REGION/SERVICE/aws4_request."
        )
    key, _, scope_region, scope_service = match.groups()
    if required and scope_service != service:
        raise ServiceError(
            "InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'."
        )
    session = issued.get(key)
    if session is not None:
        return Caller(session.account, scope_region, key, scope_service, session.arn, session)
    own_account = key if _ACCOUNT.fullmatch(key) else account
    return Caller(own_account, scope_region, key, scope_service, _user_arn(scope_region, own_account))


def _credential(request: Request) -> str | None:
    header = request.headers.get("authorization", "")
    if header:
        _, found, rest = header.partition("Credential=")
        return rest.split(",", 1)[0].strip() if found else ""
    if "X-Amz-Credential=" in request.query:
        return parse_qs(request.query).get("X-Amz-Credential", [""])[0]
    return None


def _user_arn(region: str, account: str) -> str:
    return iam_arn(region, account, "user/simulator")
