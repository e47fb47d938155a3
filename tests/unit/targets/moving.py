"""States of an object that moves to another gateway."""

from __future__ import annotations

from typing import Any

from mcp_gateway_operator.api import names
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import GatewayView, Place, Record, Row, State
from tests.unit.targets.builders import (
    ARN,
    ELSEWHERE,
    GATEWAY,
    NAME,
    NOW,
    THERE,
    TWIN,
    deleted,
    recorded,
    row,
    unrecorded,
    view,
    views,
)

ARN_THERE = ARN.replace(GATEWAY, ELSEWHERE)
BLANK = Record(place=THERE, target_id="")
KNOWN = Record(place=THERE, target_id=TWIN, gateway_arn=ARN_THERE, target_name=NAME)
THIRD = Record(place=Place("third-abcdefghij"), target_id="TARGET0003", gateway_arn=ARN_THERE)
NOTED = {"annotations": {names.GATEWAY_ANNOTATION: ELSEWHERE}}
FULL = {"kind": "quota-targets", "reason": "GatewayFull", "message": "is full"}
DENIED = {"kind": "access-denied", "reason": "AccessDenied", "message": "denied"}


def seen(**changes: Any) -> Row:
    """Return a row of the other gateway."""
    return row(TWIN, **{"place": THERE, **changes})


def listed(**changes: Any) -> dict[Place, GatewayView]:
    """Return the other gateway, listed a moment ago."""
    return views(view(**{"place": THERE, **changes}))


def at(record: Record | None = None, **changes: Any) -> State:
    """Return the object as it stands on the other gateway."""
    place = record.place if record else THERE
    fields = {"place": place, "gateways": listed(place=place), "aside": True, **changes}
    return unrecorded(record=record, was_listed=record is not None, **fields)


def moving(*, moves: tuple[Record, ...] = (), there: dict[str, Any] | None = None, **changes: Any) -> State:
    """Return an object whose target is READY on one gateway and whose spec names the other."""
    return recorded(moves=moves, destination=at(**(there or {})), **changes)


def settled(*leftovers: State, **changes: Any) -> State:
    """Return an object that has arrived, with what it left behind."""
    moves = tuple(place.record or BLANK for place in leftovers)
    return recorded(moves=moves, leftovers=leftovers, **changes)


def due(record: Record | None = KNOWN, **changes: Any) -> State:
    """Return a leftover that is to be removed since ten seconds."""
    memory = {"ending_since": NOW - 10.0, **changes.pop("memory", {})}
    shown = {"recorded": seen()} if record is not None else {}
    return at(record, memory=memory, **{**shown, **changes})


def elsewhere(step: act.AtTarget, place: Place = THERE) -> act.AtPlace:
    """Return a step on the other gateway."""
    return act.AtPlace(place=place, step=step)


def dying(*leftovers: State, **changes: Any) -> State:
    """Return an object that is being deleted in the middle of a move."""
    moves = tuple(place.record or BLANK for place in leftovers)
    return deleted(moves=moves, leftovers=leftovers, **changes)
