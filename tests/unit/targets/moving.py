"""States of an object that moves to another gateway."""

from __future__ import annotations

from typing import Any

from mcp_gateway_operator.api import names
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known.memory import Record
from mcp_gateway_operator.targets.known.state import Row, State
from tests.unit.targets.builders import (
    ARN,
    ELSEWHERE,
    GATEWAY,
    NAME,
    NOW,
    TWIN,
    deleted,
    recorded,
    row,
    unrecorded,
    view,
    views,
)

ARN_THERE = ARN.replace(GATEWAY, ELSEWHERE)
BLANK = Record(gateway_id=ELSEWHERE, target_id="")
KNOWN = Record(gateway_id=ELSEWHERE, target_id=TWIN, gateway_arn=ARN_THERE, target_name=NAME)
THIRD = Record(gateway_id="third-abcdefghij", target_id="TARGET0003", gateway_arn=ARN_THERE)
NOTED = {"annotations": {names.GATEWAY_ANNOTATION: ELSEWHERE}}
FULL = {"kind": "quota-targets", "reason": "GatewayFull", "message": "is full"}
DENIED = {"kind": "access-denied", "reason": "AccessDenied", "message": "denied"}


def seen(**changes: Any) -> Row:
    """Return a row of the other gateway."""
    return row(TWIN, **{"gateway_id": ELSEWHERE, **changes})


def listed(**changes: Any) -> dict[str, Any]:
    """Return the other gateway, listed a moment ago."""
    return views(view(**{"gateway_id": ELSEWHERE, **changes}))


def at(record: Record | None = None, **changes: Any) -> State:
    """Return the object as it stands on the other gateway."""
    gateway_id = record.gateway_id if record else ELSEWHERE
    fields = {"gateway_id": gateway_id, "gateways": listed(gateway_id=gateway_id), "aside": True, **changes}
    return unrecorded(record=record, was_listed=record is not None, **fields)


def moving(*, moves: tuple[Record, ...] = (), there: dict[str, Any] | None = None, **changes: Any) -> State:
    """Return an object whose target is READY on one gateway and whose spec names the other."""
    state = recorded(moves=moves, **changes)
    state.destination = at(**(there or {}))
    return state


def settled(*leftovers: State, **changes: Any) -> State:
    """Return an object that has arrived, with what it left behind."""
    moves = tuple(place.record or BLANK for place in leftovers)
    return recorded(moves=moves, leftovers=leftovers, **changes)


def due(record: Record | None = KNOWN, **changes: Any) -> State:
    """Return a leftover that is to be removed since ten seconds."""
    memory = {"deleting_since": NOW - 10.0, **changes.pop("memory", {})}
    shown = {"recorded": seen()} if record is not None else {}
    return at(record, memory=memory, **{**shown, **changes})


def elsewhere(step: act.Action, gateway_id: str = ELSEWHERE) -> act.AtPlace:
    """Return a step on the other gateway."""
    return act.AtPlace(gateway_id=gateway_id, step=step)


def dying(*leftovers: State, **changes: Any) -> State:
    """Return an object that is being deleted in the middle of a move."""
    moves = tuple(place.record or BLANK for place in leftovers)
    return deleted(moves=moves, leftovers=leftovers, **changes)
