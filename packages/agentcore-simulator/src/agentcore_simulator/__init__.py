"""A stand-in for the Amazon Bedrock AgentCore control plane.

Three ways to use it: as a process (`agentcore-simulator`), in a thread of a test (`SimulatorServer`), and as
a pure function of requests and time (`Engine`, with `attach` for boto3). It knows nothing of Kubernetes.

Names are imported at their first use, so that `import agentcore_simulator` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentcore_simulator.admin import AdminClient, AdminRefusedError, Place
    from agentcore_simulator.engine import Engine
    from agentcore_simulator.in_process import attach
    from agentcore_simulator.messages import Request, Response
    from agentcore_simulator.scenarios import Fault, Scenario
    from agentcore_simulator.settings import Settings, for_profile
    from agentcore_simulator.wire import SimulatorServer

__version__ = "0.2.0"

__all__ = [
    "AdminClient",
    "AdminRefusedError",
    "Engine",
    "Fault",
    "Place",
    "Request",
    "Response",
    "Scenario",
    "Settings",
    "SimulatorServer",
    "attach",
    "for_profile",
]

_HOME = {
    "AdminClient": "admin",
    "AdminRefusedError": "admin",
    "Engine": "engine",
    "Fault": "scenarios",
    "Place": "admin",
    "Request": "messages",
    "Response": "messages",
    "Scenario": "scenarios",
    "Settings": "settings",
    "SimulatorServer": "wire",
    "attach": "in_process",
    "for_profile": "settings",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
