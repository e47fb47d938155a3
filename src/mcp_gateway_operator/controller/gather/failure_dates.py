"""When a failed target is repaired next, over a whole episode of failures and not one of them."""

from __future__ import annotations

import random
from collections.abc import Callable

from mcp_gateway_operator.targets.known import State
from mcp_gateway_operator.targets.rules import HEALED, backoff
from mcp_gateway_operator.targets.shape import FAILED


def follow_failures(state: State, *, rng: random.Random, loop_time: Callable[[str], float | None]) -> None:
    """Date the next repair of a failed target, and count on from the one before while it flaps.

    A new generation of the spec may be the cure, so it begins anew. A target that was READY for a moment only
    has not recovered: the attempts are forgotten after an hour of health.

    Args:
        state: of the pass that begins.
        rng: spreads the repairs.
        loop_time: turns the stamps in status into loop time.
    """
    memory, obj = state.memory, state.obj
    generation = obj.metadata.generation
    if memory.failure_of != generation:
        # What status tells is of the target that it records, and of its generation.
        told = memory.record is None and not state.aside and obj.status.observed_generation == generation
        stored = obj.status.failure if told and not memory.failure_of else None
        memory.failure_of = generation
        memory.failure_attempts = stored.attempts if stored else 0
        memory.failure_next = loop_time(stored.next_attempt) if stored else None
        memory.failure_ended = None
    row = state.recorded
    if row is None or not row.settled:
        return
    if row.ready:
        memory.failure_next = None
        if memory.failure_ended is None:
            memory.failure_ended = state.now
    elif row.summary.status in FAILED:
        ended, memory.failure_ended = memory.failure_ended, None
        if ended is not None and state.now >= ended + HEALED:
            memory.failure_attempts = 0
        if memory.failure_next is None:
            memory.failure_next = state.now + backoff(memory.failure_attempts) * (1 + rng.random() / 5)
