"""Credentials that AWS does not accept: of all calls one now and then is made, to hear when it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mcp_gateway_operator.agentcore.quota.waiting_line import Ticket
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind

FIRST_PROBE: Final = 2.0
"""Seconds until the first call after a refusal: the credentials were looked for again meanwhile."""
PROBE_INTERVAL: Final = 30.0
"""Seconds between two calls while AWS refuses the credentials."""

_SAYS_NOTHING: Final = frozenset({ErrorKind.TRANSIENT, ErrorKind.THROTTLED, ErrorKind.FENCED})
"""Failures from which it cannot be told whether the credentials were accepted."""


class CredentialsGate:
    """Shut from the first call that is refused for its credentials until a probe is not.

    Args:
        on_turn: called when the refusal is confirmed, and when it is over.

    Attributes:
        shut: no call but the probe may be made.
        error: the refusal, once the first probe has confirmed it.
        probe: the ticket of the probe, while it is out.
        probe_at: when the next one is due, in loop seconds.
    """

    def __init__(self, on_turn: Callable[[], None]) -> None:
        self.shut = False
        self.error: AgentCoreError | None = None
        self.probe: Ticket | None = None
        self.probe_at = 0.0
        self._on_turn = on_turn

    def ended(self, ticket: Ticket, error: AgentCoreError | None, now: float) -> None:
        """Learn from the end of a call; only a probe's opens the gate, for others may have begun before."""
        probe = ticket is self.probe
        if probe:
            self.probe = None
        if not ticket.heard:
            return
        kind = error.kind if error is not None else None
        if kind is ErrorKind.CREDENTIALS and not self.shut:
            self.shut, self.probe_at = True, now + FIRST_PROBE
        elif probe and (kind is ErrorKind.CREDENTIALS or (kind in _SAYS_NOTHING and self.error is not None)):
            self.probe_at = now + PROBE_INTERVAL
            if self.error is None:
                self.error = error
                self._on_turn()
        elif probe:
            confirmed, self.shut, self.error = self.error is not None, False, None
            if confirmed:
                self._on_turn()
