"""What shall go wrong: faults of calls, and what the service finds when it connects to a server."""

from __future__ import annotations

from agentcore_simulator.scenarios.faults import CHAOS, Fault, FaultPlan
from agentcore_simulator.scenarios.scenario import Scenario
from agentcore_simulator.scenarios.writer import Writer

__all__ = [
    "CHAOS",
    "Fault",
    "FaultPlan",
    "Scenario",
    "Writer",
]
