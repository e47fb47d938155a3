# ruff: noqa: D102  -- the names of the tests are sentences
from __future__ import annotations

import asyncio

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mcp_gateway_operator.runtime.queue import BACKGROUND_SHARE, QueueShutDown, WorkQueue
from tests.support.virtual_time import VirtualTimeLoop, pass_time

Key = tuple[str, str]


def make_queue() -> WorkQueue[Key]:
    return WorkQueue(jitter=lambda: 0.0)


async def take_all(queue: WorkQueue[Key]) -> list[Key]:
    taken = []
    while len(queue):
        key = await queue.get()
        queue.done(key)
        taken.append(key)
    return taken


async def test_a_key_added_twice_is_given_once() -> None:
    queue = make_queue()
    queue.add(("a", "x"))
    queue.add(("a", "x"))
    assert await take_all(queue) == [("a", "x")]


async def test_a_key_added_while_worked_on_is_given_again_after_done_and_to_nobody_before() -> None:
    queue = make_queue()
    queue.add(("a", "x"))
    key = await queue.get()
    queue.add(key)
    assert len(queue) == 0
    second = asyncio.create_task(queue.get())
    await pass_time(100)
    assert not second.done()
    queue.done(key)
    assert await second == key


async def test_user_changes_go_before_periodic_work() -> None:
    queue = make_queue()
    queue.add(("a", "periodic"), urgent=False)
    queue.add(("a", "user"))
    assert await take_all(queue) == [("a", "user"), ("a", "periodic")]


async def test_a_waiting_periodic_key_becomes_urgent_when_its_user_changes_it() -> None:
    queue = make_queue()
    queue.add(("a", "first"), urgent=False)
    queue.add(("a", "second"), urgent=False)
    queue.add(("a", "second"))
    assert len(queue._urgent) == 1
    assert len(queue._background) == 1
    assert await take_all(queue) == [("a", "second"), ("a", "first")]


async def test_a_key_for_which_something_is_kept_goes_before_all_others() -> None:
    queue = make_queue()
    for number in range(5):
        queue.add(("a", str(number)))
        queue.add(("b", str(number)))
    queue.add(("b", "kept"), urgent=False)
    queue.add(("b", "kept"), first=True)
    queue.add(("c", "new"), first=True)
    assert (await take_all(queue))[:3] == [("c", "new"), ("b", "kept"), ("a", "0")]


async def test_a_key_that_is_worked_on_goes_first_when_that_ends() -> None:
    queue = make_queue()
    queue.add(("a", "kept"))
    key = await queue.get()
    queue.add(("a", "other"))
    queue.add(key, first=True)
    queue.done(key)
    assert await take_all(queue) == [key, ("a", "other")]
    queue.add(("a", "other"))
    queue.add(key)
    assert await take_all(queue) == [("a", "other"), key], "it went first once"


async def test_a_namespace_with_many_keys_does_not_hold_up_another() -> None:
    queue = make_queue()
    for number in range(100):
        queue.add(("big", str(number)))
    queue.add(("small", "only"))
    assert (await take_all(queue)).index(("small", "only")) == 1


async def test_periodic_work_gets_a_share_under_constant_user_changes() -> None:
    queue = make_queue()
    queue.add(("a", "periodic"), urgent=False)
    for number in range(100):
        queue.add(("a", str(number)))
    assert (await take_all(queue)).index(("a", "periodic")) == BACKGROUND_SHARE - 1


async def test_the_earliest_of_several_timers_counts() -> None:
    queue = make_queue()
    loop = asyncio.get_running_loop()
    queue.add(("a", "x"), after=60)
    queue.add(("a", "x"), after=10)
    queue.add(("a", "x"), after=30)
    assert queue.due_in(("a", "x")) == 10
    await queue.get()
    assert loop.time() == pytest.approx(10)
    queue.done(("a", "x"))
    await pass_time(120)
    assert len(queue) == 0


async def test_a_pass_states_its_next_deadline_anew() -> None:
    queue = make_queue()
    queue.add(("a", "x"), after=60)
    queue.add(("a", "x"))
    key = await queue.get()
    assert queue.due_in(key) is None
    queue.add(key, after=300)
    queue.done(key)
    await pass_time(299)
    assert len(queue) == 0
    await pass_time(2)
    assert len(queue) == 1


async def test_a_timer_that_goes_off_during_the_work_is_not_lost() -> None:
    queue = make_queue()
    queue.add(("a", "x"))
    key = await queue.get()
    queue.add(key, after=1)
    await pass_time(5)
    assert len(queue) == 0
    queue.done(key)
    assert len(queue) == 1


async def test_retries_back_off_from_one_second_to_five_minutes_and_start_over_after_success() -> None:
    queue = make_queue()
    delays = [queue.retry(("a", "x")) for _ in range(12)]
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    queue.forget(("a", "x"))
    assert queue.retry(("a", "x")) == 1


async def test_retries_of_many_keys_are_spread() -> None:
    queue: WorkQueue[Key] = WorkQueue()
    delays = {queue.retry(("a", str(number))) for number in range(50)}
    assert len(delays) > 40
    assert all(0.75 <= delay <= 1 for delay in delays)


async def test_a_dropped_key_has_neither_timer_nor_backoff() -> None:
    queue = make_queue()
    queue.retry(("a", "x"))
    queue.drop(("a", "x"))
    assert len(queue._timers) == 0
    assert queue.failures(("a", "x")) == 0
    await pass_time(10)
    assert len(queue) == 0


async def test_shut_down_releases_waiting_workers_and_takes_nothing_more() -> None:
    queue = make_queue()
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.shut_down()
    for worker in workers:
        with pytest.raises(QueueShutDown):
            await worker
    queue.add(("a", "x"))
    assert len(queue) == 0


async def test_work_in_progress_can_be_finished_after_shut_down() -> None:
    queue = make_queue()
    queue.add(("a", "x"))
    key = await queue.get()
    queue.add(key)
    queue.shut_down()
    queue.done(key)
    assert (len(queue), queue.working) == (0, 0)


async def test_a_cancelled_worker_passes_its_wake_up_on() -> None:
    queue = make_queue()
    first = asyncio.create_task(queue.get())
    second = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add(("a", "x"))
    first.cancel()
    assert await second == ("a", "x")


async def test_the_figures_for_metrics() -> None:
    queue = make_queue()
    queue.add(("a", "x"))
    queue.add(("b", "y"), urgent=False)
    await pass_time(7)
    await queue.get()
    await pass_time(3)
    assert (len(queue), queue.working) == (1, 1)
    assert queue.longest_running == pytest.approx(3)


async def test_superseded_timers_do_not_pile_up() -> None:
    queue = make_queue()
    for number in range(10_000):
        queue.add(("a", "x"), after=100_000 - number)
    assert len(queue._timers) == 1
    assert len(queue._heap) < 200


class QueueMachine(RuleBasedStateMachine):
    """Compares the queue with a plain description of what it promises."""

    keys = st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"))

    @initialize()
    def start(self) -> None:
        self.loop = VirtualTimeLoop()
        self.queue = make_queue()
        self.ready: dict[Key, bool] = {}
        self.working: dict[Key, bool | None] = {}
        self.timers: dict[Key, float] = {}
        self.given: list[Key] = []

    def teardown(self) -> None:
        self.loop.close()

    def run(self, act: object) -> object:
        async def main() -> object:
            assert callable(act)
            result = act()
            return await result if asyncio.iscoroutine(result) else result

        return self.loop.run_until_complete(main())

    def expect_due(self, key: Key, urgent: bool) -> None:
        if key in self.working:
            self.working[key] = urgent or bool(self.working[key])
        else:
            self.ready[key] = urgent or self.ready.get(key, False)

    @rule(key=keys, urgent=st.booleans())
    def add(self, key: Key, urgent: bool) -> None:
        self.run(lambda: self.queue.add(key, urgent=urgent))
        self.expect_due(key, urgent)

    @rule(key=keys, after=st.integers(1, 50))
    def add_later(self, key: Key, after: int) -> None:
        self.run(lambda: self.queue.add(key, urgent=False, after=after))
        due = self.loop.time() + after
        self.timers[key] = min(due, self.timers.get(key, due))

    @rule(key=keys)
    def drop(self, key: Key) -> None:
        self.run(lambda: self.queue.drop(key))
        self.timers.pop(key, None)

    @rule(seconds=st.integers(1, 60))
    def pass_time(self, seconds: int) -> None:
        until = self.loop.time() + seconds
        self.run(lambda: asyncio.sleep(seconds))
        for key, due in sorted(self.timers.items(), key=lambda item: item[1]):
            if due <= until + 1e-6:
                del self.timers[key]
                self.expect_due(key, urgent=False)

    @precondition(lambda self: self.ready)
    @rule()
    def get(self) -> None:
        key = self.run(self.queue.get)
        assert key in self.ready, "only a due key is given"
        assert key not in self.working, "one worker per key"
        assert isinstance(key, tuple)
        urgent = self.ready.pop(key)
        background_turn = len(self.given) % BACKGROUND_SHARE == BACKGROUND_SHARE - 1
        if not urgent and not background_turn:
            assert not any(self.ready.values()), "urgent keys go first"
        self.working[key] = None
        self.timers.pop(key, None)
        self.given.append(key)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.working)))
        self.run(lambda: self.queue.done(key))
        again = self.working.pop(key)
        if again is not None:
            self.ready[key] = again

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "queue"):
            return
        assert len(self.queue) == len(self.ready)
        assert len(self.queue._urgent) == sum(self.ready.values())
        assert self.queue.working == len(self.working)
        assert len(self.queue._timers) == len(self.timers)


TestQueueMachine = QueueMachine.TestCase


class TestFairness:
    """Groups take turns."""

    async def test_while_groups_wait_none_is_served_twice_before_another_once(self) -> None:
        queue = make_queue()
        for group in "abcd":
            for number in range(5):
                queue.add((group, str(number)))
        order = [group for group, _ in await take_all(queue)]
        assert [set(order[start : start + 4]) for start in range(0, 20, 4)] == [set("abcd")] * 5
