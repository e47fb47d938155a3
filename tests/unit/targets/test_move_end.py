"""The decision about what a move has left behind, one row a rule."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Existence, Place, Record, State
from mcp_gateway_operator.targets.plan import plan
from mcp_gateway_operator.targets.rules import forgotten_leftovers
from tests.unit.targets.builders import (
    ACCOUNT,
    ARN,
    BORN,
    ELSEWHERE,
    FOREIGN,
    GATEWAY,
    HERE,
    NAME,
    NOW,
    RECORD,
    TARGET,
    THERE,
    TWIN,
    Decision,
    check,
    failed,
    recorded,
    row,
    settings,
    spec,
    target,
    trouble,
)
from tests.unit.targets.moving import (
    ARN_THERE,
    DENIED,
    KNOWN,
    THIRD,
    at,
    due,
    dying,
    elsewhere,
    listed,
    seen,
    settled,
)

REMOVING = [
    (
        "what is left over is read once more",
        [at(KNOWN, recorded=seen())],
        {},
        act.Await(reason="Moving", message="before one is deleted", place=THERE, list_since=NOW),
    ),
    (
        "and not touched before status says which target is the object's",
        [due()],
        {"memory": {"record": RECORD}},
        act.Await(reason="Moving", message="before one is deleted", place=THERE, list_since=NOW),
    ),
    (
        "nor on a row from before",
        [due(recorded=seen(read_began=NOW - 60.0))],
        {},
        act.Await(reason="Deleting", message="once more", place=THERE, list_since=NOW - 10.0, quiet=True),
    ),
    (
        "then it is deleted",
        [due()],
        {},
        elsewhere(act.Delete(place=THERE, target_id=TWIN)),
    ),
    (
        "and awaited",
        [due(recorded=seen(status="DELETING"))],
        {},
        act.Await(reason="Deleting", message="AWS is deleting", place=THERE, busy=True),
    ),
    (
        "and looked for when it does not show",
        [due(recorded=None)],
        {},
        elsewhere(act.Read(place=THERE, target_id=TWIN)),
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
        act.Forget(place=THERE, event="Deleted", message="is gone"),
    ),
    (
        "one that changed hands is forgotten untouched",
        [due(recorded=seen(mark=FOREIGN))],
        {},
        act.Forget(place=THERE, event="ForeignMarker", message="another installation"),
    ),
    (
        "a gateway that was only entered by this process is forgotten",
        [due(None, memory={"only_writer": True})],
        {},
        act.Forget(place=THERE, event="Released", message="No target was made"),
    ),
    (
        "one that another process entered is listed late enough to show what that made",
        [due(None, settings=settings(started_at=NOW - 20.0))],
        {},
        act.Await(
            reason="Deleting",
            message="never recorded",
            place=THERE,
            list_since=NOW + 55.0,
            until=NOW + 55.0,
        ),
    ),
    (
        "what it made is read",
        [due(None, marked=(seen(),))],
        {},
        elsewhere(act.Read(place=THERE, target_id=TWIN)),
    ),
    (
        "a gateway that is gone is forgotten",
        [
            due(
                gateways=listed(
                    error=failed("not-found", "no"),
                    missing_since=NOW - 400.0,
                    existence=Existence(unknown_at=NOW - 1.0),
                ),
            )
        ],
        {},
        act.Forget(place=THERE, event="Released", message="is gone, and its targets"),
    ),
    (
        "one that is missing since a moment is not",
        [due(gateways=listed(error=failed("not-found", "no"), missing_since=NOW - 10.0))],
        {},
        act.Blocked(reason="GatewayNotFound", message="four minutes", until=NOW + 5.0, place=THERE),
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
        act.Forget(place=THERE, event="Retained", message="deletionPolicy is Retain"),
    ),
    (
        "Retain keeps nothing that can be deleted",
        [due()],
        {"of": spec(deletion_policy="Retain")},
        elsewhere(act.Delete(place=THERE, target_id=TWIN)),
    ),
    (
        "one that waits does not hold back the other",
        [due(recorded=seen(status="DELETING")), due(THIRD, recorded=row("TARGET0003"))],
        {},
        elsewhere(act.Delete(place=HERE, target_id="TARGET0003"), THIRD.place),
    ),
    (
        "a blocked rename does not keep the old target",
        [due()],
        {"rename_blocked": "taken"},
        elsewhere(act.Delete(place=THERE, target_id=TWIN)),
    ),
]


@pytest.mark.parametrize(
    ("leftovers", "changes", "expected"), [case[1:] for case in REMOVING], ids=[case[0] for case in REMOVING]
)
def test_removing_what_is_left(leftovers: list[State], changes: dict[str, Any], expected: Decision) -> None:
    action = plan(settled(*leftovers, **changes))
    if isinstance(action, act.Settled):
        assert action.leftover is not None
        action = action.leftover
    check(action, expected)


def test_a_wait_goes_before_what_is_blocked_until_the_first_deadline() -> None:
    blocked = due(memory={"trouble": trouble(**DENIED)})
    waits = due(THIRD, recorded=row("TARGET0003", status="DELETING"))
    action = plan(settled(blocked, waits))
    assert isinstance(action, act.Settled)
    assert isinstance(action.leftover, act.Await)
    assert action.leftover.until == NOW + 30.0


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


GONE: dict[str, Any] = {"recorded": None, "absences": (NOW - 8.0, NOW - 7.0)}
ASKED: dict[str, Any] = {"memory": {"delete_asked": NOW - 9.0}}

ENDING = [
    ("its own target is deleted", [due()], {}, act.Delete(place=HERE, target_id=TARGET)),
    (
        "and the one left over at the same time",
        [due()],
        {"recorded": row(status="DELETING")},
        elsewhere(act.Delete(place=THERE, target_id=TWIN)),
    ),
    (
        "both are awaited",
        [due(recorded=seen(status="DELETING"))],
        {**GONE, **ASKED},
        act.Await(reason="Deleting", message="AWS is deleting", place=THERE, busy=True),
    ),
    (
        "one that is gone is forgotten",
        [due(**GONE, **ASKED)],
        {"recorded": row(status="DELETING")},
        act.Forget(place=THERE, event="Deleted", message="is gone"),
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
        "not before every gateway that may hold one has been listed",
        [],
        {**GONE, **ASKED, "unseen": THERE},
        act.Await(reason="Deleting", message="Making sure", place=THERE, list_since=0.0, quiet=True),
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
    leftovers: list[State], changes: dict[str, Any], expected: Decision
) -> None:
    check(plan(dying(*leftovers, **changes)), expected)


def test_what_a_forgotten_move_left_is_the_oldest_of_its_name_on_each_other_gateway() -> None:
    spoke = Place(ARN.replace(ACCOUNT, "222222222222"))
    rows = (
        row("YOUNGER", place=THERE, created_at="2026-11-22T12:00:01Z"),
        row("OLDER", place=THERE),
        row("SPOKE", place=spoke),
        row("TAKEN", place=HERE),
        row("RENAMED", place=Place("third-abcdefghij"), name="other"),
    )
    found = forgotten_leftovers(recorded(marked=rows), target(), HERE)
    assert found == (
        Record(place=THERE, target_id="OLDER", gateway_arn=ARN_THERE, target_name=NAME),
        Record(place=spoke, target_id="SPOKE", gateway_arn=spoke.gateway_id, target_name=NAME),
    )
    unknown = msgspec.structs.replace(target(), gateway_arn="")
    assert [each.gateway_arn for each in forgotten_leftovers(recorded(marked=rows), unknown, HERE)] == [
        "",
        spoke.gateway_id,
    ]
