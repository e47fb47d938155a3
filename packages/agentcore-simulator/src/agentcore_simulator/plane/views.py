"""Answers as they go over the wire (members of the service model's response shapes, encoded)."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import Any

import msgspec

from agentcore_simulator.plane.appearance import shown_config
from agentcore_simulator.plane.resources import PENDING_AUTH, Gateway, Target
from agentcore_simulator.protocol import arn, partition_of
from agentcore_simulator.settings import Switches

_NO_CREDENTIALS = {
    "empty": b',"credentialProviderConfigurations":[]',
    "absent": b"",
    "role": b',"credentialProviderConfigurations":[{"credentialProviderType":"GATEWAY_IAM_ROLE"}]',
}


@functools.lru_cache(maxsize=16_384)
def stamp(moment: float, digits: int) -> str:
    """An ISO 8601 timestamp in UTC with `digits` after the decimal point of its seconds."""
    whole, _, fraction = f"{moment:.9f}".partition(".")
    text = datetime.fromtimestamp(int(whole), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction[:digits]}Z" if digits else f"{text}Z"


def full_target(target: Target, switches: Switches) -> bytes:
    """A target as Create, Get, Update and Synchronize answer it."""
    digits = switches.timestamp_digits
    members: dict[str, Any] = {
        "gatewayArn": target.gateway.arn,
        "targetId": target.id,
        "createdAt": stamp(target.created, digits),
        "updatedAt": stamp(target.updated, digits),
        "status": target.status,
        "name": target.name,
        "protocolType": "MCP" if target.traits.family == "mcp" else "HTTP",
    }
    if target.reasons:
        members["statusReasons"] = target.reasons
    _add_optional(members, target, digits)
    config = shown_config(target, switches)
    head = msgspec.json.encode(members)
    no_credentials = b'"credentialProviderConfigurations"' not in config
    tail = _NO_CREDENTIALS[switches.no_auth_shape] if no_credentials else b""
    return b"".join((head[:-1], b",", config[1:-1], tail, b"}"))


def target_summary(target: Target, switches: Switches) -> bytes:
    """A target as ListGatewayTargets shows it: no reasons, no configuration."""
    digits = switches.timestamp_digits
    members: dict[str, Any] = {
        "targetId": target.id,
        "name": target.name,
        "status": target.status,
        "createdAt": stamp(target.created, digits),
        "updatedAt": stamp(target.updated, digits),
        "targetType": target.traits.type,
    }
    if target.traits.listing_mode is not None:
        members["listingMode"] = target.traits.listing_mode
    if target.traits.priority is not None:
        members["resourcePriority"] = target.traits.priority
    _add_optional(members, target, digits)
    return msgspec.json.encode(members)


def _add_optional(members: dict[str, Any], target: Target, digits: int) -> None:
    if target.description is not None:
        members["description"] = target.description
    if target.synced is not None:
        members["lastSynchronizedAt"] = stamp(target.synced, digits)
    if target.consent is not None and target.status in PENDING_AUTH:
        members["authorizationData"] = {
            "oauth2": {"authorizationUrl": target.consent.url, "userId": target.consent.user}
        }


def deleted_target(target: Target) -> bytes:
    """The answer to DeleteGatewayTarget."""
    return msgspec.json.encode(
        {"gatewayArn": target.gateway.arn, "targetId": target.id, "status": target.status}
    )


def page(items: list[bytes], next_token: str | None) -> bytes:
    """One page of a listing, of encoded items."""
    tail = b',"nextToken":' + msgspec.json.encode(next_token) if next_token else b""
    return b"".join((b'{"items":[', b",".join(items), b"]", tail, b"}"))


def full_gateway(gateway: Gateway, switches: Switches) -> bytes:
    """A gateway as Create, Get and UpdateGateway answer it."""
    region = gateway.region
    domain = partition_of(region.name).domain
    members: dict[str, Any] = {
        "gatewayArn": gateway.arn,
        "gatewayId": gateway.id,
        "gatewayUrl": f"https://{gateway.id}.gateway.bedrock-agentcore.{region.name}.{domain}/mcp",
        "createdAt": stamp(gateway.created, switches.timestamp_digits),
        "updatedAt": stamp(gateway.updated, switches.timestamp_digits),
        "status": gateway.status,
        "name": gateway.name,
        "workloadIdentityDetails": {
            "workloadIdentityArn": arn(
                "bedrock-agentcore",
                region.name,
                region.account,
                f"workload-identity-directory/default/workload-identity/{gateway.id}",
            )
        },
        **gateway.config,
    }
    if gateway.reasons:
        members["statusReasons"] = gateway.reasons
    return msgspec.json.encode(members)


def gateway_summary(gateway: Gateway, switches: Switches) -> bytes:
    """A gateway as ListGateways shows it."""
    members: dict[str, Any] = {
        "gatewayId": gateway.id,
        "name": gateway.name,
        "status": gateway.status,
        "createdAt": stamp(gateway.created, switches.timestamp_digits),
        "updatedAt": stamp(gateway.updated, switches.timestamp_digits),
    }
    for member in ("description", "authorizerType", "protocolType"):
        if member in gateway.config:
            members[member] = gateway.config[member]
    return msgspec.json.encode(members)
