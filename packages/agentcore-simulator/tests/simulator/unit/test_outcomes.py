"""What the service finds when it connects to a server: scenarios, failures, recovery."""

from __future__ import annotations

import pytest

from .conftest import Simulation, server


def test_failures_keep_their_words_and_land_in_the_right_state(sim: Simulation) -> None:
    reason = "MCP server 'https://x' returned HTTP 400 to the initialize handshake."
    sim.admin.add_scenario(name="bad-*", outcome="failed", reasons=[reason])
    bad, good = sim.ready("bad-1"), sim.ready("good")
    assert sim.status(bad) == "FAILED"
    assert sim.get(bad)["statusReasons"] == [reason]
    assert sim.status(good) == "READY"
    sim.update(bad, name="bad-1")
    assert "statusReasons" not in sim.get(bad)
    sim.advance(1)
    assert sim.status(bad) == "UPDATE_UNSUCCESSFUL"
    sim.synchronize(bad)
    sim.advance(1)
    assert sim.status(bad) == "SYNCHRONIZE_UNSUCCESSFUL"
    sim.configure(switches={"sync_failure_status": "FAILED"})
    sim.synchronize(bad)
    sim.advance(1)
    assert sim.status(bad) == "FAILED"


def test_a_server_recovers_after_some_connections(sim: Simulation) -> None:
    sim.admin.add_scenario(endpoint="https://cold.*", outcome="failed", recover_after=2)
    target = sim.ready("cold", targetConfiguration=server("https://cold.example.com/mcp"))
    seen = [sim.status(target)]
    for _ in range(2):
        sim.synchronize(target)
        sim.advance(1)
        seen.append(sim.status(target))
    assert seen == ["FAILED", "SYNCHRONIZE_UNSUCCESSFUL", "READY"]


def test_failed_targets_stay_failed_until_somebody_acts(sim: Simulation) -> None:
    sim.admin.add_scenario(outcome="failed", recover_after=1)
    target = sim.ready()
    sim.advance(100_000)
    assert sim.status(target) == "FAILED"
    sim.update(target)
    sim.advance(1)
    assert sim.status(target) == "READY"


def test_durations_by_scenario(sim: Simulation) -> None:
    sim.admin.set_scenarios([{"name": "slow", "duration": 60, "deleting": 30}])
    target = sim.ready("slow")
    sim.advance(58)
    assert sim.status(target) == "CREATING"
    sim.advance(2)
    assert sim.status(target) == "READY"
    sim.delete(target)
    sim.advance(29)
    assert sim.status(target) == "DELETING"
    sim.advance(2)
    assert sim.rows() == []


def test_the_latest_scenario_comes_first(sim: Simulation) -> None:
    sim.admin.add_scenario(outcome="failed")
    sim.admin.add_scenario(name="special", outcome="ready")
    assert sim.status(sim.ready("special")) == "READY"
    assert sim.status(sim.ready("other")) == "FAILED"


def test_random_outcomes_repeat_with_the_seed(sim: Simulation) -> None:
    def run() -> list[str]:
        sim.admin.reset()
        sim.admin.create_gateway("demo-abcdefghij")
        sim.admin.add_scenario(outcome="random", probability=0.5)
        return [sim.status(sim.ready(f"t{number}")) for number in range(20)]

    first = run()
    assert set(first) == {"READY", "FAILED"}
    assert run() == first


def test_forced_status(sim: Simulation) -> None:
    target = sim.ready()
    sim.admin.set_status(target, "FAILED", ["Gateway service is not authorized to assume the execution role"])
    assert sim.status(target) == "FAILED"
    sim.admin.set_status(target, "UPDATE_PENDING_AUTH")
    assert sim.get(target)["authorizationData"]
    sim.admin.set_status(target, "DELETING")
    sim.advance(1)
    assert sim.rows() == []
    with pytest.raises(ValueError, match="no target"):
        sim.admin.set_status(target, "READY")


def test_updated_at_can_move_when_a_state_settles(sim: Simulation) -> None:
    target = sim.ready()
    assert sim.get(target)["updatedAt"] == sim.get(target)["createdAt"]
    sim.configure(switches={"settling_bumps_updated_at": True})
    other = sim.ready("other")
    assert sim.get(other)["updatedAt"] > sim.get(other)["createdAt"]


def test_jitter_spreads_durations(sim: Simulation) -> None:
    sim.configure(durations={"creating": 10, "jitter": 0.5})
    ends = set()
    for number in range(10):
        target = sim.create(f"t{number}")["targetId"]
        began = sim.now
        while sim.status(target) == "CREATING":
            sim.advance(0.5)
        ends.add(sim.now - began)
    assert min(ends) >= 5
    assert max(ends) <= 15.5
    assert len(ends) > 3
