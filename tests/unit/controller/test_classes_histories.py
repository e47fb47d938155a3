"""What happens to objects under MCPGateways over days: restores, rollbacks, crashes, edits in a bad moment.

Each history says what is sent to AWS in it, and to which gateways nothing is sent at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.served_schema import PATH
from mcp_gateway_operator.runtime.cluster import ApiError
from tests.support.classes import ALLOW, GATEWAY, OTHER_GATEWAY, Platform, arn
from tests.support.memory_cluster import Fault, Request
from tests.support.world import condition, record_of
from tests.unit.controller.moving import THIRD_GATEWAY, moving_world
from tests.unit.controller.test_old_crd import serve
from tests.unit.controller.test_refused_credentials import refuse

TOOLS: dict[str, Any] = {"gatewayRef": {"name": "tools"}}
OTHER: dict[str, Any] = {"gatewayRef": {"name": "other"}}
BY_ID: dict[str, Any] = {"gatewayRef": None, "gatewayId": OTHER_GATEWAY}
TEAM_B = {**ALLOW, "namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "team-b"}}}
A_WHILE = 90.0
CREATE, UPDATE, DELETE = "CreateGatewayTarget", "UpdateGatewayTarget", "DeleteGatewayTarget"


class Scene:
    """A world with two MCPGateways, and an object of team-a on the first."""

    def __init__(self) -> None:
        self.world = moving_world()
        self.platform = Platform(self.world)

    async def begin(self, **other: Any) -> None:
        """Make all of it, and count from here on; the second MCPGateway as the keywords say."""
        await self.platform.make()
        await self.platform.make("other", gateway=OTHER_GATEWAY, **other)
        async with self.world.operator():
            await self.world.create(**TOOLS)
            await self.world.until_ready()
            await self.world.pass_time(5.0)
        self.world.forget_calls()

    async def work(self, seconds: float = A_WHILE, **config: Any) -> None:
        """Let an operator work for a while, and end it."""
        async with self.world.operator(**config):
            await self.world.pass_time(seconds)

    async def says(self, reason: str = "NotPermitted", *, namespace: str = "team-a") -> None:
        """Assert why the object is not permitted."""
        found = condition(await self.world.get(namespace=namespace), "Permitted")
        assert (found.status, found.reason) == ("False", reason)

    async def ready_on(self, gateway_id: str) -> None:
        """Assert that the object is Ready on a gateway, alone, and permitted."""
        obj = await self.world.get()
        assert (condition(obj).status, obj.status.gateway_id) == ("True", gateway_id), obj.status
        assert condition(obj, "Permitted").status == "True"
        assert not obj.status.moves
        assert len(self.world.targets(gateway_id)) == 1


History = Callable[[Scene], Awaitable[tuple[list[str], set[str]]]]
"""Plays itself; returns the writes at AWS from its beginning on, and the gateways that nothing reached."""
HISTORIES: dict[str, History] = {}


def history(play: History) -> History:
    """Enter a history by its name."""
    HISTORIES[play.__name__] = play
    return play


# -- other names for the same gateway -------------------------------------------------------------------


@history
async def an_id_in_place_of_a_reference_that_is_refused(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin(allow=[TEAM_B])
    async with scene.world.operator():
        for spec in (OTHER, BY_ID, {"gatewayId": f" {OTHER_GATEWAY} "}, {"gatewayId": arn(OTHER_GATEWAY)}):
            await scene.world.edit(spec={"gatewayRef": None, "gatewayId": None, **spec})
            await scene.world.pass_time(A_WHILE)
    return [], {OTHER_GATEWAY}


@history
async def an_annotation_and_a_restart(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin(allow=[TEAM_B])
    note = {"annotations": {names.GATEWAY_ANNOTATION: OTHER_GATEWAY, names.SYNC_ANNOTATION: "1"}}
    await scene.world.create("late", targetName="late", gatewayId=OTHER_GATEWAY)
    for name in ("weather", "late"):
        await scene.world.edit(name, metadata={**note, "finalizers": [names.FINALIZER]})
    await scene.work()
    await scene.work()
    for name in ("weather", "late"):
        await scene.world.edit(name, spec={"deletionPolicy": "Delete"})
        await scene.world.delete(name)
    async with scene.world.operator():
        await scene.world.until(
            lambda: not scene.world.exists() and not scene.world.exists("late"), within=300.0
        )
    return ["SynchronizeGatewayTargets", DELETE], {OTHER_GATEWAY}


@history
async def observed_and_then_managed_where_it_is_refused(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin(allow=[TEAM_B])
    async with scene.world.operator():
        await scene.world.edit(spec={**BY_ID, "managementPolicy": "Observe"})
        await scene.world.pass_time(A_WHILE)
        await scene.world.edit(spec={"managementPolicy": "Manage"})
        await scene.world.pass_time(A_WHILE)
        await scene.says()
    return [], {OTHER_GATEWAY}


@history
async def an_adoption_where_it_is_refused(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin(allow=[TEAM_B])
    await scene.world.create(namespace="team-b", **TOOLS, adoptionPolicy="IfExists")
    await scene.work(allow_adoption=True)
    await scene.says(namespace="team-b")
    return [], {OTHER_GATEWAY}


# -- restores -------------------------------------------------------------------------------------------


@history
async def a_status_that_is_lost_is_found_again_where_it_is_permitted(
    scene: Scene,
) -> tuple[list[str], set[str]]:
    await scene.begin()
    await scene.world.set_status({})
    await scene.work()
    await scene.ready_on(GATEWAY)
    return [], {OTHER_GATEWAY}


@history
async def a_status_that_is_lost_where_it_is_not_permitted_any_more(
    scene: Scene,
) -> tuple[list[str], set[str]]:
    """Nothing proves any more that the object has anything there: neither it nor its deletion looks."""
    await scene.begin()
    await scene.platform.edit(spec={"allow": [TEAM_B]})
    await scene.world.set_status({})
    await scene.work()
    await scene.says()
    await scene.world.delete()
    async with scene.world.operator():
        await scene.world.until(lambda: not scene.world.exists(), within=200.0)
    return [], {GATEWAY, OTHER_GATEWAY}


@history
async def a_status_that_was_another_objects(scene: Scene) -> tuple[list[str], set[str]]:
    """With moves and a placement that would lead to the gateway of others."""
    await scene.begin(allow=[TEAM_B])
    mine = record_of(await scene.world.get())
    forged = mine | {
        "gatewayId": OTHER_GATEWAY,
        "gatewayArn": arn(OTHER_GATEWAY),
        "moves": [{"gatewayId": OTHER_GATEWAY, "placedBy": {"class": "other"}}],
        "placedBy": {"class": "other", "uid": "x", "gatewayArn": arn(OTHER_GATEWAY)},
    }
    await scene.world.create("late", targetName="late", **TOOLS)
    await scene.world.set_status(forged, "late")
    await scene.work()
    obj = await scene.world.get("late")
    assert obj.status.placed_by is not None
    assert obj.status.placed_by.class_ == "tools"
    return [CREATE], {OTHER_GATEWAY}


# -- MCPGateways that are made again --------------------------------------------------------------------


@history
async def made_again_the_same_while_nobody_works(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin()
    await scene.platform.force()
    await scene.work()
    await scene.says()
    await scene.platform.make()
    await scene.work()
    await scene.ready_on(GATEWAY)
    return [], {OTHER_GATEWAY}


@history
async def made_again_as_another_while_nobody_works(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin()
    await scene.platform.force()
    await scene.platform.make(gateway=THIRD_GATEWAY)
    await scene.world.edit(spec={"description": "x"})
    await scene.work()
    await scene.says("WrongAccountOrRegion")
    return [], {OTHER_GATEWAY, THIRD_GATEWAY}


@history
async def two_change_their_gateways(scene: Scene) -> tuple[list[str], set[str]]:
    """Nothing crosses over, though each of the gateways is permitted by one of them."""
    await scene.begin()
    for name in ("tools", "other"):
        if scene.platform.exists(name):
            await scene.platform.force(name)
    await scene.platform.make(gateway=OTHER_GATEWAY)
    await scene.platform.make("other", gateway=GATEWAY)
    await scene.work()
    await scene.says("WrongAccountOrRegion")
    # The user may say that it is to stay where it is.
    await scene.world.edit(spec=OTHER)
    await scene.work()
    await scene.ready_on(GATEWAY)
    return [], {OTHER_GATEWAY}


@history
async def being_deleted_while_a_reference_leads_away(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin()
    async with scene.world.operator():
        await scene.platform.delete()
        await scene.world.edit(spec=OTHER)
        await scene.world.until(lambda: not scene.platform.exists(), within=200.0)
        await scene.world.pass_time(5.0)
        await scene.ready_on(OTHER_GATEWAY)
    return [CREATE, DELETE], set()


# -- the kind itself ------------------------------------------------------------------------------------


def _refusing(code: int) -> Callable[[Request], Fault | None]:
    def faults(request: Request) -> Fault | None:
        ours = request.resource == MCPGATEWAYS and request.verb in {"list", "watch"}
        return (
            Fault(refuse=ApiError(code, "NotFound" if code == 404 else "Forbidden", "no")) if ours else None
        )

    return faults


@history
async def the_kind_is_forbidden_for_a_while(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin()
    await scene.world.edit(spec={"description": "x"})
    await scene.world.create("late", targetName="late", gatewayId=THIRD_GATEWAY)
    await scene.work(faults=_refusing(403))
    await scene.says()
    assert scene.platform.writes() == []
    await scene.work()
    await scene.ready_on(GATEWAY)
    return [UPDATE, CREATE], {OTHER_GATEWAY}


@history
async def the_kind_is_removed_and_comes_back(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin()
    discovery = scene.world.api.paths[f"/apis/{names.GROUP}/{names.VERSION}"]
    scene.world.api.paths[f"/apis/{names.GROUP}/{names.VERSION}"] = b'{"resources":[{"name":"mcpservers"}]}'
    await scene.world.edit(spec={"description": "x"})
    await scene.work(faults=_refusing(404))
    await scene.says()
    assert scene.platform.writes() == []
    scene.world.api.paths[f"/apis/{names.GROUP}/{names.VERSION}"] = discovery
    await scene.work()
    await scene.ready_on(GATEWAY)
    return [UPDATE], {OTHER_GATEWAY}


@history
async def an_older_schema_drops_references(scene: Scene) -> tuple[list[str], set[str]]:
    """What has lost its reference stays, and what has none yet is not made on the default gateway."""
    await scene.begin()
    serve(scene.world, without=["gatewayRef"])
    document = msgspec.json.decode(scene.world.api.paths[PATH])
    document["components"]["schemas"][f"x.{names.CLASS_KIND}"] = {}
    scene.world.api.paths[PATH] = msgspec.json.encode(document)
    await scene.world.edit(spec={"gatewayRef": None})
    await scene.world.create("late", targetName="late")
    await scene.work(gateway_id=OTHER_GATEWAY)
    await scene.ready_on(GATEWAY)
    assert "drops spec.gatewayRef" in condition(await scene.world.get("late"), "Permitted").message
    return [], {OTHER_GATEWAY}


@history
async def a_newer_kind_has_fields_that_nobody_here_knows(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin()
    await scene.platform.edit(spec={"allow": [{**ALLOW, "until": "2027-01-01"}]})
    await scene.world.edit(spec={"description": "x"})
    await scene.work()
    await scene.says()
    return [], {OTHER_GATEWAY}


# -- an operator of 0.2 in between ------------------------------------------------------------------------


def _as_of_02(status: dict[str, Any]) -> dict[str, Any]:
    """Return a status as an operator of 0.2 leaves it: it writes all of it, and knows no MCPGateways."""
    kept = {name: each for name, each in status.items() if name not in {"placedBy", "gatewayUrl"}}
    kept["conditions"] = [each for each in kept["conditions"] if each["type"] != "Permitted"]
    return kept


@history
async def back_from_02_costs_nothing(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin()
    await scene.world.set_status(_as_of_02(record_of(await scene.world.get())))
    await scene.work()
    await scene.world.edit(metadata={"annotations": {names.RECONCILE_ANNOTATION: "1"}})
    await scene.work()
    await scene.ready_on(GATEWAY)
    return [], {OTHER_GATEWAY}


@history
async def back_from_02_that_made_it_on_the_default_gateway(scene: Scene) -> tuple[list[str], set[str]]:
    """What the MCPGateway refuses stays where 0.2 has put it; nothing is asked of the other one."""
    await scene.begin(allow=[TEAM_B])
    await scene.world.edit(spec=OTHER)
    await scene.world.set_status(_as_of_02(record_of(await scene.world.get())))
    await scene.work()
    await scene.says()
    return [], {OTHER_GATEWAY}


@history
async def back_from_02_in_the_middle_of_a_move(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin()
    async with scene.world.operator():
        await scene.world.edit(spec=OTHER)
        await scene.world.until(lambda: _entered(scene))
    status = _as_of_02(record_of(await scene.world.get()))
    for entry in status["moves"]:
        entry.pop("placedBy", None)
    await scene.world.set_status(status)
    await scene.work(120.0)
    await scene.ready_on(OTHER_GATEWAY)
    return [CREATE, DELETE], set()


async def _entered(scene: Scene) -> bool:
    return bool((await scene.world.get()).status.moves)


# -- sessions, settings, labels ---------------------------------------------------------------------------


@history
async def a_session_ends_in_mid_move_and_permission_with_it(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin()
    async with scene.world.operator():
        await scene.world.edit(spec=OTHER)
        await scene.world.until(lambda: _entered(scene))
        refuse(scene.world, "ExpiredTokenException")
        await scene.world.pass_time(A_WHILE)
        await scene.platform.edit("other", spec={"allow": []})
        await scene.world.pass_time(5.0)
        made = len(scene.world.targets(OTHER_GATEWAY))
        scene.world.aws.clear_faults()
        await scene.world.pass_time(A_WHILE)
        assert len(scene.world.targets(OTHER_GATEWAY)) == made
        assert len(scene.world.targets(GATEWAY)) + made >= 1
        await scene.platform.edit("other", spec={"allow": [ALLOW]})
        await scene.world.pass_time(2 * A_WHILE)
        await scene.ready_on(OTHER_GATEWAY)
    assert not scene.world.targets(GATEWAY)
    return ["ANY"], set()


@history
async def references_are_required_from_now_on(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin()
    await scene.platform.edit("other", metadata={"finalizers": None})
    await scene.platform.delete("other")
    async with scene.world.operator():
        await scene.world.create("bare", targetName="bare", gatewayId=OTHER_GATEWAY)
        await scene.world.until_ready("bare")
    scene.world.forget_calls()
    await scene.world.edit("bare", spec={"description": "x"})
    await scene.work(require_gateway_ref=True)
    assert scene.platform.writes() == []
    await scene.world.delete("bare")
    async with scene.world.operator(require_gateway_ref=True):
        await scene.world.until(lambda: not scene.world.exists("bare"), within=300.0)
    return [DELETE], set()


@history
async def labels_that_come_and_go(scene: Scene) -> tuple[list[str], set[str]]:
    await scene.begin(allow=[{**ALLOW, "namespaces": {"matchLabels": {"tier": "gold"}}}])
    async with scene.world.operator():
        await scene.world.edit(spec=OTHER)
        for tier in ("iron", "Gold", None, "gold "):
            await scene.platform.label("team-a", tier=tier)
            await scene.world.pass_time(30.0)
        assert scene.platform.requests(OTHER_GATEWAY) == []
        await scene.platform.label("team-a", tier="gold")
        await scene.world.pass_time(A_WHILE)
        await scene.platform.label("team-a", tier=None)
        await scene.world.pass_time(30.0)
        await scene.says()
    return [CREATE, DELETE], set()


@history
async def a_marker_that_somebody_took_off_where_it_is_refused(scene: Scene) -> tuple[list[str], set[str]]:
    """Then nothing proves whose the target is, and it is left."""
    await scene.begin()
    await scene.platform.edit(spec={"allow": []})
    scene.world.aws.edit_target(scene.world.targets()[0]["targetId"], description="mine")
    await scene.world.delete()
    async with scene.world.operator():
        await scene.world.until(lambda: not scene.world.exists(), within=200.0)
    assert len(scene.world.targets()) == 1
    return [], {OTHER_GATEWAY}


@pytest.mark.parametrize("name", HISTORIES)
async def test_history(name: str) -> None:
    scene = Scene()
    writes, untouched = await HISTORIES[name](scene)
    if writes != ["ANY"]:
        assert Counter(scene.platform.writes()) == Counter(writes)
    for gateway_id in untouched:
        assert scene.platform.requests(gateway_id) == []


async def test_a_crash_at_each_step_of_a_switched_reference_and_nothing_permitted_any_more() -> None:
    """The process ends at the first, second, ... decision; by the time the next one works, all is refused.

    What was made is the object's, on one gateway or the other; nothing more is made until it is permitted.
    """
    scene = Scene()
    await scene.begin()
    world, platform = scene.world, scene.platform
    ends = 0
    for step in range(12):
        here, there = ("tools", "other") if step % 2 == 0 else ("other", "tools")
        seen, over = 0, False

        def decide(_state: Any, _decision: Any) -> None:
            nonlocal seen, over
            seen += 1
            over = over or seen == step + 1  # noqa: B023  -- called within this round

        def dead(request: Request) -> Fault | None:
            return Fault(hang=True) if over and request.mutates else None  # noqa: B023  -- as above

        async with world.operator(faults=dead, fence=lambda: not over) as operator:  # noqa: B023  -- as above
            await world.pass_time(2.0)
            operator.hooks.on_decision = decide
            await world.edit(spec={"gatewayRef": {"name": there}})
            await world.pass_time(20.0)
        ends += over
        await platform.edit(there, spec={"allow": []})
        made = platform.writes().count(CREATE)
        await scene.work()
        assert platform.writes().count(CREATE) == made, (step, here, there)
        assert UPDATE not in platform.writes()
        await platform.edit(there, spec={"allow": [ALLOW]})
        await scene.work(2 * A_WHILE)
        await scene.ready_on(OTHER_GATEWAY if there == "other" else GATEWAY)
        assert len(world.targets(GATEWAY)) + len(world.targets(OTHER_GATEWAY)) == 1
        counts = Counter(platform.writes())
        assert counts == {CREATE: step + 1, DELETE: step + 1}, (step, counts)
    assert ends >= 7
