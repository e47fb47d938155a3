"""How a field of the resource is described: what it means, what it may hold, and which rules it obeys.

The structures in this package carry a `Field` in each annotation. Everything that must agree is made from
these: the CRD, its older-server variant, the field reference, offline validation and the checks at reconcile.

`check` does what the API server's schema validation does. Rules are evaluated even beside other mistakes, so
that one pass shows them all. An optional field that is null, "" or [] is absent.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from mcp_gateway_operator.api.problem import Problem

Kind = Literal["string", "integer", "array", "map", "object"]


class Camel(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """Base of all structures: camelCase on the wire, defaults left out, never part of a cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One admission rule, said twice: in CEL for the API server, as a predicate for every other place.

    Both see a plain JSON value that is not absent. `field` names the offending child of an object, so that
    the error points at it. With `ratchet` the rule is kept from failing an update of an object that broke
    it before: the API server does this by itself for rules on single fields, but not for an object whose
    other fields changed.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool]
    field: str = ""
    reason: Literal["FieldValueInvalid", "FieldValueRequired", "FieldValueForbidden"] = "FieldValueInvalid"
    ratchet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What one field means and may hold. Sizes count characters, items or properties.

    `old` is the whole of what the Go operator's CRD asked of the field (empty for nothing): the variant for
    servers without ratcheting asks no more than that. A field without `old` is newer than that CRD.
    `schema` describes a value that the operator keeps as plain JSON.
    """

    doc: str
    required: bool = False
    default: str | None = None
    enum: tuple[str, ...] = ()
    format: str = ""
    min_length: int | None = None
    max_length: int | None = None
    min_items: int | None = None
    max_items: int | None = None
    max_properties: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    list_key: str = ""
    item: Field | None = None
    rules: tuple[Rule, ...] = ()
    example: str = ""
    schema: Any = None
    old: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A described value with its children: `properties` of an object, `item` of an array or a map."""

    kind: Kind
    field: Field
    properties: dict[str, Node] = dataclasses.field(default_factory=dict)
    item: Node | None = None


_UNDESCRIBED = Field(doc="")


@cache
def describe(structure: type[msgspec.Struct]) -> Node:
    """Return the tree of `structure`, from the `Field` in each of its annotations."""
    return _node(structure, _UNDESCRIBED)


def _node(hint: Any, described: Field) -> Node:
    hint, described = _unwrap(hint, described)
    if described.schema is not None:
        hint = described.schema
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        children = {each.encode_name: _node(each.type, _UNDESCRIBED) for each in msgspec.structs.fields(hint)}
        return Node("object", described, properties=children)
    origin = get_origin(hint)
    if origin is tuple:
        return Node("array", described, item=_node(get_args(hint)[0], described.item or _UNDESCRIBED))
    if origin is dict:
        return Node("map", described, item=_node(get_args(hint)[1], described.item or _UNDESCRIBED))
    return Node("integer" if hint is int else "string", described)


def _unwrap(hint: Any, described: Field) -> tuple[Any, Field]:
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        described = next((note for note in notes if isinstance(note, Field)), described)
    if get_origin(hint) in {Union, types.UnionType}:  # X | None: absent is not a value in Kubernetes
        hint = next(each for each in get_args(hint) if each is not type(None))
    return hint, described


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


def _hint(value: Any, node: Node) -> str:
    """Return what to do about a value of another type, "" where that goes without saying."""
    if value is None:
        return ", and this is null: write one, or remove it"
    if node.kind == "string" and isinstance(value, (int, float)):
        return ": write it in quotes"
    if node.kind == "array" and isinstance(value, str):
        return f": write [{shown(value)}]"
    return ""


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
        yield Problem(path=path, message=f"must be {_SPOKEN[node.kind]}{_hint(value, node)}")
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
    allowed = node.field.enum
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
