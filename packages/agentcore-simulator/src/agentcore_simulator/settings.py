"""Everything that can be turned: durations, quotas, and the cells AWS leaves undocumented."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
AccountId = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{12}$")]
RegionName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,32}$")]
Profile = Literal["fast", "aws", "chaos"]


class Durations(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How long the asynchronous states last, in seconds."""

    creating: Seconds = 0.5
    updating: Seconds = 0.5
    synchronizing: Seconds = 0.5
    deleting: Seconds = 0.3
    gateway: Seconds = 0.3
    """CREATING, UPDATING and DELETING of a gateway."""
    consent: Seconds = 600.0
    """How long an authorization URL stays valid (AWS: 10 minutes)."""
    jitter: Fraction = 0.0
    """Each duration is multiplied by a random factor between 1 - jitter and 1 + jitter."""


class Quotas(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Documented default quotas of an account and Region. Rates are requests per second."""

    enabled: bool = False
    """Whether rates and writes in flight are limited. The target limit of a gateway always holds."""
    rates: dict[str, Annotated[float, msgspec.Meta(gt=0)]] = msgspec.field(
        default_factory=lambda: {
            "CreateGatewayTarget": 5,
            "UpdateGatewayTarget": 5,
            "DeleteGatewayTarget": 5,
            "SynchronizeGatewayTargets": 5,
            "GetGatewayTarget": 10,
            "ListGatewayTargets": 10,
            "CreateGateway": 5,
            "UpdateGateway": 5,
            "DeleteGateway": 5,
            "GetGateway": 10,
            "ListGateways": 10,
        }
    )
    writes_in_flight: Count = 5
    """Concurrent Create, Update and Delete operations on the targets of one gateway."""
    targets_per_gateway: Count = 100
    gateways: Count = 1000


class Switches(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Behaviour that AWS neither documents nor was seen to settle: one switch a question."""

    transient_writes: Literal["conflict", "accept"] = "conflict"
    """Update, Delete or Synchronize of a target that is CREATING, UPDATING or SYNCHRONIZING."""
    delete_while_creating: Literal["conflict", "accept"] | None = None
    """Delete of a target that is CREATING; null goes by `transient_writes`."""
    busy_error: Literal["conflict", "validation"] = "conflict"
    """A refused write: ConflictException, or ValidationException with reason ResourceConflict."""
    pending_auth_writes: Literal["refuse", "delete-allowed"] = "refuse"
    """Whether a target that waits for consent can be deleted."""
    pending_auth_expiry: Literal["unsuccessful", "stay"] = "unsuccessful"
    """What becomes of a target whose consent ran out: FAILED or *_UNSUCCESSFUL, or nothing."""
    pending_auth_at_once: bool = False
    """The answer to Create already says CREATE_PENDING_AUTH instead of CREATING."""
    duplicate_names: Literal["conflict", "validation", "allow"] = "conflict"
    """A name that another target of the gateway has. "allow" takes the guarantee away."""
    missing_name: Literal["generate", "refuse"] = "generate"
    """Create without a name. An Update without one keeps it, or is refused."""
    target_ids: Literal["random", "counted"] = "random"
    """Ids of new targets. "counted" begins with T000000001 in each gateway, so that gateways of two accounts
    come to have equal ones."""
    no_auth_shape: Literal["empty", "absent", "role"] = "empty"
    """credentialProviderConfigurations in the answers for a target without credentials: [], no member, or the
    gateway's role without a provider."""
    shows_defaults: bool = False
    """Get shows what was not sent: listing mode, resourcePriority, grant type."""
    list_order: Literal["kept", "reversed"] = "kept"
    """How Get orders headers, query parameters and scopes, compared with what was sent."""
    header_case: Literal["kept", "lower"] = "kept"
    """How Get writes the names of headers."""
    default_grant: Literal["CLIENT_CREDENTIALS", "AUTHORIZATION_CODE"] = "CLIENT_CREDENTIALS"
    """The OAuth grant type when none is sent."""
    bad_tool_schema: Literal["fail", "refuse"] = "fail"
    """A static schema without tools: the target fails afterwards, or the write is a ValidationException."""
    foreign_providers: Literal["refuse", "accept"] = "refuse"
    """A credential provider of another account or Region than the gateway's: refused, or not looked at."""
    target_limit_error: Literal["quota", "validation"] = "quota"
    """Create in a full gateway: ServiceQuotaExceededException, or the ValidationException seen in samples."""
    in_flight_counts: Literal["calls", "targets"] = "calls"
    """What the concurrency quota counts: API calls, or targets CREATING, UPDATING or DELETING."""
    in_flight_error: Literal["throttling", "quota", "conflict"] = "throttling"
    sync_failure_status: Literal["SYNCHRONIZE_UNSUCCESSFUL", "FAILED"] = "SYNCHRONIZE_UNSUCCESSFUL"
    sync_dynamic_listing: Literal["accept", "refuse"] = "accept"
    """Synchronize of a target whose tools are listed at call time."""
    sync_bumps_updated_at: bool = False
    settling_bumps_updated_at: bool = False
    """Whether updatedAt moves when a state settles, and not only when a caller writes."""
    policy_header_bumps_updated_at: bool = False
    list_shows_deleting: bool = True
    client_token_seconds: Annotated[float, msgspec.Meta(ge=0)] | None = 86_400.0
    """How long a clientToken is remembered; 0 forgets it at once, null never."""
    remember_rejections: bool = False
    """Whether the clientToken of a refused Create is remembered, with its refusal."""
    default_page_size: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    require_signature: bool = True
    """Refuse requests without a SigV4 credential scope. The signature itself is never checked."""
    loopback_http: bool = False
    """Accept plain http endpoints on loopback addresses, which the service refuses."""
    sync_permission_on_write: bool = False
    """Denying SynchronizeGatewayTargets also denies Create and Update, as the IAM reference says it does."""
    provider_permissions: bool = False
    """Writes of targets with OAuth or an API key also need the caller's right to fetch tokens or keys."""
    timestamp_digits: Annotated[int, msgspec.Meta(ge=0, le=9)] = 6
    """Digits after the decimal point of a timestamp's seconds."""


class Consistency(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Eventual consistency, in seconds after a write. All off by default."""

    list_lag: Seconds = 0.0
    """ListGatewayTargets shows the state before the write, or no new row, or still the deleted one."""
    list_misses: Fraction = 0.0
    """How often a row is missing from a ListGatewayTargets answer, by chance."""
    get_lag_after_create: Seconds = 0.0
    """GetGatewayTarget answers 404 for a new target."""
    get_lag_after_write: Seconds = 0.0
    """GetGatewayTarget still shows the state before an Update, Synchronize or Delete (typically READY)."""
    get_staleness: Fraction = 1.0
    """How often a Get within `get_lag_after_write` is stale: below 1, answers flap between old and new."""
    gateway_delete_lag: Seconds = 0.0
    """DeleteGateway keeps refusing after the last target has gone."""


class Settings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Settings of one simulator; replaceable while it runs through the admin API."""

    profile: Profile = "fast"
    account: AccountId = "123456789012"
    """Account of callers whose access key names none (see `identity`)."""
    region: str = "us-east-1"
    """Region of gateways that are made without a caller."""
    latency: Seconds = 0.0
    """Added to every answer, in seconds."""
    durations: Durations = msgspec.field(default_factory=Durations)
    quotas: Quotas = msgspec.field(default_factory=Quotas)
    switches: Switches = msgspec.field(default_factory=Switches)
    consistency: Consistency = msgspec.field(default_factory=Consistency)
    denied_actions: list[str] = msgspec.field(default_factory=list)
    """IAM actions refused with AccessDeniedException, as operation names ("GetGateway"); "*" for all."""
    expired_credentials: bool = False
    """Every call is refused with ExpiredTokenException."""
    credential_seconds: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 3600.0
    """How long credentials live that STS or the Pod Identity endpoint gives out, at most."""
    log_size: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 20_000
    """Requests kept in the log."""
    seed: int = 0


def for_profile(profile: Profile) -> Settings:
    """The settings of a profile.

    "fast" answers at once and settles in half a second, without quotas. "aws" has the documented quotas,
    states of several seconds and a latency. "chaos" is "fast" with random durations, lag, throttling, 5xx and
    lost answers (its random faults are in `faults`).
    """
    settings = Settings(profile=profile)
    if profile == "aws":
        settings.latency = 0.12
        settings.durations = Durations(
            creating=4.0, updating=4.0, synchronizing=5.0, deleting=3.0, gateway=5.0, jitter=0.3
        )
        settings.quotas = Quotas(enabled=True)
    elif profile == "chaos":
        settings.durations = Durations(jitter=0.9)
        settings.consistency = Consistency(
            list_lag=1.0, get_lag_after_create=0.3, get_lag_after_write=0.3, gateway_delete_lag=1.0
        )
    return settings


def patched(settings: Settings, changes: dict[str, Any]) -> Settings:
    """A copy of `settings` with `changes` (nested JSON objects) merged in.

    Raises:
        ValueError: an unknown setting or a value out of range; the message names it.
    """
    merged = _merge(msgspec.to_builtins(settings), changes)
    try:
        return msgspec.convert(merged, Settings)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
