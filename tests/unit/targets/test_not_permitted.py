"""Frozen: whatever is known of an object, nothing new is done for it where it is not permitted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.api.types import PlacedBy
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Frozen, Ruling, State
from mcp_gateway_operator.targets.plan import plan
from tests.unit.targets.any_state import states
from tests.unit.targets.builders import (
    ARN,
    FOREIGN,
    GATEWAY,
    HERE,
    TARGET,
    THERE,
    TWIN,
    UID,
    check,
    deleted,
    deleted_unrecorded,
    recorded,
    row,
    unrecorded,
    view,
    views,
)
from tests.unit.targets.moving import KNOWN, seen
from tests.unit.targets.moving import at as standing

FROZEN = Ruling(
    frozen=Frozen(reason=Reason.NOT_PERMITTED, message="MCPGateway tools does not permit this."),
    placed_by=PlacedBy(class_="tools", uid="1", gateway_arn=ARN),
)
NEW = act.Create | act.Update | act.Synchronize | act.Note


PLACED = PlacedBy(class_="tools", uid="1", gateway_arn=ARN)
GOVERNED = Ruling(placed_by=PLACED)


def at(state: State, decision: Any) -> tuple[State, Any]:
    """Return the place that a decision is for, and what is done there."""
    asides = [each for each in (state.destination, *state.leftovers) if each is not None]
    if isinstance(decision, act.AtPlace):
        return next(each for each in asides if each.place == decision.place), decision.step
    if isinstance(decision, act.Move):
        assert state.destination is not None
        return state.destination, decision
    return state, decision


def ruled(state: State, *, here: bool, there: bool) -> State:
    """Return a state that is frozen in its own place, at its destination, or in both."""
    destination = state.destination
    if destination is not None and there:
        destination = msgspec.structs.replace(destination, ruling=FROZEN)
    return msgspec.structs.replace(state, ruling=FROZEN if here else state.ruling, destination=destination)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(states(), st.booleans(), st.booleans())
def test_nothing_new_is_done_where_an_object_is_frozen(state: State, here: bool, there: bool) -> None:
    state = ruled(state, here=here, there=there)
    place, step = at(state, plan(state))
    if place.ruling.frozen is None:
        return
    assert not isinstance(step, NEW)
    assert not isinstance(step, act.Move)
    assert not (isinstance(step, act.TakeUp) and step.adopted)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(states())
def test_what_is_elsewhere_meant_is_never_settled(state: State) -> None:
    assert FROZEN.frozen is not None
    frozen = Frozen(reason=FROZEN.frozen.reason, message=FROZEN.frozen.message, at_destination=True)
    state = msgspec.structs.replace(state, ruling=Ruling(frozen=frozen), destination=None)
    deleted = bool(state.obj.metadata.deletion_timestamp)
    assert deleted or not isinstance(plan(state), act.Settled)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(states(), st.sampled_from(["", "Delete", "Retain"]))
def test_a_default_that_is_not_known_deletes_nothing(state: State, said: str) -> None:
    state = msgspec.structs.replace(state, ruling=Ruling(policies_known=False, deletion_policy=said))
    if not state.obj.metadata.deletion_timestamp or state.obj.spec.deletion_policy:
        return
    _, step = at(state, plan(state))
    assert not isinstance(step, act.Delete)
    observes = state.obj.spec.management_policy == "Observe"
    assert observes or not isinstance(step, act.Release)


def noted(**changes: Any) -> dict[str, Any]:
    """Return a status that says by which MCPGateway the object's own target was to be made."""
    return {"recorded_for": UID, "placed_by": msgspec.structs.replace(PLACED, **changes)}


@pytest.mark.parametrize(
    ("status", "creates"),
    [
        (noted(), True),
        (noted(uid="2"), True),
        (noted(class_="other"), False),
        (noted(gateway_arn=ARN.replace("tools-", "other-")), False),
        ({**noted(), "recorded_for": "another object"}, False),
        ({}, False),
    ],
    ids=[
        "it says so",
        "one made anew",
        "another MCPGateway",
        "another gateway",
        "a copied status",
        "nothing",
    ],
)
def test_status_says_by_which_mcpgateway_a_target_is_made_before_it_is(
    status: dict[str, Any], creates: bool
) -> None:
    action = plan(unrecorded(ruling=GOVERNED, status=status, fresh=True))
    assert isinstance(action, act.Create) is creates
    assert creates or action == act.Note(placed_by=PLACED)


def test_nobody_goes_back_to_what_an_earlier_move_has_left_where_it_is_not_permitted() -> None:
    left = standing(KNOWN, ruling=FROZEN, recorded=seen())
    action = plan(recorded(moves=(KNOWN,), destination=left))
    check(action, act.Blocked(reason=Reason.NOT_PERMITTED, message="does not permit", stalled=True))


@pytest.mark.parametrize(
    ("mark", "deletes"), [({}, True), ({"mark": FOREIGN}, False), ({"mark": None}, False)]
)
def test_where_an_object_is_not_permitted_its_end_deletes_what_carries_its_marker(
    mark: dict[str, Any], deletes: bool
) -> None:
    frozen = Frozen(reason=Reason.NOT_PERMITTED, message="Not permitted.", unproven=True)
    action = plan(deleted(recorded=row(**mark), ruling=Ruling(frozen=frozen)))
    assert (action == act.Delete(place=HERE, target_id=TARGET)) is deletes
    assert not isinstance(action, act.Delete) or deletes


def test_the_end_says_where_nobody_has_looked_for_what_no_record_names() -> None:
    looked = act.Release(event="Released", message="No target carries this object's marker.")
    assert plan(deleted_unrecorded()) == looked
    action = plan(deleted_unrecorded(barred=frozenset({THERE})))
    assert isinstance(action, act.Release)
    assert action.message.startswith(f"{looked.message} Gateway {THERE.gateway_id} was not looked at: ")


@pytest.mark.parametrize(("ruling", "waits"), [(FROZEN, False), (Ruling(), True)], ids=["frozen", "free"])
def test_what_was_made_elsewhere_is_not_held_up_by_a_gateway_that_is_not_permitted(
    ruling: Ruling, waits: bool
) -> None:
    """Nobody lists that one for the object."""
    found: dict[str, Any] = {"gateways": views(view(place=THERE)), "marked": (row(TWIN, place=THERE),)}
    action = plan(unrecorded(ruling=ruling, **found))
    if waits:
        check(action, act.Await(reason="Queued", message=GATEWAY, place=HERE, list_since=0.0, quiet=True))
    else:
        assert isinstance(action, act.Read)
        assert action.place == THERE


def test_who_finds_as_many_targets_as_the_mcpgateway_allows_is_told_of_which_and_how_many() -> None:
    ruling = Ruling(placed_by=PlacedBy(class_="tools", uid=UID, gateway_arn=ARN), capacity=3)
    decision = plan(msgspec.structs.replace(unrecorded(fresh=True), ruling=ruling, full=True))
    assert isinstance(decision, act.Blocked)
    assert (decision.reason, decision.stalled) == (Reason.GATEWAY_FULL, True)
    assert "MCPGateway tools lets its gateway hold 3 targets" in decision.message
