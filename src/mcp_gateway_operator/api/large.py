"""Objects that are too large to be kept as they are: what stays of them, and what never becomes an object.

A cluster admits objects of 1.5 MB, an old CRD of any shape, and there may be hundreds. Of such an object
stays what is needed while it waits: what is short, a digest of the spec, and what is wrong with it. The spec
itself is read anew when it goes to AWS. Lists and maps are looked at as bytes first: one that has more of
them than a legal value is a mistake, and decoded it would take ten times as much.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import ConditionType
from mcp_gateway_operator.api.problem import Problem
from mcp_gateway_operator.api.schema import Node, check, describe
from mcp_gateway_operator.api.types import Condition, LeftOut, MCPServer, MCPServerSpec, MCPServerStatus

LARGE: Final = 4096
"""Bytes of an object from which on its parts are looked at one by one."""
MANY: Final = 256
"""The same for texts in all lists of a spec: a text of two letters takes ten times as much decoded."""
KEPT: Final = 2048
"""Bytes of a spec that is kept as it is: a usual one has some hundred."""
SHORT: Final = 256
"""Characters of a text that is kept of a larger spec."""
MORE: Final = "..."
"""Stands in `finalizers` for those that are too many to be kept; none can have this name."""

_ESCAPED: Final = 6
"""Bytes of a character at most, as an API server spells it in JSON."""
_KEY: Final = 256
"""Characters of a key that are legal anywhere."""
_FEW: Final = 64
"""Items and entries where the description has no limit."""
_FINALIZERS: Final = 4096
_STATUS: Final = {
    "conditions": 256 * 1024,
    "authorizationUrl": 128 * 1024,
    "statusReasons": 64 * 1024,
    "observed": 16 * 1024,
    "moves": 16 * 1024,
}
"""Bytes of a part of a status that an operator may have written; of all others `_STATUS_PART`."""
_STATUS_PART: Final = 16 * 1024
_MESSAGE: Final = 4096
"""Characters of a message in a condition, as the operator writes it."""
_OTHERS_MESSAGE: Final = 1024
"""The same in a condition of others, of which so many are kept:"""
_OTHERS: Final = 8
_OURS: Final = frozenset(
    {
        ConditionType.READY,
        ConditionType.SYNCED,
        ConditionType.RECONCILING,
        ConditionType.STALLED,
        ConditionType.AUTHORIZED,
    }
)


class DecodeError(ValueError):
    """The bytes are no MCPServer; the message names the field."""


def without_nulls(value: Any) -> Any:
    """Return a JSON value in which what is null is absent."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, (list, tuple)):
        return type(value)(without_nulls(each) for each in value if each is not None)
    return value


def size_of(raw: bytes | memoryview | msgspec.Raw) -> int:
    """Return how many bytes these are, without a copy."""
    return memoryview(raw).nbytes


class _Fields:
    """A structure whose fields are found without being decoded, and decoded one by one.

    Args:
        structure: with defaults for all fields.
        most: bytes of a field's JSON, by its name in JSON; one that has more is left out.
    """

    def __init__(self, structure: type[msgspec.Struct], most: dict[str, int]) -> None:
        self._structure = structure
        self._most = most
        self._fields = msgspec.structs.fields(structure)
        parts = [
            (field.name, msgspec.Raw, msgspec.field(name=field.encode_name, default=_ABSENT))
            for field in self._fields
        ]
        self._parts = msgspec.json.Decoder(msgspec.defstruct("Parts", parts))
        self._decoders = {field.name: msgspec.json.Decoder(field.type) for field in self._fields}

    def decode(self, raw: msgspec.Raw) -> tuple[Any, dict[str, msgspec.Raw]]:
        """Return the structure, and the JSON of those fields that are too large for it.

        Raises:
            DecodeError: a field has a wrong type.
        """
        parts: Any = _ABSENT if _is_null(raw) else _decoded(self._parts, raw, self._structure.__name__)
        values: dict[str, Any] = {}
        over: dict[str, msgspec.Raw] = {}
        for field in self._fields if parts is not _ABSENT else ():
            part, size = getattr(parts, field.name), size_of(getattr(parts, field.name))
            if size > self._most.get(field.encode_name, size):
                over[field.encode_name] = part
            elif size and not _is_null(part):
                values[field.name] = _decoded(self._decoders[field.name], part, field.encode_name)
        return self._structure(**values), over


_ABSENT: Final = msgspec.Raw(b"")


def _is_null(raw: msgspec.Raw) -> bool:
    return size_of(raw) in (0, 4) and bytes(raw) in (b"", b"null")


def _decoded(decoder: msgspec.json.Decoder[Any], raw: msgspec.Raw, what: str) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError:
        # Nulls are rare: few write them, and few of those are stored.
        try:
            return msgspec.convert(without_nulls(msgspec.json.decode(raw)), decoder.type)
        except msgspec.ValidationError as error:
            raise DecodeError(f"Not an {names.KIND}: {what}: {error}") from error


def _most_bytes(node: Node) -> int:
    """Return how many bytes a legal value can have."""
    limits, below = node.field, 0 if node.item is None else _most_bytes(node.item)
    match node.kind:
        case "string":
            return _ESCAPED * (limits.max_length or _KEY) + 2
        case "array":
            return (limits.max_items or _FEW) * (below + 1) + 2
        case "map":
            return (limits.max_properties or _FEW) * (_ESCAPED * _KEY + below + 4) + 2
        case "object":
            return sum(len(name) + _most_bytes(child) + 4 for name, child in node.properties.items()) + 2
        case "integer":
            return 32


_NODES: Final = describe(MCPServer).properties["spec"].properties
_SPEC: Final = _Fields(MCPServerSpec, {name: _most_bytes(node) for name, node in _NODES.items()})
_STATUS_FIELDS: Final = _Fields(
    MCPServerStatus,
    {
        name: _STATUS.get(name, _STATUS_PART)
        for name in (field.encode_name for field in msgspec.structs.fields(MCPServerStatus))
    },
)


def large_spec(raw: msgspec.Raw, *, whole: bool) -> tuple[MCPServerSpec, LeftOut | None]:
    """Return a spec that is kept, and what stands for the rest where it is not all.

    Args:
        raw: its JSON.
        whole: return all of a spec that AWS may be sent, however large.

    Raises:
        DecodeError: a field has a wrong type.
    """
    spec, over = _SPEC.decode(raw)
    if not over and (whole or size_of(raw) <= KEPT):
        return spec, None
    left = LeftOut(
        digest=hashlib.sha256(raw).hexdigest()[:32],
        problems=tuple(str(problem) for name, part in over.items() for problem in _too_large(name, part)),
    )
    return _shortened(spec), left


def _too_large(name: str, part: msgspec.Raw) -> Iterator[Problem]:
    """Yield what is wrong with a field that has more bytes than any legal value."""
    node, path = _NODES[name], f"spec.{name}"
    if node.kind == "string":
        # A text is no larger decoded than it was, and its length is worth telling.
        yield from check(_decoded(_TEXT, part, name), node, path)
    else:
        message = (
            f"too long: its {size_of(part)} bytes are more than any value has that is allowed: shorten it"
        )
        yield Problem(path=path, message=message)


def _shortened(spec: MCPServerSpec) -> MCPServerSpec:
    """Return what is kept of a spec: numbers, and texts as far as they can be legal in a short field."""
    kept: dict[str, Any] = {}
    for name in MCPServerSpec.__struct_fields__:
        match getattr(spec, name):
            case str() as text:
                kept[name] = text[:SHORT]
            case int() as number:
                kept[name] = number
    if spec.tool_sync is not None and len(spec.tool_sync.interval) <= SHORT:
        kept["tool_sync"] = spec.tool_sync
    return MCPServerSpec(**kept)


def large_status(raw: msgspec.Raw) -> MCPServerStatus:
    """Return of a status what an operator may have written, and of others' conditions a few, cut short.

    Raises:
        DecodeError: a field has a wrong type.
    """
    status: MCPServerStatus = _STATUS_FIELDS.decode(raw)[0]
    ours = [_cut(each, _MESSAGE) for each in status.conditions if each.type in _OURS]
    others = [_cut(each, _OTHERS_MESSAGE) for each in status.conditions if each.type not in _OURS]
    return msgspec.structs.replace(status, conditions=(*ours[: len(_OURS)], *others[:_OTHERS]))


def _cut(condition: Condition, message: int) -> Condition:
    texts = ("type", "status", "last_transition_time", "reason")
    cut = {name: getattr(condition, name)[:SHORT] for name in texts}
    return msgspec.structs.replace(condition, **cut, message=condition.message[:message])


def kept_finalizers(raw: msgspec.Raw) -> tuple[str, ...]:
    """Return an object's finalizers; where they are too many, ours alone, if it is there, and `MORE`.

    Raises:
        DecodeError: they are no list of texts.
    """
    if _is_null(raw):
        return ()
    if size_of(raw) <= _FINALIZERS:
        found: tuple[str, ...] = _decoded(_TEXTS, raw, "finalizers")
        return found
    ours = f'"{names.FINALIZER}"'.encode() in bytes(raw)
    return (*((names.FINALIZER,) if ours else ()), MORE)


_TEXT: Final = msgspec.json.Decoder(str)
_TEXTS: Final = msgspec.json.Decoder(tuple[str, ...])
