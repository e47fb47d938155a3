"""Blocking calls in a few threads."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from mcp_gateway_operator.agentcore.aws.threads import Share, ThreadPool


async def test_results_and_errors_reach_the_caller() -> None:
    """Results and errors reach the caller."""
    pool = ThreadPool(2, "test")
    assert await pool.submit(lambda: 7).future == 7
    with pytest.raises(ZeroDivisionError):
        await pool.submit(lambda: 1 // 0).future
    pool.close()


async def test_no_more_threads_than_allowed_and_no_more_than_needed() -> None:
    """No more threads than allowed and no more than needed."""
    pool = ThreadPool(3, "bounded")
    for _ in range(5):
        await pool.submit(lambda: None).future
    assert threads("bounded") == 1
    release = threading.Event()
    jobs = [pool.submit(lambda: release.wait(10)) for _ in range(10)]
    assert threads("bounded") == 3
    release.set()
    await asyncio.gather(*(job.future for job in jobs))
    pool.close()


async def test_a_call_cancelled_in_the_queue_is_never_made() -> None:
    """A call cancelled in the queue is never made."""
    pool = ThreadPool(1, "test")
    release = threading.Event()
    made: list[str] = []
    first = pool.submit(lambda: release.wait(10))
    second = pool.submit(lambda: made.append("second"))
    third = pool.submit(lambda: made.append("third"))
    second.future.cancel()
    release.set()
    await asyncio.gather(first.future, third.future)
    assert made == ["third"]
    assert not second.started
    pool.close()


async def test_a_call_whose_caller_left_ends_unseen() -> None:
    """A call whose caller left ends unseen."""
    pool = ThreadPool(1, "test")
    release = threading.Event()
    job = pool.submit(lambda: release.wait(10))
    job.future.cancel()
    release.set()
    assert await pool.submit(lambda: "next").future == "next"
    pool.close()


def test_a_call_that_outlives_the_loop_ends_unseen() -> None:
    """A call that outlives the loop ends unseen."""
    pool = ThreadPool(1, "outliving")
    release = threading.Event()

    async def main() -> None:
        pool.submit(lambda: release.wait(10))

    asyncio.run(main())
    release.set()
    pool.close()
    for thread in threading.enumerate():
        if thread.name.startswith("outliving"):
            thread.join(10)
    assert threads("outliving") == 0


async def test_a_closed_pool_takes_nothing() -> None:
    """A closed pool takes nothing."""
    pool = ThreadPool(1, "test")
    pool.close()
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(lambda: None)


def threads(name: str) -> int:
    """Count the living threads of a pool."""
    return sum(thread.name.startswith(name) for thread in threading.enumerate())


async def test_a_call_is_made_in_the_context_of_its_caller() -> None:
    """What is logged in a thread says for which object, and nothing of it stays there for the next call."""
    pool = ThreadPool(1, "test")
    subject: ContextVar[str] = ContextVar("subject", default="nobody")

    def call() -> str:
        before = subject.get()
        subject.set("left behind")
        return before

    async def ask(name: str) -> str:
        subject.set(name)
        return await pool.submit(call).future

    asked = [asyncio.create_task(ask(name)) for name in ("a", "b")]
    assert await asyncio.gather(*asked) == ["a", "b"]
    assert await pool.submit(call).future == "nobody"
    pool.close()


async def test_a_share_whose_calls_hang_leaves_threads_to_the_others() -> None:
    pool = ThreadPool(3, "shared")
    dead, alive = Share(pool, 2), Share(pool, 2)
    begun, release = threading.Semaphore(0), threading.Event()

    def hang() -> None:
        begun.release()
        release.wait(60)

    hanging = [dead.submit(hang) for _ in range(10)]
    for _ in range(2):
        await asyncio.to_thread(begun.acquire)
    for job in hanging[:2]:
        # Nobody waits for them any more, and they keep their threads all the same.
        job.future.cancel()
    assert await alive.submit(lambda: "answered").future == "answered"
    assert threads("shared") <= 3
    assert [job.started for job in hanging].count(True) == 2
    hanging[2].future.cancel()
    release.set()
    await asyncio.gather(*(job.future for job in hanging[3:]))
    assert not hanging[2].started
    pool.close()


async def test_a_share_of_a_share_leaves_threads_whoever_its_calls_are_for() -> None:
    """As a Region that does not answer, with many accounts in it."""
    pool = ThreadPool(4, "nested")
    region = Share(pool, 3)
    accounts = [Share(region, 2) for _ in range(4)]
    begun, release = threading.Semaphore(0), threading.Event()

    def hang() -> None:
        begun.release()
        release.wait(60)

    hanging = [account.submit(hang) for account in accounts for _ in range(3)]
    for _ in range(3):
        await asyncio.to_thread(begun.acquire)
    assert await Share(pool, 2).submit(lambda: "answered").future == "answered"
    assert [job.started for job in hanging].count(True) == 3
    # Those that nobody waits for any more leave their places.
    for job in hanging:
        job.future.cancel()
    release.set()
    for account in accounts * 3:
        assert await account.submit(lambda: "again").future == "again"
    assert threads("nested") <= 4
    pool.close()
