"""The documentation names every switch, and only tests that exist."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from agentcore_simulator import AdminClient, Engine
from agentcore_simulator.admin import situations
from agentcore_simulator.settings import Switches

ROOT = Path(__file__).parents[3]
RULES = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
TROUBLE = (ROOT / "docs" / "trouble.md").read_text(encoding="utf-8")
ACCOUNTS = (ROOT / "docs" / "accounts.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("switch", Switches.__struct_fields__)
def test_every_switch_is_documented(switch: str) -> None:
    assert f"`{switch}" in RULES


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(test_\w+\.py)(?:::(\w+))?`", RULES + README)
    assert len(named) > 40
    for file, function in named:
        homes = [ROOT / "tests" / "simulator" / kind / file for kind in ("unit", "integration")]
        found = [home for home in homes if home.exists()]
        assert found, file
        assert f"def {function}(" in found[0].read_text(encoding="utf-8") if function else True, function


def test_the_example_of_a_situation_works() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", TROUBLE, re.DOTALL)
    assert yaml.safe_load(example)
    engine = Engine(clock=lambda: 0.0)
    situations.apply_situation(engine.plane, situations.parse_situation(example.encode()), 0.0)
    assert [target.name for target in engine.plane.targets()] == ["theirs"]


def test_the_examples_of_accounts_work() -> None:
    engine = Engine(clock=lambda: 0.0)
    simulator = SimpleNamespace(admin=AdminClient.in_process(engine))
    for program in re.findall(r"```python\n(.*?)```", ACCOUNTS, re.DOTALL):
        exec(program, {"simulator": simulator})  # noqa: S102  -- our own documentation
    simulator.admin.reset()
    (example,) = re.findall(r"```yaml\n(.*?)```", ACCOUNTS, re.DOTALL)
    simulator.admin.apply(**yaml.safe_load(example))
    tools = simulator.admin.account("222222222222", "eu-west-1")
    assert [role["name"] for role in tools.roles()] == ["mcp-targets"]
    assert len(tools.state("tools-abcdefghij")["gateways"]) == 1
    assert len(simulator.admin.call("GET", "role-changes")) == 3
