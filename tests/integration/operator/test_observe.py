"""managementPolicy: Observe on a real API server: what would be done, and then doing it."""

from __future__ import annotations

from tests.integration.operator.kube import Json, condition
from tests.integration.operator.site import GATEWAY, Site
from tests.support.polling import until

ELSEWHERE = {"mcp": {"mcpServer": {"endpoint": "https://somebody.example.com/mcp"}}}


def says(site: Site, name: str, words: str) -> Json:
    """Wait until the Ready condition of the newest generation contains words; return the object."""

    def look() -> Json | None:
        obj = site.get(name)
        found = condition(obj)
        newest = obj is not None and found.get("observedGeneration") == obj["metadata"]["generation"]
        return obj if newest and words in found["message"] else None

    found: Json = until(look, f"{name} says {words!r}")
    return found


def test_would_create_and_then_does(running: Site) -> None:
    with running.bill() as bill:
        running.create("watched", managementPolicy="Observe")
        obj = says(running, "watched", f"would create target watched on gateway {GATEWAY}")
        running.until_calls("ListGatewayTargets", 2)
    assert "finalizers" not in obj["metadata"]
    assert condition(obj)["reason"] == condition(obj, "Synced")["reason"] == "Observed"
    assert bill.writes == 1
    assert bill.aws_writes == {}
    with running.bill() as bill:
        running.edit("watched", managementPolicy="Manage")
        running.until_ready("watched")
    assert bill.aws_writes == {"CreateGatewayTarget": 1}


def test_a_managed_object_that_is_only_observed_from_now_on(running: Site) -> None:
    running.create("handed-over")
    running.until_ready("handed-over")
    target_id = running.target_id("handed-over")
    with running.bill() as bill:
        running.edit("handed-over", managementPolicy="Observe")
        says(running, "handed-over", "Observed only")
        running.until_ready("handed-over")
        running.simulator.admin.edit_target(target_id, targetConfiguration=ELSEWHERE)
        obj = says(running, "handed-over", "would update target")
        assert "https://somebody.example.com/mcp" in condition(obj, "Synced")["message"]
        running.until_calls("ListGatewayTargets", 3)
        running.delete("handed-over")
        running.until_gone("handed-over")
    assert bill.writes <= 4
    assert bill.aws_writes == {}
    assert bill.calls["GetGatewayTarget"] <= 3
    assert target_id in {target["targetId"] for target in running.targets()}


def test_one_that_was_never_managed_goes_at_once(running: Site) -> None:
    running.create("brief", managementPolicy="Observe")
    says(running, "brief", "would create")
    running.delete("brief")
    assert running.get("brief") is None
