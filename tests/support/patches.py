"""JSON Merge Patch (RFC 7386) and JSON Patch (RFC 6902) over plain JSON values."""

from __future__ import annotations

import copy
from typing import Any


class PatchError(Exception):
    """The patch cannot be applied to this document, or one of its tests failed."""


def merge(document: Any, patch: Any) -> Any:
    """Return `document` with a merge patch applied; neither is changed."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def json_patch(document: Any, operations: list[dict[str, Any]]) -> Any:
    """Return `document` with the operations applied in order; it is not changed.

    Raises:
        PatchError: an operation does not fit, or a test fails.
    """
    holder = {"": copy.deepcopy(document)}
    for operation in operations:
        _apply(holder, operation)
    return holder[""]


def _apply(holder: dict[str, Any], operation: dict[str, Any]) -> None:
    kind, path = operation["op"], operation["path"]
    if kind == "move":
        value = _remove(holder, operation["from"])
        _add(holder, path, value)
    elif kind == "copy":
        _add(holder, path, copy.deepcopy(_get(holder, operation["from"])))
    elif kind == "add":
        _add(holder, path, copy.deepcopy(operation["value"]))
    elif kind == "remove":
        _remove(holder, path)
    elif kind == "replace":
        _remove(holder, path)
        _add(holder, path, copy.deepcopy(operation["value"]))
    elif kind == "test":
        # As the API server's library has it: testing an absent path against null succeeds.
        if _get(holder, path, absent=None) != operation.get("value"):
            raise PatchError(f"testing value {path} failed")
    else:
        raise PatchError(f"unexpected kind: {kind}")


_RAISE = object()


def _get(holder: dict[str, Any], path: str, absent: Any = _RAISE) -> Any:
    parent, last = _locate(holder, path, absent is _RAISE)
    if isinstance(parent, dict) and last in parent:
        return parent[last]
    if isinstance(parent, list) and last.isdecimal() and int(last) < len(parent):
        return parent[int(last)]
    if absent is _RAISE:
        raise PatchError(f"no value at {path}")
    return absent


def _add(holder: dict[str, Any], path: str, value: Any) -> None:
    parent, last = _locate(holder, path)
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list) and (last == "-" or (last.isdecimal() and int(last) <= len(parent))):
        parent.insert(len(parent) if last == "-" else int(last), value)
    else:
        raise PatchError(f"add operation does not apply: doc is missing path: {path}")


def _remove(holder: dict[str, Any], path: str) -> Any:
    parent, last = _locate(holder, path)
    if isinstance(parent, dict) and last in parent:
        return parent.pop(last)
    if isinstance(parent, list) and last.isdecimal() and int(last) < len(parent):
        return parent.pop(int(last))
    raise PatchError(f"remove operation does not apply: doc is missing path: {path}")


def _locate(holder: dict[str, Any], path: str, strict: bool = True) -> tuple[Any, str]:
    """Return the container of a JSON pointer's last step, and that step."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")]
    parent: Any = holder
    for step in steps[:-1]:
        if isinstance(parent, dict) and step in parent:
            parent = parent[step]
        elif isinstance(parent, list) and step.isdecimal() and int(step) < len(parent):
            parent = parent[int(step)]
        elif strict:
            raise PatchError(f"doc is missing path: {path}")
        else:
            return None, steps[-1]
    return parent, steps[-1]
