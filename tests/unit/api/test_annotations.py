"""Annotations of our prefix: what counts as a pause, and what is told of."""

from __future__ import annotations

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.annotations import LONGEST, MOST_UNKNOWN, notes, ours, pauses

PAUSED, SYNC, RECONCILE = names.PAUSED_ANNOTATION, names.SYNC_ANNOTATION, names.RECONCILE_ANNOTATION
FALSE = ("0", "f", "F", "false", "FALSE", "False")
TRUE = ("1", "t", "T", "true", "TRUE", "True")
ODD = ("", " ", "yes", "no", "off", "fAlse", "false ", "falsch", "2", "00", "null", "True!", "2026-11-26")


@pytest.mark.parametrize("value", FALSE)
def test_a_false_of_go_does_not_pause(value: str) -> None:
    assert not pauses({PAUSED: value})
    assert notes({PAUSED: value}) == ()


@pytest.mark.parametrize("value", TRUE)
def test_a_true_of_go_pauses(value: str) -> None:
    assert pauses({PAUSED: value})
    assert notes({PAUSED: value}) == ()


@pytest.mark.parametrize("value", ODD)
def test_any_other_word_pauses_and_is_told(value: str) -> None:
    assert pauses({PAUSED: value})
    (note,) = notes({PAUSED: value})
    assert f'[{PAUSED}]: {value!r} is neither true nor false, and pauses: write "true", or remove it.' in note


def test_what_is_not_there_does_not_pause() -> None:
    assert not pauses({})


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("pause", "true", "unknown annotation: did you mean paused?"),
        ("Paused", "true", "unknown annotation: did you mean paused?"),
        ("reconcile-requested", "now", "unknown annotation: did you mean reconcile-requested-at?"),
        ("sync-requestedat", "now", "unknown annotation: did you mean sync-requested-at?"),
        ("zzz", "", "unknown annotation: remove it."),
        ("gateway", "Tools", "'Tools' is no gateway's id, and the operator alone writes it: remove it."),
        ("gateway", "", "the operator alone writes it"),
        ("sync-requested-at", "", "asks for nothing: write a new value, for example the time."),
        ("reconcile-requested-at", " ", "asks for nothing: write a new value, for example the time."),
        ("reconcile-requested-at", "x" * 257, "only its first 256 characters count: shorten it."),
    ],
)
def test_what_is_not_understood_is_told(key: str, value: str, words: str) -> None:
    (note,) = notes({f"{names.GROUP}/{key}": value})
    assert note.startswith(f"metadata.annotations[{names.GROUP}/{key}]: ")
    assert words in note


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {names.GATEWAY_ANNOTATION: "tools-abcdefghij", SYNC: "now", RECONCILE: "x" * LONGEST, PAUSED: "true"},
        {"example.com/paused": "?", "mcpgateway.bedrock.aws.example.com/pause": "", "paused": "perhaps"},
    ],
)
def test_what_is_understood_or_not_ours_is_not_told(annotations: dict[str, str]) -> None:
    assert notes(annotations) == ()


def test_what_is_kept_is_bounded_whatever_somebody_writes() -> None:
    many = {f"{names.GROUP}/{number:05d}": "x" * 1000 for number in range(3000)}
    kept = ours({**many, PAUSED: "y" * 200_000, "other": "z"})
    assert len(kept) == 1 + MOST_UNKNOWN
    assert sum(len(key) + len(value) for key, value in kept.items()) < 2000
    assert ours(kept) == kept
    assert sum(map(len, notes({**many, PAUSED: "\x1b\u202e" * 100_000}))) < 2000
