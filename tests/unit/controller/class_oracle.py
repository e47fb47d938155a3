"""What may reach which gateway, judged anew from what is stored: the referee of random stories.

Nothing of the operator's own rules is used. Every request is looked at when AWS gets it, with the objects,
MCPGateways and labels as they were when the operator could last see them.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from agentcore_simulator import Engine
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import NAMESPACES, Resource
from mcp_gateway_operator.targets.shape import marker_of
from mcp_gateway_operator.targets.shape.target import find_marker
from tests.support.accounts import OWN, REGION
from tests.support.classes import GATEWAY
from tests.support.memory_store import Store

Json = dict[str, Any]
Key = tuple[str, str]
OWNER = "cluster-a"
CREATE, UPDATE, SYNCHRONIZE, DELETE = (
    "CreateGatewayTarget",
    "UpdateGatewayTarget",
    "SynchronizeGatewayTargets",
    "DeleteGatewayTarget",
)
UNDERSTOOD = {"gatewayArn", "aws", "allow", "defaults", "capacity"}
ON_ITS_WAY = 40.0
"""Seconds that a decision about an object may be old: its call may wait for a session."""
KNOWN_BY = 160.0
"""Seconds after which what happened while a watch was away is known again: a silent one lasts 130."""
LABEL = "kubernetes.io/metadata.name"
decode = lru_cache(maxsize=4096)(msgspec.json.decode)


@dataclass(eq=False)
class Flags:
    """How an operator was started."""

    name: str = ""
    required: bool = False
    default_ref: str = ""
    namespaces: tuple[str, ...] = ()
    started: float = 0.0


ACTS: ContextVar[Flags] = ContextVar("acts")
"""The operator whose task this is."""
ROLE: ContextVar[str] = ContextVar("role", default="")
"""The role whose session makes the call, "" for the operator's own identity."""


@dataclass
class Seen:
    """Objects, MCPGateways and labels at one moment."""

    objects: dict[Key, Json]
    classes: dict[str, Json]
    labels: dict[str, Json]


@dataclass
class Lost:
    """A watch that is away, since when, and since when something may be unknown."""

    since: float
    began: float
    back: float | None = None


class Past:
    """Every state of what decides, from the moment it is made."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next = store.on_change
        self._states: dict[Resource, list[tuple[float, dict[Key, bytes]]]] = {}
        self.lost: dict[Resource, Lost] = {}
        for resource in (MCPSERVERS, MCPGATEWAYS, NAMESPACES):
            self._states[resource] = [(0.0, dict(store.objects[resource]))]
        store.on_change = self._note

    def _note(self) -> None:
        for resource, states in self._states.items():
            now = self._store.objects[resource]
            if now != states[-1][1]:
                states.append((_now(), dict(now)))
        self._next()

    def _of(self, resource: Resource, slack: float) -> list[dict[Key, bytes]]:
        now, lost = _now(), self.lost.get(resource)
        since = now - slack
        if lost is not None and (lost.back is None or now < lost.back + KNOWN_BY):
            since = min(since, lost.since)
        states = self._states[resource]
        ends = [began for began, _ in states[1:]] + [now]
        return [held for (_, held), end in zip(states, ends, strict=True) if end >= since - 1e-6][::-1]

    def seen(self) -> Iterator[Seen]:
        """Yield what an operator may take for the present, the present first."""
        of = self._of
        for objects, classes, labels in itertools.product(
            of(MCPSERVERS, ON_ITS_WAY), of(MCPGATEWAYS, 0.0), of(NAMESPACES, 0.0)
        ):
            yield Seen(
                objects={key: decode(body) for key, body in objects.items()},
                classes={name: decode(body) for (_, name), body in classes.items()},
                labels={
                    name: decode(body)["metadata"].get("labels", {}) for (_, name), body in labels.items()
                },
            )

    def away(self, resource: Resource) -> float:
        """Return for how many seconds a watch has been away."""
        lost = self.lost.get(resource)
        seen = lost is not None and lost.began > ACTS.get().started + 5.0
        return _now() - lost.began if lost is not None and seen and lost.back is None else 0.0


@dataclass
class Referee:
    """Looks at each request of each account.

    Attributes:
        complaints: what must not have been sent.
        closed: gateways of which nobody may even ask, as account and id.
    """

    past: Past
    own: tuple[str, str] = (OWN, REGION)
    complaints: list[str] = field(default_factory=list)
    closed: set[tuple[str, str]] = field(default_factory=set)
    sent: list[tuple[float, str, str, str, str]] = field(default_factory=list)

    def retained(self) -> set[str]:
        """Return the markers of objects of which a deletion or a move may have left targets."""
        classes = [decode(body) for states in self.past._of(MCPGATEWAYS, 1e9) for body in states.values()]
        defaults = any(each["spec"].get("defaults") for each in classes)
        found = set()
        for states in self.past._of(MCPSERVERS, 1e9):
            for key, body in states.items():
                obj = decode(body)
                policy = obj["spec"].get("deletionPolicy") or ("Retain" if defaults else "")
                observed = obj["spec"].get("managementPolicy") == "Observe"
                ends = "deletionTimestamp" in obj["metadata"] and (observed or policy == "Retain")
                if ends or obj["spec"].get("deletionPolicy") == "Retain":
                    found.add(marker_of(OWNER, *key))
        return found

    def watch(self, engine: Engine) -> None:
        """Look at what an engine performs from now on."""
        perform = engine._perform

        def looked(operation: Any, call: Any, entry: Any) -> bytes:
            self._look(engine, operation.name, call.params)
            return perform(operation, call, entry)

        engine._perform = looked  # type: ignore[method-assign]

    def _look(self, engine: Engine, operation: str, params: Json) -> None:
        settings, gateway = engine.plane.settings, params.get("gatewayIdentifier", "")
        if operation in {"GetGateway", "ListGateways"}:
            return
        where = (settings.account, settings.region)
        key = self._key(engine, params)
        self.sent.append((_now(), operation, where[0], gateway, "/".join(key)))
        why = ""
        if (where[0], gateway) in self.closed:
            why = "nobody may use that gateway"
        elif operation in {CREATE, UPDATE, SYNCHRONIZE}:
            why = self._change(engine, operation, params, key)
        elif operation == DELETE:
            why = self._delete(where, gateway, params, key)
        if why:
            who = ACTS.get(Flags("nobody"))
            self.complaints.append(
                f"{_now():.2f} {operation} {where[0]}/{gateway} for {'/'.join(key)} by {who}: {why}"
            )

    def _key(self, engine: Engine, params: Json) -> Key:
        """Return whose target a request is about, by the marker."""
        text = params.get("description")
        ids = params.get("targetIdList") or [params.get("targetId")]
        held = _held(engine, params.get("gatewayIdentifier", ""), ids[0]) if ids[0] else None
        if held is not None:
            text = held.get("description") or text
        mark = find_marker(text)
        for states in self.past._of(MCPSERVERS, 1e9):
            for key in states:
                if marker_of(OWNER, *key) == mark:
                    return key
        return ("?", str(mark))

    # -- what is made or changed --------------------------------------------------------------------------

    def _change(self, engine: Engine, operation: str, params: Json, key: Key) -> str:
        for resource in (MCPGATEWAYS, NAMESPACES):
            # A silent watch is known to be dead after 130 s.
            if self.past.away(resource) > 300.0 + 150.0:
                return f"the watch of {resource.plural} has been away for long"
        settings, gateway = engine.plane.settings, params["gatewayIdentifier"]
        first = ""
        for seen in self.past.seen():
            why = self._refused(seen, operation, (settings.account, settings.region), gateway, params, key)
            if not why:
                break
            first = first or why
        else:
            return first
        if operation != UPDATE:
            return ""
        held = _held(engine, gateway, params["targetId"])
        if held is not None and all(
            held.get(each) == params.get(each) for each in ("name", "description", "targetConfiguration")
        ):
            return "it changes nothing"
        return ""

    def _refused(
        self, seen: Seen, operation: str, where: tuple[str, str], gateway: str, params: Json, key: Key
    ) -> str:
        obj = seen.objects.get(key)
        if obj is None:
            return "there is no such object"
        arn = f"arn:aws:bedrock-agentcore:{where[1]}:{where[0]}:gateway/{gateway}"
        named = sorted(
            (each for each in seen.classes.values() if each["spec"]["gatewayArn"] == arn),
            key=lambda each: (each["metadata"]["creationTimestamp"], each["metadata"]["name"]),
        )
        if operation == CREATE and (why := self._elsewhere(seen, obj, arn)):
            return why
        if not named:
            return self._ungoverned(obj, where)
        return self._ruled(seen, named[0], operation, where, params, key)

    def _elsewhere(self, seen: Seen, obj: Json, arn: str) -> str:
        """Return why an object is not to be on a gateway, whoever may be there."""
        spec, status = obj["spec"], obj.get("status", {})
        flags = ACTS.get()
        here = f"arn:aws:bedrock-agentcore:{self.own[1]}:{self.own[0]}:gateway/"
        ref = spec.get("gatewayRef", {}).get("name", "")
        own = status.get("recordedFor") == obj["metadata"]["uid"]
        placed = status.get("placedBy", {}) if own else {}
        if not ref and spec.get("gatewayId"):
            return "" if arn == here + spec["gatewayId"] else "its gatewayId is another"
        if not ref and own and status.get("targetId"):
            at = status.get("gatewayId", "")
            return "" if arn in {at, here + at} else "its record is elsewhere"
        ref = ref or flags.default_ref
        if not ref:
            return "" if arn == here + GATEWAY else "it is to be on the default gateway"
        if placed.get("class") == ref and placed.get("gatewayArn") != arn:
            return "its MCPGateway is for another gateway now"
        if ref not in seen.classes:
            return "its MCPGateway does not exist"
        return "" if seen.classes[ref]["spec"]["gatewayArn"] == arn else "its MCPGateway is of another"

    def _ungoverned(self, obj: Json, where: tuple[str, str]) -> str:
        if where != self.own:
            return "no MCPGateway leads there"
        if ROLE.get():
            return "the role of no MCPGateway"
        if ACTS.get().required:
            return "no MCPGateway covers it"
        status = obj.get("status", {})
        own = status.get("recordedFor") == obj["metadata"]["uid"]
        if "gatewayRef" in obj["spec"]:
            return "its MCPGateway is not this gateway's"
        if own and "placedBy" in status and not obj["spec"].get("gatewayId"):
            return "the MCPGateway that placed it is gone"
        return ""

    def _ruled(
        self, seen: Seen, of: Json, operation: str, where: tuple[str, str], params: Json, key: Key
    ) -> str:
        spec = of["spec"]
        role = spec.get("aws", {}).get("roleArn", "")
        if not set(spec) <= UNDERSTOOD:
            return "its MCPGateway is not understood"
        if (role.split(":")[4] if role else self.own[0]) != where[0]:
            return "its MCPGateway has no identity there"
        if role != ROLE.get():
            return f"the session is of {ROLE.get() or 'nobody'}"
        obj = seen.objects[key]
        ref = obj["spec"].get("gatewayRef", {}).get("name", "")
        if operation == CREATE and ref and of["metadata"]["name"] != ref:
            return "another MCPGateway came first"
        status = obj.get("status", {})
        had = {each["gatewayId"] for each in status.get("moves", [])} | {status.get("gatewayId")}
        # What has a target there, or comes back to one, is nothing new.
        new = not had & {params["gatewayIdentifier"], spec["gatewayArn"]}
        if operation == CREATE and new and "deletionTimestamp" in of["metadata"]:
            return "its MCPGateway is being deleted"
        sent = params.get("targetConfiguration", {}).get("mcp", {}).get("mcpServer", {}).get("endpoint")
        endpoint = sent or obj["spec"]["endpoint"]
        labels = seen.labels.get(key[0])
        if not any(_permits(each, labels, endpoint) for each in spec.get("allow", [])):
            return f"{of['metadata']['name']} does not permit {endpoint} to {labels}"
        return ""

    # -- what is deleted ------------------------------------------------------------------------------------

    def _delete(self, where: tuple[str, str], gateway: str, params: Json, key: Key) -> str:
        if key[0] == "?":
            # It is gone already.
            return ""
        first = ""
        for seen in self.past.seen():
            why = self._kept(seen, where, gateway, params["targetId"], key)
            if not why:
                return ""
            first = first or why
        return first

    def _kept(self, seen: Seen, where: tuple[str, str], gateway: str, target_id: str, key: Key) -> str:
        obj = seen.objects.get(key)
        arn = f"arn:aws:bedrock-agentcore:{where[1]}:{where[0]}:gateway/{gateway}"
        governor = next((each for each in seen.classes.values() if each["spec"]["gatewayArn"] == arn), None)
        if governor is not None and governor["spec"].get("aws", {}).get("roleArn", "") != ROLE.get():
            return f"the session is of {ROLE.get() or 'nobody'}"
        if obj is None:
            return "there is no such object"
        spec, status = obj["spec"], obj.get("status", {})
        if "deletionTimestamp" not in obj["metadata"]:
            at = status.get("gatewayId", "")
            same = at in {arn, gateway} and (at == arn or where == self.own)
            if same and status.get("targetId") == target_id:
                return "it is the object's target, and the object lives"
            return "" if status.get("targetId") else "the object lives and has no other"
        if spec.get("deletionPolicy") == "Delete":
            return ""
        if spec.get("deletionPolicy") == "Retain":
            return "the object keeps it"
        if governor is not None and governor["spec"].get("defaults", {}).get("deletionPolicy") == "Retain":
            return "its MCPGateway keeps it"
        placed = [status.get("placedBy"), *(each.get("placedBy") for each in status.get("moves", []))]
        if governor is None and any(each["gatewayArn"] == arn for each in placed if each):
            return "nobody knows the default of its MCPGateway"
        return ""


def _permits(entry: Json, labels: Json | None, endpoint: str) -> bool:
    selector = entry.get("namespaces")
    if selector is None or (selector and labels is None):
        return False
    wanted = selector.get("matchLabels", {})
    if any((labels or {}).get(name) != value for name, value in wanted.items()):
        return False
    return any(endpoint == each or endpoint.startswith(f"{each}/") for each in entry.get("endpoints", []))


def _held(engine: Engine, gateway_id: str, target_id: str) -> Json | None:
    settings = engine.plane.settings
    region = engine.plane.regions.get((settings.account, settings.region))
    gateway = region.gateways.get(gateway_id) if region is not None else None
    target = gateway.targets.get(target_id) if gateway is not None else None
    if target is None:
        return None
    return {"name": target.name, "description": target.description, **target.configuration()}


def _now() -> float:
    return asyncio.get_running_loop().time()
