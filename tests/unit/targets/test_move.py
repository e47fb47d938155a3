"""The decision while a target moves to another gateway, one row a rule."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.plan import plan
from mcp_gateway_operator.targets.state import LIST_LAG, Record, Row, State
from tests.unit.targets.builders import (
    ARN,
    BORN,
    ELSEWHERE,
    FOREIGN,
    GATEWAY,
    NAME,
    NOW,
    RECORD,
    TARGET,
    TWIN,
    check,
    deleted,
    recorded,
    row,
    settings,
    spec,
    target,
    trouble,
    unrecorded,
    view,
    views,
)

ARN_THERE = ARN.replace(GATEWAY, ELSEWHERE)
BLANK = Record(gateway_id=ELSEWHERE, target_id="")
KNOWN = Record(gateway_id=ELSEWHERE, target_id=TWIN, gateway_arn=ARN_THERE, target_name=NAME)
THIRD = Record(gateway_id="third-abcdefghij", target_id="TARGET0003", gateway_arn=ARN_THERE)
NOTED = {"annotations": {names.GATEWAY_ANNOTATION: ELSEWHERE}}
FULL = {"kind": "quota-targets", "reason": "GatewayFull", "message": "is full"}
DENIED = {"kind": "access-denied", "reason": "AccessDenied", "message": "denied"}


def seen(**changes: Any) -> Row:
    """Return a row of the other gateway."""
    return row(TWIN, **{"gateway_id": ELSEWHERE, **changes})


def listed(**changes: Any) -> dict[str, Any]:
    """Return the other gateway, listed a moment ago."""
    return views(view(**{"gateway_id": ELSEWHERE, **changes}))


def at(record: Record | None = None, **changes: Any) -> State:
    """Return the object as it stands on the other gateway."""
    gateway_id = record.gateway_id if record else ELSEWHERE
    fields = {"gateway_id": gateway_id, "gateways": listed(gateway_id=gateway_id), "aside": True, **changes}
    return unrecorded(record=record, was_listed=record is not None, **fields)


def moving(*, moves: tuple[Record, ...] = (), there: dict[str, Any] | None = None, **changes: Any) -> State:
    """Return an object whose target is READY on one gateway and whose spec names the other."""
    state = recorded(moves=moves, **changes)
    state.destination = at(**(there or {}))
    return state


def settled(*leftovers: State, **changes: Any) -> State:
    """Return an object that has arrived, with what it left behind."""
    moves = tuple(place.record or BLANK for place in leftovers)
    return recorded(moves=moves, leftovers=leftovers, **changes)


def due(record: Record | None = KNOWN, **changes: Any) -> State:
    """Return a leftover that is to be removed since ten seconds."""
    memory = {"deleting_since": NOW - 10.0, **changes.pop("memory", {})}
    shown = {"recorded": seen()} if record is not None else {}
    return at(record, memory=memory, **{**shown, **changes})


def elsewhere(step: act.Action, gateway_id: str = ELSEWHERE) -> act.Elsewhere:
    """Return a step on the other gateway."""
    return act.Elsewhere(gateway_id=gateway_id, step=step)


TOWARDS = [
    (
        "the first List of the new gateway is awaited",
        {"there": {"gateways": listed(listed_at=None)}},
        act.Await(reason="Moving", message="first list", gateway_id=ELSEWHERE, list_since=0.0, quiet=True),
    ),
    (
        "a new gateway that does not exist is reported, and nothing is entered",
        {"there": {"gateways": listed(error=("not-found", "no"))}},
        act.Blocked(
            reason="GatewayNotFound",
            message=f"Moving from gateway {GATEWAY} to {ELSEWHERE}: Gateway {ELSEWHERE} does not exist",
            stalled=True,
            gateway_id=ELSEWHERE,
            list_since=NOW,
        ),
    ),
    (
        "a taken name is reported, and nothing is entered",
        {"there": {"named": (seen(mark=FOREIGN),)}},
        act.Blocked(reason="NameConflict", message=f"target {TARGET} on {GATEWAY} stays as", stalled=True),
    ),
    (
        "the new gateway is entered before anything can go there",
        {},
        act.Move(gateway_id=ELSEWHERE, message="the target is made there"),
    ),
    (
        "then the annotation says so",
        {"moves": (BLANK,)},
        act.Protect(gateway_id=ELSEWHERE),
    ),
    (
        "then the object is read",
        {"moves": (BLANK,), "there": {"meta": NOTED}},
        act.Fetch(),
    ),
    (
        "an annotation of old is not enough",
        {"there": {"meta": NOTED, "fresh": True}},
        act.Move(gateway_id=ELSEWHERE, message="the target is made there"),
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
            gateway_id=ELSEWHERE,
            list_since=NOW,
            until=NOW - 20.0 + LIST_LAG,
        ),
    ),
    (
        "a target with our marker there is read",
        {"moves": (BLANK,), "there": {"marked": (seen(),)}},
        elsewhere(act.Read(gateway_id=ELSEWHERE, target_id=TWIN)),
    ),
    (
        "and taken up",
        {"moves": (BLANK,), "there": {"marked": (seen(),), "target": target(target_id=TWIN)}},
        elsewhere(act.TakeUp(gateway_id=ELSEWHERE, target=target(target_id=TWIN))),
    ),
    (
        "the way back reads the target that was left",
        {"moves": (KNOWN,), "there": {"record": KNOWN, "recorded": seen()}},
        elsewhere(act.Read(gateway_id=ELSEWHERE, target_id=TWIN)),
    ),
    (
        "and takes it up",
        {
            "moves": (KNOWN,),
            "there": {"record": KNOWN, "recorded": seen(), "target": target(target_id=TWIN)},
        },
        elsewhere(act.TakeUp(gateway_id=ELSEWHERE, target=target(target_id=TWIN))),
    ),
    (
        "but not one that is being deleted",
        {"moves": (KNOWN,), "there": {"record": KNOWN, "recorded": seen(status="DELETING")}},
        act.Await(
            reason="Moving", message=f"until the earlier target {TWIN}", gateway_id=ELSEWHERE, busy=True
        ),
    ),
    (
        "nor one of which reads disagree",
        {
            "moves": (KNOWN,),
            "there": {
                "record": KNOWN,
                "recorded": seen(),
                "target": target(target_id=TWIN, status="DELETING"),
            },
        },
        act.Await(reason="Moving", message="disagree", gateway_id=ELSEWHERE, list_since=NOW),
    ),
    (
        "one that changed hands is not the object's any more",
        {"moves": (KNOWN,), "there": {"record": KNOWN, "recorded": seen(mark=FOREIGN)}},
        act.Forget(gateway_id=ELSEWHERE, event="ForeignMarker", message="another installation"),
    ),
    (
        "one that is not found is asked for",
        {"moves": (KNOWN,), "there": {"record": KNOWN}},
        elsewhere(act.Read(gateway_id=ELSEWHERE, target_id=TWIN)),
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
        act.Await(reason="Queued", message="first list", gateway_id=GATEWAY, list_since=0.0, quiet=True),
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
def test_towards_the_new_gateway(changes: dict[str, Any], expected: act.Action) -> None:
    check(plan(moving(**changes)), expected)


def test_the_create_goes_to_the_new_gateway() -> None:
    """Whatever the old target looks like: nothing is sent to it."""
    old = row(status="FAILED")
    action = plan(moving(moves=(BLANK,), recorded=old, there={"meta": NOTED, "fresh": True}))
    assert isinstance(action, act.Elsewhere)
    assert action.gateway_id == ELSEWHERE
    assert isinstance(action.step, act.Create)
    assert action.step.gateway_id == ELSEWHERE


REMOVING = [
    (
        "what is left over is read once more",
        [at(KNOWN, recorded=seen())],
        {},
        act.Await(reason="Moving", message="before one is deleted", gateway_id=ELSEWHERE, list_since=NOW),
    ),
    (
        "and not touched before status says which target is the object's",
        [due()],
        {"memory": {"record": RECORD}},
        act.Await(reason="Moving", message="before one is deleted", gateway_id=ELSEWHERE, list_since=NOW),
    ),
    (
        "nor on a row from before",
        [due(recorded=seen(read_began=NOW - 60.0))],
        {},
        act.Await(
            reason="Deleting", message="once more", gateway_id=ELSEWHERE, list_since=NOW - 10.0, quiet=True
        ),
    ),
    (
        "then it is deleted",
        [due()],
        {},
        elsewhere(act.Delete(gateway_id=ELSEWHERE, target_id=TWIN)),
    ),
    (
        "and awaited",
        [due(recorded=seen(status="DELETING"))],
        {},
        act.Await(reason="Deleting", message="AWS is deleting", gateway_id=ELSEWHERE, busy=True),
    ),
    (
        "and looked for when it does not show",
        [due(recorded=None)],
        {},
        elsewhere(act.Read(gateway_id=ELSEWHERE, target_id=TWIN)),
    ),
    (
        "and forgotten when it is gone",
        [
            due(
                recorded=None,
                absences=(NOW - 8.0, NOW - 7.0),
                memory={"delete_asked": NOW - 9.0},
            )
        ],
        {},
        act.Forget(gateway_id=ELSEWHERE, event="Deleted", message="is gone"),
    ),
    (
        "one that changed hands is forgotten untouched",
        [due(recorded=seen(mark=FOREIGN))],
        {},
        act.Forget(gateway_id=ELSEWHERE, event="ForeignMarker", message="another installation"),
    ),
    (
        "a gateway that was only entered by this process is forgotten",
        [due(None, memory={"protected_here": True})],
        {},
        act.Forget(gateway_id=ELSEWHERE, event="Released", message="No target was made"),
    ),
    (
        "one that another process entered is listed late enough to show what that made",
        [due(None, settings=settings(started_at=NOW - 20.0))],
        {},
        act.Await(
            reason="Deleting",
            message="never recorded",
            gateway_id=ELSEWHERE,
            list_since=NOW + 55.0,
            until=NOW + 55.0,
        ),
    ),
    (
        "what it made is read",
        [due(None, marked=(seen(),))],
        {},
        elsewhere(act.Read(gateway_id=ELSEWHERE, target_id=TWIN)),
    ),
    (
        "a gateway that is gone is forgotten",
        [
            due(
                gateways=listed(error=("not-found", "no"), missing_since=NOW - 400.0),
                memory={"gateway_gone": True},
            )
        ],
        {},
        act.Forget(gateway_id=ELSEWHERE, event="Released", message="is gone, and its targets"),
    ),
    (
        "one that is missing since a moment is not",
        [due(gateways=listed(error=("not-found", "no"), missing_since=NOW - 100.0))],
        {},
        act.Blocked(
            reason="GatewayNotFound", message="five minutes", until=NOW + 200.0, gateway_id=ELSEWHERE
        ),
    ),
    (
        "a denied Delete is waited for",
        [due(memory={"trouble": trouble(**DENIED)})],
        {},
        act.Blocked(reason="AccessDenied", message="denied", stalled=True, until=NOW + 30.0),
    ),
    (
        "Retain is the way out of it",
        [due(memory={"trouble": trouble(**DENIED)})],
        {"of": spec(deletion_policy="Retain")},
        act.Forget(gateway_id=ELSEWHERE, event="Retained", message="deletionPolicy is Retain"),
    ),
    (
        "Retain keeps nothing that can be deleted",
        [due()],
        {"of": spec(deletion_policy="Retain")},
        elsewhere(act.Delete(gateway_id=ELSEWHERE, target_id=TWIN)),
    ),
    (
        "one that waits does not hold back the other",
        [due(recorded=seen(status="DELETING")), due(THIRD, recorded=row("TARGET0003"))],
        {},
        elsewhere(act.Delete(gateway_id=GATEWAY, target_id="TARGET0003"), THIRD.gateway_id),
    ),
    (
        "a blocked rename does not keep the old target",
        [due()],
        {"rename_blocked": "taken"},
        elsewhere(act.Delete(gateway_id=ELSEWHERE, target_id=TWIN)),
    ),
]


@pytest.mark.parametrize(
    ("leftovers", "changes", "expected"), [case[1:] for case in REMOVING], ids=[case[0] for case in REMOVING]
)
def test_removing_what_is_left(leftovers: list[State], changes: dict[str, Any], expected: act.Action) -> None:
    action = plan(settled(*leftovers, **changes))
    if isinstance(action, act.Settled):
        assert action.rest is not None
        action = action.rest
    check(action, expected)


def test_a_wait_goes_before_what_is_blocked_until_the_first_deadline() -> None:
    blocked = due(memory={"trouble": trouble(**DENIED)})
    waits = due(THIRD, recorded=row("TARGET0003", status="DELETING"))
    action = plan(settled(blocked, waits))
    assert isinstance(action, act.Settled)
    assert isinstance(action.rest, act.Await)
    assert action.rest.until == NOW + 30.0


NOT_YET = [
    ("in progress", {"recorded": row(status="CREATING")}, "Moving"),
    ("not credible", {"recorded": row(ready=False, settled=False)}, "Moving"),
    ("changed hands", {"recorded": row(mark=FOREIGN)}, "ForeignMarker"),
    ("gone for a moment", {"recorded": None, "absences": (NOW - 1.0, NOW - 1.0)}, "Moving"),
]


@pytest.mark.parametrize(
    ("changes", "reason"), [case[1:] for case in NOT_YET], ids=[case[0] for case in NOT_YET]
)
def test_nothing_is_removed_before_the_new_target_is_ready(changes: dict[str, Any], reason: str) -> None:
    action = plan(settled(due(), **changes))
    assert isinstance(action, act.Await | act.Blocked)
    assert action.reason == reason
    assert f"What it has on gateway {ELSEWHERE} stays until" in action.message


def dying(*leftovers: State, **changes: Any) -> State:
    """Return an object that is being deleted in the middle of a move."""
    moves = tuple(place.record or BLANK for place in leftovers)
    return deleted(moves=moves, leftovers=leftovers, **changes)


GONE: dict[str, Any] = {"recorded": None, "absences": (NOW - 8.0, NOW - 7.0)}
ASKED: dict[str, Any] = {"memory": {"delete_asked": NOW - 9.0}}

ENDING = [
    ("its own target is deleted", [due()], {}, act.Delete(gateway_id=GATEWAY, target_id=TARGET)),
    (
        "and the one left over at the same time",
        [due()],
        {"recorded": row(status="DELETING")},
        elsewhere(act.Delete(gateway_id=ELSEWHERE, target_id=TWIN)),
    ),
    (
        "both are awaited",
        [due(recorded=seen(status="DELETING"))],
        {**GONE, **ASKED},
        act.Await(reason="Deleting", message="AWS is deleting", gateway_id=ELSEWHERE, busy=True),
    ),
    (
        "one that is gone is forgotten",
        [due(**GONE, **ASKED)],
        {"recorded": row(status="DELETING")},
        act.Forget(gateway_id=ELSEWHERE, event="Deleted", message="is gone"),
    ),
    (
        "one that cannot be deleted keeps the finalizer",
        [due(memory={"trouble": trouble(**DENIED)})],
        {**GONE, **ASKED},
        act.Blocked(reason="AccessDenied", message="denied", stalled=True, until=NOW + 30.0),
    ),
    (
        "when nothing is left the finalizer goes",
        [],
        {**GONE, **ASKED},
        act.Release(event="Deleted", message="is gone"),
    ),
    (
        "Retain keeps both and says so",
        [due()],
        {"of": spec(deletion_policy="Retain")},
        act.Release(event="Retained", message=f"the gateways {GATEWAY}, {ELSEWHERE} stays in AWS"),
    ),
    (
        "Observe touches neither",
        [due()],
        {"of": spec(management_policy="Observe")},
        act.Release(event="Released", message="Observe"),
    ),
    (
        "a pause keeps both",
        [due()],
        {"meta": {"deletion_timestamp": BORN, "annotations": {names.PAUSED_ANNOTATION: "true"}}},
        act.Blocked(reason="Paused", message="nothing is deleted"),
    ),
]


@pytest.mark.parametrize(
    ("leftovers", "changes", "expected"), [case[1:] for case in ENDING], ids=[case[0] for case in ENDING]
)
def test_the_end_of_the_object_in_the_middle(
    leftovers: list[State], changes: dict[str, Any], expected: act.Action
) -> None:
    check(plan(dying(*leftovers, **changes)), expected)
