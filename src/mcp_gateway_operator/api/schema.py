"""How a field of the resource is described: what it means, what it may hold, and which rules it obeys.

The structures in this package carry a `Field` in each annotation. Everything that must agree is made from
these: the CRD, its older-server variant, the field reference, offline validation and the checks at reconcile.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

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
