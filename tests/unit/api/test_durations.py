from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway_operator.api.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6h30m", 23400.0),
        ("60s", 60.0),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("250ms", 0.25),
        ("3us", 3e-6),
        ("3µs", 3e-6),
        ("7ns", 7e-9),
        ("0", 0.0),
        ("-10s", -10.0),
        ("+1m", 60.0),
        ("1h1h", 7200.0),
    ],
)
def test_reads_what_go_reads(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "-", "10", "1d", "6 h", "h", ".s", "1h30", "1hour", "1h,30m", "٣s", "1e3s", "--1s", "3000000h"],
)
def test_refuses_with_what_to_write_what_go_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="for example 6h30m"):
        parse_duration(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_terms_add_up(hours: int, minutes: int, seconds: int, millis: int) -> None:
    parsed = parse_duration(f"{hours}h{minutes}m{seconds}s{millis}ms")

    assert parsed == pytest.approx(hours * 3600 + minutes * 60 + seconds + millis / 1000)
