"""What one process remembers of an object: losing it costs calls, never correctness."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

import msgspec

from mcp_gateway_operator.api.types import MCPServerStatus
from mcp_gateway_operator.targets.shape import Flat


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Which target is an object's; `legacy` ones were written by the Go operator."""

    gateway_id: str
    target_id: str
    gateway_arn: str = ""
    target_name: str = ""
    legacy: bool = False


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """AWS is known to hold this configuration.

    Attributes:
        digest: of the comparable form of what AWS holds.
        fingerprint: of the row it was true for; None until a List has shown the target settled.
        updated_at: AWS's time of change in the answer that proved it.
    """

    digest: str
    fingerprint: tuple[object, ...] | None
    updated_at: str


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """The last AWS call for this object failed; nothing is sent before `until`, unless the spec changes.

    `awaits_consent`: the target's state, when AWS refused a write because a person has yet to consent.
    """

    kind: str
    reason: str
    message: str
    generation: int
    attempts: int
    until: float
    at: float
    awaits_consent: str = ""


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """The address at which a person consents, and when it runs out."""

    url: str
    expires: datetime


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """What only a Get, answered at `read_at`, tells of a target that is settled and not READY."""

    fingerprint: tuple[object, ...] | None
    reasons: tuple[str, ...]
    authorization_url: str | None
    read_at: float = 0.0


_NOWHERE: Mapping[str, Memory] = MappingProxyType({})


@dataclass(slots=True)
class Memory:
    """What this process remembers of one object (by uid); losing it costs calls, never correctness.

    Attributes:
        record: a record that status does not hold yet.
        replaces: the record that status held when `record` came to be known.
        protected_here: this process set the finalizer, so no other process can have created anything.
        born_here: this process saw the object appear, without our finalizer.
        unsure_since: end of the last Create whose outcome is not known (or None).
        conflict_since: end of the last Create that was refused with a conflict (or None).
        applied: generation of the spec that AWS is known to have held; a difference from it is an edit, and
            one from AWS at that generation is drift.
        name_taken: generation whose name another target held when it was last looked at, 0 for none.
        verified: what AWS is known to hold, None while that is not known.
        verify_after_repair: a full read is due although the row is the one that was verified.
        trouble: the last call that failed, until one succeeds.
        details: what the last Get told of a target that was settled and not READY.
        written: `updatedAt` in the answer of our last Create or Update, and the loop time of that answer.
        report_after: loop time before which a status in progress is not worth a write.
        failure_of: generation whose failures are counted; 0 before the first look.
        failure_attempts: repairs sent since the target was last healthy for long.
        failure_next: loop time of the next repair, while the target is failed.
        failure_ended: loop time since which the target is READY again.
        read_debt: loop time until which the reads are paid for that changes outside have cost (`looks`).
        idle_reads: reads in a row, since the last write, that found no difference behind a changed row.
        drift_attempts, drift_next: drifts repaired of late, and the loop time before which none is again.
        sent_diff: digest of the last drift that was repaired, to notice what does not converge.
        defaults: fields that the spec leaves out and AWS filled in, as the answer to our last write showed.
        gateway_gone: GetGateway answered 404 too, or may not be asked.
        gateway_answered: loop time at which GetGateway last knew a gateway whose Lists answer 404.
        deleting_since: loop time at which the deletion was first seen.
        delete_asked: loop time at which AWS last accepted a Delete.
        record_failed: storing the record failed, so it is stored before anything else.
        moves: other places of the object, where status does not hold them yet; None when it does.
        elsewhere: what is remembered of those places, by gateway, in the terms of a record there.
        told: reason of the last Event about a turn for the worse, "" once Ready again.
        busy_on: the gateway whose fast Lists this object asked for, or "".
        gateways: those tracked for this object.
        held_headers: fingerprint of the recorded row, and the names in lower case of the headers that it
            had; kept only where the spec may not ask for some of them.
        synced_request: the annotation's value that tools were last indexed for.
        consent: the address that status shows while a person is waited for.
        consent_since: loop time at which this was first seen of the target's present state.
        consent_ends: loop time at which the address runs out.
        indexed_for: generation for which this process last had AWS ask for consent by indexing tools.
        rested_at: loop time at which the target was last seen settled and not waiting for a person.
        synced_at: loop time at which tools were last asked to be indexed, other than to repair.
        wrote: the status as we last wrote it; another in its place is another process's.
        quarrels, quarrel_until: how often in a row that was so, and until when no status is written again.
        waiting_since: loop time since which passes have ended in a wait that says little.
        next_sweep: loop time of the next full comparison.
    """

    uid: str
    record: Record | None = None
    replaces: Record | None = None
    born_here: bool = False
    protected_here: bool = False
    conflict_since: float | None = None
    unsure_since: float | None = None
    applied: int = 0
    name_taken: int = 0
    written: tuple[str, float] | None = None
    verified: Verified | None = None
    verify_after_repair: bool = False
    trouble: Trouble | None = None
    details: Details | None = None
    failure_of: int = 0
    failure_attempts: int = 0
    failure_next: float | None = None
    failure_ended: float | None = None
    read_debt: float = 0.0
    idle_reads: int = 0
    drift_attempts: int = 0
    drift_next: float = 0.0
    sent_diff: str = ""
    defaults: Flat = field(default_factory=dict)
    report_after: float = 0.0
    deleting_since: float | None = None
    delete_asked: float | None = None
    gateway_gone: bool = False
    gateway_answered: float | None = None
    record_failed: bool = False
    moves: tuple[Record, ...] | None = None
    elsewhere: Mapping[str, Memory] = field(default_factory=lambda: _NOWHERE)
    busy_on: str = ""
    gateways: frozenset[str] = frozenset()
    held_headers: tuple[tuple[object, ...] | None, frozenset[str]] | None = None
    told: str = ""
    synced_request: str = ""
    consent: Consent | None = None
    consent_since: float | None = None
    consent_ends: float = 0.0
    rested_at: float | None = None
    indexed_for: int = 0
    synced_at: float = 0.0
    wrote: MCPServerStatus | None = None
    quarrels: int = 0
    quarrel_until: float = -math.inf
    waiting_since: float | None = None
    next_sweep: float | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """AWS's reasons for the target's state, as the last Get told them."""
        return self.details.reasons if self.details is not None else ()
