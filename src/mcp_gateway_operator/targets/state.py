"""What a decision rests on: the object, what is known of its target, and what this process remembers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServer, MCPServerStatus
from mcp_gateway_operator.targets import marker as markers
from mcp_gateway_operator.targets.diff import Flat
from mcp_gateway_operator.targets.model import Target, TargetSummary

LIST_LAG = 60.0
"""Seconds for which a List may not show what a write did; AWS promises no bound, this is ours."""
CREATE_TIMEOUT = 15.0
"""Seconds after which a Create that was sent can no longer arrive (connect, send and answer together)."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's settings that decisions depend on.

    Attributes:
        owner_ids: installation ids; the first is written, all are recognised; empty = not known.
        sweep_interval: seconds between two full comparisons of a target.
        started_at: loop time since which this process is the only writer.
        account: AWS account of the credentials, "" when not known.
        region: AWS Region that calls go to.
        allow_adoption: objects may take over targets that others made.
        status_fields: the status fields that the installed CRD keeps, None for all.
        all_namespaces: every MCPServer there is is watched, so that a marker can be known to name none.
    """

    default_gateway: str = ""
    owner_ids: tuple[str, ...] = ()
    write_marker: bool = True
    default_deletion_policy: str = "Delete"
    sweep_interval: float = 6 * 3600.0
    started_at: float = 0.0
    account: str = ""
    region: str = ""
    allow_adoption: bool = False
    status_fields: frozenset[str] | None = None
    all_namespaces: bool = False

    @property
    def marks(self) -> bool:
        """Whether targets are marked, so that the marker proves ownership."""
        return self.write_marker and bool(self.owner_ids)

    def marker_of(self, obj: MCPServer) -> str | None:
        """Return the marker to write on this object's target."""
        return markers.marker(self.owner_ids[0], *obj.key) if self.marks else None

    def markers_of(self, obj: MCPServer) -> tuple[str, ...]:
        """Return every marker that says a target is this object's."""
        return tuple(markers.marker(owner, *obj.key) for owner in self.owner_ids) if self.marks else ()


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Which target is an object's; `legacy` ones were written by the Go operator."""

    gateway_id: str
    target_id: str
    gateway_arn: str = ""
    target_name: str = ""
    legacy: bool = False


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A target as last read.

    Attributes:
        read_began: loop time at which the read or write that answered it began.
        fingerprint: what the last List that showed it said; Lists are compared with Lists only, for a
            Get may spell the same thing in another way.
        ready: READY, and credibly so after our own last write.
        settled: not in a transient state, and read after our own last write was answered.
        absent_at: loop time at which the latest Get that answered 404 for it began, also if it was seen
            since; None when none did.
    """

    gateway_id: str
    summary: TargetSummary
    read_began: float
    fingerprint: tuple[object, ...] | None
    ready: bool
    settled: bool
    absent_at: float | None = None

    @property
    def marker(self) -> str | None:
        """The marker on it as OWNER/OBJECT, or None."""
        return markers.find(self.summary.description)


class GatewayView(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one gateway; `error` is (kind, message) of the last List when it failed."""

    gateway_id: str
    listed_at: float | None = None
    error: tuple[str, str] | None = None
    missing_since: float | None = None
    targets: int = 0


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
        look_since: end of the last Create that was refused with a conflict (or None).
        applied: generation of the spec that AWS is known to have held; a difference from it is an edit, and
            one from AWS at that generation is drift.
        name_taken: generation whose name another target held when it was last looked at, 0 for none.
        written: `updatedAt` in the answer of our last Create or Update, and the loop time of that answer.
        report_after: loop time before which a status in progress is not worth a write.
        failure_of: generation whose failures are counted; 0 before the first look.
        failure_attempts: repairs sent since the target was last healthy for long.
        failure_next: loop time of the next repair, while the target is failed.
        failure_ended: loop time since which the target is READY again.
        look_debt: loop time until which the reads are paid for that changes outside have cost (`looks`).
        idle_looks: reads in a row, since the last write, that found no difference behind a changed row.
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
    """

    uid: str
    record: Record | None = None
    replaces: Record | None = None
    born_here: bool = False
    protected_here: bool = False
    look_since: float | None = None
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
    look_debt: float = 0.0
    idle_looks: int = 0
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


@dataclass(slots=True, kw_only=True)
class State:
    """One consistent view for one decision. `now` and every other instant are loop seconds.

    Attributes:
        fresh: this pass wrote the object, or read it with a GET, and saw it live and protected.
        record: the valid record, stored or not yet stored.
        shared: another live object records the same target.
        disbelieved: the target that status records without proof, and why it is not this object's.
        recorded: the row of the recorded target, if it is known and no Get has answered 404 since.
        still_listed: the last List still showed the recorded id although a Get answered 404.
        was_listed: a List of this process has shown the recorded id.
        absences: when the first and the latest of an unbroken run of 404s for the recorded id began.
        marked: rows that carry this object's marker, on every gateway worth looking at.
        named: rows that hold the desired name on the desired gateway.
        want: comparable form of the desired target.
        tools_due: when `spec.toolSync` asks for the next indexing of tools, None when it does not.
        name_recorded: another object records the target that holds the desired name.
        orphans: markers on `named` rows that are this installation's and name no object there is.
        headers_unknown: only a Get of the recorded target can tell whether its headers are refused.
        holder: the MCPServer, as NAMESPACE/NAME, whose target holds the desired name, or "".
        rival: the MCPServer, as NAMESPACE/NAME, that wants the desired name too and comes first, or "".
        rename_blocked: why the target keeps its old name for now, or "".
        sync_denied: AWS refuses Synchronize to these credentials (an old IAM policy).
        heard: ARNs of the gateways whose targets answered this process, the latest last.
        target: the target read in full by this pass, if it was.
        problems: what is wrong with the spec, as sentences.
        moves: the other gateways that hold, or may hold, a target of the object; one without a target id is
            where a Create may have gone.
        destination: the same object at the gateway that its spec names, when its record is on another.
        leftovers: the same object at every other place in `moves`, where nothing of it is to stay.
        aside: this is one of those states, and looks at its own gateway alone.
        immovable: the gateway that the spec names, when an old CRD does not let the target move there.
    """

    now: float
    obj: MCPServer
    settings: Settings
    memory: Memory
    fresh: bool = False
    record: Record | None = None
    shared: bool = False
    disbelieved: tuple[str, str] | None = None
    gateway_id: str = ""
    gateways: dict[str, GatewayView] = field(default_factory=dict)
    recorded: Row | None = None
    was_listed: bool = False
    still_listed: bool = False
    absences: tuple[float, float] | None = None
    marked: tuple[Row, ...] = ()
    named: tuple[Row, ...] = ()
    want: Flat = field(default_factory=dict)
    want_digest: str = ""
    request: dict[str, object] = field(default_factory=dict)
    heard: dict[str, str] = field(default_factory=dict)
    target: Target | None = None
    problems: tuple[str, ...] = ()
    tools_due: float | None = None
    name_recorded: bool = False
    orphans: frozenset[str] = frozenset()
    headers_unknown: bool = False
    holder: str = ""
    rival: str = ""
    rename_blocked: str = ""
    sync_denied: bool = False
    moves: tuple[Record, ...] = ()
    destination: State | None = None
    leftovers: tuple[State, ...] = ()
    aside: bool = False
    immovable: str = ""

    def view(self, gateway_id: str) -> GatewayView:
        """Return what is known of a gateway: nothing, when it has not been looked at yet."""
        return self.gateways.get(gateway_id) or GatewayView(gateway_id=gateway_id)

    @property
    def noted_gateway(self) -> str:
        """The gateway where a Create may have gone, as the annotation says, or ""."""
        return self.obj.metadata.annotations.get(names.GATEWAY_ANNOTATION, "")

    @property
    def protected(self) -> bool:
        """Whether our finalizer is on the object."""
        return names.FINALIZER in self.obj.metadata.finalizers

    def read_now(self, target_id: str) -> Target | None:
        """Return a target if this pass has read it in full."""
        target = self.target
        return target if target is not None and target.summary.target_id == target_id else None

    @property
    def edited(self) -> bool:
        """Whether AWS has never held this generation of the spec, so far as is known."""
        return self.memory.applied != self.obj.metadata.generation
