"""What botocore's exceptions mean to the operator."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore import exceptions as boto

from mcp_gateway_operator.agentcore.aws.classify_error import (
    LONGEST_RETRY_AFTER,
    MAX_MESSAGE,
    clean,
    from_botocore,
)
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind


def answer(
    code: str, status: int, message: str = "no", headers: dict[str, str] | None = None, **body: Any
) -> boto.ClientError:
    """Return the exception for an error answer."""
    return boto.ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
            **body,
        },
        "CreateGatewayTarget",
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer("ValidationException", 400), ErrorKind.VALIDATION),
        (answer("ValidationException", 400, reason="ResourceConflict"), ErrorKind.CONFLICT),
        (answer("ValidationException", 400, "Too many targets for gateway"), ErrorKind.QUOTA),
        (
            answer("ValidationException", 400, "Wait for the authorization to complete or fail"),
            ErrorKind.CONFLICT,
        ),
        (answer("ValidationException", 400, "Target abc is in UPDATING state"), ErrorKind.CONFLICT),
        (answer("ValidationException", 400, "'name' failed: Value 'CREATING' is bad"), ErrorKind.VALIDATION),
        (answer("AccessDeniedException", 403), ErrorKind.ACCESS_DENIED),
        (answer("ExpiredTokenException", 403), ErrorKind.CREDENTIALS),
        (answer("UnrecognizedClientException", 403), ErrorKind.CREDENTIALS),
        (answer("InvalidClientTokenId", 403), ErrorKind.CREDENTIALS),
        (answer("Forbidden", 403), ErrorKind.ACCESS_DENIED),
        (answer("AuthFailure", 401), ErrorKind.CREDENTIALS),
        (answer("InvalidAccessKeyId", 403), ErrorKind.CREDENTIALS),
        (answer("TokenRefreshRequired", 400), ErrorKind.CREDENTIALS),
        (answer("SubscriptionRequiredException", 400), ErrorKind.ACCESS_DENIED),
        (answer("403", 403, "<html>blocked by policy</html>"), ErrorKind.TRANSIENT),
        (answer("407", 407, "<html>who are you?</html>"), ErrorKind.TRANSIENT),
        (answer("400", 400, " <!DOCTYPE html>"), ErrorKind.TRANSIENT),
        (answer("ConflictException", 409), ErrorKind.CONFLICT),
        (answer("ThrottlingException", 429), ErrorKind.THROTTLED),
        (answer("ThrottlingException", 400), ErrorKind.THROTTLED),
        (answer("TooManyRequestsException", 429), ErrorKind.THROTTLED),
        (answer("429", 429), ErrorKind.THROTTLED),
        (answer("ServiceQuotaExceededException", 402), ErrorKind.QUOTA),
        (answer("ResourceNotFoundException", 404), ErrorKind.NOT_FOUND),
        (answer("404", 404), ErrorKind.TRANSIENT),
        (answer("InternalServerException", 500), ErrorKind.TRANSIENT),
        (answer("503", 503), ErrorKind.TRANSIENT),
        (answer("SomethingNew", 418), ErrorKind.VALIDATION),
    ],
)
def test_error_answers_by_code_and_status(error: boto.ClientError, kind: ErrorKind) -> None:
    """Error answers by code and status."""
    assert from_botocore(error, mutating=False).kind is kind


@pytest.mark.parametrize(
    ("error", "maybe"),
    [
        (answer("InternalServerException", 500), True),
        (answer("ThrottlingException", 429), False),
        (answer("ConflictException", 409), False),
        (boto.ReadTimeoutError(endpoint_url="https://x"), True),
        (boto.ConnectionClosedError(endpoint_url="https://x"), True),
        (boto.ConnectTimeoutError(endpoint_url="https://x"), False),
        (boto.EndpointConnectionError(endpoint_url="https://x"), False),
        (KeyError("targetId"), True),
    ],
)
def test_what_may_have_been_applied(error: Exception, maybe: bool) -> None:
    """What may have been applied."""
    assert from_botocore(error, mutating=True).maybe_applied is maybe
    assert not from_botocore(error, mutating=False).maybe_applied
    assert not from_botocore(error, mutating=True, sent=False).maybe_applied


def test_a_connection_failure_names_the_endpoint() -> None:
    """A connection failure names the endpoint."""
    mapped = from_botocore(boto.EndpointConnectionError(endpoint_url="https://a.example/"), mutating=True)
    assert mapped.kind is ErrorKind.TRANSIENT
    assert "https://a.example/" in mapped.message


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (boto.NoRegionError(), "--aws-region"),
        (boto.NoCredentialsError(), "Pod Identity"),
        (boto.NoCredentialsError(), "eks.amazonaws.com/role-arn"),
        (boto.ProfileNotFound(profile="nobody"), "nobody"),
    ],
)
def test_what_is_not_configured_is_said(error: Exception, says: str) -> None:
    """What is not configured is said."""
    mapped = from_botocore(error, mutating=True)
    assert mapped.kind in {ErrorKind.ACCESS_DENIED, ErrorKind.CREDENTIALS}
    assert not mapped.maybe_applied
    assert says in mapped.message


def test_a_request_that_the_sdk_refuses_is_wrong() -> None:
    """A request that the sdk refuses is wrong."""
    mapped = from_botocore(boto.ParamValidationError(report="Missing name"), mutating=True)
    assert mapped.kind is ErrorKind.VALIDATION
    assert not mapped.maybe_applied


def test_what_cannot_be_read_while_credentials_are_fetched_is_a_matter_of_the_credentials() -> None:
    """As a credential_process prints it that is killed half-way, or a file of a token with other bytes."""
    for error in (
        json.JSONDecodeError("x", '{"Version": 1', 13),
        UnicodeDecodeError("utf-8", b"", 0, 1, "x"),
    ):
        assert from_botocore(error, mutating=True, sent=False).kind is ErrorKind.CREDENTIALS
        assert from_botocore(error, mutating=True).kind is ErrorKind.TRANSIENT


@pytest.mark.parametrize("endpoint", ["http://", "agentcore.example.com"])
def test_an_endpoint_that_is_no_url_is_no_matter_of_the_credentials(endpoint: str) -> None:
    """Advice to renew them would lead astray; botocore says it in a bare ValueError."""
    with pytest.raises(ValueError, match="Invalid endpoint") as caught:
        boto3.client("sts", region_name="us-east-1", endpoint_url=endpoint)
    assert from_botocore(caught.value, mutating=True, sent=False).kind is ErrorKind.TRANSIENT


def test_an_empty_token_is_a_matter_of_the_credentials() -> None:
    """As a sidecar leaves a token file that it is about to write."""
    report = "Invalid length for parameter WebIdentityToken, value: 0, valid min length: 4"
    assert (
        from_botocore(boto.ParamValidationError(report=report), mutating=True).kind is ErrorKind.CREDENTIALS
    )


def test_retry_after_is_kept_in_seconds() -> None:
    """Retry after is kept in seconds."""
    mapped = from_botocore(answer("ThrottlingException", 429, headers={"retry-after": "7"}), mutating=True)
    assert mapped.retry_after == 7
    endless = answer("ThrottlingException", 429, headers={"retry-after": "999999"})
    assert from_botocore(endless, mutating=True).retry_after == LONGEST_RETRY_AFTER
    dated = answer("ThrottlingException", 429, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"})
    assert from_botocore(dated, mutating=True).retry_after is None


def test_fields_and_reason_are_added_where_they_say_more() -> None:
    """Fields and reason are added where they say more."""
    fields = [{"name": "endpoint", "message": "Member must satisfy pattern"}]
    error = answer("ValidationException", 400, "bad", fieldList=fields, reason="CannotParse")
    assert from_botocore(error, mutating=True).message == (
        "bad (endpoint: Member must satisfy pattern) [CannotParse]"
    )
    error = answer("ValidationException", 400, "endpoint: Member must satisfy pattern", fieldList=fields)
    assert from_botocore(error, mutating=True).message == "endpoint: Member must satisfy pattern"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Slow down (Service: X, Request ID: 1b2-3c4)", "Slow down (Service: X)"),
        ("Slow down (RequestId: 1b2-3c4)", "Slow down"),
        ("two\n  lines\tand tabs", "two lines and tabs"),
        (
            "User: arn:aws:sts::1:assumed-role/op/botocore-session-17 is not authorized",
            "User: arn:aws:sts::1:assumed-role/op is not authorized",
        ),
        ("You may not. Encoded authorization failure message: aGVsbG8_-x", "You may not."),
    ],
)
def test_messages_stay_the_same_from_attempt_to_attempt(text: str, cleaned: str) -> None:
    """Messages stay the same from attempt to attempt."""
    assert clean(text) == cleaned


def test_a_page_of_a_proxy_is_not_quoted() -> None:
    """It has the time or an id in it, and each would be a status write."""
    first = answer("503", 503, "<html>Request ID: a== at 12:01</html>")
    second = answer("503", 503, "<html>Request ID: b== at 12:02</html>")
    messages = {from_botocore(error, mutating=False).message for error in (first, second)}
    assert messages == {"HTTP 503 with a page of markup instead of AWS's answer"}


def test_megabytes_of_blanks_are_cut_in_no_time() -> None:
    """Patterns over the whole of it would take hours."""
    assert clean(f"a{' ' * 5_000_000}b") == "a"


def test_messages_are_bounded() -> None:
    """Messages are bounded."""
    assert len(clean("long " * 1000)) <= MAX_MESSAGE


def test_our_own_errors_pass() -> None:
    """Our own errors pass."""
    own = AgentCoreError(ErrorKind.FENCED, "Fenced", "no")
    assert from_botocore(own, mutating=True) is own
