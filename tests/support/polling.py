"""Waiting for what no event tells of: of other processes, and of a server on the test's own loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

SECONDS = 60.0
"""Until a test gives up waiting: many times what anything takes, on a machine with much else to do, too."""


def until(holds: Callable[[], Any], what: str = "", seconds: float = SECONDS) -> Any:
    """Look until `holds` returns something true, and return it; the test fails when it never does."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while not (found := holds()):
        assert time.monotonic() < end, f"not seen within {seconds:g} s: {what or holds}"
        pause.wait(0.05)
    return found


async def until_on_loop(holds: Callable[[], object]) -> None:
    """Let the loop run until something holds.

    Raises:
        TimeoutError: it never did.
    """
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110  -- nothing tells of it
            await asyncio.sleep(0.01)
