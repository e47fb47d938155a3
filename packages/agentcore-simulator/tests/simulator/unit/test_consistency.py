"""Eventual consistency: readers that lag behind writes."""

from __future__ import annotations

import itertools

from .conftest import GATEWAY, Simulation
from .refusals import refusal


def test_a_new_target_appears_late_in_lists_and_gets(sim: Simulation) -> None:
    sim.configure(consistency={"list_lag": 3, "get_lag_after_create": 2})
    target = sim.create()["targetId"]
    with refusal("ResourceNotFoundException", 404):
        sim.get(target)
    assert sim.rows() == []
    sim.advance(2)
    assert sim.status(target) == "READY"
    assert sim.rows() == []
    with refusal("ConflictException", 409):  # writes are consistent
        sim.create()
    sim.advance(1)
    assert len(sim.rows()) == 1


def test_an_update_is_seen_late(sim: Simulation) -> None:
    target = sim.ready(description="old")
    sim.configure(consistency={"list_lag": 3, "get_lag_after_write": 2})
    sim.update(target, description="new")
    assert (sim.get(target)["description"], sim.status(target)) == ("old", "READY")
    assert (sim.rows()[0]["description"], sim.rows()[0]["status"]) == ("old", "READY")
    sim.advance(2)
    assert sim.get(target)["description"] == "new"
    assert sim.rows()[0]["description"] == "old"
    sim.advance(1)
    assert sim.rows()[0]["description"] == "new"


def test_gets_can_flap_between_old_and_new(sim: Simulation) -> None:
    target = sim.ready(description="old")
    sim.configure(consistency={"get_lag_after_write": 2, "get_staleness": 0.5})
    sim.update(target, description="new")
    seen = [sim.get(target)["description"] for _ in range(40)]
    assert {"old", "new"} == set(seen)
    assert any(later == "old" for now, later in itertools.pairwise(seen) if now == "new")
    sim.advance(2)
    assert {sim.get(target)["description"] for _ in range(20)} == {"new"}


def test_a_deleted_target_lingers(sim: Simulation) -> None:
    target = sim.ready()
    sim.configure(consistency={"list_lag": 5, "get_lag_after_write": 0.2})
    sim.delete(target)
    assert sim.status(target) == "READY"
    sim.advance(0.25)
    assert sim.status(target) == "DELETING"
    sim.advance(0.1)
    with refusal("ResourceNotFoundException", 404):
        sim.get(target)
    assert [row["status"] for row in sim.rows()] == ["READY"]
    sim.advance(5)
    assert sim.rows() == []


def test_a_list_shows_ghosts_in_their_place(sim: Simulation) -> None:
    sim.configure(consistency={"list_lag": 5})
    names = ["one", "two", "three"]
    targets = [sim.ready(name) for name in names]
    sim.advance(10)
    sim.admin.delete_target(targets[1])
    assert [row["name"] for row in sim.rows()] == names
    sim.advance(5)
    assert [row["name"] for row in sim.rows()] == ["one", "three"]


def test_a_gateway_refuses_deletion_a_little_longer(sim: Simulation) -> None:
    sim.configure(consistency={"gateway_delete_lag": 4})
    target = sim.ready()
    sim.delete(target)
    sim.advance(1)
    assert sim.rows() == []
    with refusal("ValidationException", 400, "has targets associated with it"):
        sim.control.delete_gateway(gatewayIdentifier=GATEWAY)
    sim.advance(4)
    sim.control.delete_gateway(gatewayIdentifier=GATEWAY)
