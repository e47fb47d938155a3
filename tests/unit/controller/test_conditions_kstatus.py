"""kstatus' verdict on every status that a decision can lead to, and on every state of every story."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import event, given

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.controller.tell import status_of
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import State
from mcp_gateway_operator.targets.plan import plan
from tests.support.audit import Audit, conditions
from tests.support.kstatus import kstatus, kubectl_waits
from tests.support.world import World
from tests.unit.controller.reason_stories import SETTINGS, STORIES
from tests.unit.targets.any_state import likely_states, states

WALL = datetime(2026, 11, 23, tzinfo=UTC)
A_USER_MUST_ACT = {
    Reason.VALIDATION_ERROR,
    Reason.CONFIGURATION_ERROR,
    Reason.CREATION_ERROR,
    Reason.UPDATE_ERROR,
    Reason.DELETION_ERROR,
    Reason.DRIFTED,  # driftPolicy Report
    Reason.NOT_CONVERGING,
    Reason.TARGET_FAILED,  # a consent that ran out
    Reason.NAME_CONFLICT,
    Reason.FOREIGN_MARKER,
    Reason.DUPLICATE_MARKER,
    Reason.GATEWAY_FULL,
    Reason.GATEWAY_NOT_FOUND,
    Reason.WRONG_ACCOUNT_OR_REGION,
    Reason.ACCESS_DENIED,
    Reason.DENIED_BY_POLICY,
    Reason.GATEWAY_ROLE_DENIED,
    Reason.REGION_DISABLED,
    Reason.REFERENCE_NOT_FOUND,
    Reason.AWS_UNAVAILABLE,  # a read that AWS refuses
    Reason.MOVING,  # an older CRD
    Reason.NOT_PERMITTED,
}
"""Reasons that kstatus may call Failed."""


def outcome(state: State, action: act.Wait) -> dict[str, Any] | None:
    """Return the object as the API server holds it after a pass that ended in `action`, if it was written."""
    status = status_of(state, action, wall=WALL)
    if status is None:
        return None
    obj: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(state.obj, status=status))
    obj["metadata"]["generation"] = state.obj.metadata.generation
    return obj


def check(state: State) -> None:
    """Evaluate the three rules that tools which wait rely on."""
    action = plan(state)
    obj = outcome(state, action) if isinstance(action, act.Wait) else None
    if obj is None:
        return
    event(type(action).__name__)
    told = conditions(obj)
    ready = told["Ready"]
    if obj["metadata"].get("deletionTimestamp"):
        assert kstatus(obj) == "Terminating"
        assert ready["status"] == "False"
        return
    match kstatus(obj):
        case "Current":
            assert isinstance(action, act.Settled | act.Blocked)
            assert ready["status"] == "True"
        case "Failed":
            assert told["Stalled"]["reason"] in A_USER_MUST_ACT
        case "InProgress":
            assert told["Stalled"]["status"] == "False" or told["Reconciling"]["status"] == "True"
    assert kubectl_waits(obj) == (ready["status"] != "True")
    assert {each["observedGeneration"] for each in told.values() if each["type"] != "Authorized"} == {
        state.obj.metadata.generation
    }


@given(likely_states())
def test_of_likely_states(state: State) -> None:
    check(state)


@given(states())
def test_of_any_state(state: State) -> None:
    check(state)


@pytest.mark.parametrize("reason", sorted(STORIES))
async def test_of_stories(reason: str) -> None:
    """A story ends as its reason says, and what is Current on the way there is Ready."""
    world = World(simulator=SETTINGS.get(reason))
    audit = Audit(world.api.store)
    await STORIES[reason](world)
    assert not audit.complaints
    for name, verdicts in audit.statuses().items():
        assert verdicts[0] == "InProgress", name
    for obj in audit.states:
        if kstatus(obj) == "Failed":
            assert conditions(obj)["Stalled"]["reason"] in A_USER_MUST_ACT


@pytest.mark.parametrize(
    ("obj", "verdict"),
    [
        ({"metadata": {"generation": 1}}, "Current"),
        ({"metadata": {"generation": 1}, "status": {"observedGeneration": -1}}, "InProgress"),
        ({"metadata": {"generation": 1, "deletionTimestamp": "2026-01-01T00:00:00Z"}}, "Terminating"),
        ({"metadata": {"generation": 2}, "status": {"observedGeneration": 1}}, "InProgress"),
        (
            {"metadata": {}, "status": {"conditions": [{"type": "Stalled", "status": "True"}]}},
            "Failed",
        ),
        (
            {"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}},
            "InProgress",
        ),
        ({"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}, "Current"),
    ],
)
def test_the_table_itself(obj: dict[str, Any], verdict: str) -> None:
    """Rows of kstatus' own documentation."""
    assert kstatus(obj) == verdict
