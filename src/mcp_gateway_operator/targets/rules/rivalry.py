"""Several objects want one name on one gateway: who makes the target, and who waits.

AWS keeps names unique within a gateway, so without a rule the fastest request would win. Age decides instead,
then the uid: the same object wins whatever the order of events, and the losers send nothing meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.api.validation import problems_of
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import (
    NOWHERE,
    Circle,
    Place,
    Row,
    State,
    place_named,
    stored_record,
)
from mcp_gateway_operator.targets.shape import TargetStatus

Rank = tuple[bool, str, str]
NAME_AGAIN = 600.0
"""Seconds after which one who waits for a name looks again who has it: of many only the first is woken."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """An object is about to make a target of this name on this gateway. Of several the lowest `rank` may.

    One that `renames` has a target there under another name: it keeps nobody waiting.
    """

    place: Place
    rank: Rank
    renames: bool = False


def claim_of(obj: MCPServer, name: str, default_gateway: str) -> Claim | None:
    """Return what an object claims that wants `name`; None when it will make no target now.

    `default_gateway` is that of an object which names none by its id: its MCPGateway's, else the operator's.

    Whoever cannot act, or may not, must not keep others waiting: an object that is being deleted, paused or
    observed, or whose spec is wrong or refused by AWS.
    """
    record, place = stored_record(obj), place_of(obj, default_gateway)
    held = record is not None and record.place == place
    renames = held and record is not None and (record.target_name or name) != name
    if place == NOWHERE or _inactive(obj) or _refused(obj, held=held and not renames) or problems_of(obj):
        return None
    return Claim(place=place, rank=rank_of(obj, held=held and not renames), renames=renames)


def place_of(obj: MCPServer, default_gateway: str) -> Place:
    """Return where an object is to have its target."""
    if obj.spec.gateway:
        return place_named(obj)
    record = stored_record(obj)
    return record.place if record is not None and not obj.spec.class_name else Place(default_gateway)


def looks_on(obj: MCPServer) -> bool:
    """Whether an object claims no name and says all the same what would become of it if it did."""
    observed = obj.spec.management_policy == "Observe"
    return observed and not (obj.metadata.deletion_timestamp or obj.paused)


def rank_of(obj: MCPServer, *, held: bool) -> Rank:
    """Return the place of an object among those that want a name; `held`: its recorded target has it.

    That target may be gone for the moment, deleted by somebody else: it is this object that makes it anew.
    """
    return (not held, obj.metadata.creation_timestamp, obj.metadata.uid)


def _inactive(obj: MCPServer) -> bool:
    return bool(obj.metadata.deletion_timestamp) or obj.paused or looks_on(obj)


def _refused(obj: MCPServer, *, held: bool) -> bool:
    """Whether status says that only a user can help: then the object makes nothing by itself.

    For want of a free name, or of room on the gateway, it does as soon as there is some.
    """
    stalled = obj.status.condition(ConditionType.STALLED)
    if stalled is None or stalled.status != "True":
        return False
    waits = {Reason.GATEWAY_FULL} if held else {Reason.GATEWAY_FULL, Reason.NAME_CONFLICT}
    return stalled.observed_generation == obj.metadata.generation and stalled.reason not in waits


def yield_name(state: State) -> act.Blocked | None:
    """Leave the name to an object that comes first and is about to take it."""
    if not state.rival:
        return None
    return act.Blocked(
        reason=Reason.NAME_CONFLICT,
        message=(
            f"The name {state.want.get('targetName', '')!r} on gateway {state.place.gateway_id} goes to "
            f"MCPServer {state.rival}, which has held it or is the older one. Choose another "
            "spec.targetName, or wait: the target is created as soon as that object is gone, is renamed or "
            "moved, or cannot have the name."
        ),
        stalled=True,
        until=state.now + NAME_AGAIN,
    )


_FREE_NAME: Final = "a spec.targetName that is free"
_ROOM: Final = "a gateway that has room, or make room for one more target on one of theirs"
_IN_A_CIRCLE: Final = {
    (True, False): ("names", _FREE_NAME, "have the name it wants"),
    (False, True): ("room", _ROOM, "go where it wants"),
    (True, True): ("names and room", f"{_FREE_NAME}, {_ROOM}", "have what it wants"),
}
"""What is waited for, what ends it, and what can be done then; by whether names and room are waited for."""


def deciding_row(rows: Iterable[Row]) -> Row:
    """Return the row that decides whether a name is taken: one that stays, if there is any.

    Raises:
        ValueError: there are no rows.
    """
    return min(rows, key=lambda row: row.summary.status == TargetStatus.DELETING)


def way_out(state: State, otherwise: str) -> str:
    """Return what a user can do to have a name that another target holds: `otherwise`, but in a circle."""
    return circle_words(state.circle) or otherwise


def circle_words(circle: Circle) -> str:
    """Return who waits in a circle, and what ends it; "" where there is none."""
    if not circle.members:
        return ""
    waited_for, what, wish = _IN_A_CIRCLE[circle.for_names, circle.for_room]
    return (
        f"MCPServers {circle.members} wait for each other's {waited_for} in a circle, so none of them goes "
        f"first. Give one of them {what}: the others follow by themselves, and then it can {wish}."
    )


def holder_words(state: State, row: Row) -> str:
    """Return whose target holds the wanted name, as far as that can be known here."""
    if state.disbelieved is not None and state.disbelieved[0] == row.summary.target_id:
        return f"which is recorded here, but not proven to be this object's: {state.disbelieved[1]}"
    if state.holder:
        return f"that of MCPServer {state.holder}"
    mark = row.summary.marker
    if mark is None:
        return "which this operator did not make"
    if mark in state.orphans:
        return f"marked [mcps {mark}] for an MCPServer of this installation that is gone"
    if state.settings.owns(mark):
        return (
            f"marked [mcps {mark}] for an MCPServer of this installation that is gone or in a "
            "namespace that is not watched"
        )
    return f"marked [mcps {mark}] by another installation"
