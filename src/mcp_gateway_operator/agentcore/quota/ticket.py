"""The right to make one AWS call."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from mcp_gateway_operator.agentcore.quota.limits import Op
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind


class Issuer(Protocol):
    """What a ticket reports to."""

    def ticket_unused(self, ticket: Ticket) -> None:
        """The call was not made: token and slot are free again."""

    def ticket_done(self, ticket: Ticket, *, moved: str | None) -> None:
        """The call has ended; `moved` names the target that is on the move since."""

    def refused(self, ticket: Ticket, error: AgentCoreError) -> None:
        """The call failed; what its failure says of the quotas is to be learnt."""


class Ticket:
    """The right to make one call of one operation on one gateway.

    Use it once, around the call:

    ```
    with ticket:
        target = await port.create_target(...)
        ticket.hold(target.summary.target_id)
    ```

    Leaving the block frees the gateway's slot and learns from an `AgentCoreError` that passes through. A
    ticket that is not used must be returned with `unused()`, or its slot stays taken.
    """

    __slots__ = ("_issuer", "_moved", "_spent", "gateway_id", "op")

    def __init__(self, issuer: Issuer, op: Op, gateway_id: str) -> None:
        self.op = op
        self.gateway_id = gateway_id
        self._issuer = issuer
        self._moved: str | None = None
        self._spent = False

    def __enter__(self) -> Self:
        if self._spent:
            raise RuntimeError("a ticket allows one call")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._spent:
            return
        if isinstance(error, AgentCoreError) and error.kind is ErrorKind.FENCED:
            self.unused()
            return
        self._spent = True
        if isinstance(error, AgentCoreError):
            self._issuer.refused(self, error)
        self._issuer.ticket_done(self, moved=self._moved)

    def hold(self, target_id: str) -> None:
        """Note that the call left this target CREATING, UPDATING or DELETING: AWS may count that, too."""
        self._moved = target_id

    def unused(self) -> None:
        """Give the token and the slot back: no call was made. Harmless on a ticket that is spent."""
        if not self._spent:
            self._spent = True
            self._issuer.ticket_unused(self)
