"""Every refusal that AWS is known to give, in its own words: the reason, and who has to act."""

from __future__ import annotations

import re

import pytest

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind, Place
from mcp_gateway_operator.targets.rules import reason_of, why_refused, why_unlisted
from mcp_gateway_operator.targets.rules.refusal_causes import CAUSES, Actor, cause_of

OPERATOR = "arn:aws:sts::123456789012:assumed-role/mcp-gateway-operator/session"
WHO = "User: arn:aws:sts::123456789012:assumed-role/mcp-gateway-operator is not authorized to perform: "
ROLE = "User: arn:aws:sts::123456789012:assumed-role/gateway-role is not authorized to perform: "
CREATE = "bedrock-agentcore:CreateGatewayTarget on resource: arn:aws:bedrock-agentcore:us-east-1:1:gateway/g"
TOKEN = "bedrock-agentcore:GetResourceOauth2Token on resource: arn:aws:bedrock-agentcore:us-east-1:1:x"
DENIED, MISSING, WRONG = ErrorKind.ACCESS_DENIED, ErrorKind.NOT_FOUND, ErrorKind.VALIDATION

TABLE = [
    (DENIED, "AccessDeniedException", WHO + CREATE, Reason.ACCESS_DENIED),
    (
        DENIED,
        "AccessDeniedException",
        WHO + CREATE + " because no identity-based policy allows the action",
        Reason.ACCESS_DENIED,
    ),
    (DENIED, "AccessDeniedException", WHO + TOKEN, Reason.ACCESS_DENIED),
    (DENIED, "AccessDeniedException", ROLE + TOKEN, Reason.GATEWAY_ROLE_DENIED),
    (
        DENIED,
        "AccessDeniedException",
        ROLE + "bedrock-agentcore:InvokeAgentRuntime on resource: arn",
        Reason.GATEWAY_ROLE_DENIED,
    ),
    (
        DENIED,
        "AccessDeniedException",
        "Gateway service is not authorized to assume the execution role",
        Reason.GATEWAY_ROLE_DENIED,
    ),
    (
        WRONG,
        "ValidationException",
        "The gateway role lacks permission to read the secret",
        Reason.GATEWAY_ROLE_DENIED,
    ),
    *(
        (DENIED, "AccessDeniedException", f"{WHO}{CREATE} {how}", Reason.DENIED_BY_POLICY)
        for how in (
            "with an explicit deny in an identity-based policy",
            "with an explicit deny in a service control policy",
            "with an explicit deny in a resource control policy",
            "because no service control policy allows the bedrock-agentcore:CreateGatewayTarget action",
            "because no permissions boundary allows the bedrock-agentcore:CreateGatewayTarget action",
            "because no session policy allows the bedrock-agentcore:CreateGatewayTarget action",
            "because no VPC endpoint policy allows the bedrock-agentcore:CreateGatewayTarget action",
        )
    ),
    *(
        (WRONG, "ValidationException", message, Reason.GATEWAY_ROLE_DENIED)
        for message in (
            "Unable to assume role arn:aws:iam::123456789012:role/gateway",
            "The provided execution role does not have permissions to call GetWorkloadAccessToken",
            "The role defined for the gateway cannot be assumed by bedrock-agentcore.amazonaws.com",
            "Access denied when reading S3 object s3://tools/list.json",
        )
    ),
    (DENIED, "AccessDeniedException", "Access denied to the S3 object", Reason.GATEWAY_ROLE_DENIED),
    (DENIED, "AccessDeniedException", WHO + "s3:GetObject on resource: arn:aws:s3:::a", "AccessDenied"),
    # Nobody but an operator calls this: its credentials are others than they were at its start.
    (DENIED, "AccessDeniedException", ROLE + CREATE, Reason.ACCESS_DENIED),
    *(
        (DENIED, code, message, Reason.REGION_DISABLED)
        for code, message in (
            ("SubscriptionRequiredException", "The AWS Access Key Id needs a subscription for the service"),
            ("NotSignedUp", "Your account is not signed up for this service"),
            ("AccountProblem", "There is a problem with your AWS account"),
        )
    ),
    (DENIED, "OptInRequired", "You are not subscribed to this service", Reason.REGION_DISABLED),
    (DENIED, "RegionDisabledException", "The Region is disabled", Reason.REGION_DISABLED),
    (DENIED, "403", "", Reason.ACCESS_DENIED),
    (ErrorKind.CREDENTIALS, "ExpiredTokenException", "The security token is expired", "CredentialsRefused"),
    (ErrorKind.CREDENTIALS, "UnrecognizedClientException", "The token is invalid", "CredentialsRefused"),
    (ErrorKind.CREDENTIALS, "NoCredentialsError", "No AWS credentials were found", "CredentialsRefused"),
    (ErrorKind.CREDENTIALS, "InvalidSignatureException", "does not match", Reason.SIGNATURE_REFUSED),
    (ErrorKind.CREDENTIALS, "RequestTimeTooSkewed", "The difference is too large", Reason.SIGNATURE_REFUSED),
    (MISSING, "ResourceNotFoundException", "Credential provider not found", Reason.REFERENCE_NOT_FOUND),
    (
        MISSING,
        "ResourceNotFoundException",
        "OAuth2CredentialProvider idp does not exist",
        "ReferenceNotFound",
    ),
    (MISSING, "ResourceNotFoundException", "Secret not found", Reason.REFERENCE_NOT_FOUND),
    (WRONG, "ValidationException", "NoSuchKey: The specified key does not exist.", "ReferenceNotFound"),
    (WRONG, "ValidationException", "S3 object s3://tools/list.json not found", Reason.REFERENCE_NOT_FOUND),
    (WRONG, "ValidationException", "No MCP tool schema found", Reason.REFERENCE_NOT_FOUND),
    (MISSING, "ResourceNotFoundException", "Lattice resource configuration not found", "ReferenceNotFound"),
    (MISSING, "ResourceNotFoundException", "Resource gateway rgw-1 not found", Reason.REFERENCE_NOT_FOUND),
    (MISSING, "ResourceNotFoundException", "Certificate not found", Reason.REFERENCE_NOT_FOUND),
    (
        WRONG,
        "InvalidRequestException",
        "You can't perform this operation on the secret because it was marked for deletion.",
        "ReferenceNotFound",
    ),
    (MISSING, "ResourceNotFoundException", "Gateway demo-abcdefghij not found", None),
    (WRONG, "ValidationException", "1 validation error detected: Value at 'name' failed", None),
    (WRONG, "ValidationException", "Value at 'secret' is wrong", None),
    (ErrorKind.CONFLICT, "ConflictException", "secret does not exist", None),
    (ErrorKind.THROTTLED, "ThrottlingException", "Rate exceeded", Reason.THROTTLED),
    (ErrorKind.TRANSIENT, "InternalServerException", "oops", Reason.AWS_UNAVAILABLE),
]


@pytest.mark.parametrize(("kind", "code", "message", "reason"), TABLE)
def test_reasons_follow_the_cause(kind: ErrorKind, code: str, message: str, reason: str | None) -> None:
    cause = cause_of(AgentCoreError(kind, code, message), identity=OPERATOR)
    assert (cause.reason if cause else None) == reason


def test_while_its_own_identity_is_not_known_the_action_tells_whose_right_is_missing() -> None:
    own, other = (cause_of(AgentCoreError(DENIED, "AccessDenied", ROLE + what)) for what in (CREATE, TOKEN))
    assert own is not None
    assert other is not None
    assert (own.reason, other.reason) == (Reason.ACCESS_DENIED, Reason.GATEWAY_ROLE_DENIED)


def test_ids_that_aws_repeats_say_nothing() -> None:
    """Who calls a gateway `secret-bucket-...` is not told of a secret."""
    error = AgentCoreError(MISSING, "ResourceNotFoundException", "Gateway secret-bucket-abcdefghij not found")
    assert cause_of(error, known=["secret-bucket-abcdefghij", ""]) is None


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.quote[:30])
def test_each_row_is_found_by_its_own_quote(cause: object) -> None:
    row = next(each for each in CAUSES if each is cause)
    code, _, message = row.quote.partition(": ") if re.match(r"\w+: ", row.quote) else ("x", "", row.quote)
    for kind in row.kinds:
        found = cause_of(AgentCoreError(kind, code, message), identity=OPERATOR)
        assert found is row or (row.reason == Reason.ACCESS_DENIED and found is not None)
    assert row.advice[0].isupper()
    assert not row.advice.endswith(".")
    assert isinstance(row.actor, Actor)


def test_long_words_cost_no_time() -> None:
    for text in ("no such " * 128, "a" * 1024, "execution role " * 70):
        for kind in ErrorKind:
            cause_of(AgentCoreError(kind, "X", text), identity=OPERATOR)


def test_a_gateway_whose_name_sounds_like_a_cause_is_none() -> None:
    """AWS repeats the gateway's id, which its owner chose: reason and words must come to the same."""
    place = Place("subscription-service-abcdefghij")
    denied = WHO + f"bedrock-agentcore:ListGatewayTargets on resource: gateway/{place.gateway_id}"
    error = AgentCoreError(DENIED, "AccessDeniedException", denied)
    assert "IAM policy" in why_unlisted(place, error)
    assert reason_of(error, place) == Reason.ACCESS_DENIED


def test_what_refused_credentials_mean_is_said_with_who_acts() -> None:
    said = why_refused(
        AgentCoreError(ErrorKind.CREDENTIALS, "ExpiredTokenException", "The token is expired.")
    )
    assert "cannot be asked with the operator's credentials" in said
    assert "The token is expired. " in said
