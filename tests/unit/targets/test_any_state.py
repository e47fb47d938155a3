"""Any state means any: every part of a memory varies, and one that is added must vary, too."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, find, settings

from mcp_gateway_operator.targets.known import memory
from tests.unit.targets.any_state import VARIED

PARTS = [
    each
    for _, each in inspect.getmembers(memory, inspect.isclass)
    if each.__module__ == memory.__name__ and issubclass(each, memory.Page) and each is not memory.Page
]
"""The classes that a memory is made of."""


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_field_of_a_memory_varies_in_any_state(part: type[msgspec.Struct]) -> None:
    fields = VARIED.get(part, {})
    assert sorted(fields) == sorted(field.name for field in msgspec.structs.fields(part))
    # That there is a second value is all that is asked, not which is the simplest.
    quick = settings(
        max_examples=200, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck)
    )
    for strategy in fields.values():
        seen: list[Any] = []

        def differs(value: Any, seen: list[Any] = seen) -> bool:
            seen.append(value)
            return bool(value != seen[0])

        find(strategy, differs, settings=quick)
