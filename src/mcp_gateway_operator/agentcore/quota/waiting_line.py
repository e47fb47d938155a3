"""The waiting line of one operation and lane: namespaces in turn, first come first served within one."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from mcp_gateway_operator.agentcore.quota.limits import Lane, Op


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
                return min(heads, key=_since)
        return None

    def served(self, waiter: Waiter) -> None:
        """Take out the one that `next` returned; its namespace goes behind the others."""
        self.remove(waiter)
        if waiter.namespace in self._turns:
            self._turns.move_to_end(waiter.namespace)

    def oldest(self) -> float | None:
        """Return since when the longest waiter waits."""
        heads = (
            next(iter(places.values())).since for turn in self._turns.values() for places in turn.values()
        )
        return min(heads, default=None)


def _since(waiter: Waiter) -> float:
    return waiter.since
