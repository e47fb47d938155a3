"""Reads tables back that kubectl printed, to print them again as wide as the terminal."""

from __future__ import annotations

import re


def parse(text: str) -> list[list[str]]:
    """Return the cells of a table as kubectl prints it; columns begin where their titles do."""
    lines = text.splitlines()
    starts = [title.start() for title in re.finditer(r"\S+(?: \S+)*", lines[0])] if lines else []
    ends = [*starts[1:], None]
    return [[line[start:end].strip() for start, end in zip(starts, ends, strict=True)] for line in lines]
