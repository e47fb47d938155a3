"""What is waited for before a call, and whether what Lists show since is a sign of anything."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import LIST_LAG, Shown, State, Trouble
from mcp_gateway_operator.targets.plan import plan
from mcp_gateway_operator.targets.rules import as_shown, charged, read_in_vain, what_is_shown
from mcp_gateway_operator.targets.rules.awaited_reads import next_read
from tests.unit.targets.builders import (
    HERE,
    NOW,
    SIBLING,
    TARGET,
    TWIN,
    Decision,
    check,
    condition,
    failed,
    recorded,
    remembering,
    row,
    trouble,
    view,
    views,
)

LATER = "2026-11-22T12:30:00Z"
MOVED = row(updated_at=LATER)
CHANGED = row(updated_at=LATER, listing_mode="DYNAMIC")
READY: dict[str, Any] = {"conditions": (condition(),)}
SPENT = NOW + 6000.0
REJECT = act.Reject(reason="ValidationError", message="refused")
SYNCHRONIZE = act.Synchronize(place=HERE, target_id=TARGET, cause=act.Cause.SCHEDULE)


@pytest.mark.parametrize(
    ("shown", "in_vain", "goes_on"),
    [(MOVED, 10, True), (MOVED, 9, False), (CHANGED, 10, False)],
    ids=["ten reads found nothing", "nine did", "something else has moved, too"],
)
def test_a_row_that_moves_for_nothing_is_no_sign_of_a_change(shown: Any, in_vain: int, goes_on: bool) -> None:
    proof = recorded().memory.held.verified
    memory = {"verified": proof, "idle_reads": in_vain, "read_debt": SPENT}
    action = plan(recorded(recorded=shown, status=READY, memory=memory))
    assert isinstance(action, act.Settled) is goes_on
    assert goes_on or getattr(action, "reason", "") == "Drifted"


def test_status_says_of_a_read_that_is_awaited_where_it_said_ready() -> None:
    memory = {"verified": recorded().memory.held.verified, "read_debt": SPENT}
    words, until = "what was changed is read within ten minutes", SPENT - 5400.0
    told = plan(recorded(recorded=CHANGED, status=READY, memory=memory))
    check(told, act.Blocked(reason="Drifted", message=words, until=until))
    quiet = plan(recorded(recorded=CHANGED, memory=memory))
    check(quiet, act.Await(reason="Drifted", message=words, until=until, quiet=True))


def noted(then: State, **changes: Any) -> Trouble:
    """Return a call that failed when Lists showed what they do in a state, and that waits for an hour."""
    return msgspec.structs.replace(
        trouble(at=NOW - 20.0, until=NOW + 3600.0, **changes), shown=what_is_shown(then)
    )


BEFORE = recorded()


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (recorded(), NOW + 3600.0),
        (recorded(recorded=row(status="FAILED")), NOW + 3600.0),
        (recorded(recorded=CHANGED), NOW - 20.0 + LIST_LAG),
        (recorded(recorded=None), NOW),
        (recorded(marked=(row(TWIN),)), NOW),
        (recorded(named=(row(TWIN, mark=SIBLING),)), NOW),
    ],
    ids=["nothing", "its state alone", "its row", "it is gone", "a second one", "its name is taken"],
)
def test_what_lists_show_since_a_failed_call_lets_it_be_made_sooner(now: State, until: float) -> None:
    assert as_shown(now, noted(BEFORE)).until == until


def test_a_failed_call_of_which_nothing_was_noted_waits_as_long_as_it_would() -> None:
    waits = trouble()
    assert as_shown(recorded(recorded=None), waits) is waits


def test_what_lists_show_makes_no_call_wait_longer() -> None:
    soon = msgspec.structs.replace(noted(BEFORE), until=NOW + 1.0)
    assert as_shown(recorded(recorded=CHANGED), soon).until == NOW + 1.0


def test_what_is_shown_are_the_row_and_all_that_carry_the_marker_or_the_name() -> None:
    state = recorded(marked=(row(),), named=(row(TWIN, mark=SIBLING),))
    assert what_is_shown(state) == Shown(row().fingerprint, frozenset({TARGET, TWIN}))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tools_due": NOW}, SYNCHRONIZE),
        ({"tools_due": NOW + 1.0}, act.Settled(until=NOW + 1.0)),
        (
            {"tools_due": NOW, "memory": {"trouble": trouble()}},
            act.Settled(until=NOW + 30.0, note="Its tools are not indexed again yet: AWS is busy", held=True),
        ),
    ],
    ids=["due", "not due", "due, and AWS was busy"],
)
def test_tools_are_indexed_on_schedule(changes: dict[str, Any], expected: Decision) -> None:
    check(plan(recorded(**changes)), expected)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"held_unknown": True}, act.Read(place=HERE, target_id=TARGET, urgent=False)),
        ({"held_unknown": True, "recorded": None}, REJECT),
        ({}, REJECT),
    ],
    ids=["it is listed", "it is not listed any more", "it is known"],
)
def test_a_value_is_refused_once_it_is_known_whether_aws_holds_it(
    changes: dict[str, Any], expected: Decision
) -> None:
    check(plan(recorded(problems=("refused",), **changes)), expected)


def test_an_object_has_ten_reads_at_once_and_then_one_in_ten_minutes() -> None:
    """However many it makes all the same, it is let read again within two hours."""
    state = recorded()
    for made in range(1, 11):
        assert next_read(state) <= NOW, made
        state = remembering(state, reads=charged(state.memory.reads, NOW))
    assert next_read(state) == NOW + 600.0
    for _ in range(90):
        state = remembering(state, reads=charged(state.memory.reads, NOW))
    assert next_read(state) == NOW + 6600.0


def test_reads_that_find_nothing_count_while_one_comes_after_the_other() -> None:
    reads = recorded().memory.reads
    for again, count in ((True, 1), (True, 2), (False, 0), (True, 1)):
        reads = read_in_vain(reads, again=again)
        assert reads.idle == count


def test_the_sweep_waits_for_lists_that_succeed_and_asks_for_no_pass_meanwhile() -> None:
    away: dict[str, Any] = {
        "gateways": views(view(error=failed("transient", "no answer"))),
        "memory": {"next_sweep": NOW},
    }
    assert plan(recorded(**away)) == act.Settled(until=None)
