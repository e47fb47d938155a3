"""Permission is taken away at each step of a life across accounts: what reaches which account afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.accounts import SPOKE
from tests.support.classes import GATEWAY, WRITES
from tests.support.world import condition, record_of
from tests.unit.controller.test_accounts_move import CLASSES, PERMITTED, PLAIN, Fleet, at, made

MOMENTS = (0.1, 0.7, 1.3, 2.1)
"""Seconds after which it is taken away: with calls of 0.3 s, between the steps of a Create or a move."""
LABEL = "kubernetes.io/metadata.name"


async def forbid(fleet: Fleet) -> None:
    await fleet.platform.edit("spoke", spec={"allow": []})


async def permit(fleet: Fleet) -> None:
    await fleet.platform.edit("spoke", spec={"allow": PERMITTED})


async def relabel(fleet: Fleet) -> None:
    await fleet.platform.label("team-a", **{LABEL: "other"})


async def label(fleet: Fleet) -> None:
    await fleet.platform.label("team-a", **{LABEL: "team-a"})


async def remove(fleet: Fleet) -> None:
    await fleet.platform.force("spoke")


async def remake(fleet: Fleet) -> None:
    arn = at("spoke")
    aws = {"roleArn": f"arn:aws:iam::{SPOKE}:role/mcp-targets"}
    await fleet.platform.make("spoke", gateway_arn=arn, allow=PERMITTED, aws=aws)


Edit = tuple[Callable[[Fleet], Awaitable[None]], Callable[[Fleet], Awaitable[None]]]
EDITS: dict[str, Edit] = {
    "forbidden": (forbid, permit),
    "labels": (relabel, label),
    "removed": (remove, remake),
}


class Log:
    """What changes something in each account, from a moment on."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._since = fleet.world.aws.time()

    def of(self, name: str) -> list[str]:
        """Return what reached the account of a class."""
        log = self._fleet.cloud.aws(CLASSES[name]).requests(limit=10_000, since=self._since)
        return [each["operation"] for each in log if each["operation"] in WRITES]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("step", ["create", "move"])
async def test_nothing_is_made_from_the_moment_on_and_all_goes_on_when_it_is_back(
    step: str, edit: str
) -> None:
    for moment in MOMENTS:
        await _taken_away(step, edit, moment)


async def _taken_away(step: str, edit: str, moment: float) -> None:
    take, give = EDITS[edit]
    fleet = Fleet()
    await fleet.begin()
    async with fleet.operator():
        if step == "move":
            await made(fleet, "home")
            await fleet.to("spoke")
        else:
            await fleet.world.create(**{**PLAIN, "gatewayRef": {"name": "spoke"}})
        await fleet.world.pass_time(moment)
        await take(fleet)
        log, there = Log(fleet), len(fleet.cloud.targets(GATEWAY, SPOKE))
        await fleet.world.pass_time(40.0)
        assert log.of("spoke") == []
        assert len(fleet.cloud.targets(GATEWAY, SPOKE)) == there
        assert log.of("other") == []
        # The old one goes only where the new one is there, and never anything else happens to it.
        assert set(log.of("home")) <= ({"DeleteGatewayTarget"} if there else set())
        assert there or step == "create" or len(fleet.cloud.targets(GATEWAY, CLASSES["home"])) == 1
        await give(fleet)
        await fleet.world.until(lambda: fleet.rests("spoke"), within=180.0)
    assert fleet.asked("CreateGatewayTarget").get("spoke") == 1


@pytest.mark.parametrize("edit", EDITS)
async def test_a_deletion_ends_with_what_is_its_own(edit: str) -> None:
    """Where the class is gone nobody can say under which identity: then it waits."""
    for moment in (0.1, 0.4, 0.9):
        await _ended(edit, moment)


async def _ended(edit: str, moment: float) -> None:
    take, give = EDITS[edit]
    fleet = Fleet()
    await fleet.begin()
    async with fleet.operator():
        await made(fleet, "spoke")
        await fleet.world.edit(spec={"deletionPolicy": "Delete"})
        await fleet.world.until_ready()
        await fleet.world.delete()
        await fleet.world.pass_time(moment)
        await take(fleet)
        await fleet.world.pass_time(60.0)
        assert fleet.world.exists() == (edit == "removed")
        await give(fleet)
        await fleet.world.until(lambda: not fleet.world.exists(), within=180.0)
    assert fleet.cloud.targets(GATEWAY, SPOKE) == []
    assert set(fleet.asked("DeleteGatewayTarget")) == {"spoke"}


@pytest.mark.parametrize("permitted", [False, True])
async def test_a_forged_status_of_another_account_touches_nothing_of_others_there(permitted: bool) -> None:
    """A restore, or whoever may write status, names somebody else's target in the spoke as the object's."""
    fleet = Fleet()
    await fleet.begin()
    async with fleet.operator():
        theirs = await made(fleet, "spoke")
        if not permitted:
            await forbid(fleet)
        await fleet.world.create("thief", **{**PLAIN, "gatewayRef": {"name": "home"}, "targetName": "thief"})
        await fleet.world.until_ready("thief")
        obj = await fleet.world.get("thief")
        stolen = {"gatewayId": at("spoke"), "gatewayArn": at("spoke"), "targetId": theirs.status.target_id}
        placed: dict[str, Any] = {"class": "spoke", "uid": "x", "gatewayArn": at("spoke")}
        forged = {**record_of(obj), **stolen, "placedBy": placed}
        await fleet.world.set_status(forged, "thief")
        log = Log(fleet)
        await fleet.world.pass_time(120.0)
        await fleet.world.edit("thief", spec={"gatewayRef": None, "gatewayId": GATEWAY})
        await fleet.world.pass_time(60.0)
        await fleet.world.delete("thief")
        await fleet.world.until(lambda: not fleet.world.exists("thief"), within=600.0)
        assert log.of("spoke") == []
        assert condition(await fleet.world.get()).status == "True"
    assert [each["targetId"] for each in fleet.cloud.targets(GATEWAY, SPOKE)] == [theirs.status.target_id]
    assert fleet.cloud.targets(GATEWAY, CLASSES["home"]) == []
