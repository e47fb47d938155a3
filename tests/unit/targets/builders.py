"""States for decisions, built from what differs from one quiet, settled MCPServer."""

from __future__ import annotations

from typing import Any

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import Condition, MCPServer, MCPServerSpec, MCPServerStatus, ObjectMeta
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import (
    BLANK,
    AgentCoreError,
    Details,
    ErrorKind,
    GatewayView,
    ObjectMemory,
    Place,
    Record,
    Row,
    Settings,
    State,
    TargetMemory,
    Trouble,
    Verified,
)
from mcp_gateway_operator.targets.shape import (
    TRANSIENT,
    Target,
    TargetStatus,
    TargetSummary,
    digest_of,
    flatten,
    marker_of,
    target_request,
)

Decision = act.Step | act.Wait
NOW = 10_000.0
OWNER = "cluster-a"
GATEWAY = "tools-abcdefghij"
ELSEWHERE = "other-abcdefghij"
HERE, THERE = Place(GATEWAY), Place(ELSEWHERE)
ACCOUNT, REGION = "123456789012", "us-east-1"
ARN = f"arn:aws:bedrock-agentcore:{REGION}:{ACCOUNT}:gateway/{GATEWAY}"
PROVIDER = f"arn:aws:bedrock-agentcore:{REGION}:{ACCOUNT}:token-vault/default/oauth2credentialprovider/idp"
UID = "0b8f7c1e-0000-4000-8000-000000000001"
TARGET, TWIN = "TARGET0001", "TARGET0002"
NAME = "weather"
OURS = marker_of(OWNER, "team-a", NAME)
SIBLING = marker_of(OWNER, "team-a", "other")
FOREIGN = marker_of("cluster-b", "team-a", NAME)
BORN = "2026-11-22T12:00:00Z"

SPEC = MCPServerSpec(
    endpoint="https://weather.example.com/mcp",
    capabilities=("tools",),
    auth_type="OAuth2",
    oauth_provider_arn=PROVIDER,
    oauth_scopes=("read",),
)
SETTINGS = Settings(default_gateway=GATEWAY, owner_ids=(OWNER,), account=ACCOUNT, region=REGION)
RECORD = Record(place=HERE, target_id=TARGET, gateway_arn=ARN, target_name=NAME)
LISTED = GatewayView(place=HERE, listed_at=NOW - 5.0)


PAGES = {
    "verified": ("held", "verified"),
    "written": ("held", "written"),
    "defaults": ("held", "defaults"),
    "applied": ("held", "applied"),
    "next_sweep": ("held", "next_sweep"),
    "drift_next": ("drift", "not_before"),
    "sent_diff": ("drift", "sent"),
    "verify_after_repair": ("drift", "check"),
    "failure_next": ("failure", "due"),
    "read_debt": ("reads", "debt"),
    "idle_reads": ("reads", "idle"),
    "shown": ("consent", "shown"),
    "consent_since": ("consent", "since"),
    "consent_ends": ("consent", "ends"),
    "settled_at": ("consent", "settled_at"),
    "indexed_for": ("indexing", "generation"),
    "only_writer": ("doubt", "only_writer"),
    "unsure_since": ("doubt", "unsure_since"),
    "conflict_since": ("doubt", "conflict_since"),
    "ending_since": ("ending", "since"),
    "delete_asked": ("ending", "asked_at"),
}
"""Short names of what the tests change in a memory: part and field."""


def remember(memory: TargetMemory, **changes: Any) -> TargetMemory:
    """Return a memory with changes under their short names, or whole parts under theirs."""
    for name, value in changes.items():
        part, field = PAGES.get(name, (name, ""))
        page = msgspec.structs.replace(getattr(memory, part), **{field: value}) if field else value
        memory = memory.but(**{part: page})
    return memory


def remembering(state: State, **changes: Any) -> State:
    """Return a state whose target is remembered with changes, as of `remember`."""
    memory = remember(state.memory, **changes)
    return msgspec.structs.replace(state, memory=memory, own=state.own.put(state.place, memory))


def spec(**changes: Any) -> MCPServerSpec:
    """Return the usual spec with changes."""
    return msgspec.structs.replace(SPEC, **changes)


def settings(**changes: Any) -> Settings:
    """Return the usual settings with changes."""
    return msgspec.structs.replace(SETTINGS, **changes)


def view(**changes: Any) -> GatewayView:
    """Return a gateway listed five seconds ago, with changes."""
    return msgspec.structs.replace(LISTED, **changes)


def views(*each: GatewayView) -> dict[Place, GatewayView]:
    """Return gateways by place."""
    return {one.place: one for one in each}


def failed(kind: str, message: str) -> AgentCoreError:
    """Return the failure of a List."""
    return AgentCoreError(ErrorKind(kind), "Code", message)


def condition(*, generation: int = 1, status: str = "True") -> Condition:
    """Return a Ready condition."""
    return Condition(type="Ready", status=status, observed_generation=generation)


def summary(target_id: str = TARGET, *, mark: str | None = OURS, **changes: Any) -> TargetSummary:
    """Return a READY target's summary; `mark` is the marker in its description."""
    return TargetSummary(
        **{
            "target_id": target_id,
            "name": NAME,
            "created_at": BORN,
            "updated_at": BORN,
            "description": f"[mcps {mark}]" if mark else "made by hand",
            **changes,
            "status": TargetStatus(changes.get("status", "READY")),
        }
    )


def row(target_id: str = TARGET, *, mark: str | None = OURS, **changes: Any) -> Row:
    """Return a row read one second ago; changes may be the row's fields or its summary's."""
    own = {key: changes.pop(key) for key in list(changes) if key in Row.__struct_fields__}
    shown = summary(target_id, mark=mark, **changes)
    status = shown.status
    return Row(
        **{
            "place": HERE,
            "summary": shown,
            "read_began": NOW - 1.0,
            "fingerprint": shown.fingerprint,
            "ready": status == TargetStatus.READY,
            "settled": status not in TRANSIENT,
            **own,
        }
    )


def target(of: MCPServerSpec = SPEC, *, config: dict[str, Any] | None = None, **changes: Any) -> Target:
    """Return the target in full as AWS would hold this spec; `config` replaces parts of its configuration."""
    body = target_request(of, name=NAME, mark=OURS)
    held = {key: value for key, value in body.items() if key not in {"name", "description"}}
    changes = {"description": body.get("description"), **changes}
    return Target(summary=summary(**changes), gateway_arn=ARN, config={**held, **(config or {})})


def edited_outside(**changes: Any) -> Target:
    """Return the target as somebody left it who changed its endpoint."""
    server = {"endpoint": "https://evil.example.com/mcp"}
    return target(config={"targetConfiguration": {"mcp": {"mcpServer": server}}}, **changes)


def trouble(**changes: Any) -> Trouble:
    """Return a throttled call that is tried again in half a minute."""
    return Trouble(
        **{
            "reason": "Throttled",
            "message": "AWS is busy",
            "generation": 1,
            "attempts": 1,
            "until": NOW + 30.0,
            "at": NOW - 1.0,
            **changes,
            "kind": ErrorKind(changes.get("kind", "throttled")),
        }
    )


def details(of: Row, *reasons: str, url: str | None = None) -> Details:
    """Return what a Get told of a row."""
    return Details(fingerprint=of.fingerprint, reasons=reasons, authorization_url=url)


def meta(**changes: Any) -> ObjectMeta:
    """Return the metadata of a protected object."""
    return ObjectMeta(
        **{
            "name": NAME,
            "namespace": "team-a",
            "uid": UID,
            "resource_version": "7",
            "generation": 1,
            "creation_timestamp": BORN,
            "finalizers": (names.FINALIZER,),
            "annotations": {names.GATEWAY_ANNOTATION: GATEWAY},
            **changes,
        }
    )


def unrecorded(*, of: MCPServerSpec = SPEC, **changes: Any) -> State:
    """Return a protected object without a record on a gateway that holds nothing of it.

    Keywords `meta`, `status` and `memory` are dictionaries of changes; all others are the state's fields.
    """
    status = MCPServerStatus(**{"observed_generation": 1, **changes.pop("status", {})})
    obj = MCPServer(metadata=meta(**changes.pop("meta", {})), spec=of, status=status)
    used: Settings = changes.get("settings", SETTINGS)
    body = target_request(of, name=of.target_name or NAME, mark=next(iter(used.markers_of(obj)), None))
    want = flatten(body)
    flat = {"applied": 1, "next_sweep": NOW + 3600.0, **changes.pop("memory", {})}
    synced = flat.pop("synced_request", "")
    memory, place = remember(BLANK, **flat), changes.get("place", HERE)
    own = ObjectMemory(uid=UID, home=place, places={place: memory}, synced_request=synced)
    fields: dict[str, Any] = {
        "place": HERE,
        "gateways": views(LISTED),
        "settings": used,
        "want": want,
        "want_digest": digest_of(want),
        "request": body,
        **changes,
    }
    return State(now=NOW, obj=obj, memory=memory, own=own, **fields)


def recorded(*, of: MCPServerSpec = SPEC, **changes: Any) -> State:
    """Return an object whose recorded target is READY and known to hold the spec."""
    shown: Row | None = changes.pop("recorded", row())
    state = unrecorded(of=of, **{"record": RECORD, "recorded": shown, "was_listed": True, **changes})
    if "verified" not in changes.get("memory", {}) and shown is not None:
        return remembering(state, verified=verified(state, shown))
    return state


def verified(state: State, of: Row) -> Verified:
    """Return the proof that AWS held the state's spec when the row was shown."""
    return Verified(digest=state.want_digest, fingerprint=of.fingerprint, updated_at=of.summary.updated_at)


def deleted(**changes: Any) -> State:
    """Return a recorded object that is being deleted since ten seconds."""
    changes["meta"] = {"deletion_timestamp": BORN, "generation": 2, **changes.get("meta", {})}
    changes["memory"] = {"ending_since": NOW - 10.0, **changes.get("memory", {})}
    return recorded(**changes)


def deleted_unrecorded(**changes: Any) -> State:
    """Return an object without a record that is being deleted, long after the operator's start."""
    return deleted(**{"record": None, "recorded": None, **changes})


def check(action: Decision, expected: Decision) -> None:
    """Compare an action with the one expected, of whose message only a part is given."""
    part = getattr(expected, "message", None)
    if part is not None:
        assert part in getattr(action, "message", ""), action
        action = msgspec.structs.replace(action, message=part)
    assert action == expected


def name_conflict(words: str) -> act.Blocked:
    """Return the wait for a name that another has; who has it is looked at again after ten minutes."""
    return act.Blocked(reason="NameConflict", message=words, stalled=True, until=NOW + 600.0)
