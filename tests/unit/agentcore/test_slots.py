"""What refusals teach about the writes of one gateway, in virtual time."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway_operator.agentcore.quota import Lane, Op, Quotas
from mcp_gateway_operator.agentcore.quota.throttle import FIRST_LESSON, HOLD_SECONDS, LONGEST_LESSON
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from tests.unit.agentcore.virtual import Desk

SPOKEN = AgentCoreError(ErrorKind.THROTTLED, "ThrottlingException", "Too many concurrent operations")
SILENT = AgentCoreError(ErrorKind.THROTTLED, "ThrottlingException", "Rate exceeded", retry_after=0.0)
CONFLICT = AgentCoreError(ErrorKind.CONFLICT, "ConflictException", "The gateway is busy")
TAKEN = AgentCoreError(ErrorKind.CONFLICT, "ConflictException", "A target of this name exists already")


def desk(limit: int = 2) -> Desk:
    """Return callers that only a gateway's slots hold back."""
    return Desk(Quotas(create=None, update=None, delete=None, gateway_writes=limit))


def write(at: Desk, name: str, *, error: AgentCoreError | None = None, op: Op = Op.CREATE) -> bool:
    """Make a write that leaves a target on the move, or is refused; return whether there was a ticket."""
    ticket = at.ask(name, op)
    if ticket is None:
        return False
    if error is None:
        with ticket:
            ticket.moved = name
    else:
        with pytest.raises(AgentCoreError), ticket:
            raise error
    return True


def taught(limit: int = 2) -> Desk:
    """Return callers that were refused while as many targets as the limit were on the move."""
    at = desk(limit)
    for number in range(limit):
        assert write(at, f"t{number}")
    assert write(at, "refused", error=SPOKEN)
    return at


def test_calls_are_assumed_to_count() -> None:
    """Targets on the move take no slots as long as AWS does not mind."""
    at = desk()
    assert all(write(at, f"t{number}") for number in range(20))
    assert at.scheduler.slots_taken("g") == 0


def test_a_refusal_that_names_concurrency_teaches_at_once() -> None:
    """From then on the targets on the move take the slots, of every gateway."""
    at = taught()
    assert at.scheduler.counts_targets()
    assert at.scheduler.slots_taken("g") == 2
    assert not write(at, "t3")
    at.scheduler.settled("g", "t0")
    at.timers.run_until(1)
    assert write(at, "t3")
    assert not write(at, "t4")


def test_a_full_gateway_is_no_reason_to_slow_down_all() -> None:
    """Nor is the rate of the operation lowered by a refusal that speaks of concurrency."""
    at = Desk(Quotas(create=5, gateway_writes=1))
    assert write(at, "t0")
    before = at.scheduler.rates()[Op.CREATE]
    assert write(at, "refused", error=SPOKEN)
    assert at.scheduler.rates()[Op.CREATE] == before
    at.timers.run_until(0.5)
    assert at.ask("elsewhere", gateway="other") is not None


def test_a_refusal_that_names_no_concurrency_lowers_the_rate() -> None:
    at = Desk(Quotas(create=5, gateway_writes=1))
    before = at.scheduler.rates()[Op.CREATE]
    assert before is not None
    assert write(at, "refused", error=SILENT)
    lowered = at.scheduler.rates()[Op.CREATE]
    assert lowered is not None
    assert lowered < before


@pytest.mark.parametrize(("error", "op"), [(SILENT, Op.UPDATE), (SILENT, Op.CREATE), (CONFLICT, Op.CREATE)])
def test_refusals_that_do_not_say_why_teach_when_they_come_together(error: AgentCoreError, op: Op) -> None:
    """Two may have another cause; the third within a minute has this one."""
    at = desk()
    write(at, "t0")
    write(at, "t1")
    for number in range(2):
        assert write(at, f"refused{number}", error=error, op=op)
        assert not at.scheduler.counts_targets()
    write(at, "refused2", error=error, op=op)
    assert at.scheduler.counts_targets()


@pytest.mark.parametrize(
    ("error", "op"),
    [
        (TAKEN, Op.CREATE),
        (CONFLICT, Op.DELETE),
        (AgentCoreError(ErrorKind.QUOTA, "ServiceQuotaExceededException", "Too many targets"), Op.CREATE),
        (AgentCoreError(ErrorKind.TRANSIENT, "500", "concurrent trouble"), Op.CREATE),
        (AgentCoreError(ErrorKind.CONFLICT, "ConflictException", "Concurrent modification"), Op.UPDATE),
    ],
)
def test_what_has_another_cause_teaches_nothing(error: AgentCoreError, op: Op) -> None:
    """A taken name, a target's own state, a full gateway, a broken service."""
    at = desk()
    write(at, "t0")
    write(at, "t1")
    for number in range(20):
        assert write(at, f"refused{number}", error=error, op=op)
    assert not at.scheduler.counts_targets()


def test_a_refusal_while_little_is_on_the_move_teaches_nothing() -> None:
    """Then somebody else has the slots."""
    at = desk(limit=3)
    write(at, "t0")
    for number in range(5):
        assert write(at, f"refused{number}", error=SPOKEN)
    assert not at.scheduler.counts_targets()


def test_it_is_tried_again_and_ever_less_often_while_refused() -> None:
    """Five minutes, ten, twenty, up to an hour; the waiting are served when the time is over."""
    at = taught(limit=1)
    at.call("waiting")
    lengths = []
    for _ in range(7):
        began = at.timers.now
        while at.scheduler.counts_targets():
            at.scheduler.moving("g", "t0")
            at.timers.run_until(at.timers.now + 10)
        lengths.append(at.timers.now - began)
        at.scheduler.moving("g", "t0")
        assert write(at, "refused", error=SPOKEN)
    assert at.callers() == ["waiting"]
    assert lengths == pytest.approx([300, 600, 1200, 2400, 3600, 3600, 3600], abs=10)
    assert lengths[0] == pytest.approx(FIRST_LESSON, abs=10)
    assert lengths[-1] == pytest.approx(LONGEST_LESSON, abs=10)


def test_a_target_that_nobody_sees_settle_takes_no_slot_for_ever() -> None:
    """It counts for five minutes, and whoever waits for its slot is woken then."""
    at = taught(limit=1)
    at.timers.run_until(10)
    at.scheduler.moving("g", "stuck")
    at.scheduler.settled("g", "t0")
    at.call("waiting")
    at.timers.run_until(FIRST_LESSON - 1)
    assert at.callers() == []
    at.timers.run_until(10 + HOLD_SECONDS + 1)
    assert at.callers() == ["waiting"]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 5)),
        st.tuples(st.just("settle"), st.integers(0, 5)),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
        st.tuples(st.just("rest"), st.sampled_from([1, 1, 2, 7])),
    ),
    min_size=20,
    max_size=50,
)


class Callers:
    """Callers of a service that counts either way: they come, are refused, give up and come again."""

    def __init__(self, limit: int, *, counts_targets: bool, seed: int) -> None:
        self.desk = Desk(Quotas(create=2, gateway_writes=limit), seed=seed)
        self.on_the_move: set[int] = set()
        self.waiting: set[int] = set()
        self._limit = limit if counts_targets else 1000
        self._rng = random.Random(seed)  # noqa: S311  -- repeatable, not secret

    def write(self, number: int) -> None:
        """Call as soon as there is a ticket, and again a second after a refusal; some come late."""
        self.waiting.add(number)
        ticket = self.desk.ask(number, on_grant=lambda: self.write(number) if number % 3 else None)
        if ticket is None:
            return
        if len(self.on_the_move) < self._limit:
            with ticket:
                ticket.moved = str(number)
            self.on_the_move.add(number)
            self.waiting.discard(number)
            return
        with pytest.raises(AgentCoreError), ticket:
            raise self._rng.choice([SPOKEN, SILENT])
        self.desk.timers.call_at(self.desk.timers.now + 1, lambda: self._again(number))

    def _again(self, number: int) -> None:
        if number in self.waiting:
            self.write(number)

    def settle(self, number: int) -> None:
        """Let a target settle, and see it."""
        self.on_the_move.discard(number)
        self.desk.scheduler.settled("g", str(number))

    def cancel(self, number: int) -> None:
        """Give up."""
        self.waiting.discard(number)
        self.desk.scheduler.cancel(number)

    def rest(self, seconds: int) -> None:
        """Let time pass."""
        self.desk.timers.run_until(self.desk.timers.now + seconds)


@settings(deadline=None)
@given(steps=steps, limit=st.integers(1, 4), counts_targets=st.booleans(), seed=st.integers(0, 99))
def test_no_slot_leaks_and_all_who_stay_are_served(
    steps: list[tuple[str, int]], limit: int, *, counts_targets: bool, seed: int
) -> None:
    """Whatever the service counts, and whoever leaves the line."""
    callers = Callers(limit, counts_targets=counts_targets, seed=seed)
    scheduler = callers.desk.scheduler
    for step, number in steps:
        before, taught = scheduler.slots_taken("g"), scheduler.counts_targets()
        getattr(callers, step)(number)
        # A refusal that teaches finds tickets that were given out before; time may bring one, too.
        learnt = scheduler.counts_targets() and (not taught or step == "rest")
        allowed = limit + len(callers.on_the_move) if learnt else max(limit, before)
        assert scheduler.slots_taken("g") <= allowed
    for _ in range(60):
        for number in list(callers.on_the_move):
            callers.settle(number)
        for number in list(callers.waiting):
            callers.write(number)
        callers.rest(1)
    assert not callers.waiting
    assert scheduler.slots_taken("g") == 0
    assert scheduler.depths()[Op.CREATE, Lane.INTERACTIVE] == 0
