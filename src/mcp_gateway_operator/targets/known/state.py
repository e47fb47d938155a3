"""What a decision rests on: the object, its target as far as known, what is remembered and permitted."""

from __future__ import annotations

from typing import Final

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.annotations import gateway_of
from mcp_gateway_operator.api.types import MCPServer, PlacedBy
from mcp_gateway_operator.targets.known.memory import ObjectMemory, TargetMemory
from mcp_gateway_operator.targets.known.records import NOWHERE, Place, Record
from mcp_gateway_operator.targets.known.rows import NO_CIRCLE, Circle, GatewayView, Outage, Row
from mcp_gateway_operator.targets.shape import Flat, Target, account_and_region, marker_of, owner_code

CALL_SECONDS = 15.0
"""Seconds that a call to AWS may take, credentials, connect and answer together; less with a short lease."""


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing new is done for an object in a place: an MCPGateway does not permit it.

    Attributes:
        reason: of the condition Permitted.
        message: which rule, and who can change it.
        at_destination: it is about the place that the spec asks for, where the object has nothing yet.
        unproven: the MCPGateway does not permit the object, so only the marker proves that a target is its.
    """

    reason: str
    message: str
    at_destination: bool = False
    unproven: bool = False


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What an MCPGateway says of one object in one place.

    Attributes:
        frozen: why nothing is created, changed, synchronized, adopted or moved there; None where it may be.
        placed_by: the MCPGateway that governs the place, None where none does.
        gateway_url: where agents reach the gateway, as the MCPGateway tells.
        capacity: targets that the gateway may hold, None where nobody says.
        deletion_policy, drift_policy: for an object that says nothing itself, "" where nobody says.
        policies_known: what the MCPGateway says of them can be read.
        unread: why no MCPGateway could be read yet, "" where they are known.
    """

    frozen: Frozen | None = None
    placed_by: PlacedBy | None = None
    gateway_url: str = ""
    capacity: int | None = None
    deletion_policy: str = ""
    drift_policy: str = ""
    policies_known: bool = True
    unread: str = ""


FREE: Final = Ruling()
"""What holds where no MCPGateway governs."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's settings that decisions depend on.

    Attributes:
        owner_ids: installation ids; the first is written, all are recognised; empty = not known.
        sweep_interval: seconds between two full comparisons of a target.
        started_at: loop time since which this process is the only writer.
        call_seconds: after which a Create that was sent can no longer arrive.
        account: AWS account of the credentials, "" when not known.
        region: AWS Region that calls go to.
        identity: ARN of the credentials, "" when not known.
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
    call_seconds: float = CALL_SECONDS
    account: str = ""
    region: str = ""
    identity: str = ""
    allow_adoption: bool = False
    status_fields: frozenset[str] | None = None
    all_namespaces: bool = False

    @property
    def marks(self) -> bool:
        """Whether targets are marked, so that the marker proves ownership."""
        return self.write_marker and bool(self.owner_ids)

    @property
    def keeps_moves(self) -> bool:
        """Whether status can say on which gateways an object has something while it moves."""
        return self.status_fields is None or self.status_fields >= {"moves", "gatewayId", "recordedFor"}

    def owns(self, mark: str) -> bool:
        """Return whether a marker is of this installation, whichever object it names."""
        return mark.partition("/")[0] in map(owner_code, self.owner_ids)

    def markers_of(self, obj: MCPServer) -> tuple[str, ...]:
        """Return every marker that says a target is this object's; the first is the one to write."""
        return tuple(marker_of(owner, *obj.key) for owner in self.owner_ids) if self.marks else ()


class State(msgspec.Struct, frozen=True, kw_only=True):
    """One consistent view for one decision. `now` and every other instant are loop seconds.

    Attributes:
        memory: what is remembered of the target in this place.
        own: what is remembered of the object.
        fresh: this pass wrote the object, or read it with a GET, and saw it live and protected.
        record: the valid record, stored or not yet stored.
        shared: another live object records the same target.
        disbelieved: the target that status records without proof, and why it is not this object's.
        uncovered: that is so for want of an MCPGateway of its gateway: the next one may permit it.
        recorded: the row of the recorded target, if it is known and no Get has answered 404 since.
        still_listed: the last List still showed the recorded id although a Get answered 404.
        was_listed: a List of this process has shown the recorded id.
        absences: when the first and the latest of an unbroken run of 404s for the recorded id began.
        marked: rows that carry this object's marker, on every gateway worth looking at.
        astray: rows that carry it on any other gateway that is looked at, where the object has no place.
        unseen: a place that is looked at and not known yet, NOWHERE when there is none; asked for only where
            it matters.
        named: rows that hold the desired name on the desired gateway.
        want: comparable form of the desired target.
        tools_due: when `spec.toolSync` asks for the next indexing of tools, None when it does not.
        name_recorded: another object records the target that holds the desired name.
        orphans: markers on `named` rows that are this installation's and name no object there is.
        lacks_spec: only the spec can tell what is wanted, and it is too large to be in memory.
        held_unknown: only a Get of the recorded target can tell whether AWS holds what a rule refuses.
        holder: the MCPServer, as NAMESPACE/NAME, whose target holds the desired name, or "".
        rival: the MCPServer, as NAMESPACE/NAME, that wants the desired name too and comes first, or "".
        circle: those that wait in a circle with this object for the desired name, or for room where it goes.
        rename_blocked: why the target keeps its old name for now, or "".
        sync_denied: AWS refuses Synchronize to these credentials (an old IAM policy).
        heard: ARNs of the gateways whose targets answered this process, the latest last.
        targets: those that this pass has read in full.
        problems: what is wrong with the spec, as sentences.
        moves: the other gateways that hold, or may hold, a target of the object; one without a target id is
            where a Create may have gone.
        destination: the same object at the gateway that its spec names, when its record is on another.
        leftovers: the same object at every other place in `moves`, where nothing of it is to stay.
        aside: this is one of those states, and looks at its own gateway alone.
        immovable: the place that the spec names, when an old CRD does not let the target move there.
        barred: places that nothing proves to hold a target of the object, where it is not permitted: they are
            not looked at.
        place: where the target is, or is to be.
        ruling: what an MCPGateway says of the object in this place.
        full: the gateway holds as many targets as its MCPGateway lets it, those that are being made included.
    """

    now: float
    obj: MCPServer
    settings: Settings
    memory: TargetMemory
    own: ObjectMemory
    fresh: bool = False
    record: Record | None = None
    shared: bool = False
    disbelieved: tuple[str, str] | None = None
    uncovered: bool = False
    place: Place = NOWHERE
    ruling: Ruling = FREE
    full: bool = False
    gateways: dict[Place, GatewayView] = {}
    recorded: Row | None = None
    was_listed: bool = False
    still_listed: bool = False
    absences: tuple[float, float] | None = None
    marked: tuple[Row, ...] = ()
    astray: tuple[Row, ...] = ()
    unseen: Place = NOWHERE
    named: tuple[Row, ...] = ()
    want: Flat = {}
    want_digest: str = ""
    request: dict[str, object] = {}
    heard: dict[Place, str] = {}
    targets: tuple[Target, ...] = ()
    problems: tuple[str, ...] = ()
    tools_due: float | None = None
    name_recorded: bool = False
    orphans: frozenset[str] = frozenset()
    lacks_spec: bool = False
    held_unknown: bool = False
    holder: str = ""
    rival: str = ""
    circle: Circle = NO_CIRCLE
    rename_blocked: str = ""
    sync_denied: bool = False
    moves: tuple[Record, ...] = ()
    destination: State | None = None
    leftovers: tuple[State, ...] = ()
    aside: bool = False
    immovable: Place = NOWHERE
    barred: frozenset[Place] = frozenset()

    def view(self, place: Place) -> GatewayView:
        """Return what is known of a gateway: nothing, when it has not been looked at yet."""
        return self.gateways.get(place) or GatewayView(place=place)

    @property
    def outage(self) -> Outage | None:
        """What is told of the gateway of the object's target, whose Lists have failed for long."""
        return self.view(self.place).outage

    @property
    def noted(self) -> Place:
        """Where a Create may have gone, as the annotation says."""
        return Place(gateway_of(self.obj.metadata.annotations))

    @property
    def protected(self) -> bool:
        """Whether our finalizer is on the object."""
        return names.FINALIZER in self.obj.metadata.finalizers

    def read_now(self, place: Place, target_id: str) -> Target | None:
        """Return a target if this pass has read it in full."""
        # In two accounts there may be targets of one id.
        here = place.account_and_region
        here = here if any(here) else (self.settings.account, self.settings.region)
        for target in self.targets:
            read = account_and_region(target.gateway_arn)
            if target.summary.target_id == target_id and (read == here or not all((*read, *here))):
                return target
        return None

    @property
    def edited(self) -> bool:
        """Whether AWS has never held this generation of the spec, so far as is known."""
        return self.memory.held.applied != self.obj.metadata.generation
