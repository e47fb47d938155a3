"""One pass for one MCPServer: gather -> plan -> perform, until there is nothing more to do now, then tell."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mcp_gateway_operator.agentcore.observe import Change
from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.classes import ClassSettings, Registry, Rulings
from mcp_gateway_operator.controller.decision_log import DecisionLog
from mcp_gateway_operator.controller.gather import (
    Circles,
    DeniedRights,
    Entry,
    Key,
    LargeSpecs,
    Loader,
    Memories,
    ObjectIndex,
    ObjectPlaces,
    lacks_spec,
    needs_spec,
    recalled,
)
from mcp_gateway_operator.controller.news import ClassNews, OutageNews, differs
from mcp_gateway_operator.controller.perform import (
    NoTicketError,
    ObjectWriter,
    Pass,
    Performer,
    concluded,
    quarrelling,
    unsent,
)
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.controller.tell import (
    deadline,
    events_of,
    queued,
    status_of,
    status_timing,
    waits_of,
)
from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import (
    NOWHERE,
    AgentCoreError,
    ErrorKind,
    Place,
    Settings,
    State,
    stored_moves,
    stored_record,
)
from mcp_gateway_operator.targets.plan import plan
from mcp_gateway_operator.targets.rules import earliest
from mcp_gateway_operator.targets.shape import TRANSIENT

MAX_STEPS = 12
"""Steps in one pass; a correct plan needs about six, so more is a loop and an error."""
FENCED_AGAIN = 5.0
"""Seconds after which an object is looked at again for which the fence was shut."""
CLASSES_AGAIN = 1.0
"""Seconds after which an object is looked at again while the MCPGateways are not known yet."""
MISSING_AGAIN = 10.0
"""Seconds after which an object is looked at again that the API server no longer has."""


class Reconciler:
    """Holds what one process remembers of its objects, and reconciles them one at a time."""

    def __init__(self, ports: Ports, settings: Settings, registry: Registry, classes: ClassSettings) -> None:
        self.settings = settings
        self.index = ObjectIndex(settings, ports.informer.get, ports.clock)
        self._ports = ports
        self._registry = registry
        self.rulings = Rulings(registry, classes)
        self._memories = Memories(ports.observers, self.index)
        self._circles = Circles(ports, self.index, default_of=self._default_of, users=self._memories.users)
        self.class_news = ClassNews(ports, self.index, registry, self._circles, default_of=self._default_of)
        self._loader = Loader(ports, self.index, self._circles, self.rulings, knows_all=self._knows_all)
        self._objects = ObjectWriter(ports, self.index)
        self._performer = Performer(ports, self._objects, self.index, self.rulings)
        self._log = DecisionLog(ports)
        self._large = LargeSpecs(lambda key: ports.queue.add(key, urgent=False))
        self.payer = self._memories.payer
        ports.observers.serve(self)
        ports.informer.on_event = self.on_object
        self._outage_news = OutageNews(ports, self.index, self._memories)
        self._denied = DeniedRights()
        ports.schedulers.own.on_credentials = self._outage_news.on_credentials

    def identify(self, settings: Settings) -> None:
        """Take settings that are known only after the start, and find anew whose markers are whose."""
        self.settings = settings
        self.index.rebuild(settings, self._ports.informer.values())

    def _knows_all(self) -> bool:
        """Whether an MCPServer that is not in the cache does not exist."""
        informer = self._ports.informer
        return self.settings.all_namespaces and informer.synced.is_set() and not informer.undecodable

    # -- what the observer asks ----------------------------------------------------------------------

    def recorded(self, gateway_id: str) -> bool:
        """Whether the status of some object says that its target is, or may be, on a gateway."""
        objects = map(self._ports.informer.get, self._memories.users(gateway_id))
        places = (
            record.place
            for obj in objects
            if obj is not None
            for record in (stored_record(obj), *stored_moves(obj))
            if record is not None
        )
        return Place(gateway_id) in places

    # -- what the metrics ask ---------------------------------------------------------------------------

    def fought_over(self) -> int:
        """Return how many objects have targets that somebody else keeps changing."""
        return self._memories.fought_over(self._ports.clock())

    def explain(self, key: Key) -> dict[str, object] | None:
        """Return what would be decided for an object now, and why not sooner; None where nobody knows it.

        Nothing is done and nothing remembered. A spec that is not in memory would be read.
        """
        obj, entry = self._ports.informer.get(key), self._memories.get(key)
        if obj is None or entry is None or not self._ports.territory.mine(key[0]):
            return None
        if not self._registry.settled or entry.memory.uid != obj.metadata.uid:
            return None
        view, settings = Pass(obj=obj), self._settings_of(obj)
        places = self._loader.places_of(view.full, entry.memory, settings)
        state = self._load(view, entry, settings, places)
        return self._log.explained(state, act.Fetch() if lacks_spec(state) else plan(state))

    # -- what wakes an object -------------------------------------------------------------------------

    def on_object(self, old: MCPServer | None, new: MCPServer | None) -> None:
        """Take an informer event: an edit of labels alone, or our own write come back, wakes nothing."""
        queue = self._ports.queue
        self.index.update(old, new)
        obj = new or old
        assert obj is not None
        if new is not None and old is None and self._ports.informer.synced.is_set():
            self._memories.begin(new, born_here=not new.metadata.finalizers)
        if old is None or new is None or differs(old, new):
            queue.add(self.index.shared_key(obj.key), urgent=True)
        elif old.status != new.status and obj.key not in self._objects.reporting:
            queue.add(self.index.shared_key(obj.key), urgent=False)
        self.rulings.follow(old, new)
        waiting = self.index.rivals.follow(old, new, default_of=self._default_of)
        others = self.index.freed(old, new) | self._circles.follow(old, new)
        for key, after in (waiting | dict.fromkeys(others, 0.0)).items():
            queue.add(key, urgent=False, after=after)

    def _default_of(self, obj: MCPServer) -> str:
        """Return the gateway of an object that names none by its id, "" where it has none."""
        return self.rulings.wanted(obj, None, self.settings).place.gateway_id

    def on_targets(self, gateway_id: str, changes: Sequence[Change]) -> None:
        """Take rows that changed at AWS: wake the objects they belong to.

        No rows at all mean that Lists of the gateway began to fail, or succeed again, or that an outage of
        it turns: that concerns all.
        """
        if not changes:
            self._outage_news.on_gateway(gateway_id)
            return
        queue = self._ports.queue
        for key in self._memories.full_gateways.freed(gateway_id, changes):
            if (waiting := self._memories.get(key)) is not None:
                waiting.freed = True
            queue.add(key)
        over = [each for each in changes if each.after is None or each.after.status not in TRANSIENT]
        self._circles.forget()
        done = self.index.concerned(gateway_id, over)
        concerned = self.index.rivals.concerned(gateway_id, changes)
        own = self.index.concerned(gateway_id, changes)
        for key, after in (concerned | dict.fromkeys(own, 0.0)).items():
            entry = self._memories.get(key)
            queue.add(key, urgent=entry is not None and entry.busy_on != NOWHERE, after=after)
            if entry is not None and entry.busy_on.gateway_id == gateway_id and key in done:
                # Its pass may be long in coming, and says so if it still waits for something.
                self._memories.busy(key, entry, NOWHERE)

    def rename(self, obj: MCPServer) -> None:
        """Take an object whose gateways are called otherwise from now on; nothing else of it has changed."""
        self._forget(obj.key)
        self._ports.informer.remember(obj)
        self._ports.queue.add(obj.key, urgent=False)

    def on_territory(self, namespace: str) -> None:
        """Take up the objects of a namespace ("": of all) where this process works now, let go of the others.

        What was remembered of those is worth nothing: another process writes from now on.
        """
        for obj in self._ports.informer.values():
            if namespace not in ("", obj.metadata.namespace):
                continue
            if self._ports.territory.mine(obj.metadata.namespace):
                self._ports.queue.add(obj.key, urgent=False)
            else:
                self._forget(obj.key)

    # -- the pass -------------------------------------------------------------------------------------

    async def reconcile(self, key: Key) -> float | None:
        """Bring one object forward; return the seconds until it must be looked at again, or None.

        Where another process works, nothing is done.

        Raises:
            ApiError: the API server refused something; the pass is to be repeated.
        """
        if not self._ports.territory.mine(key[0]):
            return None
        if not self._registry.settled:
            return CLASSES_AGAIN
        try:
            return await self._pass(key)
        except ApiError as error:
            if not error.not_found:
                raise
            # Deleted a moment ago; should the informer's watch not say so, its next list does.
            return MISSING_AGAIN
        finally:
            self._large.give(key)

    async def _pass(self, key: Key) -> float | None:
        obj = self._ports.informer.get(key)
        if obj is None:
            self._forget(key)
            return None
        self._log.begin(obj)
        entry = self._memories.of(obj)
        entry.freed = entry.freed or self._denied.has_turn(key, self._ports.clock())
        settings = self._settings_of(obj)
        if entry.memory.unconfirmed:
            obj = await self._objects.store(entry, obj, settings)
        else:
            self._objects.give_way(entry, obj, settings)
        ended = await self._steps(obj, entry, settings)
        if ended is None:
            return None
        state, wait = ended
        self._follow(entry, state, wait)
        moment = earliest(await self._tell(entry, state, wait), deadline(wait))
        return None if moment is None else max(0.0, moment - self._ports.clock())

    def _follow_denied(self, key: Key, state: State | None) -> None:
        for other, after in self._denied.follow(self.index.shared_key(key), state, self._ports.clock()):
            self._ports.queue.add(other, urgent=False, after=after)

    def _forget(self, key: Key) -> None:
        self._follow_denied(key, None)
        self._memories.drop(key)
        self._ports.schedulers.cancel(key)
        self._ports.queue.drop(key)

    def _settings_of(self, obj: MCPServer) -> Settings:
        """Return the settings, with the moment since which nobody else writes in the object's namespace."""
        since = self._ports.territory.since(obj.metadata.namespace)
        if since <= self.settings.started_at:
            return self.settings
        return msgspec.structs.replace(self.settings, started_at=since)

    async def _steps(self, obj: MCPServer, entry: Entry, settings: Settings) -> tuple[State, act.Wait] | None:
        """Gather, plan and perform until a decision is a wait; return it with its state.

        Returns None when the object is released, or was deleted and made again while this pass ran: then
        the new one gets a pass of its own. Or it waits for its turn to have a large spec in memory.
        """
        view = Pass(obj=obj)
        for _ in range(MAX_STEPS):
            if view.obj.metadata.uid != entry.memory.uid or self._memories.get(obj.key) is not entry:
                self._ports.queue.add(obj.key)
                return None
            state = self._gather(view, entry, settings)
            decision = None if lacks_spec(state) else plan(state)
            if decision is None or needs_spec(state, decision, read=view.has_read):
                if not await self._performer.read_spec(view, self._large):
                    return None
                continue
            self._log.decided(state, decision)
            self._ports.hooks.on_decision(state, decision)
            if isinstance(decision, act.Wait):
                return state, decision
            try:
                await self._performer.perform(view, entry, state, decision)
            except AgentCoreError as error:
                if error.kind is not ErrorKind.FENCED:
                    raise
                # Whoever writes now reports, too; should it be this process again, it goes on.
                return unsent(state, decision), act.Nothing(until=self._ports.clock() + FENCED_AGAIN)
            except NoTicketError:
                scheduler = self._ports.schedulers.of(_place_of(state, decision).gateway_id)
                wait = queued(state, decision, scheduler.refused_credentials)
                self._log.decided(state, wait, ticketless=decision)
                return unsent(state, decision), wait
            if isinstance(decision, act.Release):
                return None
        raise RuntimeError(f"{obj.key}: no end after {MAX_STEPS} steps, the last was {decision!r}")

    def _gather(self, view: Pass, entry: Entry, settings: Settings) -> State:
        """Return what a decision rests on, with everything remembered as of now."""
        places = self._loader.places_of(view.full, entry.memory, settings)
        self._memories.track(self.index.shared_key(view.obj.key), entry, places.tracked)
        state = self._load(view, entry, settings, places)
        if not lacks_spec(state):
            entry.memory, entry.freed = state.own, False
        return state

    def _load(self, view: Pass, entry: Entry, settings: Settings, places: ObjectPlaces) -> State:
        memory, wants = entry.memory, entry.wants_of(view.obj)
        state = self._loader.load(
            view.full, memory, settings, places, fresh=view.fresh, targets=view.targets, wants=wants
        )
        return state if lacks_spec(state) else recalled(state, entry, self._ports)

    def _follow(self, entry: Entry, state: State, wait: act.Wait) -> None:
        """Tell the observer what this object waits for; stop what it no longer does."""
        queue, key = self._ports.queue, state.obj.key
        waits = waits_of(wait)
        self._follow_denied(key, state)
        self._memories.busy(key, entry, next((each.place for each in waits if each.busy), NOWHERE))
        # Only where it is to be made can there be no room for it.
        full = state if state.destination is None else state.destination
        self._memories.full_gateways.follow(key, full.place, wait)
        for each in waits:
            if each.list_since is not None and each.place != NOWHERE:
                gateway_id, since = each.place.gateway_id, each.list_since
                observer = self._ports.observers.assign(gateway_id)
                observer.after_list(gateway_id, since=since, waiter=key, wake=lambda: queue.add(key))

    async def _tell(self, entry: Entry, state: State, wait: act.Wait) -> float | None:
        """Write the status if it says something new; return when a held-back one is due."""
        timing = status_timing(state, wait)
        own = entry.memory = concluded(state, wait, timing.waiting_since)
        if not timing.now:
            return timing.again
        state = msgspec.structs.replace(state, own=own, memory=own.places[state.place])
        status = status_of(state, wait, wall=self._ports.wall())
        if status is None:
            return timing.again
        until, telling = quarrelling(state, self._ports.clock())
        entry.memory = own.but(telling=telling)
        if until is not None:
            return earliest(until, timing.again)
        obj = await self._objects.write_status(entry, state.obj, status)
        self._ports.hooks.on_turn(_ready(state.obj), _ready(obj))
        for event in events_of(state, wait, obj):
            if event.turn:
                worse = "" if event.reason == Reason.READY else event.reason
                telling = msgspec.structs.replace(entry.memory.telling, worse=worse)
                entry.memory = entry.memory.but(telling=telling)
            self._objects.event(obj if event.turn else state.obj, event.type, event.reason, event.message)
        return timing.again


def _place_of(state: State, step: act.Step) -> Place:
    return step.place if isinstance(step, act.AtPlace) else state.place


def _ready(obj: MCPServer) -> str:
    """Return the status of Ready, whichever generation it is about; "" before there is one."""
    found = obj.status.condition(ConditionType.READY)
    return "" if found is None else found.status
