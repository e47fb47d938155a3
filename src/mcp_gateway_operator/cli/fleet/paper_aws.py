"""Gateways on paper: read from AWS once, and written by nobody but the operator that is tried out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from mcp_gateway_operator.agentcore.port import (
    CallerIdentity,
    Fence,
    Gateway,
    GatewayPage,
    Identity,
    ListPage,
    Opened,
)
from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.cli.fleet.reads import Paced, ReadOnly
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.shape import TRANSIENT, Target, TargetStatus, TargetSummary

T = TypeVar("T")

LIMIT: Final = Quotas().gateway_targets or 0
_CONFIG: Final = (
    "targetConfiguration",
    "credentialProviderConfigurations",
    "metadataConfiguration",
    "privateEndpoint",
    "certificateConfigurations",
)


class _Gateway:
    """One gateway: what AWS said, and what was written on paper since."""

    def __init__(self) -> None:
        self.rows: dict[str, TargetSummary] = {}
        self.names: dict[str, str] = {}
        """The target of each name: AWS allows none twice on a gateway."""
        self.full: dict[str, Target | AgentCoreError] = {}
        self.error: AgentCoreError | None = None
        self.limit = 0
        self.arn = ""
        self.read = False
        self.reading = asyncio.Lock()

    def put(self, row: TargetSummary) -> None:
        """Put a target there, or what became of it."""
        if (old := self.rows.get(row.target_id)) is not None:
            self.names.pop(old.name, None)
        self.rows[row.target_id] = row
        self.names[row.name] = row.target_id

    def drop(self, target_id: str) -> None:
        """Take a target away."""
        self.names.pop(self.rows.pop(target_id).name, None)


class PaperAgentCore:
    """The AgentCore port over a copy; what AWS has begun is taken to have ended well.

    Args:
        real: where the copy is read from, as it is needed.
        wall: UTC now.
        on_refused: told when the copy refuses a write, and why, right where that happens.
    """

    def __init__(
        self,
        real: ReadOnly,
        *,
        wall: Callable[[], datetime],
        on_refused: Callable[[AgentCoreError], None] = lambda _: None,
    ) -> None:
        self._real = real
        self._wall = wall
        self._gateways: dict[str, _Gateway] = {}
        self._made = 0
        self._about: dict[str, Gateway | AgentCoreError] = {}
        self._caller: CallerIdentity | AgentCoreError | None = None
        self._on_refused = on_refused

    async def list_targets(self, gateway_id: str, *, next_token: str | None = None) -> ListPage:  # noqa: ARG002  -- there is one page
        """Return the gateway's targets."""
        gateway = await self._gateway(gateway_id)
        return ListPage(tuple(gateway.rows.values()), None)

    async def get_target(self, gateway_id: str, target_id: str) -> Target:
        """Return one target in full."""
        gateway = self._known(gateway_id)
        found = gateway.full.get(target_id)
        if found is None:
            found = await _answer(self._real.get_target(gateway_id, target_id))
            if isinstance(found, Target):
                gateway.arn = found.gateway_arn
                found = msgspec.structs.replace(found, summary=_ended(found.summary))
            found = gateway.full.setdefault(target_id, found)
        return _or_raise(found)

    async def get_gateway(self, gateway_id: str) -> Gateway:
        """Return a gateway, asked for once."""
        if gateway_id not in self._about:
            self._about[gateway_id] = await _answer(self._real.get_gateway(gateway_id))
        return _or_raise(self._about[gateway_id])

    async def list_gateways(self, *, next_token: str | None = None) -> GatewayPage:  # noqa: ARG002  -- the port's signature
        """Refuse it, as AWS may the operator: it only makes the end of a gateway known sooner."""
        raise _error(ErrorKind.ACCESS_DENIED, "AccessDeniedException", "ListGateways is not asked on paper")

    async def caller_identity(self) -> CallerIdentity:
        """Return whose credentials are used, asked for once."""
        if self._caller is None:
            self._caller = await _answer(self._real.caller_identity())
        return _or_raise(self._caller)

    async def create_target(
        self,
        gateway_id: str,
        request: Mapping[str, Any],
        *,
        client_token: str,  # noqa: ARG002  -- the port's signature
        fence: Fence,  # noqa: ARG002  -- nothing leaves the process
    ) -> Target:
        """Put a target on paper."""
        gateway = await self._writable(gateway_id)
        self._check_name(gateway, request["name"], besides="")
        if gateway.limit and len(gateway.rows) >= gateway.limit:
            self._refuse(_error(ErrorKind.QUOTA, "ServiceQuotaExceededException", "Too many targets"))
        self._made += 1
        return self._put(gateway, f"PLANNED{self._made:03d}", request, self._now())

    async def update_target(
        self,
        gateway_id: str,
        target_id: str,
        request: Mapping[str, Any],
        *,
        fence: Fence,  # noqa: ARG002  -- as above
    ) -> Target:
        """Replace a target on paper."""
        gateway = await self._writable(gateway_id)
        row = self._row(gateway, target_id)
        self._check_name(gateway, request["name"], besides=target_id)
        return self._put(gateway, target_id, request, row.created_at)

    async def synchronize_target(
        self,
        gateway_id: str,
        target_id: str,
        *,
        fence: Fence,  # noqa: ARG002  -- as above
    ) -> Target:
        """Let a target on paper be READY."""
        gateway = await self._writable(gateway_id)
        old = self._row(gateway, target_id)
        target = await self.get_target(gateway_id, target_id)
        row = msgspec.structs.replace(
            old, status=TargetStatus.READY, last_synchronized_at=self._now(), updated_at=self._now()
        )
        gateway.put(row)
        target = msgspec.structs.replace(target, summary=row, status_reasons=())
        gateway.full[target_id] = target
        return target

    async def delete_target(
        self,
        gateway_id: str,
        target_id: str,
        *,
        fence: Fence,  # noqa: ARG002  -- as above
    ) -> TargetStatus:
        """Take a target off the paper."""
        gateway = await self._writable(gateway_id)
        self._row(gateway, target_id)
        gateway.drop(target_id)
        gateway.full[target_id] = _error(ErrorKind.NOT_FOUND, "ResourceNotFoundException", "deleted")
        return TargetStatus.DELETING

    async def _gateway(self, gateway_id: str) -> _Gateway:
        """Return a gateway, read from AWS the first time."""
        gateway = self._known(gateway_id)
        if not gateway.read:
            async with gateway.reading:
                if not gateway.read:
                    await self._read(gateway_id, gateway)
        if gateway.error is not None:
            raise gateway.error
        return gateway

    def _known(self, gateway_id: str) -> _Gateway:
        return self._gateways.setdefault(gateway_id, _Gateway())

    async def _writable(self, gateway_id: str) -> _Gateway:
        try:
            return await self._gateway(gateway_id)
        except AgentCoreError as error:
            self._refuse(error)

    async def _read(self, gateway_id: str, gateway: _Gateway) -> None:
        token: str | None = None
        try:
            while True:
                page = await self._real.list_targets(gateway_id, next_token=token)
                for row in page.items:
                    if row.status != TargetStatus.DELETING:
                        gateway.put(_ended(row))
                token = page.next_token
                if not token:
                    break
        except AgentCoreError as error:
            gateway.error = error
        # Where more is there than the default allows, AWS has raised the quota.
        gateway.limit = LIMIT if len(gateway.rows) <= LIMIT else 0
        gateway.read = True

    def _put(self, gateway: _Gateway, target_id: str, request: Mapping[str, Any], created: str) -> Target:
        server = request["targetConfiguration"]["mcp"]["mcpServer"]
        row = TargetSummary(
            target_id=target_id,
            name=request["name"],
            status=TargetStatus.READY,
            created_at=created,
            updated_at=self._now(),
            description=request.get("description"),
            listing_mode=server.get("listingMode"),
            resource_priority=server.get("resourcePriority"),
        )
        config = {name: request[name] for name in _CONFIG if name in request}
        target = Target(summary=row, gateway_arn=gateway.arn, config=config)
        gateway.put(row)
        gateway.full[target_id] = target
        return target

    def _row(self, gateway: _Gateway, target_id: str) -> TargetSummary:
        row = gateway.rows.get(target_id)
        if row is None:
            self._refuse(_error(ErrorKind.NOT_FOUND, "ResourceNotFoundException", f"no target {target_id}"))
        return row

    def _check_name(self, gateway: _Gateway, name: str, *, besides: str) -> None:
        if gateway.names.get(name, besides) != besides:
            self._refuse(_error(ErrorKind.CONFLICT, "ConflictException", f"A target named {name} exists"))

    def _refuse(self, error: AgentCoreError) -> NoReturn:
        self._on_refused(error)
        raise error

    def _now(self) -> str:
        return self._wall().isoformat()


class PaperSessions:
    """Makes sessions on paper as `Opener` says: each is asked for once, and does not end.

    Args:
        real: reads from AWS under any identity that the caller may have.
        paper: returns the paper over what is read.
    """

    def __init__(self, real: Paced, paper: Callable[[ReadOnly], PaperAgentCore]) -> None:
        self._real = real
        self._paper = paper
        self._made: dict[Identity, PaperAgentCore | AgentCoreError] = {}

    async def open(self, identity: Identity, *, name: str) -> Opened:
        """Return a session.

        Raises:
            AgentCoreError: there is none.
        """
        if identity not in self._made:
            real = await _answer(self._real.under(identity, name))
            self._made[identity] = real if isinstance(real, AgentCoreError) else self._paper(real)
        return Opened(_or_raise(self._made[identity]), math.inf)


async def _answer(call: Awaitable[T]) -> T | AgentCoreError:
    """Return what a call comes to, its error as well: on paper it would be the same another time."""
    try:
        return await call
    except AgentCoreError as error:
        return error


def _or_raise(answer: T | AgentCoreError) -> T:
    if isinstance(answer, AgentCoreError):
        raise answer
    return answer


def _ended(row: TargetSummary) -> TargetSummary:
    """Return a row as it is when what AWS has begun has ended well."""
    return msgspec.structs.replace(row, status=TargetStatus.READY) if row.status in TRANSIENT else row


def _error(kind: ErrorKind, code: str, message: str) -> AgentCoreError:
    return AgentCoreError(kind, code, message)
