"""Targets whose server is down, on a real API server: what a user sees, and that nobody needs to act."""

from __future__ import annotations

from agentcore_simulator import Settings
from agentcore_simulator.settings import Durations
from tests.integration.operator.fixtures import MakeSite
from tests.integration.operator.kube import Json, condition
from tests.integration.operator.site import Site, kill
from tests.support.polling import until

DOWN = (
    "Failed to connect and fetch tools from the provided MCP target server. Error - Unable to connect to "
    "the MCP server. Please check the server"
)
FIRST_REPAIR = 36.0
"""Seconds after which the first repair is sent at the latest."""


def test_a_server_that_comes_up_late_is_found_by_the_operator_alone(running: Site) -> None:
    admin = running.simulator.admin
    admin.add_scenario(name="late", outcome="failed", reasons=[DOWN], recover_after=1)
    with running.bill() as bill:
        running.create("late")
        told = running.until_reason("TargetFailed", "late")
        assert DOWN in told["message"]
        failed = running.get("late") or {}
        assert failed["status"]["statusReasons"] == [DOWN]
        assert failed["status"]["failure"]["class"] == "Unreachable"
        assert failed["status"]["failure"]["nextAttempt"]
        assert condition(failed, "Synced")["status"] == "True"
        obj = running.until_ready("late", seconds=FIRST_REPAIR + 15)
    assert "failure" not in obj["status"]
    assert "statusReasons" not in obj["status"]
    assert bill.aws_writes == {"CreateGatewayTarget": 1, "SynchronizeGatewayTargets": 1}
    assert bill.calls["GetGatewayTarget"] == 2
    assert bill.writes <= 5
    assert {"TargetFailed", "GatewayTargetReady"} <= {event["reason"] for event in _events(running, "late")}


def test_a_target_that_fails_later_is_told_within_a_look(running: Site) -> None:
    running.create("fallen")
    running.until_ready("fallen")
    running.simulator.admin.set_status(running.target_id("fallen"), "FAILED", reasons=["Rate exceeded"])
    told = running.until_reason("TargetFailed", "fallen")
    assert "Rate exceeded" in told["message"]
    assert ((running.get("fallen") or {})["status"]["failure"]["class"]) == "Throttled"
    running.edit("fallen", description="Mended.")
    running.until_ready("fallen")


def test_a_killed_process_s_successor_keeps_the_date_of_the_repair(make_site: MakeSite) -> None:
    site = make_site()
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


def test_an_object_whose_target_is_being_deleted_is_not_ready(make_site: MakeSite) -> None:
    site = make_site(settings=Settings(durations=Durations(deleting=5.0)))
    site.start()
    site.create()
    site.until_ready()
    site.delete()
    until(lambda: condition(site.get()).get("reason") == "Deleting", "a status that says Deleting")
    assert condition(site.get())["status"] == "False"
    site.until_gone()


def _events(site: Site, name: str) -> list[Json]:
    wanted = {"TargetFailed", "GatewayTargetReady"}

    def told() -> list[Json] | None:
        found = site.kube.events(site.namespace, name)
        return found if wanted <= {event["reason"] for event in found} else None

    events: list[Json] = until(told, "Events of the failure and the recovery")
    return events
