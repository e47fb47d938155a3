"""Request validation compiled from the service model: required, type, length, range, pattern, enum and union.

The messages are worded and numbered as AWS's own ("2 validation errors detected: Value at 'name' failed to
satisfy constraint: Member must ..."). Values are never repeated: the model marks names and descriptions as
sensitive.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from agentcore_simulator.errors import ServiceError, validation
from agentcore_simulator.protocol.service_model import service_model, sts_shapes

Problem = tuple[list[str], str]
"""Where (path members, outermost first) and what."""

Check: TypeAlias = "Callable[[Any, list[Problem]], Any]"
"""Returns the value without unknown and null members; appends what is wrong with it."""

_MAX_REPORTED = 100
"""A long list of bad items must not become an even longer answer."""

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
    "timestamp": (str, int, float),
    "blob": (str,),
}


class Validator:
    """Checks requests against the model's input shapes, each compiled at its first use."""

    def __init__(self, shapes: Mapping[str, dict[str, Any]]) -> None:
        self._shapes = shapes
        self._compiled: dict[str, Check] = {}

    def validate(self, shape: str, value: dict[str, Any]) -> dict[str, Any]:
        """The request without members that the model does not know.

        Raises:
            ServiceError: ValidationException with every constraint that `value` breaks, or with reason
                CannotParse when a member has the wrong JSON type.
        """
        problems: list[Problem] = []
        try:
            cleaned: dict[str, Any] = self._check(shape)(value, problems)
        except _MistypedError as error:
            where = f"'{'.'.join(error.path)}'" if error.path else "the request body"
            raise validation(
                f"Unable to parse the request: {where} must be of type {error.kind}", reason="CannotParse"
            ) from None
        if problems:
            raise _report(problems)
        return cleaned

    def _check(self, name: str) -> Check:
        check = self._compiled.get(name)
        if check is None:
            check = self._compiled[name] = self._compile(name)
        return check

    def _compile(self, name: str) -> Check:
        shape = self._shapes[name]
        kind = shape["type"]
        if shape.get("document"):
            return lambda value, _: value
        build = {"structure": self._structure, "list": self._list, "map": self._map}.get(kind, _scalar)
        typed = build(shape)
        expected = _TYPES[kind]
        refuse_bool = kind in {"integer", "long", "float", "double"}

        def check(value: Any, problems: list[Problem]) -> Any:
            if not isinstance(value, expected) or (refuse_bool and isinstance(value, bool)):
                raise _MistypedError(kind)
            return typed(value, problems)

        return check

    def _structure(self, shape: dict[str, Any]) -> Check:
        wire_names = {key: member.get("locationName", key) for key, member in shape["members"].items()}
        members = {key: member["shape"] for key, member in shape["members"].items()}
        required = [wire_names[key] for key in shape.get("required", ())]
        union = bool(shape.get("union"))

        def check(value: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
            cleaned = {}
            for key, target in members.items():
                member = value.get(wire_names[key])
                if member is None:
                    continue
                cleaned[wire_names[key]] = self._member(target, member, problems, wire_names[key])
            problems.extend(
                ([wire_name], "Member must not be null") for wire_name in required if wire_name not in cleaned
            )
            if union and len(cleaned) != 1:
                choices = ", ".join(wire_names.values())
                problems.append(([], f"Member must have exactly one of these members set: [{choices}]"))
            return cleaned

        return check

    def _member(self, shape: str, value: Any, problems: list[Problem], name: str) -> Any:
        before = len(problems)
        try:
            cleaned = self._check(shape)(value, problems)
        except _MistypedError as error:
            error.path.insert(0, name)
            raise
        for path, _ in problems[before:]:
            path.insert(0, name)
        return cleaned

    def _list(self, shape: dict[str, Any]) -> Check:
        item_shape = shape["member"]["shape"]
        size = _bounds(shape, "length")

        def check(value: list[Any], problems: list[Problem]) -> list[Any]:
            size(len(value), problems)
            return [
                self._member(item_shape, item, problems, f"{number}.member")
                for number, item in enumerate(value, start=1)
            ]

        return check

    def _map(self, shape: dict[str, Any]) -> Check:
        key_shape, value_shape = shape["key"]["shape"], shape["value"]["shape"]
        size = _bounds(shape, "length")

        def check(value: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
            size(len(value), problems)
            for key in value:
                self._member(key_shape, key, problems, "key")
            return {
                key: self._member(value_shape, item, problems, f"{key}.value") for key, item in value.items()
            }

        return check


@functools.cache
def service_validator() -> Validator:
    """The validator of the service, one a process: its compiled shapes are shared."""
    return Validator(service_model().shapes)


@functools.cache
def sts_validator() -> Validator:
    """The validator of AWS STS, one a process."""
    return Validator(sts_shapes())


def _scalar(shape: dict[str, Any]) -> Check:
    kind = shape["type"]
    choices = shape.get("enum")
    if choices:
        allowed = frozenset(choices)
        message = f"Member must satisfy enum value set: [{', '.join(choices)}]"

        def check_enum(value: str, problems: list[Problem]) -> str:
            if value not in allowed:
                problems.append(([], message))
            return value

        return check_enum
    if kind != "string":
        bounds = _bounds(shape, "value")

        def check_number(value: Any, problems: list[Problem]) -> Any:
            bounds(value, problems)
            return value

        return check_number
    return _string(shape)


def _string(shape: dict[str, Any]) -> Check:
    length = _bounds(shape, "length")
    pattern = shape.get("pattern")
    matches = _compiled(pattern).fullmatch if pattern else None

    def check_string(value: str, problems: list[Problem]) -> str:
        length(len(value), problems)
        if matches is not None and matches(value) is None:
            problems.append(([], f"Member must satisfy regular expression pattern: {pattern}"))
        return value

    return check_string


def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of the model, which is Java's: word characters are ASCII, classes of Unicode have names."""
    if r"\p{" in pattern:
        return re.compile(pattern.replace(r"\p{L}\p{Z}\p{N}_", r"\w \xa0"))
    return re.compile(pattern, re.ASCII)


def _bounds(shape: dict[str, Any], what: str) -> Callable[[float, list[Problem]], None]:
    low, high = shape.get("min"), shape.get("max")

    def check(size: float, problems: list[Problem]) -> None:
        if low is not None and size < low:
            problems.append(([], f"Member must have {what} greater than or equal to {low}"))
        elif high is not None and size > high:
            problems.append(([], f"Member must have {what} less than or equal to {high}"))

    return check


class _MistypedError(Exception):
    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.path: list[str] = []


def _report(problems: list[Problem]) -> ServiceError:
    fields = [(".".join(path), text) for path, text in problems[:_MAX_REPORTED]]
    errors = "error" if len(problems) == 1 else "errors"
    details = "; ".join(f"Value at '{path}' failed to satisfy constraint: {text}" for path, text in fields)
    return validation(f"{len(problems)} validation {errors} detected: {details}", fields=fields)
