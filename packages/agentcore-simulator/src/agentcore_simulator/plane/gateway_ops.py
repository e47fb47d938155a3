"""The operations on gateways. Each takes a validated request and returns the encoded answer."""

from __future__ import annotations

from typing import Any

from agentcore_simulator.errors import conflict, quota_exceeded, validation
from agentcore_simulator.plane import lifecycle, resources, service_rules, views
from agentcore_simulator.plane.calls import Call
from agentcore_simulator.plane.control_plane import ControlPlane
from agentcore_simulator.plane.resources import Gateway
from agentcore_simulator.plane.tokens import page_position, page_token

_STORED = (
    "description",
    "roleArn",
    "protocolType",
    "protocolConfiguration",
    "authorizerType",
    "authorizerConfiguration",
    "kmsKeyArn",
    "customTransformConfiguration",
    "interceptorConfigurations",
    "policyEngineConfiguration",
    "exceptionLevel",
    "wafConfiguration",
    "domainOverride",
)


def create(plane: ControlPlane, call: Call) -> bytes:
    """CreateGateway (202)."""
    switches = plane.settings.switches
    token = call.params.get("clientToken", "")
    key = (call.caller.account, call.caller.region, call.operation, token)
    known = token and plane.tokens.recall(
        key, call.params, lifetime=switches.client_token_seconds, now=call.now
    )
    if known:
        return known
    region = plane.region(call.caller.account, call.caller.region)
    name = call.params["name"]
    if any(gateway.name == name for gateway in region.gateways.values()):
        raise conflict(f"A gateway with name {name} already exists")
    if len(region.gateways) >= plane.settings.quotas.gateways:
        raise quota_exceeded(f"The limit of {plane.settings.quotas.gateways} gateways is reached")
    _check_authorizer(call.params)
    gateway = add_gateway(
        plane,
        gateway_id=f"{name.lower().rstrip('-')}-{plane.new_suffix()}",
        name=name,
        account=call.caller.account,
        region=call.caller.region,
        config=_stored(call.params),
        now=call.now,
    )
    gateway.tags = dict(call.params.get("tags", {}))
    lifecycle.begin_gateway(plane, gateway, resources.CREATING, call.now)
    answer = views.full_gateway(gateway, switches)
    if token and switches.client_token_seconds != 0:
        plane.tokens.remember(key, call.params, answer, call.now)
    return answer


def add_gateway(
    plane: ControlPlane,
    *,
    gateway_id: str,
    name: str,
    account: str,
    region: str,
    config: dict[str, Any],
    now: float,
) -> Gateway:
    """Put a READY gateway into the tables, as it is."""
    home = plane.region(account, region)
    gateway = Gateway(
        id=gateway_id,
        serial=plane.next_serial(),
        region=home,
        name=name,
        created=now,
        updated=now,
        status=resources.READY,
        config=config,
        policy_engine="policyEngineConfiguration" in config,
    )
    home.gateways[gateway_id] = gateway
    return gateway


def get(plane: ControlPlane, call: Call) -> bytes:
    """GetGateway (200)."""
    return views.full_gateway(call.gateway(plane), plane.settings.switches)


def update(plane: ControlPlane, call: Call) -> bytes:
    """UpdateGateway (202): replaces the configuration; what the request omits is reset."""
    gateway = call.gateway(plane)
    _refuse_unless_settled(gateway, plane)
    if call.params["name"] != gateway.name:
        raise validation("The name of a gateway cannot be changed", fields=[("name", "Member is immutable")])
    _check_authorizer(call.params)
    gateway.config = _stored(call.params)
    gateway.updated = call.now
    set_policy_engine(plane, gateway, attached="policyEngineConfiguration" in gateway.config, now=call.now)
    lifecycle.begin_gateway(plane, gateway, resources.UPDATING, call.now)
    return views.full_gateway(gateway, plane.settings.switches)


def set_policy_engine(plane: ControlPlane, gateway: Gateway, *, attached: bool, now: float) -> None:
    """Attach or detach a policy engine: its session header comes to, or leaves, every target."""
    changed = attached != gateway.policy_engine
    gateway.policy_engine = attached
    if changed and plane.settings.switches.policy_header_bumps_updated_at:
        for target in gateway.targets.values():
            target.updated = now


def delete(plane: ControlPlane, call: Call) -> bytes:
    """DeleteGateway (202): refused while it has targets, those in DELETING included."""
    gateway = call.gateway(plane)
    _refuse_unless_settled(gateway, plane)
    lag = plane.settings.consistency.gateway_delete_lag
    lingers = gateway.emptied is not None and call.now < gateway.emptied + lag
    if gateway.targets or lingers:
        raise validation(
            f"Gateway {gateway.id} has targets associated with it. "
            "Delete all targets before deleting the gateway."
        )
    lifecycle.begin_gateway(plane, gateway, resources.DELETING, call.now)
    return b'{"gatewayId":"%s","status":"DELETING"}' % gateway.id.encode()


def list_gateways(plane: ControlPlane, call: Call) -> bytes:
    """ListGateways (200), in order of creation."""
    switches = plane.settings.switches
    size = call.params.get("maxResults", switches.default_page_size)
    after = page_position(call.params.get("nextToken"))
    region = plane.region(call.caller.account, call.caller.region)
    rows = [gateway for gateway in region.gateways.values() if gateway.serial > after]
    token = page_token(rows[size - 1].serial) if len(rows) > size else None
    return views.page([views.gateway_summary(gateway, switches) for gateway in rows[:size]], token)


def _stored(params: dict[str, Any]) -> dict[str, Any]:
    return {member: params[member] for member in _STORED if member in params}


def _check_authorizer(params: dict[str, Any]) -> None:
    if params["authorizerType"] == "CUSTOM_JWT" and "authorizerConfiguration" not in params:
        raise validation("AuthorizerConfiguration is required for CUSTOM_JWT authorizer type")


def _refuse_unless_settled(gateway: Gateway, plane: ControlPlane) -> None:
    if gateway.status in {resources.CREATING, resources.UPDATING, resources.DELETING}:
        raise service_rules.busy(
            f"Gateway {gateway.id} is in {gateway.status} state", plane.settings.switches
        )
