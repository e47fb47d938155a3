"""Validation at reconcile: everything that admission checks, once more, and what admission leaves open.

Objects reach the operator past a rule: they are older than it, or the cluster is older than CEL. Admission is
loose where the service model is strict only in part of the cases (a gateway id may come with spaces around
it) and where users of the Go operator wrote what AWS refuses (headers): here the service model decides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

import msgspec

from mcp_gateway_operator.api.checker import check, shown
from mcp_gateway_operator.api.problem import Problem
from mcp_gateway_operator.api.refused_headers import forbidden_headers
from mcp_gateway_operator.api.rules import is_gateway_id
from mcp_gateway_operator.api.schema import describe
from mcp_gateway_operator.api.types import MCPServer, MCPServerSpec

__all__ = ["Problem", "forbidden_headers", "validate", "validate_plain"]


def validate(spec: MCPServerSpec, *, held_headers: Collection[str] = ()) -> tuple[Problem, ...]:
    """Return what AWS or this operator would refuse in `spec`: fields first, then rules across fields.

    Args:
        spec: what the user wrote.
        held_headers: names that the target has at AWS already: accepted once, so no problem.
    """
    plain: dict[str, Any] = msgspec.to_builtins(spec)
    return validate_plain(plain, held_headers=held_headers)


def validate_plain(
    spec: dict[str, Any], *, held_headers: Collection[str] = (), closed: bool = False
) -> tuple[Problem, ...]:
    """Return the same for a spec in plain JSON; `closed` makes a field that does not exist a problem."""
    problems = list(check(spec, describe(MCPServer).properties["spec"], "spec", closed=closed))
    held = frozenset(name.lower() for name in held_headers)
    problems += [problem for one in _CHAIN for problem in one(spec, held)]
    return tuple(problems)


def _texts(value: Any) -> tuple[str, ...]:
    # A value of another type is reported by its description.
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, (list, tuple)) else ()


def _gateway_id(spec: dict[str, Any], _held: frozenset[str]) -> Iterator[Problem]:
    given = spec.get("gatewayId")
    gateway = given.strip() if isinstance(given, str) else ""
    if gateway and not gateway.startswith("arn:") and not is_gateway_id(gateway):
        yield Problem(
            path="spec.gatewayId",
            message=f"{shown(gateway)} is not the id of a gateway: write its name in lower case, a dash and"
            " ten characters, as the console shows them, for example tools-abcdefghij",
        )


def _headers(spec: dict[str, Any], held: frozenset[str]) -> Iterator[Problem]:
    for field in ("allowedRequestHeaders", "allowedResponseHeaders"):
        for name in forbidden_headers(_texts(spec.get(field))):
            if name.lower() not in held:
                message = f"AWS does not pass on the header {name}: remove it from {field}"
                yield Problem(path=f"spec.{field}", message=message)


def _api_key_header(spec: dict[str, Any], held: frozenset[str]) -> Iterator[Problem]:
    key = spec.get("apiKey")
    if not isinstance(key, dict):
        return
    name = str(key.get("parameterName") or "").lower()
    if key.get("location") == "QUERY_PARAMETER" or not name or name in held:
        return
    if name in {each.lower() for each in _texts(spec.get("allowedRequestHeaders"))}:
        yield Problem(
            path="spec.allowedRequestHeaders",
            message=f"AWS does not pass on {key['parameterName']}, the header of the API key: remove it from"
            " allowedRequestHeaders",
        )


_CHAIN: Final[tuple[Callable[[dict[str, Any], frozenset[str]], Iterator[Problem]], ...]] = (
    _gateway_id,
    _headers,
    _api_key_header,
)
