"""The rules for an object that is being deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import NOWHERE, Existence, GatewayView, Place, State, Verified
from mcp_gateway_operator.targets.plan import plan
from tests.unit.targets.builders import (
    ARN,
    ELSEWHERE,
    FOREIGN,
    GATEWAY,
    HERE,
    NOW,
    RECORD,
    SIBLING,
    TARGET,
    THERE,
    TWIN,
    Decision,
    check,
    deleted,
    deleted_unrecorded,
    failed,
    row,
    settings,
    spec,
    target,
    trouble,
    view,
    views,
)

Case = tuple[str, Callable[..., State], dict[str, Any], Decision]

DELETE = act.Delete(place=HERE, target_id=TARGET)
READ = act.Read(place=HERE, target_id=TARGET)
STALE = row(read_began=NOW - 11.0)
JUST_STARTED = settings(started_at=NOW - 20.0)
NOTED_ELSEWHERE = {"annotations": {names.GATEWAY_ANNOTATION: ELSEWHERE}}


def missing(since: float, **changes: Any) -> dict[Place, GatewayView]:
    """Return a gateway whose Lists have answered 404 for so many seconds."""
    return views(view(error=failed("not-found", "no such gateway"), missing_since=NOW - since, **changes))


POLICIES: list[Case] = [
    ("not ours", deleted, {"meta": {"finalizers": ("other/finalizer",)}}, act.Nothing()),
    (
        "paused",
        deleted,
        {"meta": {"annotations": {names.PAUSED_ANNOTATION: "true"}}},
        act.Blocked(reason="Paused", message="nothing is deleted"),
    ),
    (
        "paused beats Retain",
        deleted,
        {
            "of": spec(deletion_policy="Retain"),
            "meta": {"annotations": {names.PAUSED_ANNOTATION: "true"}},
        },
        act.Blocked(reason="Paused", message="nothing is deleted"),
    ),
    (
        "observed",
        deleted,
        {"of": spec(management_policy="Observe")},
        act.Release(event="Released", message="Observe"),
    ),
    (
        "retained",
        deleted,
        {"of": spec(deletion_policy="Retain")},
        act.Release(event="Retained", message="stays in AWS"),
    ),
    (
        "retained by default",
        deleted,
        {"settings": settings(default_deletion_policy="Retain")},
        act.Release(event="Retained", message="stays in AWS"),
    ),
    (
        "not retained, although that is the default",
        deleted,
        {
            "of": spec(deletion_policy="Delete"),
            "settings": settings(default_deletion_policy="Retain"),
        },
        DELETE,
    ),
]

ASKED: list[Case] = [
    ("ours, and read since", deleted, {}, DELETE),
    ("a bad spec does not matter", deleted, {"problems": ("bad",), "want": {}, "request": {}}, DELETE),
    (
        "a row from before may have changed hands",
        deleted,
        {"recorded": STALE},
        act.Await(reason="Deleting", message="once more", place=HERE, list_since=NOW - 10.0, quiet=True),
    ),
    (
        "a foreign row from before may have come back",
        deleted,
        {"recorded": row(mark=FOREIGN, read_began=NOW - 11.0)},
        act.Await(reason="Deleting", message="once more", place=HERE, list_since=NOW - 10.0, quiet=True),
    ),
    (
        "a row from before, and Lists are denied",
        deleted,
        {"recorded": STALE, "gateways": views(view(error=failed("access-denied", "not authorized")))},
        act.Blocked(
            reason="AccessDenied",
            message="not authorized",
            stalled=True,
            place=HERE,
        ),
    ),
    (
        "a row from before, and Lists fail",
        deleted,
        {"recorded": STALE, "gateways": views(view(error=failed("transient", "503")))},
        act.Blocked(reason="AWSUnavailable", message="503", place=HERE),
    ),
    (
        "foreign",
        deleted,
        {"recorded": row(mark=FOREIGN)},
        act.Release(event="ForeignMarker", message="without a call to AWS"),
    ),
    (
        "a sibling's",
        deleted,
        {"recorded": row(mark=SIBLING)},
        act.Release(event="ForeignMarker", message="without a call to AWS"),
    ),
    (
        "going",
        deleted,
        {"recorded": row(status="DELETING")},
        act.Await(reason="Deleting", message="is deleting", place=HERE, busy=True),
    ),
    (
        "asked and not seen yet",
        deleted,
        {"memory": {"delete_asked": NOW - 9.0}},
        act.Await(reason="Deleting", message="still reports READY", place=HERE, busy=True, until=NOW + 1.0),
    ),
    ("asked and come back", deleted, {"memory": {"delete_asked": NOW - 10.0}}, DELETE),
    (
        "asked again, answered 404, and listed all the same",
        deleted,
        {
            "recorded": row(absent_at=NOW - 1.0),
            "memory": {"ending_since": NOW - 12.0, "delete_asked": NOW - 11.0},
        },
        act.Await(reason="Deleting", message="still reports READY", place=HERE, busy=True, until=NOW + 9.0),
    ),
    (
        "a 404 from before the deletion says nothing",
        deleted,
        {"recorded": row(absent_at=NOW - 2.0), "memory": {"ending_since": NOW - 1.0}},
        DELETE,
    ),
    ("asked while creating", deleted, {"recorded": row(status="CREATING")}, DELETE),
    (
        "refused while creating",
        deleted,
        {
            "recorded": row(status="CREATING"),
            "memory": {"trouble": trouble(kind="conflict", generation=2, until=NOW - 0.5)},
        },
        act.Await(reason="Deleting", message="does not delete a target in CREATING", place=HERE, busy=True),
    ),
    (
        "a conflict from before the deletion says nothing",
        deleted,
        {
            "recorded": row(status="CREATING"),
            "memory": {"trouble": trouble(kind="conflict", at=NOW - 11.0)},
        },
        DELETE,
    ),
    (
        "refused while consent is pending",
        deleted,
        {
            "recorded": row(status="CREATE_PENDING_AUTH"),
            "memory": {"trouble": trouble(kind="conflict", generation=2, reason="DeletionError")},
        },
        act.Blocked(reason="DeletionError", message="busy", until=NOW + 30.0),
    ),
    (
        "denied",
        deleted,
        {"memory": {"trouble": trouble(kind="access-denied", generation=2, reason="AccessDenied")}},
        act.Blocked(reason="AccessDenied", message="busy", stalled=True, until=NOW + 30.0),
    ),
]

GONE: dict[str, Any] = {"recorded": None, "absences": (NOW - 6.0, NOW - 6.0)}
ASKED_BEFORE = {"memory": {"delete_asked": NOW - 20.0}}

CONFIRMED: list[Case] = [
    ("vanished from the List: a Get", deleted, {"recorded": None}, READ),
    (
        "not listed since the start",
        deleted,
        {"recorded": None, "gateways": views(view(listed_at=None))},
        act.Await(reason="Queued", message="first list", place=HERE, list_since=0.0, quiet=True),
    ),
    (
        "a 404 and a List after it",
        deleted,
        {**GONE, **ASKED_BEFORE},
        act.Release(event="Deleted", message=f"Target {TARGET} is gone."),
    ),
    (
        "no List since the 404",
        deleted,
        {**ASKED_BEFORE, "recorded": None, "absences": (NOW - 5.0, NOW)},
        act.Await(reason="Deleting", message="confirms", place=HERE, list_since=NOW - 5.0, quiet=True),
    ),
    (
        "still listed after the 404",
        deleted,
        {**ASKED_BEFORE, "recorded": None, "absences": (NOW - 9.0, NOW - 6.0), "still_listed": True},
        act.Await(reason="Deleting", message="confirms", place=HERE, list_since=NOW - 6.0, quiet=True),
    ),
    (
        "the id may be newer than what reads show",
        deleted,
        {**GONE, "was_listed": False, "settings": JUST_STARTED},
        act.Await(reason="Deleting", message="believed", until=NOW + 40.0, quiet=True),
    ),
    (
        "the 404 is older than the time when it would be believed",
        deleted,
        {
            **GONE,
            "was_listed": False,
            "settings": settings(started_at=NOW - 62.0),
        },
        READ,
    ),
    (
        "a second 404 in that time, and no List since",
        deleted,
        {
            "recorded": None,
            "absences": (NOW - 40.0, NOW - 1.0),
            "was_listed": False,
            "settings": settings(started_at=NOW - 62.0),
        },
        act.Await(reason="Deleting", message="confirms", place=HERE, list_since=NOW - 1.0, quiet=True),
    ),
    (
        "gone before we asked, so it may have been created again by a predecessor",
        deleted,
        {**GONE, "settings": JUST_STARTED},
        act.Await(
            reason="Deleting",
            message="never recorded",
            place=HERE,
            list_since=NOW + 55.0,
            until=NOW + 55.0,
        ),
    ),
    (
        "created again without an answer",
        deleted,
        {**GONE, "memory": {"delete_asked": NOW - 20.0, "unsure_since": NOW - 30.0}},
        act.Await(
            reason="Deleting",
            message="never recorded",
            place=HERE,
            list_since=NOW + 45.0,
            until=NOW + 45.0,
        ),
    ),
    (
        "the successor came to light",
        deleted,
        {**GONE, "marked": (row(TWIN),)},
        act.Read(place=HERE, target_id=TWIN),
    ),
    (
        "the successor is ours",
        deleted,
        {**GONE, "marked": (row(TWIN),), "targets": (target(target_id=TWIN),)},
        act.TakeUp(place=HERE, target=target(target_id=TWIN)),
    ),
    (
        "a copy under another name stays",
        deleted,
        {**GONE, "marked": (row(TWIN, name="copy"),)},
        act.Release(event="Deleted", message=f"Target {TARGET} is gone."),
    ),
]

LACKING = (NOW - 13.0, NOW - 2.0)
UNKNOWN = Existence(unknown_at=NOW - 1.0)


def waits(message: str, until: float | None) -> act.Blocked:
    return act.Blocked(reason="GatewayNotFound", message=message, until=until, place=HERE)


def told(since: float, **changes: Any) -> dict[str, Any]:
    """Return a gateway whose Lists have answered 404 for so long, and what else AWS says of it."""
    return {"gateways": missing(since, existence=Existence(**changes))}


GONE_WITH_IT = act.Release(event="Released", message=f"Gateway {GATEWAY} is gone")
GATEWAYS: list[Case] = [
    (
        "missing for a moment, whatever was listed before",
        deleted,
        {"gateways": missing(10.0)},
        waits("four minutes", NOW + 5.0),
    ),
    (
        "missing for a while: all gateways are looked through",
        deleted,
        {"gateways": missing(15.0)},
        act.CallTheRoll(place=HERE, until=NOW + 225.0),
    ),
    ("they are being looked through", deleted, told(15.0, rolling=True), waits("four minutes", NOW + 225.0)),
    (
        "once is not enough",
        deleted,
        told(35.0, rolling=True, lacking=(NOW - 1.0, NOW - 1.0)),
        waits("four minutes", NOW + 205.0),
    ),
    (
        "twice is, after half a minute",
        deleted,
        told(28.0, rolling=True, lacking=LACKING),
        waits("four minutes", NOW + 2.0),
    ),
    (
        "then it is asked for",
        deleted,
        told(30.0, rolling=True, lacking=LACKING),
        act.CheckGateway(place=HERE),
    ),
    (
        "the answer is awaited",
        deleted,
        told(30.0, rolling=True, lacking=LACKING, asked=True),
        waits("four minutes", NOW + 210.0),
    ),
    (
        "all answers agree",
        deleted,
        told(31.0, rolling=True, lacking=LACKING, unknown_at=NOW),
        GONE_WITH_IT,
    ),
    (
        "GetGateway is denied: four minutes",
        deleted,
        told(31.0, rolling=True, lacking=LACKING, denied_at=NOW),
        waits("four minutes", NOW + 209.0),
    ),
    (
        "an answer from before ListGateways showed it again is too old",
        deleted,
        told(100.0, rolling=True, unknown_at=NOW - 50.0),
        waits("four minutes", NOW + 140.0),
    ),
    (
        "nobody knows the account: four minutes",
        deleted,
        {
            "gateways": missing(20.0),
            "settings": settings(account=""),
            "heard": {THERE: ARN},
        },
        waits("four minutes", NOW + 220.0),
    ),
    ("missing for four minutes", deleted, {"gateways": missing(240.0)}, act.CheckGateway(place=HERE)),
    ("the last answer is awaited", deleted, told(300.0, asked=True), waits("four minutes", None)),
    ("GetGateway finds it", deleted, told(300.0, known_at=NOW - 1.0), waits("the gateway is", NOW + 59.0)),
    ("GetGateway is asked again", deleted, told(300.0, known_at=NOW - 60.0), act.CheckGateway(place=HERE)),
    ("gone", deleted, told(300.0, unknown_at=NOW - 1.0), GONE_WITH_IT),
    ("it may not be asked for, and is gone", deleted, told(300.0, denied_at=NOW - 1.0), GONE_WITH_IT),
    (
        "an early answer is asked for again",
        deleted,
        told(300.0, unknown_at=NOW - 200.0),
        act.CheckGateway(place=HERE),
    ),
    (
        "the credentials are another account's by now",
        deleted,
        told(300.0, unknown_at=NOW - 1.0, where=("210987654321", "us-east-1"), where_at=NOW - 1.0),
        act.Blocked(
            reason="WrongAccountOrRegion",
            message="operator works in 210987654321 us-east-1:",
            stalled=True,
            place=HERE,
            list_since=NOW,
        ),
    ),
    (
        "and are asked for again",
        deleted,
        told(300.0, unknown_at=NOW - 60.0, where=("210987654321", "us-east-1"), where_at=NOW - 60.0),
        act.CheckGateway(place=HERE),
    ),
    *(
        (
            f"all gateways look gone from {where}",
            deleted,
            {**told(9_000.0, unknown_at=NOW - 1.0), "settings": settings(**other)},
            act.Blocked(
                reason="WrongAccountOrRegion",
                message=f"made in account 123456789012, Region us-east-1, but the operator works in {where}:",
                stalled=True,
                place=HERE,
                list_since=NOW,
            ),
        )
        for where, other in (
            ("210987654321 us-east-1", {"account": "210987654321"}),
            ("123456789012 eu-west-1", {"region": "eu-west-1"}),
            ("us-east-1", {"account": ""}),
        )
    ),
    (
        "a record that names no account proves nothing",
        deleted,
        {
            **told(9_000.0, unknown_at=NOW - 1.0),
            "record": msgspec.structs.replace(RECORD, gateway_arn=""),
        },
        act.Blocked(
            reason="WrongAccountOrRegion",
            message="account unknown",
            stalled=True,
            place=HERE,
            list_since=NOW,
        ),
    ),
]


UNRECORDED: list[Case] = [
    (
        "nothing was ever sent",
        deleted_unrecorded,
        {"memory": {"only_writer": True}, "gateways": {}},
        act.Release(event="Released", message="No target was made"),
    ),
    (
        "a Create got no answer",
        deleted_unrecorded,
        {"memory": {"only_writer": True, "unsure_since": NOW - 5.0}},
        act.Await(
            reason="Deleting",
            message="never recorded",
            place=HERE,
            list_since=NOW + 70.0,
            until=NOW + 70.0,
        ),
    ),
    (
        "a Create met a name that no List has shown: a second writer's target may be the object's",
        deleted_unrecorded,
        {"memory": {"only_writer": True, "conflict_since": NOW - 5.0}},
        act.Await(
            reason="Deleting",
            message="never recorded",
            place=HERE,
            list_since=NOW + 70.0,
            until=NOW + 70.0,
        ),
    ),
    (
        "a Create met a name that another's target has",
        deleted_unrecorded,
        {"memory": {"only_writer": True, "conflict_since": NOW - 5.0}, "named": (row(description=""),)},
        act.Release(event="Released", message="No target was made"),
    ),
    (
        "a Create succeeded, and its record was lost",
        deleted_unrecorded,
        {
            "memory": {
                "only_writer": True,
                "verified": Verified(digest="", fingerprint=None, updated_at=""),
            },
            "marked": (row(),),
        },
        READ,
    ),
    (
        "this process has just begun",
        deleted_unrecorded,
        {"settings": JUST_STARTED},
        act.Await(
            reason="Deleting",
            message="never recorded",
            place=HERE,
            list_since=NOW + 55.0,
            until=NOW + 55.0,
        ),
    ),
    (
        "the List that would tell is late",
        deleted_unrecorded,
        {"settings": settings(started_at=NOW - 79.0)},
        act.Await(reason="Deleting", message="never recorded", place=HERE, list_since=NOW - 4.0),
    ),
    (
        "nothing came to light",
        deleted_unrecorded,
        {},
        act.Release(event="Released", message="No target carries this object's marker."),
    ),
    ("found by marker", deleted_unrecorded, {"marked": (row(),)}, READ),
    (
        "found by marker, and recorded to follow its deletion",
        deleted_unrecorded,
        {"marked": (row(),), "targets": (target(),)},
        act.TakeUp(place=HERE, target=target()),
    ),
    (
        "found by marker, but it changed hands",
        deleted_unrecorded,
        {"marked": (row(),), "targets": (target(description=f"[mcps {FOREIGN}]"),)},
        act.Await(reason="Deleting", message="once more", place=HERE, list_since=NOW, quiet=True),
    ),
    (
        "found by marker, but a Get answered 404",
        deleted_unrecorded,
        {"marked": (row(absent_at=NOW - 10.0),)},
        act.Await(reason="Deleting", message="not found", place=HERE, until=NOW + 50.0, busy=True),
    ),
    (
        "the gateway is missing",
        deleted_unrecorded,
        {"gateways": missing(10.0, listed_at=None), "marked": (row(),)},
        waits("four minutes", NOW + 230.0),
    ),
    (
        "the gateway is gone with all that it held",
        deleted_unrecorded,
        {"gateways": missing(300.0, listed_at=None, existence=UNKNOWN), "marked": (row(),)},
        act.Release(event="Released", message="No gateway holds a target of it."),
    ),
    (
        "another gateway is not gone",
        deleted_unrecorded,
        {
            "gateways": {
                **missing(300.0, existence=UNKNOWN),
                **views(view(place=THERE, listed_at=None)),
            },
        },
        act.Await(reason="Queued", message=ELSEWHERE, place=THERE, list_since=0.0, quiet=True),
    ),
    (
        "the gateway of an earlier Create is looked at, whatever else is known",
        deleted_unrecorded,
        {"meta": NOTED_ELSEWHERE},
        act.Await(reason="Queued", message=ELSEWHERE, place=THERE, list_since=0.0, quiet=True),
    ),
    (
        "there is no gateway at all",
        deleted_unrecorded,
        {"gateways": {}, "place": NOWHERE, "meta": {"annotations": {}}},
        act.Release(event="Released", message="No gateway holds a target of it."),
    ),
]

CASES = POLICIES + ASKED + CONFIRMED + GATEWAYS + UNRECORDED


@pytest.mark.parametrize(
    ("build", "changes", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_plan(build: Callable[..., State], changes: dict[str, Any], expected: Decision) -> None:
    check(plan(build(**changes)), expected)
