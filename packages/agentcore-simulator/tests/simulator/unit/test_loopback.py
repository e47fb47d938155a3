"""Which plain http endpoints count as loopback."""

from __future__ import annotations

import pytest

from .conftest import Simulation, server
from .refusals import refusal


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:80", "127.9.9.9"])
def test_loopback_is_accepted_with_the_switch(sim: Simulation, host: str) -> None:
    with refusal("ValidationException", 400, "https://"):
        sim.create(targetConfiguration=server(f"http://{host}/mcp"))
    sim.configure(switches={"loopback_http": True})
    answer = sim.create(targetConfiguration=server(f"http://{host}/mcp", listingMode="DYNAMIC"))
    assert answer["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"] == f"http://{host}/mcp"


@pytest.mark.parametrize(
    "endpoint",
    ["http://10.0.0.1/mcp", "http://localhost.example.com", "http://[", "ftp://127.0.0.1", "http://"],
)
def test_everything_else_is_refused_all_the_same(sim: Simulation, endpoint: str) -> None:
    sim.configure(switches={"loopback_http": True})
    with refusal("ValidationException", 400, "https://"):
        sim.create(targetConfiguration=server(endpoint))
