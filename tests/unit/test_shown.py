from __future__ import annotations

import json
import time
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway_operator.shown import MAX_ACCENTS, all_visible, shown, shown_lines, visible_all
from tests.support.unseen import NASTY, unseen

ANY = st.text(st.characters(), max_size=60) | st.text(st.sampled_from(NASTY), max_size=20)


@given(ANY)
def test_nothing_is_left_that_a_reader_does_not_see(text: str) -> None:
    assert not unseen(shown(text))


@given(ANY)
def test_what_is_shown_can_be_written_anywhere(text: str) -> None:
    shown(text).encode("utf-8")


@given(ANY, st.none() | st.integers(1, 80))
def test_showing_twice_is_showing_once(text: str, limit: int | None) -> None:
    assert shown(shown(text, limit), limit) == shown(text, limit)


@given(ANY, st.integers(1, 80))
def test_the_limit_holds_and_a_cut_is_seen(text: str, limit: int) -> None:
    result = shown(text, limit)
    assert len(result) <= limit
    assert result == shown(text) or result.endswith("…")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="?"), max_size=60))
def test_what_is_shown_of_a_json_text_means_the_same(text: str) -> None:
    if any(unicodedata.combining(each) for each in text):
        text = "".join(each for each in text if not unicodedata.combining(each))
    assert json.loads(shown(json.dumps(text, ensure_ascii=False))) == text


@given(ANY.filter(lambda text: text.isprintable() or text.isascii()))
def test_what_is_taken_for_visible_is_what_it_would_be_made(text: str) -> None:
    value = {"conditions": [{"message": text}], text: [1, None, True]}
    encoded = msgspec.json.encode(value)
    assert not all_visible(encoded) or visible_all(value) == value


def test_most_that_is_shown_is_taken_for_visible_at_once() -> None:
    assert all_visible(msgspec.json.encode({"message": 'it\'s "fine": https://a.example.com/mcp, 100 %.'}))
    assert not all_visible(msgspec.json.encode({"message": "Größe"}))


@pytest.mark.parametrize(
    "text",
    [
        "The server answered 503: https://a.example.com/mcp, is that right? '\"\\u202e\\n",
        "must satisfy regular expression pattern: (arn:aws(-[^:]+)?:[a-z=]*)?([0-9a-zA-Z][-]?){1,100}",
        "write for example https://mcp.example.com/mcp?",
        "Größe, façade, naïve, Ελληνικά, Русский, Tiếng Việt",
        "日本語のツール、한국어 도구、中文工具",
        "שלום עולם مرحبا بالعالم",
        "हिन्दी ไทย தமிழ் བོད་ཡིག",
        "e\u0301a\u0308\u0304",
        "a\u00a0b\u202fc\u3000d",
        "😀 ✓ € ∑ → « » “ ” … —",
    ],
)
def test_what_people_write_stays(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("one\ntwo\r\n\tthree", "one\\ntwo\\r\\n\\tthree"),
        ("\x1b[31mred\x1b]0;title\x07\x9b31m", "\\u001b[31mred\\u001b]0;title\\u0007\\u009b31m"),
        ("READY\u202eDELIAF", "READY\\u202eDELIAF"),
        ("pay\u200bpal \ufeff\u2060\u00ad", "pay\\u200bpal \\ufeff\\u2060\\u00ad"),
        ("\u2028\u2029\x85\x00\x7f", "\\u2028\\u2029\\u0085\\u0000\\u007f"),
        ("\U000e0041\U000e007f", "\\udb40\\udc41\\udb40\\udc7f"),
        ("\ud800 \udfff", "\\ud800 \\udfff"),
        ("\u3164\u115f\u2800\ufe0f\U000e0100", "\\u3164\\u115f\\u2800\\ufe0f\\udb40\\udd00"),
        ("a" + "\u0301" * 6, "a" + "\u0301" * MAX_ACCENTS + "\\u0301\\u0301"),
        ("\ue000\uffff", "\\ue000\\uffff"),
    ],
)
def test_what_nobody_sees_is_written_out(text: str, result: str) -> None:
    assert shown(text) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("https://a.example.com/mcp?key=s3cr3t&b=s3cr3t", "https://a.example.com/mcp?…"),
        (
            "No answer from 'https://a.example.com/mcp?s3cr3t'.",
            "No answer from 'https://a.example.com/mcp?…'.",
        ),
        (
            "(https://a.example.com?k=s3cr3t), (http://b?s3cr3t?s3cr3t)",
            "(https://a.example.com?…), (http://b?…)",
        ),
        (
            'endpoint: "https://a/mcp?k=s3cr3t" -> "https://a/mcp?k=b"',
            'endpoint: "https://a/mcp?…" -> "https://a/mcp?…"',
        ),
        (
            "HTTPSConnectionPool: url: /mcp?api_key=s3cr3t (refused)",
            "HTTPSConnectionPool: url: /mcp?… (refused)",
        ),
        (r'{"endpoint":"https:\/\/a\/mcp?k=s3cr3t"}', r'{"endpoint":"https:\/\/a\/mcp?…"}'),
        ("https://a?next=https://b?s3cr3t#s3cr3t", "https://a?…"),
        ("https://a?k='s3cr3t','s3cr3t';é\u200bs3cr3t", "https://a?…"),
        ("https://a?k=s3cr3t\nhttps://b/?s3cr3t\n", "https://a?…\\nhttps://b/?…\\n"),
    ],
)
def test_the_query_of_a_url_is_left_out(text: str, result: str) -> None:
    assert shown(text) == shown(result) == result
    for limit in range(1, len(text)):
        assert "s3" not in shown(text, limit)


def test_lines_stay_lines_where_they_may() -> None:
    assert shown_lines("one\ntwo\u2028\r\n") == "one\ntwo\\u2028\\r\n"


@pytest.mark.parametrize("piece", ["a", "\x1b", "\u0301", "é", "\U000e0041", "://", "?", "?a", "?a=", "://?"])
def test_the_time_grows_with_the_length_and_not_faster(piece: str) -> None:
    def took(length: int) -> float:
        text = piece * length
        return min(_timed(lambda: shown(text)) for _ in range(3))

    assert took(80_000) < 8 * 4 * max(took(10_000), 1e-4)


def test_a_limit_bounds_the_time_too() -> None:
    text = "\x1b" * 50_000_000
    assert _timed(lambda: shown(text, 100)) < 0.1


def _timed(act: object) -> float:
    assert callable(act)
    began = time.process_time()
    act()
    return time.process_time() - began
