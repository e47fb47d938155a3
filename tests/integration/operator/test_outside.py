"""What others do: edits and deletions in AWS, the Go operator's objects, taken names."""

from __future__ import annotations

from functools import partial

from tests.integration.operator.fixtures import MakeSite
from tests.integration.operator.kube import Json, condition, is_ready
from tests.integration.operator.site import GATEWAY, Site, said
from tests.support.polling import until

FINALIZER = "bedrock.aws/gateway-target-finalizer"
ELSEWHERE = {"mcp": {"mcpServer": {"endpoint": "https://somebody.example.com/mcp"}}}


def test_an_edit_from_outside_is_repaired_with_an_event_that_names_the_field(running: Site) -> None:
    running.create("drifted")
    running.until_ready("drifted")
    target_id = running.target_id("drifted")
    with running.bill() as bill:
        running.simulator.admin.edit_target(target_id, targetConfiguration=ELSEWHERE)
        until(lambda: _endpoint(running, target_id) == "https://drifted.example.com/mcp", "the repair")
        running.until_ready("drifted")
        until(lambda: _event(running, "drifted", "DriftRepaired"), "an Event")
    assert "endpoint" in _event(running, "drifted", "DriftRepaired")["message"]
    assert bill.aws_writes == {"UpdateGatewayTarget": 1}


def test_a_deletion_from_outside_is_made_good(running: Site) -> None:
    running.create("lost")
    running.until_ready("lost")
    lost = running.target_id("lost")
    with running.bill() as bill:
        running.simulator.admin.delete_target(lost)
        until(lambda: running.target_id("lost") not in {"", lost}, "another target is recorded")
        running.until_ready("lost")
    assert [target["name"] for target in running.targets()].count("lost") == 1
    assert bill.aws_writes == {"CreateGatewayTarget": 1}


def test_objects_of_the_go_operator_are_taken_over_without_any_aws_write(site: Site) -> None:
    """AWS holds their specs already: the record is completed, the targets stay as they are, unmarked."""
    names = ["veteran-1", "veteran-2"]
    targets = {name: _go_object(site, name, f"https://{name}.example.com/mcp") for name in names}
    with site.bill() as bill:
        site.start()
        for name in names:
            until(partial(_recorded_for, site, name), "the record")
            site.until_ready(name)
        site.until_calls("ListGatewayTargets", 2)
    assert {name: site.target_id(name) for name in names} == targets
    assert bill.aws_writes == {}
    assert bill.writes <= 2 * len(names)
    with site.bill() as bill:
        for name in names:
            site.delete(name)
            site.until_gone(name)
    assert bill.aws_writes == {"DeleteGatewayTarget": 2}


def test_what_the_go_operator_lost_is_repaired_on_take_over(site: Site) -> None:
    """It dropped edits that came while AWS was creating."""
    target_id = _go_object(site, "behind", "https://old.example.com/mcp")
    with site.bill() as bill:
        site.start()
        until(lambda: _endpoint(site, target_id) == "https://behind.example.com/mcp", "the repair")
        site.until_ready("behind")
    assert bill.aws_writes == {"UpdateGatewayTarget": 1}


def test_a_name_that_somebody_else_has_is_reported_and_left_alone(running: Site) -> None:
    made = running.simulator.admin.create_target(
        GATEWAY, name="taken", targetConfiguration=ELSEWHERE, description="Made by Terraform"
    )
    running.until_calls("ListGatewayTargets", 2)
    with running.bill() as bill:
        running.create("taken")
        told = running.until_reason("NameConflict", "taken")
        running.until_calls("ListGatewayTargets", 2)
    assert "taken" in told["message"]
    assert bill.aws_writes == {}
    after = running.simulator.admin.target(made["targetId"])
    assert after["description"] == "Made by Terraform"
    running.edit("taken", targetName="taken-elsewhere")
    running.until_ready("taken")
    with running.bill() as bill:
        running.delete("taken")
        running.until_gone("taken")
    assert bill.aws_writes == {"DeleteGatewayTarget": 1}
    assert made["targetId"] in {target["targetId"] for target in running.targets()}


def test_a_name_taken_a_moment_ago_is_learnt_from_the_refused_create(make_site: MakeSite) -> None:
    site = make_site(flags=("--drift-interval=1h",))
    site.start()
    site.create("first")
    site.until_ready("first")
    site.simulator.admin.create_target(GATEWAY, name="taken", targetConfiguration=ELSEWHERE)
    with site.bill() as bill:
        site.create("taken")
        site.until_reason("NameConflict", "taken")
    assert bill.aws_writes == {"CreateGatewayTarget": 1}
    assert len(site.targets()) == 2


def test_an_object_that_lost_a_name_is_released_without_touching_the_other_target(running: Site) -> None:
    made = running.simulator.admin.create_target(
        GATEWAY, name="theirs", targetConfiguration=ELSEWHERE, description="Made by Terraform"
    )
    running.create("theirs")
    running.until_reason("NameConflict", "theirs")
    with running.bill() as bill:
        running.delete("theirs")
        running.until_gone("theirs")
    assert bill.aws_writes == {}
    assert made["targetId"] in {target["targetId"] for target in running.targets()}


def test_a_finalizer_removed_by_hand_comes_back(running: Site) -> None:
    running.create("bare")
    running.until_ready("bare")
    running.kube.edit(running.namespace, "bare", lambda obj: obj["metadata"].update(finalizers=[]))
    until(lambda: (running.get("bare") or {})["metadata"].get("finalizers") == [FINALIZER])
    assert is_ready(running.get("bare"))


def test_a_lost_status_is_found_again_by_the_marker(running: Site) -> None:
    running.create("forgotten")
    running.until_ready("forgotten")
    before = running.target_id("forgotten")
    with running.bill() as bill:
        running.kube.edit(running.namespace, "forgotten", lambda obj: obj.update(status={}), part="status")
        until(lambda: running.target_id("forgotten") == before, "the record is back")
        running.until_ready("forgotten")
    assert bill.aws_writes == {}


def test_a_failed_target_says_in_aws_own_words_why(running: Site) -> None:
    running.simulator.admin.add_scenario(
        name="broken*", outcome="failed", reasons=["Failed to connect to the MCP server: 503"]
    )
    running.create("broken")
    told = running.until_reason("TargetFailed", "broken")
    assert "503" in told["message"]
    obj = running.get("broken")
    assert obj is not None
    assert obj["status"]["targetStatus"] == "FAILED"
    assert obj["status"]["statusReasons"] == ["Failed to connect to the MCP server: 503"]
    assert obj["status"]["failure"]["nextAttempt"]
    assert condition(obj, "Stalled")["status"] == "False"


def test_nothing_in_this_module_was_an_internal_error(running: Site) -> None:
    """No pass failed for a reason that the operator does not know."""
    (process,) = running.processes
    running.until_calls("ListGatewayTargets", 1)
    assert [line for line in said(process, "") if line["level"] == "error"] == []


def _go_object(site: Site, name: str, endpoint: str) -> str:
    """Leave an object and its target as the Go operator leaves them; return the target's id."""
    server = {"mcp": {"mcpServer": {"endpoint": endpoint}}}
    target = site.simulator.admin.create_target(GATEWAY, name=name, targetConfiguration=server)
    status = {
        "observedGeneration": 1,
        "targetId": target["targetId"],
        "gatewayArn": target["gatewayArn"],
        "targetStatus": "READY",
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "GatewayTargetReady",
                "message": "Gateway target is ready",
                "observedGeneration": 1,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
    }
    site.create(name, metadata={"finalizers": [FINALIZER]})
    site.kube.edit(site.namespace, name, lambda obj: obj.update(status=status), part="status")
    return str(target["targetId"])


def _endpoint(site: Site, target_id: str) -> str:
    target = site.simulator.admin.target(target_id)
    return str(target["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"])


def _recorded_for(site: Site, name: str) -> str:
    return str((site.get(name) or {}).get("status", {}).get("recordedFor", ""))


def _event(site: Site, name: str, reason: str) -> Json:
    events = [each for each in site.kube.events(site.namespace, name) if each["reason"] == reason]
    return events[0] if events else {}
