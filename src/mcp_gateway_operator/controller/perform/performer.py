"""Second part of a pass: carry one action out. Every AWS call holds a ticket and passes the fence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import structlog

from mcp_gateway_operator.agentcore.quota import Lane, Op, Ticket
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.account import Account
from mcp_gateway_operator.controller.perform.object_writes import ObjectWriter
from mcp_gateway_operator.controller.perform.remember import REPORT_DELAY, Outcome
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.controller.tell import keeps_moves
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind, State, Verified
from mcp_gateway_operator.targets.rules import charge, forgotten_leftovers, was_ready
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
        target: the target as a Get of this pass answered it, until a write makes it old.
    """

    obj: MCPServer
    fresh: bool = False
    target: Target | None = None


Handler = Callable[[Pass, State, Any], Awaitable[None]]


class Performer:
    """Carries actions out and notes their outcome in the observer's tables and the object's memory."""

    def __init__(self, ports: Ports, objects: ObjectWriter, outcome: Outcome, account: Account) -> None:
        self._ports = ports
        self._objects = objects
        self._outcome = outcome
        self._account = account
        self.handlers: dict[type[act.Action], Handler] = {
            act.Protect: self._protect,
            act.Fetch: self._fetch,
            act.Read: self._read,
            act.Create: self._create,
            act.TakeUp: self._take_up,
            act.Verify: self._verify,
            act.Update: self._update,
            act.Synchronize: self._synchronize,
            act.Decline: self._decline,
            act.Delete: self._delete,
            act.CheckGateway: self._check_gateway,
            act.Release: self._release,
        }

    # -- the object -----------------------------------------------------------------------------------

    async def _protect(self, view: Pass, state: State, action: act.Protect) -> None:
        first = not state.protected
        view.obj, view.fresh = await self._objects.protect(state.obj, action.gateway_id), True
        if first and state.memory.born_here:
            state.memory.protected_here = True

    async def _release(self, _view: Pass, state: State, action: act.Release) -> None:
        await self._objects.release(state.obj)
        self._objects.event(state.obj, "Normal", action.event, action.message)
        meta = state.obj.metadata
        log.info("released", namespace=meta.namespace, name=meta.name, why=action.message)

    async def _fetch(self, view: Pass, _state: State, _action: act.Fetch) -> None:
        view.obj, view.fresh = await self._objects.fetch(view.obj), True

    # -- the target -----------------------------------------------------------------------------------

    async def _read(self, view: Pass, state: State, action: act.Read) -> None:
        """Get one target; a 404 goes into the observer's table and is no error here."""
        lane = Lane.INTERACTIVE if action.urgent else Lane.BACKGROUND
        with self._ticket(state, Op.GET, action.gateway_id, lane):
            if action.look:
                state.memory.read_debt = charge(state.memory.read_debt, state.now)
            try:
                target = await self._ports.observer.read(action.gateway_id, action.target_id)
            except AgentCoreError as error:
                if error.kind is ErrorKind.NOT_FOUND:
                    return
                raise
        view.target = target
        self._account.hear(action.gateway_id, target.gateway_arn)
        self._outcome.note_details(state, action.gateway_id, target)

    async def _create(self, _view: Pass, state: State, action: act.Create) -> None:
        """Create the target; the outcome of a request that got no clear answer is looked for later."""
        ports = self._ports
        memory = state.memory
        # Random per attempt: a token derived from the spec would make a later re-creation a no-op.
        token = f"{ports.rng.getrandbits(160):040x}"
        with self._ticket(state, Op.CREATE, action.gateway_id, Lane.INTERACTIVE) as ticket:
            began = ports.clock()
            try:
                target = await ports.agentcore.create_target(
                    action.gateway_id, action.request, client_token=token, fence=ports.fence
                )
            except AgentCoreError as error:
                if error.maybe_applied:
                    memory.unsure_since = ports.clock()
                if error.kind is ErrorKind.CONFLICT:
                    memory.conflict_since = ports.clock()
                raise
            ticket.hold(target.summary.target_id)
            self._outcome.write_noted(action.gateway_id, target, began)
        memory.unsure_since = memory.conflict_since = None
        self._outcome.record(state, action.gateway_id, target)
        self._outcome.applied(state, action.digest, target)
        self._outcome.note_details(state, action.gateway_id, target)
        self._objects.event(
            state.obj,
            "Normal",
            "Created",
            f"Created target {target.summary.target_id} ({target.summary.name}) on {action.gateway_id}.",
        )

    async def _take_up(self, _view: Pass, state: State, action: act.TakeUp) -> None:
        if state.record is None and not state.aside and keeps_moves(state.settings.status_fields):
            # What a lost status may have named beside it is not looked for on other gateways any more.
            state.memory.moves = forgotten_leftovers(state, action.target) or None
        self._outcome.record(state, action.gateway_id, action.target)
        if action.adopted:
            message = f"Took over target {action.target.summary.target_id}, which this operator did not make."
            self._objects.event(state.obj, "Normal", "Adopted", message)

    async def _verify(self, view: Pass, state: State, action: act.Verify) -> None:
        """Note that AWS holds what the spec asks for; the next full comparison is a sweep away."""
        memory = state.memory
        row, target = state.recorded, view.target
        assert row is not None
        assert target is not None
        again = memory.verified is not None and memory.verified.digest == action.digest
        memory.idle_reads = memory.idle_reads + 1 if again and was_ready(state) else 0
        memory.verified = Verified(
            digest=action.digest, fingerprint=row.fingerprint, updated_at=target.summary.updated_at
        )
        memory.applied = state.obj.metadata.generation
        memory.verify_after_repair = False
        self._outcome.swept(state)

    async def _update(self, view: Pass, state: State, action: act.Update) -> None:
        """Replace the target's configuration and say which fields changed."""
        ports = self._ports
        memory = state.memory
        adopts = action.cause is act.Cause.ADOPTION
        lane = Lane.INTERACTIVE if adopts or action.cause is act.Cause.EDIT else Lane.BACKGROUND
        claim = self._outcome.adopting(state, action.target_id) if adopts else nullcontext()
        with claim, self._ticket(state, Op.UPDATE, action.gateway_id, lane) as ticket:
            began = ports.clock()
            memory.verified = view.target = None
            memory.idle_reads = 0
            target = await ports.agentcore.update_target(
                action.gateway_id, action.target_id, action.request, fence=ports.fence
            )
            ticket.hold(action.target_id)
            self._outcome.write_noted(action.gateway_id, target, began)
        self._outcome.applied(state, action.digest, target, action.diffs)
        memory.trouble = None
        memory.report_after = ports.clock() + REPORT_DELAY
        # What was there before an edit may be the configuration of a target that was adopted a moment ago.
        text = describe_diffs(action.diffs, values=action.cause is act.Cause.DRIFT)
        match action.cause:
            case act.Cause.EDIT:
                self._objects.event(
                    state.obj, "Normal", "Updated", f"Updated target {action.target_id}: {text}"
                )
            case act.Cause.DRIFT:
                self._outcome.drift_repaired(state, action.diffs)
                message = f"Target {action.target_id} was changed outside and is repaired: {text}"
                self._objects.event(state.obj, "Warning", "DriftRepaired", message)
            case act.Cause.FAILURE:
                self._outcome.repaired(state)
            case act.Cause.ADOPTION:
                self._outcome.record(state, action.gateway_id, target)
                message = f"Took over target {action.target_id}, whose MCPServer is gone"
                message += f", and changed {text}." if text else "."
                self._objects.event(state.obj, "Normal", "Adopted", message)

    async def _synchronize(self, view: Pass, state: State, action: act.Synchronize) -> None:
        """Have AWS connect to the server again."""
        ports = self._ports
        lane = Lane.INTERACTIVE if action.cause is act.Cause.REQUEST else Lane.BACKGROUND
        with self._ticket(state, Op.SYNCHRONIZE, action.gateway_id, lane):
            began = ports.clock()
            try:
                target = await ports.agentcore.synchronize_target(
                    action.gateway_id, action.target_id, fence=ports.fence
                )
            except AgentCoreError as error:
                if error.kind is ErrorKind.ACCESS_DENIED:
                    self._account.deny_sync(action.gateway_id)
                    return
                raise
            self._outcome.write_noted(action.gateway_id, target, began)
        view.target = None
        state.memory.trouble = None
        if action.cause is act.Cause.FAILURE:
            self._outcome.repaired(state)
            return
        state.memory.synced_request = action.request or state.memory.synced_request
        state.memory.synced_at = ports.clock()
        state.memory.indexed_for = state.obj.metadata.generation
        state.memory.report_after = ports.clock() + REPORT_DELAY
        message = f"AWS indexes the tools of target {action.target_id} again."
        self._objects.event(state.obj, "Normal", "ToolsSynchronized", message)

    async def _decline(self, _view: Pass, state: State, action: act.Decline) -> None:
        state.memory.synced_request = action.request
        self._objects.event(state.obj, "Normal", "ToolsNotIndexed", action.message)

    async def _delete(self, _view: Pass, state: State, action: act.Delete) -> None:
        """Ask AWS to delete a target; it is gone only when AWS says so later."""
        ports = self._ports
        table = ports.observer.track(action.gateway_id)
        with self._ticket(state, Op.DELETE, action.gateway_id, Lane.INTERACTIVE) as ticket:
            began = ports.clock()
            try:
                status = await ports.agentcore.delete_target(
                    action.gateway_id, action.target_id, fence=ports.fence
                )
            except AgentCoreError as error:
                if error.kind is ErrorKind.NOT_FOUND:
                    table.apply_absent(action.target_id, began=began)
                    return
                raise
            ticket.hold(action.target_id)
            table.apply_deleted(action.target_id, status, began=began, ended=ports.clock())
        state.memory.trouble = None
        if action.duplicate:
            message = f"Deleted target {action.target_id}, a second one of the same name with this marker."
            self._objects.event(state.obj, "Warning", names.Reason.DUPLICATE_MARKER, message)
        else:
            state.memory.delete_asked = ports.clock()
            state.memory.report_after = ports.clock() + REPORT_DELAY

    async def _check_gateway(self, _view: Pass, state: State, action: act.CheckGateway) -> None:
        """Ask whether the gateway exists; where that is denied, the Lists' own 404 must do."""
        with self._ticket(state, Op.GET, action.gateway_id, Lane.BACKGROUND):
            try:
                await self._ports.agentcore.get_gateway(action.gateway_id)
            except AgentCoreError as error:
                if error.kind not in {ErrorKind.NOT_FOUND, ErrorKind.ACCESS_DENIED}:
                    raise
                state.memory.gateway_gone = True
            else:
                state.memory.gateway_answered = self._ports.clock()

    def _ticket(self, state: State, op: Op, gateway_id: str, lane: Lane) -> Ticket:
        key = state.obj.key
        queue = self._ports.queue
        ticket = self._ports.scheduler.take(
            op,
            gateway_id,
            waiter=key,
            lane=lane,
            namespace=key[0],
            # A ticket is kept for it: behind a fleet that waits, tickets would be used late and all at once.
            on_grant=lambda: queue.add(key, first=True),
        )
        if ticket is None:
            raise NoTicketError
        return ticket
