"""What holds for every decision about an object that is, or may be, on several gateways."""

from __future__ import annotations

import msgspec
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from mcp_gateway_operator.api import names
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Place, Record, State
from mcp_gateway_operator.targets.plan import plan
from tests.unit.targets.any_state import BOOLEANS, likely_states, states
from tests.unit.targets.builders import (
    ARN,
    HERE,
    NAME,
    NOW,
    OURS,
    THERE,
    Decision,
    deleted,
    recorded,
    remembering,
    row,
)
from tests.unit.targets.test_plan_properties import (
    CLOSED_SET,
    RULES,
    WRITES,
    _gateway_is_gone,
    _nothing_is_left,
    _recorded_is_gone,
    deleting,
    is_foreign,
    paused,
)

THIRD_PLACE = Place("third-abcdefghij")
LEFT = "TARGET0009"
_ANYWHERE = st.builds(recorded) | states() | likely_states()
_AT_HOME = st.sampled_from([recorded, recorded, deleted]).map(lambda build: build()) | likely_states()
_ENDING = st.sampled_from([NOW - 10.0, NOW - 10.0, None])
_OTHERS = st.integers(0, 2)


@st.composite
def places(draw: st.DrawFn, of: State, place: Place) -> State:
    """The same object, as it may stand on another gateway."""
    any_of = draw(_ANYWHERE)
    any_of = remembering(any_of, ending_since=draw(_ENDING))
    known = draw(BOOLEANS)
    held = any_of.recorded
    shown = (
        row(LEFT, mark=draw(st.sampled_from([OURS, held.summary.marker])), place=place)
        if known and held is not None
        else None
    )
    if shown is not None and held is not None:
        summary = msgspec.structs.replace(shown.summary, status=held.summary.status)
        shown = msgspec.structs.replace(
            shown, summary=summary, read_began=held.read_began, ready=held.ready, settled=held.settled
        )
    view = next(iter(any_of.gateways.values()), None)
    marked = [msgspec.structs.replace(each, place=place) for each in any_of.marked]
    named = [msgspec.structs.replace(each, place=place) for each in any_of.named]
    return msgspec.structs.replace(
        any_of,
        obj=of.obj,
        settings=of.settings,
        fresh=of.fresh,
        problems=of.problems,
        targets=any_of.targets if draw(BOOLEANS) else of.targets,
        record=Record(place=place, target_id=LEFT, gateway_arn=ARN, target_name=NAME) if known else None,
        recorded=shown,
        place=place,
        gateways={place: msgspec.structs.replace(view, place=place)} if view else {},
        marked=tuple(marked) if of.settings.marks else (),
        named=tuple(named),
        aside=True,
    )


@st.composite
def moving(draw: st.DrawFn) -> State:
    """Any state of an object with a record, and any of what it may have on other gateways."""
    state = draw(_AT_HOME)
    if state.record is None:
        state = recorded()
    assert state.record is not None
    home = state.record.place
    state = msgspec.structs.replace(state, place=home)
    others = [each for each in (HERE, THERE, THIRD_PLACE) if each != home]
    found = [draw(places(state, place)) for place in others[: draw(_OTHERS)]]
    on_its_way = draw(BOOLEANS)
    destination: State | None = None
    if found and on_its_way and not deleting(state):
        destination = found.pop()
        noted = {**state.obj.metadata.annotations, names.GATEWAY_ANNOTATION: destination.place.gateway_id}
        if draw(BOOLEANS):
            meta = msgspec.structs.replace(state.obj.metadata, annotations=noted)
            obj = msgspec.structs.replace(state.obj, metadata=meta)
            state, destination = (
                msgspec.structs.replace(state, obj=obj),
                msgspec.structs.replace(destination, obj=obj),
            )
            found = [msgspec.structs.replace(each, obj=obj) for each in found]
    entered = [*found]
    if destination is not None and (destination.record is not None or draw(BOOLEANS)):
        entered.append(destination)
    moves = tuple(each.record or Record(place=each.place, target_id="") for each in entered)
    return msgspec.structs.replace(state, destination=destination, leftovers=tuple(found), moves=moves)


@settings(
    max_examples=125,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(moving())
def test_every_rule_holds_on_every_gateway(state: State) -> None:
    before = str(state)
    action = plan(state)
    assert str(state) == before
    assert type(action) in CLOSED_SET
    at, step = _where(state, action)
    event(f"{type(action).__name__} {type(step).__name__}")
    for rule in RULES:
        if not (isinstance(step, act.TakeUp) and _goes_back(at, step)):
            rule(at, step)
    _no_gateway_is_touched_that_status_does_not_name(state, action)
    _the_old_target_is_left_alone(state, action)
    _the_new_one_comes_first(state, action)
    _forget_only_on_proof(state, action)
    _release_only_when_nothing_is_left(state, action)


def _where(state: State, action: Decision) -> tuple[State, Decision]:
    if not isinstance(action, act.AtPlace):
        return state, action
    (at,) = [
        place
        for place in (state.destination, *state.leftovers)
        if place is not None and place.place == action.place
    ]
    assert getattr(action.step, "place", at.place) == at.place
    return at, action.step


def _goes_back(at: State, step: act.TakeUp) -> bool:
    """Whether a target is taken up that status names: such a one needs no marker."""
    return at.record is not None and step.target.summary.target_id == at.record.target_id


def _no_gateway_is_touched_that_status_does_not_name(state: State, action: Decision) -> None:
    entered = {each.place for each in state.moves}
    if isinstance(action, act.AtPlace) and isinstance(action.step, WRITES):
        assert action.place in entered
    if isinstance(action, act.Move):
        assert action.place not in entered
        assert state.destination is not None
        assert action.place == state.destination.place


def _the_old_target_is_left_alone(state: State, action: Decision) -> None:
    """While it is on its way nothing is sent for its own target, nor for what is left over."""
    if state.destination is None:
        return
    assert not isinstance(action, WRITES)
    if isinstance(action, act.AtPlace):
        assert action.place == state.destination.place
        assert not isinstance(action.step, act.Delete | act.Update | act.Synchronize)


def _the_new_one_comes_first(state: State, action: Decision) -> None:
    """A live object's other target is deleted only while its own one is READY, and in status."""
    if deleting(state) or not isinstance(action, act.AtPlace):
        return
    if isinstance(action.step, act.Delete):
        assert state.destination is None
        assert state.memory.record is None
        assert state.recorded is not None
        assert state.recorded.ready
        assert not is_foreign(state, state.recorded.summary.marker)
        assert not paused(state)


def _forget_only_on_proof(state: State, action: Decision) -> None:
    if not isinstance(action, act.Forget):
        return
    (place,) = [
        each
        for each in (state.destination, *state.leftovers)
        if each is not None and each.place == action.place
    ]
    policy = state.obj.spec.deletion_policy or state.settings.default_deletion_policy
    if action.event == "Retained":
        assert policy == "Retain"
    elif action.event == "ForeignMarker":
        assert place.recorded is not None
        assert (
            is_foreign(place, place.recorded.summary.marker)
            or place.recorded.summary.marker is None
            or place.shared
        )
    elif not _gateway_is_gone(place, place.place):
        assert _recorded_is_gone(place) if place.record is not None else _nothing_is_left(_alone(place))


def _alone(place: State) -> State:
    """Return a place whose object names no other gateway."""
    meta = msgspec.structs.replace(place.obj.metadata, annotations={})
    return msgspec.structs.replace(place, obj=msgspec.structs.replace(place.obj, metadata=meta))


def _release_only_when_nothing_is_left(state: State, action: Decision) -> None:
    if isinstance(action, act.Release) and action.event != "Retained":
        assert not state.leftovers or state.obj.spec.management_policy == "Observe"
