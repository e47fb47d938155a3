"""Decoding of MCPGateway objects: strict, for what is not understood must not permit anything."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.codec import DecodeError
from mcp_gateway_operator.api.mcpgateway import ClassMeta, MCPGateway, MCPGatewaySpec, MCPGatewayStatus
from mcp_gateway_operator.api.problem import Problem
from mcp_gateway_operator.api.schema import check, describe

_MOST: Final = 3
"""Problems that are told of one MCPGateway; a newer CRD may bring many."""


class _Object(msgspec.Struct):
    metadata: ClassMeta
    spec: Any = None
    status: Any = None


_DECODER: Final = msgspec.json.Decoder(_Object)


def decode_gateway(raw: bytes | memoryview | msgspec.Raw) -> MCPGateway:
    """Return the object in `raw`, JSON as the API server sends it; `problems` says what is not understood.

    An unknown field is one of them: it may take back what the others permit. So is null, which an unset value
    of a template leaves behind: as absence it would select more than was meant.

    Raises:
        DecodeError: not JSON, or without a name.
    """
    try:
        found = _DECODER.decode(raw)
    except msgspec.DecodeError as error:
        raise DecodeError(f"Not an {names.CLASS_KIND}: {error}") from error
    spec = found.spec if isinstance(found.spec, dict) else {}
    problems = tuple(map(str, problems_of_spec(spec if found.spec is not None else None)))
    try:
        decoded = msgspec.convert(spec, MCPGatewaySpec)
    except msgspec.ValidationError as error:
        problems = problems or (f"spec: {error}",)
        arn = spec.get("gatewayArn")
        decoded = MCPGatewaySpec(gateway_arn=arn if isinstance(arn, str) else "")
    try:
        status = msgspec.convert(found.status or {}, MCPGatewayStatus)
    except msgspec.ValidationError:
        status = MCPGatewayStatus()
    meta = msgspec.structs.replace(found.metadata, name=sys.intern(found.metadata.name))
    return MCPGateway(metadata=meta, spec=decoded, status=status, problems=problems[:_MOST])


def problems_of_spec(spec: dict[str, Any] | None) -> Iterator[Problem]:
    """Yield what is not understood of an MCPGateway's spec in plain JSON."""
    for path in _nulls(spec, "spec"):
        yield Problem(path=path, message="null is no value here: leave the field out")
    yield from check(spec or {}, describe(MCPGateway).properties["spec"], "spec", closed=True)


def _nulls(value: Any, path: str) -> Iterator[str]:
    """Yield where there is a null in a value."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _nulls(each, f"{path}.{key}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _nulls(each, f"{path}[{index}]")
    elif value is None:
        yield path
