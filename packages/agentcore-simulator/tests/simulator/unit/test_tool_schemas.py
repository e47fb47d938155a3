"""Static tool schemas: what a schema without tools becomes, inline and in S3."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Simulation, server
from .refusals import refusal

REASON = "No MCP tool schema found"
BAD = [
    "nope",
    "",
    "null",
    "[]",
    "{}",
    '{"tools":[]}',
    '{"tools":{}}',
    '[{"title":"t"}]',
    "[1]",
    "[" * 100_000,
]
S3 = server(mcpToolSchema={"s3": {"uri": "s3://bucket/tools.json"}})


def inline(payload: str) -> dict[str, Any]:
    return server(mcpToolSchema={"inlinePayload": payload})


@pytest.mark.parametrize("payload", BAD)
def test_an_inline_schema_without_tools_fails_the_target(sim: Simulation, payload: str) -> None:
    target = sim.ready(targetConfiguration=inline(payload))
    assert (sim.status(target), sim.get(target)["statusReasons"]) == ("FAILED", [REASON])
    assert sim.admin.target(target)["status"] == "FAILED"


@pytest.mark.parametrize(
    "payload", ['[{"name":"t"}]', '{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}']
)
def test_an_inline_schema_with_tools_is_ready(sim: Simulation, payload: str) -> None:
    assert sim.status(sim.ready(targetConfiguration=inline(payload))) == "READY"


@pytest.mark.parametrize("payload", BAD)
def test_the_write_itself_can_be_refused(sim: Simulation, payload: str) -> None:
    target = sim.ready()
    sim.configure(switches={"bad_tool_schema": "refuse"})
    with refusal("ValidationException", 400, REASON):
        sim.create("other", targetConfiguration=inline(payload))
    with refusal("ValidationException", 400, REASON):
        sim.update(target, targetConfiguration=inline(payload))
    assert [row["status"] for row in sim.rows()] == ["READY"]


def test_an_update_to_a_schema_without_tools_and_back(sim: Simulation) -> None:
    target = sim.ready()
    sim.update(target, targetConfiguration=inline("[]"))
    sim.advance(1)
    assert (sim.status(target), sim.get(target)["statusReasons"]) == ("UPDATE_UNSUCCESSFUL", [REASON])
    sim.update(target)
    sim.advance(1)
    assert sim.status(target) == "READY"


def test_a_schema_in_s3_is_there_unless_a_scenario_says_otherwise(sim: Simulation) -> None:
    assert sim.status(sim.ready("found", targetConfiguration=S3)) == "READY"
    sim.admin.add_scenario(name="lost-*", tool_schema="missing")
    lost = sim.ready("lost-1", targetConfiguration=S3)
    assert (sim.status(lost), sim.get(lost)["statusReasons"]) == ("FAILED", [REASON])
    assert sim.status(sim.ready("lost-2")) == "READY"  # has no static schema to lose
