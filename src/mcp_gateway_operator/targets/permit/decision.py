"""The permission of one MCPServer on one gateway, and the sentence where there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from mcp_gateway_operator.api.mcpgateway import Allow, MCPGatewaySpec
from mcp_gateway_operator.api.mcpgateway_rules import ANYTHING, NAMESPACE, GatewayArn, ProviderArn
from mcp_gateway_operator.api.types import AuthType, MCPServerSpec
from mcp_gateway_operator.targets.permit.allowed_endpoints import covers
from mcp_gateway_operator.targets.permit.fields import denied_fields
from mcp_gateway_operator.targets.permit.selectors import selects

VAULT: Final = "default"
DEFAULT_GRANT: Final = "CLIENT_CREDENTIALS"
REFUSED_WORDS: Final = "MCPGateway {name} does not permit this: {why}."
REMEDY: Final = "Whoever may change the MCPGateway can permit it in its spec.allow."
PROVIDER_KINDS: Final[Mapping[str, str]] = {
    AuthType.OAUTH2: "oauth2credentialprovider",
    AuthType.API_KEY: "apikeycredentialprovider",
}


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What an MCPServer wants of a gateway.

    Attributes:
        namespace: the object's.
        labels: the namespace's, None where they cannot be read.
        spec: the object's.
        gateway: the gateway's ARN.
    """

    namespace: str
    labels: Mapping[str, str] | None
    spec: MCPServerSpec
    gateway: GatewayArn

    @property
    def auth_type(self) -> str:
        """How the gateway is to authenticate to the server."""
        return self.spec.auth_type or AuthType.OAUTH2

    @property
    def grant_type(self) -> str:
        """How a token is asked for, where one is."""
        return self.spec.oauth_grant_type or DEFAULT_GRANT

    @property
    def provider(self) -> str:
        """The ARN of the credential provider that is to be used, "" where there is none."""
        match self.auth_type:
            case AuthType.OAUTH2:
                return self.spec.oauth_provider_arn
            case AuthType.API_KEY:
                return self.spec.api_key.provider_arn if self.spec.api_key else ""
            case _:
                return ""

    @property
    def words(self) -> Mapping[str, str]:
        """What the sentences about it name."""
        kind = PROVIDER_KINDS.get(self.auth_type, "")
        return {
            "namespace": self.namespace,
            "authType": self.auth_type,
            "grantType": self.grant_type,
            "endpoint": self.spec.endpoint,
            "provider": self.provider.rpartition("/")[2],
            "kind": kind.removesuffix("credentialprovider"),
            "region": self.gateway.region,
        }


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why an MCPServer may not be on a gateway: the field of the rule, and a phrase for people.

    Attributes:
        rule: the field of an entry, or of the MCPServer's spec where no entry can permit it.
        message: the phrase, without a period.
        permittable: another entry could permit it.
    """

    rule: str
    message: str
    permittable: bool = False

    def words(self, name: str, *, kept: str = "") -> str:
        """Return the sentences about an MCPGateway's refusal: which rule, and who can change it.

        Args:
            name: of the MCPGateway.
            kept: what becomes of what is there already, as a sentence.
        """
        sentences = (
            REFUSED_WORDS.format(name=name, why=self.message),
            kept,
            REMEDY if self.permittable else "",
        )
        return " ".join(filter(None, sentences))


def refusal(policy: MCPGatewaySpec, use: Use) -> Refusal | None:
    """Return why an MCPGateway does not permit a use of its gateway, None where it does.

    Of several entries that do not, the one speaks that comes nearest to it.
    """
    for rule in FIELD_RULES:
        if (why := rule(use)) is not None:
            return why
    nearest = 0
    for entry in policy.allow:
        passed = next((at for at, (_, holds, _) in enumerate(ENTRY_RULES) if not holds(entry, use)), None)
        if passed is None:
            return None
        nearest = max(nearest, passed)
    name, _, words = ENTRY_RULES[nearest]
    return Refusal(rule=name, message=words.format_map(use.words), permittable=True)


# -- what no entry can permit ---------------------------------------------------------------------------

DENIED_WORDS: Final = "{fields} cannot be used on a gateway of an MCPGateway: remove it"
REGION_WORDS: Final = "spec.iam.region must be the gateway's, {region}: write that, or remove it"
PLACE_WORDS: Final = (
    f"the credential provider must be {{kind}} and in the token vault {VAULT} of the gateway's account and"
    " Region: write its ARN, as the console shows it"
)


def _denied(use: Use) -> Refusal | None:
    fields = tuple(denied_fields(msgspec.to_builtins(use.spec)))
    if not fields:
        return None
    written = ", ".join(f"spec.{each}" for each in fields)
    return Refusal(rule=fields[0], message=DENIED_WORDS.format(fields=written))


def _signing_region(use: Use) -> Refusal | None:
    region = use.spec.iam.region if use.spec.iam else ""
    if region in {"", use.gateway.region}:
        return None
    return Refusal(rule="iam.region", message=REGION_WORDS.format_map(use.words))


def _provider_place(use: Use) -> Refusal | None:
    """A provider is named by its ARN, of which only the name is the tenant's choice."""
    kind = PROVIDER_KINDS.get(use.auth_type)
    if kind is None:
        return None
    parts, gateway = ProviderArn.parse(use.provider), use.gateway
    place = (gateway.partition, gateway.region, gateway.account, VAULT, kind)
    if parts is not None and parts[:-1] == place:
        return None
    return Refusal(rule="providers", message=PLACE_WORDS.format_map(use.words))


FIELD_RULES: Final[tuple[Callable[[Use], Refusal | None], ...]] = (_denied, _signing_region, _provider_place)
"""What holds whatever the entries say."""

# -- what an entry permits ------------------------------------------------------------------------------


def _namespaces(entry: Allow, use: Use) -> bool:
    return entry.namespaces is not None and selects(entry.namespaces, use.labels)


def _auth_types(entry: Allow, use: Use) -> bool:
    return bool({ANYTHING, use.auth_type} & set(entry.auth_types))


def _grant_types(entry: Allow, use: Use) -> bool:
    return use.auth_type != AuthType.OAUTH2 or bool({ANYTHING, use.grant_type} & set(entry.grant_types))


def _endpoints(entry: Allow, use: Use) -> bool:
    return any(covers(each, use.spec.endpoint) for each in entry.endpoints)


def _providers(entry: Allow, use: Use) -> bool:
    if use.auth_type not in PROVIDER_KINDS:
        return True
    parts = ProviderArn.parse(use.provider)
    return parts is not None and any(_named(each, parts.name, use.namespace) for each in entry.providers)


def _named(entry: str, name: str, namespace: str) -> bool:
    """Return whether an entry covers a provider's name; `_` ends the namespace, for none can hold it."""
    if entry.startswith(NAMESPACE):
        rest = entry.removeprefix(NAMESPACE)
        if not namespace or (rest and not rest.startswith("_")):
            return False
        entry = f"{namespace}{rest}"
    beginning, star, behind = entry.partition(ANYTHING)
    if behind:
        return False
    return name.startswith(beginning) if star else name == beginning


ENTRY_RULES: Final[tuple[tuple[str, Callable[[Allow, Use], bool], str], ...]] = (
    ("namespaces", _namespaces, "it names no namespace like {namespace}"),
    ("authTypes", _auth_types, "it does not permit authType {authType} to namespace {namespace}"),
    ("grantTypes", _grant_types, "it does not permit oauthGrantType {grantType} to namespace {namespace}"),
    ("endpoints", _endpoints, "it does not permit the endpoint {endpoint} to namespace {namespace}"),
    (
        "providers",
        _providers,
        "it does not permit the credential provider {provider} to namespace {namespace}",
    ),
)
"""Name, rule and words; all hold together in one entry."""
