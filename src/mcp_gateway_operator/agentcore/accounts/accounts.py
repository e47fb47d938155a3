"""The AgentCore port over all accounts and Regions: each call goes by the session of its gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from mcp_gateway_operator.agentcore.accounts.session import ROLE_REFUSED, WRONG_ACCOUNT, Session
from mcp_gateway_operator.agentcore.port import (
    AgentCore,
    CallerIdentity,
    Fence,
    Gateway,
    GatewayPage,
    Identity,
    ListPage,
    Mandate,
    Opener,
)
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.shape import Target, TargetStatus, bare

IDLE: Final = 7200.0
"""Seconds after which a session that nobody asks for is let go."""


class Accounts:
    """Sends each call where its gateway is, under the identity that its MCPGateway names.

    A gateway's id alone is in the operator's own account and Region, an ARN is elsewhere. No call ever goes
    out for an ARN of which no MCPGateway says under which identity.

    Args:
        own: calls under the operator's own identity, in its own Region.
        mandate: returns what an MCPGateway says of the calls for a gateway, None where it says nothing else
            than what holds anyhow; raises an `AgentCoreError` where that is not known.
        clock: seconds of the event loop's clock.

    Attributes:
        opener: makes the other sessions; without, there are none.
        on_turn: told when a session begins to fail (False), or works again (True).
    """

    def __init__(
        self,
        own: AgentCore,
        *,
        mandate: Callable[[str], Mandate | None],
        clock: Callable[[], float],
    ) -> None:
        self._own = own
        self.opener: Opener | None = None
        self._mandate = mandate
        self._clock = clock
        self._sessions: dict[tuple[Identity, str] | None, Session] = {}
        self.on_turn: Callable[[bool], None] = lambda _works: None

    def trouble(self, gateway_id: str) -> AgentCoreError | None:
        """Return why calls for a gateway have no session, None while they have, or need none."""
        try:
            mandate = self._mandate(gateway_id)
        except AgentCoreError as error:
            return error
        session = self._sessions.get(_key(mandate))
        return session.trouble if session is not None else None

    async def list_targets(self, gateway_id: str, *, next_token: str | None = None) -> ListPage:
        """Return one page (up to 1000) of the gateway's targets."""
        async with self._reached(gateway_id) as (port, at):
            return await port.list_targets(at, next_token=next_token)

    async def get_target(self, gateway_id: str, target_id: str) -> Target:
        """Return one target in full."""
        async with self._reached(gateway_id) as (port, at):
            return await port.get_target(at, target_id)

    async def create_target(
        self, gateway_id: str, request: Mapping[str, Any], *, client_token: str, fence: Fence
    ) -> Target:
        """Create a target; `request` holds everything but gatewayIdentifier and clientToken."""
        still = self._fence(gateway_id, fence)
        async with self._reached(gateway_id) as (port, at):
            return await port.create_target(at, request, client_token=client_token, fence=still)

    async def update_target(
        self, gateway_id: str, target_id: str, request: Mapping[str, Any], *, fence: Fence
    ) -> Target:
        """Replace a target's whole configuration; what `request` omits is cleared."""
        still = self._fence(gateway_id, fence)
        async with self._reached(gateway_id) as (port, at):
            return await port.update_target(at, target_id, request, fence=still)

    async def synchronize_target(self, gateway_id: str, target_id: str, *, fence: Fence) -> Target:
        """Ask for the target's tools to be indexed again."""
        still = self._fence(gateway_id, fence)
        async with self._reached(gateway_id) as (port, at):
            return await port.synchronize_target(at, target_id, fence=still)

    async def delete_target(self, gateway_id: str, target_id: str, *, fence: Fence) -> TargetStatus:
        """Ask for deletion, which is asynchronous; return the status answered."""
        still = self._fence(gateway_id, fence)
        async with self._reached(gateway_id) as (port, at):
            return await port.delete_target(at, target_id, fence=still)

    async def get_gateway(self, gateway_id: str) -> Gateway:
        """Return a gateway; proves that it exists."""
        async with self._reached(gateway_id) as (port, at):
            return await port.get_gateway(at)

    async def list_gateways(self, identity_of: str = "", *, next_token: str | None = None) -> GatewayPage:
        """Return one page (up to 1000) of the gateways beside this one, "" for the operator's own."""
        async with self._reached(identity_of) as (port, _):
            return await port.list_gateways(next_token=next_token)

    async def caller_identity(self, identity_of: str = "") -> CallerIdentity:
        """Return whose credentials those of a gateway are, "" for the operator's own.

        A role's session has said that already, and stays what it is.
        """
        mandate = self._mandate(identity_of)
        if mandate is not None and mandate.identity.role_arn:
            return await self._session(mandate).caller(mandate)
        async with self._reached(identity_of) as (port, _):
            return await port.caller_identity()

    def whose(self, gateway_id: str) -> Hashable:
        """Return what the gateways have in common that are worked on under one identity."""
        try:
            return _key(self._mandate(gateway_id))
        except AgentCoreError:
            return gateway_id

    @asynccontextmanager
    async def _reached(self, gateway_id: str) -> AsyncIterator[tuple[AgentCore, str]]:
        """Give out the port of a gateway's session for one call, and the id by which AgentCore knows it."""
        mandate = self._mandate(gateway_id)
        if mandate is None:
            if ":" in gateway_id:
                raise _nobody_says(gateway_id)
            yield self._own, gateway_id
            return
        session = self._session(mandate)
        port = await session.port(mandate)
        try:
            yield port, bare(gateway_id)
        except AgentCoreError as error:
            if error.kind is not ErrorKind.CREDENTIALS:
                raise
            # Of this session alone: the operator's own credentials, and all others, may be good.
            session.refused(port, error)
            raise AgentCoreError(ErrorKind.TRANSIENT, error.code, error.message) from error

    def _fence(self, gateway_id: str, fence: Fence) -> Fence:
        """Return a fence that also stops a call whose MCPGateway names another identity by now."""
        began = _key(self._mandate(gateway_id))
        return lambda: _key(self._mandate(gateway_id)) == began and fence()

    def _session(self, mandate: Mandate) -> Session:
        key = _key(mandate)
        session = self._sessions.get(key)
        if session is None:
            if self.opener is None:
                raise AgentCoreError(
                    ErrorKind.TRANSIENT,
                    ROLE_REFUSED,
                    "Roles and other accounts are not served here",
                    unsent=True,
                )
            now = self._clock()
            self._sessions = {each: kept for each, kept in self._sessions.items() if kept.used > now - IDLE}
            session = Session(mandate, self.opener, clock=self._clock, on_turn=self.on_turn)
            self._sessions[key] = session
        return session


def _key(mandate: Mandate | None) -> tuple[Identity, str] | None:
    return (mandate.identity, mandate.account) if mandate is not None else None


def _nobody_says(gateway_id: str) -> AgentCoreError:
    return AgentCoreError(
        ErrorKind.TRANSIENT,
        WRONG_ACCOUNT,
        f"Gateway {gateway_id} is not in the operator's own account and Region, and no MCPGateway with this"
        " ARN says under which identity the operator works there",
        unsent=True,
    )
