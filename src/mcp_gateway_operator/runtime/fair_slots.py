"""Slots of something scarce, shared fairly between the addresses from which it is wanted."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator


class CrowdedError(Exception):
    """Too many wait already."""


class FairSlots:
    """Lets so many at a time do something. Those who wait are served address by address.

    Args:
        count: slots that may be held at a time.
        waiting: how many may wait; of more, the last goes of the address from which the most wait.
    """

    def __init__(self, count: int, *, waiting: int) -> None:
        self._free = count
        self._most = waiting
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @contextlib.asynccontextmanager
    async def slot(self, address: str) -> AsyncIterator[None]:
        """Wait for a slot and hold it for the block.

        Raises:
            CrowdedError: too many wait.
        """
        if self._free:
            self._free -= 1
        else:
            await self._wait(address)
        try:
            yield
        finally:
            self._give_on()

    async def _wait(self, address: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(address, deque()).append(turn)
        if sum(map(len, self._waiting.values())) > self._most:
            self._send_away()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(address, turn)
            elif turn.exception() is None:
                # The turn came in the same moment.
                self._give_on()
            raise

    def _leave(self, address: str, turn: asyncio.Future[None]) -> None:
        """Take one who gave up out of the line: those who wait no more are not among too many."""
        line = self._waiting.get(address, deque())
        # Its turn may have been passed over in the same moment.
        with contextlib.suppress(ValueError):
            line.remove(turn)
            if not line:
                del self._waiting[address]

    def _send_away(self) -> None:
        crowd, line = max(reversed(self._waiting.items()), key=lambda each: len(each[1]))
        last = line.pop()
        if not line:
            del self._waiting[crowd]
        if not last.done():
            last.set_exception(CrowdedError)

    def _give_on(self) -> None:
        while self._waiting:
            address, line = self._waiting.popitem(last=False)
            turn = line.popleft()
            if line:
                self._waiting[address] = line
            # Who has just given up may still be in line.
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
