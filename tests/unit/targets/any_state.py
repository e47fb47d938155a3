"""Any state at all, likely or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServer, MCPServerStatus
from mcp_gateway_operator.targets.known.memory import Details, Memory, Record, Trouble, Verified
from mcp_gateway_operator.targets.known.state import GatewayView, Row, Settings, State
from mcp_gateway_operator.targets.shape.desired import target_request
from mcp_gateway_operator.targets.shape.diff import digest_of, flatten
from mcp_gateway_operator.targets.shape.target import Target
from tests.unit.targets.builders import (
    ACCOUNT,
    ARN,
    BORN,
    ELSEWHERE,
    FOREIGN,
    GATEWAY,
    NAME,
    NOW,
    OURS,
    OWNER,
    REGION,
    SIBLING,
    TARGET,
    TWIN,
    UID,
    condition,
    deleted,
    deleted_unrecorded,
    meta,
    recorded,
    row,
    spec,
    target,
    unrecorded,
)
from tests.unit.targets.builders import settings as operator_settings

GATEWAYS = st.sampled_from([GATEWAY, GATEWAY, GATEWAY, ELSEWHERE])
MOMENTS = st.sampled_from([0.0, NOW - 400.0, NOW - 76.0, NOW - 60.0, NOW - 10.0, NOW - 2.0, NOW - 1.0, NOW])
MAYBE = st.none() | MOMENTS
LATER = st.sampled_from([NOW - 1.0, NOW, NOW + 30.0])
STATUSES = st.sampled_from(
    [
        "CREATING",
        "UPDATING",
        "UPDATE_UNSUCCESSFUL",
        "DELETING",
        "READY",
        "READY",
        "FAILED",
        "SYNCHRONIZING",
        "SYNCHRONIZE_UNSUCCESSFUL",
        "CREATE_PENDING_AUTH",
        "SOMETHING_NEW",
    ]
)
MARKS = st.sampled_from([*5 * [OURS], FOREIGN, SIBLING, None])
IDS = st.sampled_from([TARGET, TARGET, TARGET, TWIN])
KINDS = st.sampled_from(
    [
        "validation",
        "access-denied",
        "conflict",
        "throttled",
        "quota",
        "quota-targets",
        "not-found",
        "transient",
    ]
)
FINGERPRINTS = st.sampled_from([None, ("other",), row().fingerprint])


@st.composite
def rows(draw: st.DrawFn, *, mark: st.SearchStrategy[str | None] = MARKS) -> Row:
    """A row as the observer may have it."""
    ready = draw(st.integers(0, 4)) > 0
    return row(
        draw(IDS),
        mark=draw(mark),
        gateway_id=draw(GATEWAYS),
        status=draw(STATUSES),
        name=draw(st.sampled_from([NAME, "other"])),
        created_at=draw(st.sampled_from([BORN, "2020-01-01T00:00:00Z"])),
        read_began=draw(st.sampled_from([NOW, NOW, NOW - 1.0, NOW - 10.0, NOW - 60.0])),
        fingerprint=draw(FINGERPRINTS),
        absent_at=draw(MAYBE),
        ready=ready,
        settled=ready or draw(st.booleans()),
    )


@st.composite
def targets(draw: st.DrawFn) -> Target:
    """A target as a Get may have answered it."""
    mark = draw(MARKS)
    endpoint = draw(st.sampled_from(["https://weather.example.com/mcp", "https://evil.example.com/mcp"]))
    return target(
        target_id=draw(IDS),
        status=draw(STATUSES),
        description=f"[mcps {mark}]" if mark else None,
        config={"targetConfiguration": {"mcp": {"mcpServer": {"endpoint": endpoint}}}},
    )


VIEWS = st.builds(
    GatewayView,
    gateway_id=st.just(""),
    listed_at=st.sampled_from([*4 * [NOW], None, NOW - 1.0, NOW - 10.0, NOW - 400.0]),
    error=st.sampled_from(6 * [None]) | st.tuples(KINDS, st.just("words")),
    missing_since=st.sampled_from([*6 * [None], NOW - 400.0, NOW - 60.0, NOW - 1.0]),
    targets=st.integers(0, 100),
)
MEMORIES = st.builds(
    Memory,
    uid=st.just(UID),
    record=st.none(),
    born_here=st.booleans(),
    protected_here=st.booleans(),
    conflict_since=MAYBE,
    unsure_since=st.sampled_from([None, None, None, NOW - 76.0, NOW - 10.0]),
    applied=st.integers(0, 1),
    written=st.none() | st.tuples(st.just(BORN), MOMENTS),
    verified=st.none()
    | st.builds(Verified, digest=st.just("?"), fingerprint=FINGERPRINTS, updated_at=st.just(BORN)),
    verify_after_repair=st.booleans(),
    trouble=st.sampled_from(4 * [None])
    | st.builds(
        Trouble,
        kind=KINDS,
        reason=st.just("Reason"),
        message=st.just("words"),
        generation=st.integers(0, 1),
        attempts=st.integers(1, 5),
        until=LATER,
        at=MOMENTS,
    ),
    details=st.none()
    | st.builds(
        Details,
        fingerprint=FINGERPRINTS,
        reasons=st.just(()),
        authorization_url=st.none(),
    ),
    failure_attempts=st.integers(0, 5),
    failure_next=st.none() | LATER,
    drift_next=LATER,
    sent_diff=st.sampled_from(["", "?"]),
    deleting_since=MAYBE,
    delete_asked=MAYBE,
    gateway_gone=st.booleans(),
    gateway_answered=MAYBE,
    next_sweep=st.none() | LATER,
)
SETTINGS = st.builds(
    Settings,
    default_gateway=st.sampled_from(["", GATEWAY]),
    owner_ids=st.sampled_from([(), (OWNER,), ("new-owner", OWNER)]),
    write_marker=st.booleans(),
    default_deletion_policy=st.sampled_from([*5 * ["Delete"], "Retain"]),
    started_at=st.sampled_from([0.0, 0.0, NOW - 400.0, NOW - 76.0, NOW - 10.0]),
    account=st.sampled_from(["", ACCOUNT, "210987654321"]),
    region=st.sampled_from([REGION, "eu-west-1"]),
    allow_adoption=st.booleans(),
)
RECORDS = st.builds(
    Record,
    gateway_id=GATEWAYS,
    target_id=IDS,
    gateway_arn=st.sampled_from(["", ARN]),
    target_name=st.sampled_from(["", NAME]),
    legacy=st.booleans(),
)
ANNOTATIONS = st.sampled_from(
    [
        *4 * [{names.GATEWAY_ANNOTATION: GATEWAY}],
        {names.GATEWAY_ANNOTATION: ELSEWHERE},
        {names.GATEWAY_ANNOTATION: GATEWAY, names.PAUSED_ANNOTATION: "true"},
        {names.PAUSED_ANNOTATION: "false"},
        {},
    ]
)
SPECS = st.builds(
    spec,
    management_policy=st.sampled_from([*6 * [""], "Manage", "Observe"]),
    deletion_policy=st.sampled_from([*5 * [""], "Delete", "Retain"]),
    drift_policy=st.sampled_from(["", "Repair", "Report"]),
    adoption_policy=st.sampled_from(["", "Never", "IfExists"]),
    listing_mode=st.sampled_from(["", "DYNAMIC"]),
    oauth_grant_type=st.sampled_from(["", "AUTHORIZATION_CODE"]),
)


@st.composite
def objects(draw: st.DrawFn) -> MCPServer:
    """An object of ours, or one that is not yet."""
    return MCPServer(
        metadata=meta(
            deletion_timestamp=draw(st.sampled_from([None, BORN])),
            finalizers=draw(st.sampled_from([*3 * [(names.FINALIZER,)], ("other", names.FINALIZER), ()])),
            annotations=draw(ANNOTATIONS),
        ),
        spec=draw(SPECS),
        status=MCPServerStatus(
            target_name=draw(st.sampled_from(["", NAME])),
            gateway_arn=draw(st.sampled_from(["", ARN])),
            not_converging=draw(st.sampled_from(["", "?"])),
            conditions=draw(st.sampled_from([(), (condition(),), (condition(generation=0),)])),
        ),
    )


@st.composite
def states(draw: st.DrawFn) -> State:
    """Any combination of everything that a decision looks at."""
    obj = draw(objects())
    settings = draw(SETTINGS)
    record = draw(st.none() | RECORDS)
    memory = draw(MEMORIES)
    gateway_id = draw(st.sampled_from([*5 * [GATEWAY], ELSEWHERE, ""]))
    if record is not None:
        # The gateway that the spec names, when it is another, is a state of its own: `destination`.
        gateway_id = record.gateway_id
    body = target_request(obj.spec, name=NAME, mark=settings.marker_of(obj))
    want = flatten(body)
    digest = digest_of(want)
    if memory.verified is not None and draw(st.booleans()):
        memory.verified = Verified(digest=digest, fingerprint=memory.verified.fingerprint, updated_at=BORN)
    gateways: dict[str, Any] = draw(st.dictionaries(GATEWAYS, VIEWS, max_size=2))
    if gateway_id and draw(st.integers(0, 4)):
        gateways.setdefault(gateway_id, draw(VIEWS))
    first, second = sorted(draw(st.tuples(MOMENTS, MOMENTS)))
    return State(
        now=NOW,
        obj=obj,
        settings=settings,
        memory=memory,
        fresh=draw(st.booleans()),
        record=record,
        shared=draw(st.booleans()),
        gateway_id=gateway_id,
        gateways=gateways,
        recorded=draw(st.none() | rows() | rows()) if record is not None else None,
        was_listed=draw(st.booleans()),
        still_listed=draw(st.booleans()),
        absences=draw(st.sampled_from([None, (first, second)])),
        marked=tuple(draw(st.sampled_from([[], []]) | st.lists(rows(mark=st.just(OURS)), max_size=2)))
        if settings.marks
        else (),
        named=tuple(draw(st.sampled_from([[], []]) | st.lists(rows(), max_size=2))),
        want=want,
        want_digest=digest,
        request=body,
        target=draw(st.none() | targets() | targets()),
        problems=draw(st.sampled_from([*9 * [()], ("wrong",)])),
        disbelieved=draw(st.none() | st.tuples(IDS, st.just("it is older than this object"))),
        holder=draw(st.sampled_from(["", "team-b/other"])),
        rival=draw(st.sampled_from([*3 * [""], "team-b/other"])),
        rename_blocked=draw(st.sampled_from(["", "taken"])),
        sync_denied=draw(st.booleans()),
        name_recorded=draw(st.sampled_from([False, False, True])),
        orphans=frozenset(draw(st.sampled_from([(), (), (SIBLING,)]))) if settings.marks else frozenset(),
    )


ADOPTABLE: dict[str, Any] = {
    "of": spec(adoption_policy="IfExists"),
    "settings": operator_settings(allow_adoption=True),
}
BASES: tuple[Callable[[], State], ...] = (
    lambda: unrecorded(fresh=True),
    lambda: unrecorded(marked=(row(),), target=target()),
    lambda: unrecorded(**ADOPTABLE, named=(row(mark=None),), target=target(description="by hand")),
    lambda: unrecorded(
        **ADOPTABLE,
        named=(row(mark=SIBLING),),
        orphans=frozenset({SIBLING}),
        target=target(description=f"[mcps {SIBLING}]"),
    ),
    lambda: recorded(target=target()),
    lambda: recorded(memory={"verified": None, "next_sweep": None}, target=target(name="other")),
    lambda: recorded(marked=(row(), row(TWIN)), target=target(target_id=TWIN)),
    lambda: recorded(
        recorded=row(status="FAILED", ready=False),
        memory={
            "details": Details(
                fingerprint=row(status="FAILED").fingerprint, reasons=(), authorization_url=None
            ),
            "failure_next": NOW,
        },
        target=target(status="FAILED"),
    ),
    lambda: recorded(recorded=None, absences=(NOW - 10.0, NOW), fresh=True),
    deleted,
    lambda: deleted(recorded=None, absences=(NOW - 10.0, NOW - 10.0)),
    lambda: deleted_unrecorded(marked=(row(),), target=target()),
    deleted_unrecorded,
)
_PARTS = [
    part.name for part in fields(State) if not part.name.startswith(("want", "request", "now", "memory"))
]
_MEMORIES = [part.name for part in fields(Memory) if part.name not in {"uid", "record"}]


@st.composite
def likely_states(draw: st.DrawFn) -> State:
    """A state in which something is about to happen, with a few facts replaced."""
    state, other = draw(st.sampled_from(BASES))(), draw(states())
    for name in draw(st.lists(st.sampled_from(_PARTS), max_size=3)):
        setattr(state, name, getattr(other, name))
    for name in draw(st.lists(st.sampled_from(_MEMORIES), max_size=2)):
        setattr(state.memory, name, getattr(other.memory, name))
    if state.record is None:
        state.recorded = None
    else:
        state.gateway_id = state.record.gateway_id
    if not state.settings.marks:
        state.marked = ()
        state.orphans = frozenset()
    return state
