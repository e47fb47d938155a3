"""What an observed object is told: what Manage would do now, as a sentence, and never a write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import NOWHERE, State
from mcp_gateway_operator.targets.plan import plan
from tests.unit.targets.builders import (
    ELSEWHERE,
    FOREIGN,
    GATEWAY,
    HERE,
    NAME,
    NOW,
    TARGET,
    THERE,
    TWIN,
    Decision,
    check,
    details,
    edited_outside,
    failed,
    name_conflict,
    recorded,
    row,
    spec,
    target,
    trouble,
    unrecorded,
    view,
    views,
)
from tests.unit.targets.builders import settings as operator_settings

SPEC = spec(management_policy="Observe")
BARE: dict[str, Any] = {"finalizers": (), "annotations": {}}
NEW = {"of": SPEC, "meta": BARE}
FAILED = row(status="FAILED", ready=False)
ADOPTING = {
    "of": spec(management_policy="Observe", adoption_policy="IfExists"),
    "settings": operator_settings(allow_adoption=True),
    "meta": BARE,
    "named": (row(mark=None),),
}
READ = act.Read(place=HERE, target_id=TARGET)
SETTLED = act.Settled(until=NOW + 3600.0, note="Observed only: nothing is written to AWS.")


def told(would: str, **more: Any) -> Decision:
    return act.Blocked(reason="Observed", message=f"Observed only: would {would}", **more)


Case = tuple[str, Callable[..., State], dict[str, Any], Decision]

CASES: list[Case] = [
    ("nothing is there yet", unrecorded, NEW, told(f"create target {NAME} on gateway {GATEWAY}.")),
    (
        "nothing is there for one that was managed before, noted elsewhere",
        unrecorded,
        {"of": SPEC, "meta": {"annotations": {names.GATEWAY_ANNOTATION: ELSEWHERE}, "generation": 3}},
        told(f"create target {NAME} on gateway {GATEWAY}."),
    ),
    (
        "the gateway was not listed yet",
        unrecorded,
        {**NEW, "gateways": views(view(listed_at=None))},
        act.Await(reason="Queued", message="first list", place=HERE, list_since=0.0, quiet=True),
    ),
    (
        "there is no such gateway",
        unrecorded,
        {**NEW, "gateways": views(view(error=failed("not-found", "no")))},
        act.Blocked(
            reason="GatewayNotFound",
            message=f"Gateway {GATEWAY} does not exist",
            stalled=True,
            place=HERE,
        ),
    ),
    (
        "no gateway is named anywhere",
        unrecorded,
        {**NEW, "place": NOWHERE, "gateways": {}},
        act.Reject(reason="ConfigurationError", message="--gateway-id"),
    ),
    (
        "the spec is invalid",
        unrecorded,
        {**NEW, "problems": ("spec.endpoint: wrong",)},
        act.Reject(reason="ValidationError", message="spec.endpoint: wrong"),
    ),
    ("a target of ours is read before it is recorded", unrecorded, {**NEW, "marked": (row(),)}, READ),
    (
        "a target of ours is recorded, which writes nothing to AWS",
        unrecorded,
        {**NEW, "marked": (row(),), "targets": (target(),)},
        act.TakeUp(place=HERE, target=target()),
    ),
    (
        "the name is taken by a target that nobody made here",
        unrecorded,
        {**NEW, "named": (row(mark=None),)},
        name_conflict("--allow-adoption"),
    ),
    (
        "the name is taken by another installation",
        unrecorded,
        {**NEW, "named": (row(mark=FOREIGN),)},
        name_conflict(FOREIGN),
    ),
    ("adoption rests on a read", unrecorded, ADOPTING, READ),
    (
        "would adopt a target that holds the spec",
        unrecorded,
        {**ADOPTING, "targets": (target(description=None),)},
        told(f"adopt target {TARGET}."),
    ),
    (
        "would adopt a target and change it",
        unrecorded,
        {**ADOPTING, "targets": (edited_outside(description=None),)},
        told(f"adopt target {TARGET}: changing endpoint."),
    ),
    (
        "would adopt a target whose MCPServer is gone",
        unrecorded,
        {
            **ADOPTING,
            "named": (row(mark=FOREIGN),),
            "orphans": frozenset({FOREIGN}),
            "targets": (target(description=f"[mcps {FOREIGN}]"),),
        },
        told(f"adopt target {TARGET}."),
    ),
    ("AWS holds the spec", recorded, {"of": SPEC, "meta": BARE}, SETTLED),
    ("a finalizer from before stays as it is", recorded, {"of": SPEC}, SETTLED),
    (
        "paused or not, nothing would be written",
        recorded,
        {"of": SPEC, "meta": {"annotations": {names.PAUSED_ANNOTATION: "true"}}},
        SETTLED,
    ),
    (
        "another spec is compared with a read",
        recorded,
        {"of": SPEC, "meta": {"generation": 2}, "memory": {"verified": None}},
        READ,
    ),
    (
        "would update after an edit",
        recorded,
        {"of": SPEC, "memory": {"verified": None, "applied": 0}, "targets": (edited_outside(),)},
        told(
            f'update target {TARGET}: endpoint: "https://evil.example.com/mcp" -> '
            '"https://weather.example.com/mcp".'
        ),
    ),
    (
        "would update after drift, and says so at once although a repair would wait",
        recorded,
        {
            "of": SPEC,
            "memory": {"verified": None, "drift_next": NOW + 300.0},
            "targets": (edited_outside(),),
        },
        told(f"update target {TARGET}: endpoint"),
    ),
    (
        "would only report drift",
        recorded,
        {
            "of": spec(management_policy="Observe", drift_policy="Report"),
            "memory": {"verified": None},
            "targets": (edited_outside(),),
        },
        act.Blocked(reason="Drifted", message="driftPolicy is Report", stalled=True),
    ),
    (
        "a foreign target",
        recorded,
        {"of": SPEC, "recorded": row(mark=FOREIGN)},
        act.Blocked(reason="ForeignMarker", message=FOREIGN, stalled=True),
    ),
    (
        "AWS is at work on it",
        recorded,
        {"of": SPEC, "recorded": row(status="UPDATING")},
        act.Await(reason="Updating", message="UPDATING", place=HERE, busy=True),
    ),
    (
        "a failed target is read for its reasons",
        recorded,
        {"of": SPEC, "recorded": FAILED},
        act.Read(place=HERE, target_id=TARGET, budgeted=True),
    ),
    (
        "a failed target would be synchronized, whenever its repair is due",
        recorded,
        {
            "of": SPEC,
            "recorded": FAILED,
            "targets": (target(status="FAILED"),),
            "memory": {"details": details(FAILED, "no route."), "failure_next": NOW + 300.0},
        },
        act.Blocked(
            reason="TargetFailed",
            message="FAILED: no route. Observed only: would synchronize it.",
            synced=True,
        ),
    ),
    (
        "a failed target with another configuration would be updated",
        recorded,
        {
            "of": SPEC,
            "recorded": FAILED,
            "targets": (edited_outside(status="FAILED"),),
            "memory": {"details": details(FAILED), "failure_next": NOW + 300.0},
        },
        act.Blocked(
            reason="TargetFailed",
            message='AWS gave no reason. Observed only: would update the target: endpoint: "https://evil',
        ),
    ),
    (
        "the target is gone and would be created again",
        recorded,
        {"of": SPEC, "meta": BARE, "recorded": None, "absences": (NOW - 10.0, NOW - 5.0)},
        told(f"create target {NAME} on gateway {GATEWAY}."),
    ),
    (
        "one 404 is not believed, here either",
        recorded,
        {"of": SPEC, "recorded": None, "absences": (NOW - 1.0, NOW - 1.0)},
        act.Await(reason="Drifted", message="looking again", until=NOW + 1.0),
    ),
    (
        "a request for the tools would be followed, and takes nothing from being Ready",
        recorded,
        {"of": SPEC, "meta": {"annotations": {names.SYNC_ANNOTATION: "now"}}},
        act.Settled(until=NOW + 3600.0, note=f"{SETTLED.note} Would have AWS index its tools again."),
    ),
    (
        "a schedule that is overdue wakes nobody again",
        recorded,
        {"of": SPEC, "tools_due": NOW - 1.0},
        act.Settled(until=NOW + 3600.0, note=f"{SETTLED.note} Would have AWS index its tools again."),
    ),
    (
        "a second target of the name would be deleted",
        recorded,
        {
            "of": SPEC,
            "marked": (row(), row(TWIN)),
            "targets": (target(target_id=TWIN),),
        },
        act.Settled(
            until=NOW + 3600.0,
            note=f"{SETTLED.note} Would delete target {TWIN}, a second one of the same name.",
        ),
    ),
    (
        "a name that is taken is told before the second target",
        recorded,
        {
            "of": SPEC,
            "marked": (row(), row(TWIN)),
            "targets": (target(target_id=TWIN),),
            "rename_blocked": "taken",
        },
        name_conflict("taken"),
    ),
    (
        "would move",
        recorded,
        {"of": SPEC, "destination": unrecorded(of=SPEC, place=THERE)},
        told(f"move target {TARGET} from gateway {GATEWAY} to {ELSEWHERE}."),
    ),
    (
        "would not move what is not ours",
        recorded,
        {
            "of": SPEC,
            "recorded": row(mark=FOREIGN),
            "destination": unrecorded(of=SPEC, place=THERE),
        },
        act.Blocked(reason="ForeignMarker", message=FOREIGN, stalled=True),
    ),
    (
        "what a move left on another gateway would be removed",
        recorded,
        {"of": SPEC, "leftovers": (recorded(of=SPEC, place=THERE),)},
        act.Settled(
            until=NOW + 3600.0,
            note=f"{SETTLED.note} Would remove what it still has on gateway {ELSEWHERE}.",
        ),
    ),
    (
        "an older CRD allows no move",
        recorded,
        {"of": SPEC, "immovable": THERE},
        act.Blocked(reason="Moving", message="crd | kubectl apply", stalled=True),
    ),
    (
        "a Get that AWS refused is not repeated at once",
        recorded,
        {"of": SPEC, "memory": {"verified": None, "trouble": trouble()}},
        act.Await(reason="Throttled", message="busy", until=NOW + 30.0, quiet=True),
    ),
]


@pytest.mark.parametrize(
    ("build", "changes", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_observed(build: Callable[..., State], changes: dict[str, Any], expected: Decision) -> None:
    check(plan(build(**changes)), expected)
