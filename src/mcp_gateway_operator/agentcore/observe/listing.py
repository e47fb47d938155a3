"""When a gateway's targets are listed next, and one complete List: each page has a ticket of its own."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeVar

from mcp_gateway_operator.agentcore.observe.gateway_table import Change, GatewayTable
from mcp_gateway_operator.agentcore.port import AgentCore
from mcp_gateway_operator.agentcore.quota import Lane, Op, QuotaScheduler, Ticket
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.shape import TargetSummary

T = TypeVar("T")

MAX_PAGES: Final = 100
"""Pages of up to 1,000 targets each; a gateway has 100 targets by default."""
MAX_ITEMS: Final = 20_000
"""Targets of one gateway, or gateways, that are believed and kept in memory."""
MAX_BARREN: Final = 10
"""Pages in a row that may show nothing new: the service's filters may leave a page empty."""
PAGE_SECONDS: Final = 20.0
"""The longest a page may take: a guard over the port's own time-outs."""


class Listing(NamedTuple):
    """A complete List and how many pages it took."""

    items: list[TargetSummary]
    pages: int


async def list_all(port: AgentCore, scheduler: QuotaScheduler, gateway_id: str, ticket: Ticket) -> Listing:
    """Read all pages; `ticket` is for the first.

    Raises:
        AgentCoreError: a page failed, or the pages do not end.
    """

    async def page(token: str | None) -> tuple[dict[str, TargetSummary], str | None]:
        answer = await port.list_targets(gateway_id, next_token=token)
        return {item.target_id: item for item in answer.items}, answer.next_token

    def more() -> Awaitable[Ticket]:
        return a_ticket(scheduler, Op.LIST, gateway_id, waiter=("list-page", gateway_id))

    items, pages = await read_pages(page, ticket, more=more, call="ListGatewayTargets")
    return Listing(list(items.values()), pages)


async def read_pages(
    page: Callable[[str | None], Awaitable[tuple[Mapping[str, T], str | None]]],
    ticket: Ticket,
    *,
    more: Callable[[], Awaitable[Ticket]],
    call: str,
) -> tuple[dict[str, T], int]:
    """Read all pages of a List; return what they show, by id, and how many they were.

    Args:
        page: reads the page of a token; returns what it shows by id, and the next token.
        ticket: for the first page.
        more: waits for a ticket for each other one.
        call: the operation's name, for messages.

    Raises:
        AgentCoreError: a page failed, or the pages do not end.
    """
    items: dict[str, T] = {}
    seen: set[str] = set()
    token: str | None = None
    barren = 0
    for number in range(1, MAX_PAGES + 1):
        with ticket:
            try:
                async with asyncio.timeout(PAGE_SECONDS):
                    shown, token = await page(token)
            except TimeoutError:
                raise _failed(call, "Timeout", f"did not answer within {PAGE_SECONDS:.0f} s") from None
        known = len(items)
        items.update(shown)
        barren = barren + 1 if len(items) == known else 0
        if len(items) > MAX_ITEMS:
            raise _failed(call, "TooManyTargets", f"showed more than {MAX_ITEMS} items")
        if not token:
            return items, number
        if token in seen:
            raise _failed(call, "PageTokenLoop", "answered a page token for the second time")
        if barren == MAX_BARREN:
            raise _failed(call, "PageTokenLoop", f"showed nothing new on {MAX_BARREN} pages in a row")
        seen.add(token)
        ticket = await more()
    ticket.unused()
    raise _failed(call, "TooManyPages", f"did not end within {MAX_PAGES} pages")


def _failed(call: str, code: str, what: str) -> AgentCoreError:
    return AgentCoreError(ErrorKind.TRANSIENT, code, f"{call} {what}")


class Tickets(Protocol):
    """Hands out tickets, as `QuotaScheduler` does."""

    def take(
        self,
        op: Op,
        gateway_id: str,
        *,
        waiter: Hashable,
        lane: Lane,
        namespace: str,
        on_grant: Callable[[], None],
    ) -> Ticket | None:
        """Return a ticket, or join the line."""

    def cancel(self, waiter: Hashable) -> None:
        """Leave it."""


async def a_ticket(scheduler: Tickets, op: Op, gateway_id: str, *, waiter: Hashable) -> Ticket:
    """Wait for a ticket for a call that no object makes."""
    while True:
        granted = asyncio.Event()
        ticket = scheduler.take(
            op,
            gateway_id,
            waiter=waiter,
            lane=Lane.INTERACTIVE,
            namespace=gateway_id,
            on_grant=granted.set,
        )
        if ticket is not None:
            return ticket
        try:
            await granted.wait()
        except asyncio.CancelledError:
            scheduler.cancel(waiter)
            raise


APART: Final = 1.0
"""Seconds between the starts of two Lists of one gateway, at least."""
SLOWEST_BUSY: Final = 10.0
"""Seconds between two Lists of a gateway on which something of ours has been in flight for minutes."""
STRETCH: Final = 30.0
"""Something in flight for n times as many seconds is looked at every n seconds."""
BUSY_SHARE: Final = 0.8
"""Share of the List quota for gateways on which something of ours is in flight."""
SILENT_SHARE: Final = 0.1
"""Share of the List quota for gateways that were asked and never answered."""
SILENT_LONGEST: Final = 600.0
"""Seconds between two Lists of a gateway that never answered, at most."""
DENIED_AGAIN: Final = 50.0
"""Seconds between two Lists of a gateway that AWS denies, and a fifth more by chance."""
RECORDED_LONGEST: Final = 60.0
"""The same where an object says that its target is there."""
IDLE_SHARE: Final = 0.5
"""Share of the List quota that looking for drift may use."""
JITTER: Final = 0.1
"""Share of an interval by which it varies, and by which a List may be late and still keep its place."""

_GOLDEN: Final = (math.sqrt(5) - 1) / 2

_SLOW_TO_CHANGE: Final = frozenset({ErrorKind.ACCESS_DENIED, ErrorKind.VALIDATION})


def busy_interval(age: float, busy_gateways: int, quota: float | None) -> float:
    """Return the seconds between two Lists of a gateway whose youngest write is `age` seconds old."""
    stretched = min(max(age / STRETCH, APART), SLOWEST_BUSY)
    return stretched if quota is None else max(stretched, busy_gateways / (BUSY_SHARE * quota))


def failure_backoff(error: AgentCoreError, failures: int, drift: float, longest: float) -> float:
    """Return the seconds to leave a gateway alone after its nth failed List in a row.

    What only a person can change, or costs a hundred calls a look, is looked at again at the pace of drift
    first, and AWS's Retry-After is honoured.

    Args:
        error: of the last List.
        failures: in a row.
        drift: seconds between two Lists of an idle gateway.
        longest: the most seconds to wait, Retry-After aside.
    """
    if error.kind is ErrorKind.CREDENTIALS:
        # The scheduler paces the calls of all, and wants a List at hand that tells when that is over.
        return APART
    if error.kind is ErrorKind.ACCESS_DENIED:
        # A right that was given is noticed within a minute, also where drift is looked for less often.
        drift = longest = min(longest, DENIED_AGAIN)
    slow = error.kind in _SLOW_TO_CHANGE or error.code == "TooManyPages"
    first = drift if slow else 2.0 * APART
    return max(error.retry_after or 0.0, min(longest, first * 2.0 ** min(failures - 1, 16)))


def dealt(number: int, now: float, interval: float) -> float:
    """Return the share of an interval until the next List of a gateway that is dealt a place of its own.

    Gateways whose Lists came together (all of them at the start, after the process stood still, after a
    shortage of tickets) would come together for long after. Multiples of the golden ratio fall evenly into
    the interval, however many there are.

    Args:
        number: how many gateways were dealt a place before.
        now: any clock's seconds.
        interval: seconds between two Lists of an idle gateway.
    """
    share = (number * _GOLDEN - now / interval) % 1.0
    return share if share >= JITTER else share + 1.0


class Users(Protocol):
    """For whom gateways are observed."""

    def payer(self, gateway_id: str) -> str:
        """Return the namespace in whose turn a List of a gateway is."""

    def recorded(self, gateway_id: str) -> bool:
        """Return whether some object says that its target is on a gateway."""

    def on_targets(self, gateway_id: str, changes: Sequence[Change]) -> None:
        """Take what changed on a gateway.

        Nothing has when a List began to fail, fails otherwise than before (`table.view.error` says how), or
        succeeds again, nor when an outage turns (`table.view.outage`).
        """


@dataclass(slots=True, eq=False)
class TrackedGateway:
    """What the observer knows of one gateway, its table aside; moments are seconds of the event loop's clock.

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
        heard: when AWS last said what is there, or that there is no such gateway; at first, since when it is
            tracked.
        turns_at: when its outage is told, or is lost; infinity while nothing is due.
        lost_at: when its outage is lost.
    """

    table: GatewayTable
    heard: float
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
    turns_at: float = math.inf
    lost_at: float = math.inf

    @property
    def lane(self) -> Lane:
        """The line for the gateway's tickets: somebody waits for it, or only drift is looked for."""
        return Lane.INTERACTIVE if (self.busy or self.after) and not self.silent else Lane.BACKGROUND

    @property
    def silent(self) -> bool:
        """Whether it was asked and never answered, so that anybody may have made its id up."""
        return self.refused and not self.answered
