"""`driftPolicy: Report`, and what AWS does not keep, on a real API server."""

from __future__ import annotations

from tests.integration.operator.kube import condition
from tests.integration.operator.site import Site
from tests.support.polling import until

ELSEWHERE = {"mcp": {"mcpServer": {"endpoint": "https://somebody.example.com/mcp"}}}


def test_reported_drift_is_told_and_left_until_it_is_undone(running: Site) -> None:
    admin = running.simulator.admin
    running.create("reported", driftPolicy="Report")
    running.until_ready("reported")
    target_id = running.target_id("reported")
    own = admin.target(target_id)["targetConfiguration"]
    with running.bill() as bill:
        admin.edit_target(target_id, targetConfiguration=ELSEWHERE)
        told = running.until_reason("Drifted", "reported")
        assert "endpoint" in told["message"]
        obj = running.get("reported")
        assert condition(obj, "Synced")["status"] == "False"
        assert condition(obj, "Stalled")["status"] == "True"
        running.until_calls("ListGatewayTargets", 3)
        assert admin.target(target_id)["targetConfiguration"] == ELSEWHERE
        admin.edit_target(target_id, targetConfiguration=own)
        running.until_ready("reported")
    assert bill.aws_writes == {}
    assert bill.calls["GetGatewayTarget"] == 2
    assert bill.writes == 2


def test_reported_drift_ends_with_the_next_edit(running: Site) -> None:
    admin = running.simulator.admin
    running.create("edited-after", driftPolicy="Report")
    running.until_ready("edited-after")
    target_id = running.target_id("edited-after")
    admin.edit_target(target_id, targetConfiguration=ELSEWHERE)
    running.until_reason("Drifted", "edited-after")
    with running.bill() as bill:
        running.edit("edited-after", description="Mine.")
        running.until_ready("edited-after")
    server = admin.target(target_id)["targetConfiguration"]["mcp"]["mcpServer"]
    assert server["endpoint"] == "https://edited-after.example.com/mcp"
    assert bill.aws_writes == {"UpdateGatewayTarget": 1}


def test_what_aws_does_not_keep_is_said_and_sent_once(running: Site) -> None:
    admin = running.simulator.admin
    running.create("unkept", allowedRequestHeaders=["x-trace"])
    running.until_ready("unkept")
    target_id = running.target_id("unkept")

    def updates() -> int:
        return int(admin.counts()["operations"].get("UpdateGatewayTarget", 0))

    before = updates()
    with running.bill() as bill:
        with running.frozen():
            admin.edit_target(target_id, metadataConfiguration=None)
            # The same again before the operator has seen the end of its Update.
            until(lambda: updates() > before, "an Update")
            admin.edit_target(target_id, touch=False, metadataConfiguration=None)
        told = running.until_reason("NotConverging", "unkept")
        assert "allowedRequestHeaders" in told["message"]
        running.until_calls("ListGatewayTargets", 3)
    assert bill.aws_writes == {"UpdateGatewayTarget": 1}
    assert (running.get("unkept") or {})["status"]["notConverging"]
