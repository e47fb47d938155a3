"""Asks AWS for gateways whose Lists answer that there are none: one call for all who wait for the answer.

GetGateway tells of one, ListGateways of all at once. Both are rights that an old IAM policy lacks: where AWS
denies them, that is no error, and the Lists of targets alone decide, later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Protocol

from mcp_gateway_operator.agentcore.observe.gateway_table import GatewayTable, InquiryResult
from mcp_gateway_operator.agentcore.observe.listing import Tickets, a_ticket, read_pages
from mcp_gateway_operator.agentcore.port import CallerIdentity, Gateway, GatewayPage
from mcp_gateway_operator.agentcore.quota import Op, Ticket
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.rules import ROLLS_APART
from mcp_gateway_operator.targets.shape import bare

APART: Final = ROLLS_APART + 1.0
"""Seconds between two ListGateways, and before a call that failed is made again."""
DENIED_AGAIN: Final = 600.0
"""Seconds after which ListGateways is tried again where AWS denied it."""
PARALLEL: Final = 2
"""GetGateways in flight: each may hang until it times out, and the Lists need the threads."""


class Asked(Protocol):
    """What is asked of AWS; each call is made under the identity of a gateway, "" for the operator's own."""

    async def get_gateway(self, gateway_id: str) -> Gateway:
        """Return a gateway."""

    async def list_gateways(self, identity_of: str, *, next_token: str | None = None) -> GatewayPage:
        """Return one page of the gateways in the account and Region of that one."""

    async def caller_identity(self, identity_of: str) -> CallerIdentity:
        """Return whose credentials those of a gateway are."""


class Inquiries:
    """Keeps `Existence` in the tables of the gateways of one account and Region that somebody asks for.

    Args:
        port: where the calls go.
        scheduler: where tickets come from; ListGateways has its own, so that it delays nothing else.
        clock: the event loop's `time`.
        table: returns the table of a tracked gateway.
        on_answer: told of each gateway of which something decisive came to be known.
        whose: returns what those gateways have in common that are worked on under one identity; "" is asked
            under the operator's own.
    """

    def __init__(
        self,
        port: Asked,
        scheduler: Tickets,
        *,
        clock: Callable[[], float],
        table: Callable[[str], GatewayTable | None],
        on_answer: Callable[[str], None],
        whose: Callable[[str], Hashable] = lambda _gateway_id: None,
    ) -> None:
        self._port = port
        self._scheduler = scheduler
        self._clock = clock
        self._table = table
        self._on_answer = on_answer
        self._due: asyncio.Queue[GatewayTable] = asyncio.Queue()
        self._whose = whose
        self._rolling: dict[str, float] = {}
        self._denied: dict[Hashable, float] = {}
        """By identity, until when AWS need not be asked again under it."""
        self._called = asyncio.Event()

    def ask(self, gateway_id: str) -> None:
        """Have GetGateway ask for a gateway, until there is an answer."""
        table = self._table(gateway_id)
        if table is not None and not table.view.existence.asked:
            table.apply_inquiry(asked=True)
            self._due.put_nowait(table)

    def call_the_roll(self, gateway_id: str, *, until: float) -> None:
        """Have ListGateways look for a gateway, until two of them lack it, AWS denies it, or a moment."""
        table = self._table(gateway_id)
        if table is not None:
            table.apply_inquiry(rolling=True)
            self._rolling[gateway_id] = until
            self._called.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._call_rolls())
            for _ in range(PARALLEL):
                tasks.create_task(self._ask())

    async def _ask(self) -> None:
        while True:
            table = await self._due.get()
            if not self._missing(table):
                continue
            try:
                await self._get(table)
            except AgentCoreError:
                asyncio.get_running_loop().call_later(APART, self._due.put_nowait, table)

    async def _get(self, table: GatewayTable) -> None:
        answer = await self._answer(table.gateway_id)
        where = await self._where(_identity_of(table.gateway_id))
        if self._missing(table):
            table.apply_inquiry(**answer)
            table.apply_inquiry(asked=False)
            self._heard_from(table, where)
            self._on_answer(table.gateway_id)

    async def _answer(self, gateway_id: str) -> InquiryResult:
        """Return what GetGateway says."""
        with await a_ticket(self._scheduler, Op.GET, gateway_id, waiter=("gateway", gateway_id)):
            began = self._clock()
            try:
                await self._port.get_gateway(gateway_id)
            except AgentCoreError as error:
                if error.kind is ErrorKind.NOT_FOUND:
                    return {"unknown_at": began}
                if error.kind is ErrorKind.ACCESS_DENIED:
                    return {"denied_at": began}
                raise
        return {"known_at": self._clock()}

    async def _call_rolls(self) -> None:
        while True:
            await self._called.wait()
            now = self._clock()
            self._rolling = {
                gateway_id: until
                for gateway_id, until in self._rolling.items()
                if now < until and (table := self._table(gateway_id)) is not None and self._missing(table)
            }
            if not self._rolling:
                self._called.clear()
                continue
            pause = await self._roll()
            await asyncio.sleep(pause)

    async def _roll(self) -> float:
        """Look once for all gateways that are looked for; return the seconds until the next time."""
        # Who looks with the credentials of one sees all of its account and Region: any that may will do.
        now = self._clock()
        self._denied = {each: until for each, until in self._denied.items() if until > now}
        identities = {each: self._whose(_identity_of(each)) for each in self._rolling}
        asking = next((each for each, identity in identities.items() if identity not in self._denied), None)
        if asking is None:
            self._rolling.clear()
            return 0.0
        identity_of = _identity_of(asking)
        try:
            ticket = await self._roll_ticket()
            began = self._clock()
            shown = await self._there_are(ticket, identity_of)
        except AgentCoreError as error:
            if error.kind is not ErrorKind.ACCESS_DENIED:
                # The next time another one, whose identity may work.
                self._rolling[asking] = self._rolling.pop(asking)
                return APART
            # As it was asked under: an MCPGateway may name another role by now, which is not denied.
            self._denied[identities[asking]] = now + DENIED_AGAIN
            return 0.0
        where = await self._where(identity_of)
        for gateway_id in list(self._rolling):
            table = self._table(gateway_id)
            if table is not None and self._missing(table):
                self._note(table, where, lacks=bare(gateway_id) not in shown, at=began)
        return APART

    def _note(self, table: GatewayTable, where: tuple[str, str] | None, *, lacks: bool, at: float) -> None:
        """Take what one ListGateways says of a gateway."""
        since, before = table.view.missing_since, table.view.existence
        self._heard_from(table, where)
        if not lacks or where is None or since is None or at < since:
            table.apply_inquiry(lacking=None)
            return
        first = before.lacking[0] if before.lacking is not None and before.where == where else at
        table.apply_inquiry(lacking=(first, at))
        if at - first >= ROLLS_APART:
            del self._rolling[table.gateway_id]
            self._on_answer(table.gateway_id)

    async def _there_are(self, ticket: Ticket, identity_of: str) -> frozenset[str]:
        async def page(token: str | None) -> tuple[dict[str, None], str | None]:
            answer = await self._port.list_gateways(identity_of, next_token=token)
            return dict.fromkeys(answer.gateway_ids), answer.next_token

        shown, _ = await read_pages(page, ticket, more=self._roll_ticket, call="ListGateways")
        return frozenset(shown)

    def _roll_ticket(self) -> Awaitable[Ticket]:
        return a_ticket(self._scheduler, Op.LIST_GATEWAYS, "", waiter="the roll")

    async def _where(self, identity_of: str) -> tuple[str, str] | None:
        """Return where the credentials in use now act, None where AWS does not say.

        Asked after a question: credentials that were exchanged before its answer are seen here.
        """
        try:
            identity = await self._port.caller_identity(identity_of)
        except AgentCoreError:
            return None
        return identity.account, identity.region

    def _heard_from(self, table: GatewayTable, where: tuple[str, str] | None) -> None:
        table.apply_inquiry(where_at=self._clock())
        if where is not None:
            table.apply_inquiry(where=where)

    def _missing(self, table: GatewayTable) -> bool:
        """Whether it still matters what AWS says of a gateway."""
        return self._table(table.gateway_id) is table and table.view.missing_since is not None


def _identity_of(gateway_id: str) -> str:
    """Return the gateway under whose identity is asked: at home it is the operator's own."""
    return gateway_id if ":" in gateway_id else ""
