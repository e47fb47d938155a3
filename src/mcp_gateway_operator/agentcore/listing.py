"""One complete List of a gateway, page by page, each page with a ticket of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from mcp_gateway_operator.agentcore.errors import AgentCoreError, ErrorKind
from mcp_gateway_operator.agentcore.quotas import Lane, Op

if TYPE_CHECKING:
    from collections.abc import Hashable

    from mcp_gateway_operator.agentcore.port import AgentCore, ListPage
    from mcp_gateway_operator.agentcore.scheduler import QuotaScheduler, Ticket
    from mcp_gateway_operator.targets.model import TargetSummary

MAX_PAGES: Final = 100
"""Pages of up to 1,000 targets each; a gateway has 100 targets by default."""
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
    items: list[TargetSummary] = []
    seen: set[str] = set()
    token: str | None = None
    for number in range(1, MAX_PAGES + 1):
        with ticket:
            page = await _page(port, gateway_id, token)
        items += page.items
        token = page.next_token
        if not token:
            return Listing(items, number)
        if token in seen:
            raise AgentCoreError(
                ErrorKind.TRANSIENT,
                "PageTokenLoop",
                "ListGatewayTargets answered a page token for the second time",
            )
        seen.add(token)
        ticket = await _next_ticket(scheduler, gateway_id)
    ticket.unused()
    raise AgentCoreError(
        ErrorKind.TRANSIENT, "TooManyPages", f"ListGatewayTargets did not end within {MAX_PAGES} pages"
    )


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
