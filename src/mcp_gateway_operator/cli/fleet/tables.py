"""Plain tables that fit a terminal: long columns give way, and what still does not fit is left out."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import Final, TextIO

from mcp_gateway_operator.shown import shown

GAP: Final = "   "
"""Between two columns, as kubectl has it."""
LEAST: Final = 16
"""Characters that a column which gives way keeps."""
UNCUT: Final = 1_000_000

Row = Sequence[str]


def on_terminal() -> bool:
    """Whether a person looks at the output, and not a program."""
    return is_terminal(sys.stdout)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at a stream; None, which Python has for a closed one, is nobody's."""
    return stream is not None and stream.isatty()


def width() -> int:
    """Return the columns to print: those of the terminal or of COLUMNS; in a pipe nothing is cut."""
    return shutil.get_terminal_size().columns if on_terminal() or "COLUMNS" in os.environ else UNCUT


def fit(rows: Sequence[Row], width: int, *, flexible: Sequence[int]) -> list[str]:
    """Return the rows as lines of at most `width` characters, fit to be shown.

    Args:
        rows: all of the same length, titles included.
        width: of the lines.
        flexible: the columns that are shortened, one after the other; when that is not enough, whole columns
            are left out, the last one first.
    """
    if not rows:
        return []
    rows = [[shown(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    while len(widths) > 1 and _too_wide(widths, width) > sum(_spare(widths, flexible)):
        widths.pop()
    for column, spare in zip(flexible, _spare(widths, flexible), strict=True):
        if column < len(widths):
            widths[column] -= min(spare, max(0, _too_wide(widths, width)))
    return [
        GAP.join(
            _cut(cell, room).ljust(room) for cell, room in zip(row[: len(widths)], widths, strict=True)
        ).rstrip()[:width]
        for row in rows
    ]


def _too_wide(widths: Sequence[int], width: int) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1) - width


def _spare(widths: Sequence[int], flexible: Sequence[int]) -> list[int]:
    return [max(0, widths[column] - LEAST) if column < len(widths) else 0 for column in flexible]


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"
