"""The ownership marker: its format is frozen, and it survives whatever stands around it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway_operator.targets.shape import marker_of, owner_code, without_marker
from mcp_gateway_operator.targets.shape.target import MAX_DESCRIPTION, find_marker, with_marker

OWNERS = st.text(min_size=1, max_size=40)
PLAIN = st.text(max_size=250).filter(lambda text: "[mcps " not in text)


@pytest.mark.parametrize(
    ("owner", "namespace", "name", "expected"),
    [
        # Computed with sha256sum and base32.
        ("cluster-a", "team-a", "weather", "gsvt4h/t3qya73z7qgo"),
        ("6f1c7c0e-9d3b-4c58-9d2f-0a4f3f1f7a11", "default", "github.tools", "mcsmti/2sgyxlijac5c"),
    ],
)
def test_format_is_frozen(owner: str, namespace: str, name: str, expected: str) -> None:
    assert marker_of(owner, namespace, name) == expected
    assert owner_code(owner) == expected.partition("/")[0]
    assert with_marker("Forecasts", expected) == f"Forecasts [mcps {expected}]"
    assert with_marker("", expected) == f"[mcps {expected}]"


@given(owner=OWNERS, namespace=OWNERS, name=OWNERS)
def test_marker_has_its_shape(owner: str, namespace: str, name: str) -> None:
    assert re.fullmatch("[a-z2-7]{6}/[a-z2-7]{12}", marker_of(owner, namespace, name))


@given(text=PLAIN, owner=OWNERS)
def test_round_trip(text: str, owner: str) -> None:
    mark = marker_of(owner, "team-a", "weather")
    sent = with_marker(text, mark)
    assert len(sent) <= MAX_DESCRIPTION
    assert find_marker(sent) == mark
    assert text.strip().startswith(without_marker(sent))
    if len(text.strip()) <= MAX_DESCRIPTION - len(f" [mcps {mark}]"):
        assert without_marker(sent) == text.strip()


@given(text=PLAIN)
def test_without_a_marker_the_text_is_sent(text: str) -> None:
    sent = with_marker(text, None)
    assert sent == text.strip()[:MAX_DESCRIPTION]
    assert find_marker(sent) is None


@given(text=PLAIN, marks=st.lists(OWNERS, min_size=1, max_size=3), tail=PLAIN)
def test_the_last_of_several_counts_and_none_is_left(text: str, marks: list[str], tail: str) -> None:
    """Somebody may have written behind the marker, or pasted another target's description."""
    written = [marker_of(owner, "team-a", "weather") for owner in marks]
    description = " ".join([text, *(f"[mcps {each}]" for each in written), tail])
    assert find_marker(description) == written[-1]
    assert find_marker(without_marker(description)) is None


@given(text=PLAIN, owner=OWNERS)
def test_appending_again_changes_nothing(text: str, owner: str) -> None:
    mark = marker_of(owner, "team-a", "weather")
    once = with_marker(text, mark)
    assert with_marker(without_marker(once), mark) == once


@pytest.mark.parametrize(
    "description",
    [
        None,
        "",
        "[mcps]",
        "[mcps abcdef]",
        "[mcps ABCDEF/abcdefghijkl]",
        "[mcps abcde1/abcdefghijkl]",
        "mcps abcdef/abcdefghijkl",
    ],
)
def test_what_is_no_marker(description: str | None) -> None:
    assert find_marker(description) is None
    assert without_marker(description) == (description or "")


def test_objects_and_owners_are_told_apart() -> None:
    """The separator cannot occur in a name, so no two subjects read alike."""
    marks = {
        marker_of(owner, namespace, name)
        for owner in ("a", "b", "ab")
        for namespace in ("c", "d", "cd")
        for name in ("e", "f", "de", "ef")
    }
    assert len(marks) == 3 * 3 * 4
