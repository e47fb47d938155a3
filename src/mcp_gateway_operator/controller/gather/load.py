"""First part of a pass: gather one consistent state from the caches. No call leaves the process here.

Everything here is a function of what it is given and of the caches; nothing is changed. What is remembered is
brought in step by `recall`, in the state that is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import msgspec

from mcp_gateway_operator.agentcore.observe import GatewayTable
from mcp_gateway_operator.api.annotations import gateway_of
from mcp_gateway_operator.api.types import AuthType, MCPServer
from mcp_gateway_operator.api.validation import Location, validate
from mcp_gateway_operator.controller.gather.held_values import without_held
from mcp_gateway_operator.controller.gather.object_index import ObjectIndex, wanted_name
from mcp_gateway_operator.controller.gather.recall import status_proves
from mcp_gateway_operator.controller.gather.wants import Terms, Wants
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.targets.known import (
    BLANK,
    LIST_LAG,
    NOWHERE,
    ErrorKind,
    GatewayView,
    ObjectMemory,
    Place,
    Record,
    Row,
    Settings,
    State,
    stored_moves,
    stored_record,
)
from mcp_gateway_operator.targets.rules import (
    GATEWAY_GONE_AFTER,
    deciding_row,
    holder_words,
    legacy_doubt,
    status_names_strays,
)
from mcp_gateway_operator.targets.shape import (
    Target,
    account_and_region,
    digest_of,
    flatten,
    target_request,
)

_UNREACHABLE = frozenset({ErrorKind.NOT_FOUND, ErrorKind.ACCESS_DENIED})


class Bearings(msgspec.Struct, frozen=True, kw_only=True):
    """Where an object has a target, is to have one, or may have one.

    Attributes:
        record: the record that is believed.
        disbelieved: as in `State`.
        place: where its target is, or is to be.
        moves: as in `State`.
        others: the same, and the place that the spec names, where that is another; by place.
        destination: that place, or NOWHERE.
        immovable: as in `State`.
        searched: the places where a target of the object is looked for.
        astray, unseen: as in `State`.
        watched: all places that are to be tracked for it.
    """

    record: Record | None
    disbelieved: tuple[str, str] | None
    place: Place
    moves: tuple[Record, ...]
    others: dict[Place, Record]
    destination: Place
    immovable: Place
    searched: tuple[Place, ...]
    astray: tuple[Row, ...]
    unseen: Place
    watched: tuple[Place, ...]


class Loader:
    """Builds the state that a decision rests on."""

    def __init__(
        self,
        ports: Ports,
        *,
        index: ObjectIndex,
        knows_all: Callable[[], bool],
    ) -> None:
        self._observer = ports.observer
        self._index = index
        self._account = ports.account
        self._clock = ports.clock
        self._knows_all = knows_all

    def bearings(self, obj: MCPServer, memory: ObjectMemory, settings: Settings) -> Bearings:
        """Return where to look for the targets of an object."""
        page = memory.places.get(memory.home, BLANK)
        home = page.record or stored_record(obj)
        why = self._doubt(obj, home, settings)
        record = None if why else home
        wanted = Place(obj.spec.gateway or settings.default_gateway)
        if home is not None and not obj.spec.gateway:
            wanted = home.place
        place = record.place if record else wanted
        moves = memory.moves if memory.moves is not None else stored_moves(obj)
        ends = bool(obj.metadata.deletion_timestamp)
        moving = place != wanted and not ends
        destination = wanted if moving and settings.keeps_moves else NOWHERE
        others = {each.place: each for each in moves}
        if destination != NOWHERE:
            others.setdefault(destination, Record(place=destination, target_id=""))
        astray = self._astray(obj, settings, besides={place, *others})
        # A predecessor may have created the target where nothing but the annotation or the marker tells.
        searches = record is None and not (page.doubt.only_writer and page.doubt.unsure_since is None)
        if ends and not searches:
            followed = [each for each, known in memory.places.items() if known.record and each != memory.home]
            for each in (*followed, *(row.place for row in astray)):
                others.setdefault(each, Record(place=each, target_id=""))
        further = _further(obj, settings) if searches or _searches_further(obj) else ()
        marked_on = tuple(row.place for row in astray)
        searched = (place, *further, *marked_on) if searches else (place,)
        watched = (*searched, *others, *marked_on, *further, home.place if home else NOWHERE)
        return Bearings(
            record=record,
            disbelieved=(home.target_id, why) if home and why else None,
            place=place,
            moves=moves,
            others=others,
            destination=destination,
            immovable=wanted if moving and destination == NOWHERE else NOWHERE,
            searched=tuple(each for each in dict.fromkeys(searched) if each != NOWHERE),
            astray=tuple(row for row in astray if row.place not in {*others, *searched}),
            unseen=self._unseen(further, settings) if _searches_further(obj) else NOWHERE,
            watched=tuple(each for each in dict.fromkeys(watched) if each != NOWHERE),
        )

    def _doubt(self, obj: MCPServer, record: Record | None, settings: Settings) -> str:
        """Return why a record of the Go operator does not count, once its target has been seen."""
        if record is None or not record.legacy:
            return ""
        table = self._table(record.place)
        row = table.row(record.target_id) if table is not None else None
        if row is None or (settings.marks and row.summary.marker is not None):
            return ""
        others = self._index.recorders(record.target_id) - {obj.key}
        return legacy_doubt(obj, row.summary, other="/".join(min(others, default=())))

    def load(
        self,
        obj: MCPServer,
        memory: ObjectMemory,
        settings: Settings,
        bearings: Bearings,
        *,
        fresh: bool,
        target: Target | None,
        wants: Wants | None,
    ) -> State:
        """Return the state of one object now, with its memory as it was.

        Args:
            obj: as last read or written.
            memory: what is remembered of it.
            settings: the operator's.
            bearings: where it has targets; those places are tracked.
            fresh: as in `State`.
            target: the target as this pass has read it.
            wants: what is known of a spec that is too large to be kept; None for one that is kept.
        """
        gateway = self._location(bearings, settings)
        if wants is not None:
            wants.look_from(gateway)
        state = State(
            now=self._clock(),
            obj=obj,
            settings=settings,
            memory=memory.places.get(memory.home, BLANK),
            own=memory,
            fresh=fresh,
            record=bearings.record,
            disbelieved=bearings.disbelieved,
            place=bearings.place,
            gateways=self._views(obj, bearings),
            heard=self._account.heard,
            target=target,
            problems=_problems(obj, gateway),
            sync_denied=self._account.sync_denied(bearings.place),
            astray=bearings.astray,
            unseen=bearings.unseen,
            moves=bearings.moves,
            immovable=bearings.immovable,
        )
        others = {
            place: self._other(state, entry, bearings, wants) for place, entry in bearings.others.items()
        }
        state = replace(state, **self._rows(state))
        if state.problems and obj.left_out is None:
            # What AWS holds may make up for it, and that changes.
            wants = None
        if bearings.destination == NOWHERE and state.problems and state.record and obj.left_out is None:
            proven = state.recorded is not None and status_proves(state, state.recorded)
            state = without_held(state, state.record, gateway, region=_region(state), proven=proven)
        destination = others.pop(bearings.destination, None)
        return replace(
            state, **self._wanted(state, wants), destination=destination, leftovers=tuple(others.values())
        )

    def _location(self, bearings: Bearings, settings: Settings) -> Location:
        """Return where the gateway of an object is, or the one that it moves to, as far as AWS has told.

        All gateways that answer are in one place; one that is left may be elsewhere, with other credentials.
        """
        heard, record = self._account.heard, bearings.record
        kept = record.gateway_arn if record is not None and bearings.destination == NOWHERE else ""
        arn = kept or next(reversed(heard.values()), "")
        return Location.of(arn) if arn else Location(region=settings.region)

    def _other(self, state: State, entry: Record, bearings: Bearings, wants: Wants | None) -> State:
        """Return the same object at another gateway, with what is remembered of it there."""
        known = state.own.places.get(entry.place, BLANK)
        # What is kept under home is of the object's own target, also where that is on another gateway.
        page = BLANK if entry.place == state.own.home else known
        found = page.record if entry.place != bearings.destination else None
        table = self._table(entry.place)
        aside = replace(
            state,
            memory=page,
            # One that was found by its marker is in no status: it is found again.
            record=found or (entry if entry.target_id else None),
            place=entry.place,
            gateways={entry.place: table.view} if table is not None else {},
            sync_denied=self._account.sync_denied(entry.place),
            aside=True,
        )
        aside = replace(aside, **self._rows(aside))
        return replace(aside, **self._wanted(aside, wants))

    def _views(self, obj: MCPServer, bearings: Bearings) -> dict[Place, GatewayView]:
        """Return the gateways worth looking at, the object's own first."""
        tables = ((place, self._table(place)) for place in bearings.searched)
        views = {place: table.view for place, table in tables if table is not None}
        if obj.metadata.deletion_timestamp:
            return views
        # Another one is only a place to look: if it does not exist or is not ours, it holds nothing of ours.
        return {
            place: view
            for place, view in views.items()
            if place == bearings.place or view.error is None or view.error.kind not in _UNREACHABLE
        }

    def _rows(self, state: State) -> dict[str, Any]:
        """Return what the tables say of the recorded target and of those with the object's marker."""
        found: dict[str, Any] = {"marked": self._marked(state.obj, state.settings, state.gateways)}
        record = state.record
        table = self._table(record.place) if record is not None else None
        if record is None or table is None:
            return found
        row, absences = table.row(record.target_id), table.absences(record.target_id)
        others = self._index.recorders(record.target_id, proven=not record.legacy) - {state.obj.key}
        return found | {
            "absences": absences,
            "was_listed": table.was_listed(record.target_id),
            "still_listed": row is not None,
            "recorded": row if absences is None else None,
            "shared": bool(others),
        }

    def _marked(self, obj: MCPServer, settings: Settings, places: Iterable[Place]) -> tuple[Row, ...]:
        """Return the rows in some places that carry an object's marker and that no other one records."""
        tables = [table for place in places if (table := self._table(place)) is not None]
        return tuple(
            row
            for table in tables
            for mark in settings.markers_of(obj)
            for row in table.marked(mark)
            if not self._index.recorders(row.summary.target_id) - {obj.key}
        )

    def _astray(self, obj: MCPServer, settings: Settings, *, besides: set[Place]) -> tuple[Row, ...]:
        """Return the rows with an object's marker on all other gateways that are looked at, for whomever."""
        found = {each for mark in settings.markers_of(obj) for each in self._observer.marked_on.ids(mark)}
        gone = self._clock() - GATEWAY_GONE_AFTER
        places = sorted({Place(each) for each in found} - besides)
        tables = [(place, table) for place in places if (table := self._table(place)) is not None]
        since = {place: table.view.missing_since for place, table in tables}
        living = [each for each, missing in since.items() if missing is None or missing > gone]
        return self._marked(obj, settings, living)

    def _unseen(self, further: tuple[Place, ...], settings: Settings) -> Place:
        """Return a gateway that no List has told of yet: of these, or after a start of any."""
        unseen = self._observer.unseen
        starting = self._clock() < settings.started_at + LIST_LAG
        every = (*further, *map(Place, unseen if starting else ()))
        return next((each for each in every if each.gateway_id in unseen), NOWHERE)

    def _wanted(self, state: State, wants: Wants | None) -> dict[str, Any]:
        """Return the desired target; while another target holds the wanted name the old one is kept."""
        if state.problems or state.place == NOWHERE:
            return {}
        obj, row, name = state.obj, state.recorded, wanted_name(state.obj)
        found: dict[str, Any] = {}
        if row is None or row.summary.name != name:
            found = self._name_facts(state, name)
            if row is not None and found["named"]:
                held = deciding_row(found["named"])
                found["rename_blocked"] = (
                    f"The target keeps the name {row.summary.name!r}: {name!r} is taken by target "
                    f"{held.summary.target_id}, {holder_words(replace(state, **found), held)}. Choose "
                    "another spec.targetName, or delete that target."
                )
                name = row.summary.name
        mark = next(iter(state.settings.markers_of(obj)), None)
        if mark is None and row is not None and not state.settings.marks:
            mark = row.summary.marker
        terms = name, mark, _region(state)
        if obj.left_out is not None:
            return found | _known(wants, terms, ends=bool(obj.metadata.deletion_timestamp))
        body = target_request(obj.spec, name=name, mark=mark)
        want = flatten(body, region=_region(state))
        digest = digest_of(want)
        if wants is not None:
            wants.put(terms, want, digest)
        return found | {"request": body, "want": want, "want_digest": digest}

    def _name_facts(self, state: State, name: str) -> dict[str, Any]:
        """Return who has the wanted name, and who else wants it."""
        table = self._table(state.place)
        own = state.record.target_id if state.record else ""
        rows = table.named(name) if table is not None else ()
        holders = tuple(row for row in rows if row.summary.target_id != own)
        recorders = [self._index.recorders(row.summary.target_id) - {state.obj.key} for row in holders]
        holder, rival = self._index.rivals.of(state, name, holders)
        return {
            "named": holders,
            "name_recorded": any(recorders),
            "orphans": self._orphans(state.settings, holders),
            "holder": holder,
            "rival": rival,
        }

    def _orphans(self, settings: Settings, rows: tuple[Row, ...]) -> frozenset[str]:
        """Return those of the rows' markers that are of this installation and name no object there is."""
        if not rows or not settings.marks or not self._knows_all():
            return frozenset()
        marks = {mark for row in rows if (mark := row.summary.marker) and settings.owns(mark)}
        # One by one: a difference from the live view would walk through the markers of all objects.
        return frozenset(mark for mark in marks if mark not in self._index.markers())

    def _table(self, place: Place) -> GatewayTable | None:
        return self._observer.table(place.gateway_id)


def _problems(obj: MCPServer, gateway: Location) -> tuple[str, ...]:
    if obj.left_out is not None:
        return obj.left_out.problems
    return tuple(map(str, validate(obj.spec, gateway=gateway, target_name=wanted_name(obj))))


def _region(state: State) -> str:
    """Return what an IAM provider without a Region means, "" where there is none."""
    if state.obj.spec.auth_type != AuthType.GATEWAY_IAM_ROLE:
        return ""
    return account_and_region(state.record.gateway_arn if state.record else "")[1] or state.settings.region


def _known(wants: Wants | None, terms: Terms, *, ends: bool) -> dict[str, Any]:
    """Return what is known of the desired target while the spec is not in memory; its end needs the name."""
    known = wants.get(terms) if wants is not None else None
    if known is None and not ends:
        return {"lacks_spec": True}
    want, digest = known or ({"targetName": terms[0]}, "")
    return {"request": {"name": terms[0]}, "want": want, "want_digest": digest}


def _further(obj: MCPServer, settings: Settings) -> tuple[Place, ...]:
    """Return where a target of the object may be that its status does not name."""
    noted = gateway_of(obj.metadata.annotations)
    return tuple(Place(each) for each in (noted, settings.default_gateway) if each)


def _searches_further(obj: MCPServer) -> bool:
    """Whether it matters what an object with a record has on gateways that the record does not name."""
    return bool(obj.metadata.deletion_timestamp) or status_names_strays(obj)
