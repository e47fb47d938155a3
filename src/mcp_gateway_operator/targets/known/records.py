"""Places and records: where a target is, and what an object's status says of that from before."""

from __future__ import annotations

from typing import Final

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.annotations import gateway_of
from mcp_gateway_operator.api.mcpgateway_rules import GatewayArn
from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer, MCPServerStatus, PlacedBy
from mcp_gateway_operator.targets.shape import NO_FIELDS, Flat, account_and_region, bare, gateway_of_arn


class Place(msgspec.Struct, frozen=True, order=True, gc=False):
    """Where a target is or may be: a gateway in an account and a Region.

    One with an empty id is nowhere.

    Attributes:
        gateway_id: the gateway's id where it is in the operator's own account and Region, else its ARN; so
            it is written in statuses and the annotation, and so messages call it.
    """

    gateway_id: str

    @classmethod
    def of(cls, arn: GatewayArn, own: tuple[str, str] | None) -> Place:
        """Return where a gateway is; `own` are the operator's account and Region, None while not known."""
        return cls(arn.gateway_id if (arn.account, arn.region) == own else arn.text)

    @property
    def bare(self) -> str:
        """The gateway's id alone."""
        return bare(self.gateway_id)

    @property
    def account_and_region(self) -> tuple[str, str]:
        """Account and Region, each "" where they are the operator's own."""
        return account_and_region(self.gateway_id)

    def target(self, target_id: str) -> str:
        """Return what names a target among those of all accounts and Regions: in its own an id is enough."""
        where = self.account_and_region if ":" in self.gateway_id else None
        return f"{':'.join(where)}/{target_id}" if where else target_id


NOWHERE: Final = Place("")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Which target is an object's; `legacy` ones were written by the Go operator.

    Attributes:
        placed_by: of one of the other places in a move, the MCPGateway by which it was entered.
    """

    place: Place
    target_id: str
    gateway_arn: str = ""
    target_name: str = ""
    legacy: bool = False
    placed_by: PlacedBy | None = None

    @property
    def target(self) -> str:
        """The target, as `Place.target` names it."""
        return self.place.target(self.target_id)

    def same_target(self, other: Record | None) -> bool:
        """Whether another record names the very same target."""
        return other is not None and (self.place, self.target_id) == (other.place, other.target_id)


def named_here(obj: MCPServer, own: tuple[str, str] | None) -> MCPServer:
    """Return an object whose status and annotation call each gateway as `Place` does.

    One of the operator's own account and Region may have been written down by its ARN, when it was reached
    from elsewhere; and an id, when another account or Region was the operator's own: then the ARN beside it
    says which gateway it was.

    Args:
        obj: as it is stored.
        own: the operator's account and Region, None while they are not known.
    """
    if own is None:
        return obj
    status, meta = obj.status, obj.metadata
    # The status of another object, restored onto this one, says nothing of what its spec and annotation mean.
    own_record = stored_record(obj) is not None
    gateway_id = _named_here(status.gateway_id, status.gateway_arn, own)
    moves = tuple(
        each
        if (at := _named_here(each.gateway_id, each.gateway_arn, own)) == each.gateway_id
        else msgspec.structs.replace(each, gateway_id=at)
        for each in status.moves
    )
    if gateway_id != status.gateway_id or moves != status.moves:
        called = {gateway_id: status.gateway_id}
        called |= {new.gateway_id: old.gateway_id for new, old in zip(moves, status.moves, strict=True)}
        by_id = {each for each, before in called.items() if ":" in each and ":" not in before}
        by_id = by_id if own_record else set()
        obj = msgspec.structs.replace(
            obj,
            status=msgspec.structs.replace(status, gateway_id=gateway_id, moves=moves),
            by_id=tuple(sorted({*obj.by_id, *by_id})),
        )
    noted = gateway_of(meta.annotations)
    # Of two gateways of one id the note is of the recorded one, unless the object moves to the other.
    same = own_record and noted == Place(gateway_id).bare and noted not in {each.gateway_id for each in moves}
    at = gateway_id if same else _named_here(noted, "", own)
    if at != noted:
        annotations = {**meta.annotations, names.GATEWAY_ANNOTATION: at}
        obj = msgspec.structs.replace(obj, metadata=msgspec.structs.replace(meta, annotations=annotations))
    return obj


def as_stored(obj: MCPServer, status: MCPServerStatus) -> MCPServerStatus:
    """Return a status of an object as it is to be stored: what the spec names by its id keeps that there.

    Else nobody could tell it afterwards from a gateway that an MCPGateway has led to, from where the id in a
    spec leads to the operator's own.
    """
    named = place_named(obj).gateway_id
    if named not in obj.by_id:
        return status
    moves = tuple(
        msgspec.structs.replace(each, gateway_id=bare(named)) if each.gateway_id == named else each
        for each in status.moves
    )
    gateway_id = bare(named) if status.gateway_id == named else status.gateway_id
    return msgspec.structs.replace(status, gateway_id=gateway_id, moves=moves)


def _named_here(gateway_id: str, gateway_arn: str, own: tuple[str, str]) -> str:
    """Return what calls a gateway that is written down so."""
    text = gateway_id if ":" in gateway_id else gateway_arn
    if (account_and_region(text) == own) == (":" not in gateway_id):
        return gateway_id
    arn = GatewayArn.parse(text)
    if arn is None or gateway_id not in {"", arn.gateway_id, arn.text}:
        return gateway_id
    return Place.of(arn, own).gateway_id


def place_named(obj: MCPServer) -> Place:
    """Return the place that spec.gatewayId names, NOWHERE where it names none.

    An id that stands in the object's status is that gateway's, also where another account is the operator's
    own by now: an object moves when its own spec names another gateway, and this one still names the same.
    """
    named = obj.spec.gateway
    return Place(next((each for each in obj.by_id if bare(each) == named), named))


def applied_generation(obj: MCPServer) -> int:
    """Return the generation of the spec if status says that AWS has held it, else 0.

    The Go operator wrote Ready alone, and Ready said the same.
    """
    generation = obj.metadata.generation
    condition = obj.status.condition(ConditionType.SYNCED) or obj.status.condition(ConditionType.READY)
    if condition is None or generation not in (condition.observed_generation, obj.status.observed_generation):
        return 0
    held = condition.status in {"True", "Unknown"}
    held = held or condition.reason in {Reason.DRIFTED, Reason.NOT_CONVERGING}
    held = held or bool(obj.status.not_converging)
    return generation if held else 0


def stored_defaults(obj: MCPServer) -> Flat:
    """Return what status says AWS filled in where the spec says nothing."""
    observed = obj.status.observed
    if observed is None or not observed.defaults:
        return NO_FIELDS
    return {name: _decoded(text) for name, text in observed.defaults.items()}


def _decoded(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def stored_moves(obj: MCPServer) -> tuple[Record, ...]:
    """Return the other places in an object's status: believed where the record beside them is."""
    record = stored_record(obj)
    if record is None:
        return ()
    return tuple(
        Record(
            place=Place(entry.gateway_id),
            target_id=entry.target_id,
            gateway_arn=entry.gateway_arn,
            target_name=entry.target_name,
            placed_by=entry.placed_by,
        )
        for entry in obj.status.moves
        if entry.gateway_id not in {"", record.place.gateway_id}
    )


def believed_placement(obj: MCPServer) -> PlacedBy | None:
    """Return by which MCPGateway its status says an object was placed, if the status is its own."""
    status = obj.status
    return status.placed_by if status.recorded_for == obj.metadata.uid else None


def placements(obj: MCPServer) -> tuple[tuple[Place, PlacedBy], ...]:
    """Return where MCPGateways have placed an object, its own target's place first."""
    own = believed_placement(obj)
    found = [] if own is None else [(_placed_in(obj, own), own)]
    found += [(each.place, each.placed_by) for each in stored_moves(obj) if each.placed_by is not None]
    return tuple(found)


def _placed_in(obj: MCPServer, placed: PlacedBy) -> Place:
    """Return the place as the record calls it, else the annotation, which is written before `placedBy`."""
    elsewhere = placed.gateway_arn == obj.status.gateway_id
    elsewhere = elsewhere or placed.gateway_arn == gateway_of(obj.metadata.annotations)
    return Place(placed.gateway_arn if elsewhere else gateway_of_arn(placed.gateway_arn))


def placement_in(obj: MCPServer, place: Place) -> PlacedBy | None:
    """Return the MCPGateway by which an object has, or may have, a target in a place."""
    return next((placed for at, placed in placements(obj) if at == place), None)


def stored_record(obj: MCPServer) -> Record | None:
    """Return the record in an object's status, if it is this very object's.

    `recordedFor` names the uid it was written for, so that a status restored onto another object or
    copied by hand proves nothing. The Go operator wrote none: its records count with our finalizer and
    a gateway ARN beside them.
    """
    status = obj.status
    if not status.target_id:
        return None
    legacy = (
        not status.recorded_for and names.FINALIZER in obj.metadata.finalizers and bool(status.gateway_arn)
    )
    if status.recorded_for != obj.metadata.uid and not legacy:
        return None
    gateway_id = status.gateway_id or gateway_of_arn(status.gateway_arn)
    if not gateway_id:
        return None
    return Record(
        place=Place(gateway_id),
        target_id=status.target_id,
        gateway_arn=status.gateway_arn,
        target_name=status.target_name,
        legacy=legacy,
    )
