"""Nested values in AWS's shape: what counts as absent, and what has no order."""

from __future__ import annotations

from typing import Any, Final

import msgspec

_ABSENT: Final[tuple[object, ...]] = (None, "", [], (), {})
_AS_WRITTEN: Final = "tags"
"""A tag may have an empty value, which is not the same as no such tag."""


def present(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value: `""`, `[]`, `{}` and null mean absent."""
    return {key: value for key, value in fields.items() if value not in _ABSENT}


def tidy(value: Any) -> Any:
    """Return a value without what is absent in it, at any depth.

    botocore refuses empty texts and lists, and an answer may spell an absent member as null.
    """
    match value:
        case dict():
            return present({key: item if key == _AS_WRITTEN else tidy(item) for key, item in value.items()})
        case list() | tuple():
            return [item for item in map(tidy, value) if item not in _ABSENT]
        case _:
            return value


def comparable(value: Any) -> Any:
    """Return a value in which lists of texts are sorted: subnets and security groups have no order."""
    match value:
        case dict():
            return {key: comparable(item) for key, item in value.items()}
        case list() | tuple():
            items = [comparable(item) for item in value]
            return sorted(items) if all(isinstance(item, str) for item in items) else items
        case _:
            return value


def leaves(path: str, value: Any) -> dict[str, Any]:
    """Return the values inside nested objects by their dotted paths, so that each differs by itself."""
    match value:
        case dict() if not path.endswith(f".{_AS_WRITTEN}"):
            inner = value
        case list() if value and not isinstance(value[0], str):
            inner = {str(index): item for index, item in enumerate(value)}
        case _:
            return {path: value}
    return {key: leaf for name, item in inner.items() for key, leaf in leaves(f"{path}.{name}", item).items()}


def canonical_json(text: str) -> str:
    """Return a JSON text without its white space and order of keys; any other text as it is."""
    try:
        return msgspec.json.encode(msgspec.json.decode(text), order="deterministic").decode()
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return text
