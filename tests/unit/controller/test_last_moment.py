"""What is permitted is asked again right before the effect: a call may wait for a session, or a thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mcp_gateway_operator.api.names import PAUSED_ANNOTATION
from tests.support.accounts import OWN, SPOKE, Cloud, role
from tests.support.classes import ALLOW, GATEWAY, WRITES, Platform, arn
from tests.support.virtual_time import pass_time
from tests.support.world import EngineAgentCore, World, condition

PLAIN: dict[str, Any] = {"authType": "NoAuth", "oauthProviderArn": None, "oauthScopes": None}
REF: dict[str, Any] = {**PLAIN, "gatewayRef": {"name": "tools"}}
ANY: list[dict[str, Any]] = [{**ALLOW, "authTypes": ["*"]}]
SLOW = 12.0
"""Seconds that STS, or the wait for a thread, takes."""


class Scene:
    """An object by a class of its own account, or of another one; calls begin late when told to."""

    def __init__(self, account: str) -> None:
        self.world = World()
        self.platform = Platform(self.world)
        self.cloud = self.world.opener = Cloud(self.world)
        self.account = account
        self.slow: list[float] = []
        if account != OWN:
            self.cloud.aws(account).create_gateway(GATEWAY)

    async def begin(self) -> None:
        """Make the class."""
        aws: dict[str, Any] = {} if self.account == OWN else {"aws": {"roleArn": role(self.account)}}
        await self.platform.make(gateway_arn=arn(GATEWAY, account=self.account), allow=ANY, **aws)

    def writes(self) -> list[str]:
        """Return what changed something in the account of the class."""
        return [each for each in self.cloud.requests(self.account) if each in WRITES]


async def forbid(scene: Scene) -> None:
    await scene.platform.edit(spec={"allow": []})


async def remove(scene: Scene) -> None:
    await scene.platform.force()


async def relabel(scene: Scene) -> None:
    await scene.platform.label("team-a", **{"kubernetes.io/metadata.name": "other"})


async def until_a_delete_waits(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the object, and delete it when it is Ready, with all threads busy."""
    await scene.world.create(**REF)
    await scene.world.until_ready()
    wait_for_threads(monkeypatch)
    await scene.world.delete()
    await scene.world.until(lambda: "delete_gateway_target" in WAITING)


EDITS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "forbidden": forbid,
    "removed": remove,
    "labels": relabel,
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("account", [OWN, SPOKE])
async def test_a_create_that_waited_is_not_sent_where_it_is_not_permitted_any_more(
    account: str, edit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(account)
    await scene.begin()
    async with scene.world.operator(gateway_id=""):
        wait_for_threads(monkeypatch)
        await scene.world.create(**REF)
        await scene.world.until(lambda: "create_gateway_target" in WAITING)
        await EDITS[edit](scene)
        await scene.world.pass_time(3 * SLOW)
        assert scene.writes() == []
        assert condition(await scene.world.get(), "Permitted").status == "False"


@pytest.mark.parametrize("account", [OWN, SPOKE])
async def test_an_update_that_waited_is_not_sent_either_and_a_delete_is(
    account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(account)
    await scene.begin()
    async with scene.world.operator(gateway_id=""):
        await scene.world.create(**REF)
        await scene.world.until_ready()
        wait_for_threads(monkeypatch)
        await scene.world.edit(spec={"targetName": "renamed"})
        await scene.world.until(lambda: "update_gateway_target" in WAITING)
        await forbid(scene)
        await scene.world.pass_time(3 * SLOW)
        assert scene.writes() == ["CreateGatewayTarget"]
        await scene.world.delete()
        await scene.world.until(lambda: not scene.world.exists(), within=300.0)
        assert scene.writes() == ["CreateGatewayTarget", "DeleteGatewayTarget"]


@pytest.mark.parametrize("account", [OWN, SPOKE])
async def test_a_delete_that_waited_is_not_sent_where_a_default_keeps_targets_by_now(
    account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(account)
    await scene.begin()
    async with scene.world.operator(gateway_id=""):
        await until_a_delete_waits(scene, monkeypatch)
        await scene.platform.edit(spec={"defaults": {"deletionPolicy": "Retain"}})
        await scene.world.until(lambda: not scene.world.exists(), within=120.0)
    assert scene.writes() == ["CreateGatewayTarget"]


@pytest.mark.parametrize(
    "edit",
    [
        {"spec": {"deletionPolicy": "Retain"}},
        {"spec": {"managementPolicy": "Observe"}},
        {"metadata": {"annotations": {PAUSED_ANNOTATION: "true"}}},
        {"metadata": {"finalizers": []}},
    ],
    ids=["retain", "observe", "paused", "let go"],
)
async def test_a_delete_that_waited_is_not_sent_where_its_owner_says_so_by_now(
    edit: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(OWN)
    await scene.begin()
    async with scene.world.operator(gateway_id=""):
        await until_a_delete_waits(scene, monkeypatch)
        await scene.world.edit(**edit)
        await scene.world.pass_time(10 * SLOW)
    assert scene.writes() == ["CreateGatewayTarget"]


@pytest.mark.parametrize("account", [OWN, SPOKE])
async def test_a_delete_that_waited_is_not_sent_where_nobody_knows_the_default_by_now(
    account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(account)
    await scene.begin()
    async with scene.world.operator(gateway_id=""):
        await until_a_delete_waits(scene, monkeypatch)
        await scene.platform.force()
        await scene.world.pass_time(10 * SLOW)
        assert scene.writes() == ["CreateGatewayTarget"]
        await scene.begin()
        await scene.world.until(lambda: not scene.world.exists(), within=300.0)
    assert scene.writes() == ["CreateGatewayTarget", "DeleteGatewayTarget"]


async def test_a_create_that_waited_for_a_session_goes_by_the_role_that_is_named_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(SPOKE)
    await scene.begin()
    async with scene.world.operator(gateway_id=""):
        wait_for_threads(monkeypatch)
        await scene.world.create(**REF)
        await scene.world.until(lambda: "create_gateway_target" in WAITING)
        scene.cloud.denied.add(role(SPOKE))
        await scene.platform.edit(spec={"aws": {"roleArn": role(SPOKE, "narrow")}})
        await scene.world.until(lambda: WAITING.count("create_gateway_target") == 2, within=90.0)
        assert scene.writes() == []
        assert scene.cloud.asked[-1].identity.role_arn == role(SPOKE, "narrow")
        await scene.world.until_ready(within=120.0)
    assert scene.writes() == ["CreateGatewayTarget"]


WAITING: list[str] = []


def wait_for_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every write from now on wait for a thread before it begins."""
    run = EngineAgentCore._run
    WAITING.clear()

    async def late(self: Any, pool: Any, operation: str, call: Any, flight: Any) -> Any:
        if flight.fence is not None:
            WAITING.append(operation)
            await pass_time(SLOW)
        return await run(self, pool, operation, call, flight)

    monkeypatch.setattr(EngineAgentCore, "_run", late)
