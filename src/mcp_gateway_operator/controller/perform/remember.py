"""The one step after a decision: what is remembered of what was done, or of how the pass ended.

Each function takes the state that the decision rested on and returns what is remembered from then on.
"""

from __future__ import annotations

import re

import msgspec

from mcp_gateway_operator.agentcore.quota import Op
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import (
    AgentCoreError,
    Details,
    ErrorKind,
    Held,
    Indexing,
    ObjectMemory,
    Place,
    Record,
    Row,
    State,
    TargetMemory,
    Trouble,
    stored_record,
)
from mcp_gateway_operator.targets.rules import (
    charged,
    drift_repaired,
    ending_begun,
    held_as_read,
    held_as_written,
    read_in_vain,
    repaired,
    unanswered,
)
from mcp_gateway_operator.targets.shape import PENDING_AUTH, TRANSIENT, Target

REPORT_DELAY = 2.0
"""Seconds for which a record may wait for READY, so that both make one write: the marker covers a crash."""
MAX_REASONS = 10
"""Of AWS's reasons for a target's state so many are remembered,"""
MAX_REASON = 1024
"""each with so many characters: status shows less."""
OPS = {
    act.Read: Op.GET,
    act.Create: Op.CREATE,
    act.Update: Op.UPDATE,
    act.Synchronize: Op.SYNCHRONIZE,
    act.Delete: Op.DELETE,
}

# AWS says in prose that a write must wait; the code is the one it uses for any busy target.
_CONSENT = re.compile(r"authorization|PENDING_AUTH", re.IGNORECASE)


def protected(page: TargetMemory) -> TargetMemory:
    """Note that this process set the finalizer of an object that it saw appear."""
    return page.but(doubt=msgspec.structs.replace(page.doubt, only_writer=True))


def recorded(page: TargetMemory, state: State, place: Place, target: Target, now: float) -> TargetMemory:
    """Note which target is the object's; the status says so at the end of the pass, or soon after."""
    return page.but(
        record=Record(
            place=place,
            target_id=target.summary.target_id,
            gateway_arn=target.gateway_arn,
            target_name=target.summary.name,
        ),
        replaces=stored_record(state.obj),
        trouble=None,
        # From here on a target exists: only its own end proves that nothing is left.
        doubt=msgspec.structs.replace(page.doubt, only_writer=False),
        report_after=now + (REPORT_DELAY if state.settings.marks else 0.0),
    )


def explained(page: TargetMemory, row: Row | None, target: Target, now: float) -> TargetMemory:
    """Note what only a full answer tells; `row` is the target's by now."""
    details = Details(
        fingerprint=row.fingerprint if row is not None else None,
        reasons=tuple(reason[:MAX_REASON] for reason in target.status_reasons[:MAX_REASONS]),
        authorization_url=target.authorization_url,
        read_at=now,
    )
    return page.but(details=details)


def asked_for(state: State, step: act.Read) -> TargetMemory:
    """Note a Get that was sent."""
    page = state.memory
    return page.but(reads=charged(page.reads, state.now)) if step.budgeted else page


def created(state: State, step: act.Create, target: Target, ports: Ports) -> TargetMemory:
    """Note a target that AWS has made."""
    page = recorded(state.memory, state, step.place, target, ports.clock())
    doubt = msgspec.structs.replace(page.doubt, unsure_since=None, unsure_in=frozenset(), conflict_since=None)
    return _written(page.but(doubt=doubt), state, step, target, ports)


def updated(state: State, step: act.Update, target: Target, ports: Ports) -> TargetMemory:
    """Note an Update that AWS has taken, and what that means for the next one like it."""
    now = ports.clock()
    page = _written(tried(state, step, None, now), state, step, target, ports)
    page = page.but(trouble=None, report_after=now + REPORT_DELAY)
    match step.cause:
        case act.Cause.DRIFT:
            return page.but(drift=drift_repaired(state.memory.drift, step.diffs, now))
        case act.Cause.FAILURE:
            return page.but(failure=repaired(page.failure), details=None)
        case act.Cause.ADOPTION:
            return recorded(page, state, step.place, target, now)
        case _:
            return page


def _written(
    page: TargetMemory, state: State, step: act.Create | act.Update, target: Target, ports: Ports
) -> TargetMemory:
    diffs = step.diffs if isinstance(step, act.Update) else ()
    held, drift = held_as_written(state, target, digest=step.digest, at=ports.clock(), diffs=diffs)
    indexing = msgspec.structs.replace(page.indexing, generation=state.obj.metadata.generation)
    return page.but(held=_swept(held, state, ports), drift=drift, indexing=indexing)


def _swept(held: Held, state: State, ports: Ports) -> Held:
    """Date the next full comparison, after one or after a write that makes one needless."""
    spread = 0.9 + ports.rng.random() / 5
    return msgspec.structs.replace(held, next_sweep=ports.clock() + state.settings.sweep_interval * spread)


def verified(state: State, digest: str, ports: Ports) -> TargetMemory:
    """Note that AWS holds what the spec asks for; the next full comparison is a sweep away."""
    page, row = state.memory, state.recorded
    assert row is not None
    target = state.read_now(row.place, row.summary.target_id)
    assert target is not None
    again = page.held.verified is not None and page.held.verified.digest == digest
    held = held_as_read(state, row, target, digest)
    return page.but(
        held=_swept(held, state, ports),
        drift=msgspec.structs.replace(page.drift, check=False),
        reads=read_in_vain(page.reads, again=again and state.obj.was_ready),
    )


def synchronized(state: State, step: act.Synchronize, now: float) -> TargetMemory:
    """Note a Synchronize that AWS has taken."""
    page = state.memory.but(trouble=None, report_after=now + REPORT_DELAY)
    if step.cause is act.Cause.FAILURE:
        return page.but(failure=repaired(page.failure), details=None)
    return page.but(indexing=Indexing(asked_at=now, generation=state.obj.metadata.generation))


def tried(state: State, step: act.Call, error: AgentCoreError | None, now: float) -> TargetMemory:
    """Note a call that was sent, whatever came of it; `error` is how it failed."""
    page = state.memory
    match step:
        case act.Read():
            return asked_for(state, step)
        case act.Create(place=place) if error is not None:
            return page.but(doubt=unanswered(page.doubt, place, error, now))
        case act.Update():
            held = msgspec.structs.replace(page.held, verified=None)
            return page.but(held=held, reads=msgspec.structs.replace(page.reads, idle=0))
        case _:
            return page


def unsent(state: State, step: act.Step) -> State:
    """Note a step that could not be made now, so that an Update is decided on another read.

    The Get that showed the difference may have been ahead of the Lists, none of which then tells of it.
    """
    held = state.memory.held
    if not isinstance(step, act.Update) or held.verified is None:
        return state
    # What matches no spec is read again, and no status proves it.
    doubted = msgspec.structs.replace(held.verified, digest="")
    page = state.memory.but(held=msgspec.structs.replace(held, verified=doubted))
    return msgspec.structs.replace(state, memory=page)


def understood(state: State, step: act.Call, error: AgentCoreError) -> AgentCoreError:
    """Return what a refusal means: nothing in a Delete can be invalid, AWS objects to the target's state."""
    row = state.recorded
    busy = isinstance(step, act.Delete) and row is not None and row.summary.status in TRANSIENT
    if busy and error.kind is ErrorKind.VALIDATION:
        # In words that nobody knew before.
        return AgentCoreError(ErrorKind.CONFLICT, error.code, error.message)
    return error


def awaiting_consent(state: State, trouble: Trouble, op: Op, error: AgentCoreError) -> Trouble:
    """Return the trouble in other words where AWS refuses because a person has yet to consent."""
    row = state.recorded
    if row is None or row.summary.status not in PENDING_AUTH or error.kind is not ErrorKind.CONFLICT:
        return trouble
    if _CONSENT.search(error.message) is None:
        return trouble
    return msgspec.structs.replace(
        trouble,
        reason=Reason.PENDING_AUTHORIZATION,
        message=f"AWS waits for consent and refuses to {op.lower()} the target: {error.message}",
        awaits_consent=row.summary.status,
    )


def concluded(state: State, wait: act.Wait, waiting_since: float | None) -> ObjectMemory:
    """Note how a pass ended.

    Args:
        state: of its last decision.
        wait: that decision.
        waiting_since: since when passes have ended in a wait that says little.
    """
    page, own = state.memory, state.own
    if isinstance(wait, act.Settled):
        details = page.details
        if details is not None and details.fingerprint is not None:
            # What a later failure is due to is read anew, and told in these words until that is done.
            details = msgspec.structs.replace(details, fingerprint=None)
        page = page.but(trouble=page.trouble if wait.held else None, details=details)
    generation = state.obj.metadata.generation
    holds = isinstance(wait, act.Settled) or (isinstance(wait, act.Blocked) and wait.synced)
    if holds and page.held.applied != generation:
        page = page.but(held=msgspec.structs.replace(page.held, applied=generation))
    places = {**own.places, state.place: page}
    if not state.obj.metadata.deletion_timestamp:
        # What is left over is deleted on rows read since it was first found to be due.
        due = isinstance(wait, act.Settled | act.Blocked) and wait.leftover is not None
        for left in state.leftovers:
            since = ending_begun(left.memory.ending, state.now).since if due else None
            ending = msgspec.structs.replace(left.memory.ending, since=since)
            places[left.place] = places[left.place].but(ending=ending)
    telling = msgspec.structs.replace(own.telling, waiting_since=waiting_since)
    return own.but(places=places, telling=telling)


def stored(memory: ObjectMemory, obj: MCPServer) -> ObjectMemory:
    """Note that status holds all that is known of the object's targets."""
    page = memory.places[memory.home].but(record=None)
    telling = msgspec.structs.replace(memory.telling, wrote=obj.status)
    return memory.put(memory.home, page).but(moves=None, unconfirmed=False, telling=telling)
