"""The decisions for a target that waits for a person, one row a case."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.gather import Entry, recalled
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Address, State
from mcp_gateway_operator.targets.plan import plan
from mcp_gateway_operator.targets.shape import TargetStatus
from tests.unit.targets.builders import (
    BORN,
    GATEWAY,
    HERE,
    NOW,
    TARGET,
    Decision,
    check,
    condition,
    deleted,
    details,
    recorded,
    remembering,
    row,
    spec,
    trouble,
    view,
    views,
)

WALL = datetime(2026, 11, 22, 12, 5, tzinfo=UTC)
OPEN = Address(url="https://consent.example.com/1", expires=WALL + timedelta(minutes=5))
PENDING = row(status="CREATE_PENDING_AUTH")
CODE = spec(oauth_grant_type="AUTHORIZATION_CODE")
KNOWN = {"details": details(PENDING, url=OPEN.url), "shown": OPEN, "consent_ends": NOW + 300.0}
FRESH = {**KNOWN, "consent_since": NOW - 60.0}
LONG_AGO = {**KNOWN, "consent_since": NOW - 900.0}
RUN_OUT = {**LONG_AGO, "consent_ends": NOW - 1.0}
REFUSED = trouble(
    kind="conflict",
    message="AWS waits for consent and refuses it: words.",
    awaits_consent=TargetStatus.CREATE_PENDING_AUTH,
    at=NOW - 5.0,
    until=NOW - 4.0,
)
ASKED = {"annotations": {names.GATEWAY_ANNOTATION: GATEWAY, names.SYNC_ANNOTATION: "again"}}
SYNCHRONIZE = act.Synchronize(place=HERE, target_id=TARGET, cause=act.Cause.REQUEST, request="again")


def waiting(message: str, **changes: Any) -> act.Blocked:
    """Return the wait for a person."""
    usual = {"reason": "PendingAuthorization", "place": HERE, "synced": True}
    return act.Blocked(message=message, **{**usual, **changes})


CASES: tuple[tuple[str, dict[str, Any], Decision], ...] = (
    (
        "the gateway was listed a moment ago",
        {"memory": FRESH},
        waiting("Open the address", until=NOW + 5.0),
    ),
    (
        "the next List is due",
        {"memory": FRESH, "gateways": views(view(listed_at=NOW - 10.0))},
        waiting("Open the address", until=NOW + 300.0, list_since=NOW),
    ),
    (
        "after ten minutes the Lists for drift must do",
        {"memory": LONG_AGO, "gateways": views(view(listed_at=NOW - 50.0))},
        waiting("Open the address", until=NOW + 300.0),
    ),
    ("the address ran out", {"memory": RUN_OUT}, waiting(names.SYNC_ANNOTATION, stalled=True)),
    ("the address ran out and another is asked for", {"memory": RUN_OUT, "meta": ASKED}, SYNCHRONIZE),
    (
        "AWS refused another",
        {"memory": {**RUN_OUT, "trouble": REFUSED}, "meta": ASKED},
        waiting("words. The address", until=NOW + 595.0, stalled=True),
    ),
    (
        "AWS refused another ten minutes ago",
        {"memory": {**RUN_OUT, "trouble": msgspec.structs.replace(REFUSED, at=NOW - 600.0)}, "meta": ASKED},
        SYNCHRONIZE,
    ),
    (
        "another may not be asked for",
        {"memory": RUN_OUT, "meta": ASKED, "sync_denied": True},
        waiting(names.SYNC_ANNOTATION, stalled=True),
    ),
    (
        "an edit that AWS refused is kept for later",
        {"memory": {**FRESH, "applied": 0, "trouble": REFUSED}},
        waiting("words. The change is sent", until=NOW + 5.0, synced=False),
    ),
    (
        "an edit that AWS refused in another state is sent again",
        {
            "memory": {
                **FRESH,
                "applied": 0,
                "verified": None,
                "trouble": trouble(awaits_consent="UPDATE_PENDING_AUTH", until=NOW - 1.0),
            },
        },
        act.Read(place=HERE, target_id=TARGET),
    ),
)


@pytest.mark.parametrize(
    ("changes", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_plan(changes: dict[str, Any], expected: Decision) -> None:
    check(plan(recorded(of=CODE, recorded=PENDING, **changes)), expected)


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (FRESH, act.Delete(place=HERE, target_id=TARGET)),
        (
            {**LONG_AGO, "trouble": REFUSED},
            waiting("words. The target is deleted once", until=NOW + 300.0, synced=False),
        ),
        (
            {**LONG_AGO, "trouble": trouble(awaits_consent=PENDING.summary.status, at=NOW - 20.0, until=0.0)},
            act.Delete(place=HERE, target_id=TARGET),
        ),
    ],
    ids=["asked once", "refused", "refused before the deletion"],
)
def test_deletion(memory: dict[str, Any], expected: Decision) -> None:
    state = deleted(of=CODE, recorded=PENDING, memory=memory)
    if state.memory.trouble is not None:
        state = remembering(state, trouble=trouble_of_generation(state))
    check(plan(state), expected)


def trouble_of_generation(state: State) -> Any:
    """Return the state's trouble as one of its own generation."""
    assert state.memory.trouble is not None
    return msgspec.structs.replace(state.memory.trouble, generation=state.obj.metadata.generation)


def followed(**changes: Any) -> State:
    """Return a state after the consent was followed."""
    state = recorded(of=CODE, **changes)
    clocks = SimpleNamespace(clock=lambda: NOW, wall=lambda: WALL, rng=random.Random(0))  # noqa: S311  -- no secret
    return recalled(state, Entry(state.own), cast(Ports, clocks))


def test_the_address_expires_ten_minutes_after_the_change() -> None:
    state = followed(recorded=PENDING, memory={"details": details(PENDING, url=OPEN.url)})
    assert state.memory.consent.shown == Address(
        url=OPEN.url, expires=datetime.fromisoformat(BORN) + timedelta(minutes=10)
    )
    assert state.memory.consent.ends == NOW + 300.0


def test_what_status_shows_counts_after_a_restart() -> None:
    stored = {
        "authorization_url": "https://consent.example.com/0",
        "authorization_expires": "2026-11-22T12:06:00Z",
    }
    state = followed(recorded=PENDING, status=stored, memory={"details": details(PENDING, url=OPEN.url)})
    assert state.memory.consent.shown is not None
    assert state.memory.consent.shown.url == stored["authorization_url"]
    assert state.memory.consent.ends == NOW + 60.0


def test_what_status_shows_is_old_once_the_target_was_seen_without_consent() -> None:
    stored = {
        "authorization_url": "https://consent.example.com/0",
        "authorization_expires": "2026-11-22T12:06:00Z",
    }
    known = {"details": details(PENDING, url=OPEN.url), "settled_at": NOW - 2.0}
    state = followed(recorded=PENDING, status=stored, memory=known)
    assert state.memory.consent.shown == Address(url=OPEN.url, expires=WALL + timedelta(minutes=10))


def test_a_change_since_the_target_was_seen_without_consent_counts_from_its_own_moment() -> None:
    known = {"details": details(PENDING, url=OPEN.url), "settled_at": NOW - 400.0}
    state = followed(recorded=PENDING, memory=known)
    assert state.memory.consent.ends == NOW + 300.0


@pytest.mark.parametrize(("ends", "acted"), [(WALL + timedelta(seconds=1), "again"), (WALL, "")])
def test_a_request_for_an_address_that_is_open_is_fulfilled(ends: datetime, acted: str) -> None:
    shown = Address(url=OPEN.url, expires=ends)
    state = followed(recorded=PENDING, meta=ASKED, memory={**FRESH, "shown": shown})
    assert state.own.synced_request == acted


@pytest.mark.parametrize("status", ["READY", "FAILED", "SYNCHRONIZE_UNSUCCESSFUL"])
def test_it_is_over_when_the_state_is(status: str) -> None:
    state = followed(recorded=row(status=status), memory=FRESH)
    assert (state.memory.consent.shown, state.memory.consent.since) == (None, None)
    assert state.memory.consent.settled_at == NOW


def test_a_state_in_progress_tells_nothing() -> None:
    state = followed(recorded=row(status="SYNCHRONIZING"), memory=FRESH)
    assert (state.memory.consent.shown, state.memory.consent.settled_at) == (OPEN, None)


SPOKEN_OF = {"conditions": (condition(status="False"),)}


@pytest.mark.parametrize(
    ("status", "changes", "expected"),
    [
        (SPOKEN_OF, {}, "TargetFailed"),
        ({}, {}, "sync"),
        ({}, {"indexed_for": 1}, "TargetFailed"),
        (SPOKEN_OF, {"meta": ASKED}, "sync"),
        ({**SPOKEN_OF, "last_sync_request": "again"}, {"meta": ASKED}, "TargetFailed"),
        ({}, {"meta": ASKED, "sync_denied": True}, "TargetFailed"),
    ],
)
def test_renewal(status: dict[str, Any], changes: dict[str, Any], expected: str) -> None:
    expired = row(status="FAILED")
    memory = {
        "details": details(expired, "The authorization was not completed."),
        "indexed_for": changes.pop("indexed_for", 0),
    }
    action = plan(recorded(of=CODE, recorded=expired, status=status, memory=memory, **changes))
    got = "sync" if isinstance(action, act.Synchronize) else getattr(action, "reason", action)
    assert got == expected
