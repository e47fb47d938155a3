"""Who works where, when installations meet at the guard; all in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import MutableMapping
from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.runtime.cluster import LEASES, NAMESPACES, ApiError, PatchType
from tests.support.installations import CALL, DURATION, NAME, Installation
from tests.support.memory_cluster import LOST, Fault, MemoryApiServer, Request
from tests.support.virtual_time import pass_time

SINGLE = f"namespace-{NAME}"


def make_server(*namespaces: str) -> MemoryApiServer:
    server = MemoryApiServer()
    for each in ("a", "b", "c", *namespaces):
        server.store.create(NAMESPACES, None, {"metadata": {"name": each}})
    return server


def lease_of(server: MemoryApiServer, namespace: str, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = msgspec.json.decode(server.store.get(LEASES, namespace, name))["spec"]
    return spec


async def take(server: MemoryApiServer, namespace: str, holder: str = "tenant", **spec: object) -> None:
    """Hold the guard of a namespace as somebody with rights on its Leases can."""
    body = {
        "metadata": {"name": SINGLE, "namespace": namespace},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 100_000, **spec},
    }
    await server.connect("tenant").create(LEASES, namespace, body)


async def test_of_two_for_all_namespaces_one_works_and_the_other_waits_and_says_so() -> None:
    server = make_server()
    first = Installation(server, "one")
    await pass_time(1)
    second = Installation(server, "two")
    await pass_time(60)
    assert first.works_in("a", "b") == ["a", "b"]
    assert second.works_in("a", "b") == []
    assert not second.guard.mine("a")
    assert second.told == [("", "one")], "once"
    assert second.guard.notes() == "worked on all namespaces by one"
    assert second.guard.why_nothing() is None, "a standby is ready"
    assert second.guard.counts()["other"] == 1
    assert lease_of(server, "kube-system", NAME)["holderIdentity"] == "one"


async def test_the_other_takes_over_at_once_when_the_first_ends() -> None:
    server = make_server()
    first, second = Installation(server, "one"), Installation(server, "two")
    await pass_time(30)
    await first.stop()
    await pass_time(2)
    assert second.works_in("a") == ["a"]
    assert second.changes == [""]
    assert second.guard.notes() is None


@pytest.mark.parametrize("phase", range(5))
async def test_the_other_takes_over_within_the_lease_and_five_seconds_when_the_first_is_killed(
    phase: int,
) -> None:
    server = make_server()
    first, second = Installation(server, "one"), Installation(server, "two")
    await pass_time(30 + phase / 2)
    await first.kill()
    await asyncio.sleep(DURATION + 5)
    assert second.works_in("a") == ["a"]


async def test_disjoint_namespaces_are_worked_on_side_by_side() -> None:
    server = make_server()
    first, second = Installation(server, "one", ["a"]), Installation(server, "two", ["b", "c"])
    await pass_time(30)
    assert first.works_in("a") == ["a"]
    assert second.works_in("b", "c") == ["b", "c"]
    assert first.told == second.told == []


async def test_of_namespaces_that_overlap_only_those_wait() -> None:
    server = make_server()
    first = Installation(server, "one", ["a", "b"])
    await pass_time(1)
    second = Installation(server, "two", ["b", "c"])
    await pass_time(30)
    assert first.works_in("a", "b") == ["a", "b"]
    assert second.works_in("b", "c") == ["c"]
    assert second.told == [("b", "one")]
    assert second.guard.notes() == "worked on namespace b by one"
    await first.stop()
    await pass_time(2)
    assert second.works_in("b", "c") == ["b", "c"]


async def test_one_for_all_leaves_out_what_another_watches_and_takes_it_over_later() -> None:
    server = make_server()
    single = Installation(server, "single", ["a"])
    await pass_time(1)
    whole = Installation(server, "whole")
    await pass_time(30)
    assert single.works_in("a") == ["a"]
    assert whole.works_in("a", "b") == ["b"]
    assert whole.told == [("a", "single")]
    assert whole.guard.counts() == {"held": 1, "other": 1}
    before = asyncio.get_running_loop().time()
    await single.stop()
    await pass_time(3)
    assert whole.works_in("a", "b") == ["a", "b"]
    assert whole.guard.since("a") > before, "only since then it is the only one"
    assert whole.guard.since("b") < before
    assert whole.changes == ["", "a"]


async def test_one_for_a_namespace_waits_while_another_works_everywhere() -> None:
    """`make run --watch-namespaces=a` beside an installed operator."""
    server = make_server()
    whole = Installation(server, "whole")
    await pass_time(1)
    single = Installation(server, "single", ["a"])
    await pass_time(30)
    assert whole.works_in("a") == ["a"]
    assert single.works_in("a") == []
    assert single.told == [("a", "whole")]
    assert single.guard.why_nothing() is None
    assert server.counts()["replace", "leases", ""] < 30, "it does not take and give up its own all the time"
    await whole.stop()
    await pass_time(4)
    assert single.works_in("a") == ["a"]


async def test_a_replica_that_does_not_lead_claims_nothing_and_says_nothing() -> None:
    server = make_server()
    first = Installation(server, "one")
    standby = Installation(server, "two", elected=False)
    await pass_time(30)
    assert standby.told == []
    assert standby.guard.notes() is None
    await first.kill()
    await asyncio.sleep(DURATION + 2)
    assert standby.works_in("a") == []
    standby.guard.elected.set()
    await pass_time(0.1)
    assert standby.works_in("a") == ["a"], "it has seen meanwhile that the first one's time is over"


async def test_a_tenant_who_takes_the_guard_of_his_namespace_stops_no_other() -> None:
    server = make_server()
    await take(server, "a")
    several = Installation(server, "several", ["a", "b"])
    await pass_time(120)
    assert several.works_in("a", "b") == ["b"]
    assert several.told == [("a", "tenant")]


async def test_a_tenant_who_takes_it_from_a_holder_stops_no_other_namespace() -> None:
    server = make_server()
    several = Installation(server, "several", ["a", "b"])
    await pass_time(5)
    stolen = {"spec": {"holderIdentity": "tenant", "leaseDurationSeconds": 2_000_000_000}}
    await server.connect("t").patch(LEASES, "a", SINGLE, stolen, kind=PatchType.MERGE)
    await pass_time(10)
    assert several.works_in("a", "b") == ["b"]
    assert several.changes.count("a") == 2, "came and went"
    assert several.told == [("a", "tenant")]
    await server.connect("t").delete(LEASES, "a", SINGLE)
    await pass_time(3)
    assert several.works_in("a", "b") == ["a", "b"]


async def test_a_tenant_cannot_push_out_one_that_works_everywhere() -> None:
    """His Lease came later, so whoever holds it has seen that all is worked on already."""
    server = make_server()
    whole = Installation(server, "whole")
    await pass_time(5)
    await take(server, "a")
    await pass_time(120)
    assert whole.works_in("a", "b") == ["a", "b"]


async def test_a_tenant_who_writes_another_holder_every_second_does_not_flood_the_log() -> None:
    server = make_server()
    await take(server, "a")
    several = Installation(server, "several", ["a", "b"])
    for number in range(120):
        await pass_time(1)
        holder = {"spec": {"holderIdentity": f"\x1b[31m\u202e{number}" + "x" * 100_000}}
        await server.connect("t").patch(LEASES, "a", SINGLE, holder, kind=PatchType.MERGE)
    assert len(several.told) <= 3
    assert all(holder.isprintable() and len(holder) < 1000 for _, holder in several.told)
    assert str(several.guard.notes()).isprintable()
    assert several.works_in("b") == ["b"]


async def test_a_lease_that_others_filled_with_text_is_not_sent_back_and_forth() -> None:
    server = make_server()
    several = Installation(server, "several", ["a"])
    await pass_time(5)
    text = {"metadata": {"annotations": {"x": "y" * 200_000}}}
    await server.connect("t").patch(LEASES, "a", SINGLE, text, kind=PatchType.MERGE)
    await pass_time(10)
    assert several.works_in("a") == ["a"]
    assert len(server.store.get(LEASES, "a", SINGLE)) < 2000


FORBIDDEN = ApiError(403, "Forbidden", "leases.coordination.k8s.io is forbidden")


@pytest.mark.parametrize("namespaces", [[], ["a"], ["a", "b", "c"]])
async def test_without_rights_on_the_guard_the_work_goes_on_with_one_loud_line(
    namespaces: list[str], logs: list[MutableMapping[str, Any]]
) -> None:
    server = make_server()
    blind = Installation(server, "blind", namespaces, faults=lambda _: Fault(refuse=FORBIDDEN))
    await pass_time(1000)
    assert blind.works_in(*(namespaces or ["a", "b"])) == (namespaces or ["a", "b"])
    loud = [entry for entry in logs if entry["log_level"] == "warning"]
    assert len(loud) == 1
    assert "--guard-namespace" in loud[0]["event"]
    assert blind.guard.why_nothing() is None
    assert blind.guard.notes() == "worked on without a guard, which RBAC denies"
    assert blind.guard.counts()["forbidden"] == max(1, len(namespaces))


async def test_rights_that_come_later_are_used() -> None:
    server = make_server()
    denied = True
    late = Installation(server, "late", faults=lambda _: Fault(refuse=FORBIDDEN) if denied else None)
    await pass_time(100)
    denied = False
    await pass_time(65)
    assert lease_of(server, "kube-system", NAME)["holderIdentity"] == "late"
    assert late.works_in("a") == ["a"]
    assert late.changes == [""], "nothing was interrupted"
    assert late.guard.notes() is None


async def test_rights_that_come_later_find_that_another_works() -> None:
    server = make_server()
    denied = True
    late = Installation(server, "late", faults=lambda _: Fault(refuse=FORBIDDEN) if denied else None)
    await pass_time(10)
    other = Installation(server, "other")
    await pass_time(10)
    denied = False
    await pass_time(65)
    assert other.works_in("a") == ["a"]
    assert late.works_in("a") == []
    assert late.told == [("", "other")]


async def test_only_the_list_of_single_namespaces_is_forbidden(logs: list[MutableMapping[str, Any]]) -> None:
    """The rights of a chart that knew no other installations than those for all namespaces."""
    server = make_server()
    whole = Installation(
        server, "whole", faults=lambda request: Fault(refuse=FORBIDDEN) if request.verb == "list" else None
    )
    await pass_time(30)
    assert whole.works_in("a") == ["a"]
    assert sum(entry["log_level"] == "warning" for entry in logs) == 1
    assert lease_of(server, "kube-system", NAME)["holderIdentity"] == "whole"


async def test_in_a_namespace_that_is_being_deleted_the_work_goes_on(
    logs: list[MutableMapping[str, Any]],
) -> None:
    """Its Lease is gone and cannot be made again; the finalizers of its objects still wait."""
    server = make_server()
    gone = False
    terminating = ApiError(403, "Forbidden", "unable to create new content because it is being terminated")

    def faults(request: Request) -> Fault | None:
        return Fault(refuse=terminating) if gone and request.verb == "create" else None

    several = Installation(server, "several", ["a", "b"], faults=faults)
    await pass_time(5)
    gone = True
    await server.connect("controller").delete(LEASES, "a", SINGLE)
    await pass_time(4)
    assert several.works_in("a", "b") == ["a", "b"]
    restarted = Installation(server, "later", ["a"], faults=faults)
    await pass_time(4)
    assert restarted.works_in("a") == ["a"]
    assert not [entry for entry in logs if "--guard-namespace" in entry["event"]]


async def test_a_watched_namespace_that_does_not_exist_is_no_trouble() -> None:
    server = make_server()
    several = Installation(server, "several", ["later"])
    await pass_time(30)
    assert several.guard.why_nothing() is None
    server.store.create(NAMESPACES, None, {"metadata": {"name": "later"}})
    await pass_time(3)
    assert several.works_in("later") == ["later"]


async def test_a_place_that_does_not_exist_is_said_at_readyz() -> None:
    server = make_server()
    for namespaces in ([], ["a"]):
        lost = Installation(server, "lost", namespaces, home="nowhere")
        await pass_time(5)
        assert "nowhere" in str(lost.guard.why_nothing())
        assert lost.works_in("a") == []


async def test_another_place_for_all_leases() -> None:
    """Where tenants may write Leases, or nobody may in kube-system."""
    server = make_server("ops")
    first = Installation(server, "one", ["a"], home="ops")
    second = Installation(server, "two", ["b"], home="ops")
    await pass_time(1)
    whole = Installation(server, "whole", home="ops")
    await take(server, "c")
    await pass_time(30)
    assert first.works_in("a") == ["a"]
    assert second.works_in("b") == ["b"]
    assert whole.works_in("a", "b", "c") == ["c"], "what a tenant has in his own namespace means nothing"
    held = {key[1] for key, _ in server.store.select(LEASES, "ops")}
    assert held == {NAME, f"{SINGLE}.a", f"{SINGLE}.b"}


async def test_the_system_namespace_can_be_watched_alone() -> None:
    """Its own Lease is not the one for all."""
    server = make_server()
    system, team = Installation(server, "one", ["kube-system"]), Installation(server, "two", ["a"])
    await pass_time(10)
    assert system.works_in("kube-system") == ["kube-system"]
    assert team.works_in("a") == ["a"]


async def test_an_api_server_that_is_away_shuts_the_fence_and_nothing_is_lost_when_it_comes_back() -> None:
    server = make_server()
    away = False
    one = Installation(server, "one", faults=lambda _: Fault(refuse=LOST) if away else None)
    await pass_time(10)
    away = True
    await asyncio.sleep(DURATION - CALL + 2.1)
    assert one.works_in("a") == []
    await pass_time(60)
    away = False
    await pass_time(3)
    assert one.works_in("a") == ["a"]


KINDS: list[list[str]] = [[], [], ["a"], ["a", "b"], ["b", "c"], ["c"]]


@pytest.mark.parametrize("seed", range(40))
async def test_no_two_ever_work_in_one_namespace(seed: int) -> None:
    """Installations of every kind come, hang, lose answers, end and die; somebody always goes on."""
    rng = random.Random(seed)  # noqa: S311  -- repeatable
    server = make_server()
    alive: list[Installation] = []

    def trouble(request: Request) -> Fault | None:
        del request
        if calm or rng.random() > 0.15:
            return None
        return rng.choice((Fault(lose=LOST), Fault(refuse=LOST), Fault(delay=rng.random() * 8)))

    calm = False
    for step in range(60):
        if len(alive) < 3 and rng.random() < 0.5:
            alive.append(Installation(server, f"process-{step}", rng.choice(KINDS), faults=trouble))
        elif alive and rng.random() < 0.25:
            leaving = alive.pop(rng.randrange(len(alive)))
            await (leaving.kill() if rng.random() < 0.5 else leaving.stop())
        for _ in range(40):
            await pass_time(0.1)
            for namespace in ("a", "b", "c"):
                working = [each.name for each in alive if each.works_in(namespace)]
                assert len(working) <= 1, (namespace, working)
    calm = True
    alive.append(Installation(server, "last"))
    await asyncio.sleep(DURATION * 4)
    for namespace in ("a", "b", "c"):
        assert sum(bool(each.works_in(namespace)) for each in alive) == 1
    for each in alive:
        await each.kill()
