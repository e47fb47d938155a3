"""A target's life on real parts, with the writes and AWS calls it costs."""

from __future__ import annotations

from tests.integration.operator.fixtures import MakeSite
from tests.integration.operator.kube import condition
from tests.integration.operator.site import GATEWAY, Site
from tests.support.polling import until


def test_an_object_ready_within_two_seconds_costs_one_create_and_two_writes(running: Site) -> None:
    with running.bill() as bill:
        running.create("quick")
        obj = running.until_ready("quick")
        running.until_calls("ListGatewayTargets", 2)
    (target,) = [each for each in running.targets() if each["name"] == "quick"]
    assert obj["status"]["targetId"] == target["targetId"]
    assert obj["status"]["gatewayId"] == GATEWAY
    assert obj["status"]["targetStatus"] == "READY"
    assert obj["metadata"]["finalizers"] == ["bedrock.aws/gateway-target-finalizer"]
    assert bill.writes == 2
    assert bill.aws_writes == {"CreateGatewayTarget": 1}
    assert bill.calls["GetGatewayTarget"] == 0


def test_a_slow_object_costs_three_writes_and_no_get(site: Site) -> None:
    site.start()
    with site.bill() as bill:
        with site.frozen():
            site.create()
            waiting = site.until_reason("Creating")
            assert waiting["status"] == "False"
            assert site.target_id(), "the target is recorded while AWS still makes it"
            # A Get for each look would show.
            site.until_calls("ListGatewayTargets", 4)
        site.until_ready()
        site.until_calls("ListGatewayTargets", 2)
    assert bill.writes == 3
    assert bill.aws_writes == {"CreateGatewayTarget": 1}
    assert bill.calls["GetGatewayTarget"] == 0, site.simulator.admin.requests(limit=50)


def test_many_objects_cost_one_create_each(running: Site) -> None:
    names = [f"many-{number}" for number in range(10)]
    with running.bill() as bill:
        for name in names:
            running.create(name)
        for name in names:
            running.until_ready(name)
        running.until_calls("ListGatewayTargets", 2)
    assert {target["name"] for target in running.targets()} >= set(names)
    assert bill.aws_writes == {"CreateGatewayTarget": 10}
    assert bill.calls["GetGatewayTarget"] == 0
    assert 20 <= bill.writes <= 30


def test_an_edit_costs_one_update_and_at_most_two_writes(running: Site) -> None:
    running.create("edited")
    running.until_ready("edited")
    with running.bill() as bill:
        running.edit("edited", endpoint="https://edited.example.com/v2/mcp", description="Two")
        running.until_ready("edited")
        running.until_calls("ListGatewayTargets", 2)
    target = running.simulator.admin.target(running.target_id("edited"))
    assert target["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"].endswith("/v2/mcp")
    assert target["description"].startswith("Two [mcps ")
    assert bill.aws_writes == {"UpdateGatewayTarget": 1}
    assert 1 <= bill.writes <= 2


def test_a_deletion_costs_one_delete_and_at_most_two_writes(running: Site) -> None:
    running.create("deleted")
    running.until_ready("deleted")
    with running.bill() as bill:
        running.delete("deleted")
        running.until_gone("deleted")
        running.until_calls("ListGatewayTargets", 2)
    assert "deleted" not in {target["name"] for target in running.targets()}
    assert bill.aws_writes == {"DeleteGatewayTarget": 1}
    assert 1 <= bill.writes <= 2


def test_labels_and_foreign_annotations_concern_nobody(running: Site) -> None:
    """Neither an AWS call nor a write follows; the object is as it was."""
    running.create("labelled")
    before = running.until_ready("labelled")
    running.until_calls("ListGatewayTargets", 1)
    with running.bill() as bill:
        running.kube.edit(
            running.namespace,
            "labelled",
            lambda obj: obj["metadata"].update(
                labels={"team": "a"}, annotations={**obj["metadata"]["annotations"], "example.com/owner": "a"}
            ),
        )
        running.until_calls("ListGatewayTargets", 2)
    assert bill.writes == 0
    assert set(bill.calls) == {"ListGatewayTargets"}
    after = running.get("labelled")
    assert after is not None
    assert after["status"] == before["status"]


def test_idle_costs_one_list_a_drift_interval_and_nothing_else(make_site: MakeSite) -> None:
    site = make_site(flags=("--drift-interval=1s",))
    site.start()
    for name in ("one", "two"):
        site.create(name)
    for name in ("one", "two"):
        site.until_ready(name)
    site.until_calls("ListGatewayTargets", 1)
    began = site.simulator.admin.time()
    with site.bill() as bill:
        site.until_calls("ListGatewayTargets", 4)
    took = site.simulator.admin.time() - began
    assert bill.writes == 0
    assert set(bill.calls) == {"ListGatewayTargets"}
    # Intervals are jittered by a tenth; a slow machine makes them longer, never shorter.
    assert bill.calls["ListGatewayTargets"] <= took / 0.9 + 1


def test_edits_while_aws_still_creates_are_not_lost(site: Site) -> None:
    site.start()
    with site.bill() as bill:
        with site.frozen():
            site.create()
            until(site.targets)
            site.edit(description="Late")
            site.until_calls("ListGatewayTargets", 2)
        obj = site.until_ready()
    assert obj["status"]["observedGeneration"] == 2
    (target,) = site.targets()
    assert target["description"].startswith("Late [mcps ")
    assert bill.aws_writes == {"CreateGatewayTarget": 1, "UpdateGatewayTarget": 1}


def test_a_deletion_while_aws_still_creates_leaves_nothing(site: Site) -> None:
    site.start()
    with site.frozen():
        site.create()
        until(site.targets)
        site.delete()
        site.until_calls("ListGatewayTargets", 2)
    site.until_gone()
    assert site.targets() == []


def test_the_life_is_told_in_events(running: Site) -> None:
    running.create("told")
    running.until_ready("told")

    def reasons() -> set[str]:
        return {event["reason"] for event in running.kube.events(running.namespace, "told")}

    until(lambda: reasons() >= {"Created", "GatewayTargetReady"}, "Events of the creation")
    running.edit("told", description="Again")
    until(lambda: "Updated" in reasons(), "an Event of the update")
    running.delete("told")
    running.until_gone("told")
    until(lambda: "Deleted" in reasons(), "an Event of the deletion")


def test_conditions_speak_of_their_generation(running: Site) -> None:
    running.create("spoken")
    obj = running.until_ready("spoken")
    for kind in ("Ready", "Synced", "Reconciling", "Stalled"):
        assert condition(obj, kind)["observedGeneration"] == 1
    assert [condition(obj, kind)["status"] for kind in ("Synced", "Reconciling", "Stalled")] == [
        "True",
        "False",
        "False",
    ]
