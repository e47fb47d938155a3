"""The rules for an object whose target is recorded."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api.types import McpToolSchema
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Details, Drift, GatewayView, Place, State, Verified
from mcp_gateway_operator.targets.plan import plan
from mcp_gateway_operator.targets.rules import at_war, drift_repaired
from mcp_gateway_operator.targets.shape import FieldDiff, digest_of
from tests.unit.targets.builders import (
    FOREIGN,
    GATEWAY,
    HERE,
    NOW,
    RECORD,
    SIBLING,
    SPEC,
    TARGET,
    THERE,
    TWIN,
    Decision,
    check,
    condition,
    details,
    edited_outside,
    failed,
    name_conflict,
    recorded,
    row,
    settings,
    spec,
    target,
    trouble,
    view,
    views,
)

Case = tuple[str, dict[str, Any], Decision]

READ = act.Read(place=HERE, target_id=TARGET)
LOOK = act.Read(place=HERE, target_id=TARGET, budgeted=True)
FIRST_LOOK = act.Read(place=HERE, target_id=TARGET, urgent=False, budgeted=True)
SLOW_READ = act.Read(place=HERE, target_id=TARGET, urgent=False)
EVIL = FieldDiff("endpoint", SPEC.endpoint, "https://evil.example.com/mcp")
SIGNATURE = digest_of([("endpoint", SPEC.endpoint, "https://evil.example.com/mcp")])
STATIC = spec(mcp_tool_schema=McpToolSchema(inline='{"tools": []}'))
THREE_LEGGED = spec(oauth_grant_type="AUTHORIZATION_CODE")
NOT_PROVEN: dict[str, Any] = {"memory": {"verified": None}}
EDITED: dict[str, Any] = {"memory": {"verified": None, "applied": 0}}
LATER = "2026-11-22T12:00:00.5Z"
OTHER_PRINT = row(name="other").fingerprint


def update(of: State, cause: act.Cause, *diffs: FieldDiff) -> act.Update:
    """Return the update to a state's spec."""
    return act.Update(
        place=HERE,
        target_id=TARGET,
        request=of.request,
        digest=of.want_digest,
        cause=cause,
        diffs=diffs,
    )


def denied(kind: str, message: str = "no such gateway") -> dict[Place, GatewayView]:
    """Return a gateway that could be listed until ten seconds ago."""
    missing = NOW - 10.0 if kind == "not-found" else None
    return views(view(error=failed(kind, message), missing_since=missing))


QUIET: list[Case] = [
    ("nothing to do until the sweep", {}, act.Settled(until=NOW + 3600.0)),
    ("never swept", {"memory": {"next_sweep": None}}, act.Settled()),
    (
        "an older List error says nothing of a row",
        {"gateways": denied("transient")},
        act.Settled(until=NOW + 3600.0),
    ),
    (
        "a throttled List says nothing of a gateway that was missing",
        {"gateways": views(view(error=failed("throttled", "slow down"), missing_since=NOW - 10.0))},
        act.Settled(until=NOW + 3600.0),
    ),
    (
        "the gateway is gone",
        {"gateways": denied("not-found")},
        act.Blocked(
            reason="GatewayNotFound",
            message=f"Gateway {GATEWAY} does not exist in account 123456789012, Region us-east-1",
            stalled=True,
            place=HERE,
        ),
    ),
    (
        "one 404 for the gateway is not believed",
        {"gateways": views(view(error=failed("not-found", "no"), missing_since=NOW - 0.5))},
        act.Await(
            reason="GatewayNotFound",
            message="looking again",
            place=HERE,
            until=NOW + 1.5,
            list_since=NOW + 1.5,
            quiet=True,
        ),
    ),
    (
        "a foreign marker beats the record",
        {"recorded": row(mark=FOREIGN)},
        act.Blocked(reason="ForeignMarker", message="--owner-id", stalled=True),
    ),
    (
        "a sibling's marker beats the record",
        {"recorded": row(mark=SIBLING)},
        act.Blocked(reason="ForeignMarker", message="of this installation", stalled=True),
    ),
    (
        "two records and no marker",
        {"recorded": row(mark=None), "shared": True},
        act.Blocked(reason="ForeignMarker", message="recorded by another MCPServer", stalled=True),
    ),
    ("two records and our marker", {"shared": True}, act.Settled(until=NOW + 3600.0)),
    ("no marker and a record of our own", {"recorded": row(mark=None)}, act.Settled(until=NOW + 3600.0)),
    (
        "without an owner id markers mean nothing",
        {"recorded": row(mark=FOREIGN), "settings": settings(owner_ids=())},
        act.Settled(until=NOW + 3600.0),
    ),
    (
        "a record of the Go operator, clocks five minutes apart",
        {
            "recorded": row(mark=None, created_at="2026-11-22T11:55:00Z"),
            "record": msgspec.structs.replace(RECORD, legacy=True),
        },
        act.Settled(until=NOW + 3600.0),
    ),
    *(
        (
            f"in progress: {status}",
            {"recorded": row(status=status)},
            act.Await(reason=reason, message=status, place=HERE, busy=True),
        )
        for status, reason in (
            ("CREATING", "Creating"),
            ("UPDATING", "Updating"),
            ("SYNCHRONIZING", "Synchronizing"),
            ("DELETING", "Deleting"),
        )
    ),
    (
        "in progress, and a person has to act before anybody hears how it ends",
        {
            "recorded": row(status="CREATING"),
            "gateways": views(view(error=failed("access-denied", "no List for you"), missing_since=None)),
        },
        act.Await(reason="AccessDenied", message="what became of it is not known", place=HERE, busy=True),
    ),
    (
        "in progress, and AWS is busy for now",
        {
            "recorded": row(status="CREATING"),
            "gateways": views(view(error=failed("throttled", "slow down"), missing_since=None)),
        },
        act.Await(reason="Creating", message="AWS reports the target as CREATING", place=HERE, busy=True),
    ),
    (
        "an edit waits for the state to settle",
        {"recorded": row(status="CREATING"), **EDITED},
        act.Await(reason="Creating", message="CREATING", place=HERE, busy=True),
    ),
    (
        "READY is not yet credible after our write",
        {"recorded": row(ready=False, settled=False)},
        act.Await(reason="Updating", message="confirms", place=HERE, busy=True),
    ),
    (
        "a state of the future",
        {"recorded": row(status="HIBERNATING", ready=False)},
        act.Blocked(reason="TargetFailed", message="HIBERNATING", synced=True, place=HERE, busy=True),
    ),
    (
        "the new name is taken",
        {"rename_blocked": "The target keeps its name"},
        name_conflict("keeps its name"),
    ),
]

COMPARED: list[Case] = [
    ("after a start nothing is known", NOT_PROVEN, FIRST_LOOK),
    ("an edit", EDITED, READ),
    (
        "the List shows a change",
        {"memory": {"verified": Verified(digest="", fingerprint=OTHER_PRINT, updated_at="")}},
        LOOK,
    ),
    ("the sweep is due", {"memory": {"next_sweep": NOW}}, SLOW_READ),
    (
        "another target was read",
        {**NOT_PROVEN, "targets": (target(target_id=TWIN),)},
        FIRST_LOOK,
    ),
    (
        "no difference",
        {**NOT_PROVEN, "targets": (target(),)},
        act.Verify(digest=recorded().want_digest),
    ),
    (
        "no difference at the sweep",
        {"memory": {"next_sweep": NOW}, "targets": (target(),)},
        act.Verify(digest=recorded().want_digest),
    ),
    (
        "a missing marker is no difference",
        {**NOT_PROVEN, "recorded": row(mark=None), "targets": (target(description=None),)},
        act.Verify(digest=recorded().want_digest),
    ),
    (
        "a description held in full is none either, though a marker would shorten it",
        {"of": spec(description="x" * 200), **NOT_PROVEN, "targets": (target(description="x" * 200),)},
        act.Verify(digest=recorded(of=spec(description="x" * 200)).want_digest),
    ),
    (
        "the target changed hands since the List",
        {**NOT_PROVEN, "targets": (edited_outside(description=f"[mcps {FOREIGN}]"),)},
        act.Blocked(reason="ForeignMarker", message=FOREIGN, stalled=True),
    ),
    (
        "an edit is sent",
        {**EDITED, "targets": (edited_outside(),)},
        update(recorded(), act.Cause.EDIT, EVIL),
    ),
    (
        "an edit is sent whatever was sent in vain before",
        {
            "memory": {
                "applied": 0,
                "verified": None,
                "sent_diff": SIGNATURE,
                "verify_after_repair": True,
                "drift_next": NOW + 9,
            },
            "status": {"not_converging": SIGNATURE},
            "targets": (edited_outside(),),
        },
        update(recorded(), act.Cause.EDIT, EVIL),
    ),
    (
        "what was read is older than our last write",
        {"memory": {"verified": None, "written": (LATER, NOW - 5.0)}, "targets": (edited_outside(),)},
        act.Await(reason="Updating", message="as it was before", until=NOW + 5.0),
    ),
    (
        "what was read is older than our last write, which is long ago",
        {"memory": {"verified": None, "written": (LATER, NOW - 60.0)}, "targets": (edited_outside(),)},
        update(recorded(), act.Cause.DRIFT, EVIL),
    ),
    (
        "what was read is newer than our last write",
        {
            "memory": {"verified": None, "written": (LATER, NOW - 5.0)},
            "targets": (edited_outside(updated_at="2026-11-22T13:00:00.5+01:00"),),
        },
        update(recorded(), act.Cause.DRIFT, EVIL),
    ),
    (
        "drift is repaired at once",
        {**NOT_PROVEN, "targets": (edited_outside(),)},
        update(recorded(), act.Cause.DRIFT, EVIL),
    ),
    (
        "drift again, so soon",
        {"memory": {"verified": None, "drift_next": NOW + 60.0}, "targets": (edited_outside(),)},
        act.Blocked(reason="Drifted", message="waiting before the next repair", until=NOW + 60.0),
    ),
    (
        "drift is reported",
        {"of": spec(drift_policy="Report"), **NOT_PROVEN, "targets": (edited_outside(),)},
        act.Blocked(reason="Drifted", message="driftPolicy is Report", stalled=True),
    ),
    (
        "drift of a target with consent is reported by default",
        {
            "of": THREE_LEGGED,
            **NOT_PROVEN,
            "targets": (target(THREE_LEGGED, name="renamed"),),
        },
        act.Blocked(reason="Drifted", message="driftPolicy is Report", stalled=True),
    ),
    (
        "AWS did not keep our repair",
        {
            "memory": {"verified": None, "sent_diff": SIGNATURE, "verify_after_repair": True},
            "targets": (edited_outside(),),
        },
        act.Blocked(reason="NotConverging", message="evil.example.com", stalled=True, signature=SIGNATURE),
    ),
    (
        "AWS did not keep the repair of an earlier process",
        {**NOT_PROVEN, "status": {"not_converging": SIGNATURE}, "targets": (edited_outside(),)},
        act.Blocked(reason="NotConverging", message="evil.example.com", stalled=True, signature=SIGNATURE),
    ),
    (
        "the update was refused a moment ago",
        {
            "memory": {"verified": None, "trouble": trouble(kind="validation", reason="UpdateError")},
            "targets": (edited_outside(),),
        },
        act.Blocked(reason="UpdateError", message="busy", stalled=True, until=NOW + 30.0),
    ),
]

PENDING = row(status="UPDATE_PENDING_AUTH", ready=False)
BROKEN = row(status="FAILED", ready=False)
UNREACHABLE = "Unable to connect to the MCP server."


def broken(due: float | None, **memory: Any) -> dict[str, Any]:
    """Return what makes a target's failure known, its repair due at some time."""
    return {
        "recorded": BROKEN,
        "memory": {"details": details(BROKEN, UNREACHABLE), "failure_next": due, **memory},
    }


CONSENT = details(PENDING, url="https://consent.example.com")
WAITING = act.Blocked(
    reason="PendingAuthorization",
    message="status.authorizationUrl",
    synced=True,
    place=HERE,
)

UNSETTLED: list[Case] = [
    (
        "consent comes before what AWS shows until it is given",
        {
            "recorded": PENDING,
            "memory": {"verified": None, "details": CONSENT},
            "targets": (edited_outside(status="UPDATE_PENDING_AUTH"),),
        },
        WAITING,
    ),
    (
        "an edit does not wait for consent",
        {
            "recorded": PENDING,
            "memory": {"verified": None, "applied": 0, "details": CONSENT},
            "targets": (edited_outside(status="UPDATE_PENDING_AUTH"),),
        },
        update(recorded(), act.Cause.EDIT, EVIL),
    ),
    (
        "AWS kept the old configuration when the update failed",
        {
            **broken(NOW + 30.0, verified=None),
            "targets": (edited_outside(status="UPDATE_UNSUCCESSFUL"),),
        },
        act.Blocked(reason="TargetFailed", message=UNREACHABLE, until=NOW + 30.0),
    ),
    (
        "an edit of a failed target does not wait for the repair",
        {
            **broken(NOW + 30.0, verified=None, applied=0),
            "targets": (edited_outside(status="UPDATE_UNSUCCESSFUL"),),
        },
        update(recorded(), act.Cause.EDIT, EVIL),
    ),
    ("consent: the address is read", {"recorded": PENDING}, READ),
    (
        "consent is waited for",
        {"recorded": PENDING, "memory": {"details": CONSENT}},
        WAITING,
    ),
    ("a failure's reasons are read", {"recorded": BROKEN}, LOOK),
    (
        "a failure's reasons are read again when the row changes",
        {
            "recorded": BROKEN,
            "memory": {"details": Details(fingerprint=None, reasons=(), authorization_url=None)},
        },
        LOOK,
    ),
    (
        "a failure rests until its repair is due",
        broken(NOW + 30.0),
        act.Blocked(reason="TargetFailed", message=f"FAILED: {UNREACHABLE}", synced=True, until=NOW + 30.0),
    ),
    (
        "a failure without a date is not repaired",
        broken(None),
        act.Blocked(reason="TargetFailed", message=UNREACHABLE, synced=True),
    ),
    ("a repair rests on a fresh Get", broken(NOW), LOOK),
    (
        "a repair connects again",
        {**broken(NOW), "targets": (target(status="FAILED"),)},
        act.Synchronize(place=HERE, target_id=TARGET, cause=act.Cause.FAILURE),
    ),
    (
        "a repair leaves alone what changed hands",
        {**broken(NOW), "targets": (target(status="FAILED", description=f"[mcps {FOREIGN}]"),)},
        act.Blocked(reason="ForeignMarker", message=FOREIGN, stalled=True),
    ),
    (
        "a static list cannot be synchronized",
        {"of": STATIC, **broken(NOW), "targets": (target(STATIC, status="FAILED"),)},
        update(recorded(of=STATIC), act.Cause.FAILURE),
    ),
    (
        "dynamic listing cannot be synchronized",
        {
            "of": spec(listing_mode="DYNAMIC"),
            **broken(NOW),
            "targets": (target(spec(listing_mode="DYNAMIC"), status="FAILED"),),
        },
        update(recorded(of=spec(listing_mode="DYNAMIC")), act.Cause.FAILURE),
    ),
    (
        "an empty static list means none",
        {"of": spec(mcp_tool_schema=McpToolSchema()), **broken(NOW), "targets": (target(status="FAILED"),)},
        act.Synchronize(place=HERE, target_id=TARGET, cause=act.Cause.FAILURE),
    ),
    (
        "an old IAM policy allows no Synchronize",
        {**broken(NOW), "sync_denied": True, "targets": (target(status="FAILED"),)},
        update(recorded(), act.Cause.FAILURE),
    ),
    (
        "a failed update that AWS did not keep is sent again",
        {**broken(NOW), "targets": (edited_outside(status="FAILED"),)},
        update(recorded(), act.Cause.FAILURE, EVIL),
    ),
    (
        "a repair was throttled",
        {**broken(NOW, trouble=trouble(attempts=3)), "targets": (target(status="FAILED"),)},
        act.Blocked(reason="Throttled", message="busy", until=NOW + 30.0),
    ),
]

TWO = (row(), row(TWIN))

TWINS: list[Case] = [
    (
        "a second target of the name is read",
        {"marked": TWO},
        act.Read(place=HERE, target_id=TWIN, urgent=False),
    ),
    (
        "which of two is kept, the status says as it is now",
        {"marked": TWO, "targets": (target(target_id=TWIN),)},
        act.Fetch(),
    ),
    (
        "status names the one that is kept before the other goes",
        {"marked": TWO, "targets": (target(target_id=TWIN),), "fresh": True, "memory": {"record": RECORD}},
        act.Settled(until=NOW + 1.0),
    ),
    (
        "a second target of the name is deleted",
        {"marked": TWO, "targets": (target(target_id=TWIN),), "fresh": True},
        act.Delete(place=HERE, target_id=TWIN, duplicate=True),
    ),
    (
        "one that cannot be deleted takes nothing from the one that is kept",
        {
            "marked": TWO,
            "targets": (target(target_id=TWIN),),
            "fresh": True,
            "memory": {"trouble": trouble(kind="access-denied")},
        },
        act.Settled(until=NOW + 30.0),
    ),
    (
        "unless it changed hands",
        {"marked": TWO, "targets": (target(target_id=TWIN, description=f"[mcps {FOREIGN}]"),)},
        act.Await(reason="DuplicateMarker", message=TWIN, place=HERE, list_since=NOW, quiet=True),
    ),
    (
        "another name stays, and is told of",
        {"marked": (row(), row(TWIN, name="copy"))},
        act.Settled(
            until=NOW + 3600.0,
            note=f"The marker of this object is on {TWIN} (copy), too; that is left alone. Delete it if "
            "nothing needs it.",
        ),
    ),
    (
        "another gateway stays",
        {"marked": (row(), row(TWIN, place=THERE))},
        act.Settled(until=NOW + 3600.0),
    ),
    (
        "one that goes already",
        {"marked": (row(), row(TWIN, status="DELETING"))},
        act.Settled(until=NOW + 3600.0),
    ),
    (
        "one that AWS would not delete yet",
        {"marked": (row(), row(TWIN, status="CREATING"))},
        act.Settled(until=NOW + 3600.0),
    ),
    (
        "one that a Get no longer found",
        {"marked": (row(), row(TWIN, absent_at=NOW - 1.0))},
        act.Settled(until=NOW + 3600.0),
    ),
]

GONE: dict[str, Any] = {"recorded": None, "memory": {}}

ABSENT: list[Case] = [
    ("not listed: a Get", GONE, READ),
    (
        "not listed since the start",
        {**GONE, "gateways": views(view(listed_at=None))},
        act.Await(reason="Queued", message="first list", place=HERE, list_since=0.0, quiet=True),
    ),
    (
        "one 404 is not believed",
        {**GONE, "absences": (NOW - 0.5, NOW - 0.5)},
        act.Await(reason="Drifted", message="not found", until=NOW + 1.5),
    ),
    ("two seconds later a second Get", {**GONE, "absences": (NOW - 2.0, NOW - 2.0)}, READ),
    ("two 404s", {**GONE, "absences": (NOW - 2.0, NOW)}, act.Fetch()),
    (
        "but the List shows it",
        {**GONE, "absences": (NOW - 9.0, NOW), "still_listed": True},
        act.Await(reason="Drifted", message="still listed", place=HERE, list_since=NOW),
    ),
    (
        "no List of this process has shown it, and it started half a minute ago",
        {
            **GONE,
            "absences": (NOW - 9.0, NOW),
            "was_listed": False,
            "settings": settings(started_at=NOW - 30.0),
        },
        act.Await(reason="Drifted", message="not found", until=NOW + 30.0),
    ),
    (
        "no List has shown it for a minute",
        {
            **GONE,
            "absences": (NOW - 9.0, NOW - 7.0),
            "was_listed": False,
            "settings": settings(started_at=NOW - 60.0),
        },
        READ,
    ),
    (
        "one with our marker is there instead",
        {**GONE, "absences": (NOW - 9.0, NOW), "marked": (row(TWIN),)},
        act.Read(place=HERE, target_id=TWIN),
    ),
]

LISTS: list[Case] = [
    (
        "the gateway does not exist",
        {**GONE, "gateways": denied("not-found")},
        act.Blocked(
            reason="GatewayNotFound",
            message="Correct spec.gatewayId",
            stalled=True,
            place=HERE,
        ),
    ),
    (
        "Lists are denied",
        {**GONE, "gateways": denied("access-denied", "not authorized")},
        act.Blocked(
            reason="AccessDenied",
            message="not authorized",
            stalled=True,
            place=HERE,
        ),
    ),
    (
        "Lists are refused",
        {**GONE, "gateways": denied("validation", "bad id")},
        act.Blocked(reason="ValidationError", message="bad id", stalled=True, place=HERE),
    ),
    (
        "Lists fail for a while",
        {**GONE, "gateways": denied("transient", "503")},
        act.Await(reason="AWSUnavailable", message="503", place=HERE, quiet=True),
    ),
    (
        "Lists have failed since the start, and the object was Ready",
        {
            **GONE,
            "gateways": views(view(listed_at=None, error=failed("transient", "503"))),
            "status": {"conditions": (condition(),)},
        },
        act.Await(reason="AWSUnavailable", message="503", place=HERE, quiet=True),
    ),
    *(
        (
            f"Lists have failed since the start, and the object was {what}",
            {
                **GONE,
                "gateways": views(view(listed_at=None, error=failed("transient", "503"))),
                "status": {"conditions": (was,)},
            },
            act.Blocked(reason="AWSUnavailable", message="503", place=HERE),
        )
        for what, was in (
            ("Ready in an older generation", condition(generation=0)),
            ("not Ready", condition(status="False")),
        )
    ),
    (
        "a read keeps failing",
        {**GONE, "memory": {"trouble": trouble(attempts=3, kind="transient", reason="AWSUnavailable")}},
        act.Blocked(reason="AWSUnavailable", message="busy", until=NOW + 30.0),
    ),
    (
        "a read is denied",
        {**GONE, "memory": {"trouble": trouble(kind="access-denied", reason="AccessDenied")}},
        act.Blocked(reason="AccessDenied", message="busy", stalled=True, until=NOW + 30.0),
    ),
    ("the wait is over", {**GONE, "memory": {"trouble": trouble(until=NOW)}}, READ),
]

CASES = QUIET + COMPARED + UNSETTLED + TWINS + ABSENT + LISTS


@pytest.mark.parametrize(
    ("changes", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_plan(changes: dict[str, Any], expected: Decision) -> None:
    check(plan(recorded(**changes)), expected)


def test_a_target_is_fought_over_from_the_fifth_repair_without_an_hours_peace() -> None:
    fifth = Drift(attempts=5, not_before=NOW)
    assert at_war(fifth, NOW + 3600.0)
    assert not at_war(fifth, NOW + 3600.5)
    assert not at_war(Drift(attempts=4, not_before=NOW), NOW)
    assert drift_repaired(fifth, (), NOW + 3600.0).attempts == 6
    assert drift_repaired(fifth, (), NOW + 3600.5).attempts == 1
