"""The dashboard: every query has data, of a healthy fleet and of a broken one, as promtool evaluates it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.controller.metrics.declared import DECLARED
from mcp_gateway_operator.runtime.controller_metrics import DECLARED as OF_CONTROLLERS
from tests.integration.monitoring.test_outages import Outage, credentials, nothing
from tests.support.grafana import mistakes
from tests.support.promtool import ROOT, RULES, Story, run_promtool, run_stories
from tests.support.virtual_time import run_virtual
from tests.support.world import World, clients
from tests.unit.metrics.test_figures import measured

DASHBOARD: dict[str, Any] = json.loads((ROOT / "helm/mcp-gateway-operator/files/dashboard.json").read_text())
PANELS = [each for each in DASHBOARD["panels"] if each["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]


def as_grafana_sends_it(query: str) -> str:
    return query.replace("$namespace", ".*").replace("$__rate_interval", "5m")


@pytest.mark.parametrize("outage", [nothing, credentials], ids=["healthy", "broken"])
def test_no_panel_is_without_data(tmp_path: Path, outage: Outage) -> None:
    clients()

    async def scraped() -> Story:
        story, world = Story("dashboard"), World()
        async with measured(world, quotas=Quotas()) as figure:
            await world.create()
            await world.until_ready()
            await outage(world, figure, story)
            # What reads files of this process.
            minutes, story.minutes = story.minutes, story.minutes - 10
            for _ in range(10):
                story.scrape(figure.metrics.process.collect(), namespace="ops", pod="one")
            story.minutes = minutes
        return story

    story = run_virtual(scraped())
    for query in QUERIES:
        story.answers[f"count({as_grafana_sends_it(query)}) > bool 0"] = [("{}", 1)]
    run_stories(tmp_path, yaml.safe_load(RULES.read_text()), [story])


def test_promtool_finds_nothing_to_say_of_the_metrics(tmp_path: Path) -> None:
    clients()

    async def scraped() -> bytes:
        world = World()
        async with measured(world, quotas=Quotas()) as figure:
            await world.create()
            await world.until_ready()
            return generate_latest(figure.metrics.controller) + generate_latest(figure.metrics.process)

    assert run_promtool(tmp_path, "check", "metrics", stdin=run_virtual(scraped())) == ""


def test_every_metric_and_label_in_it_is_declared() -> None:
    declared = {metric.name: set(metric.labels) for metric in (*DECLARED, *OF_CONTROLLERS)}
    declared |= {name: set() for name in ("process_resident_memory_bytes", "process_cpu_seconds_total")}
    attached = {"namespace", "pod"}
    for query in QUERIES:
        for name, matchers in re.findall(r"\b([a-z]\w+_\w+)\{([^}]*)\}", query):
            labels = declared[re.sub("_bucket$", "", name)]
            assert set(re.findall(r"(\w+)[=!]", matchers)) <= labels | attached, query


def test_it_is_what_grafanas_schema_says() -> None:
    assert mistakes(DASHBOARD) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("panels.1.titel", "misspelt"),
        ("panels.1.type", "timeserie"),
        ("panels.1.gridPos.w", "8"),
        ("panels.1.gridPos", None),
        ("panels.1.fieldConfig.defaults.units", "s"),
        ("panels.1.fieldConfig.defaults.unit", 1),
        ("panels.1.options.legnd", {}),
        ("panels.1.targets.0.exprr", "up"),
        ("panels.1.targets.0.expr", 1),
        ("schemaVersion", "39"),
        ("templating.list.1.refresh", 9),
        ("templating.list.1.type", "querry"),
        ("templating.list", {}),
        ("panels", {}),
    ],
)
def test_a_mistake_in_it_would_be_found(path: str, value: object) -> None:
    broken = json.loads(json.dumps(DASHBOARD))
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    at = broken
    for part in way:
        at = at[part]
    at[last] = value
    assert mistakes(broken)


def test_it_is_what_grafana_imports() -> None:
    assert DASHBOARD["uid"]
    assert [each["name"] for each in DASHBOARD["templating"]["list"]] == ["datasource", "namespace"]
    places = [tuple(each["gridPos"].values()) for each in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert all(x + width <= 24 for x, _, width, _ in places)
    assert len({each["id"] for each in DASHBOARD["panels"]}) == len(places)
