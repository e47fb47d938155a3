"""One pass for one MCPServer: load -> plan -> perform, until there is nothing more to do now, then report."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mcp_gateway_operator.agentcore.observe import Change
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.account import Account
from mcp_gateway_operator.controller.gather import Gateways, Key, Loader, Memories, ObjectIndex, Rivals, Room
from mcp_gateway_operator.controller.perform import (
    Mover,
    NoTicketError,
    ObjectWriter,
    OtherWriters,
    Outcome,
    Pass,
    Performer,
)
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.controller.tell import (
    deadline,
    patient,
    queued,
    shows_ready,
    status_of,
    turn,
    waits_of,
)
from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind, Memory, Settings, State
from mcp_gateway_operator.targets.plan import plan
from mcp_gateway_operator.targets.rules import earliest, stray_note, stray_rows
from mcp_gateway_operator.targets.shape import TRANSIENT

MAX_STEPS = 12
"""Actions in one pass; a correct plan needs about six, so more is a loop and an error."""
FENCED_AGAIN = 5.0
"""Seconds after which an object is looked at again for which the fence was shut."""
MISSING_AGAIN = 10.0
"""Seconds after which an object is looked at again that the API server no longer has."""


class Reconciler:
    """Holds what one process remembers of its objects, and reconciles them one at a time."""

    def __init__(self, ports: Ports, settings: Settings) -> None:
        self.settings = settings
        self.index = ObjectIndex(settings)
        self._ports = ports
        self._gateways = Gateways(ports.observer)
        account = Account(ports.clock)
        self._rivals = Rivals(self.index, ports.informer.get)
        self._loader = Loader(
            ports,
            gateways=self._gateways,
            index=self.index,
            rivals=self._rivals,
            account=account,
            knows_all=self._knows_all,
        )
        self._objects = ObjectWriter(ports)
        self._others = OtherWriters(ports, self._objects, self.index)
        self._outcome = Outcome(ports, self.index, account)
        self._performer = Performer(ports, self._objects, self._outcome, account)
        self._mover = Mover(ports, self._objects)
        self._performer.handlers |= {act.Move: self._mover.move, act.Forget: self._mover.forget}
        self._room = Room()
        self._memories = Memories(ports, self.index, self._gateways)

    def identify(self, settings: Settings) -> None:
        """Take settings that are known only after the start, and find anew whose markers are whose."""
        self.settings = settings
        self.index.rebuild(settings, self._ports.informer.values())

    def _knows_all(self) -> bool:
        """Whether an MCPServer that is not in the cache does not exist."""
        informer = self._ports.informer
        return self.settings.all_namespaces and informer.synced.is_set() and not informer.undecodable

    # -- what wakes an object -------------------------------------------------------------------------

    def on_object(self, old: MCPServer | None, new: MCPServer | None) -> None:
        """Take an informer event: an edit of labels alone, or our own write come back, wakes nothing."""
        self.index.update(old, new)
        obj = new or old
        assert obj is not None
        if new is not None and old is None and self._ports.informer.synced.is_set():
            self._memories.begin(new).born_here = not new.metadata.finalizers
        if old is not None and new is not None and _asks(old, new):
            self._memories.look_again(new.key)
        if old is None or new is None or _differs(old, new):
            self._ports.queue.add(self.index.kept(obj.key), urgent=True)
        elif old.status != new.status and obj.key not in self._objects.reporting:
            self._ports.queue.add(self.index.kept(obj.key), urgent=False)
        waiting = self._rivals.concerned(old, new, default_gateway=self.settings.default_gateway)
        for key in waiting | self.index.freed(old, new):
            self._ports.queue.add(key, urgent=False)

    def on_targets(self, gateway_id: str, changes: Sequence[Change]) -> None:
        """Take rows that changed at AWS: wake the objects they belong to.

        No rows at all mean that Lists of the gateway began to fail, or succeed again: that concerns all.
        """
        for key in self._room.freed(gateway_id, changes):
            if (waiting := self._memories.get(key)) is not None:
                waiting.trouble = None
            self._ports.queue.add(key)
        over = [each for each in changes if each.after is None or each.after.status not in TRANSIENT]
        done = self.index.concerned(over)
        for key in self.index.concerned(changes) if changes else self._gateways.users(gateway_id):
            memory = self._memories.get(key)
            urgent = memory is not None and bool(memory.busy_on)
            self._ports.queue.add(key, urgent=urgent)
            if memory is not None and memory.busy_on == gateway_id and key in done:
                # Its pass may be long in coming, and says so if it still waits for something.
                self._ports.observer.idle(memory.busy_on, key)
                memory.busy_on = ""

    # -- the pass -------------------------------------------------------------------------------------

    async def reconcile(self, key: Key) -> float | None:
        """Bring one object forward; return the seconds until it must be looked at again, or None.

        Raises:
            ApiError: the API server refused something; the pass is to be repeated.
        """
        try:
            return await self._pass(key)
        except ApiError as error:
            if not error.not_found:
                raise
            # Deleted a moment ago; should the informer's watch not say so, its next list does.
            return MISSING_AGAIN

    async def _pass(self, key: Key) -> float | None:
        obj = self._ports.informer.get(key)
        if obj is None:
            self._forget(key)
            return None
        memory = self._memories.of(obj)
        if memory.record_failed:
            obj = await self._others.store(obj, memory, self.settings)
        else:
            self._others.give_way(obj, memory, self.settings)
        ended = await self._steps(obj, memory)
        if ended is None:
            return None
        state, action = ended[0], patient(*ended)
        self._follow(state, action)
        if (moment := earliest(await self._report(state, action), deadline(action))) is None:
            return None
        return max(0.0, moment - self._ports.clock())

    async def _steps(self, obj: MCPServer, memory: Memory) -> tuple[State, act.Action] | None:
        """Load, plan and perform until an action has nothing to perform; return it with its state.

        Returns None when the object is released, or was deleted and made again while this pass ran: then
        the new one gets a pass of its own.
        """
        view = Pass(obj=obj)
        for _ in range(MAX_STEPS):
            if view.obj.metadata.uid != memory.uid or self._memories.get(obj.key) is not memory:
                self._ports.queue.add(obj.key)
                return None
            state = self._loader.load(view.obj, memory, self.settings, fresh=view.fresh, target=view.target)
            action = plan(state)
            at, step = _place(state, action)
            perform = self._performer.handlers.get(type(step))
            if perform is None:
                return state, action
            try:
                await perform(view, at, step)
            except AgentCoreError as error:
                if error.kind is ErrorKind.FENCED:
                    # Whoever writes now reports, too; should it be this process again, it goes on.
                    return state, act.Nothing(until=self._ports.clock() + FENCED_AGAIN)
                self._outcome.note_trouble(at, step, error)
            except NoTicketError:
                return state, queued(state, step, leaving=at in state.leftovers)
            if at is state.destination and at.memory.record is not None:
                self._mover.arrived(state)
            if isinstance(action, act.Release):
                return None
        raise RuntimeError(f"{obj.key}: no end after {MAX_STEPS} steps, the last was {action!r}")

    def _follow(self, state: State, action: act.Action) -> None:
        """Tell the observer what this object waits for; stop what it no longer does."""
        observer, queue, key = self._ports.observer, self._ports.queue, state.obj.key
        memory = state.memory
        waits = waits_of(action)
        busy_on = next((wait.gateway_id for wait in waits if wait.busy), "")
        if memory.busy_on and memory.busy_on != busy_on:
            observer.idle(memory.busy_on, key)
        if busy_on:
            observer.busy(busy_on, key)
        memory.busy_on = busy_on
        self._room.follow(key, state.gateway_id, action)
        for wait in waits:
            if wait.list_since is not None and wait.gateway_id:
                observer.after_list(
                    wait.gateway_id, since=wait.list_since, waiter=key, wake=lambda: queue.add(key)
                )
        if not state.obj.metadata.deletion_timestamp:
            # What is left over is deleted on rows read since it was first found to be due.
            due = isinstance(action, act.Settled | act.Blocked) and action.rest is not None
            for place in state.leftovers:
                since = place.memory.deleting_since
                place.memory.deleting_since = (state.now if since is None else since) if due else None

    async def _report(self, state: State, action: act.Action) -> float | None:
        """Write the status if it says something new; return when a held-back one is due."""
        memory = state.memory
        now = self._ports.clock()
        # An object that is being deleted is not Ready any more, however soon its target is gone.
        leaving = bool(state.obj.metadata.deletion_timestamp) and shows_ready(state.obj)
        if isinstance(action, act.Await) and now < memory.report_after and not leaving:
            return memory.report_after
        if isinstance(action, act.Settled):
            memory.trouble = memory.trouble if action.held else None
            if memory.details is not None and memory.details.fingerprint is not None:
                # What a later failure is due to is read anew, and told in these words until that is done.
                memory.details = msgspec.structs.replace(memory.details, fingerprint=None)
        if isinstance(action, act.Settled) or (isinstance(action, act.Blocked) and action.synced):
            memory.applied = state.obj.metadata.generation
        if memory.record is not None and isinstance(action, act.Await):
            # What status says of an earlier target is not true of this one.
            action = msgspec.structs.replace(action, quiet=False)
        status = status_of(state, action, wall=self._ports.wall())
        if status is None:
            return None
        if (held := self._others.held_until(state)) is not None:
            return held
        obj = await self._objects.write_status(state.obj, status, memory)
        self._announce(state.obj, obj, memory)
        if isinstance(action, act.Settled | act.Blocked):
            self._warn_of_strays(state)
        return None

    def _warn_of_strays(self, state: State) -> None:
        """Tell once of each other target with the object's marker: status speaks of it from then on."""
        before = state.obj.status.condition(ConditionType.READY)
        for row in stray_rows(state):
            target_id = row.summary.target_id
            if before is None or target_id not in before.message:
                self._objects.event(state.obj, "Warning", Reason.DUPLICATE_MARKER, stray_note(state))
                return

    def _announce(self, before: MCPServer, after: MCPServer, memory: Memory) -> None:
        """Tell of a turn for the worse, or back to Ready, in one Event."""
        if (news := turn(before, after, memory.told)) is not None:
            memory.told = "" if news.reason == Reason.READY else news.reason
            self._objects.event(after, *news)

    def _forget(self, key: Key) -> None:
        self._memories.drop(key)
        self._room.follow(key, "", None)
        self._ports.scheduler.cancel(key)
        self._ports.queue.drop(key)


def _differs(old: MCPServer, new: MCPServer) -> bool:
    """Whether an event changes what a pass would decide; labels do not.

    A spec differs without a new generation after the CRD has changed: fields come and go with their schema.
    """
    before, after = old.metadata, new.metadata
    return (
        before.uid != after.uid
        or before.generation != after.generation
        or old.spec != new.spec
        or before.deletion_timestamp != after.deletion_timestamp
        or before.finalizers != after.finalizers
        or before.annotations != after.annotations
    )


def _asks(old: MCPServer, new: MCPServer) -> bool:
    """Whether an event is a user's wish that the object be looked at now."""
    wish = new.metadata.annotations.get(names.RECONCILE_ANNOTATION)
    return wish is not None and wish != old.metadata.annotations.get(names.RECONCILE_ANNOTATION)


def _place(state: State, action: act.Action) -> tuple[State, act.Action]:
    """Return where an action is to be carried out, and what is to be done there."""
    if not isinstance(action, act.AtPlace):
        return state, action
    places = (state.destination, *state.leftovers)
    return next(each for each in places if each and each.gateway_id == action.gateway_id), action.step
