"""Second part of a pass: carry one step out. Every AWS call holds a ticket and passes the fence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import assert_never

import msgspec
import structlog
from structlog.contextvars import bound_contextvars

from mcp_gateway_operator.agentcore.port import Fence
from mcp_gateway_operator.agentcore.quota import Lane, Op, Ticket
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.classes import Rulings
from mcp_gateway_operator.controller.gather import Entry, LargeSpecs, ObjectIndex
from mcp_gateway_operator.controller.perform import remember
from mcp_gateway_operator.controller.perform.failed_calls import trouble_of
from mcp_gateway_operator.controller.perform.kubernetes_writes import ObjectWriter
from mcp_gateway_operator.controller.perform.moves import Mover
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.controller.tell import with_placement
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import (
    AgentCoreError,
    ErrorKind,
    Place,
    State,
    TargetMemory,
)
from mcp_gateway_operator.targets.rules import forgotten_leftovers, lets_go
from mcp_gateway_operator.targets.shape import Target, describe_diffs

log = structlog.get_logger(__name__)


class NoTicketError(Exception):
    """The quota has no room now; the object is woken when its turn has come."""


@dataclass(slots=True)
class Pass:
    """What one pass has at hand.

    Attributes:
        obj: the object as last read or written.
        fresh: this pass wrote it or read it with a quorum read.
        targets: those that a Get of this pass has answered, the last first, until a write makes them old.
        whole: the object as this pass read it with a spec that is too large to be kept, and its digest.
    """

    obj: MCPServer
    fresh: bool = False
    targets: tuple[Target, ...] = ()
    whole: tuple[MCPServer, str] | None = None

    @property
    def has_read(self) -> bool:
        """Whether this pass has read the spec as it is, which is too large to be kept."""
        left_out = self.obj.left_out
        return left_out is not None and self.whole is not None and self.whole[1] == left_out.digest

    @property
    def full(self) -> MCPServer:
        """The object, with its whole spec where this pass has read that."""
        if self.whole is None or not self.has_read:
            return self.obj
        return msgspec.structs.replace(self.obj, spec=self.whole[0].spec, left_out=self.whole[0].left_out)


class Performer:
    """Carries steps out and notes their outcome in the observer's tables and the object's memory."""

    def __init__(self, ports: Ports, objects: ObjectWriter, index: ObjectIndex, rulings: Rulings) -> None:
        self._ports = ports
        self._objects = objects
        self._index = index
        self._rulings = rulings
        self._mover = Mover(ports, objects)

    async def read_spec(self, view: Pass, large: LargeSpecs) -> bool:
        """Read a spec that is too large to be kept; return False where too many are in memory already."""
        if has_turn := large.take(view.obj.key):
            view.obj, view.whole = await self._objects.read_spec(view.obj)
            view.fresh = True
        return has_turn

    async def perform(self, view: Pass, entry: Entry, state: State, step: act.Step) -> None:
        """Carry a step out; what came of it is remembered when this returns.

        Raises:
            AgentCoreError: the fence was shut; any other failure of a call is remembered instead.
            NoTicketError: AWS's quotas allow the call later.
            ApiError: the API server refused something.
        """
        match step:
            case act.AtPlace(place=place, step=inner):
                asides = (state.destination, *state.leftovers)
                at = next(each for each in asides if each is not None and each.place == place)
                page = await self._at_target(view, entry, at, inner)
                entry.memory = entry.memory.put(place, page)
                if at is state.destination and page.record is not None:
                    entry.memory = self._mover.arrived(state, entry.memory)
            case act.Protect(place=place):
                first = not state.protected
                view.obj, view.fresh = await self._objects.protect(state.obj, place.gateway_id), True
                if first and state.own.born_here:
                    page = remember.protected(state.memory)
                    entry.memory = entry.memory.put(state.place, page)
            case act.Note(placed_by=placed_by):
                status = with_placement(state.obj, placed_by, wall=self._ports.wall())
                view.obj, view.fresh = await self._objects.write_status(entry, state.obj, status), True
            case act.Fetch():
                view.obj, view.fresh = await self._objects.fetch(view.obj), True
            case act.Move():
                view.obj, view.fresh = await self._mover.enter(entry, state, step), True
            case act.Forget():
                entry.memory = self._mover.forget(state, step)
            case act.Release():
                await self._objects.release(state.obj)
                self._objects.event(state.obj, "Normal", step.event, step.message)
                log.info("released", why=step.event)
            case _:
                page = await self._at_target(view, entry, state, step)
                entry.memory = entry.memory.put(state.place, page)

    async def _at_target(self, view: Pass, entry: Entry, state: State, step: act.AtTarget) -> TargetMemory:
        """Carry out what is done for the target of one place, and return what is remembered of it then."""
        cause = act.write_cause(state, step)
        bound: dict[str, object] = {} if cause is None else {"cause": cause.value}
        if isinstance(step, act.Update):
            bound["fields"] = [each.field for each in step.diffs]
        try:
            # The line of the log about a write says why it is made, and of what.
            with bound_contextvars(**bound):
                page = await self._carry_out(view, entry, state, step)
        except AgentCoreError as error:
            if error.kind is ErrorKind.CREDENTIALS:
                # Not the object's trouble: it stands in the line for the call until AWS takes calls again.
                return await self._at_target(view, entry, state, step)
            if error.kind is ErrorKind.FENCED or not isinstance(step, act.Call):
                raise
            page = self._failed(state, step, error)
        if cause is not None and isinstance(step, act.Call):
            self._ports.hooks.on_write(remember.OPS[type(step)], cause)
        return page

    async def _carry_out(self, view: Pass, entry: Entry, state: State, step: act.AtTarget) -> TargetMemory:
        match step:
            case act.Read():
                return await self._read(view, state, step)
            case act.Create():
                return await self._create(state, step)
            case act.Update():
                return await self._update(view, state, step)
            case act.Synchronize():
                return await self._synchronize(view, entry, state, step)
            case act.Delete():
                return await self._delete(state, step)
            case act.CheckGateway() | act.CallTheRoll():
                self._inquire(step)
                return state.memory
            case act.TakeUp():
                return self._take_up(entry, state, step)
            case act.Verify(digest=digest):
                return remember.verified(state, digest, self._ports)
            case act.Decline():
                entry.memory = entry.memory.but(synced_request=step.request)
                self._objects.event(state.obj, "Normal", "ToolsNotIndexed", step.message)
                return state.memory
            case _:
                assert_never(step)

    async def _read(self, view: Pass, state: State, step: act.Read) -> TargetMemory:
        """Get one target; a 404 goes into the observer's table and is no error here."""
        gateway_id, lane = step.place.gateway_id, Lane.INTERACTIVE if step.urgent else Lane.BACKGROUND
        with self._ticket(state, Op.GET, step.place, lane):
            try:
                target = await self._ports.observers.assign(gateway_id).read(gateway_id, step.target_id)
            except AgentCoreError as error:
                if error.kind is ErrorKind.NOT_FOUND:
                    return remember.asked_for(state, step)
                raise
        view.targets = (target, *view.targets)
        self._ports.learnt.hear(step.place, target.gateway_arn)
        return self._explained(remember.asked_for(state, step), step.place, target)

    async def _create(self, state: State, step: act.Create) -> TargetMemory:
        """Create the target; the outcome of a request that got no clear answer is looked for later."""
        ports = self._ports
        # Random per attempt: a token derived from the spec would make a later re-creation a no-op.
        token = f"{ports.rng.getrandbits(160):040x}"
        ticket = self._ticket(state, Op.CREATE, step.place, Lane.INTERACTIVE)
        with ticket, ports.learnt.on_its_way(step.place):
            began = ports.clock()
            target = await ports.agentcore.create_target(
                step.place.gateway_id, step.request, client_token=token, fence=self._fence(state)
            )
            ticket.moved = target.summary.target_id
            self._answered(step.place, target, began)
        page = remember.created(state, step, target, ports)
        self._index.claim(step.place.target(target.summary.target_id), state.obj.key)
        summary = target.summary
        message = f"Created target {summary.target_id} ({summary.name}) on {step.place.gateway_id}."
        self._objects.event(state.obj, "Normal", "Created", message)
        return self._explained(page, step.place, target)

    def _take_up(self, entry: Entry, state: State, step: act.TakeUp) -> TargetMemory:
        if state.record is None and not state.aside and state.settings.keeps_moves:
            # What a lost status may have named beside it is not looked for on other gateways any more.
            left = forgotten_leftovers(state, step.target, step.place)
            entry.memory = entry.memory.but(moves=left or None)
        target_id = step.target.summary.target_id
        self._index.claim(step.place.target(target_id), state.obj.key)
        if step.adopted:
            message = f"Took over target {target_id}, which this operator did not make."
            self._objects.event(state.obj, "Normal", "Adopted", message)
        page = remember.recorded(state.memory, state, step.place, step.target, self._ports.clock())
        return page.but(ending=msgspec.structs.replace(page.ending, asked_at=None))

    async def _update(self, view: Pass, state: State, step: act.Update) -> TargetMemory:
        """Replace the target's configuration and say which fields changed."""
        ports, objects = self._ports, self._objects
        adopts = step.cause is act.Cause.ADOPTION
        lane = Lane.INTERACTIVE if adopts or step.cause is act.Cause.EDIT else Lane.BACKGROUND
        with self._adopting(state, step), self._ticket(state, Op.UPDATE, step.place, lane) as ticket:
            began = ports.clock()
            view.targets = ()
            target = await ports.agentcore.update_target(
                step.place.gateway_id, step.target_id, step.request, fence=self._fence(state)
            )
            ticket.moved = step.target_id
            self._answered(step.place, target, began)
        # What was there before an edit may be the configuration of a target that was adopted a moment ago.
        text = describe_diffs(step.diffs, values=step.cause is act.Cause.DRIFT)
        match step.cause:
            case act.Cause.EDIT:
                objects.event(state.obj, "Normal", "Updated", f"Updated target {step.target_id}: {text}")
            case act.Cause.DRIFT:
                message = f"Target {step.target_id} was changed outside and is repaired: {text}"
                objects.event(state.obj, "Warning", "DriftRepaired", message)
            case act.Cause.ADOPTION:
                message = f"Took over target {step.target_id}, whose MCPServer is gone"
                message += f", and changed {text}." if text else "."
                objects.event(state.obj, "Normal", "Adopted", message)
        return remember.updated(state, step, target, ports)

    async def _synchronize(
        self, view: Pass, entry: Entry, state: State, step: act.Synchronize
    ) -> TargetMemory:
        """Have AWS connect to the server again."""
        ports = self._ports
        lane = Lane.INTERACTIVE if step.cause is act.Cause.REQUEST else Lane.BACKGROUND
        with self._ticket(state, Op.SYNCHRONIZE, step.place, lane):
            began = ports.clock()
            try:
                target = await ports.agentcore.synchronize_target(
                    step.place.gateway_id, step.target_id, fence=self._fence(state)
                )
            except AgentCoreError as error:
                if error.kind is ErrorKind.ACCESS_DENIED:
                    self._ports.learnt.deny_sync(step.place)
                    return state.memory
                raise
            self._answered(step.place, target, began)
        view.targets = ()
        if step.cause is not act.Cause.FAILURE:
            synced = step.request or entry.memory.synced_request
            entry.memory = entry.memory.but(synced_request=synced)
            message = f"AWS indexes the tools of target {step.target_id} again."
            self._objects.event(state.obj, "Normal", "ToolsSynchronized", message)
        return remember.synchronized(state, step, ports.clock())

    async def _delete(self, state: State, step: act.Delete) -> TargetMemory:
        """Ask AWS to delete a target; it is gone only when AWS says so later."""
        ports = self._ports
        table = ports.observers.track(step.place.gateway_id)
        with self._ticket(state, Op.DELETE, step.place, Lane.INTERACTIVE) as ticket:
            began = ports.clock()
            try:
                status = await ports.agentcore.delete_target(
                    step.place.gateway_id, step.target_id, fence=self._last_fence(state)
                )
            except AgentCoreError as error:
                if error.kind is ErrorKind.NOT_FOUND:
                    table.apply_absent(step.target_id, began=began)
                    return state.memory
                raise
            ticket.moved = step.target_id
            table.apply_deleted(step.target_id, status, began=began, ended=ports.clock())
        page = state.memory.but(trouble=None)
        if not step.duplicate:
            now = ports.clock()
            ending = msgspec.structs.replace(page.ending, asked_at=now)
            return page.but(ending=ending, report_after=now + remember.REPORT_DELAY)
        message = f"Deleted target {step.target_id}, a second one of the same name with this marker."
        self._objects.event(state.obj, "Warning", names.Reason.DUPLICATE_MARKER, message)
        return page

    def _inquire(self, step: act.CheckGateway | act.CallTheRoll) -> None:
        """Have AWS asked for a gateway; who waits for the answer is woken."""
        gateway_id = step.place.gateway_id
        inquiries = self._ports.observers.inquiries(gateway_id)
        if isinstance(step, act.CallTheRoll):
            inquiries.call_the_roll(gateway_id, until=step.until)
        else:
            inquiries.ask(gateway_id)

    # How.

    def _fence(self, state: State) -> Fence:
        """Return what says, right before a request is sent, whether this process may, and the object still.

        A call may have waited for a session, and for a thread, since its decision.
        """
        may_write, still = self._ports.fence(state.obj), self._rulings.still_permits
        return lambda: may_write() and still(state)

    def _last_fence(self, state: State) -> Fence:
        """Return the same for a Delete, which needs no permission: the target may be one to keep by now."""
        may_write, uid = self._ports.fence(state.obj), state.obj.metadata.uid

        def still() -> bool:
            obj = self._ports.informer.get(state.obj.key)
            if obj is None or obj.metadata.uid != uid:
                return False
            if obj.paused or obj.spec.management_policy == "Observe":
                return False
            now = msgspec.structs.replace(state, obj=obj, ruling=self._rulings.now(state))
            return not obj.metadata.deletion_timestamp or lets_go(now)

        return lambda: may_write() and still()

    @contextmanager
    def _adopting(self, state: State, step: act.Update) -> Iterator[None]:
        """Let no other object adopt a target while the request for this one is on its way."""
        if step.cause is not act.Cause.ADOPTION:
            yield
            return
        self._index.claim(step.place.target(step.target_id), state.obj.key)
        try:
            yield
        except BaseException:
            self._index.disclaim(step.place.target(step.target_id), state.obj.key)
            raise

    def _answered(self, place: Place, target: Target, began: float) -> None:
        """Put a write's answer into the observer's table at once.

        Lists report what others did, so whoever waits for a name that this write freed is woken here.
        """
        self._ports.learnt.hear(place, target.gateway_arn)
        table = self._ports.observers.track(place.gateway_id)
        for change in table.apply_write(target, began=began, ended=self._ports.clock()):
            if change.before is not None and change.before.name != target.summary.name:
                for key, after in self._index.rivals.concerned(place.gateway_id, [change]).items():
                    self._ports.queue.add(key, urgent=False, after=after)

    def _explained(self, page: TargetMemory, place: Place, target: Target) -> TargetMemory:
        """Note what only a full answer tells."""
        table = self._ports.observers.table(place.gateway_id)
        row = table.row(target.summary.target_id) if table is not None else None
        return remember.explained(page, row, target, self._ports.clock())

    def _failed(self, state: State, step: act.Call, error: AgentCoreError) -> TargetMemory:
        """Note a failed call, so that it is not sent again at once."""
        ports, limit = self._ports, self._ports.schedulers.quotas.gateway_targets
        op = remember.OPS[type(step)]
        page = remember.tried(state, step, error, ports.clock())
        table = ports.observers.table(state.place.gateway_id)
        full = limit is not None and table is not None and len(table) >= limit
        error = remember.understood(state, step, error)
        trouble = trouble_of(error, op, state, full=full, spread=ports.rng.random)
        missing = error.kind is ErrorKind.NOT_FOUND and trouble.reason != Reason.REFERENCE_NOT_FOUND
        if missing and isinstance(step, act.Update | act.Synchronize):
            gone = ports.observers.track(step.place.gateway_id)
            gone.apply_absent(step.target_id, began=ports.clock())
            return page
        trouble = remember.awaiting_consent(state, trouble, op, error)
        return page.but(trouble=trouble)

    def _ticket(self, state: State, op: Op, place: Place, lane: Lane) -> Ticket:
        key, queue = state.obj.key, self._ports.queue
        ticket = self._ports.schedulers.take(
            op,
            place.gateway_id,
            waiter=key,
            lane=lane,
            namespace=key[0],
            # A ticket is kept for it: behind a fleet that waits, tickets would be used late and all at once.
            on_grant=lambda: queue.add(key, first=True),
        )
        if ticket is None:
            raise NoTicketError
        return ticket
