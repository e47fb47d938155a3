"""Edits and deletions of a target that waits for a person: AWS refuses them, and is not asked without end."""

from __future__ import annotations

from typing import Any

import pytest

from agentcore_simulator.settings import Settings as SimulatorSettings
from agentcore_simulator.settings import Switches
from tests.support.world import World, condition

CODE: dict[str, Any] = {"oauthGrantType": "AUTHORIZATION_CODE"}
BUSY = pytest.mark.parametrize("busy_error", ["conflict", "validation"])


def world_with(**switches: Any) -> World:
    """Return a world whose AWS answers as these switches say."""
    return World(simulator=SimulatorSettings(switches=Switches(**switches)))


def target_id(world: World) -> str:
    """Return the id of the one target."""
    (target,) = world.targets()
    found: str = target["targetId"]
    return found


@BUSY
async def test_an_edit_waits_for_the_consent_and_the_newest_one_is_sent(busy_error: str) -> None:
    world = world_with(busy_error=busy_error)
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("PendingAuthorization")
        world.forget_calls()
        for version in ("v2", "v3"):
            await world.edit(spec={"endpoint": f"https://weather.example.com/{version}/mcp"})
            await world.pass_time(100)
            obj = await world.get()
            told = condition(obj)
            assert (told.reason, told.observed_generation) == (
                "PendingAuthorization",
                obj.metadata.generation,
            )
            assert "busy" not in told.message
            assert obj.status.authorization_url
            assert condition(obj, "Synced").status == "False"
        assert world.calls()["UpdateGatewayTarget"] == 2, "one try for each generation"
        assert len(world.writes()) <= 4
        world.aws.consent(target_id(world))
        await world.until(lambda: "/v3/" in str(world.targets()), within=15)
        assert world.calls()["UpdateGatewayTarget"] == 3
        await world.pass_time(5)
        again = await world.until_reason("PendingAuthorization")
        assert again.status.target_status == "UPDATE_PENDING_AUTH"
        world.aws.consent(target_id(world))
        await world.until_ready(within=15)
        assert world.calls()["UpdateGatewayTarget"] == 3


@pytest.mark.parametrize("edit", [{"deletionPolicy": "Retain"}, {"oauthScopes": ["read", "read"]}])
async def test_an_edit_that_changes_nothing_at_aws_only_waits(edit: dict[str, Any]) -> None:
    world = World()
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("PendingAuthorization")
        world.forget_calls()
        await world.edit(spec=edit)
        await world.pass_time(30)
        obj = await world.get()
        told = condition(obj)
        assert (told.reason, told.observed_generation) == ("PendingAuthorization", obj.metadata.generation)
        assert "Open the address" in told.message
        assert condition(obj, "Synced").status == "True"
        assert world.calls()["UpdateGatewayTarget"] == 0
        assert world.writes() == ["patch status"]
        world.aws.consent(target_id(world))
        await world.until_ready(within=15)


@BUSY
async def test_an_edit_is_sent_when_the_consent_ran_out(busy_error: str) -> None:
    world = world_with(busy_error=busy_error)
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("PendingAuthorization")
        world.forget_calls()
        await world.edit(spec={"oauthGrantType": "CLIENT_CREDENTIALS"})
        await world.until_ready(within=700)
        assert world.calls()["UpdateGatewayTarget"] == 2, "one refused, one taken"
        assert not [c for c in (await world.get()).status.conditions if c.type == "Authorized"]


@BUSY
async def test_deletion_waits_for_what_aws_does_not_delete(busy_error: str) -> None:
    world = world_with(busy_error=busy_error)
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("PendingAuthorization")
        world.forget_calls()
        await world.delete()
        await world.pass_time(60)
        obj = await world.get()
        assert condition(obj).reason == "PendingAuthorization"
        assert "Wait for the authorization" in condition(obj).message
        assert "busy" not in condition(obj).message
        assert world.calls()["DeleteGatewayTarget"] == 1
        await world.until(lambda: not world.exists(), within=700)
        assert world.targets() == []
        assert world.calls()["DeleteGatewayTarget"] <= 3


async def test_deletion_goes_through_when_consent_is_given() -> None:
    world = World()
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("PendingAuthorization")
        await world.delete()
        await world.pass_time(100)
        assert world.exists()
        world.aws.consent(target_id(world))
        await world.until(lambda: not world.exists(), within=20)
        assert world.calls()["DeleteGatewayTarget"] == 2


async def test_deletion_is_asked_for_again_where_the_state_never_ends() -> None:
    world = world_with(pending_auth_expiry="stay")
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("PendingAuthorization")
        await world.delete()
        await world.pass_time(3600)
        assert world.calls()["DeleteGatewayTarget"] in {6, 7}
        world.aws.configure(switches={"pending_auth_writes": "delete-allowed"})
        await world.until(lambda: not world.exists(), within=700)


async def test_deletion_where_aws_allows_it() -> None:
    world = world_with(pending_auth_writes="delete-allowed")
    async with world.operator():
        await world.create(**CODE)
        await world.until_reason("PendingAuthorization")
        await world.delete()
        await world.until(lambda: not world.exists(), within=15)
        assert world.calls()["DeleteGatewayTarget"] == 1
