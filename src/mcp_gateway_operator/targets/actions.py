"""The two closed sets of what a decision for one MCPServer can be: a `Step`, or a `Wait` that ends the pass.

`plan` returns exactly one of these; `controller.perform` has an answer to each step, as mypy sees to.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec

from mcp_gateway_operator.api.types import PlacedBy
from mcp_gateway_operator.targets.known import NOWHERE, Place, State
from mcp_gateway_operator.targets.shape import FieldDiff, Target


class Cause(StrEnum):
    """Why a target is written."""

    EDIT = "edit"
    DRIFT = "drift"
    FAILURE = "failure"
    REQUEST = "request"
    SCHEDULE = "schedule"
    ADOPTION = "adoption"


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """Not our object, or nothing left to do; nothing is reported.

    Attributes:
        until: when to look again all the same, in loop seconds.
    """

    until: float | None = None


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """AWS holds this generation, READY.

    Attributes:
        until: the next sweep.
        note: what else there is to say.
        held: an indexing of tools was refused and waits, which takes nothing from the target.
        leftover: as in `Blocked`.
    """

    until: float | None = None
    note: str = ""
    held: bool = False
    leftover: Await | Blocked | None = None


class Await(msgspec.Struct, frozen=True, kw_only=True):
    """Something is in progress and will be heard of.

    Attributes:
        until: loop time of the next look, None when only the observer wakes.
        list_since: wake when a List of `place` begun at or after this has ended.
        busy: ask the observer for Lists of `place` at its fast cadence.
        quiet: says nothing new; `controller.tell` decides whether it is said all the same.
    """

    reason: str
    message: str
    place: Place = NOWHERE
    until: float | None = None
    list_since: float | None = None
    busy: bool = False
    quiet: bool = False


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """Not as it should be, and waiting for time or for somebody.

    Attributes:
        stalled: only a user can help.
        synced: AWS holds this generation's configuration all the same.
        signature: digest of a difference that AWS does not let us remove.
        place, until, list_since, busy: as in `Await`.
        leftover: what the end of the object's target on another gateway waits for, after a move.
    """

    reason: str
    message: str
    stalled: bool = False
    synced: bool = False
    signature: str = ""
    place: Place = NOWHERE
    until: float | None = None
    list_since: float | None = None
    busy: bool = False
    leftover: Await | Blocked | None = None


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """The spec or the settings cannot be acted on; waits for a change."""

    reason: str
    message: str


Wait = Nothing | Settled | Await | Blocked | Reject
"""What ends a pass."""


class Protect(msgspec.Struct, frozen=True, kw_only=True):
    """Put our finalizer on, and note the gateway where a Create may go."""

    place: Place


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Write into status by which MCPGateway a target is about to be made."""

    placed_by: PlacedBy


class Fetch(msgspec.Struct, frozen=True, kw_only=True):
    """Read the object from the API server: a cached view must not lead to a Create."""


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """Get one target; `budgeted`: because it changed outside, so it counts against `rules.awaited_reads`."""

    place: Place
    target_id: str
    urgent: bool = True
    budgeted: bool = False


class Create(msgspec.Struct, frozen=True, kw_only=True):
    """Create the target."""

    place: Place
    request: dict[str, Any]
    digest: str


class TakeUp(msgspec.Struct, frozen=True, kw_only=True):
    """Record a target that a fresh Get proved to be ours, or (`adopted`) to be nobody's."""

    place: Place
    target: Target
    adopted: bool = False


class Verify(msgspec.Struct, frozen=True, kw_only=True):
    """Note that AWS holds the desired configuration."""

    digest: str


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """Replace the target's configuration."""

    place: Place
    target_id: str
    request: dict[str, Any]
    digest: str
    cause: Cause
    diffs: tuple[FieldDiff, ...] = ()


class Synchronize(msgspec.Struct, frozen=True, kw_only=True):
    """Have AWS connect to the server and index its tools again; `request` is the annotation that asks."""

    place: Place
    target_id: str
    cause: Cause
    request: str = ""


class Decline(msgspec.Struct, frozen=True, kw_only=True):
    """Acknowledge a request to index tools where AWS indexes none, and say why."""

    request: str
    message: str


class Delete(msgspec.Struct, frozen=True, kw_only=True):
    """Delete a target; `duplicate`: not the object's only one, but a second one of the same name."""

    place: Place
    target_id: str
    duplicate: bool = False


class CheckGateway(msgspec.Struct, frozen=True, kw_only=True):
    """Have AWS asked for a gateway whose Lists answer 404, once for all objects."""

    place: Place


class CallTheRoll(msgspec.Struct, frozen=True, kw_only=True):
    """Look for such a gateway among all that there are, until a moment at the latest."""

    place: Place
    until: float


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """Write into status that a target may come to be on another gateway, before a Create can go there."""

    place: Place
    message: str


class Forget(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing of the object is left on a gateway, or nothing that is to be touched: `event` says which."""

    place: Place
    event: str
    message: str


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Take our finalizer off; `event` and `message` say why."""

    event: str
    message: str


AtTarget = (
    Read | Create | TakeUp | Verify | Update | Synchronize | Decline | Delete | CheckGateway | CallTheRoll
)
"""What is done for the target of one place, and remembered there."""


class AtPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Take one step for the object on a gateway that its record does not name."""

    place: Place
    step: AtTarget


Call = Read | Create | Update | Synchronize | Delete
"""What is asked of AWS."""
Step = AtTarget | AtPlace | Protect | Note | Fetch | Move | Forget | Release
"""What is performed, and followed by another decision."""


class WriteCause(StrEnum):
    """Causes of writes to AWS."""

    CREATE = "create"
    """An object's first target."""
    EDIT = "edit"
    DRIFT = "drift"
    """Somebody changed or deleted the target outside."""
    REPAIR = "repair"
    """AWS reports the target as failed."""
    MOVE = "move"
    RESYNC = "resync"
    """Tools are to be indexed, on request or by schedule."""
    ADOPTION = "adoption"
    DELETE = "delete"
    DUPLICATE = "duplicate"
    """A second target with the marker of an object that keeps another one."""


_OF_PLAN: Final = {
    Cause.EDIT: WriteCause.EDIT,
    Cause.DRIFT: WriteCause.DRIFT,
    Cause.FAILURE: WriteCause.REPAIR,
    Cause.REQUEST: WriteCause.RESYNC,
    Cause.SCHEDULE: WriteCause.RESYNC,
    Cause.ADOPTION: WriteCause.ADOPTION,
}


def write_cause(state: State, step: AtTarget) -> WriteCause | None:
    """Return why a step writes to AWS, None when it does not.

    Args:
        state: what the step was decided on, of the place that it is for.
        step: what is carried out.
    """
    match step:
        case Create():
            if state.aside:
                return WriteCause.MOVE
            return WriteCause.CREATE if state.record is None else WriteCause.DRIFT
        case Update(cause=cause) | Synchronize(cause=cause):
            return _OF_PLAN[cause]
        case Delete(duplicate=True):
            return WriteCause.DUPLICATE
        case Delete():
            left_over = state.aside and not state.obj.metadata.deletion_timestamp
            return WriteCause.MOVE if left_over else WriteCause.DELETE
        case _:
            return None
