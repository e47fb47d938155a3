"""What the control plane remembers: gateways and targets of every account and Region."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from agentcore_simulator.protocol import arn

CREATING: Final = "CREATING"
UPDATING: Final = "UPDATING"
SYNCHRONIZING: Final = "SYNCHRONIZING"
DELETING: Final = "DELETING"
READY: Final = "READY"
FAILED: Final = "FAILED"
UPDATE_UNSUCCESSFUL: Final = "UPDATE_UNSUCCESSFUL"
SYNCHRONIZE_UNSUCCESSFUL: Final = "SYNCHRONIZE_UNSUCCESSFUL"
PENDING_AUTH: Final = frozenset({"CREATE_PENDING_AUTH", "UPDATE_PENDING_AUTH", "SYNCHRONIZE_PENDING_AUTH"})
BUSY: Final = frozenset({CREATING, UPDATING, SYNCHRONIZING})
TARGET_STATUSES: Final = frozenset(
    {
        CREATING,
        UPDATING,
        SYNCHRONIZING,
        DELETING,
        READY,
        FAILED,
        UPDATE_UNSUCCESSFUL,
        SYNCHRONIZE_UNSUCCESSFUL,
    }
    | PENDING_AUTH
)

MCP_SERVER: Final = "MCP_SERVER"

_TYPES: Final = {
    ("mcp", "openApiSchema"): "OPEN_API_SCHEMA",
    ("mcp", "smithyModel"): "SMITHY_MODEL",
    ("mcp", "lambda"): "LAMBDA",
    ("mcp", "mcpServer"): MCP_SERVER,
    ("mcp", "apiGateway"): "API_GATEWAY",
    ("mcp", "connector"): "CONNECTOR",
    ("http", "agentcoreRuntime"): "AGENTCORE_RUNTIME",
    ("http", "passthrough"): "PASSTHROUGH",
    ("http", "connector"): "HTTP_CONNECTOR",
    ("inference", "provider"): "PROVIDER",
    ("inference", "connector"): "CONNECTOR",
}


class Traits(NamedTuple):
    """What decides a target's behaviour, read out of its configuration once a write."""

    family: str
    """mcp, http or inference."""
    variant: str
    """mcpServer, lambda, ..."""
    type: str
    """TargetType of the summaries."""
    endpoint: str
    listing_mode: str | None
    priority: int | None
    static_schema: bool
    bad_schema: bool
    """The inline static schema has no tools in it. One in S3 is not looked at."""
    consent: bool
    """OAuth authorization code grant: a person has to consent before tools can be fetched."""

    @property
    def probed(self) -> bool:
        """Whether the service connects to the server on Create, Update and Synchronize."""
        return self.type == MCP_SERVER and self.listing_mode != "DYNAMIC" and not self.static_schema


def traits_of(config: dict[str, Any], default_grant: str = "CLIENT_CREDENTIALS") -> Traits:
    """Traits of a validated configuration (`targetConfiguration`, `credentialProviderConfigurations`).

    `default_grant` is the OAuth grant type of a provider that names none.
    """
    family, variants = next(iter(config["targetConfiguration"].items()))
    variant, detail = next(iter(variants.items()))
    credentials = config.get("credentialProviderConfigurations") or [{}]
    oauth = credentials[0].get("credentialProvider", {}).get("oauthCredentialProvider", {})
    is_server = variant == "mcpServer"
    return Traits(
        family=family,
        variant=variant,
        type=_TYPES[family, variant],
        endpoint=detail.get("endpoint", ""),
        listing_mode=detail.get("listingMode", "DEFAULT") if is_server else None,
        priority=detail.get("resourcePriority", 1000) if is_server else None,
        static_schema="mcpToolSchema" in detail,
        bad_schema=not _has_tools(detail.get("mcpToolSchema", {}).get("inlinePayload")),
        consent=bool(oauth) and oauth.get("grantType", default_grant) == "AUTHORIZATION_CODE",
    )


def _has_tools(payload: str | None) -> bool:
    """Whether an inline tool schema is a tools/list result, or its list, of at least one named tool."""
    if payload is None:
        return True
    try:
        schema = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return False
    tools = schema.get("tools") if isinstance(schema, dict) else schema
    if not isinstance(tools, list) or not tools:
        return False
    return all(isinstance(tool, dict) and isinstance(tool.get("name"), str) for tool in tools)


@dataclass(slots=True, eq=False)
class Consent:
    """An authorization that a person has to give."""

    request_uri: str
    url: str
    user: str
    expires: float


@dataclass(slots=True, eq=False)
class Shadow:
    """What readers that lag behind still see of a target: its answers before the write at `since`.

    None stands for "does not exist".
    """

    since: float
    full: bytes | None
    summary: bytes | None


@dataclass(slots=True, eq=False)
class Target:
    """One gateway target. Times are epoch seconds; `config` is JSON of the members that a write replaces."""

    id: str
    serial: int
    """Order of creation; lists are sorted and paged by it."""
    gateway: Gateway
    name: str
    description: str | None
    config: bytes
    traits: Traits
    created: float
    updated: float
    status: str
    reasons: tuple[str, ...] = ()
    synced: float | None = None
    consent: Consent | None = None
    consented: bool = False
    epoch: int = 0
    """Counts state changes: a scheduled transition of an older epoch is void."""
    due: float | None = None
    """When CREATING, UPDATING, SYNCHRONIZING or DELETING ends."""
    probes: int = 0
    """How often the service connected to the server."""
    shadow: Shadow | None = None

    def configuration(self) -> dict[str, Any]:
        """The replaceable members, decoded."""
        return msgspec.json.decode(self.config, type=dict[str, Any])


@dataclass(slots=True, eq=False)
class Gateway:
    """One gateway. `config` holds the members of Create or UpdateGateway that are only stored and shown."""

    id: str
    serial: int
    region: Region
    name: str
    created: float
    updated: float
    status: str
    config: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    policy_engine: bool = False
    targets: dict[str, Target] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    """How many targets have a name, those in DELETING included."""
    writes: list[float] = field(default_factory=list)
    """When each Create, Update or Delete call in flight ends."""
    ghosts: list[tuple[float, Target]] = field(default_factory=list)
    """Targets that are gone, with when: lagging lists still show them."""
    emptied: float | None = None
    """When the last target went."""
    epoch: int = 0
    due: float | None = None
    """When CREATING, UPDATING or DELETING ends."""
    made: int = 0
    """How many targets were ever made in it."""

    @property
    def arn(self) -> str:
        """ARN of the gateway; targets have none of their own."""
        return arn("bedrock-agentcore", self.region.name, self.region.account, f"gateway/{self.id}")

    def add(self, target: Target) -> None:
        """Put a target into the tables."""
        self.targets[target.id] = target
        self.names[target.name] = self.names.get(target.name, 0) + 1

    def remove(self, target: Target, now: float) -> None:
        """Take a target out of the tables."""
        del self.targets[target.id]
        self._drop_name(target.name)
        if not self.targets:
            self.emptied = now

    def rename(self, target: Target, name: str) -> None:
        """Give a target another name."""
        self._drop_name(target.name)
        target.name = name
        self.names[name] = self.names.get(name, 0) + 1

    def _drop_name(self, name: str) -> None:
        if self.names[name] == 1:
            del self.names[name]
        else:
            self.names[name] -= 1


@dataclass(slots=True, eq=False)
class Region:
    """One account in one Region."""

    account: str
    name: str
    gateways: dict[str, Gateway] = field(default_factory=dict)
