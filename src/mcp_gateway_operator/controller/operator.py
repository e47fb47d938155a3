"""The controller put together: informer, queue, observer, scheduler and reconciler around the two ports."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import structlog

from mcp_gateway_operator.agentcore.accounts import (
    AccountRegion,
    AccountRegions,
    Accounts,
    Observers,
    Schedulers,
)
from mcp_gateway_operator.agentcore.observe import Inquiries, Observer, OutageClock
from mcp_gateway_operator.agentcore.port import AgentCore
from mcp_gateway_operator.agentcore.quota import Quotas, QuotaScheduler
from mcp_gateway_operator.api.codec import decode
from mcp_gateway_operator.api.mcpgateway import MCPGateway
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.classes import ClassSettings, Keeper, Registry
from mcp_gateway_operator.controller.ports import MCPSERVERS, Hooks, Learnt, Ports, Territory
from mcp_gateway_operator.controller.reconciler import Reconciler
from mcp_gateway_operator.controller.served_schema import ServedSchema
from mcp_gateway_operator.runtime.causes import Causes
from mcp_gateway_operator.runtime.cluster import NAMESPACES, ApiError, Cluster
from mcp_gateway_operator.runtime.events import EventRecorder
from mcp_gateway_operator.runtime.informer import Informer
from mcp_gateway_operator.runtime.queue import WorkQueue
from mcp_gateway_operator.targets.known import CALL_SECONDS, AgentCoreError, ErrorKind, Settings, named_here

OWNER_NAMESPACE = "kube-system"
"""Its uid is the cluster's usual identity: it is made with the cluster and cannot be deleted."""
RETRY = 5.0
"""Seconds between two tries to learn the owner id."""
SCHEMA_INTERVAL = 60.0
"""Seconds between two looks at what the installed CRD serves."""
IDENTITY_RETRY = 60.0
"""Seconds between two tries to learn whose AWS credentials these are."""
IDENTITY_PATIENCE = 3.0
"""Seconds for which the first pass waits for that: what is recorded may be in another account."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorConfig:
    """What the command line decides; intervals in seconds.

    Attributes:
        follow_classes: MCPGateways are looked for; without, an object that names one is refused.
        call_seconds: the longest that a call to AWS takes; what `agentcore` was made with.
    """

    gateway_id: str = ""
    owner_ids: tuple[str, ...] = ()
    owner_marker: bool = True
    allow_adoption: bool = False
    default_deletion_policy: str = "Delete"
    drift_interval: float = 60.0
    ready_unknown_after: float = 600.0
    sweep_interval: float = 6 * 3600.0
    call_seconds: float = CALL_SECONDS
    quotas: Quotas = field(default_factory=Quotas)
    namespaces: tuple[str, ...] = ()
    default_gateway_ref: str = ""
    require_gateway_ref: bool = False
    follow_classes: bool = True


class Operator:
    """The parts that work on MCPServers; who runs them, and when, is the manager's business.

    Args:
        agentcore: calls under the operator's own identity, in its own Region.
        wall: UTC now, for stamps.
        territory: where this process works; nothing is written elsewhere.
        causes: tells of what goes wrong for a while; in the log alone when None.

    Attributes:
        hooks: who is told of what happens.
        wall: UTC now.
    """

    def __init__(
        self,
        config: OperatorConfig,
        *,
        cluster: Cluster,
        agentcore: AgentCore,
        events: EventRecorder,
        wall: Callable[[], datetime],
        rng: random.Random,
        territory: Territory,
        causes: Causes | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._config = config
        self._cluster = cluster
        self._agentcore = agentcore
        self.causes = causes or Causes()
        self._clock = loop.time
        self.wall = wall
        self.hooks = Hooks()
        self.schema = ServedSchema(cluster)
        self.queue: WorkQueue[tuple[str, str]] = WorkQueue()
        self.registry = Registry(cluster, clock=loop.time)
        self.accounts = Accounts(agentcore, mandate=self.registry.mandate, clock=loop.time)
        self._rng = rng
        self._regions = AccountRegions(
            self._open_region, governed=lambda each: self.registry.governor(each) is not None
        )
        self.schedulers = Schedulers(self._regions)
        self.observers = Observers(self._regions)
        self.informer: Informer[MCPServer] = Informer(
            cluster,
            MCPSERVERS,
            decode=self._decoded,
            on_recovery=self.queue.retry_all,
            namespaces=config.namespaces,
        )
        self._served = (False, True)
        self._asked_identity = asyncio.Event()
        self._nobody_tells = ""
        ports = Ports(
            cluster=cluster,
            agentcore=self.accounts,
            observers=self.observers,
            schedulers=self.schedulers,
            informer=self.informer,
            queue=self.queue,
            events=events,
            clock=loop.time,
            wall=wall,
            rng=rng,
            territory=territory,
            learnt=Learnt(loop.time),
            hooks=self.hooks,
            causes=self.causes,
        )
        self.reconciler = Reconciler(
            ports,
            Settings(
                default_gateway=config.gateway_id,
                owner_ids=config.owner_ids,
                write_marker=config.owner_marker,
                default_deletion_policy=config.default_deletion_policy,
                allow_adoption=config.allow_adoption,
                sweep_interval=config.sweep_interval,
                call_seconds=config.call_seconds,
                all_namespaces=not config.namespaces,
            ),
            self.registry,
            ClassSettings(default_ref=config.default_gateway_ref, required=config.require_gateway_ref),
        )
        self.keeper = Keeper(
            self.registry,
            ports,
            in_use=self.reconciler.class_news.in_use,
            trouble_of=self.accounts.trouble,
            leads=lambda: not config.namespaces and territory.may_begin(OWNER_NAMESPACE),
        )
        self.accounts.on_turn = self._on_session
        self.registry.on_class = self._on_class
        self.registry.on_settled = self._on_settled
        self.registry.on_namespace = self.reconciler.class_news.on_namespace

    async def prepare(self) -> None:
        """Learn what must be known before the first write: who owns what is made here."""
        owner_ids = self._config.owner_ids or await self._owner_ids()
        await self.schema.read()
        self._take_schema()
        settings = self.reconciler.settings
        self.reconciler.identify(
            msgspec.structs.replace(
                settings,
                owner_ids=owner_ids,
                started_at=self._clock(),
                status_fields=self.schema.status_fields,
            )
        )

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IDENTITY_PATIENCE):
                await self._ask_identity()
        self._asked_identity.set()

    async def observe(self) -> None:
        """Watch AWS, and what the installed CRD serves, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.observers.run())
            tasks.create_task(self._learn_identity())
            tasks.create_task(self.registry.run())
            tasks.create_task(self.keeper.run())
            tasks.create_task(self._follow_schema())

    def stamp(self, moment: float) -> float:
        """Return the Unix time of a moment of the event loop's clock."""
        return self.wall().timestamp() - (self._clock() - moment)

    def close(self) -> None:
        """Let nothing more begin at AWS."""
        self.schedulers.close()

    async def _owner_ids(self) -> tuple[str, ...]:
        while True:
            try:
                raw = await self._cluster.get(NAMESPACES, None, OWNER_NAMESPACE)
            except ApiError as error:
                if error.forbidden:
                    log.warning(
                        "The namespace kube-system cannot be read, so targets carry no ownership marker: "
                        "allow get on it (the chart does), or set --owner-id."
                    )
                    return ()
                log.warning("the owner id is not known yet", error=str(error), again_in=RETRY)
                await asyncio.sleep(RETRY)
            else:
                return (msgspec.json.decode(raw, type=_Named).metadata.uid,)

    async def _follow_schema(self) -> None:
        while True:
            await asyncio.sleep(SCHEMA_INTERVAL)
            changed = await self.schema.read()
            self._take_schema()
            if changed:
                settings = self.reconciler.settings
                self.reconciler.settings = msgspec.structs.replace(
                    settings, status_fields=self.schema.status_fields
                )
                # What is stored has not changed, but reads differently, and no event tells of it.
                self.informer.list_soon()
                for obj in self.informer.values():
                    self.queue.add(obj.key)

    def _open_region(self, shares_with: Observer | None) -> AccountRegion:
        """Return what one account and Region has for itself."""
        config, clock = self._config, self._clock
        loop = asyncio.get_running_loop()
        scheduler = QuotaScheduler(config.quotas, clock=clock, call_at=loop.call_at, rng=self._rng)
        observer = Observer(
            self.accounts,
            scheduler,
            clock=clock,
            drift_interval=config.drift_interval,
            rng=self._rng,
            outages=OutageClock(lost_after=config.ready_unknown_after, clock=clock, wall=self.wall),
            shares_with=shares_with,
        )
        inquiries = Inquiries(
            self.accounts,
            scheduler,
            clock=clock,
            table=observer.table,
            on_answer=lambda gateway_id: self.reconciler.on_targets(gateway_id, ()),
            whose=self.accounts.whose,
        )
        return AccountRegion(scheduler, observer, inquiries)

    def _on_session(self, works: bool) -> None:
        """Take that a session began to fail, or works again."""
        if works:
            self.observers.retry(ErrorKind.TRANSIENT)
        self.keeper.poke()

    def _take_schema(self) -> None:
        """Tell what the API server serves of MCPGateways."""
        self.registry.serve(self.schema.classes if self._config.follow_classes else False)
        self.reconciler.rulings.ref_served = self.schema.gateway_ref
        before, self._served = self._served, (self.registry.served, self.schema.gateway_ref)
        if before != self._served:
            self.reconciler.class_news.on_classes()

    def _on_settled(self) -> None:
        self.observers.settle()
        self.reconciler.class_news.on_classes()
        self.keeper.poke()

    def _on_class(self, old: MCPGateway | None, new: MCPGateway | None) -> None:
        self.observers.settle()
        self.reconciler.class_news.on_class(old, new)
        self.keeper.poke()

    async def _learn_identity(self) -> None:
        await self._asked_identity.wait()
        while self.registry.identity is None:
            if self.schedulers.own.refused_credentials is None:
                await self._ask_identity()
            if self.registry.identity is None:
                await asyncio.sleep(IDENTITY_RETRY)

    async def _ask_identity(self) -> None:
        """Ask whose the credentials are; the same trouble is a warning once."""
        try:
            found = await self._agentcore.caller_identity()
        except AgentCoreError as error:
            say = log.info if str(error) == self._nobody_tells else log.warning
            say("AWS does not say whose credentials these are", error=str(error))
            self._nobody_tells = str(error)
            return
        log.info("aws", account=found.account, identity=found.arn, region=found.region)
        self.reconciler.settings = msgspec.structs.replace(
            self.reconciler.settings, account=found.account, region=found.region, identity=found.arn
        )
        self.registry.identify(found.account, found.region)
        self._regions.home = (found.account, found.region)
        for obj in self.informer.values():
            if (here := self._named(obj)) != obj:
                self.reconciler.rename(here)
        if self.registry.all():
            self._on_settled()

    def _decoded(self, raw: bytes | msgspec.Raw) -> MCPServer:
        return self._named(decode(raw))

    def _named(self, obj: MCPServer) -> MCPServer:
        return named_here(obj, self.registry.identity)


class _Meta(msgspec.Struct):
    uid: str


class _Named(msgspec.Struct):
    metadata: _Meta
