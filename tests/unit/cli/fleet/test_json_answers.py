"""`-o json`: each answer is what its schema in docs/schemas says, and nothing else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from agentcore_simulator import AdminClient
from mcp_gateway_operator.cli.fleet.json_answers import ANSWERS
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import PatchType
from tests.support.world import GATEWAY, OTHER_GATEWAY
from tests.unit.cli.fleet.account import manifest, server, settle, written
from tests.unit.cli.fleet.conftest import Desk

ROOT = Path(__file__).parents[4]


def a_bit_of_everything(desk: Desk, aws: AdminClient, tmp_path: Path) -> str:
    """Let there be all kinds of steps, and an orphan; return the manifests to plan with."""
    for name in ("kept", "edited", "moved", "gone"):
        settle(desk, aws, name)
    finalizers = {"metadata": {"finalizers": None}}
    desk.api.store.patch(MCPSERVERS, "team-a", "gone", finalizers, kind=PatchType.MERGE)
    desk.api.store.delete(MCPSERVERS, "team-a", "gone")
    aws.create_target(GATEWAY, name="taken", targetConfiguration=server())
    return written(
        tmp_path / "all.yaml",
        manifest("edited", endpoint="https://new.example.com/mcp"),
        manifest("moved", gatewayId=OTHER_GATEWAY),
        manifest("taken"),
        manifest("new"),
        manifest("wrong", endpoint="http://a"),
    )


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_what_its_schema_says(
    desk: Desk, aws: AdminClient, tmp_path: Path, answer: type[msgspec.Struct]
) -> None:
    file = a_bit_of_everything(desk, aws, tmp_path)
    tag = str(answer.__struct_config__.tag)
    command = tag.removeprefix("mcps.").partition("/")[0]
    more, exits = {"plan": (("-f", file, "--prune"), 1), "status": ((), 0)}.get(command, ((), 2))
    said = desk(command, *more, "-o", "json", exits=exits).stdout
    found = msgspec.json.decode(said)
    assert found["schema"] == tag
    read = msgspec.json.decode(said, type=answer)
    assert msgspec.json.decode(msgspec.json.encode(read)) == found, "or there is more than the schema says"
    schema = msgspec.json.decode((ROOT / f"docs/schemas/{tag.replace('/', '.')}.json").read_bytes())
    assert schema["$defs"][answer.__name__]["required"][0] == "schema"
