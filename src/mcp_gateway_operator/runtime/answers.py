"""How the bodies of answers are read: each bounded, and large ones one after the other.

Dozens of requests may be under way, each with an object of 1.5 MB in its answer, where somebody makes such
objects. What is small is read at once; who finds that there is more waits for the one turn, and what he has
not read yet stays in the kernel.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from mcp_gateway_operator.runtime.channel import Channel, NoAnswerError
from mcp_gateway_operator.runtime.cluster import ApiError

MAX_LINE: Final = 4 * 1024 * 1024
"""Bytes of one watch event. etcd takes 1.5 MiB for an object by default; a longer line is not an event."""
SMALL: Final = 64 * 1024
"""Bytes that are read without a turn."""
LINE_SECONDS: Final = 10.0
"""For the next part of a watch event that has begun: the API server writes an event at once."""


class Answers:
    """Reads the answers of one server."""

    def __init__(self) -> None:
        self._large = asyncio.Lock()

    async def whole(self, channel: Channel, limit: int) -> bytes:
        """Return the rest of an answer.

        Whoever reads the next large one goes on when the caller of this one waits for something: it has
        been decoded then.

        Raises:
            NoAnswerError: it has more bytes than the limit, or ends too early.
        """
        parts: list[bytes] = []
        size = 0
        turn = _Turn(self._large)
        try:
            while part := await channel.part():
                size += len(part)
                if size > limit:
                    raise NoAnswerError("TooLong", f"the answer is longer than {limit} bytes")
                parts.append(part)
                await turn.take(size)
        finally:
            turn.give()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def lines(self, channel: Channel) -> AsyncGenerator[bytes, None]:
        """Yield the lines of an answer that never ends.

        Raises:
            ApiError: a line is too long, or the answer ends or stops in the middle of one.
            NoAnswerError: it ends too early.
        """
        rest = bytearray()
        turn = _Turn(self._large)
        try:
            while part := await _part(channel, begun=bool(rest)):
                first, *others = part.split(b"\n")
                rest += first
                if len(rest) > MAX_LINE:
                    raise ApiError(0, "LineTooLong", f"A watch event is longer than {MAX_LINE} bytes.")
                await turn.take(len(rest))
                for each in others:
                    if rest:
                        yield bytes(rest)
                    rest = bytearray(each)
                if others:
                    turn.give()
        finally:
            turn.give()
        if rest:
            # Half a line: the connection ended in the middle of an event.
            raise ApiError(0, "BrokenLine", "The watch ended in the middle of an event.")


class _Turn:
    """The one turn, taken by who finds that something is large."""

    def __init__(self, large: asyncio.Lock) -> None:
        self._lock = large
        self._held = False

    async def take(self, size: int) -> None:
        """Wait for it if so many bytes are large."""
        if size > SMALL and not self._held:
            await self._lock.acquire()
            self._held = True

    def give(self) -> None:
        """Let the next one have it, if it was taken."""
        if self._held:
            self._held = False
            self._lock.release()


async def _part(channel: Channel, *, begun: bool) -> bytes:
    if not begun:
        return await channel.part()
    try:
        async with asyncio.timeout(LINE_SECONDS):
            return await channel.part()
    except TimeoutError as error:
        raise ApiError(0, "BrokenLine", "The watch stopped in the middle of an event.") from error
