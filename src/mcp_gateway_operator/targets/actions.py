"""The closed set of what one step for one MCPServer can be; `plan` returns exactly one of these."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from mcp_gateway_operator.targets.shape import FieldDiff, Target


class Cause(StrEnum):
    """Why a target is written."""

    EDIT = "edit"
    DRIFT = "drift"
    FAILURE = "failure"
    REQUEST = "request"
    SCHEDULE = "schedule"
    ADOPTION = "adoption"


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all actions."""


class Nothing(Action, frozen=True, kw_only=True):
    """Not our object, or nothing left to do; nothing is reported.

    Attributes:
        until: when to look again all the same, in loop seconds.
    """

    until: float | None = None


class Settled(Action, frozen=True, kw_only=True):
    """AWS holds this generation, READY.

    Attributes:
        until: the next sweep.
        note: what else there is to say.
        held: an indexing of tools was refused and waits, which takes nothing from the target.
        rest: as in `Blocked`.
    """

    until: float | None = None
    note: str = ""
    held: bool = False
    rest: Await | Blocked | None = None


class Await(Action, frozen=True, kw_only=True):
    """Something is in progress and will be heard of.

    Attributes:
        until: loop time of the next look, None when only the observer wakes.
        list_since: wake when a List of `gateway_id` begun at or after this has ended.
        busy: ask the observer for Lists of `gateway_id` at its fast cadence.
        quiet: says nothing new, so nothing is reported.
    """

    reason: str
    message: str
    gateway_id: str = ""
    until: float | None = None
    list_since: float | None = None
    busy: bool = False
    quiet: bool = False


class Blocked(Action, frozen=True, kw_only=True):
    """Not as it should be, and waiting for time or for somebody.

    Attributes:
        stalled: only a user can help.
        synced: AWS holds this generation's configuration all the same.
        signature: digest of a difference that AWS does not let us remove.
        until, list_since, busy: as in `Await`.
        rest: what the end of the object's target on another gateway waits for, after a move.
    """

    reason: str
    message: str
    stalled: bool = False
    synced: bool = False
    signature: str = ""
    gateway_id: str = ""
    until: float | None = None
    list_since: float | None = None
    busy: bool = False
    rest: Await | Blocked | None = None


class Reject(Action, frozen=True, kw_only=True):
    """The spec or the settings cannot be acted on; waits for a change."""

    reason: str
    message: str


class Protect(Action, frozen=True, kw_only=True):
    """Put our finalizer on, and note the gateway where a Create may go."""

    gateway_id: str


class Fetch(Action, frozen=True, kw_only=True):
    """Read the object from the API server: a cached view must not lead to a Create."""


class Read(Action, frozen=True, kw_only=True):
    """Get one target; `look`: because it changed outside, so it counts against `looks`."""

    gateway_id: str
    target_id: str
    urgent: bool = True
    look: bool = False


class Create(Action, frozen=True, kw_only=True):
    """Create the target."""

    gateway_id: str
    request: dict[str, Any]
    digest: str


class TakeUp(Action, frozen=True, kw_only=True):
    """Record a target that a fresh Get proved to be ours, or (`adopted`) to be nobody's."""

    gateway_id: str
    target: Target
    adopted: bool = False


class Verify(Action, frozen=True, kw_only=True):
    """Note that AWS holds the desired configuration."""

    digest: str


class Update(Action, frozen=True, kw_only=True):
    """Replace the target's configuration."""

    gateway_id: str
    target_id: str
    request: dict[str, Any]
    digest: str
    cause: Cause
    diffs: tuple[FieldDiff, ...] = ()


class Synchronize(Action, frozen=True, kw_only=True):
    """Have AWS connect to the server and index its tools again; `request` is the annotation that asks."""

    gateway_id: str
    target_id: str
    cause: Cause
    request: str = ""


class Decline(Action, frozen=True, kw_only=True):
    """Acknowledge a request to index tools where AWS indexes none, and say why."""

    request: str
    message: str


class Delete(Action, frozen=True, kw_only=True):
    """Delete a target; `duplicate`: not the object's only one, but a second one of the same name."""

    gateway_id: str
    target_id: str
    duplicate: bool = False


class Move(Action, frozen=True, kw_only=True):
    """Write into status that a target may come to be on another gateway, before a Create can go there."""

    gateway_id: str
    message: str


class AtPlace(Action, frozen=True, kw_only=True):
    """Take one step for the object on a gateway that its record does not name."""

    gateway_id: str
    step: Action


class Forget(Action, frozen=True, kw_only=True):
    """Nothing of the object is left on a gateway, or nothing that is to be touched: `event` says which."""

    gateway_id: str
    event: str
    message: str


class CheckGateway(Action, frozen=True, kw_only=True):
    """Ask AWS for a gateway whose Lists answer 404."""

    gateway_id: str


class Release(Action, frozen=True, kw_only=True):
    """Take our finalizer off; `event` and `message` say why."""

    event: str
    message: str
