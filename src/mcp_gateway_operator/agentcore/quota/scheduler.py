"""Who may make the next AWS call: one scheduler for every call of the process.

Nobody sleeps on a quota. A caller that gets no ticket leaves and is told when its turn has come; a ticket is
then kept for it for a few seconds, and what it does with it is planned on the newest state.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from mcp_gateway_operator.agentcore.quota.quotas import GATEWAY_WRITES, Lane, Op, Quotas
from mcp_gateway_operator.agentcore.quota.throttle import (
    Bucket,
    CredentialsGate,
    Slots,
    speaks_of_concurrency,
)
from mcp_gateway_operator.agentcore.quota.ticket_queue import Line, Ticket, Waiter
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind

__all__ = ["RESERVED_SECONDS", "Lane", "Op", "QuotaScheduler", "Quotas", "Ticket"]

RESERVED_SECONDS: Final = 5.0
"""How long a granted ticket is kept for a waiter that does not come for it."""
FLOOR: Final = 10
"""One grant in so many is the background's while it waits: 10 %."""
LONGEST_PAUSE: Final = 60.0
"""No Retry-After is honoured beyond this."""


@dataclass(slots=True)
class _Reservation:
    ticket: Ticket
    until: float


class QuotaScheduler:
    """Hands out tickets within the quotas; pure given a clock, driven by its callers and by `call_at`.

    Order: interactive before background, except that the background gets every tenth grant while it waits;
    namespaces in turn inside a lane; first come first served inside a namespace. Every ticket takes a token
    of its operation, and those of Create, Update and Delete a slot of their gateway as well.

    Args:
        quotas: the limits.
        clock: seconds of a monotonic clock (the event loop's).
        call_at: runs a callback at a moment of that clock, never from within the call (the loop's `call_at`).
        rng: spreads the pause after a refusal.

    Attributes:
        on_credentials: told when AWS began to refuse the credentials of every call, and when that is over.
    """

    def __init__(
        self,
        quotas: Quotas,
        *,
        clock: Callable[[], float],
        call_at: Callable[[float, Callable[[], None]], object],
        rng: Random,
    ) -> None:
        self.quotas = quotas
        self._clock = clock
        self._call_at = call_at
        self._rng = rng
        now = clock()
        self._buckets = {op: Bucket(quotas.rate(op), now) for op in Op}
        self._lines = {(op, lane): Line() for op in Op for lane in Lane}
        self._places: dict[Hashable, Waiter] = {}
        self._reserved: dict[Hashable, _Reservation] = {}
        self._slots = Slots(quotas.gateway_writes)
        # Interactive grants in a row while the background waited: of an operation, of a gateway's slots.
        self._runs: Counter[Op] = Counter()
        self._slot_runs: Counter[str] = Counter()
        self._timers: dict[Op, float] = {}
        self._slot_timer = False
        # Operations that share the gateways' slots are served together, in turn.
        writes = deque(sorted(GATEWAY_WRITES))
        self._turns = {op: writes if op in GATEWAY_WRITES else deque([op]) for op in Op}
        self._closed = False
        self.on_credentials: Callable[[], None] = lambda: None
        self._gate = CredentialsGate(self._credentials_turned)

    @property
    def refused_credentials(self) -> AgentCoreError | None:
        """How AWS refuses the credentials of every call, None while it accepts them."""
        return self._gate.error

    def take(
        self,
        op: Op,
        gateway_id: str,
        *,
        waiter: Hashable,
        lane: Lane,
        namespace: str,
        on_grant: Callable[[], None],
    ) -> Ticket | None:
        """Return a ticket if one is free and nobody waits who should go first; else join the line.

        A waiter has one place: asking again for the same call keeps it, asking for another call, gateway or
        lane moves it to the end of the other line. When its turn has come, `on_grant` is called once and a
        ticket is kept for `RESERVED_SECONDS`: the waiter's next `take` of the same call returns it.
        After `close` nobody gets anything; while AWS refuses the credentials only one does at a time.
        """
        if self._closed:
            return None
        reservation = self._reserved.pop(waiter, None)
        if reservation is not None:
            ticket = reservation.ticket
            barred = self._gate.shut and ticket is not self._gate.probe
            if ticket.op is op and ticket.gateway_id == gateway_id and not barred:
                return ticket
            ticket.unused()
        place = self._places.get(waiter)
        if place is not None:
            if (place.op, place.gateway_id, place.lane, place.namespace) == (op, gateway_id, lane, namespace):
                place.on_grant = on_grant
                return None
            self._leave(place)
        now = self._clock()
        place = Waiter(waiter, op, gateway_id, lane, namespace, on_grant, now)
        self._places[waiter] = place
        self._lines[op, lane].add(place)
        return self._serve(op, newcomer=place)

    def cancel(self, waiter: Hashable) -> None:
        """Forget a waiter: it is never granted anything, and a ticket kept for it goes to the next."""
        place = self._places.get(waiter)
        if place is not None:
            self._leave(place)
            # A slot may have been left for it: the background's share.
            self._serve(place.op)
        reservation = self._reserved.pop(waiter, None)
        if reservation is not None:
            reservation.ticket.unused()

    def moving(self, gateway_id: str, target_id: str) -> None:
        """Note that a target is CREATING, UPDATING or DELETING: AWS may count it as an operation."""
        self._slots.moving(gateway_id, target_id, self._clock())

    def settled(self, gateway_id: str, target_id: str) -> None:
        """Note that a target left these states or is gone."""
        if self._slots.settled(gateway_id, target_id) and self.counts_targets():
            self._serve(Op.CREATE)

    def close(self) -> None:
        """Grant nothing any more; tickets that are in use end as usual."""
        self._closed = True
        self._places.clear()
        self._reserved.clear()
        self._lines = {key: Line() for key in self._lines}

    def queue_age(self, lane: Lane) -> float:
        """Return for how many seconds the longest waiter of a lane has waited; 0 when nobody waits."""
        longest = [waiter for op in Op if (waiter := self._lines[op, lane].longest()) is not None]
        return self._clock() - min(each.since for each in longest) if longest else 0.0

    def depths(self) -> dict[tuple[Op, Lane], int]:
        """Return how many wait, by operation and lane."""
        return {key: len(line) for key, line in self._lines.items()}

    def rates(self) -> dict[Op, float | None]:
        """Return the calls per second allowed at present, by operation; None is unlimited."""
        now = self._clock()
        return {op: bucket.rate(now) for op, bucket in self._buckets.items()}

    def slots_taken(self, gateway_id: str) -> int:
        """Return how many Creates, Updates and Deletes of a gateway count as in flight."""
        return self._slots.taken(gateway_id, self._clock())

    def counts_targets(self) -> bool:
        """Whether targets on the move count as writes in flight, as AWS's refusals have taught."""
        return self._slots.counts_targets(self._clock())

    # Granting.

    def _ended(self, ticket: Ticket, error: AgentCoreError | None) -> None:
        """Take a ticket back, and learn from a refusal.

        A throttled operation is paused as AWS asks, a second by default, and goes on at a lower rate. That a
        gateway has too many operations at once says nothing of the rate: fewer writes run there at a time.
        """
        op, gateway_id = ticket.op, ticket.gateway_id
        if not ticket.sent:
            self._buckets[op].give_back()
        elif error is not None:
            now = self._clock()
            if op in GATEWAY_WRITES:
                self._slots.refused(gateway_id, op, error, now)
            spoken = op in GATEWAY_WRITES and speaks_of_concurrency(error)
            if error.kind is ErrorKind.THROTTLED and not spoken:
                pause = min(error.retry_after if error.retry_after is not None else 1.0, LONGEST_PAUSE)
                self._buckets[op].refused(now, pause * self._rng.uniform(1.0, 1.2))
        if op in GATEWAY_WRITES:
            if ticket.sent and ticket.moved is not None:
                self.moving(gateway_id, ticket.moved)
            self._slots.give_back(gateway_id)
        was_shut = self._gate.shut
        self._gate.ended(ticket, error, self._clock())
        if self._gate.shut:
            self._call_at(self._gate.probe_at, self._probe_due)
        for each in Op if was_shut and not self._gate.shut else (op,):
            self._serve(each)

    def _probe_due(self) -> None:
        self._probe()

    def _credentials_turned(self) -> None:
        self.on_credentials()

    def _probe(self, newcomer: Waiter | None = None) -> Ticket | None:
        """Let the longest waiter of all make its call, where one is due to ask whether AWS accepts it."""
        gate, now = self._gate, self._clock()
        if self._closed or not gate.shut or gate.probe is not None or now < gate.probe_at:
            return None
        # Looked for only when one is due: a fleet that comes to stand in line asks here one by one.
        waiters = [waiter for line in self._lines.values() if (waiter := line.longest()) is not None]
        if not waiters:
            return None
        place = min(waiters, key=lambda waiter: waiter.since)
        gate.probe = ticket = self._grant(place)
        if place is newcomer:
            return ticket
        self._reserve(place, ticket, now)
        return None

    def _leave(self, place: Waiter) -> None:
        del self._places[place.key]
        self._lines[place.op, place.lane].remove(place)

    def _serve(self, op: Op, *, newcomer: Waiter | None = None) -> Ticket | None:
        """Grant what can be granted of the operations that share slots with `op`; return the newcomer's."""
        if self._closed or not self._places:
            return None
        if self._gate.shut:
            return self._probe(newcomer)
        now = self._clock()
        mine: Ticket | None = None
        turns = self._turns[op]
        while self._places and (place := self._next(turns, now)) is not None:
            ticket = self._grant(place)
            if place is newcomer:
                mine = ticket
            else:
                self._reserve(place, ticket, now)
        if self._places:
            for each in turns:
                self._set_timer(each, now)
            self._set_slot_timer(now)
        return mine

    def _next(self, turns: deque[Op], now: float) -> Waiter | None:
        """Return whose turn it is. `turns` is rotated, so that no operation keeps a gateway's slots."""
        ready = [op for op in turns if self._buckets[op].available(now)]
        overdue = [op for op in ready if self._runs[op] >= FLOOR - 1]
        order = [(op, Lane.BACKGROUND) for op in overdue]
        order += [(op, lane) for lane in Lane for op in ready]
        for op, lane in order:
            line = self._lines[op, lane]
            free = partial(self._free, op=op, lane=lane, ready=ready, now=now)
            if line and (place := line.next(free)) is not None:
                turns.remove(op)
                turns.append(op)
                return place
        return None

    def _free(self, gateway_id: str, *, op: Op, lane: Lane, ready: list[Op], now: float) -> bool:
        if op not in GATEWAY_WRITES:
            return True
        if not self._slots.free(gateway_id, now):
            return False
        # The floor holds for slots too: one in ten is left to the background's writes that have a token.
        return not (
            lane is Lane.INTERACTIVE
            and self._slot_runs[gateway_id] >= FLOOR - 1
            and self._background_waits(gateway_id, ready)
        )

    def _background_waits(self, gateway_id: str, ops: list[Op]) -> bool:
        return any(self._lines[op, Lane.BACKGROUND].waiting_on(gateway_id) for op in ops)

    def _grant(self, place: Waiter) -> Ticket:
        op, lane = place.op, place.lane
        self._lines[op, lane].served(place)
        del self._places[place.key]
        self._buckets[op].take()
        shared = lane is Lane.INTERACTIVE and len(self._lines[op, Lane.BACKGROUND]) > 0
        self._runs[op] = self._runs[op] + 1 if shared else 0
        if op in GATEWAY_WRITES:
            gateway_id = place.gateway_id
            self._slots.take(gateway_id)
            if lane is Lane.INTERACTIVE and self._background_waits(gateway_id, sorted(GATEWAY_WRITES)):
                self._slot_runs[gateway_id] += 1
            else:
                self._slot_runs.pop(gateway_id, None)
        return Ticket(op, place.gateway_id, self._ended)

    def _reserve(self, place: Waiter, ticket: Ticket, now: float) -> None:
        reservation = _Reservation(ticket, now + RESERVED_SECONDS)
        self._reserved[place.key] = reservation

        def kept() -> bool:
            return self._reserved.get(place.key) is reservation

        def announce() -> None:
            if kept():
                place.on_grant()

        def expire() -> None:
            if kept():
                del self._reserved[place.key]
                ticket.unused()

        self._call_at(now, announce)
        self._call_at(reservation.until, expire)

    def _set_timer(self, op: Op, now: float) -> None:
        """Come back when the next token is there, if it is a token that somebody lacks."""
        bucket = self._buckets[op]
        if bucket.available(now) or not any(self._lines[op, lane] for lane in Lane):
            return
        due = bucket.next_at(now)
        if self._timers.get(op, due + 1) <= due:
            return
        self._timers[op] = due

        def fire() -> None:
            if self._timers.get(op) == due:
                del self._timers[op]
            self._serve(op)

        self._call_at(due, fire)

    def _set_slot_timer(self, now: float) -> None:
        """Come back when slots become free that no call and no target's end tells of."""
        due = self._slots.next_at(now)
        if self._slot_timer or due is None or not any(self._lines[op, lane] for op, lane in _WRITE_LINES):
            return
        self._slot_timer = True

        def fire() -> None:
            self._slot_timer = False
            self._serve(Op.CREATE)

        self._call_at(due, fire)


_WRITE_LINES: Final = [(op, lane) for op in GATEWAY_WRITES for lane in Lane]
