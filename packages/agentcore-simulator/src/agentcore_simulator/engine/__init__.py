"""One request in, one answer out, as a function of time."""

from __future__ import annotations

from agentcore_simulator.engine.dispatch import Engine

__all__ = [
    "Engine",
]
