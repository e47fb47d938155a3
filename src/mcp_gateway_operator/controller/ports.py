"""The parts a pass works with, gathered once."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from mcp_gateway_operator.agentcore.observe import Observer
from mcp_gateway_operator.agentcore.port import AgentCore, Fence
from mcp_gateway_operator.agentcore.quota import QuotaScheduler
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.runtime.cluster import Cluster, Resource
from mcp_gateway_operator.runtime.events import EventRecorder
from mcp_gateway_operator.runtime.informer import Informer
from mcp_gateway_operator.runtime.queue import WorkQueue

MCPSERVERS = Resource(names.GROUP, names.VERSION, names.PLURAL)


class Territory(Protocol):
    """Where this process works. Elsewhere another one does, and this one writes nothing."""

    def mine(self, namespace: str) -> bool:
        """Return whether it works in a namespace."""

    def since(self, namespace: str) -> float:
        """Return the loop time since which it does."""

    def may_begin(self, namespace: str) -> bool:
        """Return whether a call for an object there may begin now. Asked in threads, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything outside a decision: the cluster, AWS, the clocks, and where this process may work.

    Attributes:
        clock: loop seconds, for durations.
        wall: UTC now, for stamps only.
    """

    cluster: Cluster
    agentcore: AgentCore
    observer: Observer
    scheduler: QuotaScheduler
    informer: Informer[MCPServer]
    queue: WorkQueue[tuple[str, str]]
    events: EventRecorder
    clock: Callable[[], float]
    wall: Callable[[], datetime]
    rng: random.Random
    territory: Territory

    def fence(self, obj: MCPServer) -> Fence:
        """Return what says, right before a request is sent, whether this process may write for an object."""
        return partial(self.territory.may_begin, obj.metadata.namespace)
