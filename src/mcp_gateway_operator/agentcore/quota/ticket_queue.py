"""Who waits for a call to AWS, in which order, and the ticket that ends the wait."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from operator import attrgetter
from types import TracebackType
from typing import Self

from mcp_gateway_operator.agentcore.quota.quotas import Lane, Op
from mcp_gateway_operator.targets.known import AgentCoreError


@dataclass(slots=True, eq=False)
class Waiter:
    """One place in a line. `since` is when it was taken, in seconds of the scheduler's clock."""

    key: Hashable
    op: Op
    gateway_id: str
    lane: Lane
    namespace: str
    on_grant: Callable[[], None]
    since: float


_Places = OrderedDict[Hashable, Waiter]


class Line:
    """Who waits for one operation in one lane.

    A gateway without a free slot is passed over, its waiters keep their places, and a namespace that could
    not be served keeps its turn.
    """

    def __init__(self) -> None:
        self._turns: OrderedDict[str, dict[str, _Places]] = OrderedDict()
        self._gateways: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._gateways.total()

    def __bool__(self) -> bool:
        return bool(self._gateways)

    def waiting_on(self, gateway_id: str) -> bool:
        """Whether somebody waits for this gateway."""
        return self._gateways[gateway_id] > 0

    def add(self, waiter: Waiter) -> None:
        """Put a waiter behind those of its namespace and gateway."""
        places = self._turns.setdefault(waiter.namespace, {}).setdefault(waiter.gateway_id, OrderedDict())
        places[waiter.key] = waiter
        self._gateways[waiter.gateway_id] += 1

    def remove(self, waiter: Waiter) -> None:
        """Take a waiter out, wherever it stands."""
        gateways = self._turns[waiter.namespace]
        places = gateways[waiter.gateway_id]
        del places[waiter.key]
        if not places:
            del gateways[waiter.gateway_id]
        if not gateways:
            del self._turns[waiter.namespace]
        self._gateways[waiter.gateway_id] -= 1
        if not self._gateways[waiter.gateway_id]:
            del self._gateways[waiter.gateway_id]

    def next(self, free: Callable[[str], bool]) -> Waiter | None:
        """Return the one whose turn it is among the gateways that are `free`; it keeps its place."""
        open_gateways = {gateway_id for gateway_id in self._gateways if free(gateway_id)}
        if not open_gateways:
            return None
        for gateways in self._turns.values():
            heads = [
                next(iter(places.values()))
                for gateway_id, places in gateways.items()
                if gateway_id in open_gateways
            ]
            if heads:
                return min(heads, key=attrgetter("since"))
        return None

    def served(self, waiter: Waiter) -> None:
        """Take out the one that `next` returned; its namespace goes behind the others."""
        self.remove(waiter)
        if waiter.namespace in self._turns:
            self._turns.move_to_end(waiter.namespace)

    def longest(self) -> Waiter | None:
        """Return who waits longest."""
        heads = (next(iter(places.values())) for turn in self._turns.values() for places in turn.values())
        return min(heads, key=lambda waiter: waiter.since, default=None)


@dataclass(slots=True, eq=False)
class Ticket:
    """The right to make one call of one operation on one gateway.

    Use it once, around the call:

    ```
    with ticket:
        target = await port.create_target(...)
        ticket.moved = target.summary.target_id
    ```

    Leaving the block frees the gateway's slot and learns from an `AgentCoreError` that passes through. A
    ticket that is not used must be returned with `unused()`, or its slot stays taken.

    Attributes:
        end: takes the ticket back, with the error of the call if it failed.
        sent: a call was made with it.
        heard: that call came to an end; one that was called off on its way says nothing.
        moved: the target that the call left CREATING, UPDATING or DELETING: AWS may count that, too.
    """

    op: Op
    gateway_id: str
    end: Callable[[Ticket, AgentCoreError | None], None]
    sent: bool = False
    heard: bool = False
    moved: str | None = None
    _spent: bool = False

    def __enter__(self) -> Self:
        if self._spent:
            raise RuntimeError("a ticket allows one call")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._spent:
            return
        failure = error if isinstance(error, AgentCoreError) else None
        self._spent, self.sent = True, failure is None or not failure.unsent
        self.heard = self.sent and failure is error
        self.end(self, failure)

    def unused(self) -> None:
        """Give the token and the slot back: no call was made. Harmless on a ticket that is spent."""
        if not self._spent:
            self._spent = True
            self.end(self, None)
