"""YAML's parser in C: no file ends the process, and it reads what the parser in Python reads."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway_operator.api.reading import ManifestError, documents


@pytest.mark.parametrize("one", ["[", "{a: ", "- ", "? ", "- ? ", "[{a: ", "!x [", "&a [", "? [", "'a': {"])
@pytest.mark.parametrize("behind", ["", "]" * 50_000])
def test_nesting_without_an_end_is_told_and_ends_no_process(one: str, behind: str) -> None:
    """What PyYAML has in C for nodes crashes at some ten thousand."""
    with pytest.raises(ManifestError, match="nested too deeply"):
        list(documents(one * 50_000 + behind))


def test_nesting_by_lines_is_told_too() -> None:
    lines = (" " * depth + "a:" for depth in range(2000))
    with pytest.raises(ManifestError, match="nested too deeply"):
        list(documents("\n".join(lines)))


_ODD = ("https://a.example/x?y=1#2", "[mcps a/b]", "5e3", "no", "a: b", "- a", "| ", "\u2028", "{{ .x }}")
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(_ODD)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _TEXTS | st.integers(-9, 2**40) | st.booleans() | st.none(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(_TEXTS, below, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(
    value=st.dictionaries(st.sampled_from(["metadata", "spec", "a"]), _VALUES, min_size=1),
    flow=st.sampled_from([True, False, None]),
    style=st.sampled_from([None, '"', "'", "|", ">"]),
    width=st.sampled_from([20, 1000]),
    plain=st.booleans(),
)
def test_both_parsers_read_the_same(
    value: dict[str, Any], flow: bool | None, style: str | None, width: int, plain: bool
) -> None:
    text = yaml.safe_dump(
        value, default_flow_style=flow, default_style=style, width=width, allow_unicode=plain
    )
    read = []
    for either in (True, False):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(yaml, "__with_libyaml__", either)
            try:
                read.append(list(documents(text)))
            except ManifestError:
                read.append([])
    assert read[0] == read[1]
