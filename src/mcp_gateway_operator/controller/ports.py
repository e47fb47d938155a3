"""The parts that a pass works with, and what all passes learn of AWS."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog

from mcp_gateway_operator.agentcore.accounts import Observers, Schedulers
from mcp_gateway_operator.agentcore.port import AgentCore, Fence
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.runtime.causes import Causes
from mcp_gateway_operator.runtime.cluster import Cluster, Resource
from mcp_gateway_operator.runtime.events import EventRecorder
from mcp_gateway_operator.runtime.informer import Informer
from mcp_gateway_operator.runtime.queue import WorkQueue
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Place, State

MCPSERVERS = Resource(names.GROUP, names.VERSION, names.PLURAL)
DENIED_SECONDS = 60.0
"""Seconds for which AWS's refusal of Synchronize on a gateway is remembered: policies are mended, too."""

log = structlog.get_logger(__name__)


class Territory(Protocol):
    """Where this process works. Elsewhere another one does, and this one writes nothing."""

    def mine(self, namespace: str) -> bool:
        """Return whether it works in a namespace."""

    def since(self, namespace: str) -> float:
        """Return the loop time since which it does."""

    def may_begin(self, namespace: str) -> bool:
        """Return whether a call for an object there may begin now. Asked in threads, too."""


class Learnt:
    """What all passes learn of AWS, for the life of the process.

    Attributes:
        heard: by gateway, the ARNs of those whose targets have answered, the latest last: they tell the
            account and Region that calls go to.
        creating: by gateway, how many Creates are on their way.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._denied_until: dict[Place, float] = {}
        self.heard: dict[Place, str] = {}
        self.creating: Counter[Place] = Counter()

    def hear(self, place: Place, arn: str) -> None:
        """Note that a gateway answered; one elsewhere tells nothing of where the operator itself is."""
        if any(place.account_and_region):
            return
        self.heard.pop(place, None)
        self.heard[place] = arn

    @contextmanager
    def on_its_way(self, place: Place) -> Iterator[None]:
        """Count a Create from before it is sent until its answer is known: a gateway's room is shared."""
        self.creating[place] += 1
        try:
            yield
        finally:
            self.creating[place] -= 1

    def deny_sync(self, place: Place) -> None:
        """Note that AWS refused Synchronize on a gateway; the log says so once."""
        if not self._denied_until:
            log.warning(
                "AWS denies SynchronizeGatewayTargets: failed targets are repaired by an update instead. "
                "Add bedrock-agentcore:SynchronizeGatewayTargets to the operator's IAM policy."
            )
        self._denied_until[place] = self._clock() + DENIED_SECONDS

    def sync_denied(self, place: Place) -> bool:
        """Whether AWS is taken to refuse Synchronize on a gateway."""
        return self._clock() < self._denied_until.get(place, 0.0)


def _nothing(*_: object) -> None:
    """Stand for every hook to which nobody listens."""


@dataclass(slots=True)
class Hooks:
    """Who is told what happens, as it happens; nobody unless somebody asks.

    Attributes:
        on_write: of each write to AWS that was tried, whatever came of it: the operation and its cause.
        on_turn: of each turn of Ready that status tells: its status before and after.
        on_decision: of each decision, a step before it is carried out: what it rests on, and what it is.
    """

    on_write: Callable[[str, str], None] = _nothing
    on_turn: Callable[[str, str], None] = _nothing
    on_decision: Callable[[State, act.Step | act.Wait], None] = _nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything outside a decision: the cluster, AWS, the clocks, and where this process may work.

    Attributes:
        clock: loop seconds, for durations.
        wall: UTC now, for stamps only.
        hooks: who is told of what happens.
        causes: tells of what goes wrong for a while, once for all that it concerns.
    """

    cluster: Cluster
    agentcore: AgentCore
    observers: Observers
    schedulers: Schedulers
    informer: Informer[MCPServer]
    queue: WorkQueue[tuple[str, str]]
    events: EventRecorder
    clock: Callable[[], float]
    wall: Callable[[], datetime]
    rng: random.Random
    territory: Territory
    learnt: Learnt
    causes: Causes
    hooks: Hooks = field(default_factory=Hooks)

    def fence(self, obj: MCPServer) -> Fence:
        """Return what says, right before a request is sent, whether this process may write for an object."""
        return partial(self.territory.may_begin, obj.metadata.namespace)
