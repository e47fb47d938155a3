"""Several objects want one target name: one gets it, the others wait without a call and take over."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from agentcore_simulator.settings import Durations, Switches
from agentcore_simulator.settings import Settings as SimulatorSettings
from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.gather import object_index
from mcp_gateway_operator.controller.gather.object_index import APART
from mcp_gateway_operator.runtime.cluster import EVENTS, NAMESPACES
from mcp_gateway_operator.targets.rules import claim_of
from mcp_gateway_operator.targets.shape import marker_of
from tests.support.world import GATEWAY, OTHER_GATEWAY, World, condition

OWNER = "cluster-a"
DRIFT = 30.0
NAME_RULES = ("conflict", "validation", "allow")
CONFIG = {"mcp": {"mcpServer": {"endpoint": "https://by-hand.example.com/mcp"}}}


def world_of(duplicate_names: Any = "conflict", **switches: Any) -> World:
    """Return a world whose namespaces team-a and team-b exist."""
    settings = SimulatorSettings(
        switches=Switches(duplicate_names=duplicate_names, **switches),
        durations=Durations(creating=1.0, updating=1.0, deleting=1.0),
    )
    world = World(simulator=settings)
    world.api.store.create(NAMESPACES, None, {"metadata": {"name": "team-b"}})
    return world


async def quiet(world: World) -> None:
    """Nothing is written and nothing asked, Lists aside."""
    await world.pass_time(2 * DRIFT)
    world.forget_calls()
    world.passes.clear()
    await world.pass_time(4 * DRIFT)
    assert world.writes() == []
    assert set(world.calls()) <= {"ListGatewayTargets"}
    assert not world.passes


def targets(world: World, gateway_id: str = GATEWAY) -> dict[str, str]:
    """Return target names by id, those being deleted aside."""
    return {t["targetId"]: t["name"] for t in world.targets(gateway_id) if t["status"] != "DELETING"}


@pytest.mark.parametrize("rule", NAME_RULES)
@pytest.mark.parametrize("namespace", ["team-a", "team-b"])
@pytest.mark.parametrize("first", ["older", "younger"])
async def test_older_one_gets_the_name_whatever_aws_does(rule: str, namespace: str, first: str) -> None:
    """They were made before the operator ran: no order of events speaks for either."""
    world = world_of(rule)
    await world.create("zebra" if first == "older" else "weather", targetName="forecasts")
    await world.pass_time(5)
    other = "weather" if first == "older" else "zebra"
    await world.create(other, namespace=namespace, targetName="forecasts")
    older = "zebra" if first == "older" else "weather"
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        obj = await world.until_ready(older)
        await world.until(lambda: _says(world, "NameConflict", other, namespace))
        loser = await world.get(other, namespace=namespace)
        assert f"team-a/{older}" in condition(loser).message
        assert condition(loser, "Stalled").status == "True"
        assert targets(world) == {obj.status.target_id: "forecasts"}
        await quiet(world)
    assert world.calls()["CreateGatewayTarget"] == 0


async def _says(world: World, reason: str, name: str, namespace: str = "team-a") -> bool:
    return condition(await world.get(name, namespace=namespace)).reason == reason


@pytest.mark.parametrize("rule", NAME_RULES)
async def test_of_many_one_creates_and_the_others_send_nothing(rule: str) -> None:
    """Made in one second, so that the uid decides; one Create in all."""
    world = world_of(rule)
    for number in range(8):
        await world.create(f"server-{number}", targetName="forecasts")
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        await world.pass_time(10)
        objects = [await world.get(f"server-{number}") for number in range(8)]
        first = min(objects, key=lambda obj: obj.metadata.uid)
        reasons = {obj.metadata.name: condition(obj).reason for obj in objects}
        assert reasons.pop(first.metadata.name) == "GatewayTargetReady"
        assert set(reasons.values()) == {"NameConflict"}
        assert world.calls()["CreateGatewayTarget"] == 1
        await quiet(world)


@pytest.mark.parametrize("rule", NAME_RULES)
async def test_objects_made_under_a_running_operator_end_with_one_target(rule: str) -> None:
    world = world_of(rule)
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        await world.create("zebra", targetName="forecasts")
        await world.pass_time(2)
        for number in range(4):
            await world.create(f"server-{number}", targetName="forecasts")
        await world.until_ready("zebra")
        await quiet(world)
        assert list(targets(world).values()) == ["forecasts"]
        for number in range(4):
            obj = await world.get(f"server-{number}")
            assert "that of MCPServer team-a/zebra" in condition(obj).message


def _edit(**patch: Any) -> Any:
    async def change(world: World) -> None:
        await world.edit("older", **patch)

    return change


async def _delete(world: World) -> None:
    await world.delete("older")


PAUSE = {"annotations": {names.PAUSED_ANNOTATION: "true"}}
GONE = {
    "deleted": _delete,
    "renamed": _edit(spec={"targetName": "elsewhere"}),
}


@pytest.mark.parametrize("how", GONE)
@pytest.mark.parametrize("rule", NAME_RULES)
@pytest.mark.parametrize("shown", [True, False])
async def test_loser_takes_over_when_the_holder_goes(how: str, rule: str, shown: bool) -> None:
    """Whether or not Lists show targets that are being deleted; a refused Create or two tells that it is."""
    world = world_of(rule, list_shows_deleting=shown)
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        await world.create("older", targetName="forecasts")
        await world.until_ready("older")
        await world.create("younger", targetName="forecasts")
        await world.until_reason("NameConflict", "younger")
        world.forget_calls()
        await GONE[how](world)
        obj = await world.until_ready("younger", within=DRIFT)
        assert targets(world)[obj.status.target_id] == "forecasts"
        assert world.calls()["CreateGatewayTarget"] <= (1 if shown else 3)
        await quiet(world)


@pytest.mark.parametrize(
    "how",
    [
        _edit(metadata=PAUSE),
        _edit(spec={"managementPolicy": "Observe"}),
        _edit(spec={"endpoint": "http://plain.example.com"}),
        _edit(spec={"targetName": "elsewhere"}),
        _edit(spec={"gatewayId": OTHER_GATEWAY}),
        _delete,
    ],
    ids=["paused", "observed", "invalid", "renamed", "another gateway", "deleted"],
)
@pytest.mark.parametrize("when", ["before", "while waiting"])
async def test_older_one_that_cannot_or_may_not_keeps_nobody_waiting(how: Any, when: str) -> None:
    """`while waiting`: both wait for a name that a human's target holds, and then it is free."""
    world = world_of()
    human = world.aws.create_target(GATEWAY, name="forecasts", targetConfiguration=CONFIG)
    await world.create("older", targetName="forecasts")
    await world.pass_time(5)
    await world.create("younger", targetName="forecasts")
    if when == "before":
        await how(world)
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        await world.until_reason("NameConflict", "younger")
        if when == "while waiting":
            await world.until_reason("NameConflict", "older")
            await how(world)
            await world.pass_time(1)
        world.forget_calls()
        world.aws.delete_target(human["targetId"])
        await world.until_ready("younger", within=2 * DRIFT)
        assert list(targets(world).values()) == ["forecasts"]


async def test_older_one_that_becomes_unable_while_the_younger_waits_for_it() -> None:
    """AWS refuses the older one's spec: the younger is woken by that alone, and gets the name."""
    world = world_of()
    await world.create("older", targetName="forecasts", endpoint="https://refused.example.com/mcp")
    await world.pass_time(5)
    await world.create("younger", targetName="forecasts")
    world.aws.add_fault(operation="CreateGatewayTarget", code="ValidationException", count=1)
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        await world.until_ready("younger", within=DRIFT)
        assert world.calls()["CreateGatewayTarget"] == 2
        await world.edit("older", spec={"endpoint": "https://mended.example.com/mcp"})
        obj = await world.until_reason("NameConflict", "older", within=DRIFT)
        assert "team-a/younger" in condition(obj).message
        await quiet(world)
        assert world.calls()["CreateGatewayTarget"] == 0


async def test_older_one_in_a_namespace_that_is_not_watched_keeps_nobody_waiting() -> None:
    world = world_of()
    await world.create("older", namespace="team-b", targetName="forecasts")
    await world.pass_time(5)
    await world.create("younger", targetName="forecasts")
    async with world.operator(owner_ids=(OWNER,), namespaces=("team-a",), drift_interval=DRIFT):
        await world.until_ready("younger", within=DRIFT)


async def test_recorded_holder_keeps_its_name_when_its_target_is_deleted_outside() -> None:
    """The younger one holds it; the older one, which waits, does not jump into the gap."""
    world = world_of()
    await world.create("older", targetName="forecasts", managementPolicy="Observe")
    await world.pass_time(5)
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        await world.create("younger", targetName="forecasts")
        held = await world.until_ready("younger")
        await world.edit("older", spec={"managementPolicy": "Manage"})
        await world.until_reason("NameConflict", "older")
        world.forget_calls()
        world.aws.delete_target(held.status.target_id)
        await world.until(lambda: held.status.target_id not in targets(world) and targets(world), within=120)
        obj = await world.until_ready("younger", within=DRIFT)
        assert list(targets(world)) == [obj.status.target_id]
        assert world.calls()["CreateGatewayTarget"] == 1
        await world.until_reason("NameConflict", "older", within=DRIFT)
        await quiet(world)


@pytest.mark.parametrize("rule", NAME_RULES)
async def test_rename_onto_a_taken_name_is_reported_and_holds_nothing_else_back(rule: str) -> None:
    world = world_of(rule)
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        await world.create("alpha")
        await world.create("beta")
        await world.until_ready("alpha")
        before = await world.until_ready("beta")
        world.forget_calls()
        await world.edit("beta", spec={"targetName": "alpha", "description": "edited"})
        obj = await world.until_reason("NameConflict", "beta")
        assert "keeps the name 'beta'" in condition(obj).message
        assert "that of MCPServer team-a/alpha" in condition(obj).message
        (held,) = (t for t in world.targets() if t["targetId"] == before.status.target_id)
        assert held["name"] == "beta"
        assert held["description"].startswith("edited [mcps ")
        await quiet(world)
        await world.delete("alpha")
        await world.until_ready("beta", within=DRIFT)
        assert targets(world) == {before.status.target_id: "alpha"}
        assert world.calls()["CreateGatewayTarget"] == 0


@pytest.mark.parametrize("policy", ["Repair", "Report"])
async def test_rename_that_had_to_wait_is_an_edit_and_no_drift(policy: str) -> None:
    """Nobody changed anything outside: no Event says so, and no policy for that holds the rename back."""
    world = world_of()
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        for name in ("alpha", "beta"):
            await world.create(name, driftPolicy=policy)
            await world.until_ready(name)
        await world.edit("beta", spec={"targetName": "alpha"})
        await world.until_reason("NameConflict", "beta")
        await quiet(world)
        await world.delete("alpha")
        await world.until_ready("beta", within=DRIFT)
        reasons = [msgspec.json.decode(body)["reason"] for _, body in world.api.store.select(EVENTS, None)]
        assert "Updated" in reasons
        assert "DriftRepaired" not in reasons


@pytest.mark.parametrize("code", ["ConflictException", "ValidationException"])
@pytest.mark.parametrize("renamed", [True, False])
async def test_name_that_was_taken_since_the_last_list_is_had_as_soon_as_it_is_free(
    code: str, *, renamed: bool
) -> None:
    """AWS refuses it before a List tells why; that refusal says nothing any more once the List did."""
    world = world_of()
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        await world.create("beta")
        await world.until_ready("beta")
        await world.pass_time(2 * DRIFT)
        human = world.aws.create_target(GATEWAY, name="taken", targetConfiguration=CONFIG)["targetId"]
        words = "Target with name taken already exists"
        world.aws.add_fault(name="taken", code=code, message=words, count=1)
        if renamed:
            await world.edit("beta", spec={"targetName": "taken", "description": "edited"})
        else:
            await world.create("gamma", targetName="taken")
        waiting = "beta" if renamed else "gamma"
        await world.until_reason("NameConflict", waiting, within=2 * DRIFT)
        if renamed:
            (held,) = (target for target in world.targets() if target["name"] == "beta")
            assert held["description"].startswith("edited")
        world.aws.delete_target(human)
        await world.until_ready(waiting, within=2 * DRIFT)


async def test_swap_of_two_names_stays_as_it_is_and_says_so() -> None:
    world = world_of()
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        for name in ("alpha", "beta"):
            await world.create(name)
        held = {name: (await world.until_ready(name)).status.target_id for name in ("alpha", "beta")}
        await world.edit("alpha", spec={"targetName": "beta"})
        await world.edit("beta", spec={"targetName": "alpha"})
        for name, other in (("alpha", "beta"), ("beta", "alpha")):
            obj = await world.until_reason("NameConflict", name)
            assert f"team-a/{other}" in condition(obj).message
            assert condition(obj, "Synced").status == "False"
        await quiet(world)
        assert targets(world) == {target_id: name for name, target_id in held.items()}
        # One that goes out of the way ends it.
        await world.edit("alpha", spec={"targetName": "gamma"})
        await world.until_ready("alpha")
        await world.until_ready("beta", within=DRIFT)
        await world.edit("alpha", spec={"targetName": "beta"})
        await world.until_ready("alpha", within=DRIFT)
        assert targets(world) == {held["alpha"]: "beta", held["beta"]: "alpha"}


async def test_chain_of_names_moves_up_by_one() -> None:
    """Each takes the name of the one before it, once that one has let it go."""
    chain = ["a", "b", "c", "d", "e"]
    world = world_of()
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        for name in chain[:-1]:
            await world.create(name)
        held = {name: (await world.until_ready(name)).status.target_id for name in chain[:-1]}
        world.forget_calls()
        for name, wanted in itertools.pairwise(chain):
            await world.edit(name, spec={"targetName": wanted})
        for name in chain[:-1]:
            await world.until_ready(name, within=2 * DRIFT)
        assert targets(world) == {held[n]: w for n, w in itertools.pairwise(chain)}
        assert world.calls()["UpdateGatewayTarget"] == 4
        await quiet(world)


@pytest.mark.parametrize("whose", ["a human's", "another cluster's"])
async def test_target_that_is_not_ours_is_named_and_never_touched(whose: str) -> None:
    world = world_of()
    mark = f"[mcps {marker_of('cluster-b', 'team-a', 'weather')}]"
    human = world.aws.create_target(
        GATEWAY,
        name="weather",
        targetConfiguration=CONFIG,
        **({} if whose == "a human's" else {"description": mark}),
    )
    world.forget_calls()
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        await world.create()
        obj = await world.until_reason("NameConflict")
        expected = "which this operator did not make" if whose == "a human's" else f"marked {mark} by another"
        assert expected in condition(obj).message
        assert human["targetId"] in condition(obj).message
        await quiet(world)
        assert set(world.calls()) <= {"ListGatewayTargets"}
        world.aws.delete_target(human["targetId"])
        await world.until_ready(within=2 * DRIFT)


@pytest.mark.parametrize("mover", ["older", "younger"])
async def test_name_on_another_gateway_goes_by_age_too(mover: str) -> None:
    """One moves to the gateway where the other is about to be made: one of them waits for the other.

    Both were there before this process, so each first makes sure that nothing comes to light of it.
    """
    world = world_of()
    other = "younger" if mover == "older" else "older"
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        if mover == "younger":
            await world.create(
                other, targetName="forecasts", gatewayId=OTHER_GATEWAY, managementPolicy="Observe"
            )
            await world.pass_time(5)
        await world.create(mover, targetName="forecasts")
        await world.until_ready(mover)
        await world.pass_time(5)
    if mover == "older":
        await world.create(other, targetName="forecasts", gatewayId=OTHER_GATEWAY)
    await world.edit(mover, spec={"gatewayId": OTHER_GATEWAY})
    await world.edit(other, spec={"managementPolicy": "Manage"})
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        obj = await world.until_ready("older", within=120)
        loser = await world.until_reason("NameConflict", "younger", within=120)
        assert "team-a/older" in condition(loser).message
        assert targets(world, OTHER_GATEWAY) == {obj.status.target_id: "forecasts"}
        # The target of one that cannot move yet serves on; that of one that has moved goes.
        await world.until(lambda: len(targets(world)) == (mover == "younger"))
        await world.delete("older")
        await world.until_ready("younger", within=200)
        assert len(targets(world, OTHER_GATEWAY)) == 1
        await world.until(lambda: not targets(world), within=2 * DRIFT)


@pytest.mark.parametrize("count", [40, 320])
async def test_work_for_a_name_that_many_want_grows_with_their_number_alone(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is compared when it changes, not with each of the others; only the next one is woken."""
    compared = itertools.count()

    def counting(obj: Any, name: str, default_gateway: str) -> Any:
        next(compared)
        return claim_of(obj, name, default_gateway)

    monkeypatch.setattr(object_index, "claim_of", counting)
    world = world_of()
    for number in range(count):
        await world.create(f"server-{number}", targetName="forecasts")
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        await world.pass_time(10)
        assert sum(world.passes.values()) <= 5 * count + 40
        assert next(compared) <= 6 * count
        assert world.calls()["CreateGatewayTarget"] == 1

        objects = [await world.get(f"server-{number}") for number in range(count)]
        holder, following = sorted(objects, key=lambda obj: obj.metadata.uid)[:2]
        world.passes.clear()
        await world.delete(holder.metadata.name)
        await world.until_ready(following.metadata.name, within=10)
        assert set(world.passes) == {holder.key, following.key}


async def test_who_waits_for_a_name_says_in_time_who_has_it_now() -> None:
    world = world_of()
    for name in ("first", "second", "third"):
        await world.create(name, targetName="forecasts")
        await world.pass_time(2)
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        await world.until(lambda: _says(world, "NameConflict", "third"))
        await world.delete("first")
        await world.until_ready("second")
        await world.pass_time(700)
        assert "team-a/second" in condition(await world.get("third")).message


async def _reads(world: World, words: str, name: str) -> bool:
    return words in condition(await world.get(name)).message


@pytest.mark.parametrize("rule", NAME_RULES)
async def test_who_only_looks_on_says_in_time_who_has_the_name_now(rule: str) -> None:
    """Its holder goes, another takes it, all go; the one that is observed gets no event of its own."""
    world = world_of(rule)
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        await world.create("first", targetName="forecasts")
        await world.until_ready("first")
        await world.create("observed", targetName="forecasts", managementPolicy="Observe")
        await world.until(lambda: _reads(world, "team-a/first", "observed"))
        await world.create("second", targetName="forecasts")
        await world.pass_time(5)
        await world.delete("first")
        await world.until(lambda: _reads(world, "team-a/second", "observed"), within=DRIFT + APART)
        await world.delete("second")
        await world.until(lambda: _reads(world, "would create", "observed"), within=DRIFT + APART)
        await quiet(world)


async def test_who_only_looks_on_is_told_of_rivals_that_have_no_target_yet() -> None:
    """No row changes at AWS: an older one is made free to act, and is paused again."""
    world = world_of()
    await world.create("older", targetName="forecasts", endpoint="http://plain.example.com")
    await world.pass_time(2)
    await world.create("observed", targetName="forecasts", managementPolicy="Observe")
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        await world.until(lambda: _reads(world, "would create", "observed"))
        world.aws.add_fault(operation="CreateGatewayTarget", code="ThrottlingException", count=100)
        await world.edit("older", spec={"endpoint": "https://older.example.com/mcp"})
        await world.until(lambda: _reads(world, "team-a/older", "observed"), within=APART + 5)
        await world.edit("older", metadata=PAUSE)
        await world.until(lambda: _reads(world, "would create", "observed"), within=APART + 5)


async def test_many_who_look_on_are_woken_seldom_however_often_the_name_changes_hands() -> None:
    world = world_of()
    for number in range(40):
        await world.create(f"observed-{number}", targetName="forecasts", managementPolicy="Observe")
    await world.create("holder", targetName="forecasts")
    async with world.operator(owner_ids=(OWNER,), drift_interval=DRIFT):
        await world.until_ready("holder")
        await world.pass_time(2 * APART)
        world.passes.clear()
        for _ in range(60):
            await world.edit("holder", metadata=PAUSE)
            await world.pass_time(0.5)
            await world.edit("holder", metadata={"annotations": {names.PAUSED_ANNOTATION: None}})
            await world.pass_time(0.5)
        seconds = 60
        onlookers = sum(count for key, count in world.passes.items() if key[1] != "holder")
        assert onlookers <= 40 * (seconds / APART + 2)
