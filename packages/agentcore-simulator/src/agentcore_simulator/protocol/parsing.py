"""From an HTTP request to an operation and its members (rest-json), before validation."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec

from agentcore_simulator.errors import ServiceError, validation
from agentcore_simulator.messages import Request
from agentcore_simulator.protocol.journal import Entry
from agentcore_simulator.protocol.service_model import Operation, service_model

MAX_BODY = 2 * 1024 * 1024
"""Largest request body in bytes (an inline schema may have 1 MB)."""
_MAX_LOGGED = 256
"""Characters of an identifier kept in the request log."""

_COMPLETE_AUTH = Operation(
    name="CompleteResourceTokenAuth",
    method="POST",
    segments=("identities", "CompleteResourceTokenAuth"),
    labels=(),
    querystring={},
    status=200,
    input="",
)
"""The one operation of the data plane (service model `bedrock-agentcore`) that consent needs."""
_COMPLETE_AUTH_ROUTE = ("POST", "/identities/CompleteResourceTokenAuth")


def parse(request: Request, entry: Entry) -> tuple[Operation, dict[str, Any]]:
    """The operation and its members; what becomes known on the way goes into the log entry.

    Raises:
        ServiceError: an unknown path, or a body or query that cannot be parsed.
    """
    found = service_model().route(request.method, request.path)
    if found is None and (request.method, request.path.rstrip("/")) == _COMPLETE_AUTH_ROUTE:
        found = _COMPLETE_AUTH, {}
    if found is None:
        message = f"No operation of the service is {request.method} {request.path[:200]}"
        raise ServiceError("UnknownOperationException", message, status=404)
    operation, params = found[0], dict[str, Any](found[1])
    entry.operation = operation.name
    entry.gateway = params.get("gatewayIdentifier", "")[:_MAX_LOGGED] or None
    entry.target = params.get("targetId", "")[:_MAX_LOGGED] or None
    if len(request.body) > MAX_BODY:
        message = f"The request body is larger than {MAX_BODY} bytes"
        raise ServiceError("ValidationException", message, status=413, reason="CannotParse")
    params.update(_query(request.query, operation))
    body = _json_object(request.body) if request.body and request.method != "GET" else {}
    params = {**body, **params}
    if isinstance(token := params.get("clientToken"), str):
        entry.client_token = token[:_MAX_LOGGED]
    if isinstance(name := params.get("name"), str):
        entry.name = name[:_MAX_LOGGED]
    return operation, params


def _query(query: str, operation: Operation) -> dict[str, Any]:
    if not query or not operation.querystring:
        return {}
    shapes = service_model().shapes
    given = parse_qs(query, keep_blank_values=True)
    members = shapes[operation.input]["members"]
    params: dict[str, Any] = {}
    for wire, member in operation.querystring.items():
        if wire not in given:
            continue
        kind = shapes[members[member]["shape"]]["type"]
        try:
            params[member] = given[wire] if kind == "list" else _typed(given[wire][0], kind)
        except ValueError:
            message = f"Unable to parse the request: '{member}' must be of type {kind}"
            raise validation(message, reason="CannotParse") from None
    return params


def _typed(text: str, kind: str) -> Any:
    return int(text) if kind in {"integer", "long"} else text


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise validation("Unable to parse the request body as a JSON object", reason="CannotParse") from None
