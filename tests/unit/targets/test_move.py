"""The decision on the way to another gateway, one row a rule."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import LIST_LAG, Circle
from mcp_gateway_operator.targets.plan import plan
from tests.unit.targets.builders import (
    ELSEWHERE,
    FOREIGN,
    GATEWAY,
    HERE,
    NOW,
    RECORD,
    TARGET,
    THERE,
    TWIN,
    Decision,
    check,
    failed,
    name_conflict,
    row,
    target,
    trouble,
    view,
    views,
)
from tests.unit.targets.moving import BLANK, DENIED, FULL, KNOWN, NOTED, elsewhere, listed, moving, seen

TOWARDS = [
    (
        "the first List of the new gateway is awaited",
        {"there": {"gateways": listed(listed_at=None)}},
        act.Await(reason="Moving", message="first list", place=THERE, list_since=0.0, quiet=True),
    ),
    (
        "a new gateway that does not exist is reported, and nothing is entered",
        {"there": {"gateways": listed(error=failed("not-found", "no"))}},
        act.Blocked(
            reason="GatewayNotFound",
            message=f"Moving from gateway {GATEWAY} to {ELSEWHERE}: Gateway {ELSEWHERE} does not exist",
            stalled=True,
            place=THERE,
        ),
    ),
    (
        "a taken name is reported, and nothing is entered",
        {"there": {"named": (seen(mark=FOREIGN),)}},
        name_conflict(f"target {TARGET} on {GATEWAY} stays as"),
    ),
    (
        "the new gateway is entered before anything can go there",
        {},
        act.Move(place=THERE, message="the target is made there"),
    ),
    (
        "then the annotation says so",
        {"moves": (BLANK,)},
        act.Protect(place=THERE),
    ),
    (
        "then the object is read",
        {"moves": (BLANK,), "there": {"meta": NOTED}},
        act.Fetch(),
    ),
    (
        "an annotation of old is not enough",
        {"there": {"meta": NOTED, "fresh": True}},
        act.Move(place=THERE, message="the target is made there"),
    ),
    (
        "a full gateway is reported",
        {"moves": (BLANK,), "there": {"meta": NOTED, "fresh": True, "memory": {"trouble": trouble(**FULL)}}},
        act.Blocked(reason="GatewayFull", message="is full", stalled=True, until=NOW + 30.0),
    ),
    (
        "trouble with the old target does not hold the new one back",
        {"moves": (BLANK,), "memory": {"trouble": trouble(**DENIED)}, "there": {"meta": NOTED}},
        act.Fetch(),
    ),
    (
        "after a Create without an answer its target is looked for",
        {"moves": (BLANK,), "there": {"meta": NOTED, "fresh": True, "memory": {"unsure_since": NOW - 20.0}}},
        act.Await(
            reason="Moving",
            message="did not answer the last Create",
            place=THERE,
            list_since=NOW,
            until=NOW - 20.0 + LIST_LAG,
        ),
    ),
    (
        "a target with our marker there is read",
        {"moves": (BLANK,), "there": {"marked": (seen(),)}},
        elsewhere(act.Read(place=THERE, target_id=TWIN)),
    ),
    (
        "and taken up",
        {"moves": (BLANK,), "there": {"marked": (seen(),), "targets": (target(target_id=TWIN),)}},
        elsewhere(act.TakeUp(place=THERE, target=target(target_id=TWIN))),
    ),
    (
        "the way back reads the target that was left",
        {"moves": (KNOWN,), "there": {"record": KNOWN, "recorded": seen()}},
        elsewhere(act.Read(place=THERE, target_id=TWIN)),
    ),
    (
        "and takes it up",
        {
            "moves": (KNOWN,),
            "there": {"record": KNOWN, "recorded": seen(), "targets": (target(target_id=TWIN),)},
        },
        elsewhere(act.TakeUp(place=THERE, target=target(target_id=TWIN))),
    ),
    (
        "but not one that is being deleted",
        {"moves": (KNOWN,), "there": {"record": KNOWN, "recorded": seen(status="DELETING")}},
        act.Await(reason="Moving", message=f"until the earlier target {TWIN}", place=THERE, busy=True),
    ),
    (
        "nor one of which reads disagree",
        {
            "moves": (KNOWN,),
            "there": {
                "record": KNOWN,
                "recorded": seen(),
                "targets": (target(target_id=TWIN, status="DELETING"),),
            },
        },
        act.Await(reason="Moving", message="disagree", place=THERE, list_since=NOW),
    ),
    (
        "one that changed hands is not the object's any more",
        {"moves": (KNOWN,), "there": {"record": KNOWN, "recorded": seen(mark=FOREIGN)}},
        act.Forget(place=THERE, event="ForeignMarker", message="another installation"),
    ),
    (
        "one that is not found is asked for",
        {"moves": (KNOWN,), "there": {"record": KNOWN}},
        elsewhere(act.Read(place=THERE, target_id=TWIN)),
    ),
    (
        "one that is gone is made anew",
        {"moves": (KNOWN,), "there": {"record": KNOWN, "absences": (NOW - 5.0, NOW), "meta": NOTED}},
        act.Fetch(),
    ),
    (
        "whose a target of the Go operator is must be known before it is left",
        {
            "record": msgspec.structs.replace(RECORD, legacy=True),
            "recorded": None,
            "gateways": views(view(listed_at=None)),
        },
        act.Await(reason="Queued", message="first list", place=HERE, list_since=0.0, quiet=True),
    ),
    (
        "a paused object does not move",
        {"meta": {"annotations": {names.PAUSED_ANNOTATION: "true"}}},
        act.Blocked(reason="Paused", message="Paused"),
    ),
    (
        "a wrong spec does not move",
        {"problems": ("wrong",)},
        act.Reject(reason="ValidationError", message="wrong"),
    ),
]


@pytest.mark.parametrize(
    ("changes", "expected"), [case[1:] for case in TOWARDS], ids=[case[0] for case in TOWARDS]
)
def test_towards_the_new_gateway(changes: dict[str, Any], expected: Decision) -> None:
    check(plan(moving(**changes)), expected)


def test_the_create_goes_to_the_new_gateway() -> None:
    """Whatever the old target looks like: nothing is sent to it."""
    old = row(status="FAILED")
    action = plan(moving(moves=(BLANK,), recorded=old, there={"meta": NOTED, "fresh": True}))
    assert isinstance(action, act.AtPlace)
    assert action.place == THERE
    assert isinstance(action.step, act.Create)
    assert action.step.place == THERE


@pytest.mark.parametrize(("why", "told"), [(FULL, True), (DENIED, False)], ids=["no room", "another reason"])
def test_a_circle_is_told_of_where_room_is_waited_for(why: dict[str, Any], told: bool) -> None:
    circle = Circle(members="a and b", for_names=False, for_room=True)
    there = {"meta": NOTED, "fresh": True, "circle": circle, "memory": {"trouble": trouble(**why)}}
    action = plan(moving(moves=(BLANK,), there=there))
    assert isinstance(action, act.Blocked)
    assert ("MCPServers a and b wait for each other's room" in action.message) is told
