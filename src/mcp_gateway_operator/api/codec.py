"""Decoding of MCPServer objects from the API server: fast, small and tolerant.

A cache of 10,000 objects holds what is decoded here, so it keeps our annotations only (the biggest one is
usually kubectl's last-applied copy of the whole object), and values that repeat are shared: between objects,
between parts of one, and with what else the operator knows of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec
from msgspec.structs import force_setattr

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.annotations import ours
from mcp_gateway_operator.api.large import (
    LARGE,
    MANY,
    DecodeError,
    kept_finalizers,
    large_spec,
    large_status,
    size_of,
    without_nulls,
)
from mcp_gateway_operator.api.schema import Camel
from mcp_gateway_operator.api.types import (
    Condition,
    LeftOut,
    MCPServer,
    MCPServerSpec,
    MCPServerStatus,
    ObjectMeta,
)

__all__ = ["DecodeError", "decode"]


class _Identity(Camel, frozen=True, kw_only=True):
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    annotations: dict[str, str] = msgspec.field(default_factory=dict)


class _Meta(_Identity, frozen=True, kw_only=True):
    finalizers: tuple[str, ...] = ()


class _LargeMeta(_Identity, frozen=True, kw_only=True):
    finalizers: msgspec.Raw = msgspec.Raw(b"")


class _Object(Camel, frozen=True, kw_only=True):
    metadata: _Meta
    spec: MCPServerSpec = MCPServerSpec()
    status: MCPServerStatus = MCPServerStatus()


class _LargeObject(Camel, frozen=True, kw_only=True):
    metadata: _LargeMeta
    spec: msgspec.Raw = msgspec.Raw(b"")
    status: msgspec.Raw = msgspec.Raw(b"")


_DECODER: Final = msgspec.json.Decoder(_Object)
_LARGE_DECODER: Final = msgspec.json.Decoder(_LargeObject)
_NOTHING: Final[dict[str, str]] = {}
_SHARED: Final = 128
"""Characters of a value that is worth sharing between objects."""
_SHARED_ITEMS: Final = 8
_SHARED_ANNOTATIONS: Final = 320

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
    *(
        "gateway_arn",
        "gateway_id",
        "gateway_url",
        "target_status",
        "last_synchronized",
        "tools_synchronized_at",
    ),
    # These stand elsewhere, too: in the metadata, in the tables of targets.
    *("target_id", "target_name", "recorded_for"),
)
_REPEATED_IN_CONDITION: Final = ("type", "status", "reason", "message", "last_transition_time")


def decode(raw: bytes | memoryview | msgspec.Raw, *, whole: bool = False) -> MCPServer:
    """Return the object in `raw`, JSON as the API server sends it.

    Unknown fields are ignored and null means absent. `metadata.annotations` holds our annotations only.
    However large the object is, what is returned has some KiB: of a large spec `left_out` holds what
    `api.large` keeps of it.

    Args:
        raw: the JSON.
        whole: return all of a spec that AWS may be sent, however large.

    Raises:
        DecodeError: not JSON, without a name, or a field of a wrong type.
    """
    left_out = None
    try:
        if size_of(raw) >= LARGE or _many((found := _DECODER.decode(raw)).spec):
            found, left_out = _large(raw, whole=whole)
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
            force_setattr(found.spec, name, without_nulls(value))
    if not found.spec.oauth_custom_parameters:
        force_setattr(found.spec, "oauth_custom_parameters", _NOTHING)
    if found.spec.gateway_ref is not None:
        _share(found.spec.gateway_ref, ("name",))
    _share_status(found.status)
    return MCPServer(
        metadata=_metadata(found.metadata), spec=found.spec, status=found.status, left_out=left_out
    )


def _many(spec: MCPServerSpec) -> bool:
    return sum(len(getattr(spec, name)) for name in _REPEATED_TUPLES) > MANY


def _large(raw: bytes | memoryview | msgspec.Raw, *, whole: bool) -> tuple[_Object, LeftOut | None]:
    """Return what is kept of a large object.

    Raises:
        DecodeError: a field has a wrong type.
    """
    try:
        parts = _LARGE_DECODER.decode(raw)
    except msgspec.ValidationError as error:
        raise DecodeError(f"Not an {names.KIND}: {error}") from error
    spec, left_out = large_spec(parts.spec, whole=whole)
    given = {each: getattr(parts.metadata, each) for each in parts.metadata.__struct_fields__}
    meta = _Meta(**{**given, "finalizers": kept_finalizers(parts.metadata.finalizers)})
    return _Object(metadata=meta, spec=spec, status=large_status(parts.status)), left_out


def _share_status(status: MCPServerStatus) -> None:
    _share(status, _REPEATED_IN_STATUS)
    if status.observed is not None:
        _share(status.observed, ("updated_at",))
        if not status.observed.defaults:
            force_setattr(status.observed, "defaults", _NOTHING)
    if status.placed_by is not None:
        _share(status.placed_by, ("class_", "uid", "gateway_arn"))
    messages: dict[str, str] = {}
    for condition in status.conditions:
        _share(condition, _REPEATED_IN_CONDITION)
        # Several conditions of an object say the same.
        force_setattr(condition, "message", messages.setdefault(condition.message, condition.message))
    # Most objects have most conditions in common.
    force_setattr(status, "conditions", tuple(map(_shared_condition, status.conditions)))


def _tolerant(raw: bytes | memoryview | msgspec.Raw) -> _Object:
    try:
        return msgspec.convert(without_nulls(msgspec.json.decode(raw)), _Object)
    except msgspec.ValidationError as error:
        raise DecodeError(f"Not an {names.KIND}: {error}") from error


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
        annotations=_annotations(found.annotations),
    )


def _share(structure: Camel, attributes: Iterable[str]) -> None:
    # The structures are frozen for everyone who gets them; nobody has this one yet.
    for name in attributes:
        value = getattr(structure, name)
        if value and len(value) <= _SHARED:
            force_setattr(structure, name, sys.intern(value))


def _annotations(given: dict[str, str]) -> dict[str, str]:
    kept = ours(given)
    if sum(len(name) + len(value) for name, value in kept.items()) > _SHARED_ANNOTATIONS:
        return kept
    shared: dict[str, str] = _one_annotations(tuple(kept.items())) or _NOTHING
    return shared


# What is shared is bounded in bytes: a table of what tenants write is one more thing that they can fill.


@lru_cache(maxsize=4096)
def _one_annotations(found: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return dict(found)


@lru_cache(maxsize=4096)
def _one_condition(condition: Condition) -> Condition:
    return condition


@lru_cache(maxsize=4096)
def _one(value: tuple[str, ...]) -> tuple[str, ...]:
    return value


def _shared_condition(condition: Condition) -> Condition:
    return _one_condition(condition) if len(condition.message) <= _SHARED else condition


def _shared(value: tuple[str, ...]) -> tuple[str, ...]:
    return _one(value) if len(value) <= _SHARED_ITEMS and sum(map(len, value)) <= _SHARED else value
