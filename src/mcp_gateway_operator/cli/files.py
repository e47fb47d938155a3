"""Files that a caller names for their manifests."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NoReturn

import click

_SUFFIXES: Final = (".yaml", ".yml", ".json")


def manifest_files(files: Iterable[str]) -> Iterator[str]:
    """Yield files as they are named, and of directories what is below them: YAML and JSON, sorted.

    Hidden directories and those behind symbolic links are left out.

    Raises:
        ClickException: a directory cannot be read.
    """
    for file in files:
        if file != "-" and Path(file).is_dir():
            yield from sorted(_below(file))
        else:
            yield file


def _below(directory: str) -> Iterator[str]:
    for folder, folders, names in os.walk(directory, onerror=_unreadable):
        folders[:] = [each for each in folders if not each.startswith(".")]
        yield from (str(Path(folder, name)) for name in names if name.endswith(_SUFFIXES))


def _unreadable(error: OSError) -> NoReturn:
    raise click.ClickException(
        f"{error.filename} cannot be read ({error.strerror}): make it readable, or name the files that count."
    )
