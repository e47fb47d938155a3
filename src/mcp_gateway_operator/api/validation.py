"""Validation at reconcile: everything that admission checks, once more, and what admission leaves open.

Objects reach the operator past a rule: they are older than it, or the cluster is older than CEL. Admission is
loose where the service model is strict only in part of the cases (a gateway id may come with spaces around
it) and where users of the Go operator wrote what AWS refuses (headers): here the service model decides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from mcp_gateway_operator.api import tool_list
from mcp_gateway_operator.api.aws_ids import is_gateway_id, no_gateway_id
from mcp_gateway_operator.api.aws_values import Location, forbidden_headers, misplaced
from mcp_gateway_operator.api.problem import Problem
from mcp_gateway_operator.api.schema import check, describe
from mcp_gateway_operator.api.types import MCPServer, MCPServerSpec

__all__ = ["Context", "Location", "Problem", "forbidden_headers", "problems_of", "validate", "validate_plain"]

UNKNOWN: Final = Location()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known around a spec; see `validate`."""

    held_headers: frozenset[str] = frozenset()
    gateway: Location = UNKNOWN
    target_name: str = ""


def validate(
    spec: MCPServerSpec,
    *,
    held_headers: Collection[str] = (),
    gateway: Location = UNKNOWN,
    target_name: str = "",
) -> tuple[Problem, ...]:
    """Return what AWS or this operator would refuse in `spec`: fields first, then rules across fields.

    Args:
        spec: what the user wrote.
        held_headers: names that the target has at AWS already: accepted once, so no problem.
        gateway: where the gateway is, as far as that is known.
        target_name: of the target that is to be made of it.
    """
    plain: dict[str, Any] = msgspec.to_builtins(spec)
    context = Context(
        held_headers=frozenset(name.lower() for name in held_headers),
        gateway=gateway,
        target_name=target_name,
    )
    return validate_plain(plain, context=context)


def problems_of(obj: MCPServer) -> tuple[str, ...]:
    """Return what is wrong with an object's spec whatever is around it, as sentences.

    Of one that is not in memory because it is large that is known alone for which it is too large.
    """
    return obj.left_out.problems if obj.left_out is not None else tuple(map(str, validate(obj.spec)))


def validate_plain(
    spec: dict[str, Any], *, context: Context | None = None, closed: bool = False
) -> tuple[Problem, ...]:
    """Return the same for a spec in plain JSON; `closed` makes a field that does not exist a problem."""
    problems = list(check(spec, describe(MCPServer).properties["spec"], "spec", closed=closed))
    known = context or Context()
    problems += [problem for one in _CHAIN for problem in one(spec, known)]
    return tuple(problems)


def _texts(value: Any) -> tuple[str, ...]:
    # A value of another type is reported by its description.
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, (list, tuple)) else ()


def _gateway_id(spec: dict[str, Any], _context: Context) -> Iterator[Problem]:
    given = spec.get("gatewayId")
    gateway = given.strip() if isinstance(given, str) else ""
    if gateway and not gateway.startswith("arn:") and not is_gateway_id(gateway):
        yield Problem(path="spec.gatewayId", message=no_gateway_id(gateway))


def _headers(spec: dict[str, Any], context: Context) -> Iterator[Problem]:
    for field in ("allowedRequestHeaders", "allowedResponseHeaders"):
        for name in forbidden_headers(_texts(spec.get(field))):
            if name.lower() not in context.held_headers:
                message = f"AWS does not pass on the header {name}: remove it from {field}"
                yield Problem(path=f"spec.{field}", message=message)


def _api_key_header(spec: dict[str, Any], context: Context) -> Iterator[Problem]:
    key = spec.get("apiKey")
    if not isinstance(key, dict):
        return
    name = str(key.get("parameterName") or "").lower()
    if key.get("location") == "QUERY_PARAMETER" or not name or name in context.held_headers:
        return
    if name in {each.lower() for each in _texts(spec.get("allowedRequestHeaders"))}:
        yield Problem(
            path="spec.allowedRequestHeaders",
            message=f"AWS does not pass on {key['parameterName']}, the header of the API key: remove it from"
            " allowedRequestHeaders",
            across=True,
        )


def _places(spec: dict[str, Any], context: Context) -> Iterator[Problem]:
    if (spec.get("authType") or "OAuth2") != "OAuth2":
        spec = {**spec, "oauthProviderArn": None}
    return misplaced(spec, context.gateway)


def _tools(spec: dict[str, Any], context: Context) -> Iterator[Problem]:
    schema = spec.get("mcpToolSchema")
    inline = schema.get("inline") if isinstance(schema, dict) else None
    if isinstance(inline, str) and inline:
        for message in tool_list.refused(inline, context.target_name):
            yield Problem(path="spec.mcpToolSchema.inline", message=message)


_CHAIN: Final[tuple[Callable[[dict[str, Any], Context], Iterator[Problem]], ...]] = (
    _gateway_id,
    _headers,
    _api_key_header,
    _places,
    _tools,
)
