"""The status and the life of MCPGateways: what the operator found, and the finalizer while one is in use.

Written by an operator of all namespaces alone: one that sees a part cannot say that nothing uses a gateway.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from mcp_gateway_operator.agentcore.port import Gateway
from mcp_gateway_operator.agentcore.quota import Lane, Op
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.mcpgateway import MCPGateway, MCPGatewayStatus, TargetCount
from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import Condition
from mcp_gateway_operator.controller.classes.registry import MCPGATEWAYS, Registry, Verdict
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.controller.tell import fit_to_show
from mcp_gateway_operator.runtime.cluster import ApiError, PatchType
from mcp_gateway_operator.targets.known import AgentCoreError
from mcp_gateway_operator.targets.rules import reason_of, stamp

STATUS_INTERVAL: Final = 30.0
"""Seconds between two writes to the status of one MCPGateway."""
GATEWAY_INTERVAL: Final = 300.0
"""Seconds between two looks at a gateway itself."""
SESSION_INTERVAL: Final = 29.0
"""The same while there is no session under which to look."""
PAUSE: Final = 1.0
"""Seconds between two rounds, however much happens."""
_READY: Final = "READY"

log = structlog.get_logger(__name__)


class _Seen(msgspec.Struct):
    """What is known of the gateway of one MCPGateway, and when its status was written."""

    gateway: Gateway | None = None
    problem: str = ""
    trouble: AgentCoreError | None = None
    asked_at: float = float("-inf")
    written_at: float = float("-inf")


class Keeper:
    """Goes round the MCPGateways when something happens, and every half minute.

    Args:
        in_use: returns how many targets are recorded, or may come to be, on each gateway, by ARN or else id.
        trouble_of: returns why calls for a gateway have no session, None while they have one.
        leads: whether this process may write.
    """

    def __init__(
        self,
        registry: Registry,
        ports: Ports,
        *,
        in_use: Callable[[], Counter[str]],
        trouble_of: Callable[[str], AgentCoreError | None],
        leads: Callable[[], bool],
    ) -> None:
        self._registry = registry
        self._cluster = ports.cluster
        self._agentcore = ports.agentcore
        self._observers = ports.observers
        self._schedulers = ports.schedulers
        self._clock = ports.clock
        self._wall = ports.wall
        self._in_use = in_use
        self._trouble_of = trouble_of
        self._leads = leads
        self._seen: dict[str, _Seen] = {}
        self._news = asyncio.Event()

    def poke(self) -> None:
        """Go round soon."""
        self._news.set()

    async def run(self) -> None:
        """Go round until cancelled; what the API server or AWS refuses is tried again in the next round."""
        while True:
            # Before the round: what happens while it is on its way is for the next one.
            self._news.clear()
            if self._leads() and self._registry.settled:
                await self._round()
            await asyncio.sleep(PAUSE)
            try:
                async with asyncio.timeout(STATUS_INTERVAL - PAUSE):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _round(self) -> None:
        classes = self._registry.all()
        used = self._in_use() if classes else Counter[str]()
        self._seen = {each.metadata.uid: self._seen.get(each.metadata.uid, _Seen()) for each in classes}
        for each in classes:
            if self._registry.get(each.name) is not each:
                # Changed, or gone, while another one was written: that pokes, too.
                continue
            try:
                await self._keep(each, used)
            except ApiError as error:
                log.warning("an MCPGateway could not be written", gateway=each.name, error=str(error))

    async def _keep(self, of: MCPGateway, used: Counter[str]) -> None:
        verdict, seen = self._registry.verdict(of), self._seen[of.metadata.uid]
        gateway_id = self._registry.place_of(of.spec.gateway_arn).gateway_id
        governs = self._registry.governor(gateway_id) is of
        in_use = self._used(of, used) if governs else 0
        of = await self._protect(of, in_use=in_use)
        if of.metadata.deletion_timestamp and names.CLASS_FINALIZER not in of.metadata.finalizers:
            return
        now = self._clock()
        # Without a session each round tries for one; the session itself says how often STS is asked.
        again = SESSION_INTERVAL if seen.trouble is not None else GATEWAY_INTERVAL
        if verdict.accepted and now >= seen.asked_at + again:
            await self._ask(gateway_id, of, seen)
        seen.trouble = self._trouble_of(gateway_id) if verdict.accepted else None
        status = self._status(of, verdict, seen, in_use=in_use)
        if status == of.status or now < seen.written_at + STATUS_INTERVAL:
            return
        seen.written_at = now
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": of.metadata.uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        self._registry.classes.remember(
            await self._cluster.patch(
                MCPGATEWAYS, None, of.name, patch, kind=PatchType.JSON, subresource="status"
            )
        )

    def _used(self, of: MCPGateway, used: Counter[str]) -> int:
        """Return how many targets of ours a gateway has: an id alone may be its own while nobody knows."""
        arn = of.arn
        assert arn is not None
        here = self._registry.identity in (None, (arn.account, arn.region))
        return used[of.spec.gateway_arn] + (used[arn.gateway_id] if here else 0)

    async def _protect(self, of: MCPGateway, *, in_use: int) -> MCPGateway:
        """Put the finalizer on with the first target, and take it off when the last is gone."""
        meta = of.metadata
        has, ends = names.CLASS_FINALIZER in meta.finalizers, bool(meta.deletion_timestamp)
        if has == bool(in_use) or (ends and not has) or (has and not ends):
            return of
        others = [each for each in meta.finalizers if each != names.CLASS_FINALIZER]
        wanted = [*others, names.CLASS_FINALIZER] if in_use else others
        patch = {"metadata": {"resourceVersion": meta.resource_version, "finalizers": wanted}}
        raw = await self._cluster.patch(MCPGATEWAYS, None, of.name, patch, kind=PatchType.MERGE)
        if ends and not others:
            self._registry.classes.forget(("", of.name), meta.uid)
            return msgspec.structs.replace(of, metadata=msgspec.structs.replace(meta, finalizers=()))
        return self._registry.classes.remember(raw)

    async def _ask(self, gateway_id: str, of: MCPGateway, seen: _Seen) -> None:
        """Ask AWS for the gateway; where the quota has no room, in a later round."""
        ticket = self._schedulers.take(
            Op.GET,
            gateway_id,
            waiter=(MCPGATEWAYS, of.metadata.uid),
            lane=Lane.BACKGROUND,
            namespace="",
            on_grant=self.poke,
        )
        if ticket is None:
            return
        seen.asked_at = self._clock()
        with ticket:
            try:
                seen.gateway, seen.problem = await self._agentcore.get_gateway(gateway_id), ""
            except AgentCoreError as error:
                seen.problem = error.message or error.code

    # -- what it says -------------------------------------------------------------------------------------

    def _status(self, of: MCPGateway, verdict: Verdict, seen: _Seen, *, in_use: int) -> MCPGatewayStatus:
        arn, old, gateway = of.arn, of.status, seen.gateway
        gateway_id = self._registry.place_of(of.spec.gateway_arn).gateway_id
        table = self._observers.table(gateway_id) if verdict.accepted else None
        listed = table is not None and table.view.listed_at is not None
        limit = of.spec.capacity.targets if of.spec.capacity is not None else None
        used = len(table) if table is not None and listed else old.targets.used if old.targets else 0
        status = MCPGatewayStatus(
            observed_generation=of.metadata.generation,
            state=gateway.status if gateway is not None else old.state,
            gateway_url=gateway.url if gateway is not None else old.gateway_url,
            authorizer_type=gateway.authorizer_type if gateway is not None else old.authorizer_type,
            account=arn.account if arn is not None else "",
            region=arn.region if arn is not None else "",
            targets=TargetCount(used=used, limit=limit or 0),
            conditions=self._conditions(of, verdict, seen, in_use=in_use),
        )
        return fit_to_show(status)

    def _conditions(
        self, of: MCPGateway, verdict: Verdict, seen: _Seen, *, in_use: int
    ) -> tuple[Condition, ...]:
        state = seen.gateway.status if seen.gateway is not None else of.status.state
        ends = bool(of.metadata.deletion_timestamp)
        if not verdict.accepted:
            ready: tuple[bool | None, str, str] = (verdict.accepted, verdict.reason, verdict.message)
        elif ends:
            blocks = (
                f"Deleted once MCPServers have no target on the gateway any more; now they have {in_use}."
            )
            ready = (False, Reason.DELETING, blocks)
        elif seen.trouble is not None:
            ready = (False, reason_of(seen.trouble), f"{seen.trouble.message}.")
        elif seen.problem:
            ready = (None, Reason.AWS_UNAVAILABLE, f"AWS does not show the gateway: {seen.problem}")
        elif not state:
            ready = (None, Reason.QUEUED, "The gateway has not been looked at yet.")
        else:
            ready = (state == _READY, "GatewayReady", f"AWS reports the gateway as {state}.")
        rejected = verdict.accepted is False
        rows = (
            (names.ACCEPTED, verdict.accepted, verdict.reason, verdict.message),
            (ConditionType.READY, *ready),
            (ConditionType.RECONCILING, ends or verdict.accepted is None, ready[1], ready[2]),
            (ConditionType.STALLED, rejected, verdict.reason, verdict.message),
        )
        return tuple(self._condition(of, *row) for row in rows)

    def _condition(
        self,
        of: MCPGateway,
        kind: str,
        holds: bool | None,
        reason: str,
        message: str,
    ) -> Condition:
        status = "Unknown" if holds is None else str(holds)
        before = of.condition(kind)
        same = before is not None and before.status == status
        return Condition(
            type=kind,
            status=status,
            observed_generation=of.metadata.generation,
            last_transition_time=before.last_transition_time if before and same else stamp(self._wall()),
            reason=reason,
            message=message,
        )
