# ruff: noqa: D102  -- the names say it
from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import MutableMapping
from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.runtime.cluster import EVENTS, LEASES, ApiError
from mcp_gateway_operator.runtime.events import EventRecorder, ObjectRef
from mcp_gateway_operator.runtime.informer import Informer
from mcp_gateway_operator.runtime.lease import Lease
from mcp_gateway_operator.runtime.manager import Manager, Parts
from mcp_gateway_operator.runtime.queue import WorkQueue
from mcp_gateway_operator.runtime.workers import Workers
from tests.support.memory_cluster import Fault, MemoryApiServer
from tests.support.things import THINGS, Thing, decode_thing, thing
from tests.support.virtual_time import pass_time, wall_clock

Key = tuple[str, str]
OK = (200, "ok")


class Process:
    """One operator process over an in-memory API server; passes take `seconds`."""

    def __init__(self, server: MemoryApiServer, name: str = "one", *, seconds: float = 0.0) -> None:
        self.server = server
        self.seconds = seconds
        self.begun: list[Key] = []
        self.finished: list[Key] = []
        self.story: list[str] = []
        self.exits: list[int] = []
        queue: WorkQueue[Key] = WorkQueue()
        self.cluster, self.lease_cluster = server.connect(name), server.connect(name)
        self.informer: Informer[Thing] = Informer(
            self.cluster,
            THINGS,
            decode=decode_thing,
            on_event=lambda old, new: queue.add((new or old).key),  # type: ignore[union-attr]  # one is there
        )
        self.events = EventRecorder(self.cluster, component="c", instance=name, wall=wall_clock())
        self.parts = Parts(
            queue=queue,
            workers=Workers(queue, self.reconcile, count=2),
            informers=[self.informer],
            lease=Lease(
                self.lease_cluster, namespace="default", name="operator", identity=name, wall=wall_clock()
            ),
            events=self.events,
            prepare=self.prepare,
            lead=[("observer", self.observe)],
            stopping=self.stopping,
        )
        self.manager = Manager(self.parts, exit_now=self.exits.append)
        self.task = asyncio.create_task(self.manager.run())

    async def prepare(self) -> None:
        self.story.append("prepared")

    async def observe(self) -> None:
        self.story.append("observing")
        await asyncio.get_running_loop().create_future()

    async def stopping(self) -> None:
        self.story.append("stopping")

    async def reconcile(self, key: Key) -> None:
        self.begun.append(key)
        await asyncio.sleep(self.seconds)
        self.finished.append(key)
        self.events.record(ObjectRef("v1", "Thing", *key, "uid"), "Normal", "Done", key[1])


def make_server() -> MemoryApiServer:
    server = MemoryApiServer()
    server.serve(THINGS, "Thing")
    server.store.create(THINGS, "default", thing("a"))
    return server


def holder(server: MemoryApiServer) -> str:
    spec = msgspec.json.decode(server.store.get(LEASES, "default", "operator"))["spec"]
    return str(spec["holderIdentity"])


async def test_it_leads_prepares_and_works() -> None:
    process = Process(make_server())
    await process.manager.leading.wait()
    await pass_time(1)
    assert process.story == ["prepared", "observing"]
    assert process.finished == [("default", "a")]
    assert process.parts.health.answer("/readyz") == OK
    process.manager.stop()
    assert await process.task == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_finishes_what_was_begun_and_releases_the_lease_last(number: signal.Signals) -> None:
    server = make_server()
    process = Process(server, seconds=8.0)
    await process.manager.leading.wait()
    await pass_time(1)
    os.kill(os.getpid(), number)
    await pass_time(1)
    assert "[-]shutdown failed: stopping\n" in process.parts.health.answer("/readyz")[1]
    server.store.create(THINGS, "default", thing("late"))
    assert await process.task == 0
    assert process.finished == [("default", "a")]
    assert process.begun == [("default", "a")]
    assert process.story[-1] == "stopping"
    assert len(server.store.objects[EVENTS]) == 1
    assert holder(server) == ""
    assert server.log[-1].resource == LEASES
    assert asyncio.get_running_loop().time() < 10


async def test_passes_that_do_not_end_are_cut_off_within_the_grace_period() -> None:
    server = make_server()
    process = Process(server, seconds=1e6)
    await process.manager.leading.wait()
    await pass_time(1)
    process.manager.stop()
    assert await process.task == 0
    assert asyncio.get_running_loop().time() <= 26
    assert process.finished == []
    assert holder(server) == ""


async def test_a_hanging_api_server_does_not_hold_up_the_end() -> None:
    process = Process(make_server(), seconds=2.0)
    await process.manager.leading.wait()
    await pass_time(1)
    process.cluster.faults = process.lease_cluster.faults = lambda _: Fault(hang=True)
    process.manager.stop()
    assert await process.task == 0
    assert asyncio.get_running_loop().time() <= 27


async def test_a_second_signal_exits_at_once() -> None:
    process = Process(make_server(), seconds=1e6)
    await process.manager.leading.wait()
    await pass_time(1)
    os.kill(os.getpid(), signal.SIGTERM)
    await pass_time(0.1)
    os.kill(os.getpid(), signal.SIGINT)
    await pass_time(0.1)
    assert process.exits == [130]
    await process.task


async def test_a_terminal_that_closes_may_say_so_twice() -> None:
    process = Process(make_server(), seconds=8.0)
    await process.manager.leading.wait()
    await pass_time(1)
    os.kill(os.getpid(), signal.SIGHUP)
    await pass_time(0.1)
    os.kill(os.getpid(), signal.SIGHUP)
    assert await process.task == 0
    assert process.exits == []
    assert process.finished == [("default", "a")]


async def test_the_end_of_a_terminal_is_ignored_where_it_was_before() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = Process(make_server())
        await process.manager.leading.wait()
        os.kill(os.getpid(), signal.SIGHUP)
        await pass_time(1)
        assert process.parts.health.answer("/readyz") == OK
        process.manager.stop()
        assert await process.task == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_a_standby_is_ready_and_takes_over_when_the_leader_ends() -> None:
    server = make_server()
    leader = Process(server, "one")
    await leader.manager.leading.wait()
    standby = Process(server, "two")
    await pass_time(60)
    assert standby.parts.health.answer("/readyz") == OK
    assert standby.begun == []
    leader.manager.stop()
    await leader.task
    stopped = asyncio.get_running_loop().time()
    await standby.manager.leading.wait()
    assert asyncio.get_running_loop().time() - stopped <= 6
    standby.manager.stop()
    assert await standby.task == 0


async def test_the_loss_of_the_lease_ends_the_process_with_one_sentence(
    logs: list[MutableMapping[str, Any]],
) -> None:
    process = Process(make_server(), seconds=1e6)
    await process.manager.leading.wait()
    await pass_time(1)
    process.lease_cluster.faults = lambda _: Fault(refuse=ApiError(0, "ConnectError", "refused"))
    assert await process.task == 1
    (error,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert "could not be renewed" in error["event"]
    assert "exc_info" not in error


async def test_a_part_that_fails_ends_the_process_and_frees_the_lease(
    logs: list[MutableMapping[str, Any]],
) -> None:
    server = make_server()
    process = Process(server)

    async def broken() -> None:
        raise ZeroDivisionError

    process.parts.lead = [("observer", broken)]
    assert await process.task == 1
    assert any(isinstance(entry.get("exc_info"), ZeroDivisionError) for entry in logs)
    assert holder(server) == ""


async def test_a_part_that_ends_on_its_own_ends_the_process() -> None:
    process = Process(make_server())

    async def finished() -> None:
        return

    process.parts.lead = [("observer", finished)]
    assert await process.task == 1


async def test_a_preparation_that_fails_ends_the_process() -> None:
    process = Process(make_server())

    async def broken() -> None:
        raise ZeroDivisionError

    process.parts.prepare = broken
    assert await process.task == 1
    assert process.begun == []


async def test_without_lease_rights_a_guard_gives_way_loudly(logs: list[MutableMapping[str, Any]]) -> None:
    process = Process(make_server())
    process.parts.lease_required = False
    process.lease_cluster.faults = lambda _: Fault(refuse=ApiError(403, "Forbidden", "leases"))
    await process.manager.leading.wait()
    assert process.parts.lease.valid_for(1000)
    assert any("nothing keeps a second process" in entry["event"] for entry in logs)
    process.manager.stop()
    assert await process.task == 0


async def test_without_lease_rights_leader_election_does_not_write() -> None:
    process = Process(make_server())
    process.lease_cluster.faults = lambda _: Fault(refuse=ApiError(403, "Forbidden", "leases"))
    assert await process.task == 1
    assert process.begun == []


async def test_readiness_waits_for_the_caches_and_liveness_does_not() -> None:
    process = Process(make_server())
    process.cluster.faults = lambda _: Fault(refuse=ApiError(0, "ConnectError", "refused"))
    await pass_time(3600)
    assert (
        "[-]informers failed: 1 of 1 caches are not filled yet\n" in process.parts.health.answer("/readyz")[1]
    )
    assert process.parts.health.answer("/healthz") == OK
    process.manager.stop()
    assert await process.task == 0
