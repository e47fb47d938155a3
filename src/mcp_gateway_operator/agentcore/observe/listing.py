"""One complete List of a gateway, page by page, each page with a ticket of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Final, NamedTuple

from mcp_gateway_operator.agentcore.port import AgentCore, ListPage
from mcp_gateway_operator.agentcore.quota import Lane, Op, QuotaScheduler, Ticket
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.shape import TargetSummary

MAX_PAGES: Final = 100
"""Pages of up to 1,000 targets each; a gateway has 100 targets by default."""
MAX_TARGETS: Final = 20_000
"""Targets of one gateway that are believed and kept in memory."""
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
    items: dict[str, TargetSummary] = {}
    seen: set[str] = set()
    token: str | None = None
    barren = 0
    for number in range(1, MAX_PAGES + 1):
        with ticket:
            page = await _page(port, gateway_id, token)
        known = len(items)
        items.update((item.target_id, item) for item in page.items)
        barren = barren + 1 if len(items) == known else 0
        token = page.next_token
        if len(items) > MAX_TARGETS:
            raise _endless("TooManyTargets", f"showed more than {MAX_TARGETS} targets")
        if not token:
            return Listing(list(items.values()), number)
        if token in seen:
            raise _endless("PageTokenLoop", "answered a page token for the second time")
        if barren == MAX_BARREN:
            raise _endless("PageTokenLoop", f"showed nothing new on {MAX_BARREN} pages in a row")
        seen.add(token)
        ticket = await _next_ticket(scheduler, gateway_id)
    ticket.unused()
    raise _endless("TooManyPages", f"did not end within {MAX_PAGES} pages")


def _endless(code: str, what: str) -> AgentCoreError:
    return AgentCoreError(ErrorKind.TRANSIENT, code, f"ListGatewayTargets {what}")


async def _page(port: AgentCore, gateway_id: str, token: str | None) -> ListPage:
    try:
        async with asyncio.timeout(PAGE_SECONDS):
            return await port.list_targets(gateway_id, next_token=token)
    except TimeoutError:
        raise AgentCoreError(
            ErrorKind.TRANSIENT, "Timeout", f"ListGatewayTargets did not answer within {PAGE_SECONDS:.0f} s"
        ) from None


async def _next_ticket(scheduler: QuotaScheduler, gateway_id: str) -> Ticket:
    waiter: Hashable = ("list-page", gateway_id)
    while True:
        granted = asyncio.Event()
        ticket = scheduler.take(
            Op.LIST,
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
