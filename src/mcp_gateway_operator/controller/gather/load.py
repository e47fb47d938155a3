"""First part of a pass: gather one consistent state from the caches. No call leaves the process here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from mcp_gateway_operator.agentcore.observe import GatewayTable
from mcp_gateway_operator.agentcore.observe import Row as TableRow
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import AuthType, MCPServer
from mcp_gateway_operator.api.validation import validate
from mcp_gateway_operator.controller.account import Account
from mcp_gateway_operator.controller.gather.gateways_in_use import Gateways
from mcp_gateway_operator.controller.gather.held_headers import allow_held
from mcp_gateway_operator.controller.gather.object_index import ObjectIndex, wanted_name
from mcp_gateway_operator.controller.gather.recall import Upkeep, status_proves
from mcp_gateway_operator.controller.gather.rivals import Rivals
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.controller.tell import keeps_moves
from mcp_gateway_operator.targets.known import (
    LIST_LAG,
    ErrorKind,
    GatewayView,
    Memory,
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
    strays_told,
)
from mcp_gateway_operator.targets.shape import (
    Target,
    account_and_region,
    digest_of,
    find_marker,
    flatten,
    owner_code,
    target_request,
)

_UNREACHABLE = frozenset({ErrorKind.NOT_FOUND, ErrorKind.ACCESS_DENIED})


class Loader:
    """Builds the state that a decision rests on."""

    def __init__(
        self,
        ports: Ports,
        *,
        gateways: Gateways,
        index: ObjectIndex,
        rivals: Rivals,
        account: Account,
        knows_all: Callable[[], bool],
    ) -> None:
        self._observer = ports.observer
        self._gateways = gateways
        self._index = index
        self._rivals = rivals
        self._account = account
        self._clock = ports.clock
        self._upkeep = Upkeep(clock=ports.clock, wall=ports.wall, rng=ports.rng)
        self._knows_all = knows_all

    def load(
        self, obj: MCPServer, memory: Memory, settings: Settings, *, fresh: bool, target: Target | None
    ) -> State:
        """Return the state of one object now."""
        stored = stored_record(obj)
        home = memory.record or stored
        why = self._doubt(obj, home, settings)
        record = None if why else home
        wanted = obj.spec.gateway or (home.gateway_id if home else settings.default_gateway)
        gateway_id = record.gateway_id if record else wanted
        moves = memory.moves if memory.moves is not None else stored_moves(obj)
        moving = gateway_id != wanted and not obj.metadata.deletion_timestamp
        destination = wanted if moving and keeps_moves(settings.status_fields) else ""
        places = {place.gateway_id: place for place in moves}
        if destination and destination not in places:
            places[destination] = Record(gateway_id=destination, target_id="")
        astray = self._astray(obj, settings, besides={gateway_id, *places})
        # A predecessor may have created the target where nothing but the annotation or the marker tells.
        searches = record is None and not (memory.protected_here and memory.unsure_since is None)
        if obj.metadata.deletion_timestamp and not searches:
            places |= _ends(memory, places, astray)
        found = [row.gateway_id for row in astray]
        further = _further(obj, settings) if searches or _looks_further(obj) else ()
        ids = (gateway_id, *further, *found) if searches else (gateway_id,)
        beside = (*places, home.gateway_id if home else "", *found, *further)
        views = self._views(obj, memory, ids, beside=beside)
        state = State(
            now=self._clock(),
            obj=obj,
            settings=settings,
            memory=memory,
            fresh=fresh,
            record=record,
            disbelieved=(home.target_id, why) if home and why else None,
            gateway_id=gateway_id,
            gateways={view.gateway_id: view for view in views},
            heard=self._account.heard,
            target=target,
            problems=tuple(str(problem) for problem in validate(obj.spec)),
            sync_denied=self._account.sync_denied(gateway_id),
            astray=tuple(row for row in astray if row.gateway_id not in {*places, *ids}),
            unseen=self._unseen(further, settings) if _looks_further(obj) else "",
            moves=moves,
            immovable=wanted if moving and not destination else "",
        )
        there = self._there(state, places, destination)
        self._add_rows(state)
        if not destination:
            proven = state.recorded is not None and status_proves(state, state.recorded)
            allow_held(state, proven=proven)
        self._add_desired(state)
        self._upkeep.keep(state, stored)
        state.destination = there.pop(destination, None)
        state.leftovers = tuple(there.values())
        return state

    def _doubt(self, obj: MCPServer, record: Record | None, settings: Settings) -> str:
        """Return why a record of the Go operator does not count, once its target has been seen."""
        if record is None or not record.legacy:
            return ""
        table = self._observer.table(record.gateway_id)
        row = table.row(record.target_id) if table is not None else None
        if row is None or (settings.marks and find_marker(row.summary.description) is not None):
            return ""
        others = self._index.recorders(record.target_id) - {obj.key}
        return legacy_doubt(obj, row.summary, other="/".join(min(others, default=())))

    def _there(self, state: State, places: dict[str, Record], destination: str) -> dict[str, State]:
        """Return the same object at each of its other places; what is remembered of any more is forgotten."""
        there = {
            gateway_id: self._elsewhere(state, place, leaving=gateway_id != destination)
            for gateway_id, place in places.items()
        }
        if there or state.memory.elsewhere:
            state.memory.elsewhere = {gateway_id: each.memory for gateway_id, each in there.items()}
        return there

    def _elsewhere(self, state: State, place: Record, *, leaving: bool) -> State:
        """Return the same object at another gateway, with a memory of its own for what goes on there."""
        memory = state.memory.elsewhere.get(place.gateway_id) or Memory(uid=state.memory.uid)
        if not leaving:
            memory.record = memory.deleting_since = None
        there = replace(
            state,
            memory=memory,
            # One that was found by its marker is in no status: it is found again.
            record=memory.record or (place if place.target_id else None),
            gateway_id=place.gateway_id,
            gateways={place.gateway_id: _view(self._gateways.table(place.gateway_id))},
            sync_denied=self._account.sync_denied(place.gateway_id),
            aside=True,
        )
        self._add_rows(there)
        self._add_desired(there)
        self._upkeep.keep_dates(there)
        return there

    def _views(
        self, obj: MCPServer, memory: Memory, gateway_ids: tuple[str, ...], *, beside: tuple[str, ...]
    ) -> list[GatewayView]:
        """Return the gateways worth looking at, the desired one first; all are tracked from now on.

        Those `beside` them are tracked, too.
        """
        wanted = gateway_ids[0]
        ids = dict.fromkeys(filter(None, gateway_ids))
        self._gateways.use(self._index.kept(obj.key), memory, tuple(filter(None, (*ids, *beside))))
        views = [_view(self._gateways.table(each)) for each in ids]
        if obj.metadata.deletion_timestamp:
            return views
        # Elsewhere is only a place to look: one that does not exist or is not ours holds nothing of ours.
        return [v for v in views if v.gateway_id == wanted or not (v.error and v.error[0] in _UNREACHABLE)]

    def _add_rows(self, state: State) -> None:
        record = state.record
        key = state.obj.key
        if record is not None and (table := self._observer.table(record.gateway_id)) is not None:
            row = table.row(record.target_id)
            state.absences = table.absences(record.target_id)
            state.was_listed = table.was_listed(record.target_id)
            state.still_listed = row is not None
            if row is not None and state.absences is None:
                state.recorded = _present(table, row)
            others = self._index.recorders(record.target_id, proven=not record.legacy) - {key}
            state.shared = bool(others)
        state.marked = self._marked(state.obj, state.settings, state.gateways)

    def _marked(self, obj: MCPServer, settings: Settings, gateway_ids: Iterable[str]) -> tuple[Row, ...]:
        """Return the rows on some gateways that carry an object's marker and that no other one records."""
        tables = [self._gateways.table(gateway_id) for gateway_id in gateway_ids]
        return tuple(
            _present(table, found)
            for table in tables
            for mark in settings.markers_of(obj)
            for found in table.marked(mark)
            if not self._index.recorders(found.summary.target_id) - {obj.key}
        )

    def _astray(self, obj: MCPServer, settings: Settings, *, besides: set[str]) -> tuple[Row, ...]:
        """Return the rows with an object's marker on all other gateways that are looked at, for whomever."""
        found = {gateway for mark in settings.markers_of(obj) for gateway in self._observer.marked(mark)}
        gone = self._clock() - GATEWAY_GONE_AFTER
        there = [
            gateway_id
            for gateway_id in sorted(found - besides)
            if (since := self._gateways.table(gateway_id).missing_since) is None or since > gone
        ]
        return self._marked(obj, settings, there)

    def _unseen(self, further: tuple[str, ...], settings: Settings) -> str:
        """Return a gateway that no List has told of yet: of these, or after a start of any."""
        unseen = self._observer.unseen
        starting = self._clock() < settings.started_at + LIST_LAG
        return next((each for each in (*further, *(unseen if starting else ())) if each in unseen), "")

    def _add_desired(self, state: State) -> None:
        """Build the desired target; while another target holds the wanted name the old one is kept."""
        if state.problems or not state.gateway_id:
            return
        obj = state.obj
        name = wanted_name(obj)
        row = state.recorded
        holders = self._holders(state, name)
        if row is None or row.summary.name != name:
            state.named = holders
            recorders = [self._index.recorders(held.summary.target_id) - {obj.key} for held in holders]
            state.name_recorded = any(recorders)
            state.orphans = self._orphans(state.settings, holders)
            self._rivals.tell(state, name, holders)
            if row is not None and holders:
                held = deciding_row(holders)
                state.rename_blocked = (
                    f"The target keeps the name {row.summary.name!r}: {name!r} is taken by target "
                    f"{held.summary.target_id}, {holder_words(state, held)}. Choose another spec.targetName, "
                    "or delete that target."
                )
                name = row.summary.name
        _follow_name(state)
        kept = row.marker if row is not None and not state.settings.marks else None
        mark = state.settings.marker_of(obj) or kept
        body = target_request(obj.spec, name=name, mark=mark)
        state.request = body
        iam = obj.spec.auth_type == AuthType.GATEWAY_IAM_ROLE
        state.want = flatten(body, region=self._region(state) if iam else "")
        state.want_digest = digest_of(state.want)

    def _holders(self, state: State, name: str) -> tuple[Row, ...]:
        table = self._observer.table(state.gateway_id)
        if table is None:
            return ()
        own = state.record.target_id if state.record else ""
        return tuple(_present(table, row) for row in table.named(name) if row.summary.target_id != own)

    def _orphans(self, settings: Settings, rows: tuple[Row, ...]) -> frozenset[str]:
        """Return those of the rows' markers that are of this installation and name no object there is."""
        if not settings.marks or not self._knows_all():
            return frozenset()
        owners = {owner_code(owner) for owner in settings.owner_ids}
        marks = {row.marker for row in rows if row.marker and row.marker.partition("/")[0] in owners}
        # One by one: a difference from the live view would walk through the markers of all objects.
        return frozenset(mark for mark in marks if mark not in self._index.markers())

    def _region(self, state: State) -> str:
        arn = state.record.gateway_arn if state.record else ""
        return account_and_region(arn)[1] or state.settings.region


def _ends(memory: Memory, places: dict[str, Record], astray: tuple[Row, ...]) -> dict[str, Record]:
    """Return the places of an object at its end that nothing but its marker names, or named until now."""
    followed = [gateway_id for gateway_id, there in memory.elsewhere.items() if there.record is not None]
    found = dict.fromkeys((*followed, *(row.gateway_id for row in astray)))
    return {each: Record(gateway_id=each, target_id="") for each in found if each not in places}


def _further(obj: MCPServer, settings: Settings) -> tuple[str, ...]:
    """Return where a target of an object may be that its status does not name."""
    noted = obj.metadata.annotations.get(names.GATEWAY_ANNOTATION, "")
    return tuple(filter(None, (noted, settings.default_gateway)))


def _looks_further(obj: MCPServer) -> bool:
    """Whether it matters what an object with a record has elsewhere."""
    return bool(obj.metadata.deletion_timestamp) or strays_told(obj)


def _follow_name(state: State) -> None:
    """Judge anew when the wanted name is found to be taken, or free again.

    AWS may have refused a write for the name alone. And a rename that had to wait is an edit still, though
    AWS has held all the rest of this generation: it is no drift.
    """
    memory, generation = state.memory, state.obj.metadata.generation
    before, memory.name_taken = memory.name_taken, generation if state.named else 0
    if bool(before) == bool(state.named):
        return
    if memory.trouble is not None and memory.trouble.kind in {ErrorKind.VALIDATION, ErrorKind.CONFLICT}:
        memory.trouble = None
    if before == generation:
        memory.applied = 0


def _view(table: GatewayTable) -> GatewayView:
    error = table.error
    return GatewayView(
        gateway_id=table.gateway_id,
        listed_at=table.listed_at,
        error=(error.kind, error.message or error.code) if error else None,
        missing_since=table.missing_since,
        targets=len(table),
    )


def _present(table: GatewayTable, row: TableRow) -> Row:
    target_id = row.summary.target_id
    return Row(
        gateway_id=table.gateway_id,
        summary=row.summary,
        read_began=row.read_began,
        fingerprint=row.fingerprint,
        ready=table.ready(target_id),
        settled=table.settled(target_id),
        absent_at=table.last_absent(target_id),
    )
