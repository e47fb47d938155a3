"""Which of several objects that want one name comes first."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import Condition, MCPServer, MCPServerStatus
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.plan import plan
from mcp_gateway_operator.targets.rules import Claim, claim_of, holder_words, looks_on
from tests.unit.targets.builders import (
    ARN,
    ELSEWHERE,
    FOREIGN,
    GATEWAY,
    HERE,
    NAME,
    SIBLING,
    TARGET,
    THERE,
    UID,
    check,
    deleted_unrecorded,
    meta,
    name_conflict,
    recorded,
    row,
    spec,
    unrecorded,
)

OLDER, YOUNGER = "2026-11-22T11:00:00Z", "2026-11-22T13:00:00Z"


def server(
    *, of: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **changes: Any
) -> MCPServer:
    return MCPServer(
        metadata=meta(**changes), spec=spec(**(of or {})), status=MCPServerStatus(**(status or {}))
    )


def claim(obj: MCPServer) -> Claim | None:
    return claim_of(obj, NAME, GATEWAY)


def stalled(reason: str, *, generation: int = 1, status: str = "True") -> dict[str, Any]:
    condition = Condition(type="Stalled", status=status, reason=reason, observed_generation=generation)
    return {"conditions": (condition,)}


RECORDED = {"target_id": TARGET, "recorded_for": UID, "gateway_id": GATEWAY, "gateway_arn": ARN}


@pytest.mark.parametrize(
    ("why", "obj"),
    [
        ("being deleted", server(deletion_timestamp=OLDER)),
        ("paused", server(annotations={names.PAUSED_ANNOTATION: "true"})),
        ("observed", server(of={"management_policy": "Observe"})),
        ("invalid", server(of={"endpoint": "http://plain.example.com"})),
        ("refused by AWS", server(status=stalled("AccessDenied"))),
        ("its record is not believed", server(status={**RECORDED, **stalled("NameConflict")})),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_makes_no_target_keeps_nobody_waiting(why: str, obj: MCPServer) -> None:
    assert claim(obj) is None, why


@pytest.mark.parametrize(
    ("annotations", "deleted_at", "looks"),
    [({}, "", True), ({names.PAUSED_ANNOTATION: "true"}, "", False), ({}, OLDER, False)],
    ids=["observed", "paused", "being deleted"],
)
def test_who_only_looks_on_does_so_until_it_is_paused_or_deleted(
    annotations: dict[str, str], deleted_at: str, looks: bool
) -> None:
    observed = {"management_policy": "Observe"}
    assert looks_on(server(annotations=annotations, deletion_timestamp=deleted_at, of=observed)) is looks


@pytest.mark.parametrize(
    "obj",
    [
        server(),
        server(annotations={names.PAUSED_ANNOTATION: "false"}),
        server(status=stalled("AccessDenied", status="False")),
        server(status=stalled("AccessDenied", generation=0)),
        server(status=stalled("NameConflict")),
        server(status=stalled("GatewayFull")),
        server(status={**RECORDED, "target_name": NAME}),
        server(status={**RECORDED, "target_name": NAME, **stalled("GatewayFull")}),
    ],
)
def test_who_is_about_to_make_a_target_claims_its_name(obj: MCPServer) -> None:
    found = claim(obj)
    assert found is not None
    assert found.place == HERE


def test_claims_are_made_on_the_gateway_where_the_target_goes() -> None:
    on = [
        claim(server(of={"gateway_id": f" {ELSEWHERE} "})),
        claim(server(of={"gateway_id": ELSEWHERE}, status={**RECORDED, "target_name": NAME})),
        claim(server(status={**RECORDED, "gateway_id": ELSEWHERE})),
    ]
    assert [each.place for each in on if each] == [THERE, THERE, THERE]
    assert claim_of(server(), NAME, "") is None


def test_who_holds_the_name_comes_first_then_the_older_then_the_lower_uid() -> None:
    holder = server(creation_timestamp=YOUNGER, uid=UID, status={**RECORDED, "target_name": NAME})
    older = server(creation_timestamp=OLDER, uid="z")
    younger = server(creation_timestamp=YOUNGER, uid="a")
    twin = server(creation_timestamp=YOUNGER, uid="b")
    claims = [claim(each) for each in (twin, younger, older, holder)]
    ranks = [each.rank for each in claims if each]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == 4


RIVAL = "team-b/weather"


def test_name_is_left_to_the_one_that_comes_first() -> None:
    """Nothing is created, and nothing waits for a time: the other object's change wakes this one."""
    blocked = name_conflict(f"goes to MCPServer {RIVAL}")
    check(plan(unrecorded(fresh=True, rival=RIVAL)), blocked)
    check(plan(recorded(recorded=None, absences=(1.0, 9_999.0), fresh=True, rival=RIVAL)), blocked)


def test_rival_keeps_no_target_from_its_owner() -> None:
    """A target of our own goes on; a marker is proof, whoever else wants the name."""
    assert isinstance(plan(recorded(rival=RIVAL)), act.Settled)
    assert isinstance(plan(unrecorded(marked=(row(),), rival=RIVAL)), act.Read)
    assert isinstance(plan(deleted_unrecorded(rival=RIVAL)), act.Release)


@pytest.mark.parametrize(
    ("mark", "holder", "words"),
    [
        (SIBLING, "team-a/other", "that of MCPServer team-a/other"),
        (None, "team-a/other", "that of MCPServer team-a/other"),
        (SIBLING, "", f"marked [mcps {SIBLING}] for an MCPServer of this installation that is gone or in"),
        (FOREIGN, "", f"marked [mcps {FOREIGN}] by another installation"),
        (None, "", "which this operator did not make"),
    ],
)
def test_who_holds_a_name_is_said_as_well_as_it_is_known(mark: str | None, holder: str, words: str) -> None:
    held = row(mark=mark)
    state = unrecorded(named=(held,), holder=holder, name_recorded=bool(holder))
    assert words in holder_words(state, held)
    if mark is not None or holder:
        check(plan(state), name_conflict(words))
