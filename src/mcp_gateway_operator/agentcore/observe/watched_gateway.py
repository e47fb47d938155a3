"""What the observer keeps of one gateway beside the table."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from mcp_gateway_operator.agentcore.observe.gateway_table import GatewayTable
from mcp_gateway_operator.agentcore.quota import Lane


@dataclass(slots=True, eq=False)
class Watch:
    """The state of watching one gateway; moments are seconds of the event loop's clock.

    Attributes:
        busy: who has something in flight there, and since when.
        after: who waits for a List begun at or after a moment, and how to wake him.
        started: start of the latest List.
        drift_factor: the jitter drawn for the next List.
        failures: failed Lists in a row, and `backoff` the seconds to leave the gateway alone for them.
        failing: the List in flight is one of a gateway whose latest List failed.
        answered: a List of it has succeeded.
        refused: AWS said of the latest List that there is no such gateway, or not for us.
        admitted: among those that never answered it is this one's turn.
        payer: the namespace in whose turn it waits for a ticket.
        scheduled: the moment of the gateway's valid entry in the observer's heap.
        asked_lane: the line in which it waits for a ticket; it asks again at `asked_until`.
        lists: the List in flight.
    """

    table: GatewayTable
    busy: dict[Hashable, float] = field(default_factory=dict)
    after: dict[Hashable, tuple[float, Callable[[], None]]] = field(default_factory=dict)
    started: float = -math.inf
    drift_factor: float = 1.0
    failures: int = 0
    backoff: float = 0.0
    failing: bool = False
    answered: bool = False
    refused: bool = False
    admitted: bool = False
    payer: str = ""
    scheduled: float = math.inf
    asked_lane: Lane | None = None
    asked_until: float = -math.inf
    lists: asyncio.Task[None] | None = None

    @property
    def lane(self) -> Lane:
        """The line for the gateway's tickets: somebody waits for it, or only drift is looked for."""
        return Lane.INTERACTIVE if (self.busy or self.after) and not self.silent else Lane.BACKGROUND

    @property
    def silent(self) -> bool:
        """Whether it was asked and never answered, so that anybody may have made its id up."""
        return self.refused and not self.answered


def waiter_of(gateway_id: str) -> Hashable:
    """Return as whom a gateway waits for the ticket of a List."""
    return ("list", gateway_id)
