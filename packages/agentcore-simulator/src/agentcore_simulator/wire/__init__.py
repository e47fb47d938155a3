"""How requests reach the engine over HTTP, and what it does to servers by itself."""

from __future__ import annotations

from agentcore_simulator.wire.http_server import SimulatorServer, listen, prepare, serve, url_of

__all__ = [
    "SimulatorServer",
    "listen",
    "prepare",
    "serve",
    "url_of",
]
