"""One pass for one MCPServer: load -> plan -> perform, until there is nothing more to do now, then report."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from mcp_gateway_operator.agentcore.errors import AgentCoreError, ErrorKind
from mcp_gateway_operator.agentcore.table import Change
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.gateways import Gateways
from mcp_gateway_operator.controller.index import Key, ObjectIndex
from mcp_gateway_operator.controller.load import Loader
from mcp_gateway_operator.controller.moves import Mover
from mcp_gateway_operator.controller.objects import ObjectWriter
from mcp_gateway_operator.controller.outcome import Outcome
from mcp_gateway_operator.controller.perform import NoTicketError, Pass, Performer
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.controller.report import status_of
from mcp_gateway_operator.controller.rivals import Rivals
from mcp_gateway_operator.controller.room import Room
from mcp_gateway_operator.controller.turns import ready_condition, shows_ready, turn
from mcp_gateway_operator.controller.writers import OtherWriters
from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets import duplicates, ownership
from mcp_gateway_operator.targets.model import TRANSIENT
from mcp_gateway_operator.targets.plan import plan
from mcp_gateway_operator.targets.state import Memory, Settings, State
from mcp_gateway_operator.targets.stored import applied_generation, stored_defaults
from mcp_gateway_operator.targets.waiting import was_ready

MAX_STEPS = 12
"""Actions in one pass; a correct plan needs about six, so more is a loop and an error."""
QUEUED_AFTER = 30.0
"""Seconds an object waits for its turn before its status says so."""

DENIED_SECONDS = 3600.0
"""Seconds for which AWS's refusal of Synchronize on a gateway is remembered: policies are mended, too."""
MISSING_AGAIN = 10.0
"""Seconds after which an object is looked at again that the API server no longer has."""

log = structlog.get_logger(__name__)


class Reconciler:
    """Holds what one process remembers of its objects, and reconciles them one at a time."""

    def __init__(self, ports: Ports, settings: Settings) -> None:
        self.settings = settings
        self.index = ObjectIndex(settings)
        self._ports = ports
        self._gateways = Gateways(ports.observer)
        self._rivals = Rivals(self.index, ports.informer.get)
        self._loader = Loader(
            observer=ports.observer,
            gateways=self._gateways,
            index=self.index,
            rivals=self._rivals,
            clock=ports.clock,
            wall=ports.wall,
            rng=ports.rng,
            knows_all=self._knows_all,
        )
        self._objects = ObjectWriter(ports)
        self._others = OtherWriters(ports, self._objects, self.index)
        self._outcome = Outcome(ports, self.index, self._loader.heard)
        self._performer = Performer(ports, self._objects, self._outcome, self._deny_sync)
        self._mover = Mover(ports, self._objects)
        self._performer.handlers |= {act.Move: self._mover.move, act.Forget: self._mover.forget}
        self._room = Room()
        self._memories: dict[Key, Memory] = {}

    def identify(self, settings: Settings) -> None:
        """Take settings that became known after the start: owner id, account, Region."""
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
            self._begin(new).born_here = not new.metadata.finalizers
        if old is not None and new is not None and _asks(old, new):
            self._look_again(new.key)
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
        memory = self._memory(obj)
        if memory.record_failed:
            obj = await self._others.store(obj, memory, self.settings)
        else:
            self._others.give_way(obj, memory, self.settings)
        ended = await self._steps(obj, memory)
        if ended is None:
            return None
        state, action = ended[0], self._patient(*ended)
        self._follow(state, action)
        due = [await self._report(state, action), _deadline(action)]
        if (moment := min((d for d in due if d is not None), default=None)) is None:
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
                    # Whoever writes now reports, too.
                    return state, act.Nothing()
                self._outcome.note_trouble(at, step, error)
            except NoTicketError:
                return state, _queued(state, step, leaving=at in state.leftovers)
            if at is state.destination and at.memory.record is not None:
                self._mover.arrived(state)
            if isinstance(action, act.Release):
                return None
        raise RuntimeError(f"{obj.key}: no end after {MAX_STEPS} steps, the last was {action!r}")

    def _patient(self, state: State, action: act.Action) -> act.Action:
        """Hold back a wait that says little, and let it be said once it has taken long.

        One that says nothing new is never said while status speaks of this generation already.
        """
        memory = state.memory
        slight = isinstance(action, act.Await) and (action.quiet or action.reason == Reason.QUEUED)
        if not isinstance(action, act.Await) or not slight or (action.quiet and _told(state.obj)):
            memory.waiting_since = None
            return action
        if memory.waiting_since is None:
            memory.waiting_since = state.now
        due = memory.waiting_since + QUEUED_AFTER
        if state.now >= due:
            return msgspec.structs.replace(action, quiet=False)
        until = due if action.until is None else min(action.until, due)
        return msgspec.structs.replace(action, quiet=True, until=until)

    def _follow(self, state: State, action: act.Action) -> None:
        """Tell the observer what this object waits for; stop what it no longer does."""
        observer, queue, key = self._ports.observer, self._ports.queue, state.obj.key
        memory = state.memory
        waits = _waits(action)
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
        memory.record_failed = memory.record is not None
        obj = await self._objects.write_status(state.obj, status)
        memory.record = memory.moves = None
        memory.record_failed = False
        memory.wrote = obj.status
        self._announce(state.obj, obj, memory)
        if isinstance(action, act.Settled):
            self._warn_of_strays(state)
        return None

    def _warn_of_strays(self, state: State) -> None:
        """Tell once of each other target with the object's marker: status speaks of it from then on."""
        before = ready_condition(state.obj)
        for row in ownership.strays(state):
            target_id = row.summary.target_id
            if before is None or target_id not in before.message:
                self._objects.event(state.obj, "Warning", Reason.DUPLICATE_MARKER, duplicates.told(state))
                return

    def _announce(self, before: MCPServer, after: MCPServer, memory: Memory) -> None:
        """Tell of a turn for the worse, or back to Ready, in one Event."""
        if (news := turn(before, after, memory.told)) is not None:
            memory.told = "" if news.reason == Reason.READY else news.reason
            self._objects.event(after, *news)

    # -- memory ---------------------------------------------------------------------------------------

    def _memory(self, obj: MCPServer) -> Memory:
        memory = self._memories.get(obj.key)
        return self._begin(obj) if memory is None or memory.uid != obj.metadata.uid else memory

    def _begin(self, obj: MCPServer) -> Memory:
        """Begin to remember an object; one of the same name before it is forgotten."""
        self._drop_memory(obj.key)
        memory = Memory(uid=obj.metadata.uid, applied=applied_generation(obj), defaults=stored_defaults(obj))
        self._memories[self.index.kept(obj.key)] = memory
        return memory

    def _drop_memory(self, key: Key) -> None:
        memory = self._memories.pop(key, None)
        if memory is None:
            return
        if memory.busy_on:
            self._ports.observer.idle(memory.busy_on, key)
        for each in (memory, *memory.elsewhere.values()):
            if each.record is not None:
                self.index.disclaim(each.record.target_id, key)
        self._gateways.release(key, memory)

    def _forget(self, key: Key) -> None:
        self._drop_memory(key)
        self._room.follow(key, "", None)
        self._ports.scheduler.cancel(key)
        self._ports.queue.drop(key)

    def _look_again(self, key: Key) -> None:
        """Let the next pass wait for nothing and compare everything: a user asks for it."""
        memory = self._memories.get(key)
        if memory is None:
            return
        for each in (memory, *memory.elsewhere.values()):
            each.trouble = None
        memory.drift_next = memory.look_debt = 0.0
        memory.next_sweep = self._ports.clock()
        if memory.failure_next is not None:
            memory.failure_next = memory.next_sweep

    def _deny_sync(self, gateway_id: str) -> None:
        first = not self._loader.sync_denied
        self._loader.sync_denied[gateway_id] = self._ports.clock() + DENIED_SECONDS
        if first:
            log.warning(
                "AWS denies SynchronizeGatewayTargets: failed targets are repaired by an update instead. "
                "Add bedrock-agentcore:SynchronizeGatewayTargets to the operator's IAM policy."
            )


def _differs(old: MCPServer, new: MCPServer) -> bool:
    """Whether an event changes what a pass would decide; labels do not."""
    before, after = old.metadata, new.metadata
    return (
        before.uid != after.uid
        or before.generation != after.generation
        or before.deletion_timestamp != after.deletion_timestamp
        or before.finalizers != after.finalizers
        or before.annotations != after.annotations
    )


def _asks(old: MCPServer, new: MCPServer) -> bool:
    """Whether an event is a user's wish that the object be looked at now."""
    wish = new.metadata.annotations.get(names.RECONCILE_ANNOTATION)
    return wish is not None and wish != old.metadata.annotations.get(names.RECONCILE_ANNOTATION)


def _told(obj: MCPServer) -> bool:
    """Whether status speaks of the newest generation."""
    ready = ready_condition(obj)
    return ready is not None and ready.observed_generation == obj.metadata.generation


def _place(state: State, action: act.Action) -> tuple[State, act.Action]:
    """Return where an action is to be carried out, and what is to be done there."""
    if not isinstance(action, act.Elsewhere):
        return state, action
    places = (state.destination, *state.leftovers)
    return next(each for each in places if each and each.gateway_id == action.gateway_id), action.step


def _waits(action: act.Action) -> tuple[act.Await | act.Blocked, ...]:
    """Return what an action that has nothing to do now waits for."""
    if isinstance(action, act.Await):
        return (action,)
    if not isinstance(action, act.Settled | act.Blocked):
        return ()
    rest = () if action.rest is None else (action.rest,)
    return rest if isinstance(action, act.Settled) else (action, *rest)


def _queued(state: State, action: act.Action, *, leaving: bool) -> act.Action:
    """Return the wait for a quota ticket; a target that is merely to be looked at stays what it is.

    So does one that another is to make room for, `leaving` its gateway.
    """
    looks = leaving or isinstance(action, act.Read | act.CheckGateway | act.Synchronize)
    return act.Await(
        reason=Reason.QUEUED,
        message="Waiting for a turn within AWS's request quotas.",
        quiet=looks or not was_ready(state),
    )


def _deadline(action: act.Action) -> float | None:
    match action:
        case act.Settled() | act.Await() | act.Blocked():
            moments = [action.until, *(wait.until for wait in _waits(action))]
            return min((moment for moment in moments if moment is not None), default=None)
        case _:
            return None
