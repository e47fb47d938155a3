"""The operations on gateway targets. Each takes a validated request and returns the encoded answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from . import lifecycle, rules, state, views
from .errors import ServiceError, not_found, quota_exceeded, validation
from .quotas import enter_write
from .state import Shadow, Target, traits_of
from .tokens import page_position, page_token

if TYPE_CHECKING:
    from .calls import Call
    from .state import Gateway
    from .world import World

REPLACEABLE = (
    "targetConfiguration",
    "credentialProviderConfigurations",
    "metadataConfiguration",
    "privateEndpoint",
    "certificateConfigurations",
)
"""Members of a target that an Update replaces as a whole, besides name and description."""


def create(world: World, call: Call) -> bytes:
    """CreateGatewayTarget (202)."""
    gateway = call.gateway(world)
    key = (
        call.caller.account,
        call.caller.region,
        call.operation,
        gateway.id,
        call.params.get("clientToken", ""),
    )
    switches = world.settings.switches
    known = key[-1] and world.tokens.recall(
        key, call.params, lifetime=switches.client_token_seconds, now=call.now
    )
    if known:
        return known
    try:
        answer = _create(world, gateway, call)
    except ServiceError as error:
        if key[-1] and switches.remember_rejections:
            world.tokens.remember(key, call.params, error, call.now)
        raise
    if key[-1] and switches.client_token_seconds != 0:
        world.tokens.remember(key, call.params, answer, call.now)
    return answer


def _create(world: World, gateway: Gateway, call: Call) -> bytes:
    switches = world.settings.switches
    _enter_write(world, gateway, call)
    if gateway.status in {state.CREATING, state.DELETING}:
        raise rules.busy(f"Gateway {gateway.id} is in {gateway.status} state", switches)
    config = {member: call.params[member] for member in REPLACEABLE if member in call.params}
    traits = traits_of(config, switches.default_grant)
    rules.check_write(config, traits, gateway, switches)
    name = call.params.get("name")
    if name is None:
        if switches.missing_name == "refuse":
            raise validation("name is required", fields=[("name", "Member must not be null")])
        name = f"target-{world.new_suffix()}"
    _check_name(gateway, name, world)
    limit = world.settings.quotas.targets_per_gateway
    if len(gateway.targets) >= limit:
        raise (
            quota_exceeded(f"Too many targets for gateway {gateway.id}: the limit is {limit}")
            if switches.target_limit_error == "quota"
            else validation("Too many targets for gateway")
        )
    target = add_target(
        world, gateway, name=name, description=call.params.get("description"), config=config, now=call.now
    )
    call.target_id = target.id
    if world.settings.consistency.list_lag:
        target.shadow = Shadow(call.now, None, None)
    lifecycle.begin(world, target, state.CREATING, call.now)
    if traits.consent and traits.probed and switches.pending_auth_at_once:
        lifecycle.ask_consent(world, target, call.now)
    return views.full_target(target, switches)


def add_target(
    world: World, gateway: Gateway, *, name: str, description: str | None, config: dict[str, Any], now: float
) -> Target:
    """Put a READY target into the tables, as it is; `config` has the replaceable members of a Create."""
    target = Target(
        id=world.new_target_id(),
        serial=world.next_serial(),
        gateway=gateway,
        name=name,
        description=description,
        config=msgspec.json.encode(config),
        traits=traits_of(config, world.settings.switches.default_grant),
        created=now,
        updated=now,
        status=state.READY,
    )
    gateway.add(target)
    world.targets[target.id] = target
    return target


def get(world: World, call: Call) -> bytes:
    """GetGatewayTarget (200)."""
    gateway = call.gateway(world)
    target = call.target(world, gateway)
    lag = world.settings.consistency
    if call.now < target.created + lag.get_lag_after_create:
        raise not_found(f"Target {target.id} not found in gateway {gateway.id}")
    shadow = target.shadow
    lagging = shadow is not None and call.now < shadow.since + lag.get_lag_after_write
    if lagging and shadow is not None and shadow.full is not None and world.rng.random() < lag.get_staleness:
        return shadow.full
    return views.full_target(target, world.settings.switches)


def update(world: World, call: Call) -> bytes:
    """UpdateGatewayTarget (202): replaces the configuration; what the request omits is cleared."""
    gateway = call.gateway(world)
    target = call.target(world, gateway)
    switches = world.settings.switches
    _enter_write(world, gateway, call)
    _refuse_unless_writable(target, "updated", world)
    config = {member: call.params[member] for member in REPLACEABLE if member in call.params}
    traits = traits_of(config, switches.default_grant)
    rules.check_same_type(target, traits)
    rules.check_write(config, traits, gateway, switches)
    name = call.params.get("name")
    if name is None and switches.missing_name == "refuse":
        raise validation("name is required", fields=[("name", "Member must not be null")])
    if name is not None and name != target.name:
        _check_name(gateway, name, world)
    lifecycle.cast_shadow(world, target, call.now)
    if name is not None and name != target.name:
        gateway.rename(target, name)
    target.description = call.params.get("description")
    target.config = msgspec.json.encode(config)
    target.traits = traits
    target.consented = False
    target.updated = call.now
    lifecycle.begin(world, target, state.UPDATING, call.now)
    return views.full_target(target, switches)


def delete(world: World, call: Call) -> bytes:
    """DeleteGatewayTarget (202): DELETING for a while, then gone."""
    gateway = call.gateway(world)
    target = call.target(world, gateway)
    _enter_write(world, gateway, call)
    switches = world.settings.switches
    if target.status == state.DELETING and switches.transient_writes == "accept":
        return views.deleted_target(target)
    if not (target.status in state.PENDING_AUTH and switches.pending_auth_writes == "delete-allowed"):
        _refuse_unless_writable(target, "deleted", world)
    lifecycle.cast_shadow(world, target, call.now)
    target.updated = call.now
    lifecycle.begin(world, target, state.DELETING, call.now)
    return views.deleted_target(target)


def synchronize(world: World, call: Call) -> bytes:
    """SynchronizeGatewayTargets (202), one target a call."""
    gateway = call.gateway(world)
    call.target_id = call.params["targetIdList"][0]
    target = call.target(world, gateway)
    _refuse_unless_writable(target, "synchronized", world)
    rules.check_synchronizable(target, world.settings.switches)
    lifecycle.cast_shadow(world, target, call.now)
    if world.settings.switches.sync_bumps_updated_at:
        target.updated = call.now
    lifecycle.begin(world, target, state.SYNCHRONIZING, call.now)
    return b'{"targets":[' + views.full_target(target, world.settings.switches) + b"]}"


def complete_authorization(world: World, call: Call) -> bytes:
    """CompleteResourceTokenAuth (200) of the data plane: a person has consented."""
    uri, user = call.params.get("sessionUri"), call.params.get("userIdentifier")
    for target in world.targets.values():
        consent = target.consent
        if consent is not None and consent.request_uri == uri and user == {"userId": consent.user}:
            call.target_id = target.id
            lifecycle.finish_consent(world, target, approved=True, at=call.now)
            return b"{}"
    raise not_found("No authorization session of this user has that URI")


def list_targets(world: World, call: Call) -> bytes:
    """ListGatewayTargets (200), in order of creation."""
    gateway = call.gateway(world)
    switches = world.settings.switches
    size = call.params.get("maxResults", switches.default_page_size)
    after = page_position(call.params.get("nextToken"))
    lag = world.settings.consistency.list_lag
    candidates = list(gateway.targets.values())
    if gateway.ghosts:
        gateway.ghosts = [(at, target) for at, target in gateway.ghosts if call.now < at + lag]
        candidates = sorted(
            [*candidates, *(target for _, target in gateway.ghosts)], key=lambda target: target.serial
        )
    items: list[bytes] = []
    last = after
    for target in candidates:
        if target.serial <= after:
            continue
        row = _row(target, world, call.now)
        if row is None:
            continue
        if len(items) == size:
            return views.page(items, page_token(last))
        items.append(row)
        last = target.serial
    return views.page(items, None)


def _row(target: Target, world: World, now: float) -> bytes | None:
    shadow = target.shadow
    consistency = world.settings.consistency
    if consistency.list_misses and world.rng.random() < consistency.list_misses:
        return None
    if shadow is not None and now < shadow.since + consistency.list_lag:
        return shadow.summary
    if target.status == state.DELETING and not world.settings.switches.list_shows_deleting:
        return None
    return views.target_summary(target, world.settings.switches)


def _enter_write(world: World, gateway: Gateway, call: Call) -> None:
    if world.settings.quotas.enabled:
        enter_write(gateway, world.settings, call.now, world.settings.latency)


def _check_name(gateway: Gateway, name: str, world: World) -> None:
    switches = world.settings.switches
    if name not in gateway.names or switches.duplicate_names == "allow":
        return
    message = (
        f"A target with name {name} already exists in gateway {gateway.id}. "
        "The name must be unique within the gateway."
    )
    if switches.duplicate_names == "validation":
        raise validation(message, reason="ResourceConflict")
    raise ServiceError("ConflictException", message)


def _refuse_unless_writable(target: Target, verb: str, world: World) -> None:
    switches = world.settings.switches
    if target.status in state.PENDING_AUTH:
        raise rules.busy(
            f"Target {target.id} is in {target.status} state and cannot be {verb}. "
            "Wait for the authorization to complete or fail.",
            switches,
        )
    transient = switches.transient_writes
    if verb == "deleted" and target.status == state.CREATING:
        transient = switches.delete_while_creating or transient
    if target.status == state.DELETING or (target.status in state.BUSY and transient == "conflict"):
        raise rules.busy(f"Target {target.id} is in {target.status} state and cannot be {verb}", switches)
