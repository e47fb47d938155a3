"""What AWS's refusals come down to: AWS's own words, the reason that conditions give, advice, and who acts.

One table, read from the top: the first row that a refusal fits decides; `docs/troubleshooting.md` shows it.
What no row fits is named by the operation that failed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum
from typing import Final, NamedTuple

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind


class Actor(StrEnum):
    """Who has to act."""

    OWNER = "whoever wrote the MCPServer"
    PLATFORM = "the platform team"
    ORGANIZATION = "whoever keeps the AWS organization's policies"
    NOBODY = "nobody; it passes by itself"


class Cause(NamedTuple):
    """One row of the table.

    Attributes:
        reason: in conditions.
        kinds: of failures that it is looked for in.
        words: what AWS says, as patterns over its code and message, all of which have to be found.
        quote: AWS's words, as they were seen or as its documents have them.
        advice: what to do, as a sentence.
        actor: who does it.
    """

    reason: str
    kinds: frozenset[ErrorKind]
    words: tuple[re.Pattern[str], ...]
    quote: str
    advice: str
    actor: Actor


def _words(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(each, re.IGNORECASE) for each in patterns)


_REFUSED: Final = frozenset({ErrorKind.ACCESS_DENIED})
_LACKING: Final = frozenset({ErrorKind.NOT_FOUND, ErrorKind.VALIDATION})
_ABSENT: Final = (
    r"not ?found|(does|do) not exist|doesn't exist|no ?such|(cannot|can't|could not) find|marked for deletion"
)

CAUSES: Final = (
    Cause(
        Reason.SIGNATURE_REFUSED,
        frozenset({ErrorKind.CREDENTIALS}),
        _words(
            r"InvalidSignature|SignatureDoesNotMatch|IncompleteSignature|Signature (expired|not yet)"
            r"|RequestExpired|RequestTimeTooSkewed|RequestInTheFuture|\bclock\b",
        ),
        "InvalidSignatureException: The request signature we calculated does not match the signature you "
        "provided",
        "Synchronize the clock of the node, and check that the secret access key belongs to the key id",
        Actor.PLATFORM,
    ),
    Cause(
        Reason.CREDENTIALS_REFUSED,
        frozenset({ErrorKind.CREDENTIALS}),
        (),
        "ExpiredTokenException: The security token included in the request is expired",
        "Renew or correct the operator's AWS credentials: the role of its ServiceAccount, its token file, "
        "its profile or its keys",
        Actor.PLATFORM,
    ),
    Cause(
        Reason.DENIED_BY_POLICY,
        _REFUSED,
        _words(
            r"explicit deny|service control polic|resource control polic|permissions boundar|session polic"
            r"|VPC endpoint polic|resource-based polic",
        ),
        "User: ... is not authorized to perform: bedrock-agentcore:CreateGatewayTarget on resource: ... with "
        "an explicit deny in a service control policy",
        "Change the policy that AWS names: an IAM policy that allows the action does not help against it",
        Actor.ORGANIZATION,
    ),
    Cause(
        Reason.REGION_DISABLED,
        _REFUSED,
        _words(
            r"OptInRequired|RegionDisabled|not (subscribed|opted|enabled|signed up)|subscription"
            r"|account .{0,80}(suspended|closed)|problem with your (AWS )?account",
        ),
        "OptInRequired: The AWS Access Key Id needs a subscription for the service",
        "Enable the Region and the service for the AWS account",
        Actor.PLATFORM,
    ),
    Cause(
        Reason.GATEWAY_ROLE_DENIED,
        _REFUSED | {ErrorKind.VALIDATION},
        _words(
            # What is read from S3 is read by the gateway, unless the words name who asked.
            r"\b(execution|gateway('s)?( service)?|service) role\b|\bassume (the )?role\b"
            r"|\brole\b.{0,200}\bassumed\b|^(?!.*User: arn:).*\bS3\b",
            r"not authorized|not allowed|lacks?\b|denied|cannot|missing|assume|(does|do) not have",
        ),
        "Gateway service is not authorized to assume the execution role",
        "Give the gateway's service role the permission, and let bedrock-agentcore.amazonaws.com assume it",
        Actor.PLATFORM,
    ),
    Cause(
        Reason.ACCESS_DENIED,
        _REFUSED,
        (),
        "User: ... is not authorized to perform: bedrock-agentcore:CreateGatewayTarget on resource: ... "
        "because no identity-based policy allows the bedrock-agentcore:CreateGatewayTarget action",
        "Allow it in the operator's IAM policy",
        Actor.PLATFORM,
    ),
    Cause(
        Reason.REFERENCE_NOT_FOUND,
        _LACKING,
        _words(_ABSENT, r"(credential[ -]?provider|token[ -]?vault)"),
        "ResourceNotFoundException: Credential provider not found",
        "Correct oauthProviderArn or apiKey.providerArn, or create the credential provider in the account "
        "and Region of the gateway",
        Actor.OWNER,
    ),
    Cause(
        Reason.REFERENCE_NOT_FOUND,
        _LACKING,
        _words(_ABSENT, r"\bsecret"),
        "ResourceNotFoundException: Secrets Manager can't find the specified secret",
        "Create the secret of the credential provider again, or name another provider; or correct the "
        "secretArn in certificateConfigurations",
        Actor.OWNER,
    ),
    Cause(
        Reason.REFERENCE_NOT_FOUND,
        _LACKING,
        _words(_ABSENT, r"\bS3\b|bucket|\bkey\b"),
        "ValidationException: The specified S3 object does not exist",
        "Correct the S3 address in mcpToolSchema or certificateConfigurations, or put the object there",
        Actor.OWNER,
    ),
    Cause(
        Reason.REFERENCE_NOT_FOUND,
        _LACKING,
        _words(_ABSENT, r"\bcertificate\b"),
        "ResourceNotFoundException: Certificate not found",
        "Correct certificateConfigurations, or put the certificate there",
        Actor.OWNER,
    ),
    Cause(
        Reason.REFERENCE_NOT_FOUND,
        _LACKING,
        _words(r"No MCP tool schema found"),
        "ValidationException: No MCP tool schema found",
        "Correct mcpToolSchema: AWS finds no list of tools in it",
        Actor.OWNER,
    ),
    Cause(
        Reason.REFERENCE_NOT_FOUND,
        _LACKING,
        _words(_ABSENT, r"(lattice|resource[ -]?(config|gateway)|\bVPC\b|subnet|security group)"),
        "ResourceNotFoundException: Resource configuration not found",
        "Correct privateEndpoint, or create what it names in the account and Region of the gateway",
        Actor.OWNER,
    ),
    Cause(
        Reason.THROTTLED,
        frozenset({ErrorKind.THROTTLED}),
        (),
        "ThrottlingException: Rate exceeded",
        "Nothing needs to be done; other programs in the account use the same quotas",
        Actor.NOBODY,
    ),
    Cause(
        Reason.WRONG_ACCOUNT_OR_REGION,
        frozenset({ErrorKind.TRANSIENT}),
        _words(r"^WrongAccountOrRegion\b"),
        "WrongAccountOrRegion: Role ... acts in account ... and Region ..., and the gateway is in "
        "account ... and Region ..., so nothing is sent",
        "Make an MCPGateway with the ARN of the gateway, correct its spec.aws.roleArn, or the credentials "
        "and Region that the operator itself has",
        Actor.PLATFORM,
    ),
    Cause(
        Reason.ROLE_REFUSED,
        frozenset({ErrorKind.TRANSIENT}),
        _words(r"^(RoleRefused|NoIdentity)\b"),
        "RoleRefused: Role ... cannot be assumed: AccessDenied: User: ... is not authorized to perform: "
        "sts:AssumeRole on resource: ...",
        "Let the role's trust policy name the operator's own role, with the externalId and the session tags "
        "of the MCPGateway, and allow the operator sts:AssumeRole and sts:TagSession on it",
        Actor.PLATFORM,
    ),
    Cause(
        Reason.AWS_UNAVAILABLE,
        frozenset({ErrorKind.TRANSIENT}),
        (),
        "InternalServerException: An internal error occurred; or AWS does not answer",
        "If it lasts, look at the AWS health dashboard, and at the operator's network, proxy and "
        "certificate authorities",
        Actor.NOBODY,
    ),
)
"""The table."""

_PRINCIPAL: Final = re.compile(
    r"User: arn:[\w-]+:(?:sts|iam)::\d*:(?P<kind>assumed-role|role|user)/(?P<path>[\w+=,.@/-]{1,600})"
)
_ACTION: Final = re.compile(r"not authorized to perform: (?P<action>[\w-]+:\w+)")
_OPERATORS_OWN: Final = re.compile(
    r"bedrock-agentcore:((Create|Get|Update|Delete|List|Synchronize)GatewayTargets?|GetGateway|ListGateways)$"
)
_GATEWAY_ROLE: Final = next(each for each in CAUSES if each.reason == Reason.GATEWAY_ROLE_DENIED)


def cause_of(error: AgentCoreError, *, identity: str = "", known: Collection[str] = ()) -> Cause | None:
    """Return what a refusal comes down to, None when nothing but its own words tells.

    Args:
        error: the refusal.
        identity: ARN of the operator's credentials, "" while it is not known.
        known: ids and names that AWS may repeat, and that say nothing of what is wrong.
    """
    text = f"{error.code}: {error.message}"
    for each in sorted(filter(None, known), key=len, reverse=True):
        text = text.replace(each, "...")
    for cause in CAUSES:
        if error.kind not in cause.kinds:
            continue
        if all(pattern.search(text) for pattern in cause.words):
            own = cause.reason != Reason.ACCESS_DENIED or not _of_gateway(text, identity)
            return cause if own else _GATEWAY_ROLE
    return None


def _of_gateway(text: str, identity: str) -> bool:
    """Whether it is the gateway's role that lacks a right: not our principal, or no action of ours."""
    who, what = _PRINCIPAL.search(text), _ACTION.search(text)
    if what is not None and _OPERATORS_OWN.match(what["action"]):
        return False
    if who is not None and identity:
        return _role(f"{who['kind']}/{who['path']}") != _role(identity.rpartition(":")[2])
    return what is not None


def _role(path: str) -> str:
    """Return the name of a role or user from the end of its ARN, without path and session."""
    kind, _, rest = path.partition("/")
    return rest.partition("/")[0] if kind == "assumed-role" else rest.rpartition("/")[2]
