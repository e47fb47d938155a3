from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, MutableMapping
from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.runtime.cluster import LEASES, ApiError, PatchType
from mcp_gateway_operator.runtime.lease import Lease, LeaseForbidden, LeaseLost, spare
from tests.support.memory_cluster import LOST, Fault, MemoryApiServer, Request
from tests.support.virtual_time import pass_time, wall_clock

NO_ANSWER = ApiError(0, "ConnectError", "refused")


SHORT: dict[str, Any] = {"duration": 15.0, "renew_deadline": 10.0, "retry_period": 2.0, "call_seconds": 10.0}
"""controller-runtime's own times."""


def make(
    server: MemoryApiServer, identity: str, *, dead: Callable[[str], bool] = lambda _: False, **times: Any
) -> Lease:
    return Lease(
        server.connect(identity),
        namespace="default",
        name="operator",
        identity=identity,
        wall=wall_clock(),
        jitter=lambda: 0.5,
        predecessor_dead=dead,
        **times,
    )


def cut(lease: Lease, error: ApiError | None = NO_ANSWER, *, hang: bool = False) -> None:
    """Let nothing of this holder reach the API server."""
    lease._cluster.faults = lambda _: Fault(refuse=error, hang=hang)  # type: ignore[attr-defined]  # a MemoryCluster


def stored(server: MemoryApiServer) -> dict[str, Any]:
    spec: dict[str, Any] = msgspec.json.decode(server.store.get(LEASES, "default", "operator"))["spec"]
    return spec


async def seconds_to_acquire(lease: Lease) -> float:
    started = asyncio.get_running_loop().time()
    await lease.acquire()
    return asyncio.get_running_loop().time() - started


async def test_a_free_lease_is_taken_at_once_and_looks_as_client_go_writes_it() -> None:
    server = MemoryApiServer()
    lease = make(server, "one")
    assert not lease.valid_for(0)
    assert await seconds_to_acquire(lease) == 0
    assert lease.held
    assert stored(server) == {
        "holderIdentity": "one",
        "leaseDurationSeconds": 60,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:00.000000Z",
        "leaseTransitions": 0,
    }


async def test_a_released_lease_is_taken_at_the_next_look() -> None:
    server = MemoryApiServer()
    first, second = make(server, "one"), make(server, "two")
    await first.acquire()
    waiting = asyncio.create_task(seconds_to_acquire(second))
    await pass_time(12)
    await first.release()
    assert not first.held
    assert await waiting <= 20
    assert stored(server)["leaseTransitions"] == 1


@pytest.mark.parametrize("phase", range(10))
@pytest.mark.parametrize("retry", [1.0, 2.0, 5.0])
async def test_a_released_lease_is_taken_within_one_retry_period(retry: float, phase: int) -> None:
    server = MemoryApiServer()
    first, second = make(server, "one"), make(server, "two", retry_period=retry)
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await pass_time(10 + phase / 10)
    await first.release()
    await asyncio.wait_for(waiting, retry)


@pytest.mark.parametrize("phase", range(10))
@pytest.mark.parametrize("times", [{}, SHORT], ids=["default", "short"])
async def test_a_lease_whose_holder_was_killed_is_taken_within_its_duration_and_five_seconds(
    times: dict[str, Any], phase: int
) -> None:
    server = MemoryApiServer()
    first, second = make(server, "one", **times), make(server, "two", **times)
    await first.acquire()
    renewing = asyncio.create_task(first.renew())
    waiting = asyncio.create_task(second.acquire())
    await pass_time(100 + phase / 2)
    renewing.cancel()
    killed = asyncio.get_running_loop().time()
    await waiting
    assert not first.held
    assert asyncio.get_running_loop().time() - killed <= times.get("duration", 60.0) + 5


@pytest.mark.parametrize(("retry", "slow"), [(2.0, 2.49), (3.0, 2.99), (4.0, 2.99)])
async def test_a_call_may_begin_at_every_moment_while_renewals_are_slow(retry: float, slow: float) -> None:
    server = MemoryApiServer()
    lease = make(server, "one", **{**SHORT, "retry_period": retry, "call_seconds": spare(15.0, retry)})
    await lease.acquire()
    lease._cluster.latency = lambda _: slow  # type: ignore[attr-defined]  # a MemoryCluster
    renewing = asyncio.create_task(lease.renew())
    for _ in range(1000):
        await pass_time(0.1)
        assert lease.may_begin()
        assert lease.shut_for == 0
    renewing.cancel()


async def test_a_fence_that_stays_shut_while_the_lease_is_held_is_told_once(
    logs: list[MutableMapping[str, Any]],
) -> None:
    """Each renewal comes so late that no call fits in before the next one."""
    server = MemoryApiServer()
    lease = make(server, "one", **SHORT)
    await lease.acquire()
    lease._cluster.latency = lambda _: 4.99  # type: ignore[attr-defined]  # a MemoryCluster
    renewing = asyncio.create_task(lease.renew())
    await pass_time(100)
    told = [entry for entry in logs if "nothing is written" in entry["event"]]
    assert [entry["log_level"] for entry in told] == ["warning"]
    await pass_time(1.5)
    assert lease.held
    assert not lease.may_begin()
    assert lease.shut_for > 0
    lease._cluster.latency = lambda _: 0.0  # type: ignore[attr-defined]  # a MemoryCluster
    await pass_time(10)
    assert lease.may_begin()
    assert lease.shut_for == 0
    renewing.cancel()


async def test_the_fence_shuts_when_renewals_fail_and_says_since_when(
    logs: list[MutableMapping[str, Any]],
) -> None:
    server = MemoryApiServer()
    lease = make(server, "one", **SHORT)
    await lease.acquire()
    renewing = asyncio.create_task(lease.renew())
    cut(lease)
    await pass_time(4.9)
    assert lease.may_begin()
    await pass_time(3.1)
    assert lease.held
    assert lease.shut_for == pytest.approx(3.0)
    assert sum("nothing is written" in entry["event"] for entry in logs) == 1
    with pytest.raises(LeaseLost):
        await renewing
    assert lease.shut_for == 0, "it is not held any more"


async def test_nothing_begins_once_the_holder_is_about_to_end() -> None:
    server = MemoryApiServer()
    for waived in (False, True):
        lease = make(server, "one")
        if waived:
            lease.waive()
        else:
            await lease.acquire()
        lease.retire()
        assert lease.held, "what has begun can end"
        assert not lease.may_begin()
        assert lease.shut_for == 0


async def test_the_stated_duration_is_never_less_than_what_the_holder_counts_on() -> None:
    server = MemoryApiServer()
    await make(server, "one", duration=60.4).acquire()
    assert stored(server)["leaseDurationSeconds"] == 61


async def test_a_lease_that_cannot_be_taken_says_why() -> None:
    server = MemoryApiServer()
    lease = make(server, "one")
    cut(lease, ApiError(404, "NotFound", 'namespaces "nowhere" not found'))
    acquiring = asyncio.create_task(lease.acquire())
    await pass_time(1)
    assert "nowhere" in str(lease.trouble)
    lease._cluster.faults = None  # type: ignore[attr-defined]  # a MemoryCluster
    await acquiring
    assert lease.trouble is None


async def test_a_standby_has_no_trouble() -> None:
    server = MemoryApiServer()
    first, second = make(server, "one"), make(server, "two")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await pass_time(30)
    assert second.trouble is None
    waiting.cancel()


async def test_a_lease_that_is_renewed_is_never_taken() -> None:
    server = MemoryApiServer()
    first, second = make(server, "one"), make(server, "two")
    await first.acquire()
    renewing = asyncio.create_task(first.renew())
    waiting = asyncio.create_task(second.acquire())
    await pass_time(3600)
    assert not waiting.done()
    assert first.held
    renewing.cancel()
    waiting.cancel()


async def test_a_lease_whose_holder_vanished_is_taken_after_its_duration() -> None:
    server = MemoryApiServer()
    await make(server, "one").acquire()
    assert 60 <= await seconds_to_acquire(make(server, "two")) <= 66


async def test_the_successor_under_the_same_name_goes_on_at_once() -> None:
    server = MemoryApiServer()
    await make(server, "pod-0").acquire()
    assert await seconds_to_acquire(make(server, "pod-0")) == 0


async def test_a_holder_known_to_be_dead_is_succeeded_at_once() -> None:
    server = MemoryApiServer()
    await make(server, "host_1").acquire()
    second = make(server, "host_2", dead=lambda holder: holder == "host_1")
    assert await seconds_to_acquire(second) == 0


async def test_the_clock_of_another_machine_decides_nothing() -> None:
    server = MemoryApiServer()
    first = make(server, "one")
    await first.acquire()
    await server.connect().patch(
        LEASES,
        "default",
        "operator",
        {"spec": {"renewTime": "2001-01-01T00:00:00.000000Z"}},
        kind=PatchType.MERGE,
    )
    assert await seconds_to_acquire(make(server, "two")) >= 60


async def test_validity_counts_from_before_the_request_was_sent() -> None:
    server = MemoryApiServer()
    lease = make(server, "one")
    lease._cluster.latency = lambda _: 3.0  # type: ignore[attr-defined]  # a MemoryCluster
    await lease.acquire()
    loop = asyncio.get_running_loop()
    assert loop.time() == 6
    assert lease.valid_for(56)
    assert not lease.valid_for(58)


async def test_a_holder_cut_off_stops_before_another_may_begin() -> None:
    server = MemoryApiServer()
    first, second = make(server, "one"), make(server, "two")
    await first.acquire()
    renewing = asyncio.create_task(first.renew())
    waiting = asyncio.create_task(second.acquire())
    await pass_time(100)
    cut(first)
    started = asyncio.get_running_loop().time()
    with pytest.raises(LeaseLost, match="could not be renewed"):
        await renewing
    assert asyncio.get_running_loop().time() - started <= 45
    assert not first.held
    assert not waiting.done()
    await waiting


async def test_a_hanging_api_server_costs_the_lease_in_time_too() -> None:
    server = MemoryApiServer()
    lease = make(server, "one")
    await lease.acquire()
    cut(lease, None, hang=True)
    with pytest.raises(LeaseLost):
        await lease.renew()
    assert asyncio.get_running_loop().time() <= 46


async def test_a_short_outage_is_survived() -> None:
    server = MemoryApiServer()
    lease = make(server, "one")
    await lease.acquire()
    renewing = asyncio.create_task(lease.renew())
    cut(lease)
    await pass_time(30)
    lease._cluster.faults = None  # type: ignore[attr-defined]  # a MemoryCluster
    await pass_time(600)
    assert lease.held
    renewing.cancel()


async def test_a_renewal_whose_answer_was_lost_is_recognised_as_ours() -> None:
    server = MemoryApiServer()
    lease = make(server, "one")
    await lease.acquire()
    losses = iter([True])

    def lose_one(request: Request) -> Fault | None:
        return Fault(lose=LOST) if request.verb == "replace" and next(losses, False) else None

    lease._cluster.faults = lose_one  # type: ignore[attr-defined]  # a MemoryCluster
    renewing = asyncio.create_task(lease.renew())
    await pass_time(300)
    assert lease.held
    renewing.cancel()


async def test_a_stopped_process_learns_on_waking_that_another_holds_the_lease() -> None:
    server = MemoryApiServer()
    first, second = make(server, "one"), make(server, "two")
    await first.acquire()
    await second.acquire()
    assert not first.valid_for(0)
    with pytest.raises(LeaseLost, match="held by two"):
        await first.renew()


async def test_a_lease_deleted_by_hand_is_made_again() -> None:
    server = MemoryApiServer()
    lease = make(server, "one")
    await lease.acquire()
    renewing = asyncio.create_task(lease.renew())
    await server.connect().delete(LEASES, "default", "operator")
    await pass_time(100)
    assert lease.held
    assert stored(server)["holderIdentity"] == "one"
    renewing.cancel()


async def test_two_that_try_at_the_same_moment_never_both_hold_it() -> None:
    server = MemoryApiServer()
    leases = [make(server, str(number)) for number in range(5)]
    tasks = [asyncio.create_task(lease.acquire()) for lease in leases]
    await pass_time(30)
    assert sum(lease.held for lease in leases) == 1
    for task in tasks:
        task.cancel()


async def test_missing_rights_are_reported_and_the_caller_may_go_on_without() -> None:
    server = MemoryApiServer()
    lease = make(server, "one")
    cut(lease, ApiError(403, "Forbidden", "cannot get leases"))
    with pytest.raises(LeaseForbidden):
        await lease.acquire()
    lease.waive()
    assert lease.valid_for(1e9)
    renewing = asyncio.create_task(lease.renew())
    await pass_time(1000)
    assert not renewing.done()
    renewing.cancel()


async def test_an_unreachable_api_server_is_waited_for() -> None:
    server = MemoryApiServer()
    lease = make(server, "one")
    cut(lease)
    acquiring = asyncio.create_task(lease.acquire())
    await pass_time(1000)
    assert not acquiring.done()
    lease._cluster.faults = None  # type: ignore[attr-defined]  # a MemoryCluster
    await asyncio.wait_for(acquiring, 6)


async def test_a_release_that_fails_is_not_an_error() -> None:
    server = MemoryApiServer()
    lease = make(server, "one")
    await lease.acquire()
    cut(lease, None, hang=True)
    await lease.release()
    assert not lease.held


def test_times_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="must grow"):
        Lease(
            MemoryApiServer().connect(), namespace="x", name="y", identity="z", wall=wall_clock(), duration=30
        )
    with pytest.raises(ValueError, match="does not fit"):
        make(MemoryApiServer(), "one", **{**SHORT, "call_seconds": 15.0})


async def test_no_two_ever_hold_it_while_requests_are_slow_and_fail() -> None:
    server = MemoryApiServer()
    leases = [make(server, str(number)) for number in range(3)]
    random = iter(range(10**9))
    for lease in leases:
        lease._cluster.latency = lambda _: (next(random) * 7919 % 83) / 10  # type: ignore[attr-defined]
        lease._cluster.faults = lambda _: (  # type: ignore[attr-defined]  # a MemoryCluster
            Fault(lose=LOST) if (next(random) * 104729) % 5 == 0 else None
        )

    async def live(lease: Lease) -> None:
        while True:
            await lease.acquire()
            with contextlib.suppress(LeaseLost):
                async with asyncio.timeout(100):
                    await lease.renew()

    async def life(lease: Lease) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await live(lease)

    tasks = [asyncio.create_task(life(lease)) for lease in leases]
    holders = set()
    for _ in range(20_000):
        await pass_time(0.5)
        holding = [lease.identity for lease in leases if lease.held]
        assert len(holding) <= 1
        holders.update(holding)
    for task in tasks:
        task.cancel()
    assert holders


async def test_a_lease_is_given_up_although_a_renewal_was_under_way() -> None:
    """SIGTERM comes when it likes: the answer is not waited for, and the stored version is another one."""
    server = MemoryApiServer()
    lease = make(server, "one")
    await lease.acquire()
    lease._cluster.faults = lambda _: Fault(hang_applied=True)  # type: ignore[attr-defined]  # a MemoryCluster
    renewing = asyncio.create_task(lease.renew())
    await pass_time(6)
    renewing.cancel()
    lease._cluster.faults = None  # type: ignore[attr-defined]  # a MemoryCluster
    await lease.release()
    assert stored(server)["holderIdentity"] == ""


async def test_what_another_holds_is_not_given_up() -> None:
    server = MemoryApiServer()
    first, second = make(server, "one"), make(server, "two", dead=lambda _: True)
    await first.acquire()
    await second.acquire()
    await first.release()
    assert stored(server)["holderIdentity"] == "two"


@pytest.mark.parametrize("answer", [b"<html>", b'{"spec":{"holderIdentity":"\xff"}}', b'{"x":' + b"[" * 5000])
async def test_an_answer_that_is_no_lease_is_an_error_like_others(answer: bytes) -> None:
    """A proxy's page, for one: it ends neither the process nor the wait."""
    server = MemoryApiServer()
    lease = make(server, "one")
    await lease.acquire()
    get, replace = lease._cluster.get, lease._cluster.replace

    async def page(*_: object) -> bytes:
        return answer

    renewing = asyncio.create_task(lease.renew())
    lease._cluster.get = lease._cluster.replace = page  # type: ignore[assignment,method-assign]
    await pass_time(20)
    lease._cluster.get, lease._cluster.replace = get, replace  # type: ignore[method-assign]
    await pass_time(100)
    assert lease.held
    assert not renewing.done()
    renewing.cancel()
