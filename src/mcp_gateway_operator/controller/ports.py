"""The parts a pass works with, gathered once."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything outside a decision: the cluster, AWS, the clocks.

    Attributes:
        clock: loop seconds, for durations.
        wall: UTC now, for stamps only.
        fence: true while this process may write to AWS.
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
    fence: Fence
