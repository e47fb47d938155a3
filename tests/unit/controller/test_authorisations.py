"""Every outbound authorisation: made, edited, turned into every other and back, refused, deleted."""

from __future__ import annotations

import itertools
from typing import Any, Literal

import pytest

from agentcore_simulator.settings import Settings as SimulatorSettings
from agentcore_simulator.settings import Switches
from mcp_gateway_operator.targets.shape.target import find_marker
from tests.support.world import GATEWAY, PROVIDER, World, condition
from tests.unit.controller.fields import IAM, KEY, KEY_PROVIDER, TOOLS, Config

NONE: Config = {
    "iam": None,
    "apiKey": None,
    "oauthGrantType": None,
    "oauthDefaultReturnUrl": None,
    "oauthCustomParameters": None,
    "listingMode": None,
}


def oauth(**fields: Any) -> list[Config]:
    """Return what AWS holds for an OAuth2 provider."""
    held = {"providerArn": PROVIDER, "scopes": ["read"], **fields}
    return [{"credentialProviderType": "OAUTH", "credentialProvider": {"oauthCredentialProvider": held}}]


# What the spec says, what AWS holds then, an edit of it, and what AWS holds after that.
Life = tuple[Config, list[Config], Config, list[Config]]
LIVES: dict[str, Life] = {
    "client credentials": (
        {"authType": "OAuth2"},
        oauth(grantType="CLIENT_CREDENTIALS"),
        {"oauthCustomParameters": {"audience": "a"}},
        oauth(grantType="CLIENT_CREDENTIALS", customParameters={"audience": "a"}),
    ),
    "authorization code": (
        {"authType": "OAuth2", "oauthGrantType": "AUTHORIZATION_CODE"},
        oauth(grantType="AUTHORIZATION_CODE"),
        {"oauthDefaultReturnUrl": "https://portal.example.com/done"},
        oauth(grantType="AUTHORIZATION_CODE", defaultReturnUrl="https://portal.example.com/done"),
    ),
    "token exchange": (
        {"authType": "OAuth2", "oauthGrantType": "TOKEN_EXCHANGE", "listingMode": "DYNAMIC"},
        oauth(grantType="TOKEN_EXCHANGE"),
        {"oauthCustomParameters": {"subject_token_type": "urn:a"}},
        oauth(grantType="TOKEN_EXCHANGE", customParameters={"subject_token_type": "urn:a"}),
    ),
    "none": ({"authType": "NoAuth"}, [], {"description": "Forecasts"}, []),
    "role": (
        IAM,
        [
            {
                "credentialProviderType": "GATEWAY_IAM_ROLE",
                "credentialProvider": {"iamCredentialProvider": {"service": "lambda"}},
            }
        ],
        {"iam": {"service": "execute-api"}},
        [
            {
                "credentialProviderType": "GATEWAY_IAM_ROLE",
                "credentialProvider": {"iamCredentialProvider": {"service": "execute-api"}},
            }
        ],
    ),
    "key": (
        KEY,
        [
            {
                "credentialProviderType": "API_KEY",
                "credentialProvider": {"apiKeyCredentialProvider": {"providerArn": KEY_PROVIDER}},
            }
        ],
        {"apiKey": {"location": "HEADER", "parameterName": "X-Key"}},
        [
            {
                "credentialProviderType": "API_KEY",
                "credentialProvider": {
                    "apiKeyCredentialProvider": {
                        "providerArn": KEY_PROVIDER,
                        "credentialLocation": "HEADER",
                        "credentialParameterName": "X-Key",
                    }
                },
            }
        ],
    ),
}


def held(world: World) -> list[Config]:
    """Return the one target's credential providers."""
    (target,) = world.targets()
    found: list[Config] = target["credentialProviderConfigurations"]
    return found


def shown(world: World) -> list[Config]:
    """Return the one target's credential providers, none where AWS shows a role that it made up."""
    (target,) = world.targets()
    found: list[Config] = target.get("credentialProviderConfigurations") or []
    return [] if found == [{"credentialProviderType": "GATEWAY_IAM_ROLE"}] else found


def consents(world: World) -> None:
    """Consent to every target that waits for it, as its users would."""
    for target in world.targets():
        if target["status"].endswith("PENDING_AUTH"):
            world.aws.consent(target["targetId"])


async def until_ready(world: World) -> None:
    """Wait for Ready, and consent where that is asked."""
    await world.pass_time(3)
    consents(world)
    await world.until_ready(within=15)
    await world.pass_time(5)


@pytest.mark.parametrize("shape", ["empty", "absent", "role"])
@pytest.mark.parametrize("name", LIVES)
async def test_made_edited_and_deleted(name: str, shape: Literal["empty", "absent", "role"]) -> None:
    spec, made, edit, edited = LIVES[name]
    switches = Switches(no_auth_shape=shape)
    world = World(simulator=SimulatorSettings(switches=switches))
    async with world.operator(sweep_interval=600.0):
        await world.create(**spec)
        await until_ready(world)
        assert shown(world) == made
        await world.edit(spec=edit)
        await until_ready(world)
        assert shown(world) == edited
        await world.pass_time(1300)
        calls = world.calls()
        assert (calls["CreateGatewayTarget"], calls["UpdateGatewayTarget"]) == (1, 1)
        assert condition(await world.get()).status == "True"
        await world.delete()
        await world.until(lambda: not world.exists(), within=20)
        assert world.targets() == []
        assert world.calls()["DeleteGatewayTarget"] == 1


@pytest.mark.parametrize(("before", "after"), [*itertools.permutations(LIVES, 2)])
async def test_turned_into_another_and_back(before: str, after: str) -> None:
    (first, first_held, *_), (second, second_held, *_) = LIVES[before], LIVES[after]
    world = World()
    async with world.operator():
        await world.create(**first)
        await until_ready(world)
        target_id = (await world.get()).status.target_id
        for spec, expected in ((second, second_held), (first, first_held)):
            world.forget_calls()
            await world.edit(spec={**NONE, **spec})
            await until_ready(world)
            assert held(world) == expected
            assert world.calls()["UpdateGatewayTarget"] == 1
            assert world.calls()["SynchronizeGatewayTargets"] == 0
            assert (await world.get()).status.target_id == target_id


# -- what AWS refuses ---------------------------------------------------------------------------------------

GOOD: Config = {"endpoint": "https://weather.example.com/mcp", "allowedRequestHeaders": []}
TEN = [f"X-Tenant-{number}" for number in range(10)]
BAD: Config = {"endpoint": "https://new.example.com/mcp", "allowedRequestHeaders": TEN}
WORDS = "A gateway with a policy engine takes at most 9 allowedRequestHeaders"


def strict_world() -> World:
    """Return a world whose gateway refuses something that no rule of ours knows."""
    world = World()
    world.aws.edit_gateway(GATEWAY, policyEngine=True)
    return world


async def test_a_refused_edit_is_shown_word_for_word_and_the_old_target_serves_on() -> None:
    world = strict_world()
    async with world.operator():
        await world.create(**GOOD)
        await world.until_ready()
        await world.pass_time(5)
        before = world.targets()
        world.forget_calls()
        await world.edit(spec=BAD)
        obj = await world.until_reason("UpdateError", within=5)
        assert WORDS in condition(obj).message
        assert condition(obj).observed_generation == obj.metadata.generation
        assert condition(obj, "Stalled").status == "True"
        assert condition(obj, "Synced").status == "False"
        assert world.targets() == before
        await world.pass_time(500)
        assert world.calls()["UpdateGatewayTarget"] == 1
        assert len(world.writes()) == 1

        await world.edit(spec=GOOD)
        await world.until_ready(within=5)
        await world.pass_time(3600)
        assert world.targets() == before
        assert world.calls()["UpdateGatewayTarget"] == 1, "AWS held this all along"
        assert condition(await world.get(), "Stalled").status == "False"

        await world.edit(spec={**BAD, "allowedRequestHeaders": TEN[:9]})
        await world.until_ready(within=5)
        assert world.calls()["UpdateGatewayTarget"] == 2


async def test_a_refused_create_is_corrected() -> None:
    world = strict_world()
    async with world.operator():
        await world.create(**BAD)
        obj = await world.until_reason("CreationError", within=5)
        assert WORDS in condition(obj).message
        await world.pass_time(500)
        assert world.calls()["CreateGatewayTarget"] == 1
        await world.edit(spec=GOOD)
        await world.pass_time(100)
        await world.until_ready(within=30)
        assert world.calls()["CreateGatewayTarget"] == 2
        assert len(world.targets()) == 1


async def test_an_object_that_aws_never_took_is_deleted_without_a_delete() -> None:
    world = strict_world()
    async with world.operator():
        await world.pass_time(1)
        await world.create(**BAD)
        await world.until_reason("CreationError", within=5)
        await world.delete()
        await world.until(lambda: not world.exists(), within=5)
        assert world.calls()["DeleteGatewayTarget"] == 0


async def test_a_refusal_is_tried_again_slowly_for_what_changes_at_aws() -> None:
    world = strict_world()
    async with world.operator():
        await world.create(**GOOD)
        await world.until_ready()
        await world.edit(spec=BAD)
        await world.until_reason("UpdateError", within=5)
        world.aws.edit_gateway(GATEWAY, policyEngine=False)
        await world.until_ready(within=800)
        assert world.calls()["UpdateGatewayTarget"] == 2


async def test_what_fails_only_afterwards_goes_back_to_good_with_one_update() -> None:
    world = World()
    reason = "MCP server 'https://new.example.com/mcp' returned HTTP 400 to the initialize handshake."
    world.aws.add_scenario(endpoint="*new*", outcome="failed", reasons=[reason])
    async with world.operator():
        await world.create(**GOOD)
        await world.until_ready()
        await world.pass_time(5)
        before = held(world)
        world.forget_calls()
        await world.edit(spec={"endpoint": BAD["endpoint"]})
        obj = await world.until_reason("TargetFailed", within=10)
        assert reason in condition(obj).message.replace("handshake..", "handshake.")
        assert obj.status.status_reasons == (reason,)
        assert obj.status.target_status == "UPDATE_UNSUCCESSFUL"
        assert condition(obj).observed_generation == obj.metadata.generation
        assert world.calls()["UpdateGatewayTarget"] == 1
        await world.edit(spec=GOOD)
        await world.until_ready(within=10)
        assert world.calls()["UpdateGatewayTarget"] == 2
        assert held(world) == before
        obj = await world.get()
        assert (obj.status.failure, obj.status.status_reasons) == (None, ())


async def test_a_static_schema_without_tools_is_said_either_way() -> None:
    for bad_tool_schema, reason in (("fail", "TargetFailed"), ("refuse", "ReferenceNotFound")):
        world = World()
        world.aws.configure(switches={"bad_tool_schema": bad_tool_schema})
        async with world.operator():
            await world.create(mcpToolSchema={"inline": TOOLS})
            await world.until_ready()
            await world.edit(spec={"mcpToolSchema": {"inline": '{"tools": []}'}})
            obj = await world.until_reason(reason, within=10)
            assert "No MCP tool schema found" in condition(obj).message
            await world.edit(spec={"mcpToolSchema": None})
            await world.until_ready(within=10)


async def test_a_gateway_with_a_policy_engine_takes_nine_headers() -> None:
    world = World()
    world.aws.edit_gateway(GATEWAY, policyEngine=True)
    ten = [f"X-Tenant-{number}" for number in range(10)]
    async with world.operator():
        await world.create(allowedRequestHeaders=ten)
        obj = await world.until_reason("CreationError", within=5)
        assert (
            "A gateway with a policy engine takes at most 9 allowedRequestHeaders: it adds "
            "x-amzn-bedrock-agentcore-policy-session-id" in condition(obj).message
        )
        assert condition(obj, "Stalled").status == "True"
        await world.edit(spec={"allowedRequestHeaders": ten[:9]})
        await world.pass_time(100)
        await world.until_ready(within=30)
        world.forget_calls()
        await world.edit(spec={"allowedRequestHeaders": ten})
        obj = await world.until_reason("UpdateError", within=5)
        assert "takes at most 9" in condition(obj).message
        assert len(world.targets()[0]["metadataConfiguration"]["allowedRequestHeaders"]) == 10
        await world.edit(spec={"allowedRequestHeaders": ten[:9]})
        await world.until_ready(within=5)
        await world.pass_time(600)
        assert world.calls()["UpdateGatewayTarget"] == 1, "only the one that AWS refused"
        assert find_marker(world.targets()[0]["description"])
