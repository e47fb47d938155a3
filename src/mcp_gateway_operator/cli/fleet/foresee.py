"""What an operator would do: the operator itself, on a copy of cluster and AWS, in time of its own.

It is the very code that `run` runs. What is copied does not change meanwhile, every wait is over at once, and
what AWS has begun ends well.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.api.mcpgateway import MCPGateway
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.cli.fleet.command import silence
from mcp_gateway_operator.cli.fleet.fast_forward import run_fast
from mcp_gateway_operator.cli.fleet.paper_aws import PaperAgentCore, PaperSessions
from mcp_gateway_operator.cli.fleet.paper_cluster import PLANNED, PaperCluster, Platform
from mcp_gateway_operator.cli.fleet.reads import Paced, ReadOnly
from mcp_gateway_operator.cli.fleet.whereabouts import Where
from mcp_gateway_operator.controller.operator import Operator, OperatorConfig
from mcp_gateway_operator.runtime.events import EventRecorder, EventType, ObjectRef
from mcp_gateway_operator.runtime.workers import Workers
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind, State

Key = tuple[str, str]

WORKERS: Final = 8
QUIET: Final = 3700.0
"""Seconds without a step after which nothing more is to come: the longest backoff is an hour."""
LONGEST: Final = 24 * 3600.0
"""Seconds after which an operator that finds no end is left alone; indexing on a schedule has none."""
LOOK: Final = 30.0
LISTS: Final = 600.0
"""Seconds between two Lists of an idle gateway on paper, where nobody else changes anything."""

Telling = act.Create | act.Update | act.Synchronize | act.Delete | act.TakeUp | act.Release
"""Steps that change what AWS holds, or whose it is."""


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """One step that would be made.

    Attributes:
        aside: it is for a target on another gateway than the one where the object's target is.
    """

    key: Key
    gateway_id: str
    step: Telling
    state: State
    aside: bool

    @property
    def shape(self) -> tuple[object, ...]:
        """What tells one step from another, whatever ids AWS gives."""
        fields: tuple[str, ...] = ()
        if isinstance(self.step, act.Update):
            fields = tuple(each.field for each in self.step.diffs)
        return (type(self.step).__name__, self.gateway_id, getattr(self.step, "cause", None), fields)


class Future(msgspec.Struct, frozen=True, kw_only=True):
    """What comes of all objects.

    Attributes:
        steps: in their order.
        first: by object, what the first decision rested on for which its gateway was listed, and what it was.
        last: by object, what the last wait rested on, and what it was.
        objects: as their status would be; those that are gone are missing.
        classes: the MCPGateways, likewise.
        home: the account and Region of the credentials, None where AWS did not say.
    """

    steps: tuple[Foreseen, ...]
    first: dict[Key, tuple[State, act.Step | act.Wait]]
    last: dict[Key, tuple[State, act.Wait]]
    objects: dict[Key, MCPServer]
    classes: tuple[MCPGateway, ...] = ()
    home: Where | None = None


class AllToldError(Exception):
    """Of an object that is on paper alone all is told once it has its target: its pass ends there."""


class Recorder:
    """Takes an operator's decisions down: its hooks `on_decision` and `on_write`."""

    def __init__(self) -> None:
        self.steps: list[Foreseen] = []
        self.first: dict[Key, tuple[State, act.Step | act.Wait]] = {}
        self.last: dict[Key, tuple[State, act.Wait]] = {}
        self._latest: ContextVar[Foreseen] = ContextVar("latest")
        """The step of a pass, which is a task of its own: others make theirs meanwhile."""
        self.made: set[Key] = set()
        """Objects that are on paper alone and have their target now: there is nothing more to tell."""
        self._no_room: dict[Key, int] = {}
        """Objects without a target that found their gateway full, and after how many steps."""

    def __call__(self, state: State, decision: act.Step | act.Wait) -> None:
        """Note one decision."""
        key = state.obj.key
        if isinstance(decision, act.Wait):
            self.last[key] = (state, decision)
            view = state.view(state.place)
            if view.listed_at is not None or view.error is not None:
                self.first.setdefault(key, (state, decision))
            return
        inner = decision.step if isinstance(decision, act.AtPlace) else decision
        if isinstance(inner, Telling) and not (isinstance(inner, act.TakeUp) and not inner.adopted):
            self.first.setdefault(key, (state, decision))
            place = state.place if isinstance(inner, act.Release) else inner.place
            aside = isinstance(decision, act.AtPlace)
            step = Foreseen(key=key, gateway_id=place.gateway_id, step=inner, state=state, aside=aside)
            self.steps.append(step)
            self._latest.set(step)
            if isinstance(inner, act.Create) and state.obj.metadata.uid.startswith(PLANNED):
                self.made.add(key)

    @property
    def at(self) -> float:
        """When the last step was made that came to something: what is refused is tried for ever."""
        return self.steps[-1].state.now if self.steps else 0.0

    def wrote(self, _operation: str, _cause: str) -> None:
        """End the pass of an object that has its target on paper now.

        Raises:
            AllToldError: it has. Where it waited before, its pass takes it out of the line it stood in.
        """
        key = self._latest.get().key
        if key in self.made and key not in self.last:
            raise AllToldError

    def refused(self, error: AgentCoreError) -> None:
        """Take the latest step of the pass back that this is called in: it came to nothing."""
        refused = self._latest.get()
        self.steps = [each for each in self.steps if each is not refused]
        self.made.discard(refused.key)
        if error.kind is ErrorKind.QUOTA and refused.state.record is None:
            self._no_room[refused.key] = len(self.steps)

    def in_vain(self, key: Key) -> bool:
        """Whether an object's gateway was full, and no step was made since: it would be full again."""
        return self._no_room.get(key) == len(self.steps)


class _Everywhere:
    """There is no other operator on paper."""

    def mine(self, _namespace: str) -> bool:
        """It works everywhere."""
        return True

    def since(self, _namespace: str) -> float:
        """It always did."""
        return 0.0

    def may_begin(self, _namespace: str) -> bool:
        """It may write, for it writes on paper."""
        return True


class _Unheard(EventRecorder):
    """Nobody reads the Events of what is on paper."""

    def record(self, ref: ObjectRef, type_: EventType, reason: str, message: str) -> None:
        """Do nothing."""


def foresee(
    objects: Iterable[dict[str, Any]],
    *,
    config: OperatorConfig,
    aws: AbstractAsyncContextManager[Paced],
    about: Callable[[Key], bool] = lambda _: True,
    owner: str,
    schema: bytes = b"",
    platform: Platform | None = None,
    now: datetime | None = None,
) -> Future:
    """Return what an operator that starts now would do, all waits over.

    Args:
        objects: all MCPServers, as the API server sends them; they are changed.
        config: its settings; intervals and quotas count for nothing.
        aws: gives what it reads from AWS, on the loop on which it is asked.
        about: says for which objects; of the others it is known that they are there.
        owner: uid of the namespace kube-system, "" where it is not known.
        schema: what the API server says of the kinds, b"" where it does not.
        platform: the MCPGateways; where it is not known which there are, none counts.
        now: UTC, by which stamps are judged.
    """
    settings = replace(
        config,
        drift_interval=LISTS,
        sweep_interval=1e9,
        quotas=Quotas.parse("unlimited"),
        follow_classes=platform is not None and not platform.unknown,
    )
    cluster = PaperCluster(objects, owner=owner, schema=schema, platform=platform)

    found: list[Future] = []

    async def whole() -> None:
        # Not as the task's result: asyncio writes that out, however long it is, at its end.
        async with aws as port:
            found.append(await _run(cluster, settings, port, about, now))

    with silence():
        run_fast(whole())
    return found[0]


async def _run(
    cluster: PaperCluster,
    config: OperatorConfig,
    aws: Paced,
    about: Callable[[Key], bool],
    now: datetime | None,
) -> Future:
    loop, begun = asyncio.get_running_loop(), now or datetime.now(UTC)
    rng, record = random.Random(0), Recorder()  # noqa: S311  -- the same plan twice for the same state

    def wall() -> datetime:
        return begun + timedelta(seconds=loop.time())

    def paper(real: ReadOnly) -> PaperAgentCore:
        return PaperAgentCore(real, wall=wall, on_refused=record.refused)

    operator = Operator(
        config,
        cluster=cluster,
        agentcore=paper(aws),
        events=_Unheard(cluster, component="plan", instance="plan", wall=wall),
        wall=wall,
        rng=rng,
        territory=_Everywhere(),
    )
    operator.accounts.opener = PaperSessions(aws, paper)
    operator.hooks.on_decision, operator.hooks.on_write = record, record.wrote
    async with asyncio.TaskGroup() as tasks:
        beside = [
            tasks.create_task(operator.informer.run()),
            tasks.create_task(operator.observe()),
            tasks.create_task(_work(operator, rng, record, about)),
        ]
        while loop.time() < min(LONGEST, record.at + QUIET):  # noqa: ASYNC110  -- time is what is waited for
            await asyncio.sleep(LOOK)
        for task in beside:
            task.cancel()
    found = {obj.key: obj for obj in operator.informer.values()}
    return Future(
        steps=tuple(record.steps),
        first=record.first,
        last=record.last,
        objects=found,
        classes=operator.registry.all(),
        home=operator.registry.identity,
    )


async def _work(
    operator: Operator, rng: random.Random, record: Recorder, about: Callable[[Key], bool]
) -> None:
    async def reconcile(key: Key) -> float | None:
        if key in record.made or not about(key):
            return None
        if record.in_vain(key):
            return LISTS
        try:
            return await operator.reconciler.reconcile(key)
        except AllToldError:
            return None

    await operator.informer.synced.wait()
    await operator.prepare()
    expected = (AgentCoreError, TimeoutError)
    await Workers(operator.queue, reconcile, count=WORKERS, expected=expected, jitter=rng.random).run()
