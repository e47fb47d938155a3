"""From what botocore raises to `AgentCoreError`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind

MAX_MESSAGE: Final = 1024
"""Characters of a message: it ends in conditions and Events."""
LONGEST_RETRY_AFTER: Final = 300.0
"""Seconds; a Retry-After beyond this is a mistake of somebody's, not a wish of AWS's."""

_BY_CODE: Final = {
    **dict.fromkeys(
        (
            "ThrottlingException",
            "Throttling",
            "ThrottledException",
            "RequestThrottledException",
            "RequestThrottled",
            "RequestLimitExceeded",
            "TooManyRequestsException",
            "TooManyRequests",
            "SlowDown",
        ),
        ErrorKind.THROTTLED,
    ),
    **dict.fromkeys(
        (
            "AccessDeniedException",
            "AccessDenied",
            "UnauthorizedException",
            "OptInRequired",
            "NotAuthorized",
            "RegionDisabledException",
            "SubscriptionRequiredException",
        ),
        ErrorKind.ACCESS_DENIED,
    ),
    **dict.fromkeys(
        (
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidIdentityToken",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "IncompleteSignature",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "RequestExpired",
            "RequestTimeTooSkewed",
            "AuthFailure",
            "InvalidAccessKeyId",
            "TokenRefreshRequired",
        ),
        ErrorKind.CREDENTIALS,
    ),
    "ConflictException": ErrorKind.CONFLICT,
    "ServiceQuotaExceededException": ErrorKind.QUOTA,
    "ResourceNotFoundException": ErrorKind.NOT_FOUND,
    "ValidationException": ErrorKind.VALIDATION,
    "IDPCommunicationError": ErrorKind.TRANSIENT,
    "RequestTimeout": ErrorKind.TRANSIENT,
    "RequestTimeoutException": ErrorKind.TRANSIENT,
}

_BY_STATUS: Final = {
    401: ErrorKind.ACCESS_DENIED,
    402: ErrorKind.QUOTA,
    403: ErrorKind.ACCESS_DENIED,
    408: ErrorKind.TRANSIENT,
    409: ErrorKind.CONFLICT,
    429: ErrorKind.THROTTLED,
    # A bare 404 comes from a proxy or a wrong endpoint. Read as "the target is gone" it would drop a
    # finalizer, so only the service's own code says that.
    404: ErrorKind.TRANSIENT,
}

_FULL: Final = re.compile(r"\btoo many targets\b", re.IGNORECASE)
_BUSY: Final = re.compile(
    r"wait for the authorization"
    r"|\b(?:another|concurrent) (?:operation|request|update|modification)"
    r"|\boperation (?:is )?(?:already )?in progress"
    r"|\b(?:is|are) (?:currently |being |in )*(?:the )?(?:state |status )?[\"'`]?"
    r"(?:CREATING|UPDATING|DELETING|SYNCHRONIZING|\w+_PENDING_AUTH)\b",
    re.IGNORECASE,
)

_ID: Final = r"\b(?:x-amzn-)?request[ _-]?id\s*[:=]\s*[\w-]+"
# From the beginning of a run of blanks only: tried from each of them, these would be quadratic.
_REQUEST_ID: Final = re.compile(rf"(?<!\s)\s*[(\[]\s*{_ID}\s*[)\]]|(?<![\s,;])[\s,;]*{_ID}", re.IGNORECASE)
_OF_STS: Final = re.compile(r"\b(WebIdentityToken|RoleArn|RoleSessionName)\b")
"""Parameters of the calls by which the SDK gets credentials."""
_TUNNEL: Final = re.compile(r"Tunnel connection failed: (\d{3} [\w -]{1,60})")
_LOGIN: Final = re.compile(r"//[^/@]{0,200}@")
_ROLE_SESSION: Final = re.compile(r"(:assumed-role/[\w+=,.@-]+)/[\w+=,.@-]+")
_AUTHORIZATION_MESSAGE: Final = re.compile(
    r"(?<!\s)\s*Encoded authorization failure message: \S+", re.IGNORECASE
)

_NO_CREDENTIALS: Final = (
    "No AWS credentials were found. On EKS, annotate the operator's ServiceAccount with "
    "eks.amazonaws.com/role-arn (IRSA) or make an EKS Pod Identity association for it; elsewhere set "
    "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_NO_REGION: Final = "No AWS Region is set: give --aws-region, or set AWS_REGION"

_CONFIGURATION: Final = (
    boto.ConfigNotFound,
    boto.ConfigParseError,
    boto.CredentialRetrievalError,
    boto.InvalidConfigError,
    boto.InvalidEndpointConfigurationError,
    boto.InvalidRegionError,
    boto.InvalidSTSRegionalEndpointsConfigError,
    boto.LoginError,
    boto.MetadataRetrievalError,
    boto.NoAuthTokenError,
    boto.PartialCredentialsError,
    boto.ProfileNotFound,
    boto.SSOError,
    boto.TokenRetrievalError,
    boto.UnknownCredentialError,
    boto.UnknownTokenProviderError,
)
_NOT_CONNECTED: Final = (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError)


def from_botocore(
    error: Exception,
    *,
    mutating: bool,
    sent: bool = True,
    proxy_for: Callable[[str], str] = lambda _url: "",
) -> AgentCoreError:
    """Return what an exception of botocore means.

    Args:
        error: what the client raised.
        mutating: the operation changes something.
        sent: the request itself had been handed to the network; False while credentials were fetched.
        proxy_for: names the proxy of an endpoint, empty where there is none.
    """
    maybe_applied = mutating and sent
    code = type(error).__name__
    if isinstance(error, AgentCoreError):
        return error
    if isinstance(error, boto.ClientError):
        answered = _answered(error, maybe_applied=maybe_applied)
        if sent:
            return answered
        # The answer of whoever was to give credentials for the request.
        words = f"No credentials from {error.operation_name}: {answered.message}"
        return AgentCoreError(ErrorKind.CREDENTIALS, answered.code, words)
    if isinstance(error, boto.NoCredentialsError):
        return AgentCoreError(ErrorKind.CREDENTIALS, code, _NO_CREDENTIALS)
    if isinstance(error, boto.NoRegionError):
        return AgentCoreError(ErrorKind.ACCESS_DENIED, code, _NO_REGION)
    if isinstance(error, boto.ParamValidationError):
        # A token file that is empty is sent to nobody: the SDK refuses it.
        kind = ErrorKind.CREDENTIALS if _OF_STS.search(str(error)) else ErrorKind.VALIDATION
        return AgentCoreError(kind, code, clean(str(error)))
    unread = isinstance(error, OSError | ResponseParserError | ValueError) and not sent
    # botocore's words for an endpoint_url that is no URL, for which it has no class.
    unread = unread and not str(error).startswith("Invalid endpoint: ")
    if isinstance(error, _CONFIGURATION) or unread:
        # Credentials or a token that are not there, or cannot be read; the garbage of whoever gives them.
        return AgentCoreError(ErrorKind.CREDENTIALS, code, clean(_said(error)))
    if isinstance(error, boto.ConnectionError | boto.HTTPClientError):
        return AgentCoreError(
            ErrorKind.TRANSIENT,
            code,
            clean(_on_the_way(error, proxy_for)),
            maybe_applied=maybe_applied and not isinstance(error, _NOT_CONNECTED),
        )
    if isinstance(error, boto.BotoCoreError) or not sent:
        return AgentCoreError(ErrorKind.TRANSIENT, code, clean(str(error)), maybe_applied=maybe_applied)
    return AgentCoreError(
        ErrorKind.TRANSIENT,
        code,
        clean(f"the answer could not be read: {_said(error)}"),
        maybe_applied=maybe_applied,
    )


def _said(error: Exception) -> str:
    """Return an exception's words, without a body: each would be a status write of its own."""
    return "it is neither JSON nor XML" if isinstance(error, ResponseParserError) else str(error)


def _on_the_way(error: boto.BotoCoreError, proxy_for: Callable[[str], str]) -> str:
    """Return what went wrong between here and AWS, with the proxy in between, if there is one."""
    endpoint = error.kwargs.get("endpoint_url", "")
    if isinstance(error, boto.ProxyConnectionError):
        # Its own words are the proxy's URL, stars for user and password, without what went wrong.
        refused = _TUNNEL.search(str(error.kwargs.get("error", "")))
        why = f"does not connect to AWS: {refused[1]}" if refused else "cannot be reached"
        return f"The proxy {_LOGIN.sub('//', str(error.kwargs.get('proxy_url', '')))} {why}"
    proxy = proxy_for(endpoint) if endpoint else ""
    return f"{error} (through the proxy {proxy})" if proxy else str(error)


def clean(text: str) -> str:
    """Return a message on one line, bounded, without what differs from one attempt or process to the next."""
    # Cut first: whoever answers decides how long the answer is.
    text = " ".join(text[: 8 * MAX_MESSAGE].split())
    text = _AUTHORIZATION_MESSAGE.sub("", _REQUEST_ID.sub("", text))
    text = _ROLE_SESSION.sub(r"\1", text).strip()
    return text if len(text) <= MAX_MESSAGE else f"{text[: MAX_MESSAGE - 3].rstrip()}..."


def _answered(error: boto.ClientError, *, maybe_applied: bool) -> AgentCoreError:
    response: Mapping[str, Any] = error.response
    metadata: Mapping[str, Any] = response.get("ResponseMetadata") or {}
    details: Mapping[str, Any] = response.get("Error") or {}
    status = int(metadata.get("HTTPStatusCode") or 0)
    code = str(details.get("Code") or status or "Unknown")
    message = str(details.get("Message") or response.get("message") or "")
    page = message.lstrip().startswith("<")
    if page:
        # A page of a proxy's, often with the time and an id in it.
        message = f"HTTP {status} with a page of markup instead of AWS's answer"
    message = _with_details(message, response)
    # A right that AWS does not give, or a value that it does not take, is not told so.
    kind = ErrorKind.TRANSIENT if page else _kind(code, status, message, str(response.get("reason") or ""))
    return AgentCoreError(
        kind,
        code,
        clean(message),
        maybe_applied=maybe_applied and kind is ErrorKind.TRANSIENT,
        retry_after=_retry_after(metadata.get("HTTPHeaders") or {}),
    )


def _kind(code: str, status: int, message: str, reason: str) -> ErrorKind:
    by_status = _BY_STATUS.get(status, ErrorKind.VALIDATION if 400 <= status < 500 else ErrorKind.TRANSIENT)  # noqa: PLR2004  -- the client error range of HTTP
    kind = _BY_CODE.get(code, by_status)
    if kind is ErrorKind.VALIDATION:
        # The service reports some states and limits as validation errors.
        if _FULL.search(message):
            return ErrorKind.QUOTA
        if reason == "ResourceConflict" or _BUSY.search(message):
            return ErrorKind.CONFLICT
    return kind


def _with_details(message: str, response: Mapping[str, Any]) -> str:
    """Add the fields and the reason of a ValidationException where the message lacks them."""
    fields = [
        f"{field.get('name')}: {field.get('message')}"
        for field in response.get("fieldList") or ()
        if str(field.get("message")) not in message or str(field.get("name")) not in message
    ]
    if fields:
        message = f"{message} ({'; '.join(fields)})"
    reason = response.get("reason")
    if reason and reason != "FieldValidationFailed" and str(reason) not in message:
        message = f"{message} [{reason}]"
    return message.strip()


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return a Retry-After given in seconds; the form with a date needs a clock that agrees with AWS's."""
    text = headers.get("retry-after", "")
    return min(float(text), LONGEST_RETRY_AFTER) if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text) else None
