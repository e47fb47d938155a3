"""Any state at all, likely or not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import strategies as st

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.api.types import MCPServer, MCPServerStatus
from mcp_gateway_operator.targets.known import (
    NOWHERE,
    Address,
    Circle,
    Consent,
    Details,
    Doubt,
    Drift,
    Ending,
    ErrorKind,
    Existence,
    Failure,
    GatewayView,
    Held,
    HeldValues,
    Indexing,
    ObjectMemory,
    Place,
    Reads,
    Record,
    Row,
    Settings,
    Shown,
    State,
    TargetMemory,
    Telling,
    Trouble,
    Verified,
    Written,
)
from mcp_gateway_operator.targets.shape import Target, TargetStatus, digest_of, flatten, target_request
from tests.unit.targets.builders import (
    ACCOUNT,
    ARN,
    BORN,
    ELSEWHERE,
    FOREIGN,
    GATEWAY,
    HERE,
    NAME,
    NOW,
    OURS,
    OWNER,
    PAGES,
    RECORD,
    REGION,
    SIBLING,
    TARGET,
    THERE,
    TWIN,
    UID,
    condition,
    deleted,
    deleted_unrecorded,
    failed,
    meta,
    recorded,
    remember,
    remembering,
    row,
    spec,
    target,
    unrecorded,
)
from tests.unit.targets.builders import settings as operator_settings

PLACES = st.sampled_from([HERE, HERE, HERE, THERE])
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
BOOLEANS = st.booleans()
FINGERPRINTS = st.sampled_from([None, row(name="other").fingerprint, row().fingerprint])


def _row(target_id: str, *, ready: bool, settled: bool, **fields: Any) -> Row:
    return row(target_id, ready=ready, settled=ready or settled, **fields)


def _rows(mark: st.SearchStrategy[str | None]) -> st.SearchStrategy[Row]:
    """Rows as the observer may have them."""
    return st.builds(
        _row,
        IDS,
        mark=mark,
        place=PLACES,
        status=STATUSES,
        name=st.sampled_from([NAME, "other"]),
        created_at=st.sampled_from([BORN, "2020-01-01T00:00:00Z"]),
        read_began=st.sampled_from([NOW, NOW, NOW - 1.0, NOW - 10.0, NOW - 60.0]),
        fingerprint=FINGERPRINTS,
        absent_at=MAYBE,
        ready=st.sampled_from([*4 * [True], False]),
        settled=BOOLEANS,
    )


ROWS = _rows(MARKS)
OUR_ROWS = _rows(st.just(OURS))


def _target(mark: str | None, endpoint: str, **fields: Any) -> Target:
    description = f"[mcps {mark}]" if mark else None
    config = {"targetConfiguration": {"mcp": {"mcpServer": {"endpoint": endpoint}}}}
    return target(description=description, config=config, **fields)


TARGETS = st.builds(
    _target,
    MARKS,
    st.sampled_from(["https://weather.example.com/mcp", "https://evil.example.com/mcp"]),
    target_id=IDS,
    status=STATUSES,
)
"""Targets as a Get may have answered them."""


VIEWS = st.builds(
    GatewayView,
    place=st.just(HERE),
    listed_at=st.sampled_from([*4 * [NOW], None, NOW - 1.0, NOW - 10.0, NOW - 400.0]),
    error=st.sampled_from(6 * [None]) | KINDS.map(lambda kind: failed(kind, "words")),
    missing_since=st.sampled_from([*6 * [None], NOW - 400.0, NOW - 60.0, NOW - 1.0]),
    existence=st.builds(
        Existence,
        known_at=st.sampled_from([None, NOW - 100.0, NOW - 1.0]),
        unknown_at=st.sampled_from([None, NOW - 100.0, NOW - 1.0]),
        denied_at=st.sampled_from([None, None, NOW - 1.0]),
        lacking=st.sampled_from([None, (NOW - 40.0, NOW - 20.0), (NOW - 5.0, NOW - 5.0)]),
        where=st.sampled_from([None, None, ("123456789012", "us-east-1"), ("210987654321", "us-east-1")]),
        where_at=st.sampled_from([NOW - 100.0, NOW - 1.0]),
        asked=st.booleans(),
        rolling=st.booleans(),
    ),
)
RECORDS = st.builds(
    Record,
    place=PLACES,
    target_id=IDS,
    gateway_arn=st.sampled_from(["", ARN]),
    target_name=st.sampled_from(["", NAME]),
    legacy=st.booleans(),
)
ONE_RECORD = st.sampled_from(
    [RECORD, msgspec.structs.replace(RECORD, target_id=TWIN), msgspec.structs.replace(RECORD, place=THERE)]
)
ATTEMPTS = st.integers(0, 5)
GENERATIONS = st.integers(0, 1)
TEXTS = st.sampled_from(["", "?"])
WALLS = st.sampled_from([datetime(2026, 11, 22, hour, tzinfo=UTC) for hour in (11, 12, 13)])
VARIED: dict[type[msgspec.Struct], dict[str, st.SearchStrategy[Any]]] = {}
"""How each field of each part of a memory varies. A field that is missing here fails a test."""


def _varied(part: type[msgspec.Struct], /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    VARIED[part] = fields
    return st.builds(part, **fields)


def _seldom(part: type[msgspec.Struct], /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A part that is mostly as it is in the beginning, for a draw of each field takes its time."""
    return st.just(part()) | st.just(part()) | _varied(part, **fields)


PROOFS = _varied(
    Verified,
    digest=TEXTS,
    fingerprint=FINGERPRINTS,
    updated_at=st.sampled_from([BORN, "2026-11-22T13:00:00Z"]),
)
HELD = _varied(
    Held,
    verified=st.none() | PROOFS,
    written=st.none() | st.builds(Written, st.just(BORN), MOMENTS),
    defaults=st.sampled_from([{}, {"description": "made by hand"}, {"resourcePriority": 7}]),
    applied=GENERATIONS,
    name_taken=GENERATIONS,
    next_sweep=st.none() | LATER,
)
DRIFTS = _seldom(Drift, attempts=ATTEMPTS, not_before=LATER, sent=TEXTS, check=st.booleans())
FAILURES = _seldom(
    Failure, generation=GENERATIONS, attempts=ATTEMPTS, due=st.none() | LATER, healthy_since=MAYBE
)
READS = _seldom(
    Reads, debt=st.sampled_from([0.0, NOW + 60.0, NOW + 6000.0]), idle=st.sampled_from([0, 0, 9, 10])
)
ADDRESSES = _varied(
    Address, url=st.sampled_from(["https://a.example.com", "https://b.example.com"]), expires=WALLS
)
CONSENTS = _seldom(Consent, shown=st.none() | ADDRESSES, since=MAYBE, ends=MOMENTS | LATER, settled_at=MAYBE)
INDEXINGS = _seldom(Indexing, asked_at=MOMENTS, generation=GENERATIONS)
DOUBTS = _varied(
    Doubt,
    only_writer=st.booleans(),
    unsure_since=st.sampled_from([None, None, None, NOW - 76.0, NOW - 10.0]),
    unsure_in=st.frozensets(PLACES, max_size=2),
    conflict_since=MAYBE,
)
ENDINGS = _varied(Ending, since=MAYBE, asked_at=MAYBE)
TROUBLES = _varied(
    Trouble,
    kind=KINDS.map(ErrorKind),
    reason=st.sampled_from([Reason.CREATION_ERROR, Reason.ACCESS_DENIED]),
    message=st.sampled_from(["words", "other words"]),
    generation=GENERATIONS,
    attempts=st.integers(1, 5),
    until=LATER,
    at=MOMENTS,
    awaits_consent=st.sampled_from([None, None, TargetStatus.CREATE_PENDING_AUTH]),
    op=st.sampled_from(["", "create", "update", "delete"]),
    shown=st.none() | st.builds(Shown, FINGERPRINTS, st.frozensets(st.sampled_from([TARGET, SIBLING]))),
)
DETAILS = _varied(
    Details,
    fingerprint=FINGERPRINTS,
    reasons=st.sampled_from([(), ("Unable to connect to the MCP server",)]),
    authorization_url=st.sampled_from([None, "https://consent.example.com/1"]),
    read_at=MOMENTS,
)
VALUES = st.builds(HeldValues, FINGERPRINTS, st.sampled_from([{}, {"allowedRequestHeaders": ["x-amz-date"]}]))
MEMORIES = _varied(
    TargetMemory,
    record=st.none() | ONE_RECORD,
    replaces=st.none() | ONE_RECORD,
    trouble=st.sampled_from(4 * [None]) | TROUBLES,
    details=st.none() | DETAILS,
    held_values=st.none() | VALUES,
    report_after=MOMENTS | LATER,
    held=HELD,
    drift=DRIFTS,
    failure=FAILURES,
    reads=READS,
    consent=CONSENTS,
    indexing=INDEXINGS,
    doubt=DOUBTS,
    ending=ENDINGS,
)
TELLINGS = _seldom(
    Telling,
    worse=st.sampled_from(["", "TargetFailed"]),
    wrote=st.sampled_from([None, MCPServerStatus(), MCPServerStatus(target_id=TARGET)]),
    quarrels=ATTEMPTS,
    quarrel_until=MOMENTS | LATER,
    waiting_since=MAYBE,
)
OBJECT_MEMORIES = _varied(
    ObjectMemory,
    uid=st.sampled_from([UID, "another"]),
    home=PLACES,
    places=st.sampled_from([{}, {HERE: TargetMemory()}, {THERE: TargetMemory(record=RECORD)}]),
    moves=st.none() | st.lists(ONE_RECORD, max_size=1).map(tuple),
    unconfirmed=st.booleans(),
    born_here=st.booleans(),
    synced_request=st.sampled_from(["", "again"]),
    wish=st.sampled_from([None, "", "again"]),
    telling=TELLINGS,
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


OBJECTS = st.builds(
    MCPServer,
    metadata=st.builds(
        meta,
        deletion_timestamp=st.sampled_from([None, BORN]),
        finalizers=st.sampled_from([*3 * [(names.FINALIZER,)], ("other", names.FINALIZER), ()]),
        annotations=ANNOTATIONS,
    ),
    spec=SPECS,
    status=st.builds(
        MCPServerStatus,
        target_name=st.sampled_from(["", NAME]),
        gateway_arn=st.sampled_from(["", ARN]),
        not_converging=st.sampled_from(["", "?"]),
        conditions=st.sampled_from([(), (condition(),), (condition(generation=0),)]),
    ),
)
"""Objects of ours, and some that are not yet."""


@st.composite
def _known_gateways(draw: st.DrawFn, place: Place | None = None) -> dict[Place, GatewayView]:
    gateways: dict[Place, GatewayView] = draw(_SOME_GATEWAYS)
    place = draw(_WHERE) if place is None else place
    if place != NOWHERE and draw(_MOSTLY):
        gateways.setdefault(place, draw(VIEWS))
    return gateways


_SOME_GATEWAYS = st.dictionaries(PLACES, VIEWS, max_size=2)
_MOSTLY = st.sampled_from([*4 * [True], False])
_WHERE = st.sampled_from([*5 * [HERE], THERE, NOWHERE])
_NONE = st.just(())


def _sorted(first: float, second: float) -> tuple[float, float]:
    return min(first, second), max(first, second)


PARTS: dict[str, st.SearchStrategy[Any]] = {
    "obj": OBJECTS,
    "settings": SETTINGS,
    "own": st.builds(ObjectMemory.put, OBJECT_MEMORIES, _WHERE, MEMORIES),
    "fresh": BOOLEANS,
    "record": st.none() | RECORDS,
    "shared": BOOLEANS,
    "place": _WHERE,
    "gateways": _known_gateways(),
    # Two strategies that are one object would be drawn as one: twice as many rows as none need two of them.
    "recorded": st.none() | ROWS | _rows(MARKS),
    "was_listed": BOOLEANS,
    "still_listed": BOOLEANS,
    "absences": st.none() | st.builds(_sorted, MOMENTS, MOMENTS),
    "marked": _NONE | st.lists(OUR_ROWS, max_size=2).map(tuple),
    "named": _NONE | st.lists(ROWS, max_size=2).map(tuple),
    "targets": st.lists(TARGETS, max_size=2).map(tuple),
    "problems": st.sampled_from([*9 * [()], ("wrong",)]),
    "disbelieved": st.none() | st.tuples(IDS, st.just("it is older than this object")),
    "holder": st.sampled_from(["", "team-b/other"]),
    "rival": st.sampled_from([*3 * [""], "team-b/other"]),
    "circle": st.builds(
        Circle,
        members=st.sampled_from(["", "team-a/weather and team-a/other"]),
        for_names=st.just(True),
        for_room=BOOLEANS,
    ),
    "rename_blocked": st.sampled_from(["", "taken"]),
    "sync_denied": BOOLEANS,
    "name_recorded": st.sampled_from([False, False, True]),
    "orphans": st.sampled_from([frozenset(), frozenset(), frozenset({SIBLING})]),
}
"""What a decision looks at, how each part of it varies by itself. Drawing is what takes the time here."""
_BY_THEMSELVES = tuple(
    name
    for name in PARTS
    if name not in {"obj", "settings", "own", "record", "place", "gateways", "recorded"}
)


def _without_marks(settings: Settings, changes: dict[str, Any]) -> dict[str, Any]:
    return changes if settings.marks else {**changes, "marked": (), "orphans": frozenset()}


@st.composite
def states(draw: st.DrawFn) -> State:
    """Any combination of everything that a decision looks at."""
    obj = draw(OBJECTS)
    settings = draw(SETTINGS)
    record = draw(PARTS["record"])
    memory = draw(MEMORIES)
    # The gateway that the spec names, when it is another, is a state of its own: `destination`.
    place = draw(_WHERE) if record is None else record.place
    body = target_request(obj.spec, name=NAME, mark=next(iter(settings.markers_of(obj)), None))
    want = flatten(body)
    digest = digest_of(want)
    proof = memory.held.verified
    if proof is not None and draw(BOOLEANS):
        memory = remember(memory, verified=msgspec.structs.replace(proof, digest=digest, updated_at=BORN))
    parts = {name: draw(PARTS[name]) for name in _BY_THEMSELVES}
    return State(
        now=NOW,
        obj=obj,
        settings=settings,
        memory=memory,
        own=draw(OBJECT_MEMORIES).put(place, memory),
        record=record,
        place=place,
        gateways=draw(_known_gateways(place)),
        recorded=draw(PARTS["recorded"]) if record is not None else None,
        want=want,
        want_digest=digest,
        request=body,
        **_without_marks(settings, parts),
    )


ADOPTABLE: dict[str, Any] = {
    "of": spec(adoption_policy="IfExists"),
    "settings": operator_settings(allow_adoption=True),
}
BASES: tuple[Callable[[], State], ...] = (
    lambda: unrecorded(fresh=True),
    lambda: unrecorded(marked=(row(),), targets=(target(),)),
    lambda: unrecorded(**ADOPTABLE, named=(row(mark=None),), targets=(target(description="by hand"),)),
    lambda: unrecorded(
        **ADOPTABLE,
        named=(row(mark=SIBLING),),
        orphans=frozenset({SIBLING}),
        targets=(target(description=f"[mcps {SIBLING}]"),),
    ),
    lambda: recorded(targets=(target(),)),
    lambda: recorded(memory={"verified": None, "next_sweep": None}, targets=(target(name="other"),)),
    lambda: recorded(marked=(row(), row(TWIN)), targets=(target(target_id=TWIN),)),
    lambda: recorded(
        recorded=row(status="FAILED", ready=False),
        memory={
            "details": Details(
                fingerprint=row(status="FAILED").fingerprint, reasons=(), authorization_url=None
            ),
            "failure_next": NOW,
        },
        targets=(target(status="FAILED"),),
    ),
    lambda: recorded(recorded=None, absences=(NOW - 10.0, NOW), fresh=True),
    deleted,
    lambda: deleted(recorded=None, absences=(NOW - 10.0, NOW - 10.0)),
    lambda: deleted_unrecorded(marked=(row(),), targets=(target(),)),
    deleted_unrecorded,
)
_REPLACED = st.lists(st.sampled_from(sorted(PARTS)), max_size=3)
_BASES = st.sampled_from(BASES)
_REMEMBERED = st.lists(st.sampled_from(sorted(PAGES)), max_size=2)
_WHOLE = st.lists(st.sampled_from(["trouble", "details", "report_after", "replaces"]), max_size=1)


@st.composite
def likely_states(draw: st.DrawFn) -> State:
    """A state in which something is about to happen, with a few facts replaced."""
    state = draw(_BASES)()
    state = msgspec.structs.replace(state, **{name: draw(PARTS[name]) for name in draw(_REPLACED)})
    state = remembering(state, **draw(_SOME_MEMORIES))
    changes: dict[str, Any] = {}
    if state.record is None:
        changes["recorded"] = None
    else:
        changes["place"] = state.record.place
    return msgspec.structs.replace(state, **_without_marks(state.settings, changes))


@st.composite
def _some_memories(draw: st.DrawFn) -> dict[str, Any]:
    """Up to two facts of a target's memory, each alone and not with its part."""
    found: dict[str, Any] = {}
    for name in draw(_REMEMBERED):
        part, field = PAGES[name]
        found[name] = draw(VARIED[type(getattr(TargetMemory(), part))][field])
    return found | {name: draw(VARIED[TargetMemory][name]) for name in draw(_WHOLE)}


_SOME_MEMORIES = _some_memories()
