"""Targets whose server is down, on a real API server: what a user sees, and that nobody needs to act."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from tests.integration.operator.kube import Json, condition
from tests.integration.operator.site import Site, kill
from tests.support.polling import until

DOWN = (
    "Failed to connect and fetch tools from the provided MCP target server. Error - Unable to connect to "
    "the MCP server. Please check the server"
)
FIRST_REPAIR = 36.0
"""Seconds after which the first repair is sent at the latest."""


def test_a_server_that_comes_up_late_is_found_by_the_operator_alone(site: Site) -> None:
    """When the first repair is due, half a minute after the failure.

    Here, on real parts, a restart falls on the due date; that one process waits until then by itself is
    tested in virtual time.
    """
    site.simulator.admin.add_scenario(outcome="failed", reasons=[DOWN], recover_after=1)
    process = site.start()
    with site.bill() as bill:
        site.create()
        told = site.until_reason("TargetFailed")
        assert DOWN in told["message"]
        failed = site.get() or {}
        assert failed["status"]["statusReasons"] == [DOWN]
        assert failed["status"]["failure"]["class"] == "Unreachable"
        assert condition(failed, "Synced")["status"] == "True"
        left = datetime.fromisoformat(failed["status"]["failure"]["nextAttempt"]) - datetime.now(UTC)
        assert 0 < left.total_seconds() < FIRST_REPAIR
        process.stop()
        # The half minute passes.
        site.kube.edit(site.namespace, "weather", partial(_due_at, datetime.now(UTC)), part="status")
        site.start()
        # Counted from now on, it would be due in half a minute.
        obj = site.until_ready(seconds=25.0)
    assert "failure" not in obj["status"]
    assert "statusReasons" not in obj["status"]
    assert bill.aws_writes == {"CreateGatewayTarget": 1, "SynchronizeGatewayTargets": 1}
    assert bill.calls["GetGatewayTarget"] == 2
    assert bill.writes <= 5
    assert {"TargetFailed", "GatewayTargetReady"} <= {event["reason"] for event in _events(site)}


def test_a_target_that_fails_later_is_told_within_a_look(running: Site) -> None:
    running.create("fallen")
    running.until_ready("fallen")
    running.simulator.admin.set_status(running.target_id("fallen"), "FAILED", reasons=["Rate exceeded"])
    told = running.until_reason("TargetFailed", "fallen")
    assert "Rate exceeded" in told["message"]
    assert ((running.get("fallen") or {})["status"]["failure"]["class"]) == "Throttled"
    running.edit("fallen", description="Mended.")
    running.until_ready("fallen")


def test_a_killed_process_s_successor_keeps_the_date_of_the_repair(site: Site) -> None:
    site.simulator.admin.add_scenario(outcome="failed", reasons=[DOWN])
    process = site.start()
    site.create()
    site.until_reason("TargetFailed")
    before = (site.get() or {})["status"]["failure"]
    with site.bill() as bill:
        kill(process)
        site.start()
        site.until_calls("ListGatewayTargets", 3)
    assert (site.get() or {})["status"]["failure"] == before
    assert bill.aws_writes == {}
    assert bill.writes == 0


def test_an_object_whose_target_is_being_deleted_is_not_ready(site: Site) -> None:
    site.start()
    site.create()
    site.until_ready()
    with site.frozen():
        site.delete()
        until(lambda: condition(site.get()).get("reason") == "Deleting", "a status that says Deleting")
        assert condition(site.get())["status"] == "False"
    site.until_gone()


def _due_at(moment: datetime, obj: Json) -> None:
    obj["status"]["failure"]["nextAttempt"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _events(site: Site) -> list[Json]:
    wanted = {"TargetFailed", "GatewayTargetReady"}

    def told() -> list[Json] | None:
        found = site.kube.events(site.namespace, "weather")
        return found if wanted <= {event["reason"] for event in found} else None

    events: list[Json] = until(told, "Events of the failure and the recovery")
    return events
