"""The one step before a decision: what is remembered of an object is brought in step with what is known now.

What falls due is dated, what status and rows prove is noted, and what was heard since the last decision is
taken in. A state comes in with the memory as it was and goes out with the memory as it is from now on.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.annotations import LONGEST, request_of
from mcp_gateway_operator.api.durations import parse_duration
from mcp_gateway_operator.controller.gather.memories import Entry
from mcp_gateway_operator.controller.ports import Ports
from mcp_gateway_operator.shown import shown
from mcp_gateway_operator.targets.known import (
    NOWHERE,
    ErrorKind,
    Failure,
    Held,
    Row,
    State,
    TargetMemory,
    Verified,
    stored_moves,
    stored_record,
)
from mcp_gateway_operator.targets.rules import (
    as_shown,
    configured_alike,
    ending_begun,
    follow_consent,
    follow_failure,
    new_request,
)
from mcp_gateway_operator.targets.shape import FAILED, TargetStatus, instant

_NAME_MAY_BE_WHY = frozenset({ErrorKind.VALIDATION, ErrorKind.CONFLICT})


def recalled(state: State, entry: Entry, ports: Ports) -> State:
    """Return a state, those of the object's other places too, with everything remembered as of now."""
    state = _hear(state, entry, ports.clock())
    destination = state.destination
    if destination is not None:
        page = _place(destination, ports)
        # What is to be made there is not left over, and what was found there once is found again.
        page = page.but(record=None, ending=msgspec.structs.replace(page.ending, since=None))
        destination = msgspec.structs.replace(destination, memory=page)
    leftovers = tuple(msgspec.structs.replace(each, memory=_place(each, ports)) for each in state.leftovers)
    page, synced = _place(state, ports), state.own.synced_request
    record, moves = page.record, state.own.moves
    if record in (None, stored_record(state.obj)) and moves in (None, stored_moves(state.obj)):
        # Both or neither: the record of one moment beside the moves of another may leave a place out.
        record = moves = None
    held, consent, row, tools_due = page.held, page.consent, state.recorded, None
    if held.next_sweep is None:
        spread = ports.rng.random()
        held = msgspec.structs.replace(held, next_sweep=state.now + spread * state.settings.sweep_interval)
    if row is not None and row.settled:
        consent = follow_consent(state, row, ports.wall())
        if consent.shown is not None and state.now < consent.ends:
            # The address asked for is there. Left open, the request would undo the consent once it is given.
            synced = new_request(state) or synced
        tools_due = _tools_due(state, row, ports)
        held = _proven(state, row, held)
    page = page.but(record=record, held=held, consent=consent)
    others = [each for each in (destination, *leftovers) if each is not None]
    own = state.own.but(
        home=state.place,
        places={state.place: page, **{each.place: each.memory for each in others}},
        moves=moves,
        synced_request=synced,
    )
    return msgspec.structs.replace(
        state, memory=page, own=own, destination=destination, leftovers=leftovers, tools_due=tools_due
    )


def _heard(state: State, wish: str) -> str:
    """Return the wish for a look that was heard before: by this process, or by one before it.

    What the first look at an object would find is compared in any case. And under an older CRD nothing could
    remember that a wish was heard, and each restart would hear it again.
    """
    if state.own.wish is not None:
        return state.own.wish
    served = state.settings.status_fields
    new = not state.obj.status.conditions
    if new or (served is not None and "lastReconcileRequest" not in served):
        return wish
    return shown(state.obj.status.last_reconcile_request, LONGEST)


def _hear(state: State, entry: Entry, now: float) -> State:
    """Let the decision wait for nothing and compare everything, where a user asks for it."""
    wish = request_of(state.obj.metadata.annotations, names.RECONCILE_ANNOTATION)
    asked = wish not in ("", _heard(state, wish))
    if wish != state.own.wish:
        state = msgspec.structs.replace(state, own=state.own.but(wish=wish))
    if not asked:
        return _all_places(state, partial(_due, now=now)) if entry.freed else state
    state = _all_places(state, lambda page: page.but(trouble=None))
    page = state.memory
    due = None if page.failure.due is None else now
    page = page.but(
        drift=msgspec.structs.replace(page.drift, not_before=0.0),
        reads=msgspec.structs.replace(page.reads, debt=0.0),
        held=msgspec.structs.replace(page.held, next_sweep=now),
        failure=msgspec.structs.replace(page.failure, due=due),
    )
    return msgspec.structs.replace(state, memory=page)


def _due(page: TargetMemory, *, now: float) -> TargetMemory:
    """Let a call that failed be made now; another failure goes on with the backoff where it was."""
    trouble = page.trouble
    return page if trouble is None else page.but(trouble=msgspec.structs.replace(trouble, until=now))


def _all_places(state: State, change: Callable[[TargetMemory], TargetMemory]) -> State:
    """Return a state in which what is remembered of each of the object's places is changed."""
    destination = state.destination
    return msgspec.structs.replace(
        state,
        memory=change(state.memory),
        destination=None
        if destination is None
        else msgspec.structs.replace(destination, memory=change(destination.memory)),
        leftovers=tuple(
            msgspec.structs.replace(each, memory=change(each.memory)) for each in state.leftovers
        ),
    )


def _place(state: State, ports: Ports) -> TargetMemory:
    """Keep the dates of one place of an object: where its record is, or where a move leads to or from."""
    page, meta = state.memory, state.obj.metadata
    if not state.problems and state.place != NOWHERE:
        page = _follow_name(page, meta.generation, taken=bool(state.named))
    if page.trouble is not None:
        page = page.but(trouble=as_shown(state, page.trouble))
    ending, failure, row = page.ending, page.failure, state.recorded
    if meta.deletion_timestamp:
        ending = ending_begun(ending, state.now)
    if failure.generation != meta.generation:
        failure = _first_failure(state, failure, ports)
    if row is not None and row.settled:
        failure = follow_failure(failure, row, state.now, ports.rng.random)
    return page.but(ending=ending, failure=failure)


def _follow_name(page: TargetMemory, generation: int, *, taken: bool) -> TargetMemory:
    """Judge anew when the wanted name is found to be taken, or free again.

    AWS may have refused a write for the name alone. And a rename that had to wait is an edit still, though
    AWS has held all the rest of this generation: it is no drift.
    """
    before, held, trouble = page.held.name_taken, page.held, page.trouble
    after = generation if taken else 0
    if before != after:
        held = msgspec.structs.replace(held, name_taken=after)
    if bool(before) == taken:
        return page.but(held=held)
    if trouble is not None and trouble.kind in _NAME_MAY_BE_WHY:
        trouble = None
    if before == generation:
        held = msgspec.structs.replace(held, applied=0)
    return page.but(held=held, trouble=trouble)


def _first_failure(state: State, before: Failure, ports: Ports) -> Failure:
    """Begin anew with a new generation of the spec, which may be the cure; after a restart as status says.

    What status says is of the target that it records, and of its generation.
    """
    obj = state.obj
    counts = state.memory.record is None and not state.aside and obj.speaks_of_generation
    stored = obj.status.failure if counts and not before.generation else None
    if stored is None:
        return Failure(generation=obj.metadata.generation)
    due = None
    if stored.next_attempt:
        due = state.now + max(0.0, (instant(stored.next_attempt) - ports.wall()).total_seconds())
    return Failure(generation=obj.metadata.generation, attempts=stored.attempts, due=due)


def _tools_due(state: State, row: Row, ports: Ports) -> float | None:
    """Return when the tools are to be indexed again; objects of one interval are spread by their uid."""
    schedule = state.obj.spec.tool_sync
    if schedule is None or not schedule.interval or state.problems:
        return None
    share = zlib.crc32(state.obj.metadata.uid.encode()) / 2**32
    interval = parse_duration(schedule.interval) * (1 + share / 10)
    last = row.summary.last_synchronized_at or row.summary.created_at
    ago = (ports.wall() - instant(last)).total_seconds()
    asked = state.memory.indexing.asked_at
    return max(state.now - ago + interval, asked + interval if asked else 0.0)


def _proven(state: State, row: Row, held: Held) -> Held:
    """Note what the status proves after a restart, and what a settled row proves of our last write."""
    proof = held.verified
    if proof is None and status_proves(state, row):
        proof = Verified(
            digest=state.want_digest, fingerprint=row.fingerprint, updated_at=row.summary.updated_at
        )
    elif (
        proof is not None
        and proof.fingerprint is None
        and row.fingerprint
        # A write that failed may have left the old configuration, at the new `updatedAt`.
        and row.summary.status not in FAILED
    ):
        # Another `updatedAt` may be another writer's, and costs a full read.
        same = _same_instant(proof.updated_at, row.summary.updated_at)
        proof = msgspec.structs.replace(proof, fingerprint=row.fingerprint) if same else None
    applied = held.applied
    if proof is not None and not state.memory.drift.check:
        alike = proof.digest == state.want_digest and configured_alike(proof.fingerprint, row.fingerprint)
        # An edit that asks AWS for nothing is held already.
        applied = state.obj.metadata.generation if alike else applied
    if proof is held.verified and applied == held.applied:
        return held
    return msgspec.structs.replace(held, verified=proof, applied=applied)


def status_proves(state: State, row: Row) -> bool:
    """Whether status says that this generation is what AWS held at the row's very `updatedAt`."""
    observed = state.obj.status.observed
    if observed is None or not observed.updated_at or row.summary.status != TargetStatus.READY:
        return False
    return (state.obj.was_ready or state.obj.in_doubt) and _same_instant(
        observed.updated_at, row.summary.updated_at
    )


def _same_instant(one: str, other: str) -> bool:
    """Return whether two AWS timestamps name the same moment."""
    return one == other or instant(one) == instant(other)
