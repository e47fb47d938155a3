"""Order, rates and slots of the quota scheduler, in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from mcp_gateway_operator.agentcore.quota import RESERVED_SECONDS, Lane, Op, Quotas
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from tests.unit.agentcore.virtual import Desk

ONE = Quotas(create=1, update=1, delete=1, synchronize=1, get=1, list=1)


def throttle(desk: Desk, op: Op = Op.GET, retry_after: float | None = None) -> None:
    """Make a call that AWS throttles."""
    ticket = desk.ask("throttled", op)
    assert ticket is not None
    error = AgentCoreError(ErrorKind.THROTTLED, "ThrottlingException", "slow down", retry_after=retry_after)
    with pytest.raises(AgentCoreError), ticket:
        raise error


def test_a_free_ticket_is_given_at_once() -> None:
    """A free ticket is given at once."""
    desk = Desk()
    ticket = desk.ask("a")
    assert ticket is not None
    assert ticket.op is Op.CREATE
    with ticket:
        assert desk.scheduler.slots_taken("g") == 1
    assert desk.scheduler.slots_taken("g") == 0


def test_a_ticket_allows_one_call() -> None:
    """A ticket allows one call."""
    desk = Desk()
    ticket = desk.ask("a")
    assert ticket is not None
    with ticket:
        pass
    with pytest.raises(RuntimeError, match="one call"), ticket:
        pass


def test_who_waits_is_told_and_then_gets_the_ticket() -> None:
    """Who waits is told and then gets the ticket."""
    desk = Desk(ONE)
    assert desk.ask("a", Op.GET) is not None
    woken: list[float] = []
    assert desk.ask("b", Op.GET, on_grant=lambda: woken.append(desk.timers.now)) is None
    desk.timers.run_until(3)
    assert woken == [pytest.approx(1 / 0.98, abs=0.01)]
    ticket = desk.ask("b", Op.GET)
    assert ticket is not None
    assert ticket.op is Op.GET


def test_nobody_overtakes_who_waits() -> None:
    """Nobody overtakes who waits."""
    desk = Desk(ONE)
    desk.call("first", Op.GET)
    desk.call("second", Op.GET)
    desk.timers.run_until(1.0)
    desk.call("third", Op.GET)
    desk.timers.run_until(5)
    assert desk.callers() == ["first", "second", "third"]


def test_asking_again_keeps_the_place() -> None:
    """Asking again keeps the place."""
    desk = Desk(ONE)
    for waiter in ("now", "a", "b", "a"):
        desk.call(waiter, Op.GET)
    desk.timers.run_until(5)
    assert desk.callers() == ["now", "a", "b"]


def test_asking_for_another_call_moves_the_waiter() -> None:
    """Asking for another call moves the waiter."""
    desk = Desk(ONE)
    desk.call("now", Op.GET)
    desk.call("a", Op.GET)
    desk.call("b", Op.GET)
    assert desk.ask("a", Op.LIST) is not None
    assert desk.scheduler.depths()[Op.GET, Lane.INTERACTIVE] == 1
    desk.timers.run_until(5)
    assert desk.callers() == ["now", "b"]


def test_a_reserved_ticket_for_another_call_is_given_on() -> None:
    """A reserved ticket for another call is given on."""
    desk = Desk(ONE)
    desk.call("now", Op.GET)
    assert desk.ask("a", Op.GET) is None
    desk.call("b", Op.GET)
    desk.timers.run_until(1.1)
    assert desk.ask("a", Op.LIST) is not None
    desk.timers.run_until(1.2)
    assert desk.callers() == ["now", "b"]


def test_a_ticket_nobody_comes_for_is_given_on() -> None:
    """A ticket nobody comes for is given on."""
    desk = Desk(ONE)
    desk.call("now", Op.GET)
    assert desk.ask("gone", Op.GET) is None
    desk.timers.run_until(1.1)
    assert desk.ask("late", Op.DELETE, "other") is not None
    desk.timers.run_until(1.1 + RESERVED_SECONDS)
    # Its token went back into the bucket, so that two calls are possible at most: the bucket holds one.
    assert desk.ask("next", Op.GET) is not None


def test_cancelled_waiters_hear_nothing() -> None:
    """Cancelled waiters hear nothing."""
    desk = Desk(ONE)
    desk.call("now", Op.GET)
    desk.call("a", Op.GET)
    desk.call("b", Op.GET)
    desk.scheduler.cancel("a")
    desk.timers.run_until(10)
    assert desk.woken == ["b"]


def test_a_waiter_cancelled_between_grant_and_wake_hears_nothing() -> None:
    """A waiter cancelled between grant and wake hears nothing."""
    desk = Desk(Quotas(gateway_writes=1))
    ticket = desk.ask("now")
    assert ticket is not None
    desk.call("a")
    desk.call("b")
    with ticket:
        pass
    desk.scheduler.cancel("a")
    desk.timers.run_until(10)
    assert desk.woken == ["b"]


def test_an_unused_ticket_gives_its_token_back() -> None:
    """An unused ticket gives its token back."""
    desk = Desk(ONE)
    for _ in range(10):
        ticket = desk.ask("a", Op.CREATE)
        assert ticket is not None
        ticket.unused()
    assert desk.scheduler.slots_taken("g") == 0


def test_a_fenced_call_gives_its_token_back() -> None:
    """A fenced call gives its token back."""
    desk = Desk(ONE)
    for _ in range(3):
        ticket = desk.ask("a")
        assert ticket is not None
        with pytest.raises(AgentCoreError), ticket:
            raise AgentCoreError(ErrorKind.FENCED, "Fenced", "not sent")


def test_a_gateway_runs_five_writes_at_a_time() -> None:
    """A gateway runs five writes at a time."""
    desk = Desk(Quotas(create=None, update=None, delete=None), call_seconds=1)
    for number in range(12):
        desk.call(number, (Op.CREATE, Op.UPDATE, Op.DELETE)[number % 3])
    desk.call("elsewhere", gateway="other")
    desk.call("read", Op.GET)
    assert desk.callers() == [0, 1, 2, 3, 4, "elsewhere", "read"]
    desk.timers.run_until(10)
    assert desk.most_in_flight == {"g": 5, "other": 1}
    assert len(desk.calls) == 14


def test_a_full_gateway_holds_nobody_else_up() -> None:
    """A full gateway holds nobody else up."""
    desk = Desk(Quotas(create=None, gateway_writes=1), call_seconds=100)
    desk.call("a1", gateway="a")
    for number in range(5):
        desk.call(("a", number), gateway="a")
    desk.call("b1", gateway="b")
    assert desk.callers() == ["a1", "b1"]


def test_interactive_goes_first_and_the_background_gets_a_tenth() -> None:
    """Interactive goes first and the background gets a tenth."""
    desk = Desk(Quotas(get=10))
    for number in range(500):
        desk.call(("back", number), Op.GET, lane=Lane.BACKGROUND)
    for number in range(500):
        desk.call(("inter", number), Op.GET)
    first = len(desk.calls)
    desk.timers.run_until(40)
    lanes = Counter(waiter[0] for waiter in desk.callers()[first:] if isinstance(waiter, tuple))
    assert lanes["back"] / lanes.total() == pytest.approx(0.1, abs=0.01)


def test_grants_while_no_background_waited_do_not_count_towards_its_share() -> None:
    """Its tenth is one of the grants that it waited for: it does not come first because it came late."""
    desk = Desk(ONE)
    for number in range(20):
        desk.call(("before", number), Op.GET)
    desk.timers.run_until(25)
    first = len(desk.calls)
    desk.call("now", Op.GET)
    desk.call("back", Op.GET, lane=Lane.BACKGROUND)
    for number in range(20):
        desk.call(("inter", number), Op.GET)
    desk.timers.run_until(60)
    assert desk.callers()[first:].index("back") >= 9


def test_the_background_gets_its_share_of_a_gateways_slots() -> None:
    """The background gets its share of a gateways slots."""
    desk = Desk(Quotas(create=None, update=None, gateway_writes=2), call_seconds=1)
    for number in range(200):
        desk.call(("inter", number), Op.CREATE)
        desk.call(("back", number), Op.UPDATE, lane=Lane.BACKGROUND)
    desk.timers.run_until(60)
    lanes = Counter(waiter[0] for waiter in desk.callers() if isinstance(waiter, tuple))
    assert lanes["back"] / lanes.total() == pytest.approx(0.1, abs=0.03)


def test_namespaces_take_turns() -> None:
    """Namespaces take turns."""
    desk = Desk(ONE)
    desk.call("now", Op.GET)
    for number in range(50):
        desk.call(("many", number), Op.GET, namespace="many")
    for number in range(2):
        desk.call(("few", number), Op.GET, namespace="few")
    desk.timers.run_until(7)
    assert desk.callers()[:6] == ["now", ("many", 0), ("few", 0), ("many", 1), ("few", 1), ("many", 2)]


def test_throttling_pauses_and_slows_one_operation() -> None:
    """Throttling pauses and slows one operation."""
    desk = Desk()
    throttle(desk, retry_after=3)
    desk.call("get", Op.GET)
    desk.call("list", Op.LIST)
    assert desk.callers() == ["list"]
    desk.timers.run_until(2.9)
    assert desk.callers() == ["list"]
    desk.timers.run_until(4)
    assert desk.callers() == ["list", "get"]
    rate = desk.scheduler.rates()[Op.GET]
    assert rate is not None
    assert 6 < rate < 9


def test_the_rate_comes_back_slowly() -> None:
    """The rate comes back slowly."""
    desk = Desk()
    throttle(desk)
    desk.timers.run_until(5)
    low = desk.scheduler.rates()[Op.GET]
    desk.timers.run_until(30)
    back = desk.scheduler.rates()[Op.GET]
    assert low is not None
    assert low < 8
    assert back == pytest.approx(9.8)


def test_one_burst_of_refusals_is_one_lesson() -> None:
    """One burst of refusals is one lesson."""
    desk = Desk()
    tickets = [desk.ask(number, Op.GET) for number in range(4)]
    for ticket in tickets:
        assert ticket is not None
        with pytest.raises(AgentCoreError), ticket:
            raise AgentCoreError(ErrorKind.THROTTLED, "ThrottlingException", "")
    assert desk.scheduler.rates()[Op.GET] == pytest.approx(9.8 * 0.7)


def test_an_unlimited_operation_still_pauses() -> None:
    """An unlimited operation still pauses."""
    desk = Desk(Quotas.parse("unlimited"))
    throttle(desk, retry_after=2)
    desk.call("a", Op.GET)
    desk.timers.run_until(1.9)
    assert desk.callers() == []
    desk.timers.run_until(3)
    assert desk.callers() == ["a"]


def test_queue_age_and_depths() -> None:
    """Queue age and depths."""
    desk = Desk(ONE)
    assert desk.scheduler.queue_age(Lane.INTERACTIVE) == 0
    desk.call("now", Op.LIST)
    for number in range(4):
        desk.call(number, Op.LIST)
    desk.timers.run_until(0.5)
    assert desk.scheduler.queue_age(Lane.INTERACTIVE) == 0.5
    assert desk.scheduler.queue_age(Lane.BACKGROUND) == 0
    assert desk.scheduler.depths()[Op.LIST, Lane.INTERACTIVE] == 4


def test_a_closed_scheduler_grants_nothing() -> None:
    """A closed scheduler grants nothing."""
    desk = Desk(ONE)
    ticket = desk.ask("running", Op.CREATE)
    assert ticket is not None
    desk.call("a", Op.CREATE)
    desk.scheduler.close()
    with ticket:
        pass
    desk.timers.run_until(60)
    assert desk.ask("b", Op.GET) is None
    assert desk.callers() == []
    assert desk.scheduler.queue_age(Lane.INTERACTIVE) == 0


def refused_credentials(desk: Desk) -> None:
    """Let AWS refuse a call for its credentials, and then the probe."""
    for _ in range(2):
        ticket = desk.ask("probe", Op.LIST)
        assert ticket is not None
        with pytest.raises(AgentCoreError), ticket:
            raise AgentCoreError(ErrorKind.CREDENTIALS, "ExpiredTokenException", "expired")
        desk.timers.run_until(desk.timers.now + 2)
    assert desk.scheduler.refused_credentials is not None


def test_a_probe_that_is_called_off_says_nothing_of_the_credentials() -> None:
    """The last object of a gateway goes while its List is the probe: nobody has heard what AWS says."""
    desk = Desk()
    refused_credentials(desk)
    desk.timers.run_until(desk.timers.now + 30)
    ticket = desk.ask("probe", Op.LIST)
    assert ticket is not None
    with pytest.raises(asyncio.CancelledError), ticket:
        raise asyncio.CancelledError
    assert desk.scheduler.refused_credentials is not None
    assert desk.ask("the next probe", Op.GET) is not None
    assert desk.ask("other", Op.GET) is None


def test_who_has_waited_longest_asks_whether_the_credentials_are_accepted_again() -> None:
    desk = Desk()
    refused_credentials(desk)
    woken: list[str] = []
    assert desk.ask("first", Op.GET, on_grant=lambda: woken.append("first")) is None
    desk.timers.run_until(desk.timers.now + 1)
    assert desk.ask("second", Op.LIST, on_grant=lambda: woken.append("second")) is None
    desk.timers.run_until(desk.timers.now + 30)
    assert woken == ["first"]
