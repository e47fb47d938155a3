"""Decoding of MCPServer objects from the API server: fast, small and tolerant.

A cache of 10,000 objects holds what is decoded here, so it keeps our annotations only (the biggest one is
usually kubectl's last-applied copy of the whole object), and values that repeat are shared: between objects,
between parts of one, and with what else the operator knows of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec.structs import force_setattr

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.annotations import ours
from mcp_gateway_operator.api.schema import Camel
from mcp_gateway_operator.api.types import Condition, MCPServer, MCPServerSpec, MCPServerStatus, ObjectMeta


class DecodeError(ValueError):
    """The bytes are no MCPServer; the message names the field."""


class _Meta(Camel, frozen=True, kw_only=True):
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()
    annotations: dict[str, str] = msgspec.field(default_factory=dict)


class _Object(Camel, frozen=True, kw_only=True):
    metadata: _Meta
    spec: MCPServerSpec = MCPServerSpec()
    status: MCPServerStatus = MCPServerStatus()


_DECODER: Final = msgspec.json.Decoder(_Object)
_NOTHING: Final[dict[str, str]] = {}

_REPEATED_IN_SPEC: Final = (
    "gateway_id",
    "auth_type",
    "oauth_provider_arn",
    "oauth_grant_type",
    "listing_mode",
    "deletion_policy",
    "drift_policy",
    "management_policy",
    "adoption_policy",
)
_REPEATED_TUPLES: Final = (
    "capabilities",
    "oauth_scopes",
    "allowed_request_headers",
    "allowed_query_parameters",
    "allowed_response_headers",
)
_PLAIN: Final = ("private_endpoint", "certificate_configurations")
"""What is kept as JSON for AWS, where the decoder takes null for a value."""
_REPEATED_IN_STATUS: Final = (
    *("gateway_arn", "gateway_id", "target_status", "last_synchronized", "tools_synchronized_at"),
    # These stand elsewhere, too: in the metadata, in the tables of targets.
    *("target_id", "target_name", "recorded_for"),
)
_REPEATED_IN_CONDITION: Final = ("type", "status", "reason", "message", "last_transition_time")


def decode(raw: bytes | memoryview | msgspec.Raw) -> MCPServer:
    """Return the object in `raw`, JSON as the API server sends it.

    Unknown fields are ignored and null means absent. `metadata.annotations` holds our annotations only.

    Raises:
        DecodeError: not JSON, without a name, or a field of a wrong type.
    """
    try:
        found = _DECODER.decode(raw)
    except msgspec.ValidationError:
        found = _tolerant(raw)  # nulls are rare: few write them, and few of those are stored
    except msgspec.DecodeError as error:
        raise DecodeError(f"Not JSON: {error}") from error
    _share(found.spec, _REPEATED_IN_SPEC)
    for name in _REPEATED_TUPLES:
        if value := getattr(found.spec, name):
            force_setattr(found.spec, name, _shared(value))
    for name in _PLAIN:
        if value := getattr(found.spec, name):
            force_setattr(found.spec, name, _without_nulls(value))
    if not found.spec.oauth_custom_parameters:
        force_setattr(found.spec, "oauth_custom_parameters", _NOTHING)
    _share_status(found.status)
    return MCPServer(metadata=_metadata(found.metadata), spec=found.spec, status=found.status)


def _share_status(status: MCPServerStatus) -> None:
    _share(status, _REPEATED_IN_STATUS)
    if status.observed is not None:
        _share(status.observed, ("updated_at",))
        if not status.observed.defaults:
            force_setattr(status.observed, "defaults", _NOTHING)
    for condition in status.conditions:
        _share(condition, _REPEATED_IN_CONDITION)
    # Most objects have most conditions in common.
    force_setattr(status, "conditions", tuple(map(_shared_condition, status.conditions)))


def _tolerant(raw: bytes | memoryview | msgspec.Raw) -> _Object:
    try:
        return msgspec.convert(_without_nulls(msgspec.json.decode(raw)), _Object)
    except msgspec.ValidationError as error:
        raise DecodeError(f"Not an {names.KIND}: {error}") from error


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, (list, tuple)):
        return type(value)(_without_nulls(each) for each in value if each is not None)
    return value


def _metadata(found: _Meta) -> ObjectMeta:
    return ObjectMeta(
        name=sys.intern(found.name),
        namespace=sys.intern(found.namespace),
        uid=sys.intern(found.uid),
        resource_version=found.resource_version,
        generation=found.generation,
        creation_timestamp=sys.intern(found.creation_timestamp),
        deletion_timestamp=found.deletion_timestamp,
        finalizers=_shared(found.finalizers),
        annotations=_shared_annotations(tuple(ours(found.annotations).items())) or _NOTHING,
    )


def _share(structure: Camel, attributes: Iterable[str]) -> None:
    # The structures are frozen for everyone who gets them; nobody has this one yet.
    for name in attributes:
        if value := getattr(structure, name):
            force_setattr(structure, name, sys.intern(value))


@lru_cache(maxsize=4096)
def _shared_annotations(found: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return dict(found)


@lru_cache(maxsize=4096)
def _shared_condition(condition: Condition) -> Condition:
    return condition


@lru_cache(maxsize=4096)
def _shared(value: tuple[str, ...]) -> tuple[str, ...]:
    return value
