"""What one process remembers of an object: losing it costs calls, never correctness.

`ObjectMemory` is what is true of the object; each place where it has a target, or may have one, has a
`TargetMemory`. That is made of parts, and each part has one owner: the module that is named beside it makes
its new values, and nobody else does. All of it is frozen. A pass takes what there is, replaces it once before
each decision (`controller.gather`) and once after what came of it (`controller.perform`), and nowhere else.

Every instant is in seconds of the event loop's clock, unless it says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from mcp_gateway_operator.api.types import MCPServerStatus
from mcp_gateway_operator.targets.known.errors import ErrorKind
from mcp_gateway_operator.targets.known.records import NOWHERE, Place, Record
from mcp_gateway_operator.targets.shape import NO_FIELDS, Fingerprint, Flat, TargetStatus


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all that is remembered."""


class Verified(Page, frozen=True, kw_only=True):
    """AWS is known to hold this configuration.

    Attributes:
        digest: of the comparable form of what AWS holds.
        fingerprint: of the row it was true for; None until a List has shown the target settled.
        updated_at: AWS's time of change in the answer that proved it.
    """

    digest: str
    fingerprint: Fingerprint | None
    updated_at: str


class Written(NamedTuple):
    """Our last Create or Update: `updatedAt` in its answer, and when that came."""

    updated_at: str
    answered_at: float


class Shown(NamedTuple):
    """What Lists show of a target: its own row, and the ids of those that may be or become the object's."""

    row: Fingerprint | None
    ids: frozenset[str]


class Trouble(Page, frozen=True, kw_only=True):
    """The last AWS call for this object failed; nothing is sent before `until`, unless the spec changes.

    Attributes:
        awaits_consent: the target's state, when AWS refused a write because a person has yet to consent.
        op: the operation that failed.
        shown: what Lists showed of the object's target then (`rules.retries`).
    """

    kind: ErrorKind
    reason: str
    message: str
    generation: int
    attempts: int
    until: float
    at: float
    awaits_consent: TargetStatus | None = None
    op: str = ""
    shown: Shown | None = None


class Details(Page, frozen=True, kw_only=True):
    """What only a Get, answered at `read_at`, tells of a target that is settled and not READY."""

    fingerprint: Fingerprint | None
    reasons: tuple[str, ...]
    authorization_url: str | None
    read_at: float = 0.0


class HeldValues(NamedTuple):
    """Digests of what the recorded target had by field (headers by name) when its row was this one."""

    fingerprint: Fingerprint | None
    values: Flat


class Held(Page, frozen=True, kw_only=True):
    """What AWS holds of the spec (`rules.drift`).

    Attributes:
        verified: what AWS is known to hold, None while that is not known.
        written: our last write.
        defaults: fields that the spec leaves out and AWS filled in, as the answer to that write showed.
        applied: generation of the spec that AWS is known to have held; a difference from it is an edit, and
            one from AWS at that generation is drift.
        name_taken: generation whose name another target held when it was last looked at, 0 for none.
        next_sweep: when the next full comparison is due.
    """

    verified: Verified | None = None
    written: Written | None = None
    defaults: Flat = NO_FIELDS
    applied: int = 0
    name_taken: int = 0
    next_sweep: float | None = None


class Drift(Page, frozen=True, kw_only=True):
    """Changes that others made and that were repaired (`rules.drift`).

    Attributes:
        attempts: repairs of late.
        not_before: before which none is repaired again.
        sent: digest of the last difference that was sent, to notice what does not converge.
        check: a full read is due although the row is the one that was verified.
    """

    attempts: int = 0
    not_before: float = 0.0
    sent: str = ""
    check: bool = False


class Failure(Page, frozen=True, kw_only=True):
    """A target that failed, over a whole episode of failures (`rules.failed_target`).

    Attributes:
        generation: whose failures are counted; 0 before the first look.
        attempts: repairs sent since the target was last healthy for long.
        due: when the next repair is, while the target is failed.
        healthy_since: since when the target is READY again.
    """

    generation: int = 0
    attempts: int = 0
    due: float | None = None
    healthy_since: float | None = None


class Reads(Page, frozen=True, kw_only=True):
    """Gets that changes outside have cost (`rules.awaited_reads`).

    Attributes:
        debt: until when they are paid for.
        idle: those in a row, since the last write, that found no difference behind a changed row.
    """

    debt: float = 0.0
    idle: int = 0


class Address(Page, frozen=True, kw_only=True):
    """The address at which a person consents, and when it runs out."""

    url: str
    expires: datetime


class Consent(Page, frozen=True, kw_only=True):
    """A person who is waited for (`rules.consent`).

    Attributes:
        shown: the address that status shows meanwhile.
        since: when the target was first seen in its present state.
        ends: when the address runs out.
        settled_at: when the target was last seen settled and not waiting for a person.
    """

    shown: Address | None = None
    since: float | None = None
    ends: float = 0.0
    settled_at: float | None = None


class Indexing(Page, frozen=True, kw_only=True):
    """Requests to index the tools (`rules.tool_sync`).

    Attributes:
        asked_at: when tools were last asked to be indexed, other than to repair.
        generation: for which this process last had AWS ask for consent by indexing tools.
    """

    asked_at: float = 0.0
    generation: int = 0


class Doubt(Page, frozen=True, kw_only=True):
    """Creates of which it is not known what they made (`rules.creation`).

    Attributes:
        only_writer: this process set the finalizer, so no other process can have created anything.
        unsure_since: end of the last Create whose outcome is not known.
        unsure_in: where those went.
        conflict_since: end of the last Create that was refused with a conflict.
    """

    only_writer: bool = False
    unsure_since: float | None = None
    unsure_in: frozenset[Place] = frozenset()
    conflict_since: float | None = None


class Ending(Page, frozen=True, kw_only=True):
    """The end of a target (`rules.deletion`).

    Attributes:
        since: when it was first seen to be due.
        asked_at: when AWS last accepted a Delete.
    """

    since: float | None = None
    asked_at: float | None = None


class TargetMemory(Page, frozen=True, kw_only=True):
    """What is remembered of an object's target in one place.

    Attributes:
        record: a record that status does not hold yet.
        replaces: the record that status held when `record` came to be known.
        trouble: the last call that failed, until one succeeds.
        details: what the last Get told of a target that was settled and not READY.
        held_values: kept only where a rule refuses some of the spec.
        report_after: before which a status in progress is not worth a write.
    """

    record: Record | None = None
    replaces: Record | None = None
    trouble: Trouble | None = None
    details: Details | None = None
    held_values: HeldValues | None = None
    report_after: float = 0.0
    held: Held = Held()
    drift: Drift = Drift()
    failure: Failure = Failure()
    reads: Reads = Reads()
    consent: Consent = Consent()
    indexing: Indexing = Indexing()
    doubt: Doubt = Doubt()
    ending: Ending = Ending()

    def but(self, **changes: Any) -> TargetMemory:
        """Return this with other parts."""
        return msgspec.structs.replace(self, **changes)

    @property
    def reasons(self) -> tuple[str, ...]:
        """AWS's reasons for the target's state, as the last Get told them."""
        return self.details.reasons if self.details is not None else ()


BLANK = TargetMemory()


class Telling(Page, frozen=True, kw_only=True):
    """What users were told (`controller.tell`).

    Attributes:
        worse: reason of the last Event about a turn for the worse, "" once Ready again.
        wrote: the status as we last wrote it; another in its place is another process's.
        quarrels, quarrel_until: how often in a row that was so, and until when no status is written again.
        waiting_since: since when passes have ended in a wait that says little.
    """

    worse: str = ""
    wrote: MCPServerStatus | None = None
    quarrels: int = 0
    quarrel_until: float = -math.inf
    waiting_since: float | None = None


class ObjectMemory(Page, frozen=True, kw_only=True):
    """What is remembered of one object (by uid).

    Attributes:
        home: the place of its own target, or where that is to be made.
        places: what is remembered of that place, and of each that a move leads to or leaves behind.
        moves: the other places of the object, where status does not hold them yet; None when it does.
        unconfirmed: a write of the record got no answer, so it is repeated before anything else.
        born_here: this process saw the object appear, without our finalizer.
        synced_request: the annotation's value that tools were last indexed for.
        wish: what the annotation that asks for a look said at the last decision, None before the first.
    """

    uid: str
    home: Place = NOWHERE
    places: Mapping[Place, TargetMemory] = MappingProxyType({})
    moves: tuple[Record, ...] | None = None
    unconfirmed: bool = False
    born_here: bool = False
    synced_request: str = ""
    wish: str | None = None
    telling: Telling = Telling()

    def but(self, **changes: Any) -> ObjectMemory:
        """Return this with other parts."""
        return msgspec.structs.replace(self, **changes)

    def put(self, place: Place, page: TargetMemory) -> ObjectMemory:
        """Return this with another page for one place."""
        return msgspec.structs.replace(self, places={**self.places, place: page})
