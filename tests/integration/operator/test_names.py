"""Several objects want one target name, or want one that somebody else's target has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.operator.kube import Json, Kube, condition, is_ready
from tests.integration.operator.site import GATEWAY, Site, open_site
from tests.support.polling import until

ELSEWHERE = {"mcp": {"mcpServer": {"endpoint": "https://somebody.example.com/mcp"}}}
NEIGHBOURS = "names-neighbours"


@pytest.fixture(scope="module")
def both(
    cluster: LocalCluster, kubeconfig: Path, kube: Kube, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One operator at work in two namespaces: the site's own, and `NEIGHBOURS`."""
    cluster.create_namespace(NEIGHBOURS)
    with open_site(cluster, kube, kubeconfig, tmp_path_factory.mktemp("names"), namespace="names") as site:
        site.start(f"--watch-namespaces=names,{NEIGHBOURS}")
        yield site
    kube.delete_all(NEIGHBOURS)


def _targets(site: Site, name: str) -> list[str]:
    return [target["targetId"] for target in site.targets() if target["name"] == name]


def test_inside_a_namespace_the_older_has_the_name_and_the_other_takes_over(both: Site) -> None:
    both.create("forecasts", targetName="forecasts")
    both.until_ready("forecasts")
    with both.bill() as bill:
        both.create("late", targetName="forecasts")
        told = both.until_reason("NameConflict", "late")
        both.until_calls("ListGatewayTargets", 3)
    assert "MCPServer names/forecasts" in told["message"]
    assert both.target_id("forecasts") in told["message"]
    assert bill.aws_writes == {}
    assert bill.writes <= 3
    with both.bill() as bill:
        both.delete("forecasts")
        both.until_ready("late")
    assert _targets(both, "forecasts") == [both.target_id("late")]
    assert bill.aws_writes["DeleteGatewayTarget"] == 1
    both.delete("late")
    both.until_gone("late")


def test_across_namespaces_too(both: Site) -> None:
    kube = both.kube
    both.create("shared")
    both.until_ready("shared")
    kube.create(NEIGHBOURS, "shared")

    def told() -> Json | None:
        found = condition(kube.get(NEIGHBOURS, "shared"))
        return found if found.get("reason") == "NameConflict" else None

    assert "MCPServer names/shared" in until(told, "a conflict")["message"]
    both.edit("shared", targetName="renamed")
    until(lambda: is_ready(kube.get(NEIGHBOURS, "shared")), "the neighbour takes the name")
    both.until_ready("shared")
    assert _targets(both, "renamed") == [both.target_id("shared")]
    assert len(_targets(both, "shared")) == 1
    kube.delete(NEIGHBOURS, "shared")
    both.delete("shared")
    both.until_gone("shared")


def test_of_many_made_at_once_one_has_the_name(both: Site) -> None:
    """Whatever the order of their events: one target, and the others say who has it."""
    names = [f"crowd-{number}" for number in range(6)]
    for name in names:
        both.create(name, targetName="crowd")
    until(lambda: sum(is_ready(both.get(name)) for name in names) == 1, "one is Ready")
    losers = [name for name in names if not is_ready(both.get(name))]
    for name in losers:
        assert "crowd-" in both.until_reason("NameConflict", name)["message"]
    assert len(_targets(both, "crowd")) == 1
    with both.bill() as bill:
        both.until_calls("ListGatewayTargets", 3)
    assert bill.writes == 0
    assert bill.aws_writes == {}
    for name in names:
        both.delete(name)
    for name in names:
        both.until_gone(name)
    assert _targets(both, "crowd") == []


def test_target_made_by_hand_is_left_alone_until_it_goes(both: Site) -> None:
    made = both.simulator.admin.create_target(GATEWAY, name="by-hand", targetConfiguration=ELSEWHERE)
    until(lambda: _targets(both, "by-hand"), "the target")
    with both.bill() as bill:
        both.create("by-hand")
        told = both.until_reason("NameConflict", "by-hand")
        both.until_calls("ListGatewayTargets", 3)
    assert made["targetId"] in told["message"]
    assert "--allow-adoption" in told["message"]
    assert bill.aws_writes == {}
    both.simulator.admin.delete_target(made["targetId"])
    both.until_ready("by-hand")
    assert _targets(both, "by-hand") == [both.target_id("by-hand")] != [made["targetId"]]


def test_rename_onto_a_taken_name_keeps_the_old_one_and_applies_the_rest(both: Site) -> None:
    for name in ("left", "right"):
        both.create(name)
    before = {name: both.until_ready(name)["status"]["targetId"] for name in ("left", "right")}
    both.edit("left", targetName="right", description="edited")
    told = both.until_reason("NameConflict", "left")
    assert "keeps the name 'left'" in told["message"]
    assert "MCPServer names/right" in told["message"]
    held = both.simulator.admin.target(before["left"])
    assert held["name"] == "left"
    assert held["description"].startswith("edited [mcps ")
    both.edit("right", targetName="left")
    both.until_reason("NameConflict", "right")
    with both.bill() as bill:
        both.until_calls("ListGatewayTargets", 3)
    assert bill.writes == 0
    assert bill.aws_writes == {}
    # A name of its own for one of them ends the swap, and each keeps its target.
    both.edit("right", targetName="aside")
    both.until_ready("left")
    both.edit("right", targetName="left")
    both.until_ready("right")
    assert _targets(both, "right") == [before["left"]]
    assert _targets(both, "left") == [before["right"]]
