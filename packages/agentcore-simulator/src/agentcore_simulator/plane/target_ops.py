"""The operations on gateway targets. Each takes a validated request and returns the encoded answer."""

from __future__ import annotations

from typing import Any

import msgspec

from agentcore_simulator.errors import ServiceError, not_found, quota_exceeded, validation
from agentcore_simulator.plane import lifecycle, resources, service_rules, views
from agentcore_simulator.plane.calls import Call
from agentcore_simulator.plane.control_plane import ControlPlane
from agentcore_simulator.plane.resources import Gateway, Shadow, Target, traits_of
from agentcore_simulator.plane.service_quotas import enter_write
from agentcore_simulator.plane.tokens import page_position, page_token

REPLACEABLE = (
    "targetConfiguration",
    "credentialProviderConfigurations",
    "metadataConfiguration",
    "privateEndpoint",
    "certificateConfigurations",
)
"""Members of a target that an Update replaces as a whole, besides name and description."""


def create(plane: ControlPlane, call: Call) -> bytes:
    """CreateGatewayTarget (202)."""
    gateway = call.gateway(plane)
    key = (
        call.caller.account,
        call.caller.region,
        call.operation,
        gateway.id,
        call.params.get("clientToken", ""),
    )
    switches = plane.settings.switches
    known = key[-1] and plane.tokens.recall(
        key, call.params, lifetime=switches.client_token_seconds, now=call.now
    )
    if known:
        return known
    try:
        answer = _create(plane, gateway, call)
    except ServiceError as error:
        if key[-1] and switches.remember_rejections:
            plane.tokens.remember(key, call.params, error, call.now)
        raise
    if key[-1] and switches.client_token_seconds != 0:
        plane.tokens.remember(key, call.params, answer, call.now)
    return answer


def _create(plane: ControlPlane, gateway: Gateway, call: Call) -> bytes:
    switches = plane.settings.switches
    _enter_write(plane, gateway, call)
    if gateway.status in {resources.CREATING, resources.DELETING}:
        raise service_rules.busy(f"Gateway {gateway.id} is in {gateway.status} state", switches)
    config = {member: call.params[member] for member in REPLACEABLE if member in call.params}
    traits = traits_of(config, switches.default_grant)
    service_rules.check_write(config, traits, gateway, switches)
    name = call.params.get("name")
    if name is None:
        if switches.missing_name == "refuse":
            raise validation("name is required", fields=[("name", "Member must not be null")])
        name = f"target-{plane.new_suffix()}"
    _check_name(gateway, name, plane)
    limit = plane.settings.quotas.targets_per_gateway
    if len(gateway.targets) >= limit:
        raise (
            quota_exceeded(f"Too many targets for gateway {gateway.id}: the limit is {limit}")
            if switches.target_limit_error == "quota"
            else validation("Too many targets for gateway")
        )
    target = add_target(
        plane, gateway, name=name, description=call.params.get("description"), config=config, now=call.now
    )
    call.found = target
    if plane.settings.consistency.list_lag:
        target.shadow = Shadow(call.now, None, None)
    lifecycle.begin(plane, target, resources.CREATING, call.now)
    if traits.consent and traits.probed and switches.pending_auth_at_once:
        lifecycle.ask_consent(plane, target, call.now)
    return views.full_target(target, switches)


def add_target(
    plane: ControlPlane,
    gateway: Gateway,
    *,
    name: str,
    description: str | None,
    config: dict[str, Any],
    now: float,
    target_id: str | None = None,
) -> Target:
    """Put a READY target into the tables, as it is; `config` has the replaceable members of a Create.

    Without `target_id` (one that the gateway does not have yet) it gets a new one.
    """
    target = Target(
        id=target_id or plane.new_target_id(gateway),
        serial=plane.next_serial(),
        gateway=gateway,
        name=name,
        description=description,
        config=msgspec.json.encode(config),
        traits=traits_of(config, plane.settings.switches.default_grant),
        created=now,
        updated=now,
        status=resources.READY,
    )
    gateway.add(target)
    return target


def get(plane: ControlPlane, call: Call) -> bytes:
    """GetGatewayTarget (200)."""
    gateway = call.gateway(plane)
    target = call.target(plane, gateway)
    lag = plane.settings.consistency
    if call.now < target.created + lag.get_lag_after_create:
        raise not_found(f"Target {target.id} not found in gateway {gateway.id}")
    shadow = target.shadow
    lagging = shadow is not None and call.now < shadow.since + lag.get_lag_after_write
    if lagging and shadow is not None and shadow.full is not None and plane.rng.random() < lag.get_staleness:
        return shadow.full
    return views.full_target(target, plane.settings.switches)


def update(plane: ControlPlane, call: Call) -> bytes:
    """UpdateGatewayTarget (202): replaces the configuration; what the request omits is cleared."""
    gateway = call.gateway(plane)
    target = call.target(plane, gateway)
    switches = plane.settings.switches
    _enter_write(plane, gateway, call)
    _refuse_unless_writable(target, "updated", plane)
    config = {member: call.params[member] for member in REPLACEABLE if member in call.params}
    traits = traits_of(config, switches.default_grant)
    service_rules.check_same_type(target, traits)
    service_rules.check_write(config, traits, gateway, switches)
    name = call.params.get("name")
    if name is None and switches.missing_name == "refuse":
        raise validation("name is required", fields=[("name", "Member must not be null")])
    if name is not None and name != target.name:
        _check_name(gateway, name, plane)
    lifecycle.cast_shadow(plane, target, call.now)
    if name is not None and name != target.name:
        gateway.rename(target, name)
    target.description = call.params.get("description")
    target.config = msgspec.json.encode(config)
    target.traits = traits
    target.consented = False
    target.updated = call.now
    lifecycle.begin(plane, target, resources.UPDATING, call.now)
    return views.full_target(target, switches)


def delete(plane: ControlPlane, call: Call) -> bytes:
    """DeleteGatewayTarget (202): DELETING for a while, then gone."""
    gateway = call.gateway(plane)
    target = call.target(plane, gateway)
    _enter_write(plane, gateway, call)
    switches = plane.settings.switches
    if target.status == resources.DELETING and switches.transient_writes == "accept":
        return views.deleted_target(target)
    if not (target.status in resources.PENDING_AUTH and switches.pending_auth_writes == "delete-allowed"):
        _refuse_unless_writable(target, "deleted", plane)
    lifecycle.cast_shadow(plane, target, call.now)
    target.updated = call.now
    lifecycle.begin(plane, target, resources.DELETING, call.now)
    return views.deleted_target(target)


def synchronize(plane: ControlPlane, call: Call) -> bytes:
    """SynchronizeGatewayTargets (202), one target a call."""
    gateway = call.gateway(plane)
    call.target_id = call.params["targetIdList"][0]
    target = call.target(plane, gateway)
    _refuse_unless_writable(target, "synchronized", plane)
    service_rules.check_synchronizable(target, plane.settings.switches)
    lifecycle.cast_shadow(plane, target, call.now)
    if plane.settings.switches.sync_bumps_updated_at:
        target.updated = call.now
    lifecycle.begin(plane, target, resources.SYNCHRONIZING, call.now)
    return b'{"targets":[' + views.full_target(target, plane.settings.switches) + b"]}"


def complete_authorization(plane: ControlPlane, call: Call) -> bytes:
    """CompleteResourceTokenAuth (200) of the data plane: a person has consented."""
    uri, user = call.params.get("sessionUri"), call.params.get("userIdentifier")
    home = plane.region(call.caller.account, call.caller.region)
    for target in (target for gateway in home.gateways.values() for target in gateway.targets.values()):
        consent = target.consent
        if consent is not None and consent.request_uri == uri and user == {"userId": consent.user}:
            call.found = target
            lifecycle.finish_consent(plane, target, approved=True, at=call.now)
            return b"{}"
    raise not_found("No authorization session of this user has that URI")


def list_targets(plane: ControlPlane, call: Call) -> bytes:
    """ListGatewayTargets (200), in order of creation."""
    gateway = call.gateway(plane)
    switches = plane.settings.switches
    size = call.params.get("maxResults", switches.default_page_size)
    after = page_position(call.params.get("nextToken"))
    lag = plane.settings.consistency.list_lag
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
        row = _row(target, plane, call.now)
        if row is None:
            continue
        if len(items) == size:
            return views.page(items, page_token(last))
        items.append(row)
        last = target.serial
    return views.page(items, None)


def _row(target: Target, plane: ControlPlane, now: float) -> bytes | None:
    shadow = target.shadow
    consistency = plane.settings.consistency
    if consistency.list_misses and plane.rng.random() < consistency.list_misses:
        return None
    if shadow is not None and now < shadow.since + consistency.list_lag:
        return shadow.summary
    if target.status == resources.DELETING and not plane.settings.switches.list_shows_deleting:
        return None
    return views.target_summary(target, plane.settings.switches)


def _enter_write(plane: ControlPlane, gateway: Gateway, call: Call) -> None:
    if plane.settings.quotas.enabled:
        enter_write(gateway, plane.settings, call.now, plane.settings.latency)


def _check_name(gateway: Gateway, name: str, plane: ControlPlane) -> None:
    switches = plane.settings.switches
    if name not in gateway.names or switches.duplicate_names == "allow":
        return
    message = (
        f"A target with name {name} already exists in gateway {gateway.id}. "
        "The name must be unique within the gateway."
    )
    if switches.duplicate_names == "validation":
        raise validation(message, reason="ResourceConflict")
    raise ServiceError("ConflictException", message)


def _refuse_unless_writable(target: Target, verb: str, plane: ControlPlane) -> None:
    switches = plane.settings.switches
    if target.status in resources.PENDING_AUTH:
        raise service_rules.busy(
            f"Target {target.id} is in {target.status} state and cannot be {verb}. "
            "Wait for the authorization to complete or fail.",
            switches,
        )
    transient = switches.transient_writes
    if verb == "deleted" and target.status == resources.CREATING:
        transient = switches.delete_while_creating or transient
    if target.status == resources.DELETING or (target.status in resources.BUSY and transient == "conflict"):
        raise service_rules.busy(
            f"Target {target.id} is in {target.status} state and cannot be {verb}", switches
        )
