"""What the operator relies on of an API server, asked of the one in memory and of a real one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.runtime.cluster import (
    EVENTS,
    LEASES,
    NAMESPACES,
    ApiError,
    PatchType,
    Resource,
)
from mcp_gateway_operator.runtime.informer import Informer
from tests.integration.runtime.conftest import Kube
from tests.support.things import THINGS, Thing, decode_thing, thing

STALE = "1"


def decoded(body: bytes) -> dict[str, Any]:
    obj: dict[str, Any] = msgspec.json.decode(body)
    return obj


async def create(kube: Kube, name: str = "a", **kwargs: Any) -> dict[str, Any]:
    return decoded(await kube.cluster.create(THINGS, kube.namespace, thing(name, **kwargs)))


async def merge(kube: Kube, body: object, *, subresource: str = "", name: str = "a") -> dict[str, Any]:
    return decoded(
        await kube.cluster.patch(
            THINGS, kube.namespace, name, body, kind=PatchType.MERGE, subresource=subresource
        )
    )


async def json_patch(kube: Kube, *operations: dict[str, Any], subresource: str = "") -> dict[str, Any]:
    return decoded(
        await kube.cluster.patch(
            THINGS, kube.namespace, "a", list(operations), kind=PatchType.JSON, subresource=subresource
        )
    )


async def events_since(kube: Kube, version: str, count: int) -> list[tuple[str, str, int]]:
    """Return the type, name and size of the next events, bookmarks aside."""
    found = []
    stream = kube.cluster.watch(THINGS, namespace=kube.namespace, resource_version=version, timeout=30)
    async with contextlib.aclosing(stream), asyncio.timeout(20):
        async for event in stream:
            if event.type == "BOOKMARK":
                continue
            obj = decoded(event.object)
            found.append((event.type, obj["metadata"]["name"], obj["spec"]["size"]))
            if len(found) == count:
                break
    return found


async def test_a_created_object_has_uid_version_and_first_generation_but_no_status(kube: Kube) -> None:
    body = thing("a", size=1) | {"status": {"forged": True}}
    obj = decoded(await kube.cluster.create(THINGS, kube.namespace, body))
    meta = obj["metadata"]
    assert meta["uid"]
    assert int(meta["resourceVersion"]) > 0
    assert meta["generation"] == 1
    assert meta["namespace"] == kube.namespace
    assert "status" not in obj
    assert decoded(await kube.cluster.get(THINGS, kube.namespace, "a")) == obj


async def test_a_list_has_only_what_its_label_selector_selects(kube: Kube) -> None:
    for name, labels in (("a", {"app": "search"}), ("b", {"app": "shop"}), ("c", {})):
        body = thing(name)
        body["metadata"]["labels"] = labels
        await kube.cluster.create(THINGS, kube.namespace, body)
    page = await kube.cluster.list(THINGS, namespace=kube.namespace, labels="app=search")
    assert [decoded(raw)["metadata"]["name"] for raw in page.items] == ["a"]


async def test_create_is_refused_for_a_taken_name_an_unknown_namespace_and_a_bad_object(kube: Kube) -> None:
    await create(kube)
    with pytest.raises(ApiError) as taken:
        await create(kube)
    assert taken.value.reason == "AlreadyExists"
    with pytest.raises(ApiError) as nowhere:
        await kube.cluster.create(THINGS, f"{kube.namespace}-that-nobody-made", thing("a"))
    assert nowhere.value.not_found
    with pytest.raises(ApiError) as bad:
        await create(kube, "b", size=1001)
    assert bad.value.invalid
    assert "should be less than or equal to 1000" in bad.value.message
    versioned = thing("c")
    versioned["metadata"]["resourceVersion"] = "5"
    with pytest.raises(ApiError) as wrong:
        await kube.cluster.create(THINGS, kube.namespace, versioned)
    assert wrong.value.status == 500


async def test_an_unknown_resource_is_not_found(kube: Kube) -> None:
    nothing = Resource("nothing.example.com", "v1", "nothings")
    for attempt in (kube.cluster.list(nothing), kube.cluster.get(nothing, kube.namespace, "a")):
        with pytest.raises(ApiError) as error:
            await attempt
        assert error.value.not_found


async def test_generation_counts_changes_of_the_specification_only(kube: Kube) -> None:
    await create(kube, size=1)
    assert (await merge(kube, {"spec": {"size": 2}}))["metadata"]["generation"] == 2
    labelled = await merge(kube, {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 2
    with_status = await merge(kube, {"status": {"ok": True}}, subresource="status")
    assert with_status["metadata"]["generation"] == 2
    assert with_status["status"] == {"ok": True}


async def test_status_and_the_rest_are_written_apart(kube: Kube) -> None:
    await create(kube, size=1)
    both = {"spec": {"size": 9}, "status": {"written": "by both"}}
    assert "status" not in await merge(kube, {**both, "spec": {"size": 1}})
    obj = await merge(kube, both, subresource="status")
    assert obj["spec"] == {"size": 1}
    assert obj["status"] == {"written": "by both"}
    kept = await merge(kube, {"spec": {"size": 2}})
    assert kept["status"] == {"written": "by both"}


async def test_a_write_that_changes_nothing_writes_nothing(kube: Kube) -> None:
    obj = await create(kube, size=1)
    same = await merge(kube, {"spec": {"size": 1}})
    assert same["metadata"]["resourceVersion"] == obj["metadata"]["resourceVersion"]


async def test_a_merge_patch_with_a_stale_version_conflicts(kube: Kube) -> None:
    obj = await create(kube, size=1)
    version = obj["metadata"]["resourceVersion"]
    await merge(kube, {"metadata": {"resourceVersion": version}, "spec": {"size": 2}})
    with pytest.raises(ApiError) as error:
        await merge(kube, {"metadata": {"resourceVersion": version}, "spec": {"size": 3}})
    assert error.value.conflict
    assert error.value.reason == "Conflict"


async def test_a_merge_patch_with_a_wrong_uid_is_accepted(kube: Kube) -> None:
    obj = await create(kube, size=1)
    changed = await merge(
        kube, {"metadata": {"uid": "somebody-else"}, "status": {"x": 1}}, subresource="status"
    )
    assert changed["metadata"]["uid"] == obj["metadata"]["uid"]
    assert changed["status"] == {"x": 1}


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
async def test_a_json_patch_tests_before_it_writes(kube: Kube, field: str) -> None:
    obj = await create(kube, size=1)
    test = {"op": "test", "path": f"/metadata/{field}", "value": obj["metadata"][field]}
    write = {"op": "add", "path": "/status", "value": {"ok": True}}
    assert (await json_patch(kube, test, write, subresource="status"))["status"] == {"ok": True}
    with pytest.raises(ApiError) as error:
        await json_patch(kube, {**test, "value": "other"}, write, subresource="status")
    assert error.value.invalid


async def test_a_json_patch_adds_inside_what_exists_only(kube: Kube) -> None:
    await create(kube, size=1)
    deep = {"op": "add", "path": "/status/conditions/-", "value": {"type": "Ready"}}
    with pytest.raises(ApiError) as error:
        await json_patch(kube, deep, subresource="status")
    assert error.value.invalid
    made = {"op": "add", "path": "/status", "value": {"conditions": []}}
    obj = await json_patch(kube, made, deep, subresource="status")
    assert obj["status"] == {"conditions": [{"type": "Ready"}]}
    path = "/metadata/annotations"
    noted = await json_patch(kube, {"op": "add", "path": path, "value": {"example.com/x": "1"}})
    assert noted["metadata"]["annotations"] == {"example.com/x": "1"}
    removed = await json_patch(kube, {"op": "remove", "path": f"{path}/example.com~1x"})
    assert "example.com/x" not in removed["metadata"].get("annotations", {})


async def test_a_patch_that_would_empty_the_status_is_not_sent(kube: Kube) -> None:
    await create(kube, size=1)
    write = {"op": "add", "path": "/status", "value": {"ok": True}}
    obj = await json_patch(kube, write, subresource="status")
    with pytest.raises(ValueError, match="was not sent"):
        await json_patch(kube, {**write, "value": None}, subresource="status")
    with pytest.raises(ValueError, match="was not sent"):
        await merge(kube, {"status": None}, subresource="status")
    assert decoded(await kube.cluster.get(THINGS, kube.namespace, "a")) == obj


async def test_a_replacement_with_a_stale_version_or_another_uid_conflicts(kube: Kube) -> None:
    obj = await create(kube, size=1)
    await merge(kube, {"spec": {"size": 2}})
    with pytest.raises(ApiError) as stale:
        await kube.cluster.replace(THINGS, kube.namespace, "a", obj)
    assert stale.value.conflict
    current = decoded(await kube.cluster.get(THINGS, kube.namespace, "a"))
    current["metadata"]["uid"] = "00000000-0000-0000-0000-00000000dead"
    with pytest.raises(ApiError) as other:
        await kube.cluster.replace(THINGS, kube.namespace, "a", current)
    assert other.value.conflict


async def test_a_missing_object_cannot_be_read_written_or_deleted(kube: Kube) -> None:
    for attempt in (
        kube.cluster.get(THINGS, kube.namespace, "a"),
        merge(kube, {"spec": {"size": 1}}),
        kube.cluster.delete(THINGS, kube.namespace, "a"),
        kube.cluster.replace(
            THINGS, kube.namespace, "a", thing("a") | {"metadata": {"name": "a", "resourceVersion": "1"}}
        ),
    ):
        with pytest.raises(ApiError) as error:
            await attempt
        assert error.value.not_found or error.value.conflict


async def test_a_finalizer_delays_deletion_until_it_is_removed(kube: Kube) -> None:
    obj = await create(kube, size=1, finalizers=("example.com/guard",))
    version = obj["metadata"]["resourceVersion"]
    await kube.cluster.delete(THINGS, kube.namespace, "a")
    await kube.cluster.delete(THINGS, kube.namespace, "a")
    deleting = decoded(await kube.cluster.get(THINGS, kube.namespace, "a"))
    assert deleting["metadata"]["deletionTimestamp"]
    assert deleting["metadata"]["generation"] == 2
    with pytest.raises(ApiError) as error:
        await merge(kube, {"metadata": {"finalizers": ["example.com/guard", "example.com/more"]}})
    assert error.value.invalid
    answer = await merge(kube, {"metadata": {"finalizers": []}})
    assert answer["metadata"]["uid"] == obj["metadata"]["uid"]
    with pytest.raises(ApiError) as gone:
        await kube.cluster.get(THINGS, kube.namespace, "a")
    assert gone.value.not_found
    assert [event[0] for event in await events_since(kube, version, 2)] == ["MODIFIED", "DELETED"]


async def test_deletion_can_be_meant_for_one_incarnation_only(kube: Kube) -> None:
    obj = await create(kube)
    with pytest.raises(ApiError) as error:
        await kube.cluster.delete(THINGS, kube.namespace, "a", uid="00000000-0000-0000-0000-00000000dead")
    assert error.value.conflict
    await kube.cluster.delete(THINGS, kube.namespace, "a", uid=obj["metadata"]["uid"])
    again = await create(kube)
    assert again["metadata"]["uid"] != obj["metadata"]["uid"]


async def test_lists_come_in_pages_of_one_version(kube: Kube) -> None:
    for name in "abcde":
        await create(kube, name)
    names, versions, token, pages = [], set(), "", 0
    while pages == 0 or token:
        page = await kube.cluster.list(THINGS, namespace=kube.namespace, limit=2, continue_token=token)
        names += [decode_thing(raw).metadata.name for raw in page.items]
        versions.add(page.resource_version)
        token, pages = page.continue_token, pages + 1
        if pages == 1:
            await create(kube, "late")
    assert names == list("abcde")
    assert pages == 3
    assert len(versions) == 1
    everything = await kube.cluster.list(THINGS, limit=0)
    assert (
        len([raw for raw in everything.items if decode_thing(raw).metadata.namespace == kube.namespace]) == 6
    )


async def test_a_list_of_one_name(kube: Kube) -> None:
    for name in ("a", "ab", "b"):
        await create(kube, name)
    page = await kube.cluster.list(THINGS, namespace=kube.namespace, name="a")
    assert [decode_thing(raw).metadata.name for raw in page.items] == ["a"]
    assert (await kube.cluster.list(THINGS, name="nobody")).items == []


async def test_a_page_that_is_too_long_is_an_error_and_a_smaller_one_goes_on_at_its_place(kube: Kube) -> None:
    for name in "abcdef":
        await create(kube, name)
        await merge(kube, {"status": {"text": "x" * 1_200_000}}, subresource="status", name=name)
    first = await kube.cluster.list(THINGS, namespace=kube.namespace, limit=2)
    for _ in range(2):
        with pytest.raises(ApiError) as error:
            await kube.cluster.list(
                THINGS, namespace=kube.namespace, limit=4, continue_token=first.continue_token
            )
        assert error.value.too_long
    rest = await kube.cluster.list(
        THINGS, namespace=kube.namespace, limit=3, continue_token=first.continue_token
    )
    assert [decode_thing(raw).metadata.name for raw in (*first.items, *rest.items)] == list("abcde")
    with pytest.raises(ApiError):
        await kube.cluster.list(THINGS, namespace=kube.namespace, limit=0)


async def test_a_watch_tells_what_happened_since_a_list(kube: Kube) -> None:
    await create(kube, "old", size=1)
    page = await kube.cluster.list(THINGS, namespace=kube.namespace)
    await create(kube, "a", size=1)
    await merge(kube, {"spec": {"size": 2}})
    await merge(kube, {"status": {"ok": True}}, subresource="status")
    await kube.cluster.delete(THINGS, kube.namespace, "a")
    assert await events_since(kube, page.resource_version, 4) == [
        ("ADDED", "a", 1),
        ("MODIFIED", "a", 2),
        ("MODIFIED", "a", 2),
        ("DELETED", "a", 2),
    ]


async def test_a_deletion_has_a_version_of_its_own(kube: Kube) -> None:
    obj = await create(kube)
    page = await kube.cluster.list(THINGS, namespace=kube.namespace)
    await kube.cluster.delete(THINGS, kube.namespace, "a")
    stream = kube.cluster.watch(
        THINGS, namespace=kube.namespace, resource_version=page.resource_version, timeout=30
    )
    async with contextlib.aclosing(stream), asyncio.timeout(20):
        event = await anext(stream)
    assert event.type == "DELETED"
    version = decoded(event.object)["metadata"]["resourceVersion"]
    assert int(version) > int(obj["metadata"]["resourceVersion"])


async def test_a_watch_ends_after_the_timeout_asked_for(kube: Kube) -> None:
    page = await kube.cluster.list(THINGS, namespace=kube.namespace)
    stream = kube.cluster.watch(
        THINGS, namespace=kube.namespace, resource_version=page.resource_version, timeout=1
    )
    async with asyncio.timeout(20):
        assert [event.type async for event in stream if event.type != "BOOKMARK"] == []


async def test_a_watch_from_a_forgotten_version_is_told_to_list_again(kube: Kube) -> None:
    await create(kube)
    stream = kube.cluster.watch(THINGS, namespace=kube.namespace, resource_version=STALE, timeout=30)
    async with contextlib.aclosing(stream), asyncio.timeout(20):
        event = await anext(stream)
    assert event.type == "ERROR"
    assert decoded(event.object)["code"] == 410


async def test_watching_what_is_not_served_is_not_found(kube: Kube) -> None:
    nothing = Resource("nothing.example.com", "v1", "nothings")
    with pytest.raises(ApiError) as error:
        await anext(kube.cluster.watch(nothing, resource_version=STALE, timeout=5))
    assert error.value.not_found


async def test_server_side_apply_creates_and_changes(kube: Kube) -> None:
    async def apply(size: int) -> dict[str, Any]:
        body = thing("a", size=size)
        return decoded(await kube.cluster.patch(THINGS, kube.namespace, "a", body, kind=PatchType.APPLY))

    assert (await apply(1))["metadata"]["generation"] == 1
    assert (await apply(2))["spec"]["size"] == 2


async def test_leases_and_events_are_served(kube: Kube) -> None:
    lease = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 60}}
    stored = decoded(await kube.cluster.create(LEASES, kube.namespace, lease))
    stored["spec"]["holderIdentity"] = ""
    released = decoded(await kube.cluster.replace(LEASES, kube.namespace, "l", stored))
    assert not released["spec"].get("holderIdentity")
    with pytest.raises(ApiError) as error:
        await kube.cluster.replace(LEASES, kube.namespace, "l", stored)
    assert error.value.conflict
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Thing", "namespace": kube.namespace, "name": "a"},
        "reason": "R",
        "count": 1,
    }
    await kube.cluster.create(EVENTS, kube.namespace, event)
    again = await kube.cluster.patch(EVENTS, kube.namespace, "e", {"count": 2}, kind=PatchType.MERGE)
    assert decoded(again)["count"] == 2


async def test_the_cluster_has_an_identity(kube: Kube) -> None:
    system = decoded(await kube.cluster.get(NAMESPACES, None, "kube-system"))
    assert system["metadata"]["uid"]


async def test_other_paths_can_be_read(kube: Kube) -> None:
    assert decoded(await kube.cluster.get_path("/version"))["major"] == "1"
    assert await kube.cluster.get_path("/readyz") == b"ok"
    with pytest.raises(ApiError) as error:
        await kube.cluster.get_path("/nothing")
    assert error.value.not_found


async def test_an_informer_follows_it(kube: Kube) -> None:
    told: list[tuple[int | None, int | None]] = []

    def on_event(old: Thing | None, new: Thing | None) -> None:
        told.append((old.spec.size if old else None, new.spec.size if new else None))
        waiting.set()

    waiting = asyncio.Event()
    await create(kube, size=1)
    informer = Informer(
        kube.cluster, THINGS, decode=decode_thing, on_event=on_event, namespaces=[kube.namespace]
    )
    task = asyncio.create_task(informer.run())
    async with asyncio.timeout(20):
        await informer.synced.wait()
        informer.remember(
            await kube.cluster.patch(THINGS, kube.namespace, "a", {"spec": {"size": 2}}, kind=PatchType.MERGE)
        )
        await create(kube, "b", size=7)
        await kube.cluster.delete(THINGS, kube.namespace, "a")
        while len(told) < 4:
            waiting.clear()
            await waiting.wait()
    task.cancel()
    assert told == [(None, 1), (1, 2), (None, 7), (2, None)]
    assert [obj.metadata.name for obj in informer.values()] == ["b"]
