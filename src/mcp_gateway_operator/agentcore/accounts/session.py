"""One session: opened when it is first needed, believed when AWS says whose it is, renewed in time."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from mcp_gateway_operator.agentcore.port import AgentCore, CallerIdentity, Mandate, Opened, Opener
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind

RENEW_SHARE: Final = 0.75
"""Share of a session's time after which it is renewed; the rest is for tries that fail."""
DENIED_AGAIN: Final = 60.0
"""Seconds between two requests for a session that AWS denies."""
FAILED_AGAIN: Final = 10.0
"""The same where it cannot be told whether AWS would."""
WRONG_ACCOUNT: Final = "WrongAccountOrRegion"
ROLE_REFUSED: Final = "RoleRefused"

log = structlog.get_logger(__name__)

_OPERATOR: Final = "mcp-gateway-operator@"
_LONGEST_NAME: Final = 64  # STS service model: roleSessionNameType, [\w+=,.@-]{2,64}
_DIGEST: Final = 8


def session_name(holders: Sequence[str]) -> str:
    """Return what CloudTrail shows of the session of some MCPGateways; what is too long ends in a digest."""
    every = ",".join(holders)
    name = _OPERATOR + re.sub(r"[^A-Za-z0-9_+=,.@-]", "-", every)
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(every.encode()).hexdigest()[:_DIGEST]
    return f"{name[: _LONGEST_NAME - _DIGEST - 1]}-{digest}"


class Session:
    """Gives out the port of one identity, once AWS has said that it acts in the right account and Region.

    Whoever needs it waits for one request together. While the old one is good nobody waits for a new one, but
    once for one of a new name.

    Args:
        mandate: whose it is; one session serves all with the same identity and account, and is named after
            all of them.
        opener: makes it.
        clock: seconds of the event loop's clock.
        on_turn: called when it begins to fail or fails otherwise (False), or works (True).

    Attributes:
        trouble: why the latest request for a session failed, None when it did not.
        used: when it was last asked for.
    """

    def __init__(
        self, mandate: Mandate, opener: Opener, *, clock: Callable[[], float], on_turn: Callable[[bool], None]
    ) -> None:
        self._mandate = mandate
        self._opener = opener
        self._clock = clock
        self._on_turn = on_turn
        self._opened: Opened | None = None
        self._opened_at = 0.0
        self._again_at = 0.0
        self._caller: CallerIdentity | None = None
        self._named: frozenset[str] = frozenset()
        self._task: asyncio.Task[None] | None = None
        self.trouble: AgentCoreError | None = None
        self.used = clock()

    async def port(self, mandate: Mandate) -> AgentCore:
        """Return the port, for one of those with this identity and account.

        Raises:
            AgentCoreError: there is none now; nothing was sent to AgentCore.
        """
        now = self.used = self._clock()
        self._mandate = mandate
        if self._opened is not None and now >= self._opened.until:
            self._opened = None
        unnamed = not self._named.issuperset(mandate.holders)
        if now >= self._again_at:
            if self._opened is None or (unnamed and self.trouble is None):
                # The others who wait go on when one of them is called off.
                await asyncio.shield(self._renewal())
            elif unnamed or now >= self._renew_at:
                self._renewal()
        if self._opened is None:
            assert self.trouble is not None
            # Each caller has its own: what is raised keeps what was at hand.
            raise _trouble(self.trouble.code, self.trouble.message)
        return self._opened.port

    async def caller(self, mandate: Mandate) -> CallerIdentity:
        """Return whose it is.

        Raises:
            AgentCoreError: there is none now.
        """
        await self.port(mandate)
        assert self._caller is not None
        return self._caller

    def refused(self, port: AgentCore, error: AgentCoreError) -> None:
        """Use a port no more whose credentials AWS refuses: another one is opened, at most once a minute."""
        if self._opened is None or self._opened.port is not port:
            return
        self._opened = None
        self._again_at = self._opened_at + DENIED_AGAIN
        self._turn(_trouble(ROLE_REFUSED, f"AWS refuses the session of {self._who}: {error.message}"))

    @property
    def _renew_at(self) -> float:
        assert self._opened is not None
        return self._opened_at + RENEW_SHARE * (self._opened.until - self._opened_at)

    @property
    def _who(self) -> str:
        role = self._mandate.identity.role_arn
        return f"role {role}" if role else "the operator's own identity"

    def _renewal(self) -> asyncio.Task[None]:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._renew())
        return self._task

    async def _renew(self) -> None:
        began, mandate = self._clock(), self._mandate
        identity = mandate.identity
        try:
            opened = await self._opener.open(identity, name=session_name(mandate.holders))
            caller = await opened.port.caller_identity()
        except Exception as error:  # noqa: BLE001  -- what nobody foresaw must not be tried at every call either
            self._failed(error, began)
            return
        if (caller.account, caller.region) != (self._mandate.account, identity.region):
            self._opened, self._again_at = None, began + DENIED_AGAIN
            message = (
                f"{self._who} acts in account {caller.account} and Region {caller.region}, and the gateway is"
                f" in account {self._mandate.account} and Region {identity.region}, so nothing is sent"
            )
            self._turn(_trouble(WRONG_ACCOUNT, message))
            return
        self._opened, self._opened_at, self._caller = opened, began, caller
        self._named = frozenset(mandate.holders)
        self._turn(None)

    def _failed(self, error: Exception, began: float) -> None:
        if not isinstance(error, AgentCoreError):
            log.error("a session failed unexpectedly", role=self._mandate.identity.role_arn, exc_info=error)
            error = AgentCoreError(ErrorKind.TRANSIENT, type(error).__name__, str(error))
        denied = error.kind not in {ErrorKind.TRANSIENT, ErrorKind.THROTTLED}
        self._again_at = began + (DENIED_AGAIN if denied else FAILED_AGAIN)
        what = "cannot be assumed" if self._mandate.identity.role_arn else "cannot be used"
        self._turn(_trouble(ROLE_REFUSED, f"{self._who} {what}: {error}"))

    def _turn(self, trouble: AgentCoreError | None) -> None:
        before, self.trouble = self.trouble, trouble
        if (before.words if before else None) != (trouble.words if trouble else None):
            self._on_turn(trouble is None)


def _trouble(code: str, message: str) -> AgentCoreError:
    """Return a failure from which nobody may conclude anything about a gateway or a target."""
    return AgentCoreError(ErrorKind.TRANSIENT, code, message[0].upper() + message[1:], unsent=True)
