"""Telling a random story, so that one that ends badly says what happened in it."""

from __future__ import annotations

from typing import Protocol


class Told(Protocol):
    """A story that keeps a log of what happens."""

    log: list[str]

    async def run(self) -> None:
        """Tell it to its end."""


async def tell(story: Told) -> None:
    """Tell a story; its log is printed below the traceback where it ends badly."""
    try:
        await story.run()
    except BaseException as error:
        error.add_note("\n".join(story.log))
        raise
