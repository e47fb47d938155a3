"""States for decisions, built from what differs from one quiet, settled MCPServer."""

from __future__ import annotations

from typing import Any

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import Condition, MCPServer, MCPServerSpec, MCPServerStatus, ObjectMeta
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known.memory import Details, Memory, Record, Trouble, Verified
from mcp_gateway_operator.targets.known.state import GatewayView, Row, Settings, State
from mcp_gateway_operator.targets.shape.desired import target_request
from mcp_gateway_operator.targets.shape.diff import digest_of, flatten
from mcp_gateway_operator.targets.shape.marker import marker_of
from mcp_gateway_operator.targets.shape.target import Target, TargetSummary

NOW = 10_000.0
OWNER = "cluster-a"
GATEWAY = "tools-abcdefghij"
ELSEWHERE = "other-abcdefghij"
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
RECORD = Record(gateway_id=GATEWAY, target_id=TARGET, gateway_arn=ARN, target_name=NAME)
LISTED = GatewayView(gateway_id=GATEWAY, listed_at=NOW - 5.0, targets=1)


def spec(**changes: Any) -> MCPServerSpec:
    """Return the usual spec with changes."""
    return msgspec.structs.replace(SPEC, **changes)


def settings(**changes: Any) -> Settings:
    """Return the usual settings with changes."""
    return msgspec.structs.replace(SETTINGS, **changes)


def view(**changes: Any) -> GatewayView:
    """Return a gateway listed five seconds ago, with changes."""
    return msgspec.structs.replace(LISTED, **changes)


def views(*each: GatewayView) -> dict[str, GatewayView]:
    """Return gateways by id."""
    return {one.gateway_id: one for one in each}


def condition(*, generation: int = 1, status: str = "True") -> Condition:
    """Return a Ready condition."""
    return Condition(type="Ready", status=status, observed_generation=generation)


def summary(target_id: str = TARGET, *, mark: str | None = OURS, **changes: Any) -> TargetSummary:
    """Return a READY target's summary; `mark` is the marker in its description."""
    return TargetSummary(
        **{
            "target_id": target_id,
            "name": NAME,
            "status": "READY",
            "created_at": BORN,
            "updated_at": BORN,
            "description": f"[mcps {mark}]" if mark else "made by hand",
            **changes,
        }
    )


def row(target_id: str = TARGET, *, mark: str | None = OURS, **changes: Any) -> Row:
    """Return a row read one second ago; changes may be the row's fields or its summary's."""
    own = {key: changes.pop(key) for key in list(changes) if key in Row.__struct_fields__}
    shown = summary(target_id, mark=mark, **changes)
    status = shown.status
    transient = status in {"CREATING", "UPDATING", "SYNCHRONIZING", "DELETING"}
    return Row(
        **{
            "gateway_id": GATEWAY,
            "summary": shown,
            "read_began": NOW - 1.0,
            "fingerprint": shown.fingerprint,
            "ready": status == "READY",
            "settled": not transient,
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
            "kind": "throttled",
            "reason": "Throttled",
            "message": "AWS is busy",
            "generation": 1,
            "attempts": 1,
            "until": NOW + 30.0,
            "at": NOW - 1.0,
            **changes,
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
    body = target_request(of, name=of.target_name or NAME, mark=used.marker_of(obj))
    want = flatten(body)
    memory = Memory(**{"uid": UID, "applied": 1, "next_sweep": NOW + 3600.0, **changes.pop("memory", {})})
    fields: dict[str, Any] = {
        "gateway_id": GATEWAY,
        "gateways": views(LISTED),
        "settings": used,
        "want": want,
        "want_digest": digest_of(want),
        "request": body,
        **changes,
    }
    return State(now=NOW, obj=obj, memory=memory, **fields)


def recorded(*, of: MCPServerSpec = SPEC, **changes: Any) -> State:
    """Return an object whose recorded target is READY and known to hold the spec."""
    shown: Row | None = changes.pop("recorded", row())
    state = unrecorded(of=of, **{"record": RECORD, "recorded": shown, "was_listed": True, **changes})
    memory = state.memory
    if memory.verified is None and "verified" not in changes.get("memory", {}) and shown is not None:
        memory.verified = verified(state, shown)
    return state


def verified(state: State, of: Row) -> Verified:
    """Return the proof that AWS held the state's spec when the row was shown."""
    return Verified(digest=state.want_digest, fingerprint=of.fingerprint, updated_at=of.summary.updated_at)


def deleted(**changes: Any) -> State:
    """Return a recorded object that is being deleted since ten seconds."""
    changes["meta"] = {"deletion_timestamp": BORN, "generation": 2, **changes.get("meta", {})}
    changes["memory"] = {"deleting_since": NOW - 10.0, **changes.get("memory", {})}
    return recorded(**changes)


def deleted_unrecorded(**changes: Any) -> State:
    """Return an object without a record that is being deleted, long after the operator's start."""
    return deleted(**{"record": None, "recorded": None, **changes})


def check(action: act.Action, expected: act.Action) -> None:
    """Compare an action with the one expected, of whose message only a part is given."""
    part = getattr(expected, "message", None)
    if part is not None:
        assert part in getattr(action, "message", ""), action
        action = msgspec.structs.replace(action, message=part)
    assert action == expected
