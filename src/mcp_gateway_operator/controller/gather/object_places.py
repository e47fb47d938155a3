"""Where an object has a target, is to have one, or may have one: what its pass looks at, and what not.

What an MCPGateway does not permit is not looked at, so that no List is made for it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from mcp_gateway_operator.api.annotations import gateway_of
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.classes import Rulings
from mcp_gateway_operator.controller.gather.object_index import ObjectIndex
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.targets.known import (
    BLANK,
    LIST_LAG,
    NOWHERE,
    Frozen,
    ObjectMemory,
    Place,
    Record,
    Row,
    Settings,
    TargetMemory,
    believed_placement,
    stored_moves,
    stored_record,
)
from mcp_gateway_operator.targets.rules import GATEWAY_GONE_AFTER, legacy_doubt, status_names_strays


class ObjectPlaces(msgspec.Struct, frozen=True, kw_only=True):
    """Where an object has a target, is to have one, or may have one.

    Attributes:
        record: the record that is believed.
        disbelieved, uncovered: as in `State`.
        place: where its target is, or is to be.
        frozen: why nothing is done where the spec would have it, beyond what that place's ruling says.
        moves: as in `State`.
        others: the same, and the place that the spec names, where that is another; by place.
        destination: that place, or NOWHERE.
        immovable: as in `State`.
        searched: the places where a target of the object is looked for.
        astray, unseen, barred: as in `State`.
        tracked: all places that are to be tracked for it.
    """

    record: Record | None
    disbelieved: tuple[str, str] | None
    uncovered: bool
    place: Place
    frozen: Frozen | None
    moves: tuple[Record, ...]
    others: dict[Place, Record]
    destination: Place
    immovable: Place
    searched: tuple[Place, ...]
    astray: tuple[Row, ...]
    unseen: Place
    barred: frozenset[Place]
    tracked: tuple[Place, ...]


class PlaceFinder:
    """Finds the places of objects."""

    def __init__(self, ports: Ports, *, index: ObjectIndex, rulings: Rulings) -> None:
        self._ports = ports
        self._observers = ports.observers
        self._clock = ports.clock
        self._index = index
        self._rulings = rulings

    def places_of(self, obj: MCPServer, memory: ObjectMemory, settings: Settings) -> ObjectPlaces:
        """Return where to look for the targets of an object."""
        page = memory.places.get(memory.home, BLANK)
        home = page.record or stored_record(obj)
        record = None if (why := self._doubt(obj, home, settings)) else home
        moves = memory.moves if memory.moves is not None else stored_moves(obj)
        wanted, frozen = self._wanted(obj, home, moves, settings)
        place, ends = record.place if record else wanted, bool(obj.metadata.deletion_timestamp)
        moving = place != wanted and not ends
        destination = wanted if moving and settings.keeps_moves else NOWHERE
        others = _and_at({each.place: each for each in moves}, destination)
        astray = self._astray(obj, settings, besides={place, *others})
        # A predecessor may have created the target where nothing but the annotation or the marker tells.
        searches = record is None and not (page.doubt.only_writer and page.doubt.unsure_since is None)
        if ends and not searches:
            others = _and_at(others, *_followed(memory), *(row.place for row in astray))
        further = (
            self._further(obj, page, settings, (place, *others)) if searches or _searches_further(obj) else ()
        )
        unnamed = {place, *further} - {*others, record.place if record is not None else NOWHERE}
        refused = {home.place} if home and not record and self._rulings.refuses(obj, home.place) else set()
        barred = self._barred(obj, unnamed, page, settings, place, frozen) | refused
        further = tuple(each for each in further if each not in barred)
        marked_on = tuple(row.place for row in astray)
        searched = _distinct((place, *further, *marked_on) if searches else (place,), barred)
        tracked = (*searched, *others, *marked_on, *further, home.place if home else NOWHERE)
        return ObjectPlaces(
            record=record,
            disbelieved=(home.target_id, why) if home and why else None,
            uncovered=any(map(self._rulings.uncovered, refused)),
            place=place,
            frozen=frozen,
            moves=moves,
            others=others,
            destination=destination,
            immovable=wanted if moving and destination == NOWHERE else NOWHERE,
            searched=searched,
            astray=tuple(row for row in astray if row.place not in {*others, *searched}),
            unseen=self._unseen(further, settings) if _searches_further(obj) else NOWHERE,
            barred=barred,
            tracked=_distinct(tracked, barred),
        )

    def _wanted(
        self, obj: MCPServer, home: Record | None, moves: tuple[Record, ...], settings: Settings
    ) -> tuple[Place, Frozen | None]:
        """Return where an object is to be, or stays because it may not go there."""
        wanted, frozen = self._rulings.wanted(obj, home, settings)
        if home is None:
            return wanted, frozen
        known = (home.place, *(each.place for each in moves))
        wanted = self._rulings.as_called(wanted, known)
        if wanted in known:
            return wanted, frozen
        if frozen is not None:
            return home.place, frozen
        there = self._rulings.ruling(obj, wanted, settings, held=False).frozen
        if there is None:
            return wanted, frozen
        # Nothing of it is there, so nobody looks there; and where it is, its spec is not meant.
        return home.place, msgspec.structs.replace(there, at_destination=True, unproven=False)

    def _barred(
        self,
        obj: MCPServer,
        unnamed: set[Place],
        page: TargetMemory,
        settings: Settings,
        place: Place,
        frozen: Frozen | None,
    ) -> frozenset[Place]:
        """Return those of the places that no record names which are not looked at: it is not permitted there.

        Only for what a Create of ours may have made there they are: one of this process, or one that status
        told of before it was sent. What a user can write, a finalizer or an annotation, proves none.
        """
        doubtful = [each for each in unnamed if each not in {NOWHERE, *self._sent(obj, page)}]
        if not doubtful:
            return frozenset()
        if obj.metadata.deletion_timestamp:
            return frozenset(each for each in doubtful if self._rulings.bars(obj, each))
        held = place not in unnamed
        if frozen or self._rulings.ruling(obj, place, settings, held=held).frozen:
            return frozenset(doubtful)
        return frozenset(
            each
            for each in doubtful
            if self._rulings.ruling(obj, each, settings, held=False).frozen is not None
        )

    def _doubt(self, obj: MCPServer, record: Record | None, settings: Settings) -> str:
        """Return why a record of the Go operator does not count, once its target has been seen."""
        if record is None or not record.legacy:
            return ""
        if self._rulings.refuses(obj, record.place):
            return "it is not permitted there"
        table = self._observers.table(record.place.gateway_id)
        row = table.row(record.target_id) if table is not None else None
        if row is None or (settings.marks and row.summary.marker is not None):
            return ""
        others = self._index.recorders(record.target) - {obj.key}
        return legacy_doubt(obj, row.summary, other="/".join(min(others, default=())))

    def _astray(self, obj: MCPServer, settings: Settings, *, besides: set[Place]) -> tuple[Row, ...]:
        """Return the rows with an object's marker on all other gateways that are looked at, for whomever."""
        found = {each for mark in settings.markers_of(obj) for each in self._observers.marked_on.ids(mark)}
        gone = self._clock() - GATEWAY_GONE_AFTER
        called = {self._rulings.as_called(Place(each), besides) for each in found}
        places = sorted(called - besides)
        tables = {place: self._observers.table(place.gateway_id) for place in places}
        since = {place: table.view.missing_since for place, table in tables.items() if table is not None}
        living = [each for each, missing in since.items() if missing is None or missing > gone]
        return marked_rows(self._ports, self._index, obj, settings, living)

    def _sent(self, obj: MCPServer, page: TargetMemory) -> tuple[Place, ...]:
        """Return where a Create of ours may have gone, whatever a user has written since."""
        placed = believed_placement(obj)
        told = () if placed is None else (self._rulings.place_of(placed.gateway_arn),)
        return (*told, *sorted(page.doubt.unsure_in))

    def _further(
        self, obj: MCPServer, page: TargetMemory, settings: Settings, known: tuple[Place, ...]
    ) -> tuple[Place, ...]:
        """Return where a target of the object may be that its record does not name, as `known` calls it."""
        noted, default = Place(gateway_of(obj.metadata.annotations)), Place(settings.default_gateway)
        found = (
            noted if self._rulings.may_look(obj, noted) else NOWHERE,
            *self._sent(obj, page),
            default,
        )
        called = (self._rulings.as_called(each, (*known, default)) for each in found if each != NOWHERE)
        return tuple(called)

    def _unseen(self, further: tuple[Place, ...], settings: Settings) -> Place:
        """Return a gateway that no List has told of yet: of these, or after a start of any."""
        unseen = self._observers.unseen
        starting = self._clock() < settings.started_at + LIST_LAG
        every = (*further, *map(Place, unseen if starting else ()))
        return next((each for each in every if each.gateway_id in unseen), NOWHERE)


def _and_at(records: dict[Place, Record], *places: Place) -> dict[Place, Record]:
    """Return the records, and behind them one without a target for each other place but NOWHERE."""
    others = (each for each in places if each != NOWHERE and each not in records)
    return records | {each: Record(place=each, target_id="") for each in others}


def _followed(memory: ObjectMemory) -> list[Place]:
    """Return the places beside its home where an object is remembered to have a target."""
    return [each for each, known in memory.places.items() if known.record and each != memory.home]


def _distinct(places: Iterable[Place], barred: frozenset[Place] = frozenset()) -> tuple[Place, ...]:
    """Return each place once, in their order, without those that are barred."""
    return tuple(each for each in dict.fromkeys(places) if each != NOWHERE and each not in barred)


def _searches_further(obj: MCPServer) -> bool:
    """Whether it matters what an object with a record has on gateways that the record does not name."""
    return bool(obj.metadata.deletion_timestamp) or status_names_strays(obj)


def marked_rows(
    ports: Ports, index: ObjectIndex, obj: MCPServer, settings: Settings, places: Iterable[Place]
) -> tuple[Row, ...]:
    """Return the rows in some places that carry an object's marker and that no other one records."""
    tables = [table for place in places if (table := ports.observers.table(place.gateway_id)) is not None]
    return tuple(
        row
        for table in tables
        for mark in settings.markers_of(obj)
        for row in table.marked(mark)
        if not index.recorders(row.target) - {obj.key}
    )
