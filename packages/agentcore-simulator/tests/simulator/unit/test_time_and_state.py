"""Time that stands still or jumps, and state that survives the process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcore_simulator import AdminClient, AdminRefusedError, Engine
from agentcore_simulator.admin import snapshots as files
from agentcore_simulator.plane.clock import Clock

from .conftest import GATEWAY, NOON, Simulation, oauth
from .refusals import refusal

TOKEN = "a-token-of-more-than-thirty-three-characters"


@pytest.mark.parametrize("seconds", [1e308, 260e9])
def test_time_cannot_leave_the_calendar(sim: Simulation, seconds: float) -> None:
    with pytest.raises(AdminRefusedError, match="Time ends"):
        sim.admin.advance(seconds)
    with pytest.raises(AdminRefusedError, match=r"1e9|1000000000"):
        sim.admin.configure(durations={"consent": seconds})
    assert sim.create()["status"] == "CREATING"


def test_time_stands_still_and_jumps(sim: Simulation) -> None:
    sim.admin.freeze()
    target = sim.create()["targetId"]
    sim.advance(100)  # the clock outside
    assert sim.status(target) == "CREATING"
    assert sim.admin.time() == NOON
    sim.admin.advance(0.6)
    assert sim.status(target) == "READY"
    sim.admin.resume()
    assert sim.admin.time() == pytest.approx(NOON + 0.6)
    sim.advance(1)
    assert sim.admin.time() == pytest.approx(NOON + 1.6)


def test_time_never_goes_back(sim: Simulation) -> None:
    with pytest.raises(AdminRefusedError, match="only moves forward"):
        sim.admin.advance(-1)


@given(st.lists(st.one_of(st.floats(0, 1e6), st.sampled_from(["freeze", "resume", "tick"]))))
def test_the_clock_is_monotonic(steps: list[Any]) -> None:
    base = [0.0]
    clock = Clock(lambda: base[0])
    last = clock()
    for step in steps:
        if step == "freeze":
            clock.freeze()
        elif step == "resume":
            clock.resume()
        elif step == "tick":
            base[0] += 1.0
        else:
            clock.advance(step)
        assert clock() >= last - 1e-6
        last = clock()


def test_state_survives(sim: Simulation) -> None:
    creating = sim.create("creating", clientToken=TOKEN)
    failing = sim.ready("failing")
    sim.admin.set_status(failing, "FAILED", ["broken"])
    waiting = sim.ready("waiting", credentialProviderConfigurations=oauth("AUTHORIZATION_CODE"))
    deleting = sim.ready("deleting")
    sim.control.tag_resource(resourceArn=creating["gatewayArn"], tags={"team": "a"})
    sim.admin.add_scenario(name="bad", outcome="failed")
    sim.admin.add_fault(operation="GetGateway", skip=10)
    sim.configure(durations={"updating": 50})
    sim.update(creating["targetId"], name="creating")
    sim.delete(deleting)
    snapshot = sim.admin.snapshot()
    before = [sim.get(target) for target in (creating["targetId"], failing, waiting)]

    sim.engine = Engine(clock=lambda: sim.now)
    sim.admin = AdminClient.in_process(sim.engine)
    sim.admin.restore(snapshot)

    for old in before:
        new = sim.get(old["targetId"])
        old["ResponseMetadata"] = new["ResponseMetadata"]
        assert new == old
    assert sim.create("creating", clientToken=TOKEN)["targetId"] == creating["targetId"]
    assert sim.control.list_tags_for_resource(resourceArn=creating["gatewayArn"])["tags"] == {"team": "a"}
    assert sim.status(sim.ready("bad")) == "FAILED"
    assert len(sim.admin.faults()) == 1
    with refusal("ResourceNotFoundException", 404):  # its end came in the second that passed
        sim.get(deleting)
    sim.advance(50)
    assert sim.status(creating["targetId"]) == "READY"
    sim.advance(600)
    assert sim.status(waiting) == "FAILED"


def test_what_was_due_while_nobody_ran_happens_at_its_time(sim: Simulation) -> None:
    target = sim.create()["targetId"]
    snapshot = sim.admin.snapshot()
    sim.admin.reset()
    sim.advance(3600)
    sim.admin.restore(snapshot)
    shown = sim.get(target)
    assert shown["status"] == "READY"
    assert shown["lastSynchronizedAt"].timestamp() == NOON + 0.5


def test_ids_go_on_where_they_were(sim: Simulation) -> None:
    snapshot = sim.admin.snapshot()
    first = sim.create("one")["targetId"]
    sim.admin.restore(snapshot)
    assert sim.create("two")["targetId"] == first
    assert sim.rows()[0]["name"] == "two"


def test_reads_do_not_change_the_state(sim: Simulation) -> None:
    target = sim.ready()
    before = sim.admin.snapshot()
    sim.get(target)
    sim.rows()
    assert sim.admin.snapshot() == before


@pytest.mark.parametrize("document", [b"", b"{}", b"[]", b'{"version": 2}', b"\xff"])
def test_a_file_that_is_no_state_is_refused_and_changes_nothing(sim: Simulation, document: bytes) -> None:
    sim.ready()
    with pytest.raises(ValueError, match="not a state of a simulator"):
        files.load_snapshot(sim.engine.plane, document)
    assert len(sim.rows()) == 1


def test_saving_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    files.save_file(path, b"old")

    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        files.save_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


def test_a_gateway_in_transit_goes_on(sim: Simulation) -> None:
    made = sim.control.create_gateway(
        name="mine", roleArn="arn:aws:iam::123456789012:role/gateway", authorizerType="NONE"
    )
    sim.admin.restore(sim.admin.snapshot())
    assert sim.control.get_gateway(gatewayIdentifier=made["gatewayId"])["status"] == "CREATING"
    sim.advance(1)
    assert sim.control.get_gateway(gatewayIdentifier=made["gatewayId"])["status"] == "READY"
    assert sim.control.get_gateway(gatewayIdentifier=GATEWAY)["status"] == "READY"
