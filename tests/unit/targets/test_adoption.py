"""Taking over a target that holds the wanted name: who allows it, which one, and what is sent."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import LIST_LAG
from mcp_gateway_operator.targets.plan import plan
from tests.unit.targets.builders import (
    BORN,
    FOREIGN,
    HERE,
    NOW,
    SIBLING,
    TARGET,
    TWIN,
    Decision,
    check,
    edited_outside,
    name_conflict,
    row,
    settings,
    spec,
    target,
    trouble,
    unrecorded,
)

ASKED = spec(adoption_policy="IfExists")
ALLOWED: dict[str, Any] = {"of": ASKED, "settings": settings(allow_adoption=True)}
ORPHAN: dict[str, Any] = {**ALLOWED, "named": (row(mark=SIBLING),), "orphans": frozenset({SIBLING})}
READ = act.Read(place=HERE, target_id=TARGET)
LAMBDA = {"targetConfiguration": {"mcp": {"lambda": {"lambdaArn": "arn:aws:lambda:us-east-1:1:function:f"}}}}
MARKED = f"[mcps {SIBLING}]"


def conflict(words: str) -> Decision:
    return name_conflict(words)


def update(**changes: Any) -> Decision:
    state = unrecorded(of=ASKED)
    return act.Update(
        place=HERE,
        target_id=TARGET,
        request=state.request,
        digest=state.want_digest,
        cause=act.Cause.ADOPTION,
        **changes,
    )


UNMARKED = row(mark=None)
ADVICE = " To take it over, start the operator with --allow-adoption and set spec.adoptionPolicy to IfExists."

CASES: list[tuple[str, dict[str, Any], Decision]] = [
    ("nobody allows it", {"named": (UNMARKED,)}, conflict(ADVICE)),
    ("the operator does not allow it", {"of": ASKED, "named": (UNMARKED,)}, conflict(ADVICE)),
    (
        "the object does not ask for it",
        {"settings": settings(allow_adoption=True), "named": (UNMARKED,)},
        conflict(" To take it over, set spec.adoptionPolicy to IfExists."),
    ),
    ("it rests on a Get of this pass", {**ALLOWED, "named": (UNMARKED,)}, READ),
    (
        "a Get of another target is none of this one",
        {**ALLOWED, "named": (UNMARKED,), "targets": (target(target_id=TWIN, description=None),)},
        READ,
    ),
    (
        "a Get that failed is not repeated at once",
        {**ALLOWED, "named": (UNMARKED,), "memory": {"trouble": trouble(attempts=5)}},
        act.Blocked(reason="Throttled", message="AWS is busy", until=NOW + 30.0),
    ),
    (
        "nobody's target is recorded as it is",
        {**ALLOWED, "named": (UNMARKED,), "targets": (edited_outside(description="by hand"),)},
        act.TakeUp(place=HERE, target=edited_outside(description="by hand"), adopted=True),
    ),
    (
        "a target of another kind is left alone",
        {**ALLOWED, "named": (UNMARKED,), "targets": (target(config=LAMBDA, description=None),)},
        conflict("which this operator did not make"),
    ),
    (
        "one that got a marker since the List is left alone",
        {**ALLOWED, "named": (UNMARKED,), "targets": (target(description=f"[mcps {FOREIGN}]"),)},
        conflict("taken"),
    ),
    (
        "one that another object records is left alone",
        {**ALLOWED, "named": (UNMARKED,), "name_recorded": True, "targets": (target(description=None),)},
        conflict("it is created here as soon as the name is free."),
    ),
    (
        "one in DELETING is waited for",
        {**ALLOWED, "named": (row(mark=None, status="DELETING"),)},
        act.Await(reason="Creating", message="is gone", place=HERE, busy=True),
    ),
    (
        "one that a Get did not find a moment ago is not believed",
        {**ALLOWED, "named": (row(mark=None, absent_at=NOW - 5.0),)},
        act.Await(
            reason="Creating",
            message="was not found, but is still listed",
            place=HERE,
            until=NOW - 5.0 + LIST_LAG,
            busy=True,
        ),
    ),
    ("another installation's is left alone", {**ALLOWED, "named": (row(mark=FOREIGN),)}, conflict(FOREIGN)),
    (
        "another object's of this installation is left alone",
        {**ALLOWED, "named": (row(mark=SIBLING),)},
        conflict(SIBLING),
    ),
    ("a gone object's is read", ORPHAN, READ),
    (
        "a gone object's gets our marker at once, with no other difference",
        {**ORPHAN, "targets": (target(description=MARKED),)},
        update(),
    ),
    (
        "a gone object's is not written before what it is busy with has ended",
        {**ORPHAN, "named": (row(mark=SIBLING, status="CREATING"),)},
        act.Await(reason="Creating", message="leaves CREATING", place=HERE, busy=True),
    ),
    (
        "a gone object's is recorded by another object all the same",
        {**ORPHAN, "name_recorded": True, "targets": (target(description=MARKED),)},
        conflict(SIBLING),
    ),
    (
        "a gone object's lost its marker since the List",
        {**ORPHAN, "targets": (target(description=None),)},
        act.TakeUp(place=HERE, target=target(description=None), adopted=True),
    ),
    (
        "a gone object's is another's since the List",
        {**ORPHAN, "targets": (target(description=f"[mcps {FOREIGN}]"),)},
        conflict("taken"),
    ),
    (
        "a gone object's needs the operator's consent like any other",
        {**ORPHAN, "settings": settings(), "targets": (target(description=MARKED),)},
        conflict(ADVICE),
    ),
    (
        "a gone object's of another kind is left alone",
        {**ORPHAN, "targets": (target(config=LAMBDA, description=MARKED),)},
        conflict(SIBLING),
    ),
    (
        "of two rows with the name one that stays decides",
        {
            **ALLOWED,
            "named": (row(TWIN, mark=None, status="DELETING"), UNMARKED),
            "targets": (target(description=None),),
        },
        act.TakeUp(place=HERE, target=target(description=None), adopted=True),
    ),
]


@pytest.mark.parametrize(("changes", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_adoption(changes: dict[str, Any], expected: Decision) -> None:
    check(plan(unrecorded(**changes)), expected)


def test_the_update_that_adopts_says_what_changes() -> None:
    state = unrecorded(**{**ORPHAN, "targets": (edited_outside(description=MARKED),)})
    action = plan(state)
    assert isinstance(action, act.Update)
    assert [diff.field for diff in action.diffs] == ["endpoint"]
    assert action.request["description"].startswith("[mcps ")
    assert SIBLING not in action.request["description"]


@pytest.mark.parametrize("when", ["deleted", "paused", "invalid", "unprotected"])
def test_nothing_is_adopted_by_an_object_that_may_not_act(when: str) -> None:
    changes: dict[str, Any] = {**ORPHAN, "targets": (target(description=MARKED),)}
    match when:
        case "deleted":
            changes["meta"] = {"deletion_timestamp": BORN}
        case "paused":
            changes["meta"] = {"annotations": {"mcpgateway.bedrock.aws/paused": "true"}}
        case "invalid":
            changes["problems"] = ("spec.endpoint: wrong",)
        case _:
            changes["meta"] = {"finalizers": ()}
    assert not isinstance(plan(unrecorded(**changes)), act.TakeUp | act.Update)


def test_no_way_is_named_to_take_over_what_another_object_records() -> None:
    action = plan(unrecorded(**{**ALLOWED, "named": (UNMARKED,), "name_recorded": True}))
    assert isinstance(action, act.Blocked)
    assert action.message.endswith("it is created here as soon as the name is free.")
