"""What holds for every decision, from any state."""

from __future__ import annotations

from typing import TypeGuard

import msgspec
from hypothesis import HealthCheck, event, example, given, settings

from mcp_gateway_operator.api import names
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import CALL_SECONDS, LIST_LAG, NOWHERE, Place, Row, State
from mcp_gateway_operator.targets.plan import plan
from mcp_gateway_operator.targets.shape import marker_of
from mcp_gateway_operator.targets.shape.target import find_marker
from tests.unit.targets.any_state import likely_states, states
from tests.unit.targets.builders import (
    ARN,
    NOW,
    OURS,
    Decision,
    deleted,
    deleted_unrecorded,
    recorded,
    unrecorded,
)
from tests.unit.targets.one_pass import StillAws, a_pass_ends, still_aws

CLOSED_SET = {
    act.Nothing,
    act.Settled,
    act.Await,
    act.Blocked,
    act.Reject,
    act.Protect,
    act.Fetch,
    act.Read,
    act.Create,
    act.TakeUp,
    act.Verify,
    act.Update,
    act.CallTheRoll,
    act.Synchronize,
    act.Decline,
    act.Delete,
    act.Move,
    act.AtPlace,
    act.Forget,
    act.CheckGateway,
    act.Release,
}
WRITES = (act.Create, act.Update, act.Synchronize, act.Delete)


def deleting(state: State) -> bool:
    """Whether the object is being deleted."""
    return state.obj.metadata.deletion_timestamp is not None


def paused(state: State) -> bool:
    """Whether the user asked for no writes."""
    return state.obj.metadata.annotations.get(names.PAUSED_ANNOTATION) == "true"


def adopts(action: Decision) -> TypeGuard[act.TakeUp | act.Update]:
    """Whether an action takes over a target that the object did not make."""
    return (isinstance(action, act.TakeUp) and action.adopted) or (
        isinstance(action, act.Update) and action.cause is act.Cause.ADOPTION
    )


def is_foreign(state: State, mark: str | None) -> bool:
    """Whether a marker says that a target is another object's."""
    ours = [marker_of(owner, *state.obj.key) for owner in state.settings.owner_ids]
    return state.settings.marks and mark is not None and mark not in ours


def lists_fail(state: State, place: Place) -> bool:
    """Whether all who use a gateway are woken when its Lists fail otherwise than now, or succeed."""
    states = (state, state.destination, *state.leftovers)
    return any(each.view(place).error is not None for each in states if each is not None)


def a_wait_ends(state: State, action: Decision) -> None:
    """A deadline lies ahead, or the pass would begin anew at once; and who awaits will be woken."""
    until = getattr(action, "until", None)
    if until is not None and not isinstance(action, act.Settled):
        assert until > NOW
    if isinstance(action, act.Settled):
        assert until is None or until > NOW
    if isinstance(action, act.Await):
        woken = action.busy or action.list_since is not None or lists_fail(state, action.place)
        assert until is not None or (action.place != NOWHERE and woken)


def no_write_without_the_finalizer(state: State, action: Decision) -> None:
    observed = state.obj.spec.management_policy == "Observe"
    if isinstance(action, (*WRITES, act.Release)) or (isinstance(action, act.TakeUp) and not observed):
        assert state.protected
    if isinstance(action, act.Protect):
        assert not deleting(state)
        assert action.place != NOWHERE


def a_foreign_target_is_never_written(state: State, action: Decision) -> None:
    if isinstance(action, act.Update | act.Synchronize | act.Delete) and not adopts(action):
        known = [row for row in (state.recorded, *state.marked) if row is not None]
        ids = {row.summary.target_id for row in known}
        assert action.target_id in ids
        assert any(
            row.summary.target_id == action.target_id and not is_foreign(state, row.summary.marker)
            for row in known
        )
    if isinstance(action, act.TakeUp) and not adopts(action):
        mark = find_marker(action.target.summary.description)
        assert mark is not None
        assert not is_foreign(state, mark)
        assert state.settings.marks


def adoption_takes_what_both_sides_allow_and_nobody_has(state: State, action: Decision) -> None:
    if adopts(action):
        assert state.settings.allow_adoption
        assert state.obj.spec.adoption_policy == "IfExists"
        assert state.protected
        assert not state.name_recorded
        target_id = action.target.summary.target_id if isinstance(action, act.TakeUp) else action.target_id
        assert target_id in {row.summary.target_id for row in state.named}
        found = [target for target in state.targets if target.summary.target_id == target_id]
        assert found
        held = find_marker(found[0].summary.description)
        assert held is None if isinstance(action, act.TakeUp) else held in state.orphans


def updates_rest_on_a_read_of_this_pass(state: State, action: Decision) -> None:
    if isinstance(action, act.Update | act.Synchronize) or (
        isinstance(action, act.Delete) and action.duplicate
    ):
        found = [each for each in state.targets if each.summary.target_id == action.target_id]
        assert found
        mark = find_marker(found[0].summary.description)
        assert not is_foreign(state, mark) or (adopts(action) and mark in state.orphans)
    if isinstance(action, act.Delete) and not action.duplicate:
        since = state.memory.ending.since
        assert state.recorded is not None
        assert state.recorded.read_began >= (NOW if since is None else since)


def create_only_from_a_fresh_view(state: State, action: Decision) -> None:
    if isinstance(action, act.Create):
        assert state.fresh
        assert not deleting(state)
        assert not state.problems
        assert not state.marked
        assert not state.named
        assert not state.rival
        assert action.place == state.place == state.noted
        view = state.gateways[action.place]
        assert view.listed_at is not None
        assert view.error is None
        unsure = state.memory.doubt.unsure_since
        assert unsure is None or view.listed_at >= unsure + LIST_LAG


def pause_and_observe_write_nothing_to_aws(state: State, action: Decision) -> None:
    if paused(state) or state.obj.spec.management_policy == "Observe":
        assert not isinstance(action, WRITES)
    if paused(state):
        assert not isinstance(action, act.Release)
    if state.obj.spec.management_policy == "Observe":
        assert not isinstance(action, act.Protect)


def a_gateway_is_never_changed_under_a_record(state: State, action: Decision) -> None:
    if state.record is not None and isinstance(action, act.Update | act.Synchronize | act.Create):
        assert state.record.place == state.place


def settled_means_ready_and_verified(state: State, action: Decision) -> None:
    if isinstance(action, act.Settled):
        row, verified = state.recorded, state.memory.held.verified
        assert row is not None
        assert row.ready
        assert row.summary.status == "READY"
        assert not is_foreign(state, row.summary.marker)
        assert verified is not None
        assert verified.digest == state.want_digest
        assert verified.fingerprint == row.fingerprint


def reasons_and_messages_are_for_people(_state: State, action: Decision) -> None:
    """Messages are sentences for people, and reasons are CamelCase words."""
    reason = getattr(action, "reason", None)
    if reason is not None:
        assert reason.isalnum()
        assert reason[0].isupper()
        assert getattr(action, "message", "")


def release_only_on_proof(state: State, action: Decision) -> None:
    if isinstance(action, act.Release):
        assert deleting(state)
        policy = state.obj.spec.deletion_policy or state.settings.default_deletion_policy
        allowed = state.obj.spec.management_policy == "Observe" or policy == "Retain"
        assert allowed or (_recorded_is_gone(state) if state.record else _nothing_is_left(state))


RULES = (
    a_wait_ends,
    no_write_without_the_finalizer,
    a_foreign_target_is_never_written,
    adoption_takes_what_both_sides_allow_and_nobody_has,
    updates_rest_on_a_read_of_this_pass,
    create_only_from_a_fresh_view,
    pause_and_observe_write_nothing_to_aws,
    a_gateway_is_never_changed_under_a_record,
    settled_means_ready_and_verified,
    reasons_and_messages_are_for_people,
    release_only_on_proof,
)


@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(states() | likely_states() | likely_states(), still_aws())
@example(recorded(), StillAws({}, gateway_found=True))
@example(unrecorded(fresh=True), StillAws({}, gateway_found=True))
@example(deleted(), StillAws({}, gateway_found=True))
@example(deleted_unrecorded(), StillAws({}, gateway_found=True))
def test_every_rule_holds_in_every_state(state: State, aws: StillAws) -> None:
    """The decision is total and pure, and no combination of facts leads it to break a rule.

    One test for what holds of a decision, of one under Observe and of the pass that goes on from it: to draw
    a state takes fifty times as long as to decide.
    """
    before = str(state)
    action = plan(state)
    event(type(action).__name__)
    assert type(action) in CLOSED_SET
    assert str(state) == before
    assert plan(state) == action
    for rule in RULES:
        rule(state, action)
    observing_writes_nothing_and_records_nothing_foreign(state)
    a_pass_ends(state, aws)


def observing_writes_nothing_and_records_nothing_foreign(state: State) -> None:
    """Neither to AWS nor to the object's metadata; only what carries our marker enters the record."""
    policy = msgspec.structs.replace(state.obj.spec, management_policy="Observe")
    observed = msgspec.structs.replace(state, obj=msgspec.structs.replace(state.obj, spec=policy))
    action = plan(observed)
    assert not isinstance(action, (*WRITES, act.Protect, act.Fetch, act.Move, act.AtPlace, act.Forget))
    if isinstance(action, act.TakeUp):
        assert not action.adopted
        assert action.target.summary.description == f"[mcps {OURS}]"
    if isinstance(action, act.Release):
        assert deleting(observed)


def _recorded_is_gone(state: State) -> bool:
    record = state.record
    assert record is not None
    if _gateway_is_gone(state, record.place):
        return True
    row = state.recorded
    if row is not None:
        return _is_not_ours(state, row)
    view = state.gateways[record.place]
    assert state.absences is not None
    assert view.listed_at is not None
    bound = 0.0 if state.was_listed else state.settings.started_at + LIST_LAG
    confirmed = any(bound <= moment < view.listed_at for moment in state.absences)
    successors = [
        each
        for each in state.marked
        if each.summary.target_id != record.target_id and each.summary.name == record.target_name
    ]
    ends = [] if state.memory.ending.asked_at is not None else [state.settings.started_at]
    ends += [state.memory.doubt.unsure_since] if state.memory.doubt.unsure_since is not None else []
    clear = all(view.listed_at >= end + LIST_LAG + CALL_SECONDS for end in ends)
    return confirmed and clear and not state.still_listed and not successors and view.error is None


def _is_not_ours(state: State, row: Row) -> bool:
    since = state.memory.ending.since
    fresh = row.read_began >= (NOW if since is None else since)
    marked = row.summary.marker is not None and state.settings.marks
    legacy = state.record is not None and state.record.legacy
    unproven = not marked and (state.shared or legacy)
    return fresh and (is_foreign(state, row.summary.marker) or unproven)


def _gateway_is_gone(state: State, place: Place) -> bool:
    view = state.gateways.get(place)
    if view is None or view.missing_since is None or view.missing_since + 30.0 > NOW:
        return False
    told = view.existence
    lacked = told.lacking is not None and told.lacking[1] - told.lacking[0] >= 10.0
    soon = lacked and told.denied_at is None
    since = view.missing_since + (30.0 if soon else 240.0)
    answers = [told.unknown_at, None if soon else told.denied_at]
    if not any(at is not None and at >= since for at in answers):
        return False
    arn = (state.record.gateway_arn if state.record else "") or state.obj.status.gateway_arn
    account, region = told.where or (state.settings.account, state.settings.region)
    where = arn.startswith(f"arn:aws:bedrock-agentcore:{region}:{account}:") and bool(account)
    unknown = not arn and state.record is None
    assert arn in {"", ARN}
    return where or unknown


def _nothing_is_left(state: State) -> bool:
    memory = state.memory
    if memory.doubt.only_writer and memory.doubt.unsure_since is None and memory.held.verified is None:
        return True
    places = {*state.gateways, state.noted} - {NOWHERE}
    living = [place for place in places if not _gateway_is_gone(state, place)]
    end = max(state.settings.started_at, memory.doubt.unsure_since or 0.0) + LIST_LAG + CALL_SECONDS
    for place in living:
        view = state.gateways[place]
        if view.error is not None or view.listed_at is None or view.listed_at < end:
            return False
    return not any(row.place in living for row in state.marked)
