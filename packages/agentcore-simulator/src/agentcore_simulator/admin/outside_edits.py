"""What the admin API does to gateways and targets behind the callers' backs."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from agentcore_simulator.admin.places import Where
from agentcore_simulator.errors import ServiceError
from agentcore_simulator.plane import (
    DELETING,
    PENDING_AUTH,
    REPLACEABLE,
    TARGET_STATUSES,
    ControlPlane,
    Gateway,
    Target,
    add_gateway,
    add_target,
    finish_consent,
    force_status,
    full_gateway,
    full_target,
    set_policy_engine,
    traits_of,
    vanish_target,
)
from agentcore_simulator.protocol import iam_arn, loopback_endpoint, service_validator, with_endpoint
from agentcore_simulator.settings import AccountId, RegionName

_TARGET_ID = re.compile(r"[0-9a-zA-Z]{10}")
_GATEWAY_ID = re.compile(r"([0-9a-z][-]?){1,100}-[0-9a-z]{10}")


class _NewGateway(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    gateway_id: str
    name: str | None = None
    account: AccountId | None = None
    region: RegionName | None = None
    authorizer_type: str = "AWS_IAM"
    policy_engine: bool = False


class _GatewayEdit(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    policy_engine: bool | None = None
    status: str | None = None
    status_reasons: list[str] = []


class _NewStatus(msgspec.Struct, forbid_unknown_fields=True):
    status: str
    reasons: Annotated[list[str], msgspec.Meta(max_length=100)] = []


def dump(plane: ControlPlane, where: Where) -> dict[str, Any]:
    """All gateways of a place with their targets, as Get answers them."""
    gateways = [
        {
            "account": region.account,
            "region": region.name,
            "policyEngine": gateway.policy_engine,
            "gateway": msgspec.Raw(full_gateway(gateway, plane.settings.switches)),
            "targets": show_targets(plane, gateway),
        }
        for region in plane.regions.values()
        if where.has(region)
        for gateway in region.gateways.values()
        if where.gateway in {None, gateway.id}
    ]
    return {"gateways": gateways, "nextTransition": plane.timeline.next_due()}


def make_gateway(plane: ControlPlane, body: dict[str, Any], now: float) -> Any:
    """Make a READY gateway with a given id."""
    wanted = msgspec.convert(body, _NewGateway)
    if _GATEWAY_ID.fullmatch(wanted.gateway_id) is None:
        raise ValueError(
            f"{wanted.gateway_id!r} is not a gateway id: lower-case letters, digits and single dashes, "
            "ending in a dash and ten letters or digits, such as demo-abcdefghij."
        )
    account = wanted.account or plane.settings.account
    region = wanted.region or plane.settings.region
    if wanted.gateway_id in plane.region(account, region).gateways:
        raise ValueError(f"Gateway {wanted.gateway_id} exists already in {account}/{region}.")
    config: dict[str, Any] = {
        "authorizerType": wanted.authorizer_type,
        "roleArn": iam_arn(region, account, "role/gateway"),
        "protocolType": "MCP",
    }
    gateway = add_gateway(
        plane,
        gateway_id=wanted.gateway_id,
        name=wanted.name or wanted.gateway_id.rsplit("-", 1)[0],
        account=account,
        region=region,
        config=config,
        now=now,
    )
    gateway.policy_engine = wanted.policy_engine
    return msgspec.Raw(full_gateway(gateway, plane.settings.switches))


def edit_gateway(plane: ControlPlane, gateway: Gateway, body: dict[str, Any], now: float) -> Any:
    """Attach or detach the policy engine, or set the status, of a gateway."""
    edit = msgspec.convert(body, _GatewayEdit)
    if edit.policy_engine is not None:
        set_policy_engine(plane, gateway, attached=edit.policy_engine, now=now)
    if edit.status is not None:
        gateway.epoch += 1
        gateway.status = edit.status
        gateway.reasons = tuple(edit.status_reasons)
    return msgspec.Raw(full_gateway(gateway, plane.settings.switches))


def drop_gateway(plane: ControlPlane, gateway: Gateway, now: float) -> None:
    """Remove a gateway and its targets at once, as if somebody had deleted them a while ago."""
    for target in list(gateway.targets.values()):
        vanish_target(plane, target, now)
    gateway.epoch += 1
    del gateway.region.gateways[gateway.id]


def make_target(plane: ControlPlane, gateway: Gateway, body: dict[str, Any], now: float) -> Any:
    """Make a READY target behind everybody's back; `body` is that of a CreateGatewayTarget.

    It may name the `targetId`, which a caller cannot.
    """
    config = {member: body[member] for member in REPLACEABLE if member in body}
    if "name" not in body:
        raise ValueError("A target needs a name.")
    target_id = body.get("targetId")
    if target_id is not None:
        _check_free(gateway, target_id)
    name, description, config = _checked(body["name"], body.get("description"), config)
    target = add_target(
        plane, gateway, name=name, description=description, config=config, now=now, target_id=target_id
    )
    if target.traits.probed:
        target.synced = now
    return show_target(plane, target)


def _check_free(gateway: Gateway, target_id: Any) -> None:
    if not isinstance(target_id, str) or _TARGET_ID.fullmatch(target_id) is None:
        raise ValueError(f"{target_id!r} is not a target id: ten letters or digits, such as ABCDEFGHIJ.")
    if target_id in gateway.targets:
        raise ValueError(f"Target {target_id} exists already in gateway {gateway.id}.")


def show_target(plane: ControlPlane, target: Target) -> Any:
    """A target as Get answers it."""
    return msgspec.Raw(full_target(target, plane.settings.switches))


def show_targets(plane: ControlPlane, gateway: Gateway) -> list[Any]:
    """The targets of a gateway, as Get answers them."""
    return [show_target(plane, target) for target in gateway.targets.values()]


def edit_target(plane: ControlPlane, target: Target, body: dict[str, Any], now: float) -> Any:
    """Merge members into a target's stored fields, as somebody else's edit; null removes a member.

    `updatedAt` moves unless the body says `"touch": false`.
    """
    name, description, config = _edited(target, body)
    target.traits = traits_of(config, plane.settings.switches.default_grant)
    target.config = msgspec.json.encode(config)
    target.description = description
    if name != target.name:
        target.gateway.rename(target, name)
    if body.get("touch", True):
        target.updated = now
    return show_target(plane, target)


def would_change(target: Target, body: dict[str, Any]) -> bool:
    """Whether an edit would leave the target other than it is."""
    return _edited(target, body) != (target.name, target.description, target.configuration())


def _edited(target: Target, body: dict[str, Any]) -> tuple[str, str | None, dict[str, Any]]:
    changes = {key: value for key, value in body.items() if key != "touch"}
    name = changes.pop("name", target.name)
    description = changes.pop("description", target.description)
    unknown = changes.keys() - set(REPLACEABLE)
    if unknown:
        raise ValueError(f"A target has no editable member {min(unknown)!r}.")
    return _checked(name, description, _merged(target.configuration(), changes))


def _checked(name: Any, description: Any, config: dict[str, Any]) -> tuple[str, str | None, dict[str, Any]]:
    """The members of a target if the service's model allows them; rules beyond the model may be broken."""
    request = {**config, "gatewayIdentifier": "any-0000000000", "targetId": "0" * 10, "name": name}
    if description is not None:
        request["description"] = description
    plain = loopback_endpoint(config)
    if plain is not None:
        request = with_endpoint(request, plain.replace("http:", "https:", 1))
    try:
        cleaned = service_validator().validate("UpdateGatewayTargetRequest", request)
    except ServiceError as error:
        raise ValueError(error.message) from error
    if plain is not None:
        cleaned = with_endpoint(cleaned, plain)
    return name, description, {member: cleaned[member] for member in REPLACEABLE if member in cleaned}


def drop_target(plane: ControlPlane, target: Target, now: float, *, gradually: bool) -> None:
    """Delete a target from outside: at once, or through DELETING."""
    if gradually:
        force_status(plane, target, DELETING, (), now)
    else:
        vanish_target(plane, target, now)


def set_status(plane: ControlPlane, target: Target, body: dict[str, Any], now: float) -> Any:
    """Force a status and its reasons."""
    wanted = msgspec.convert(body, _NewStatus)
    if wanted.status not in TARGET_STATUSES:
        raise ValueError(
            f"{wanted.status!r} is not a target status: use {', '.join(sorted(TARGET_STATUSES))}."
        )
    force_status(plane, target, wanted.status, tuple(wanted.reasons), now)
    return show_target(plane, target)


def consent(plane: ControlPlane, target: Target, body: dict[str, Any], now: float) -> Any:
    """Approve (`{"approve": true}`, the default) or refuse the authorization that a target waits for."""
    if target.status not in PENDING_AUTH:
        raise ValueError(f"Target {target.id} is in {target.status} and waits for no authorization.")
    finish_consent(plane, target, approved=bool(body.get("approve", True)), at=now)
    return show_target(plane, target)


def waiting_for(plane: ControlPlane, request_uri: str) -> Target | None:
    """The target whose authorization URL carries `request_uri`."""
    return next(
        (
            target
            for target in plane.targets()
            if target.consent is not None and request_uri and target.consent.request_uri == request_uri
        ),
        None,
    )


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merged(old, value)
        else:
            merged[key] = value
    return merged
