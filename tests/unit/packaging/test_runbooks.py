"""A runbook for each alert, which names every reason that the alert can have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
RULES = yaml.safe_load((ROOT / "config" / "prometheus" / "rules.yaml").read_text(encoding="utf-8"))
ALERTS = {
    rule["alert"]: rule for group in RULES["spec"]["groups"] for rule in group["rules"] if "alert" in rule
}


@pytest.mark.parametrize("name", ALERTS)
def test_a_runbook_begins_with_a_command_and_names_every_reason(name: str) -> None:
    rule: dict[str, Any] = ALERTS[name]
    section = PAGE.partition(f"\n### {name}\n")[2].partition("\n#")[0]
    assert f"`{rule['labels']['severity']}`: " in section
    assert "\n```\n$ " in section
    if "reason" in re.sub(r"\{[^}]*\}", "", rule["expr"]):
        given = re.findall(r'reason=~"([^"]*)"', rule["expr"])
        assert {each for words in given for each in words.split("|")} <= set(re.findall(r"`(\w+)`", section))
