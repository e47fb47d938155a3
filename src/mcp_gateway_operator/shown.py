r"""Text of others, made fit to be shown: in a status, an Event, a log line or on a terminal.

A spec, AWS's reasons and the API server's messages may hold what a reader does not see and a terminal obeys:
escape sequences, line breaks that fake a line, marks that turn the order of what follows, letters without
width. Such a character is written as an escape, `\u202e`, where it enters something that is shown, and stays
what it is where it is data.

What stays: letters, digits, punctuation, symbols and blanks of all scripts, those that run from right to left
included, and the accents on them. What does not: control and format characters (emoji that are joined of
several come apart), line and paragraph separators, halves of characters, private and unassigned ones, letters
that are blank, and more than a few accents on one letter.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

MAX_ACCENTS: Final = 4
"""One on the other; no language stacks more."""
_SHORT: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
_BLANK: Final = frozenset(
    map(
        chr,
        (
            # What Unicode calls default-ignorable, and Python calls printable.
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0),
            *range(0x180B, 0x1810),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
            # A braille cell without dots.
            0x2800,
        ),
    )
)

# What ends a URL in a text; a backslash begins an escape, for no URL has one.
_WORD: Final = re.compile(r'[^ \t\n\r"<>\\]+')
_NAMED: Final = re.compile(r"\?[\w.~%-]+=")
"""The query of an address that is written without its scheme."""
_BEHIND: Final = "'`),.;:]}"
"""What a sentence has behind a URL."""


def shown(text: str, limit: int | None = None) -> str:
    r"""Return a text on one line of which a reader sees every character, without the queries of URLs.

    Escapes are those of JSON (`\n`, `\u202e`, two of them for a character beyond U+FFFF), so that a JSON text
    keeps its meaning. A text that is shown twice is the same as shown once.

    Args:
        text: of any length; the time taken grows with it, or with `limit`.
        limit: characters of the result; what is cut ends with an ellipsis.
    """
    given = text if limit is None else text[: limit + 1]
    cut = len(given) < len(text)
    if "?" in given:
        given = _WORD.sub(_without_query, given)
    given = visible(given)
    return given if limit is None or (len(given) <= limit and not cut) else given[: limit - 1] + "…"


def visible(text: str) -> str:
    """Return a text on one line of which a reader sees every character, as `shown` does, queries included."""
    return text if text.isascii() and text.isprintable() else _escaped(text)


def shown_lines(text: str) -> str:
    """Return a text of several lines, each as `shown` returns it."""
    return "\n".join(map(shown, text.split("\n")))


def visible_all(value: object) -> Any:
    """Return a JSON value in which all texts are as `visible` returns them, names of fields included."""
    match value:
        case str():
            return visible(value)
        case dict():
            return {visible(str(name)): visible_all(each) for name, each in value.items()}
        case list() | tuple():
            return [visible_all(each) for each in value]
        case _:
            return value


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 target`, else `0 targets`, `2 targets`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def all_visible(encoded: bytes) -> bool:
    """Return whether `visible_all` certainly changes nothing of a JSON value, given as compact JSON."""
    # An escaped quote aside, an escape may stand for anything.
    return encoded.isascii() and b"\\" not in encoded.replace(b'\\"', b"") and b"\x7f" not in encoded


def _without_query(word: re.Match[str]) -> str:
    text = word[0]
    scheme = text.find("://")
    named = _NAMED.search(text)
    found = [
        at
        for at in (text.find("?", scheme) if scheme >= 0 else -1, named.start() if named else -1)
        if at >= 0
    ]
    end = len(text.rstrip(_BEHIND))
    return f"{text[: min(found) + 1]}…{text[end:]}" if found and min(found) + 1 < end else text


def _escaped(text: str) -> str:
    parts: list[str] = []
    accents = 0
    for character in text:
        accents = accents + 1 if unicodedata.combining(character) else 0
        fine = accents <= MAX_ACCENTS and (character.isprintable() or unicodedata.category(character) == "Zs")
        parts.append(character if fine and character not in _BLANK else _escape(character))
    return "".join(parts)


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
