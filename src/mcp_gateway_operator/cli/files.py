"""Files that a caller names for their manifests."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NoReturn

import click

STDIN: Final = "-"
_SUFFIXES: Final = (".yaml", ".yml", ".json")
_ACTION: Final = re.compile(
    r"\{\{-?\s{0,9}(?:[.$/]|(?:if|else|end|range|with|define|block)\b|[a-z]\w{0,40} [(\"$.])"
)
"""What begins Helm's templates, and Go's."""


def manifest_files(files: Iterable[str]) -> Iterator[str]:
    """Yield files as they are named, and of directories what is below them: YAML and JSON, sorted.

    Hidden directories and those behind symbolic links are left out.

    Raises:
        ClickException: a directory cannot be read.
    """
    for file in files:
        if file != STDIN and Path(file).is_dir():
            yield from sorted(_below(file))
        else:
            yield file


def name_of(file: str) -> str:
    """Return how a file is called in a sentence."""
    return "standard input" if file == STDIN else file


def text_of(file: str) -> str:
    """Return what is in a file, or in standard input; UTF-8 wherever it comes from, as YAML and JSON are.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    if file != STDIN:
        return Path(file).read_text(encoding="utf-8")
    if sys.stdin is None:
        raise OSError(errno.EBADF, "it is closed")
    with io.TextIOWrapper(io.BytesIO(sys.stdin.buffer.read()), encoding="utf-8") as text:
        return text.read()


def template_in(text: str) -> int | None:
    """Return where a template's first action begins, as Helm has them; None where there is none."""
    found = _ACTION.search(text)
    return found.start() if found is not None else None


def _below(directory: str) -> Iterator[str]:
    for folder, folders, names in os.walk(directory, onerror=_unreadable):
        folders[:] = [each for each in folders if not each.startswith(".")]
        yield from (str(Path(folder, name)) for name in names if name.endswith(_SUFFIXES))


def _unreadable(error: OSError) -> NoReturn:
    raise click.ClickException(
        f"{error.filename} cannot be read ({error.strerror}): make it readable, or name the files that count."
    )
