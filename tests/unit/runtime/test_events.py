# ruff: noqa: D102  -- the names of the tests are sentences
from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, MutableMapping
from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.runtime.cluster import EVENTS, ApiError
from mcp_gateway_operator.runtime.events import BUFFER, REMEMBERED, SENDERS, EventRecorder, ObjectRef
from tests.support.memory_cluster import Fault, MemoryApiServer, Request
from tests.support.virtual_time import pass_time, wall_clock

REF = ObjectRef("test.example.com/v1", "Thing", "default", "a", "uid-a", "7")


class World:
    """A recorder that runs, and the server it writes to."""

    def __init__(self) -> None:
        self.server = MemoryApiServer()
        self.cluster = self.server.connect()
        self.recorder = EventRecorder(
            self.cluster,
            component="operator",
            instance="pod-0",
            wall=wall_clock(),
            rng=random.Random(1),  # noqa: S311  -- repeatable
        )
        self.task = asyncio.create_task(self.recorder.run())

    def record(self, namespace: str, message: str, *, name: str = "a") -> None:
        ref = ObjectRef("test.example.com/v1", "Thing", namespace, name, f"uid-{namespace}-{name}")
        self.recorder.record(ref, "Normal", "Any", message)

    def messages(self, namespace: str) -> set[str]:
        return {event["message"] for event in self.stored() if event["metadata"]["namespace"] == namespace}

    def stored(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(body) for _, body in self.server.store.select(EVENTS, None)]


async def test_an_event_names_the_object_the_reason_and_the_reporter() -> None:
    world = World()
    world.recorder.record(REF, "Warning", "Broken", "It broke.")
    await world.recorder.flush(5)
    (event,) = world.stored()
    assert event["involvedObject"] == {
        "apiVersion": "test.example.com/v1",
        "kind": "Thing",
        "namespace": "default",
        "name": "a",
        "uid": "uid-a",
        "resourceVersion": "7",
    }
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "Broken", "It broke.")
    assert (event["reportingComponent"], event["reportingInstance"]) == ("operator", "pod-0")
    assert (event["count"], event["firstTimestamp"]) == (1, "2026-01-01T00:00:00Z")


async def test_identical_events_become_one_with_a_count() -> None:
    world = World()
    for _ in range(3):
        world.recorder.record(REF, "Normal", "Same", "again")
        await pass_time(10)
    world.recorder.record(REF, "Normal", "Same", "something else")
    await world.recorder.flush(5)
    counted = {event["message"]: event for event in world.stored()}
    assert counted["again"]["count"] == 3
    assert counted["again"]["lastTimestamp"] == "2026-01-01T00:00:20Z"
    assert counted["something else"]["count"] == 1


async def test_an_expired_event_is_created_again() -> None:
    world = World()
    world.recorder.record(REF, "Normal", "Same", "again")
    await world.recorder.flush(5)
    await world.cluster.delete(EVENTS, "default", world.stored()[0]["metadata"]["name"])
    world.recorder.record(REF, "Normal", "Same", "again")
    await world.recorder.flush(5)
    assert [event["count"] for event in world.stored()] == [1]


async def test_one_object_cannot_flood_the_api_server_and_does_not_silence_others() -> None:
    world = World()
    for number in range(100):
        world.recorder.record(REF, "Normal", "Flood", str(number))
    other = ObjectRef("test.example.com/v1", "Thing", "default", "b", "uid-b")
    world.recorder.record(other, "Normal", "Calm", "fine")
    await world.recorder.flush(5)
    assert sum(event["reason"] == "Flood" for event in world.stored()) == 25
    assert sum(event["reason"] == "Calm" for event in world.stored()) == 1
    await pass_time(301)
    for number in range(5):
        world.recorder.record(REF, "Normal", "Later", str(number))
    await world.recorder.flush(5)
    assert sum(event["reason"] == "Later" for event in world.stored()) == 1


async def test_forbidden_events_cost_one_line_and_no_more_requests(
    logs: list[MutableMapping[str, Any]],
) -> None:
    world = World()
    world.cluster.faults = lambda _: Fault(refuse=ApiError(403, "Forbidden", "cannot create events"))
    for number in range(5):
        world.recorder.record(REF, "Normal", "Any", str(number))
        await world.recorder.flush(5)
    assert len(world.server.log) == 1
    assert len(logs) == 1
    assert world.recorder.dropped == 5


QUOTA = 'events "x" is forbidden: exceeded quota: tenant, requested: count/events=1'


def refusing(*namespaces: str, error: ApiError | None = None) -> Callable[[Request], Fault | None]:
    """Return what refuses all requests to some namespaces."""
    refusal = error or ApiError(403, "Forbidden", QUOTA)
    return lambda request: Fault(refuse=refusal) if request.namespace in namespaces else None


async def test_a_namespace_that_refuses_events_keeps_no_other_from_its_own(
    logs: list[MutableMapping[str, Any]],
) -> None:
    world = World()
    world.cluster.faults = refusing("tenant")
    for number in range(5):
        world.record("tenant", f"lost {number}")
        world.record("default", f"kept {number}")
        await world.recorder.flush(5)
    assert world.messages("default") == {f"kept {number}" for number in range(5)}
    assert len([request for request in world.server.log if request.namespace == "tenant"]) == 1
    (line,) = logs
    assert (line["namespace"], line["error"], line["log_level"]) == ("tenant", QUOTA, "warning")


async def test_a_namespace_that_refused_events_is_tried_again(logs: list[MutableMapping[str, Any]]) -> None:
    world = World()
    world.cluster.faults = refusing("default")
    world.record("default", "lost")
    await world.recorder.flush(5)
    world.cluster.faults = None
    world.record("default", "too early")
    await pass_time(300)
    world.record("default", "told")
    world.record("default", "again", name="b")
    await world.recorder.flush(5)
    assert world.messages("default") == {"told", "again"}
    assert logs[-1]["event"] == "events are accepted again"
    assert world.recorder.dropped == 2


async def test_a_cluster_that_forbids_events_is_asked_ever_more_seldom_and_told_of_in_one_line(
    logs: list[MutableMapping[str, Any]],
) -> None:
    world = World()
    world.cluster.faults = refusing("default", error=ApiError(403, "Forbidden", "cannot create events"))
    for minute in range(24 * 60):
        world.record("default", str(minute), name=str(minute))
        await pass_time(60)
    assert 20 < len(world.server.log) < 40
    assert len(logs) == 1


async def test_many_namespaces_that_refuse_cost_a_line_a_minute_and_bounded_memory(
    logs: list[MutableMapping[str, Any]],
) -> None:
    world = World()
    world.cluster.faults = lambda _: Fault(refuse=ApiError(403, "Forbidden", QUOTA))
    for number in range(REMEMBERED + 200):
        world.record(f"tenant-{number}", "lost")
        await pass_time(0.1)
    assert len(world.recorder._troubles) == REMEMBERED
    assert [line["log_level"] for line in logs] == ["warning", *["info"] * 7]


@pytest.mark.parametrize(
    "fault",
    [Fault(hang=True), Fault(refuse=ApiError(500, "InternalError", "failed calling webhook", 60.0))],
    ids=["hangs", "fails"],
)
async def test_a_namespace_in_which_nothing_gets_through_holds_up_no_other(fault: Fault) -> None:
    """A webhook of its own that does not answer, or fails."""
    world = World()
    world.cluster.faults = lambda request: fault if request.namespace == "tenant" else None
    for number in range(BUFFER):
        world.record("tenant", "stuck", name=str(number))
    for number in range(20):
        world.record("default", f"{number}", name=str(number))
        await pass_time(1)
        assert len(world.messages("default")) == number + 1


async def test_a_namespace_that_says_much_pushes_out_its_own_events_and_no_others() -> None:
    world = World()
    world.cluster.faults = lambda _: Fault(delay=1.0)
    world.record("default", "calm")
    for number in range(2 * BUFFER):
        world.record("tenant", "flood", name=str(number))
    await world.recorder.flush(5)
    assert world.messages("default") == {"calm"}


async def test_a_namespace_in_deletion_does_not_silence_the_others() -> None:
    world = World()
    world.server.store.terminate_namespace("default")
    world.recorder.record(REF, "Normal", "Any", "lost")
    system = ObjectRef("test.example.com/v1", "Thing", "kube-system", "b", "uid-b")
    world.recorder.record(system, "Normal", "Any", "kept")
    await world.recorder.flush(5)
    assert [event["message"] for event in world.stored()] == ["kept"]


async def test_a_busy_api_server_is_tried_again() -> None:
    world = World()
    answers = iter([ApiError(429, "TooManyRequests", "busy", 3.0), ApiError(0, "ReadError", "reset")])

    def faults(_: object) -> Fault | None:
        error = next(answers, None)
        return Fault(refuse=error) if error else None

    world.cluster.faults = faults
    world.recorder.record(REF, "Normal", "Any", "patient")
    await world.recorder.flush(20)
    assert [event["message"] for event in world.stored()] == ["patient"]


async def test_the_buffer_is_bounded_and_flushing_gives_up_in_time() -> None:
    world = World()
    world.cluster.faults = lambda _: Fault(hang=True)
    for number in range(BUFFER + 50):
        ref = ObjectRef("v1", "Thing", "default", "x", f"uid-{number}")
        world.recorder.record(ref, "Normal", "Any", str(number))
    await world.recorder.flush(5)
    assert asyncio.get_running_loop().time() == 5
    assert world.recorder.dropped >= 50


async def test_long_messages_are_cut_to_what_the_api_server_takes() -> None:
    world = World()
    world.recorder.record(REF, "Normal", "Any", "x" * 5000)
    await world.recorder.flush(5)
    assert len(world.stored()[0]["message"]) == 1024


async def test_many_objects_are_told_of_at_a_time_and_each_in_order() -> None:
    world = World()
    sent: list[tuple[str, str]] = []

    def faults(request: Request) -> Fault:
        body: Any = request.body
        sent.append((body["involvedObject"]["name"], body["message"]))
        return Fault(delay=1.0)

    world.cluster.faults = faults
    for number in range(3):
        for name in "abcdefgh":
            ref = ObjectRef("test.example.com/v1", "Thing", "default", name, f"uid-{name}")
            world.recorder.record(ref, "Normal", "Step", str(number))
    began = asyncio.get_running_loop().time()

    await world.recorder.flush(60)

    assert asyncio.get_running_loop().time() - began == 24 / (SENDERS - 1)
    for name in "abcdefgh":
        assert [message for about, message in sent if about == name] == ["0", "1", "2"]


async def test_nothing_is_hidden_in_a_message_and_its_length_is_that_of_what_is_shown() -> None:
    world = World()
    world.recorder.record(REF, "Normal", "Any", "\u202e\n" * 1000)
    await world.recorder.flush(5)
    (event,) = world.stored()
    assert event["message"].startswith("\\u202e\\n\\u202e\\n")
    assert len(event["message"]) == 1024
