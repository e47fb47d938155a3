"""A stand-in for the Amazon Bedrock AgentCore control plane.

Three ways to use it: as a process (`mcp-gateway-operator simulator`), in a thread of a test
(`SimulatorServer`), and as a pure function of requests and time (`Engine`). It knows nothing of Kubernetes or
of the operator.

Names are imported at their first use, so that `import mcp_gateway_operator.simulator` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import AdminClient
    from .engine import Engine
    from .faults import Fault
    from .messages import Request, Response
    from .scenarios import Scenario
    from .server import SimulatorServer
    from .settings import Settings, for_profile

__all__ = [
    "AdminClient",
    "Engine",
    "Fault",
    "Request",
    "Response",
    "Scenario",
    "Settings",
    "SimulatorServer",
    "for_profile",
]

_HOME = {
    "AdminClient": "client",
    "Engine": "engine",
    "Fault": "faults",
    "Request": "messages",
    "Response": "messages",
    "Scenario": "scenarios",
    "Settings": "settings",
    "SimulatorServer": "server",
    "for_profile": "settings",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
