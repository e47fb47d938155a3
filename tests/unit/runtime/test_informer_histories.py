# ruff: noqa: D102  -- the helpers' names say what they do
"""Random histories of a server that fails at random: the informer's copy always comes to equal the truth."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway_operator.runtime.cluster import ApiError, PatchType, WatchEvent
from mcp_gateway_operator.runtime.informer import Informer
from tests.support.memory_cluster import LOST, Fault, MemoryApiServer, Request
from tests.support.memory_store import Change
from tests.support.things import THINGS, Thing, decode_thing, thing
from tests.support.virtual_time import pass_time, run_virtual

Step = tuple[str, str, int]

NAMES = ("a", "b", "c")
ACTIONS = (
    "create",
    "resize",
    "delete",
    "recreate",
    "write and remember",
    "write and remember late",
    "break watches",
    "end watches",
    "silence watches",
    "compact",
    "error event",
    "broken event",
    "refuse for a while",
    "wait",
)

steps = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.sampled_from(NAMES), st.integers(0, 90)), min_size=1, max_size=40
)


class History:
    """One server with its history, an informer, and a ledger of what the informer told."""

    def __init__(self, seed: int) -> None:
        self.server = MemoryApiServer(history=8)
        self.server.serve(THINGS, "Thing")
        self.store = self.server.store
        self.rng = random.Random(seed)  # noqa: S311  -- repeatable
        self.cluster = self.server.connect("informer", faults=self.fault)
        self.cluster.latency = lambda _: self.rng.random() * 0.5
        self.down_until = 0.0
        self.told: dict[tuple[str, str], str] = {}
        self.sizes = 0
        self.late: list[bytes] = []
        self.informer: Informer[Thing] = Informer(
            self.cluster, THINGS, decode=decode_thing, on_event=self.on_event, jitter=self.rng.random
        )

    def fault(self, _request: Request) -> Fault | None:
        down = asyncio.get_running_loop().time() < self.down_until
        return Fault(refuse=ApiError(503, "ServiceUnavailable", "down")) if down else None

    def on_event(self, old: Thing | None, new: Thing | None) -> None:
        """Keep the ledger: what is told must follow from what was told before."""
        obj = new or old
        assert obj is not None
        before = self.told.pop(obj.key, None)
        assert before == (old.metadata.uid if old else None), "each object comes once and goes once"
        if new is not None:
            self.told[new.key] = new.metadata.uid

    def write(self, name: str) -> bytes | None:
        self.sizes += 1
        if ("default", name) not in self.store.objects[THINGS]:
            return None
        body = {"spec": {"size": self.sizes}}
        return self.store.patch(THINGS, "default", name, body, kind=PatchType.MERGE)

    def create(self, name: str) -> None:
        if ("default", name) not in self.store.objects[THINGS]:
            self.store.create(THINGS, "default", thing(name))

    def delete(self, name: str) -> None:
        if ("default", name) in self.store.objects[THINGS]:
            self.store.delete(THINGS, "default", name)

    def recreate(self, name: str) -> None:
        self.delete(name)
        self.create(name)

    def perform(self, action: str, name: str, number: int) -> None:
        """Carry out one step of the history."""
        broken = WatchEvent("ADDED", b'{"metadata": {"name": 5}}')  # type: ignore[arg-type]  # msgspec.Raw is a buffer
        status = b'{"code": 500, "reason": "InternalError", "message": "boom"}'
        acts: dict[str, Callable[[], Any]] = {
            "create": lambda: self.create(name),
            "resize": lambda: self.write(name),
            "delete": lambda: self.delete(name),
            "recreate": lambda: self.recreate(name),
            "write and remember": lambda: self.remember(self.write(name)),
            "write and remember late": lambda: self.late.append(self.write(name) or b""),
            "break watches": lambda: self.server.break_watches(LOST),
            "end watches": lambda: self.server.break_watches(None),
            "silence watches": self.server.silence_watches,
            "compact": self.store.compact,
            "error event": lambda: self.server.inject(WatchEvent("ERROR", status)),  # type: ignore[arg-type]
            "broken event": lambda: self.server.inject(broken),
            "refuse for a while": lambda: self.refuse(number),
            "wait": lambda: None,
        }
        acts[action]()

    def remember(self, answer: bytes | None) -> None:
        if answer:
            self.informer.remember(answer)

    def refuse(self, seconds: int) -> None:
        self.down_until = asyncio.get_running_loop().time() + seconds
        self.server.break_watches(LOST)

    def truth(self) -> dict[tuple[str, str], bytes]:
        return {key: body for key, body in self.store.objects[THINGS].items() if key[0] == "default"}

    def matches(self) -> bool:
        held = {obj.key: obj for obj in self.informer.values()}
        return held == {key: decode_thing(body) for key, body in self.truth().items()}


async def live_through(history: History, plan: list[Step], *, pause: float) -> None:
    task = asyncio.create_task(history.informer.run())
    for action, name, number in plan:
        late, history.late = history.late, []
        history.perform(action, name, number)
        for answer in late:
            history.remember(answer)
        await asyncio.sleep(pause * history.rng.random() + (number if action == "wait" else 0))
    # From here on nothing happens any more: a dead stream is found, the backoff runs out, the server is up.
    await pass_time(90 + 130 + 30 + 30)
    assert not task.done()
    assert history.matches()
    assert history.told == {obj.key: obj.metadata.uid for obj in history.informer.values()}
    settled = dict(history.told)
    await pass_time(2 * 3600)
    assert history.matches()
    assert history.told == settled
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@settings(max_examples=150, deadline=None)
@given(plan=steps, seed=st.integers(0, 2**32), pause=st.sampled_from([0.0, 0.3, 5.0, 40.0]))
def test_the_copy_comes_to_equal_the_truth_and_each_object_is_told_once(
    plan: list[Step], seed: int, pause: float
) -> None:
    run_virtual(in_history(seed, plan, pause))


async def in_history(seed: int, plan: list[Step], pause: float) -> None:
    await live_through(History(seed), plan, pause=pause)


@settings(max_examples=60, deadline=None)
@given(plan=steps, seed=st.integers(0, 2**32), back=st.integers(1, 39))
def test_after_a_restore_of_etcd_the_copy_comes_to_equal_the_truth_within_the_hour(
    plan: list[Step], seed: int, back: int
) -> None:
    async def main() -> None:
        history = History(seed)
        task = asyncio.create_task(history.informer.run())
        backup = history.store.snapshot()
        for position, (action, name, number) in enumerate(plan):
            history.perform(action, name, number)
            if position == back % len(plan):
                backup = history.store.snapshot()
            await pass_time(1.0)
        history.store.restore(backup)
        for name in NAMES:
            history.remember(history.write(name))
        await pass_time(3600 + 400)
        assert history.matches()
        task.cancel()

    run_virtual(main())


@settings(max_examples=60, deadline=None)
@given(plan=steps, seed=st.integers(0, 2**32))
def test_lost_events_are_made_up_for_by_the_next_full_list(plan: list[Step], seed: int) -> None:
    async def main() -> None:
        history = History(seed)

        def lose_half(_change: Change) -> bool:
            return history.rng.random() < 0.5

        history.cluster.drop = lose_half
        task = asyncio.create_task(history.informer.run())
        for action, name, number in plan:
            history.perform(action, name, number)
            await pass_time(1.0)
        history.cluster.drop = None
        await pass_time(3600 + 400)
        assert history.matches()
        assert history.told == {obj.key: obj.metadata.uid for obj in history.informer.values()}
        task.cancel()

    run_virtual(main())
