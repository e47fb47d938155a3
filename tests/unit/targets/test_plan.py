"""The rules that come first, and those for an object that has no target yet."""

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
    OURS,
    RECORD,
    SPEC,
    TARGET,
    THERE,
    TWIN,
    Decision,
    check,
    edited_outside,
    name_conflict,
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

PAUSED = {names.PAUSED_ANNOTATION: "true", names.GATEWAY_ANNOTATION: GATEWAY}
NOTED_ELSEWHERE = {"annotations": {names.GATEWAY_ANNOTATION: ELSEWHERE}}
CREATE = act.Create(
    place=HERE,
    request=unrecorded().request,
    digest=unrecorded().want_digest,
)

Case = tuple[str, Callable[..., State], dict[str, Any], Decision]

FIRST: list[Case] = [
    (
        "observe writes nothing, not even a finalizer",
        unrecorded,
        {"of": spec(management_policy="Observe"), "meta": {"finalizers": ()}},
        act.Blocked(reason="Observed", message=f"would create target {NAME} on gateway {GATEWAY}"),
    ),
    (
        "paused",
        recorded,
        {
            "meta": {"annotations": PAUSED},
            "memory": {"verified": None, "applied": 0},
            "targets": (edited_outside(),),
        },
        act.Blocked(reason="Paused", message=names.PAUSED_ANNOTATION),
    ),
    (
        "paused, and as the spec says: settled as ever",
        recorded,
        {"meta": {"annotations": PAUSED}},
        act.Settled(until=NOW + 3600.0),
    ),
    (
        "a false does not pause",
        recorded,
        {"meta": {"annotations": {names.PAUSED_ANNOTATION: "false"}}},
        act.Settled(until=NOW + 3600.0),
    ),
    (
        "a lost finalizer comes back before anything else",
        recorded,
        {"meta": {"finalizers": ()}, "problems": ("spec.endpoint: wrong",)},
        act.Protect(place=HERE),
    ),
    (
        "a lost finalizer comes back on a paused object, whose deletion would orphan the target",
        recorded,
        {"meta": {"finalizers": (), "annotations": PAUSED}},
        act.Protect(place=HERE),
    ),
    (
        "a bad spec is told",
        recorded,
        {"problems": ("spec.endpoint: wrong", "spec.iam: wrong too")},
        act.Reject(reason="ValidationError", message="spec.endpoint: wrong; spec.iam: wrong too"),
    ),
    (
        "a bad spec gets no finalizer",
        unrecorded,
        {"problems": ("spec.endpoint: wrong",), "meta": {"finalizers": ()}},
        act.Reject(reason="ValidationError", message="spec.endpoint: wrong"),
    ),
    (
        "no gateway anywhere",
        unrecorded,
        {"place": NOWHERE, "gateways": {}},
        act.Reject(reason="ConfigurationError", message="--gateway-id"),
    ),
    (
        "a new object is protected first",
        unrecorded,
        {"meta": {"finalizers": (), "annotations": {}}},
        act.Protect(place=HERE),
    ),
    (
        "the note of another gateway stays until that one has been looked at",
        unrecorded,
        {"meta": {"finalizers": (), **NOTED_ELSEWHERE}},
        act.Protect(place=THERE),
    ),
    (
        "a move is refused under an old CRD",
        recorded,
        {"immovable": THERE},
        act.Blocked(reason="Moving", message=f"stays on gateway {GATEWAY}", stalled=True),
    ),
]

NEITHER_LISTED = views(view(listed_at=None))
UNSURE = {"unsure_since": NOW - 20.0}
MARKED = {"marked": (row(),)}
BOTH = views(view(), view(place=THERE))

LOOKING: list[Case] = [
    (
        "nothing is known of the gateway",
        unrecorded,
        {"gateways": NEITHER_LISTED},
        act.Await(reason="Queued", message="first list", place=HERE, list_since=0.0, quiet=True),
    ),
    (
        "nothing is known of the other gateway that may hold it",
        unrecorded,
        {"gateways": views(view(), view(place=THERE, listed_at=None))},
        act.Await(reason="Queued", message=ELSEWHERE, place=THERE, list_since=0.0, quiet=True),
    ),
    ("our marker is seen", unrecorded, MARKED, act.Read(place=HERE, target_id=TARGET)),
    (
        "our marker is seen elsewhere, where a Create went before",
        unrecorded,
        {"marked": (row(place=THERE),), "gateways": BOTH, "meta": NOTED_ELSEWHERE},
        act.Read(place=THERE, target_id=TARGET),
    ),
    (
        "what was read was another target",
        unrecorded,
        {**MARKED, "targets": (target(target_id=TWIN),)},
        act.Read(place=HERE, target_id=TARGET),
    ),
    (
        "a fresh Get proves it",
        unrecorded,
        {**MARKED, "targets": (target(),)},
        act.TakeUp(place=HERE, target=target()),
    ),
    (
        "a fresh Get proves that it changed hands",
        unrecorded,
        {**MARKED, "targets": (target(description=f"[mcps {FOREIGN}]"),)},
        act.Await(reason="Creating", message="disagree", place=HERE, list_since=NOW),
    ),
    (
        "a fresh Get finds it going",
        unrecorded,
        {**MARKED, "targets": (target(status="DELETING"),)},
        act.Await(reason="Creating", message="disagree", place=HERE, list_since=NOW),
    ),
    (
        "an earlier target is going",
        unrecorded,
        {"marked": (row(status="DELETING"),)},
        act.Await(reason="Creating", message="is gone", place=HERE, busy=True),
    ),
    (
        "the desired name is taken up before an older target",
        unrecorded,
        {"marked": (row(name="old", created_at="2020-01-01T00:00:00Z"), row(TWIN))},
        act.Read(place=HERE, target_id=TWIN),
    ),
    (
        "the oldest is taken up where no name decides",
        unrecorded,
        {"marked": (row(name="new"), row(TWIN, name="old", created_at="2020-01-01T00:00:00Z"))},
        act.Read(place=HERE, target_id=TWIN),
    ),
    (
        "a Get answered 404 a moment ago, so a List is not believed",
        unrecorded,
        {"marked": (row(absent_at=NOW - 1.0),)},
        act.Await(reason="Creating", message="not found", place=HERE, until=NOW + 59.0, busy=True),
    ),
    (
        "the 404 is a minute old and the List still shows it",
        unrecorded,
        {"marked": (row(absent_at=NOW - 60.0),)},
        act.Read(place=HERE, target_id=TARGET),
    ),
    (
        "reads fail",
        unrecorded,
        {**MARKED, "memory": {"trouble": trouble()}},
        act.Await(reason="Throttled", message="AWS is busy", until=NOW + 30.0, quiet=True),
    ),
]

NAMES: list[Case] = [
    (
        "the name belongs to another cluster",
        unrecorded,
        {"named": (row(mark=FOREIGN),)},
        name_conflict(f"[mcps {FOREIGN}]"),
    ),
    (
        "the name belongs to a human",
        unrecorded,
        {"named": (row(mark=None),)},
        name_conflict("did not make"),
    ),
    (
        "the name is about to be free",
        unrecorded,
        {"named": (row(mark=None, status="DELETING"),)},
        act.Await(reason="Creating", message="holds the name", place=HERE, busy=True),
    ),
    (
        "of two holders the one that stays decides",
        unrecorded,
        {"named": (row(mark=None, status="DELETING"), row(TWIN, mark=FOREIGN))},
        name_conflict(TWIN),
    ),
    (
        "a List need not show the description that tells",
        unrecorded,
        {"named": (row(description=None),)},
        act.Read(place=HERE, target_id=TARGET),
    ),
    (
        "the description is empty indeed",
        unrecorded,
        {"named": (row(description=None),), "targets": (target(description=None),)},
        name_conflict("did not make"),
    ),
    (
        "the Get of the nameless one answered 404",
        unrecorded,
        {"named": (row(description=None, absent_at=NOW - 30.0),)},
        act.Await(reason="Creating", message="not found", place=HERE, until=NOW + 30.0, busy=True),
    ),
    (
        "without markers a description tells nothing",
        unrecorded,
        {"named": (row(description=None),), "settings": settings(owner_ids=())},
        name_conflict("did not make"),
    ),
]

CREATING: list[Case] = [
    ("a cached view creates nothing", unrecorded, {}, act.Fetch()),
    ("a fresh view creates", unrecorded, {"fresh": True}, CREATE),
    (
        "an external deletion is undone",
        recorded,
        {"recorded": None, "absences": (NOW - 3.0, NOW), "fresh": True},
        CREATE,
    ),
    (
        "a refused Create waits without asking the API server",
        unrecorded,
        {"memory": {"trouble": trouble(kind="validation", reason="CreationError", message="no")}},
        act.Blocked(reason="CreationError", message="no", stalled=True, until=NOW + 30.0),
    ),
    (
        "an edit does not wait",
        unrecorded,
        {"memory": {"trouble": trouble(generation=0)}, "fresh": True},
        CREATE,
    ),
    (
        "an unsure Create is looked for",
        unrecorded,
        {"memory": UNSURE, "fresh": True},
        act.Await(
            reason="Creating",
            message="clearly",
            place=HERE,
            list_since=NOW,
            until=NOW + 40.0,
        ),
    ),
    (
        "an unsure Create is looked for until a List begun after the bound",
        unrecorded,
        {"memory": {"unsure_since": NOW - 62.0}, "fresh": True},
        act.Await(reason="Creating", message="clearly", place=HERE, list_since=NOW - 2.0),
    ),
    (
        "an unsure Create is looked for on every gateway that may hold it",
        unrecorded,
        {
            "memory": {"unsure_since": NOW - 70.0},
            "gateways": views(view(), view(place=THERE, listed_at=NOW - 11.0)),
        },
        act.Await(reason="Creating", message="clearly", place=THERE, list_since=NOW - 10.0),
    ),
    (
        "an unsure Create that came to nothing is sent again",
        unrecorded,
        {"memory": {"unsure_since": NOW - 65.0}, "fresh": True},
        CREATE,
    ),
    (
        "a conflict is explained by a List",
        unrecorded,
        {"memory": {"conflict_since": NOW - 2.0}, "fresh": True},
        act.Await(reason="Creating", message="conflict", place=HERE, list_since=NOW - 2.0, quiet=True),
    ),
    (
        "a conflict that no name explains was a busy gateway",
        unrecorded,
        {"memory": {"conflict_since": NOW - 5.0}, "fresh": True},
        CREATE,
    ),
    (
        "a Create elsewhere is noted first",
        unrecorded,
        {"meta": NOTED_ELSEWHERE, "fresh": True, "gateways": BOTH},
        act.Protect(place=HERE),
    ),
    (
        "a gateway that could not be found holds nothing",
        unrecorded,
        {"meta": NOTED_ELSEWHERE, "fresh": True},
        act.Protect(place=HERE),
    ),
    (
        "where a predecessor may have created, a List after its time must show it",
        unrecorded,
        {
            "meta": NOTED_ELSEWHERE,
            "fresh": True,
            "gateways": BOTH,
            "settings": settings(started_at=NOW - 15.0),
        },
        act.Await(
            reason="Creating",
            message=ELSEWHERE,
            place=THERE,
            list_since=NOW + 60.0,
            until=NOW + 60.0,
        ),
    ),
    (
        "an edited spec may have had another name when a predecessor created",
        unrecorded,
        {"meta": {"generation": 2}, "fresh": True, "settings": settings(started_at=NOW - 15.0)},
        act.Await(
            reason="Creating",
            message=GATEWAY,
            place=HERE,
            list_since=NOW + 60.0,
            until=NOW + 60.0,
        ),
    ),
    (
        "an edited spec, long after the start",
        unrecorded,
        {"meta": {"generation": 2}, "fresh": True},
        CREATE,
    ),
    (
        "the only writer knows that nothing was created",
        unrecorded,
        {
            "meta": NOTED_ELSEWHERE,
            "fresh": True,
            "gateways": BOTH,
            "settings": settings(started_at=NOW - 15.0),
            "memory": {"only_writer": True},
        },
        act.Protect(place=HERE),
    ),
]


@pytest.mark.parametrize(
    ("build", "changes", "expected"),
    [case[1:] for case in FIRST + LOOKING + NAMES + CREATING],
    ids=[case[0] for case in FIRST + LOOKING + NAMES + CREATING],
)
def test_plan(build: Callable[..., State], changes: dict[str, Any], expected: Decision) -> None:
    check(plan(build(**changes)), expected)


def test_create_sends_the_whole_spec_with_our_marker() -> None:
    action = plan(unrecorded(fresh=True))
    assert isinstance(action, act.Create)
    assert action.request == {
        "name": NAME,
        "description": f"[mcps {OURS}]",
        "targetConfiguration": {"mcp": {"mcpServer": {"endpoint": SPEC.endpoint}}},
        "credentialProviderConfigurations": [
            {
                "credentialProviderType": "OAUTH",
                "credentialProvider": {
                    "oauthCredentialProvider": {
                        "providerArn": SPEC.oauth_provider_arn,
                        "grantType": "CLIENT_CREDENTIALS",
                        "scopes": ["read"],
                    }
                },
            }
        ],
    }


def test_a_recreation_notes_its_gateway_like_a_creation() -> None:
    """Objects of the Go operator carry no note."""
    lost = recorded(
        recorded=None, absences=(NOW - 3.0, NOW), fresh=True, meta={"annotations": {}}, record=RECORD
    )
    assert plan(lost) == act.Protect(place=HERE)
