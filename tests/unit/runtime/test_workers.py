from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator.runtime.queue import WorkQueue
from mcp_gateway_operator.runtime.workers import QUICK_CONFLICTS, Workers
from tests.support.virtual_time import pass_time

Key = tuple[str, str]
A = ("default", "a")
CONFLICT = ApiError(409, "Conflict", "modified")


class Expected(Exception):  # noqa: N818  -- stands for an adapter's error
    """A failure that is no bug."""


class World:
    """Workers whose passes do what the test scripts: return seconds, or raise."""

    def __init__(self, script: list[float | Exception | None], *, count: int = 2) -> None:
        self.queue: WorkQueue[Key] = WorkQueue(jitter=lambda: 0.0)
        self.script = iter(script)
        self.times: list[float] = []
        self.outcomes: list[str] = []
        self.workers = Workers(
            self.queue,
            self.reconcile,
            count=count,
            expected=(Expected,),
            on_pass=lambda _key, outcome, _seconds: self.outcomes.append(outcome),
            jitter=lambda: 0.0,
        )
        self.task = asyncio.create_task(self.workers.run())

    async def reconcile(self, _key: Key) -> float | None:
        """Take the next step of the script."""
        self.times.append(asyncio.get_running_loop().time())
        step = next(self.script, None)
        if isinstance(step, Exception):
            raise step
        return step


async def test_a_pass_says_when_it_is_due_again() -> None:
    world = World([60.0, 30.0, None])
    world.queue.add(A)
    await pass_time(1000)
    assert world.times == [0, 60, 90]
    assert world.outcomes == ["requeue_after", "requeue_after", "success"]


async def test_a_failed_pass_backs_off_and_success_resets_it() -> None:
    world = World([Expected("no"), Expected("no"), None, Expected("no"), None])
    world.queue.add(A)
    await pass_time(100)
    world.queue.add(A)
    await pass_time(100)
    assert world.times == [0, 1, 3, 100, 101]


async def test_a_lost_race_is_run_again_quickly_but_not_for_ever() -> None:
    world = World([CONFLICT] * (QUICK_CONFLICTS + 2))
    world.queue.add(A)
    await pass_time(1.5)
    assert len(world.times) == QUICK_CONFLICTS + 1
    await pass_time(1)
    assert world.outcomes[:QUICK_CONFLICTS] == ["conflict"] * QUICK_CONFLICTS
    assert world.outcomes[QUICK_CONFLICTS] == "error"


async def test_a_bug_in_one_pass_is_logged_with_its_traceback_and_ends_nothing(
    logs: list[MutableMapping[str, Any]],
) -> None:
    world = World([ZeroDivisionError(), None])
    world.queue.add(A)
    await pass_time(10)
    assert world.outcomes == ["panic", "success"]
    assert [entry["exc_info"] for entry in logs if "exc_info" in entry] == [True]


async def test_an_expected_failure_is_one_line_without_traceback(
    logs: list[MutableMapping[str, Any]],
) -> None:
    world = World([Expected("AWS says no"), None])
    world.queue.add(A)
    await pass_time(10)
    failed, over = logs
    assert (failed["error"], failed["log_level"]) == ("AWS says no", "warning")
    assert over["cause"] == "Expected"
    assert not any("exc_info" in entry for entry in logs)


async def test_a_cause_is_one_warning_however_many_objects_and_tries_it_takes(
    logs: list[MutableMapping[str, Any]],
) -> None:
    """With its begin and its end; each failed try is a line of less weight."""
    refused = ApiError(403, "Forbidden", "no")
    busy = ApiError(503, "Busy", "later")
    world = World([*[refused] * 40, busy, *[refused] * 9])
    for number in range(20):
        world.queue.add(("default", str(number)))
    await pass_time(1000)
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    told = [entry.get("cause") or entry["error"] for entry in warnings]
    assert told == ["403 Forbidden: no", "503 Busy: later", "503 Busy", "403 Forbidden"]
    assert len(logs) == 50 + 2


async def test_what_an_api_server_refuses_as_wrong_is_not_quoted(
    logs: list[MutableMapping[str, Any]],
) -> None:
    world = World([ApiError(422, "Invalid", 'spec.endpoint: Invalid value: "https://secret"'), None])
    world.queue.add(A)
    await pass_time(10)
    assert logs[0]["error"] == "422 Invalid"


async def test_shutting_the_queue_down_lets_passes_finish_and_starts_none() -> None:
    entered, finish = asyncio.Event(), asyncio.Event()
    passes = []

    async def slow(key: Key) -> None:
        passes.append(key)
        entered.set()
        await finish.wait()

    queue: WorkQueue[Key] = WorkQueue()
    task = asyncio.create_task(Workers(queue, slow, count=1).run())
    queue.add(A)
    queue.add(("default", "b"))
    await entered.wait()
    queue.shut_down()
    await pass_time(5)
    assert not task.done()
    finish.set()
    await task
    assert passes == [A]


@pytest.mark.parametrize("count", [1, 3])
async def test_no_more_passes_at_a_time_than_workers(count: int) -> None:
    running = peak = 0

    async def one_pass(_key: Key) -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await pass_time(1)
        running -= 1

    queue: WorkQueue[Key] = WorkQueue()
    task = asyncio.create_task(Workers(queue, one_pass, count=count).run())
    for number in range(10):
        queue.add(("default", str(number)))
    await pass_time(30)
    assert peak == count
    queue.shut_down()
    await task


async def test_passes_that_wait_for_nothing_leave_others_their_turn() -> None:
    world = World([], count=4)
    for number in range(1000):
        world.queue.add(("default", str(number)))
    turns = 0
    while len(world.outcomes) < 1000:
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 1000 / 4
