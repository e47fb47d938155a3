"""Whose a target is: by its marker, by its record, by neither."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import State
from mcp_gateway_operator.targets.plan import plan
from mcp_gateway_operator.targets.rules import (
    legacy_doubt,
    objection,
    status_names_strays,
    stray_note,
    stray_rows,
)
from mcp_gateway_operator.targets.rules.ownership import row_to_keep
from mcp_gateway_operator.targets.shape import marker_of
from tests.unit.targets.builders import (
    FOREIGN,
    NAME,
    NOW,
    SIBLING,
    TARGET,
    THERE,
    TWIN,
    check,
    condition,
    deleted_unrecorded,
    meta,
    name_conflict,
    recorded,
    row,
    settings,
    summary,
    unrecorded,
)

OLD_OURS = marker_of("old-owner", "team-a", NAME)


@pytest.mark.parametrize(
    ("state", "part"),
    [
        (recorded(), ""),
        (recorded(recorded=row(mark=None)), ""),
        (recorded(recorded=row(mark=FOREIGN)), "--owner-id"),
        (recorded(recorded=row(mark=SIBLING)), "another MCPServer of this installation"),
        (recorded(recorded=row(mark=OLD_OURS)), "--owner-id"),
        (recorded(recorded=row(mark=OLD_OURS), settings=settings(owner_ids=("x", "old-owner"))), ""),
        (recorded(shared=True), ""),
        (recorded(recorded=row(mark=FOREIGN), shared=True), "--owner-id"),
        (recorded(recorded=row(mark=None), shared=True), "recorded by another MCPServer"),
        (recorded(recorded=row(mark=FOREIGN), settings=settings(owner_ids=())), ""),
        (recorded(recorded=row(mark=FOREIGN), settings=settings(write_marker=False)), ""),
        (
            recorded(recorded=row(mark=None), shared=True, settings=settings(owner_ids=())),
            "recorded by another",
        ),
    ],
    ids=[
        "our marker",
        "no marker, our record",
        "another installation's marker",
        "another object's marker",
        "our marker of an id that is not in the list",
        "our marker of an id that is in the list",
        "our marker, another's record",
        "a foreign marker beats any record",
        "two records and no marker",
        "no owner id: markers mean nothing",
        "markers off: they mean nothing",
        "no owner id and two records",
    ],
)
def test_objection(state: State, part: str) -> None:
    assert state.recorded is not None
    why = objection(state, state.recorded)
    assert bool(why) is bool(part)
    assert part in (why or "")


@pytest.mark.parametrize(
    ("created", "other", "why"),
    [
        ("2026-11-22T12:00:00Z", "", ""),
        ("2026-11-22T11:55:00Z", "", ""),
        ("2026-11-22T11:54:59Z", "", "older than this object"),
        ("2026-11-22T12:30:00Z", "team-a/copy", "MCPServer team-a/copy records it, too"),
    ],
)
def test_record_of_the_go_operator_counts_for_a_target_made_for_this_object_alone(
    created: str, other: str, why: str
) -> None:
    """Clocks may differ by five minutes; the object was created at noon."""
    obj = MCPServer(metadata=meta(creation_timestamp="2026-11-22T12:00:00Z"))
    found = legacy_doubt(obj, summary(mark=None, created_at=created), other=other)
    assert bool(found) is bool(why)
    assert why in found


DISBELIEVED: dict[str, Any] = {"disbelieved": (TARGET, "it is older than this object")}


def test_record_that_is_not_believed_is_said_where_the_target_is_in_the_way() -> None:
    state = unrecorded(named=(row(mark=None),), **DISBELIEVED)
    for part in ("it is older than this object", "--allow-adoption"):
        check(plan(state), name_conflict(part))
    assert isinstance(plan(unrecorded(fresh=True, **DISBELIEVED)), act.Create)


def test_target_of_a_record_that_is_not_believed_is_left_alone_at_the_end() -> None:
    action = plan(deleted_unrecorded(**DISBELIEVED))
    assert isinstance(action, act.Release)
    assert f"Target {TARGET} is left alone" in action.message


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([row(TARGET, name="other"), row(TWIN)], TWIN),
        ([row(TARGET), row(TWIN, created_at="2026-11-22T11:00:00Z")], TWIN),
        ([row(TARGET), row(TWIN, created_at="2026-11-22T12:00:00.5Z")], TARGET),
        ([row(TARGET, name="a"), row(TWIN, name="b", created_at="2026-11-22T11:00:00Z")], TWIN),
    ],
    ids=["the wanted name", "then the oldest", "by the moment, not the text", "also without the name"],
)
def test_of_several_with_our_marker_one_is_kept(rows: list[Any], kept: str) -> None:
    for order in (rows, rows[::-1]):
        assert row_to_keep(unrecorded(), order).summary.target_id == kept


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (row(TWIN, name="copy"), True),
        (row(TWIN), False),
        (row(TARGET, name="copy"), False),
        (row(TWIN, name="copy", place=THERE), False),
        (row(TWIN, name="copy", status="DELETING"), False),
        (row(TWIN, name="copy", absent_at=NOW - 10.0), False),
    ],
    ids=[
        "another name",
        "the same name",
        "itself",
        "another gateway",
        "on its way out",
        "not found just now",
    ],
)
def test_strays(other: Any, told: bool) -> None:
    assert stray_rows(recorded(marked=(row(), other))) == ((other,) if told else ())
    assert stray_rows(unrecorded(marked=(other,))) == ()


OTHER = row(TWIN, name="copy")


@pytest.mark.parametrize(
    ("rows", "told"),
    [({"astray": (row(TWIN, name="copy", place=THERE),)}, True), ({"marked": (row(), OTHER)}, False)],
    ids=["elsewhere", "beside it"],
)
def test_status_says_that_there_are_others_on_other_gateways(rows: dict[str, Any], told: bool) -> None:
    ready = msgspec.structs.replace(condition(), message=stray_note(recorded(**rows)))
    assert TWIN in ready.message
    assert status_names_strays(recorded(status={"conditions": (ready,)}).obj) is told
    assert not status_names_strays(recorded().obj)
