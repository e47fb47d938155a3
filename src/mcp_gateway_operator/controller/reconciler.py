"""One pass for one MCPServer: load -> plan -> perform, until there is nothing more to do now, then report."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from mcp_gateway_operator.agentcore.errors import AgentCoreError
from mcp_gateway_operator.agentcore.table import Change
from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import Condition, MCPServer, MCPServerStatus
from mcp_gateway_operator.controller.gateways import Gateways
from mcp_gateway_operator.controller.index import Key, ObjectIndex
from mcp_gateway_operator.controller.load import Loader
from mcp_gateway_operator.controller.perform import NoTicketError, Pass, Performer
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.controller.report import status_of
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.plan import plan
from mcp_gateway_operator.targets.state import Memory, Settings, State

MAX_STEPS = 12
"""Actions in one pass; a correct plan needs about six, so more is a loop and an error."""
QUEUED_AFTER = 30.0
"""Seconds an object waits for its turn before its status says so."""

log = structlog.get_logger(__name__)


class Reconciler:
    """Holds what one process remembers of its objects, and reconciles them one at a time."""

    def __init__(self, ports: Ports, settings: Settings) -> None:
        self.settings = settings
        self.index = ObjectIndex(settings)
        self._ports = ports
        self._gateways = Gateways(ports.observer)
        self._loader = Loader(
            observer=ports.observer,
            gateways=self._gateways,
            index=self.index,
            clock=ports.clock,
            wall=ports.wall,
            rng=ports.rng,
        )
        self._performer = Performer(ports, self.index, self._deny_sync)
        self._memories: dict[Key, Memory] = {}

    def identify(self, settings: Settings) -> None:
        """Take settings that became known after the start: owner id, account, Region."""
        self.settings = settings
        self.index.rebuild(settings, self._ports.informer.values())

    # -- what wakes an object -------------------------------------------------------------------------

    def on_object(self, old: MCPServer | None, new: MCPServer | None) -> None:
        """Take an informer event: an edit of labels alone, or our own write come back, wakes nothing."""
        self.index.update(old, new)
        obj = new or old
        assert obj is not None
        if (
            new is not None
            and old is None
            and self._ports.informer.synced.is_set()
            and not new.metadata.finalizers
        ):
            self._memories[new.key] = Memory(uid=new.metadata.uid, born_here=True)
        if old is None or new is None or _differs(old, new):
            self._ports.queue.add(obj.key, urgent=True)
        elif old.status != new.status:
            self._ports.queue.add(obj.key, urgent=False)

    def on_targets(self, _gateway_id: str, changes: Sequence[Change]) -> None:
        """Take rows that changed at AWS: wake the objects they belong to."""
        for key in self.index.concerned(changes):
            memory = self._memories.get(key)
            self._ports.queue.add(key, urgent=memory is not None and bool(memory.busy_on))

    # -- the pass -------------------------------------------------------------------------------------

    async def reconcile(self, key: Key) -> float | None:
        """Bring one object forward; return the seconds until it must be looked at again, or None."""
        obj = self._ports.informer.get(key)
        if obj is None:
            self._forget(key)
            return None
        memory = self._memory(obj)
        if memory.record_failed:
            obj = await self._store(obj, memory)
        state, action = await self._steps(obj, memory)
        if isinstance(action, act.Release):
            return None
        self._follow(state, action)
        due = [await self._report(state, action), _deadline(action)]
        if (moment := min((d for d in due if d is not None), default=None)) is None:
            return None
        return max(0.0, moment - self._ports.clock())

    async def _steps(self, obj: MCPServer, memory: Memory) -> tuple[State, act.Action]:
        """Load, plan and perform until an action has nothing to perform; return it with its state."""
        view = Pass(obj=obj)
        for _ in range(MAX_STEPS):
            state = self._loader.load(view.obj, memory, self.settings, fresh=view.fresh, target=view.target)
            action = plan(state)
            perform = self._performer.handlers.get(type(action))
            if perform is None:
                memory.waiting_since = None
                return state, action
            try:
                await perform(view, state, action)
            except AgentCoreError as error:
                self._performer.note_trouble(state, action, error)
            except NoTicketError:
                return state, self._queued(state)
            if isinstance(action, act.Release):
                return state, action
            if view.obj.metadata.uid != memory.uid:
                # Deleted and made again while this pass ran: the new object gets a pass of its own.
                self._ports.queue.add(obj.key)
                return state, act.Nothing()
        raise RuntimeError(f"{obj.key}: no end after {MAX_STEPS} steps, the last was {action!r}")

    def _queued(self, state: State) -> act.Action:
        """Return the wait for a quota ticket; the status speaks of it only when it takes long."""
        memory = state.memory
        if memory.waiting_since is None:
            memory.waiting_since = state.now
        due = memory.waiting_since + QUEUED_AFTER
        return act.Await(
            reason=Reason.QUEUED,
            message="Waiting for a turn within AWS's request quotas.",
            until=due if state.now < due else None,
            quiet=state.now < due or _is_ready(state.obj),
        )

    def _follow(self, state: State, action: act.Action) -> None:
        """Tell the observer what this object waits for; stop what it no longer does."""
        observer, queue, key = self._ports.observer, self._ports.queue, state.obj.key
        memory = state.memory
        waits = action if isinstance(action, act.Await | act.Blocked) else None
        busy_on = waits.gateway_id if waits is not None and waits.busy else ""
        if memory.busy_on and memory.busy_on != busy_on:
            observer.idle(memory.busy_on, key)
        if busy_on:
            observer.busy(busy_on, key)
        memory.busy_on = busy_on
        if waits is not None and waits.list_since is not None and waits.gateway_id:
            observer.after_list(
                waits.gateway_id, since=waits.list_since, waiter=key, wake=lambda: queue.add(key)
            )

    async def _report(self, state: State, action: act.Action) -> float | None:
        """Write the status if it says something new; return when a held-back one is due."""
        memory = state.memory
        now = self._ports.clock()
        if isinstance(action, act.Await) and now < memory.report_after:
            return memory.report_after
        if isinstance(action, act.Settled):
            memory.failure_attempts, memory.failure_next = 0, None
            memory.trouble = None
        status = status_of(state, action, wall=self._ports.wall())
        if status is None:
            if memory.record is None or isinstance(action, act.Nothing):
                return None
            status = self._bare_record(state)
        guarded = memory.record is not None
        memory.record_failed = guarded
        obj = await self._performer.write_status(state.obj, status, guarded=guarded)
        memory.record = None
        memory.record_failed = False
        self._announce(state.obj, obj)
        return None

    def _bare_record(self, state: State) -> MCPServerStatus:
        record = state.memory.record
        assert record is not None
        return msgspec.structs.replace(
            state.obj.status,
            target_id=record.target_id,
            recorded_for=state.obj.metadata.uid,
            gateway_id=record.gateway_id,
            gateway_arn=record.gateway_arn,
            target_name=record.target_name,
        )

    async def _store(self, obj: MCPServer, memory: Memory) -> MCPServer:
        """Store a record whose first write failed, before anything else for this object."""
        view = Pass(obj=obj)
        await self._performer.fetch(view)
        obj = view.obj
        if obj.metadata.uid != memory.uid or memory.record is None:
            memory.record_failed = False
            return obj
        state = self._loader.load(obj, memory, self.settings, fresh=True, target=None)
        obj = await self._performer.write_status(obj, self._bare_record(state), guarded=True)
        memory.record_failed = False
        return obj

    def _announce(self, before: MCPServer, after: MCPServer) -> None:
        """Tell of a turn for the worse, or back to Ready, in one Event."""
        old, new = _ready(before), _ready(after)
        if new is None or (old is not None and (old.status, old.reason) == (new.status, new.reason)):
            return
        if new.status == "True":
            self._performer.event(after, "Normal", new.reason, new.message)
        elif _stalled(after) or new.reason in _NOTEWORTHY:
            self._performer.event(after, "Warning", new.reason, new.message)

    # -- memory ---------------------------------------------------------------------------------------

    def _memory(self, obj: MCPServer) -> Memory:
        memory = self._memories.get(obj.key)
        if memory is None or memory.uid != obj.metadata.uid:
            if memory is not None:
                self._gateways.release(obj.key, memory)
            memory = self._memories[obj.key] = Memory(uid=obj.metadata.uid)
        return memory

    def _forget(self, key: Key) -> None:
        memory = self._memories.pop(key, None)
        if memory is not None:
            if memory.busy_on:
                self._ports.observer.idle(memory.busy_on, key)
            self._gateways.release(key, memory)
        self._ports.scheduler.cancel(key)
        self._ports.queue.drop(key)

    def _deny_sync(self) -> None:
        if not self._loader.sync_denied:
            self._loader.sync_denied = True
            log.warning(
                "AWS denies SynchronizeGatewayTargets: failed targets are repaired by an update instead. "
                "Add bedrock-agentcore:SynchronizeGatewayTargets to the operator's IAM policy."
            )


_NOTEWORTHY = frozenset(
    {
        Reason.TARGET_FAILED,
        Reason.DRIFTED,
        Reason.PAUSED,
        Reason.PENDING_AUTHORIZATION,
        Reason.AWS_UNAVAILABLE,
    }
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


def _ready(obj: MCPServer) -> Condition | None:
    return next((c for c in obj.status.conditions if c.type == ConditionType.READY), None)


def _stalled(obj: MCPServer) -> bool:
    return any(c.type == ConditionType.STALLED and c.status == "True" for c in obj.status.conditions)


def _is_ready(obj: MCPServer) -> bool:
    return any(c.type == ConditionType.READY and c.status == "True" for c in obj.status.conditions)


def _deadline(action: act.Action) -> float | None:
    match action:
        case act.Settled() | act.Await() | act.Blocked():
            return action.until
        case _:
            return None
