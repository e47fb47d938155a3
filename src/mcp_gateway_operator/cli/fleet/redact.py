"""What may leave the cluster in a support case: the shape of everything, and no secret.

Fields that are known are kept as they are shown elsewhere, without the queries of URLs; what may be anybody's
own, such as annotations of others, is named and not copied.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.mcpgateway import MCPGatewaySpec, MCPGatewayStatus
from mcp_gateway_operator.api.types import MCPServerSpec, MCPServerStatus
from mcp_gateway_operator.shown import counted, shown_lines

HIDDEN: Final = "(left out)"
_META: Final[tuple[str, ...]] = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "finalizers",
)
_WHOLE: Final = frozenset({"oauthCustomParameters", "sessionTags", "tags", "externalId", "description"})
"""Fields whose values are their author's own."""
_LONG: Final = frozenset({"inline"})
"""Fields of which the length alone is told."""
_USER: Final = re.compile(r"(://)[^/@\s\"\\]+@")
_TOKENS: Final = (
    re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{6,}"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w.-]+"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),
)
_NAMED: Final = re.compile(
    r"(?i)((?:password|passwd|secret|token|api[_-]?key|credentials?)[\w-]{0,64}\"?\s{0,8}[=:]\s{0,8}\"?)[^\s\",;&]+"
)


def text(value: str) -> str:
    """Return a text of several lines without queries, users in addresses, tokens, keys and passwords."""
    value = shown_lines(_USER.sub(r"\1…@", value))
    for pattern in _TOKENS:
        value = pattern.sub("…", value)
    return _NAMED.sub(r"\1…", value)


def server(obj: dict[str, Any]) -> dict[str, Any]:
    """Return an MCPServer as the API server has it, redacted."""
    return _object(obj, MCPServerSpec, MCPServerStatus)


def gateway(obj: dict[str, Any]) -> dict[str, Any]:
    """Return an MCPGateway as the API server has it, redacted."""
    return _object(obj, MCPGatewaySpec, MCPGatewayStatus)


def fields(found: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON object with every text in it redacted."""
    redacted: dict[str, Any] = value(found)
    return redacted


def value(found: object) -> Any:
    """Return a JSON value with every text in it redacted."""
    match found:
        case str():
            return text(found)
        case dict():
            return {text(str(name)): _field(str(name), each) for name, each in found.items()}
        case list() | tuple():
            return [value(each) for each in found]
        case _:
            return found


def _field(name: str, found: object) -> Any:
    if name in _LONG and isinstance(found, str):
        return f"({counted(len(found), 'character')})"
    if name in _WHOLE:
        return {text(str(each)): HIDDEN for each in found} if isinstance(found, dict) else HIDDEN
    return value(found)


def _object(obj: dict[str, Any], spec: type[msgspec.Struct], status: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "metadata": _metadata(obj.get("metadata") or {}),
        "spec": _known(obj.get("spec"), spec),
        "status": _known(obj.get("status"), status),
    }


def _metadata(meta: dict[str, Any]) -> dict[str, Any]:
    annotations = meta.get("annotations") or {}
    kept = {name: value(meta[name]) for name in _META if name in meta}
    kept["labels"] = sorted(map(text, meta.get("labels") or {}))
    kept["annotations"] = {
        text(name): text(str(each)) if name.startswith(f"{names.GROUP}/") else HIDDEN
        for name, each in annotations.items()
    }
    return kept


def _known(part: object, struct: type[msgspec.Struct]) -> Any:
    """Return a part of an object; of fields that this version does not know, the names."""
    if not isinstance(part, dict):
        return None if part is None else HIDDEN
    known = struct.__struct_encode_fields__
    return {
        text(str(name)): _field(str(name), each) if name in known else HIDDEN for name, each in part.items()
    }
