"""What holds for every load on the quota scheduler."""

from __future__ import annotations

import random
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway_operator.agentcore.quota import Lane, Op, Quotas
from tests.unit.agentcore.virtual import Desk, StrictBucket

RATES = st.sampled_from([0.5, 1.0, 2.5, 5.0, 10.0, 40.0])


@settings(deadline=None)
@given(
    rate=RATES,
    bursts=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 60)), min_size=1, max_size=8),
    seed=st.integers(0, 2**32),
)
def test_the_service_never_refuses(rate: float, bursts: list[tuple[float, int]], seed: int) -> None:
    """The service never refuses."""
    desk = Desk(Quotas(get=rate))
    for number, (at, count) in enumerate(sorted(bursts)):
        desk.timers.run_until(at)
        for place in range(count):
            desk.call((number, place), Op.GET)
    desk.timers.run_until(60)
    service = StrictBucket(max(rate, 1.0))
    rng = random.Random(seed)  # noqa: S311  -- repeatable, not secret
    # Requests are under way for up to 150 ms more or less than each other. A bucket of a single token has no
    # room for that.
    jitter = 0.15 if rate > 1 else 0.0
    for at in sorted(at + rng.uniform(0, jitter) for at, _ in desk.calls):
        service.call(at)
    assert service.refused == 0


@settings(deadline=None)
@given(rate=RATES, call_seconds=st.floats(0, 0.1), namespaces=st.integers(1, 7))
def test_throughput_is_95_percent_of_the_quota_while_work_waits(
    rate: float, call_seconds: float, namespaces: int
) -> None:
    """Throughput is 95 percent of the quota while work waits."""
    desk = Desk(Quotas(get=rate), call_seconds=call_seconds)
    seconds = 20
    for number in range(int(rate * seconds * 2)):
        desk.call(number, Op.GET, namespace=str(number % namespaces))
    desk.timers.run_until(seconds)
    assert len(desk.calls) >= 0.95 * rate * seconds


asked = st.tuples(
    st.floats(0, 20),
    st.sampled_from([Op.CREATE, Op.UPDATE, Op.DELETE, Op.SYNCHRONIZE, Op.GET, Op.LIST]),
    st.sampled_from(["g1", "g2", "g3"]),
    st.sampled_from(list(Lane)),
    st.sampled_from(["a", "b", "c"]),
)


@settings(deadline=None, max_examples=40)
@given(
    load=st.lists(asked, max_size=150),
    writes=st.integers(1, 5),
    call_seconds=st.floats(0, 3),
    cancelled=st.sets(st.integers(0, 149)),
    lazy=st.sets(st.integers(0, 149)),
)
def test_everybody_who_stays_is_served_within_the_limits(
    load: list[tuple[float, Op, str, Lane, str]],
    writes: int,
    call_seconds: float,
    cancelled: set[int],
    lazy: set[int],
) -> None:
    """Some cancel, some never collect their ticket; the others get theirs, and no slot leaks."""
    desk = Desk(Quotas(gateway_writes=writes), call_seconds=call_seconds)
    gone: set[int] = set()
    for number, (at, op, gateway, lane, namespace) in enumerate(sorted(load)):
        desk.timers.run_until(at)
        if number in lazy:
            ticket = desk.ask(number, op, gateway, lane, namespace)
            if ticket is not None:
                ticket.unused()
        else:
            desk.call(number, op, gateway, lane, namespace)
        if number in cancelled:
            if number not in desk.callers():
                gone.add(number)
            desk.scheduler.cancel(number)
    desk.timers.run_until(20 + 150 * (call_seconds + 5.5))
    assert set(desk.callers()) == set(range(len(load))) - lazy - gone
    assert not gone & set(desk.woken)
    assert all(most <= writes for most in desk.most_in_flight.values())
    assert all(desk.scheduler.slots_taken(gateway) == 0 for gateway in ("g1", "g2", "g3"))
    assert sum(desk.scheduler.depths().values()) == 0


@settings(deadline=None, max_examples=20)
@given(
    heavy=st.integers(20, 200),
    light=st.integers(1, 10),
    background=st.integers(0, 50),
)
def test_a_small_namespace_waits_for_one_turn_of_the_others(heavy: int, light: int, background: int) -> None:
    """A small namespace waits for one turn of the others."""
    desk = Desk(Quotas(get=5))
    for number in range(background):
        desk.call(("background", number), Op.GET, lane=Lane.BACKGROUND, namespace="any")
    for namespace in ("x", "y"):
        for number in range(heavy):
            desk.call((namespace, number), Op.GET, namespace=namespace)
    desk.timers.run_until(2)
    before = len(desk.calls)
    for number in range(light):
        desk.call(("light", number), Op.GET, namespace="light")
    desk.timers.run_until(200)
    order = [waiter[0] for _, waiter in desk.calls[before:] if isinstance(waiter, tuple)]
    places = defaultdict(list)
    for place, name in enumerate(order):
        places[name].append(place)
    # Two other namespaces and one grant in ten for the background stand between two of its calls.
    for number, place in enumerate(places["light"]):
        assert place <= 4 * (number + 1)
