"""Check of a plain JSON value against its description: what the API server's schema validation does.

Rules are evaluated even beside other mistakes, so that one pass shows them all. An optional field that is
null, "" or [] is absent.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Any, Final

from mcp_gateway_operator.api.problem import Problem
from mcp_gateway_operator.api.schema import Node

_PYTHON_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "array": (list, tuple),
    "map": dict,
    "object": dict,
}
_SPOKEN: Final = {
    "string": "a text",
    "integer": "a whole number",
    "array": "a list",
    "map": "a map of texts",
    "object": "a map of fields",
}


_EMPTY: Final[dict[str, Any]] = {"string": "", "array": []}
"""What templates write into a field that is to be absent; in a field of another type it is a mistake."""
_TYPED: Final = 64
"""Characters that are looked at, and shown, of what was typed where only a few words are known."""


def check(value: Any, node: Node, path: str, *, closed: bool = False) -> Iterator[Problem]:
    """Yield what is wrong with `value`: its fields in their order, then the rules across them.

    Args:
        value: plain JSON as a YAML or JSON parser returns it.
        node: the description.
        path: where the value is, for example "spec"; the problems' paths begin with it.
        closed: whether a field that is not described is a problem, as it is for `kubectl apply`.
    """
    expected = _PYTHON_TYPES[node.kind]
    if not isinstance(value, expected) or isinstance(value, bool):
        hint = ": write it in quotes" if node.kind == "string" and isinstance(value, (int, float)) else ""
        yield Problem(path=path, message=f"must be {_SPOKEN[node.kind]}{hint}")
        return
    if too_long := list(_length(value, node, path)):
        # The rules are for texts of a legal length; a CRD without limits admits 600 KB.
        yield from too_long
        return
    for one in _CHAIN:
        yield from one(value, node, path)
    yield from _below(value, node, path, closed=closed)
    for rule in node.field.rules:
        if not rule.holds(value):
            where = f"{path}.{rule.field}" if rule.field else path
            yield Problem(path=where, message=rule.message, across=bool(rule.field))


def _enumeration(value: Any, node: Node, path: str) -> Iterator[Problem]:
    allowed = [str(each) for each in node.field.enum]
    if allowed and value not in allowed:
        same = [each for each in allowed if each.lower() == str(value).lower()]
        choice = f"write {same[0]}" if same else f"write one of {', '.join(allowed)}"
        yield Problem(path=path, message=f"unsupported value {shown(value)}: {choice}")


def _length(value: Any, node: Node, path: str) -> Iterator[Problem]:
    limits = node.field
    if node.kind != "string":
        return
    if limits.max_length is not None and len(value) > limits.max_length:
        yield Problem(
            path=path,
            message=f"too long: shorten it from {len(value)} to {limits.max_length} characters",
        )
    if limits.min_length is not None and len(value) < limits.min_length:
        yield Problem(
            path=path,
            message=f"too short{_for_example(node)}",
        )


def _count(value: Any, node: Node, path: str) -> Iterator[Problem]:
    limits = node.field
    if node.kind in {"array", "map"}:
        most = limits.max_items if node.kind == "array" else limits.max_properties
        if most is not None and len(value) > most:
            yield Problem(path=path, message=f"too many: {len(value)} items, at most {most} are allowed")
        if limits.min_items is not None and len(value) < limits.min_items:
            yield Problem(path=path, message=f"too few items{_for_example(node)}")


def _range(value: Any, node: Node, path: str) -> Iterator[Problem]:
    low, high = node.field.minimum, node.field.maximum
    if node.kind == "integer" and ((low is not None and value < low) or (high is not None and value > high)):
        bounds = f"from {low} to {high}" if high is not None else f"of {low} or more"
        yield Problem(path=path, message=f"must be a number {bounds}, not {value}")


_CHAIN: Final[tuple[Callable[[Any, Node, str], Iterator[Problem]], ...]] = (
    _enumeration,
    _count,
    _range,
)


def _below(value: Any, node: Node, path: str, *, closed: bool) -> Iterator[Problem]:
    if node.kind == "object":
        yield from _fields(value, node, path, closed=closed)
    elif node.kind == "array" and node.item is not None:
        for index, item in enumerate(value):
            yield from check(item, node.item, f"{path}[{index}]", closed=closed)
    elif node.kind == "map" and node.item is not None:
        for key, item in value.items():
            if item is not None:
                yield from check(item, node.item, f"{path}[{key}]", closed=closed)


def _fields(value: dict[str, Any], node: Node, path: str, *, closed: bool) -> Iterator[Problem]:
    for name, child in node.properties.items():
        given = value.get(name)
        if given is None:
            if child.field.required:
                yield Problem(path=f"{path}.{name}", message=f"required{_for_example(child)}")
        elif child.field.required or given != _EMPTY.get(child.kind):
            yield from check(given, child, f"{path}.{name}", closed=closed)
    if closed:
        for name in value:
            if name not in node.properties:
                yield Problem(path=f"{path}.{name}", message=unknown(str(name), list(node.properties)))


def unknown(name: str, known: list[str], what: str = "field") -> str:
    """Return the sentence about a field (or `what`) that does not exist, with the nearest one that does."""
    by_lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name[:_TYPED].lower(), by_lower, n=1)
    return f"unknown {what}: did you mean {by_lower[near[0]]}?" if near else f"unknown {what}: remove it"


def shown(value: object) -> str:
    """Return a value as a message quotes it: in quotes, cut where it is long."""
    text = str(value)
    return repr(value if len(text) <= _TYPED else f"{text[:_TYPED]}...")


def _for_example(node: Node) -> str:
    return f": write for example {node.field.example}" if node.field.example else ""
