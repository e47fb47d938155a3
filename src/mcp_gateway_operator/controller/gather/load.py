"""First part of a pass: gather one consistent state from the caches. No call leaves the process here.

Everything here is a function of what it is given and of the caches; nothing is changed but what was worked
out already, for the next time. What is remembered is brought in step by `recall`, in the state that is
returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from mcp_gateway_operator.agentcore.observe import GatewayTable
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.api.types import AuthType, MCPServer
from mcp_gateway_operator.api.validation import Location, validate
from mcp_gateway_operator.controller.classes import Rulings
from mcp_gateway_operator.controller.gather.circles import Circles
from mcp_gateway_operator.controller.gather.desired_cache import Terms, Wants, WorkedOut
from mcp_gateway_operator.controller.gather.held_values import without_held
from mcp_gateway_operator.controller.gather.object_index import ObjectIndex, wanted_name
from mcp_gateway_operator.controller.gather.object_places import ObjectPlaces, PlaceFinder, marked_rows
from mcp_gateway_operator.controller.gather.recall import status_proves
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.targets.known import (
    BLANK,
    NO_CIRCLE,
    NOWHERE,
    Circle,
    ErrorKind,
    Frozen,
    GatewayView,
    ObjectMemory,
    Place,
    Record,
    Row,
    Settings,
    State,
)
from mcp_gateway_operator.targets.rules import (
    deciding_row,
    holder_words,
    way_out,
)
from mcp_gateway_operator.targets.shape import (
    Target,
    account_and_region,
    digest_of,
    flatten,
    target_request,
)

_UNREACHABLE = frozenset({ErrorKind.NOT_FOUND, ErrorKind.ACCESS_DENIED})
_NO_ROW: Final[dict[str, Any]] = {
    "absences": None,
    "was_listed": False,
    "still_listed": False,
    "recorded": None,
    "shared": False,
}


class Loader:
    """Builds the state that a decision rests on."""

    def __init__(
        self,
        ports: Ports,
        index: ObjectIndex,
        circles: Circles,
        rulings: Rulings,
        *,
        knows_all: Callable[[], bool],
    ) -> None:
        self._ports = ports
        self._observers = ports.observers
        self._finder = PlaceFinder(ports, index=index, rulings=rulings)
        self.places_of = self._finder.places_of
        self._index = index
        self._circles = circles
        self._rulings = rulings
        self._learnt = ports.learnt
        self._clock = ports.clock
        self._knows_all = knows_all
        self._checked: WorkedOut[tuple[str, ...]] = WorkedOut()
        self._desired: WorkedOut[dict[str, Any]] = WorkedOut()

    def load(
        self,
        obj: MCPServer,
        memory: ObjectMemory,
        settings: Settings,
        places: ObjectPlaces,
        *,
        fresh: bool,
        targets: tuple[Target, ...],
        wants: Wants | None,
    ) -> State:
        """Return the state of one object now, with its memory as it was.

        Args:
            obj: as last read or written.
            memory: what is remembered of it.
            settings: the operator's.
            places: where it has targets, or may have some; they are tracked.
            fresh: as in `State`.
            targets: as in `State`.
            wants: what is known of a spec that is too large to be kept; None for one that is kept.
        """
        gateway = self._location(places, settings)
        if wants is not None:
            wants.judge_for(gateway)
        gateways = self._views(obj, places)
        frozen = places.frozen if places.destination == NOWHERE else None
        state = State(
            now=self._clock(),
            obj=obj,
            settings=settings,
            memory=memory.places.get(memory.home, BLANK),
            own=memory,
            fresh=fresh,
            record=places.record,
            disbelieved=places.disbelieved,
            uncovered=places.uncovered,
            place=places.place,
            gateways=gateways,
            heard=self._learnt.heard,
            targets=targets,
            problems=self._problems(obj, gateway, keep=wants is None),
            sync_denied=self._learnt.sync_denied(places.place),
            astray=places.astray,
            unseen=places.unseen,
            moves=places.moves,
            immovable=places.immovable,
            barred=places.barred,
            **self._ruled(obj, places.place, settings, record=places.record, frozen=frozen),
            **self._rows(obj, places.record, settings, gateways),
        )
        others = {at: self._other(state, entry, places, wants) for at, entry in places.others.items()}
        if state.problems and obj.left_out is None:
            # What AWS holds may make up for it, and that changes.
            wants = None
        if places.destination == NOWHERE and state.problems and state.record and obj.left_out is None:
            proven = state.recorded is not None and status_proves(state, state.recorded)
            state = without_held(state, state.record, gateway, region=_region(state), proven=proven)
        destination = others.pop(places.destination, None)
        return msgspec.structs.replace(
            state, **self._wanted(state, wants), destination=destination, leftovers=tuple(others.values())
        )

    def _location(self, places: ObjectPlaces, settings: Settings) -> Location:
        """Return where the gateway of an object is, or the one that it moves to, as far as AWS has told.

        All gateways that answer are in one place; one that is left may be elsewhere, with other credentials.
        """
        there = places.destination if places.destination != NOWHERE else places.place
        if any(there.account_and_region):
            return Location.of(there.gateway_id)
        heard, record = self._learnt.heard, places.record
        kept = record.gateway_arn if record is not None and places.destination == NOWHERE else ""
        arn = kept or next(reversed(heard.values()), "")
        return Location.of(arn) if arn else Location(region=settings.region)

    def _other(self, state: State, entry: Record, places: ObjectPlaces, wants: Wants | None) -> State:
        """Return the same object at another gateway, with what is remembered of it there."""
        known = state.own.places.get(entry.place, BLANK)
        # What is kept under home is of the object's own target, also where that is on another gateway.
        page = BLANK if entry.place == state.own.home else known
        found = page.record if entry.place != places.destination else None
        table = self._table(entry.place)
        gateways = {entry.place: table.view} if table is not None else {}
        # One that was found by its marker is in no status: it is found again.
        record = found or (entry if entry.target_id else None)
        aside = msgspec.structs.replace(
            state,
            memory=page,
            record=record,
            place=entry.place,
            gateways=gateways,
            sync_denied=self._learnt.sync_denied(entry.place),
            aside=True,
            **self._ruled(
                state.obj,
                entry.place,
                state.settings,
                record=found or entry,
                frozen=places.frozen if entry.place == places.destination else None,
                aside=True,
            ),
            **self._rows(state.obj, record, state.settings, gateways),
        )
        return msgspec.structs.replace(aside, **self._wanted(aside, wants))

    def _ruled(
        self,
        obj: MCPServer,
        place: Place,
        settings: Settings,
        *,
        record: Record | None,
        frozen: Frozen | None = None,
        aside: bool = False,
    ) -> dict[str, Any]:
        """Return what the MCPGateways say of an object in a place, and whether there is room."""
        held = record is not None and bool(record.target_id) and record.place == place
        ruling = self._rulings.ruling(obj, place, settings, held=held, aside=aside)
        if frozen is not None:
            unproven = ruling.frozen is not None and ruling.frozen.unproven
            frozen = msgspec.structs.replace(frozen, unproven=unproven)
            ruling = msgspec.structs.replace(ruling, frozen=frozen)
        if ruling.capacity is None:
            return {"ruling": ruling, "full": False}
        table = self._table(place)
        used = (len(table) if table is not None else 0) + self._learnt.creating[place]
        return {"ruling": ruling, "full": used >= ruling.capacity}

    def _views(self, obj: MCPServer, places: ObjectPlaces) -> dict[Place, GatewayView]:
        """Return the gateways worth looking at, the object's own first."""
        tables = ((place, self._table(place)) for place in places.searched)
        views = {place: table.view for place, table in tables if table is not None}
        if obj.metadata.deletion_timestamp:
            return views
        # Another one is only a place to look: if it does not exist or is not ours, it holds nothing of ours.
        return {
            place: view
            for place, view in views.items()
            if place == places.place or view.error is None or view.error.kind not in _UNREACHABLE
        }

    def _rows(
        self, obj: MCPServer, record: Record | None, settings: Settings, places: Iterable[Place]
    ) -> dict[str, Any]:
        """Return what the tables say of the recorded target and of those with the object's marker."""
        marked = marked_rows(self._ports, self._index, obj, settings, places)
        table = self._table(record.place) if record is not None else None
        if record is None or table is None:
            return {"marked": marked, **_NO_ROW}
        row, absences = table.row(record.target_id), table.absences(record.target_id)
        others = self._index.recorders(record.target, proven=not record.legacy) - {obj.key}
        return {
            "marked": marked,
            "absences": absences,
            "was_listed": table.was_listed(record.target_id),
            "still_listed": row is not None,
            "recorded": row if absences is None else None,
            "shared": bool(others),
        }

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
                known = msgspec.structs.replace(state, **found)
                found["rename_blocked"] = (
                    f"The target keeps the name {row.summary.name!r}: {name!r} is taken by target "
                    f"{held.summary.target_id}, {holder_words(known, held)}. "
                    + way_out(known, "Choose another spec.targetName, or delete that target.")
                )
                name = row.summary.name
        mark = next(iter(state.settings.markers_of(obj)), None)
        if mark is None and row is not None and not state.settings.marks:
            mark = row.summary.marker
        terms = name, mark, _region(state)
        if obj.left_out is not None:
            return found | _known(wants, terms, ends=bool(obj.metadata.deletion_timestamp))
        if wants is None:
            return found | self._desired.of(obj.key, (obj.spec, *terms), lambda: _desired(obj, *terms))
        # Too large to be kept, here as elsewhere.
        desired = _desired(obj, *terms)
        wants.put(terms, desired["want"], desired["want_digest"])
        return found | desired

    def _name_facts(self, state: State, name: str) -> dict[str, Any]:
        """Return who has the wanted name, and who else wants it."""
        table = self._table(state.place)
        own = state.record.target_id if state.record else ""
        rows = table.named(name) if table is not None else ()
        holders = tuple(row for row in rows if row.summary.target_id != own)
        recorders = [self._index.recorders(row.target) - {state.obj.key} for row in holders]
        holder, rival = self._index.rivals.of(state, name, holders)
        return {
            "named": holders,
            "name_recorded": any(recorders),
            "orphans": self._orphans(state.settings, holders),
            "holder": holder,
            "rival": rival,
            "circle": self._circle(state, taken=bool(holders)),
        }

    def _circle(self, state: State, *, taken: bool) -> Circle:
        trouble = state.memory.trouble
        full = state.full or (trouble is not None and trouble.reason == Reason.GATEWAY_FULL)
        # For one that is not permitted nothing is done, whatever name it is given: no advice would help it.
        if state.ruling.frozen is not None or (not taken and not (state.aside and full)):
            return NO_CIRCLE
        return self._circles.of(state.obj, state.place, full=full and not taken)

    def _orphans(self, settings: Settings, rows: tuple[Row, ...]) -> frozenset[str]:
        """Return those of the rows' markers that are of this installation and name no object there is."""
        if not rows or not settings.marks or not self._knows_all():
            return frozenset()
        marks = {mark for row in rows if (mark := row.summary.marker) and settings.owns(mark)}
        # One by one: a difference from the live view would walk through the markers of all objects.
        return frozenset(mark for mark in marks if mark not in self._index.markers())

    def _problems(self, obj: MCPServer, gateway: Location, *, keep: bool) -> tuple[str, ...]:
        if obj.left_out is not None:
            return obj.left_out.problems
        spec, name = obj.spec, wanted_name(obj)

        def check() -> tuple[str, ...]:
            return tuple(map(str, validate(spec, gateway=gateway, target_name=name)))

        return self._checked.of(obj.key, (spec, gateway, name), check) if keep else check()

    def _table(self, place: Place) -> GatewayTable | None:
        return self._observers.table(place.gateway_id)


def _desired(obj: MCPServer, name: str, mark: str | None, region: str) -> dict[str, Any]:
    body = target_request(obj.spec, name=name, mark=mark)
    want = flatten(body, region=region)
    return {"request": body, "want": want, "want_digest": digest_of(want)}


def _region(state: State) -> str:
    """Return what an IAM provider without a Region means, "" where there is none."""
    if state.obj.spec.auth_type != AuthType.GATEWAY_IAM_ROLE:
        return ""
    made = account_and_region(state.record.gateway_arn if state.record else "")[1]
    return made or state.place.account_and_region[1] or state.settings.region


def _known(wants: Wants | None, terms: Terms, *, ends: bool) -> dict[str, Any]:
    """Return what is known of the desired target while the spec is not in memory; its end needs the name."""
    known = wants.get(terms) if wants is not None else None
    if known is None and not ends:
        return {"lacks_spec": True}
    want, digest = known or ({"targetName": terms[0]}, "")
    return {"request": {"name": terms[0]}, "want": want, "want_digest": digest}
