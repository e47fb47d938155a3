# ruff: noqa: D101, D102  -- the names of the tests are sentences
from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.runtime.cluster import NAMESPACES, ApiError, PatchType, WatchEvent
from mcp_gateway_operator.runtime.informer import Informer, InformerTimes
from tests.support.background import in_background
from tests.support.memory_cluster import Fault, MemoryApiServer, MemoryCluster, Request
from tests.support.things import THINGS, Thing, decode_thing, thing
from tests.support.virtual_time import pass_time

A, B = ("default", "a"), ("default", "b")
Event = tuple[int | None, int | None]


class World:
    """A server, an informer over it, and what the informer reported."""

    def __init__(self, *, namespaces: Sequence[str] = (), times: InformerTimes | None = None) -> None:
        self.server = MemoryApiServer()
        self.server.serve(THINGS, "Thing")
        self.user = self.server.connect("user")
        self.cluster: MemoryCluster = self.server.connect("informer")
        self.events: list[tuple[Thing | None, Thing | None]] = []
        self.informer: Informer[Thing] = Informer(
            self.cluster,
            THINGS,
            decode=decode_thing,
            on_event=lambda old, new: self.events.append((old, new)),
            namespaces=namespaces,
            times=times,
            jitter=lambda: 0.5,
        )

    def sizes(self) -> list[Event]:
        """Return the reported events as (old size, new size), and forget them."""
        told = [(old.spec.size if old else None, new.spec.size if new else None) for old, new in self.events]
        self.events.clear()
        return told

    async def create(self, name: str, size: int = 0, namespace: str = "default") -> Thing:
        return decode_thing(await self.user.create(THINGS, namespace, thing(name, size=size)))

    async def resize(self, name: str, size: int, client: MemoryCluster | None = None) -> bytes:
        body = {"spec": {"size": size}}
        return await (client or self.user).patch(THINGS, "default", name, body, kind=PatchType.MERGE)

    def listed(self) -> int:
        return self.server.counts()["list", "things", ""]

    def size_of(self, key: tuple[str, str]) -> int | None:
        held = self.informer.get(key)
        return None if held is None else held.spec.size


@contextlib.asynccontextmanager
async def running(world: World) -> AsyncIterator[World]:
    async with in_background(world.informer.run()):
        await world.informer.synced.wait()
        await pass_time(0.1)
        yield world


async def test_existing_objects_and_later_changes_are_each_reported_once() -> None:
    world = World()
    await world.create("a", 1)
    async with running(world):
        assert world.sizes() == [(None, 1)]
        await world.resize("a", 2)
        await world.create("b", 7)
        await world.user.delete(THINGS, *A)
        await pass_time(1)
        assert world.sizes() == [(1, 2), (None, 7), (2, None)]
        assert [obj.metadata.name for obj in world.informer.values()] == ["b"]
        await pass_time(3 * 3600)
        assert world.sizes() == []


async def test_long_lists_come_in_pages() -> None:
    world = World()
    for number in range(1201):
        world.server.store.create(THINGS, "default", thing(f"n{number}"))
    async with running(world):
        assert len(world.informer) == 1201
        assert world.listed() == 4


@pytest.mark.parametrize("always_expired", [False, True])
async def test_objects_too_large_for_a_page_of_many_come_in_smaller_pages(*, always_expired: bool) -> None:
    """Also where the server forgets continue tokens, so that the informer asks for all at once."""
    world = World()
    for number in range(1000):
        body = thing(f"n{number:04}")
        if 400 <= number < 420:
            body["spec"]["text"] = "x" * 1_000_000
        world.server.store.create(THINGS, "default", body)
    if always_expired:
        expired = ApiError(410, "Expired", "too old")
        faults = iter([Fault(refuse=expired)] * 3)
        world.cluster.faults = lambda request: next(faults, None) if request.verb == "list" else None
    async with running(world):
        assert len(world.informer) == 1000
        assert world.listed() < 40


async def test_one_object_that_no_page_can_hold_is_a_trouble_and_no_busy_loop() -> None:
    world = World()
    body = thing("huge")
    body["spec"]["text"] = "x" * 5_000_000
    world.server.store.create(THINGS, "default", body)
    task = asyncio.create_task(world.informer.run())
    await pass_time(120)
    assert world.informer.trouble is not None
    assert world.informer.trouble.too_long
    assert world.listed() < 120
    world.server.store.delete(THINGS, "default", "huge")
    async with asyncio.timeout(30):
        await world.informer.synced.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_compacted_version_leads_to_a_list_that_reports_what_vanished() -> None:
    world = World()
    await world.create("a", 1)
    await world.create("b", 1)
    async with running(world):
        world.sizes()
        world.cluster.frozen = True
        await world.user.delete(THINGS, *A)
        await world.resize("b", 2)
        await world.create("c", 3)
        world.server.store.compact()
        world.cluster.frozen = False
        await pass_time(200)
        assert sorted(world.sizes(), key=str) == [(1, 2), (1, None), (None, 3)]
        assert world.informer.get(A) is None


async def test_a_compacted_version_is_listed_anew_without_delay() -> None:
    world = World()
    await world.create("a", 1)
    async with running(world):
        world.server.store.compact()
        world.server.store.create(THINGS, "default", thing("b"))
        world.server.store.compact()
        await pass_time(2)
        assert world.listed() == 2
        assert len(world.informer) == 2


async def test_an_expired_continue_token_starts_the_list_again() -> None:
    world = World()
    for number in range(700):
        world.server.store.create(THINGS, "default", thing(f"n{number}"))
    compactions = iter(range(3))

    def compact_between_pages(request: Request) -> Fault | None:
        second_page = request.verb == "list" and world.listed() % 2 == 0
        return Fault(before=compact) if second_page and next(compactions, None) is not None else None

    def compact() -> None:
        world.server.store.create(THINGS, "default", thing(f"m{world.listed()}"))
        world.server.store.compact()

    world.cluster.faults = compact_between_pages
    async with running(world):
        assert len(world.informer) == 703
        assert len(world.sizes()) == 703


async def test_a_silent_connection_is_noticed_and_replaced() -> None:
    world = World()
    await world.create("a", 1)
    async with running(world):
        world.server.silence_watches()
        await world.resize("a", 2)
        await pass_time(150)
        assert world.size_of(A) == 2


async def test_bookmarks_alone_keep_a_watch_alive() -> None:
    world = World()
    async with running(world):
        await pass_time(1500)
        watches = world.server.counts()["watch", "things", ""]
        assert watches <= 5, "one per server timeout, none for silence"
        assert world.listed() == 1


@pytest.mark.parametrize(
    "error",
    [
        ApiError(0, "ConnectError", "refused"),
        ApiError(500, "InternalError", "etcdserver: leader changed"),
        ApiError(503, "ServiceUnavailable", "apiserver is shutting down"),
        ApiError(403, "Forbidden", "cannot watch"),
        RuntimeError("a bug"),
    ],
)
async def test_any_error_is_survived_and_nothing_is_missed(error: Exception) -> None:
    world = World()
    await world.create("a", 1)
    async with running(world):
        world.cluster.faults = lambda request: Fault(refuse=error) if request.verb == "watch" else None
        world.server.break_watches()
        await world.resize("a", 2)
        await pass_time(20)
        world.cluster.faults = None
        await pass_time(11)
        assert world.size_of(A) == 2


async def test_a_short_failure_goes_on_from_the_same_version_without_a_list() -> None:
    world = World()
    async with running(world):
        world.server.break_watches()
        await world.create("a", 1)
        await pass_time(5)
        assert world.listed() == 1
        assert world.sizes() == [(None, 1)]


async def test_watching_forbidden_but_listing_allowed_degrades_to_lists() -> None:
    world = World()
    denied = ApiError(403, "Forbidden", "cannot watch")
    world.cluster.faults = lambda request: Fault(refuse=denied) if request.verb == "watch" else None
    async with running(world):
        await world.create("a", 1)
        await pass_time(60)
        assert world.size_of(A) == 1
        before = world.listed()
        await pass_time(600)
        assert world.listed() - before <= 20


async def test_retry_after_is_honoured() -> None:
    world = World()
    busy = ApiError(429, "TooManyRequests", "slow down", retry_after=40)
    answers = iter([busy])

    def faults(request: Request) -> Fault | None:
        refuse = next(answers, None) if request.verb == "list" else None
        return Fault(refuse=refuse) if refuse else None

    world.cluster.faults = faults
    async with running(world):
        assert asyncio.get_running_loop().time() == pytest.approx(40, abs=1)


async def test_an_error_event_ends_the_watch_and_is_retried() -> None:
    world = World()
    async with running(world):
        status = msgspec.json.encode({"code": 500, "reason": "InternalError", "message": "boom"})
        world.server.inject(WatchEvent("ERROR", msgspec.Raw(status)))
        await world.create("a", 1)
        await pass_time(20)
        assert world.sizes() == [(None, 1)]


async def test_a_watch_that_ends_at_once_is_not_repeated_in_a_tight_loop() -> None:
    world = World()
    async with running(world):

        def end_at_once(request: Request) -> Fault | None:
            if request.verb == "watch":
                asyncio.get_running_loop().call_later(0.01, world.server.break_watches, None)
            return None

        world.cluster.faults = end_at_once
        world.server.break_watches(None)
        before = world.server.counts()["watch", "things", ""]
        await pass_time(100)
        assert world.server.counts()["watch", "things", ""] - before < 25


async def test_an_object_that_cannot_be_decoded_harms_no_other() -> None:
    world = World()
    await world.create("a", 1)
    async with running(world):
        world.sizes()
        bad = thing("bad") | {"spec": {"size": "large"}}
        await world.user.create(THINGS, "default", bad)
        await world.resize("a", 2)
        await pass_time(1)
        assert world.sizes() == [(1, 2)]
        assert list(world.informer.undecodable) == [("default", "bad")]
        await world.resize("bad", 3)
        await pass_time(1)
        assert world.sizes() == [(None, 3)]
        assert not world.informer.undecodable


async def test_an_object_that_becomes_unreadable_keeps_its_last_good_state_until_it_is_gone() -> None:
    world = World()
    await world.create("a", 1)
    async with running(world):
        body = {"spec": {"size": "large"}}
        await world.user.patch(THINGS, *A, body, kind=PatchType.MERGE)
        await pass_time(3 * 3600)
        assert world.size_of(A) == 1
        world.sizes()
        await world.user.delete(THINGS, *A)
        await pass_time(1)
        assert world.sizes() == [(1, None)]


async def test_a_handler_that_fails_does_not_end_the_informer() -> None:
    world = World()
    seen = []

    def handler(_old: Thing | None, new: Thing | None) -> None:
        assert new is not None
        if new.metadata.name == "a":
            raise ValueError("bug")
        seen.append(new.metadata.name)

    world.informer.on_event = handler
    await world.create("a")
    await world.create("b")
    async with running(world):
        assert seen == ["b"]


async def test_several_namespaces_are_watched_apart() -> None:
    world = World(namespaces=("one", "two"))
    for namespace in ("one", "two", "three"):
        await world.user.create(NAMESPACES, None, {"metadata": {"name": namespace}})
        await world.create("x", 1, namespace)
    async with running(world):
        assert {obj.metadata.namespace for obj in world.informer.values()} == {"one", "two"}
        world.sizes()
        world.server.store.compact()
        await world.user.delete(THINGS, "one", "x")
        await world.create("y", 5, "two")
        await world.create("y", 9, "three")
        await pass_time(7200)
        assert sorted(world.sizes(), key=str) == [(1, None), (None, 5)]


async def test_the_same_name_with_a_new_uid_is_reported_as_a_change_of_object() -> None:
    world = World()
    first = await world.create("a", 1)
    async with running(world):
        world.cluster.frozen = True
        await world.user.delete(THINGS, *A)
        second = await world.create("a", 5)
        world.server.store.compact()
        world.cluster.frozen = False
        world.events.clear()
        await pass_time(200)
        ((old, new),) = world.events
        assert old is not None
        assert new is not None
        assert (old.metadata.uid, new.metadata.uid) == (first.metadata.uid, second.metadata.uid)


async def test_a_resource_that_is_not_served_yet_is_waited_for() -> None:
    world = World()
    world.server.store.stop_serving(THINGS)
    task = asyncio.create_task(world.informer.run())
    await pass_time(120)
    assert not world.informer.synced.is_set()
    trouble = world.informer.trouble
    assert trouble is not None
    assert trouble.not_found
    world.server.serve(THINGS, "Thing")
    await asyncio.wait_for(world.informer.synced.wait(), 11)
    assert world.informer.trouble is None
    task.cancel()


async def test_a_deleted_resource_takes_its_objects_along_and_comes_back() -> None:
    world = World()
    await world.create("a", 1)
    async with running(world):
        world.sizes()
        world.server.store.stop_serving(THINGS)
        await pass_time(60)
        assert world.sizes() == [(1, None)]
        world.server.serve(THINGS, "Thing")
        await world.create("a", 2)
        await pass_time(60)
        assert world.sizes() == [(None, 2)]


async def test_a_restore_of_etcd_is_noticed_although_the_watch_stays_silent() -> None:
    world = World()
    await world.create("a", 1)
    async with running(world):
        backup = world.server.store.snapshot()
        for size in range(2, 50):
            await world.resize("a", size)
        await world.create("b", 1)
        await pass_time(1)
        world.sizes()
        world.server.store.restore(backup)
        await pass_time(3700)
        assert sorted(world.sizes(), key=str) == [(1, None), (49, 1)]


async def test_a_write_of_ours_older_than_the_cache_reveals_a_restore_at_once() -> None:
    world = World()
    await world.create("a", 1)
    async with running(world):
        backup = world.server.store.snapshot()
        for size in range(2, 50):
            await world.resize("a", size)
        await pass_time(1)
        world.server.store.restore(backup)
        world.informer.remember(await world.resize("a", 7))
        await pass_time(1)
        assert world.size_of(A) == 7


class TestReadYourWrites:
    async def test_an_answer_is_in_the_cache_at_once_and_its_event_changes_nothing(self) -> None:
        world = World()
        await world.create("a", 1)
        async with running(world):
            world.sizes()
            world.informer.remember(await world.resize("a", 2))
            assert world.size_of(A) == 2
            assert world.sizes() == [(1, 2)]
            await pass_time(10)
            assert world.sizes() == []

    async def test_an_older_event_never_overwrites_it(self) -> None:
        world = World()
        await world.create("a", 1)
        async with running(world):
            world.cluster.frozen = True
            for size in (2, 3, 4):
                answer = await world.resize("a", size)
            world.informer.remember(answer)
            world.sizes()
            world.cluster.frozen = False
            await world.resize("a", 5)
            await pass_time(200)
            assert world.sizes() == [(4, 5)]

    async def test_an_answer_older_than_the_newest_event_is_ignored(self) -> None:
        world = World()
        await world.create("a", 1)
        async with running(world):
            answer = await world.resize("a", 2)
            await world.resize("a", 3)
            await pass_time(1)
            world.informer.remember(answer)
            assert world.size_of(A) == 3

    async def test_a_late_answer_does_not_bring_a_deleted_object_back(self) -> None:
        world = World()
        await world.create("a", 1)
        async with running(world):
            answer = await world.resize("a", 2)
            await world.user.delete(THINGS, *A)
            await pass_time(1)
            world.informer.remember(answer)
            assert world.informer.get(A) is None

    async def test_an_answer_for_an_old_uid_never_hides_the_new_object(self) -> None:
        world = World()
        await world.create("a", 1)
        async with running(world):
            answer = await world.resize("a", 2)
            await world.user.delete(THINGS, *A)
            new = await world.create("a", 9)
            await pass_time(1)
            world.informer.remember(answer)
            held = world.informer.get(A)
            assert held is not None
            assert held.metadata.uid == new.metadata.uid

    async def test_the_deletion_of_an_old_uid_does_not_remove_the_new_object(self) -> None:
        world = World()
        await world.create("a", 1)
        async with running(world):
            world.cluster.frozen = True
            await world.user.delete(THINGS, *A)
            await world.create("a", 9)
            world.informer.remember(await world.resize("a", 10))
            world.sizes()
            world.cluster.frozen = False
            await pass_time(100)
            assert world.size_of(A) == 10
            assert world.sizes() == []

    async def test_a_list_that_began_before_a_write_does_not_undo_it(self) -> None:
        world = World(times=InformerTimes(relist=(100, 100)))
        await world.create("a", 1)
        async with running(world):
            written: list[Any] = []

            def write_during_the_list(request: Request) -> Fault | None:
                return Fault(after=write) if request.verb == "list" and not written else None

            def write() -> None:
                body = {"spec": {"size": 2}}
                written.append(world.server.store.patch(THINGS, *A, body, kind=PatchType.MERGE))
                world.informer.remember(written[0])

            world.cluster.faults = write_during_the_list
            world.sizes()
            await pass_time(150)
            assert written
            assert world.sizes() == [(1, 2)]

    async def test_an_object_known_to_be_gone_is_dropped_at_once(self) -> None:
        world = World()
        obj = await world.create("a", 1)
        async with running(world):
            world.sizes()
            await world.user.delete(THINGS, *A)
            world.informer.forget(A, obj.metadata.uid)
            assert world.informer.get(A) is None
            await pass_time(10)
            assert world.sizes() == [(1, None)]


class TestHealth:
    async def test_an_api_server_that_is_away_does_not_make_the_informer_dead(self) -> None:
        world = World()
        loop = asyncio.get_running_loop()
        async with running(world):
            world.cluster.faults = lambda _: Fault(refuse=ApiError(0, "ConnectError", "refused"))
            world.server.break_watches()
            await pass_time(7200)
            assert world.informer.healthy(loop.time())

    async def test_hanging_lists_are_given_up_and_tried_again(self) -> None:
        world = World()
        hangs = iter([True, True])
        world.cluster.faults = lambda request: (
            Fault(hang=True) if request.verb == "list" and next(hangs, None) else None
        )
        async with running(world):
            assert asyncio.get_running_loop().time() == pytest.approx(121.5, abs=2)
