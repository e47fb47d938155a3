"""What AWS takes for a single value: ARNs of the service and kind that a field takes, headers, target names.

The forms are those of the bedrock-agentcore-control service model; providers go by the signing name
`bedrock-agentcore` and by `acps`, the name of the service that keeps them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, Final, NamedTuple

from mcp_gateway_operator.api.problem import Problem
from mcp_gateway_operator.api.rules import matches
from mcp_gateway_operator.api.schema import Rule

_PLACE = "[a-zA-Z0-9-]{1,64}:[0-9]{12}"
_VAULT = "token-vault/[a-zA-Z0-9_.-]+"
_EXAMPLE = "arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default"
_OF_AN_ARN = 6
"""Parts of an ARN between its colons; the last may hold more of them."""


def _provider(field: str, kind: str, what: str, name: str) -> tuple[Rule, ...]:
    return (
        matches(
            f"arn:aws[a-z-]*:(bedrock-agentcore|acps):{_PLACE}:{_VAULT}/{kind}/[a-zA-Z0-9_.-]+",
            f"{field} must be the ARN of {what}: write for example {_EXAMPLE}/{kind}/{name}",
        ),
    )


OAUTH_PROVIDER: Final = _provider(
    "oauthProviderArn", "oauth2credentialprovider", "an AgentCore OAuth2 credential provider", "github"
)
API_KEY_PROVIDER: Final = _provider(
    "providerArn", "apikeycredentialprovider", "an AgentCore API key credential provider", "search"
)
SECRET: Final = (
    matches(
        f"arn:aws[a-z-]*:secretsmanager:{_PLACE}:secret:[a-zA-Z0-9/_+=.@!-]+",
        "secretArn must be the ARN of a Secrets Manager secret: write for example"
        " arn:aws:secretsmanager:us-east-1:123456789012:secret:mcp-ca-AbCdEf",
    ),
)
LATTICE_RESOURCE: Final = (
    matches(
        f"rcfg-[0-9a-z]{{17}}|arn:aws[a-z-]*:vpc-lattice:{_PLACE}:resourceconfiguration/rcfg-[0-9a-z]{{17}}",
        "resourceConfigurationIdentifier must be the id or the ARN of a VPC Lattice resource configuration:"
        " write for example rcfg-0123456789abcdef0",
    ),
)


class Location(NamedTuple):
    """Where something is at AWS; an empty text is not known, or not asked for."""

    partition: str = ""
    region: str = ""
    account: str = ""

    @classmethod
    def of(cls, arn: str) -> Location:
        """Return the place of an ARN, one without anything known for another text."""
        parts = arn.split(":", _OF_AN_ARN - 1)
        if len(parts) < _OF_AN_ARN or parts[0] != "arn":
            return cls()
        return cls(partition=parts[1], region=parts[3], account=parts[4])


_WHOLE: Final = Location("partition", "Region", "account")
_REGIONAL: Final = Location("partition", "Region")
_ANYWHERE: Final = Location("partition")
_FIELDS: Final[dict[tuple[str, ...], Location]] = {
    ("oauthProviderArn",): _WHOLE,
    ("apiKey", "providerArn"): _WHOLE,
    ("privateEndpoint", "selfManagedLatticeResource", "resourceConfigurationIdentifier"): _REGIONAL,
    ("certificateConfigurations", "secretsManager", "secretArn"): _ANYWHERE,
}
"""The fields that take an ARN, and what of its place AWS wants to be the gateway's.

Providers: the developer guide, "same account and Region". A Lattice resource may be shared by another
account, not by another Region. No ARN works across partitions.
"""


def misplaced(spec: dict[str, Any], gateway: Location) -> Iterator[Problem]:
    """Yield the ARNs of a spec that are elsewhere than its gateway, in what is known of that.

    Without a gateway the first ARN stands for it: all of them are to be beside one gateway.
    """
    first = ""
    written = [(names, wanted) for names, wanted in _FIELDS.items() if spec.get(names[0])]
    for names, wanted in written:
        for path, arn in _texts(spec, "spec", names):
            place = Location.of(arn)
            for what, here, there in zip(wanted, place, gateway, strict=True):
                if what and here and there and here != there:
                    yield Problem(path=path, message=_misplaced_words(what, here, there, first))
            if any(place) and not any(gateway):
                gateway, first = place, path


def _misplaced_words(what: str, here: str, there: str, first: str) -> str:
    whose = f"that of {first}" if first else "the gateway"
    return (
        f"this is in the {what} {here}, and {whose} in {there}: AWS takes only what is in the gateway's own"
        f" {what}; write the ARN of one that is"
    )


def _texts(value: Any, path: str, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the texts at one place of a spec, in each item of a list on the way, with their paths."""
    if isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            yield from _texts(each, f"{path}[{index}]", names)
    elif names and isinstance(value, dict):
        yield from _texts(value.get(names[0]), f"{path}.{names[0]}", names[1:])
    elif not names and isinstance(value, str):
        yield path, value


# The developer guide's page on header propagation of gateways. The names of HTTP/2 pseudo-headers on it
# cannot occur, because a colon is not legal in the names that the API takes.
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


MAX_ALPHANUMERICS: Final = 100
_DASHES: Final = re.compile(r"[.-]+")


def default_target_name(object_name: str) -> str:
    """Return the target name for an object that asks for none.

    AgentCore accepts `([0-9a-zA-Z][-]?){1,100}` (service model, TargetName): dots become dashes, runs of
    dashes collapse to one, and at most 100 alphanumerics are kept.
    """
    stays = "." not in object_name and "--" not in object_name and not object_name.startswith("-")
    if stays and len(object_name) <= MAX_ALPHANUMERICS:
        # Nearly every name, and asked for a dozen times a pass: the very text, so that memory holds it once.
        return object_name
    text = _DASHES.sub("-", object_name).lstrip("-")
    if len(text) <= MAX_ALPHANUMERICS:
        return text
    seen = count(1)
    for position, character in enumerate(text):
        if character != "-" and next(seen) > MAX_ALPHANUMERICS:
            return text[:position].rstrip("-")
    return text
