"""Keeps an object's memory in step with its status and with what was read of its target."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from datetime import datetime

import msgspec

from mcp_gateway_operator.api.durations import parse_duration
from mcp_gateway_operator.controller.gather.failure_dates import follow_failures
from mcp_gateway_operator.targets.known import Record, Row, State, Verified, stored_moves
from mcp_gateway_operator.targets.rules import configured_alike, follow_consent, was_ready
from mcp_gateway_operator.targets.shape import FAILED, instant


class Upkeep:
    """Dates what falls due, and notes what status and rows prove.

    Args:
        clock: loop seconds.
        wall: UTC now, to read stamps with.
        rng: spreads sweeps and repairs.
    """

    def __init__(
        self, *, clock: Callable[[], float], wall: Callable[[], datetime], rng: random.Random
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._rng = rng

    def keep(self, state: State, stored: Record | None) -> None:
        """Bring the memory in step before a decision.

        Args:
            state: of the object, with rows and desired target.
            stored: the record in its status.
        """
        memory, obj = state.memory, state.obj
        if memory.record in (None, stored) and memory.moves in (None, stored_moves(obj)):
            # Both or neither: the record of one moment beside the moves of another may leave a place out.
            memory.record = memory.moves = None
        self.keep_dates(state)
        if memory.next_sweep is None:
            memory.next_sweep = state.now + self._rng.random() * state.settings.sweep_interval
        follow_consent(state, self._wall())
        row = state.recorded
        if row is None or not row.settled:
            return
        state.tools_due = self._tools_due(state, row)
        _prove(state, row)

    def keep_dates(self, state: State) -> None:
        """Keep the dates of one place of an object: where its record is, or where a move leads to or from."""
        _note_gateways(state)
        follow_failures(state, rng=self._rng, loop_time=self._loop_time)

    def _tools_due(self, state: State, row: Row) -> float | None:
        """Return when the tools are to be indexed again; objects of one interval are spread by their uid."""
        schedule = state.obj.spec.tool_sync
        if schedule is None or not schedule.interval or state.problems:
            return None
        share = zlib.crc32(state.obj.metadata.uid.encode()) / 2**32
        interval = parse_duration(schedule.interval) * (1 + share / 10)
        last = row.summary.last_synchronized_at or row.summary.created_at
        ago = (self._wall() - instant(last)).total_seconds()
        asked = state.memory.synced_at
        return max(state.now - ago + interval, asked + interval if asked else 0.0)

    def _loop_time(self, stamp: str) -> float | None:
        if not stamp:
            return None
        return self._clock() + max(0.0, (instant(stamp) - self._wall()).total_seconds())


def _prove(state: State, row: Row) -> None:
    """Note what the status proves after a restart, and what a settled row proves of our last write."""
    memory, obj = state.memory, state.obj
    if memory.verified is None and status_proves(state, row):
        memory.verified = Verified(
            digest=state.want_digest, fingerprint=row.fingerprint, updated_at=row.summary.updated_at
        )
    elif (
        (proof := memory.verified) is not None
        and proof.fingerprint is None
        and row.fingerprint
        # A write that failed may have left the old configuration, at the new `updatedAt`.
        and row.summary.status not in FAILED
    ):
        # Another `updatedAt` may be another writer's, and costs a full read.
        same = _same_instant(proof.updated_at, row.summary.updated_at)
        memory.verified = msgspec.structs.replace(proof, fingerprint=row.fingerprint) if same else None
    if (proof := memory.verified) is not None and not memory.verify_after_repair:
        held = proof.digest == state.want_digest and configured_alike(proof.fingerprint, row.fingerprint)
        # An edit that asks AWS for nothing is held already.
        memory.applied = obj.metadata.generation if held else memory.applied


def _note_gateways(state: State) -> None:
    """Note since when a target may be deleted, and forget a gateway's absence with its end."""
    memory = state.memory
    if state.obj.metadata.deletion_timestamp and memory.deleting_since is None:
        memory.deleting_since = state.now
    if all(view.missing_since is None for view in state.gateways.values()):
        memory.gateway_gone, memory.gateway_answered = False, None


def status_proves(state: State, row: Row) -> bool:
    """Whether status says that this generation is what AWS held at the row's very `updatedAt`."""
    observed = state.obj.status.observed
    if observed is None or not observed.updated_at or row.summary.status != "READY":
        return False
    return was_ready(state) and _same_instant(observed.updated_at, row.summary.updated_at)


def _same_instant(one: str, other: str) -> bool:
    """Return whether two AWS timestamps name the same moment."""
    return one == other or instant(one) == instant(other)
