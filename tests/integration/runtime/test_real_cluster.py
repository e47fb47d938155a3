"""What only a real API server can do: refuse by RBAC, and serve a second process of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from mcp_gateway_operator.runtime.cluster import LEASES, NAMESPACES, ApiError, PatchType, Resource
from mcp_gateway_operator.runtime.informer import Informer
from mcp_gateway_operator.runtime.lease import Lease, LeaseForbidden
from mcp_gateway_operator.runtime.transport import KubeCluster, connect
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.support.things import THINGS, Thing, decode_thing, thing
from tests.support.virtual_time import wall_clock

_names = itertools.count(1)
REVIEWS = Resource("authentication.k8s.io", "v1", "selfsubjectreviews", namespaced=False)

HOLDER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from mcp_gateway_operator.runtime.identity import DeathProof, Identity
from mcp_gateway_operator.runtime.lease import Lease
from mcp_gateway_operator.runtime.logs import configure
from mcp_gateway_operator.runtime.transport import connect

configure()
kubeconfig, namespace, lock = sys.argv[1:]
cluster = connect(kubeconfig=kubeconfig)
name = Identity({}).name

async def main():
    lease = Lease(cluster, namespace=namespace, name="operator", identity=name,
                  wall=lambda: datetime.now(UTC), predecessor_dead=DeathProof(Path(lock), name).is_dead)
    await lease.acquire()
    print("leading", flush=True)
    await lease.renew()

asyncio.run(main())
"""


@pytest.fixture
async def admin(real: LocalCluster) -> AsyncIterator[KubeCluster]:
    """A connection that may do everything."""
    cluster = await asyncio.to_thread(lambda: connect(kubeconfig=str(real.kubeconfig)))
    yield cluster
    await cluster.close()


async def make_namespace(admin: KubeCluster) -> str:
    name = f"real-{next(_names)}"
    await admin.create(NAMESPACES, None, {"metadata": {"name": name}})
    return name


async def test_a_service_account_is_held_to_its_rights(
    admin: KubeCluster, real: LocalCluster, tmp_path: Path
) -> None:
    namespace = await make_namespace(admin)
    path = await asyncio.to_thread(
        lambda: real.service_account_kubeconfig(namespace, "nobody", path=tmp_path / "nobody")
    )
    nobody = await asyncio.to_thread(lambda: connect(kubeconfig=str(path)))
    with pytest.raises(ApiError) as error:
        await nobody.list(THINGS)
    assert error.value.forbidden
    lease = Lease(nobody, namespace=namespace, name="operator", identity="me", wall=wall_clock())
    with pytest.raises(LeaseForbidden):
        await lease.acquire()
    await nobody.close()


async def test_a_user_who_acts_as_another_has_the_rights_of_the_other(
    real: LocalCluster, tmp_path: Path
) -> None:
    """An administrator's kubeconfig with `as`: what it was before, it may not any more."""

    def acting(**more: Any) -> KubeCluster:
        config = yaml.safe_load(real.kubeconfig.read_text())
        config["users"][0]["user"] |= more
        path = tmp_path / "config"
        path.write_text(yaml.safe_dump(config))
        return connect(kubeconfig=str(path))

    async def is_called(**more: Any) -> dict[str, Any]:
        cluster = await asyncio.to_thread(lambda: acting(**more))
        review = {"apiVersion": REVIEWS.group + "/v1", "kind": "SelfSubjectReview"}
        try:
            answer = await cluster.create(REVIEWS, None, review)
            with contextlib.suppress(ApiError):
                await cluster.list(NAMESPACES)
                return {"may": "everything"}
        finally:
            await cluster.close()
        user: dict[str, Any] = msgspec.json.decode(answer)["status"]["userInfo"]
        return user

    assert await is_called() == {"may": "everything"}
    jane = await is_called(**{"as": "jane"})
    assert (jane["username"], jane["groups"]) == ("jane", ["system:authenticated"])
    jane = await is_called(
        **{"as": "jane", "as-uid": "7", "as-groups": ["one", "two"], "as-user-extra": {"a.b/C": ["x", "y"]}}
    )
    assert jane["uid"] == "7"
    assert set(jane["groups"]) == {"one", "two", "system:authenticated"}
    assert jane["extra"]["a.b/c"] == ["x", "y"]


async def test_the_successor_of_a_killed_process_leads_within_five_seconds(
    admin: KubeCluster, real: LocalCluster, tmp_path: Path
) -> None:
    namespace = await make_namespace(admin)
    command = [sys.executable, "-c", HOLDER, str(real.kubeconfig), namespace, str(tmp_path / "lock")]
    first = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert first.stdout is not None
    async with asyncio.timeout(30):
        assert await first.stdout.readline() == b"leading\n"
    os.kill(first.pid, signal.SIGKILL)
    await first.wait()
    second = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert second.stdout is not None
    try:
        async with asyncio.timeout(5):
            assert await second.stdout.readline() == b"leading\n"
    finally:
        second.kill()
        await second.wait()


async def test_lists_of_many_objects_come_complete(admin: KubeCluster) -> None:
    namespace = await make_namespace(admin)
    for start in range(0, 520, 20):
        await asyncio.gather(
            *(admin.create(THINGS, namespace, thing(f"n{number}")) for number in range(start, start + 20))
        )
    informer: Informer[Thing] = Informer(
        admin, THINGS, decode=decode_thing, on_event=lambda _old, _new: None, namespaces=[namespace]
    )
    task = asyncio.create_task(informer.run())
    async with asyncio.timeout(20):
        await informer.synced.wait()
    assert len(informer) == 520
    task.cancel()


async def test_a_lease_lives_beside_what_kubectl_shows(admin: KubeCluster) -> None:
    namespace = await make_namespace(admin)
    lease = Lease(admin, namespace=namespace, name="operator", identity="me", wall=wall_clock())
    await lease.acquire()
    body = {"metadata": {"annotations": {"touched": "by hand"}}}
    await admin.patch(LEASES, namespace, "operator", body, kind=PatchType.MERGE)
    await lease._renew_once()
    assert lease.held
    await lease.release()
    assert not lease.valid_for(0)
