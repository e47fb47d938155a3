"""When Lists of a gateway have failed for so long that it is told, and when nothing is known any more."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from mcp_gateway_operator.agentcore.observe.listing import TrackedGateway
from mcp_gateway_operator.targets.known import ErrorKind, Outage

DOUBT_INTERVALS: Final = 3
"""After so many drift intervals without a List that succeeds, what a gateway holds is in doubt."""


class OutageClock:
    """The clock of the outages of all gateways: each turns twice at most, whatever number of Lists fail.

    Args:
        lost_after: seconds without a good List after which what was known of a gateway is given up; never
            before it is in doubt.
        clock: seconds of the event loop's clock.
        wall: the time of day.
    """

    def __init__(
        self, *, lost_after: float, clock: Callable[[], float], wall: Callable[[], datetime]
    ) -> None:
        self._lost_after = lost_after
        self._clock = clock
        self._wall = wall
        self._heap: list[tuple[float, int, TrackedGateway]] = []
        self._entries = count()

    @property
    def next_at(self) -> float | None:
        """When the next turn may be due, None when no gateway fails."""
        return self._heap[0][0] if self._heap else None

    def failed(self, gateway: TrackedGateway, drift: float, *, began: float) -> None:
        """Note that a List failed; `drift` is the interval between two Lists of an idle gateway."""
        view = gateway.table.view
        if view.error is not None and view.error.kind is ErrorKind.NOT_FOUND:
            # An answer, after which a doubt begins anew.
            gateway.heard, gateway.turns_at = began, math.inf
            return
        if gateway.turns_at < math.inf or view.outage is not None:
            return
        doubt = DOUBT_INTERVALS * drift
        gateway.lost_at = gateway.heard + max(self._lost_after, doubt)
        self._push(gateway, gateway.heard + doubt)

    def turned(
        self, gateways: Mapping[str, TrackedGateway], recorded: Callable[[str], bool]
    ) -> Iterator[str]:
        """Yield each gateway whose outage turns now, with what is told of it in its table."""
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            moment, _, gateway = heapq.heappop(self._heap)
            gateway_id = gateway.table.gateway_id
            if gateway.turns_at != moment or gateways.get(gateway_id) is not gateway:
                continue
            gateway.turns_at = math.inf
            # Of a gateway that nobody has anything on, anybody may have made the id up.
            if gateway.answered or recorded(gateway_id):
                self._turn(gateway, now)
                yield gateway_id

    def _turn(self, gateway: TrackedGateway, now: float) -> None:
        view = gateway.table.view
        assert view.error is not None
        last_good = view.outage.last_good if view.outage is not None else None
        if last_good is None and view.listed_at is not None:
            last_good = self._wall() - timedelta(seconds=now - view.listed_at)
        lost = now >= gateway.lost_at
        gateway.table.apply_outage(Outage(error=view.error, last_good=last_good, lost=lost))
        if not lost:
            self._push(gateway, gateway.lost_at)

    def _push(self, gateway: TrackedGateway, moment: float) -> None:
        gateway.turns_at = moment
        heapq.heappush(self._heap, (moment, next(self._entries), gateway))
