"""Every operation of the port, and what goes wrong with them, over a real connection."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx

from agentcore_simulator import SimulatorServer
from mcp_gateway_operator.agentcore.aws import Boto3AgentCore
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from tests.integration.agentcore.canned import canned
from tests.integration.agentcore.conftest import GATEWAY

TOKEN = "0123456789abcdef0123456789abcdef0123"


def yes() -> bool:
    """A fence that is open."""
    return True


def spec(name: str = "tools", **server: Any) -> dict[str, Any]:
    """A request for an MCP server target."""
    return {
        "name": name,
        "description": "about tools",
        "targetConfiguration": {"mcp": {"mcpServer": {"endpoint": "https://a.example/mcp", **server}}},
    }


async def settled(port: Boto3AgentCore, target_id: str) -> str:
    """Wait until a target has left its transient state; the simulator needs half a second."""
    async with asyncio.timeout(10):
        while (status := (await port.get_target(GATEWAY, target_id)).summary.status).endswith("ING"):
            pass
    return status


async def test_the_life_of_a_target(simulator: SimulatorServer, port: Boto3AgentCore) -> None:
    """The life of a target."""
    del simulator
    with blockbuster_ctx("mcp_gateway_operator"):
        created = await port.create_target(
            GATEWAY, spec(listingMode="DEFAULT", resourcePriority=7), client_token=TOKEN, fence=yes
        )
        target_id = created.summary.target_id
        assert created.summary.status == "CREATING"
        assert created.summary.listing_mode == "DEFAULT"
        assert created.summary.resource_priority == 7
        assert await settled(port, target_id) == "READY"
        page = await port.list_targets(GATEWAY)
        assert page.next_token is None
        (row,) = page.items
        assert (row.target_id, row.name, row.status, row.description) == (
            target_id,
            "tools",
            "READY",
            "about tools",
        )
        updated = await port.update_target(GATEWAY, target_id, spec("other"), fence=yes)
        assert (updated.summary.name, updated.summary.status) == ("other", "UPDATING")
        assert await settled(port, target_id) == "READY"
        assert (await port.synchronize_target(GATEWAY, target_id, fence=yes)).summary.target_id == target_id
        assert await settled(port, target_id) == "READY"
        assert await port.delete_target(GATEWAY, target_id, fence=yes) == "DELETING"
        with pytest.raises(AgentCoreError) as gone:
            await settled(port, target_id)
        assert gone.value.kind is ErrorKind.NOT_FOUND


async def test_instants_stay_the_text_that_aws_sent(simulator: SimulatorServer, port: Boto3AgentCore) -> None:
    """Instants stay the text that aws sent."""
    del simulator
    created = await port.create_target(GATEWAY, spec(), client_token=TOKEN, fence=yes)
    assert created.summary.created_at[:2] == "20"
    assert "T" in created.summary.updated_at


async def test_gateway_and_caller(simulator: SimulatorServer, port: Boto3AgentCore) -> None:
    """Gateway and caller."""
    del simulator
    assert (await port.get_gateway(GATEWAY)).status == "READY"
    identity = await port.caller_identity()
    assert identity.region == "us-east-1"
    assert len(identity.account) == 12


async def test_a_full_page_has_a_token_for_the_next(aws: pytest.MonkeyPatch, port: Boto3AgentCore) -> None:
    """A full page has a token for the next."""
    now = "2026-01-01T12:00:00Z"
    item = {"targetId": "t", "name": "n", "status": "READY", "createdAt": now, "updatedAt": now}
    with canned(body=json.dumps({"items": [item], "nextToken": "more"})) as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        page = await port.list_targets(GATEWAY)
        assert page.next_token == "more"
        await port.list_targets(GATEWAY, next_token="more")
        assert b"maxResults=1000" in server.requests[0]
        assert b"nextToken=more" in server.requests[1]


async def test_a_duplicate_name_is_a_conflict(simulator: SimulatorServer, port: Boto3AgentCore) -> None:
    """A duplicate name is a conflict."""
    del simulator
    await port.create_target(GATEWAY, spec(), client_token=TOKEN, fence=yes)
    with pytest.raises(AgentCoreError) as refused:
        await port.create_target(GATEWAY, spec(), client_token=f"{TOKEN}2", fence=yes)
    assert refused.value.kind is ErrorKind.CONFLICT
    assert not refused.value.maybe_applied


async def test_a_refused_value_is_named(simulator: SimulatorServer, port: Boto3AgentCore) -> None:
    """A refused value is named."""
    del simulator
    with pytest.raises(AgentCoreError) as refused:
        await port.create_target(GATEWAY, spec("bad_name!"), client_token=TOKEN, fence=yes)
    assert refused.value.kind is ErrorKind.VALIDATION
    assert "name" in refused.value.message


async def test_a_request_without_its_required_parts_is_not_sent(
    simulator: SimulatorServer, port: Boto3AgentCore
) -> None:
    """A request without its required parts is not sent."""
    del simulator
    with pytest.raises(AgentCoreError) as refused:
        await port.create_target(GATEWAY, {"name": "x"}, client_token=TOKEN, fence=yes)
    assert refused.value.kind is ErrorKind.VALIDATION
    assert refused.value.code == "ParamValidationError"


async def test_a_closed_fence_sends_nothing(aws: pytest.MonkeyPatch, port: Boto3AgentCore) -> None:
    """A closed fence sends nothing."""
    with canned() as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        asked_in: list[str] = []

        def closed() -> bool:
            asked_in.append(threading.current_thread().name)
            return False

        for write in (
            port.create_target(GATEWAY, spec(), client_token=TOKEN, fence=closed),
            port.update_target(GATEWAY, "abcdefghij", spec(), fence=closed),
            port.synchronize_target(GATEWAY, "abcdefghij", fence=closed),
            port.delete_target(GATEWAY, "abcdefghij", fence=closed),
        ):
            with pytest.raises(AgentCoreError) as refused:
                await write
            assert refused.value.kind is ErrorKind.FENCED
            assert not refused.value.maybe_applied
        assert server.requests == []
        assert len(asked_in) == 4
        assert all(name.startswith("aws-write") for name in asked_in)


@pytest.mark.parametrize(
    ("status", "body", "kind", "maybe"),
    [
        ("500 Oops", '{"message": "oops"}', ErrorKind.TRANSIENT, True),
        ("503 Service Unavailable", "<html><body>proxy</body></html>", ErrorKind.TRANSIENT, True),
        ("404 Not Found", "<html>not here</html>", ErrorKind.TRANSIENT, True),
        ("429 Too Many Requests", '{"message": "slow"}', ErrorKind.THROTTLED, False),
        ("202 Accepted", "not json", ErrorKind.TRANSIENT, True),
        ("202 Accepted", "{}", ErrorKind.TRANSIENT, True),
    ],
)
async def test_odd_answers_to_a_write(
    aws: pytest.MonkeyPatch,
    port: Boto3AgentCore,
    status: str,
    body: str,
    kind: ErrorKind,
    maybe: bool,
) -> None:
    """Odd answers to a write."""
    with canned(status, body) as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        with pytest.raises(AgentCoreError) as failed:
            await port.create_target(GATEWAY, spec(), client_token=TOKEN, fence=yes)
        assert (failed.value.kind, failed.value.maybe_applied) == (kind, maybe)
        assert len(server.requests) == 1


async def test_requests_carry_our_name_and_version(aws: pytest.MonkeyPatch, port: Boto3AgentCore) -> None:
    """Requests carry our name and version."""
    with canned(body='{"items": []}') as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        await port.list_targets(GATEWAY)
        assert b"mcp-gateway-operator/1.2.3" in server.requests[0]


async def test_nobody_listens(aws: pytest.MonkeyPatch, port: Boto3AgentCore) -> None:
    """Nobody listens."""
    with canned() as server:
        url = server.url
    aws.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(AgentCoreError) as failed:
        await port.create_target(GATEWAY, spec(), client_token=TOKEN, fence=yes)
    assert failed.value.kind is ErrorKind.TRANSIENT
    assert not failed.value.maybe_applied
    assert url in failed.value.message


@pytest.mark.parametrize("call_seconds", [3.0])
async def test_a_call_ends_in_time_although_no_answer_comes(
    aws: pytest.MonkeyPatch, port: Boto3AgentCore
) -> None:
    """A call ends in time although no answer comes."""
    with canned(answers=False) as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        async with asyncio.timeout(3.5):
            with pytest.raises(AgentCoreError) as failed:
                await port.delete_target(GATEWAY, "abcdefghij", fence=yes)
        assert failed.value.kind is ErrorKind.TRANSIENT
        assert failed.value.maybe_applied


@pytest.mark.parametrize("call_seconds", [3.0])
async def test_a_call_that_found_no_thread_was_not_applied(
    aws: pytest.MonkeyPatch, port: Boto3AgentCore
) -> None:
    """A call that found no thread was not applied."""
    with canned(answers=False) as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        # Two threads, in each of which a second call follows when the first one's answer is given up.
        deletes = (port.delete_target(GATEWAY, f"abcdefghi{n}", fence=yes) for n in range(5))
        results = await asyncio.gather(*deletes, return_exceptions=True)
        errors = [result for result in results if isinstance(result, AgentCoreError)]
        assert [error.maybe_applied for error in errors] == [True, True, True, True, False]
        # Reads have threads of their own: they fail by themselves, not for want of one.
        with pytest.raises(AgentCoreError, match="Read timeout"):
            await port.list_targets(GATEWAY)


@pytest.mark.parametrize("call_seconds", [0.5])
async def test_a_call_that_was_given_up_before_it_was_sent_is_never_sent(
    aws: pytest.MonkeyPatch, port: Boto3AgentCore
) -> None:
    """Its credentials come too late: by then a Create that was reported as not applied must stay unsent."""
    ready = threading.Event()
    clients = port._clients
    aws.setattr(port, "_clients", lambda: (ready.wait(10), clients())[1])
    with canned(status="500 Oops") as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        with pytest.raises(AgentCoreError, match="did not end within") as failed:
            await port.create_target(GATEWAY, spec(), client_token=TOKEN, fence=yes)
        assert not failed.value.maybe_applied
        ready.set()
        await port.close()
        for thread in port._threads.writes._threads:
            await asyncio.to_thread(thread.join, 10)
        assert server.requests == []


async def test_a_cancelled_caller_leaves_no_trace(aws: pytest.MonkeyPatch, port: Boto3AgentCore) -> None:
    """A cancelled caller leaves no trace."""
    with canned(answers=False) as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        call = asyncio.create_task(port.list_targets(GATEWAY))
        await asyncio.to_thread(server.arrived.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    with canned(body='{"items": []}') as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        fresh = Boto3AgentCore(region="us-east-1", user_agent="x/1")
        assert (await fresh.list_targets(GATEWAY)).items == ()
        await fresh.close()


async def test_a_missing_region_says_what_to_set(aws: pytest.MonkeyPatch) -> None:
    """A missing region says what to set."""
    del aws
    port = Boto3AgentCore(region=None, user_agent="x/1")
    with pytest.raises(AgentCoreError, match="--aws-region") as failed:
        await port.list_targets(GATEWAY)
    assert failed.value.kind is ErrorKind.ACCESS_DENIED
    await port.close()


async def test_the_region_of_the_environment_is_used(
    simulator: SimulatorServer, aws: pytest.MonkeyPatch
) -> None:
    """The region of the environment is used."""
    del simulator
    aws.setenv("AWS_REGION", "us-east-1")
    port = Boto3AgentCore(region=None, user_agent="x/1")
    assert (await port.caller_identity()).region == "us-east-1"
    await port.close()


async def test_missing_credentials_say_what_to_set_and_are_looked_for_again(
    simulator: SimulatorServer, aws: pytest.MonkeyPatch, port: Boto3AgentCore
) -> None:
    """Missing credentials say what to set and are looked for again."""
    del simulator
    aws.delenv("AWS_ACCESS_KEY_ID")
    aws.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AgentCoreError, match="Pod Identity") as failed:
        await port.create_target(GATEWAY, spec(), client_token=TOKEN, fence=yes)
    assert failed.value.kind is ErrorKind.CREDENTIALS
    assert not failed.value.maybe_applied
    aws.setenv("AWS_ACCESS_KEY_ID", "test")
    aws.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert (await port.list_targets(GATEWAY)).items == ()


async def test_a_role_for_the_service_account_is_assumed(
    aws: pytest.MonkeyPatch, port: Boto3AgentCore, tmp_path: Path
) -> None:
    """IRSA: the token file is exchanged at STS; its expiry is still parsed as an instant."""
    aws.delenv("AWS_ACCESS_KEY_ID")
    aws.delenv("AWS_SECRET_ACCESS_KEY")
    token = tmp_path / "token"
    token.write_text("a.web.token", encoding="ascii")
    aws.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    aws.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/operator")
    credentials = (
        "<AssumeRoleWithWebIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'>"
        "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>"
        "<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>"
    )
    with canned(body=credentials) as sts, canned(body='{"items": []}') as server:
        aws.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        assert (await port.list_targets(GATEWAY)).items == ()
        await port.list_targets(GATEWAY)
        assert len(sts.requests) == 1
        assert b"ASIAROLE" in server.requests[0]


async def test_a_refused_role_is_no_access_and_nothing_was_sent(
    aws: pytest.MonkeyPatch, port: Boto3AgentCore, tmp_path: Path
) -> None:
    """A refused role is no access and nothing was sent."""
    aws.delenv("AWS_ACCESS_KEY_ID")
    aws.delenv("AWS_SECRET_ACCESS_KEY")
    token = tmp_path / "token"
    token.write_text("a.web.token", encoding="ascii")
    aws.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    aws.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/operator")
    refusal = (
        "<ErrorResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><Error><Type>Sender</Type>"
        "<Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message>"
        "</Error><RequestId>1</RequestId></ErrorResponse>"
    )
    with canned("403 Forbidden", refusal) as sts, canned() as server:
        aws.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        with pytest.raises(AgentCoreError, match="AssumeRoleWithWebIdentity") as failed:
            await port.delete_target(GATEWAY, "abcdefghij", fence=yes)
        assert failed.value.kind is ErrorKind.CREDENTIALS
        assert not failed.value.maybe_applied
        assert server.requests == []


@pytest.mark.parametrize(
    ("region", "fips", "dual_stack", "host"),
    [
        ("us-east-1", "false", "false", "bedrock-agentcore-control.us-east-1.amazonaws.com"),
        ("us-east-1", "true", "false", "bedrock-agentcore-control-fips.us-east-1.amazonaws.com"),
        ("eu-west-1", "false", "true", "bedrock-agentcore-control.eu-west-1.api.aws"),
        ("us-west-2", "true", "true", "bedrock-agentcore-control-fips.us-west-2.api.aws"),
        ("us-gov-west-1", "false", "false", "bedrock-agentcore-control.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "false", "false", "bedrock-agentcore-control.cn-north-1.amazonaws.com.cn"),
    ],
)
async def test_the_endpoint_is_the_regions_fips_and_dual_stack_as_set(
    aws: pytest.MonkeyPatch, region: str, fips: str, dual_stack: str, host: str
) -> None:
    """As in every SDK: AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT."""
    aws.setenv("AWS_USE_FIPS_ENDPOINT", fips)
    aws.setenv("AWS_USE_DUALSTACK_ENDPOINT", dual_stack)
    port = Boto3AgentCore(region=region, user_agent="x/1")
    client = await asyncio.to_thread(lambda: port._clients()[0])
    assert client.meta.endpoint_url == f"https://{host}"
    await port.close()


async def test_retry_after_reaches_the_caller(aws: pytest.MonkeyPatch, port: Boto3AgentCore) -> None:
    """The scheduler pauses for as long as AWS asks."""
    with canned("429 Too Many Requests", '{"message": "slow"}', header="Retry-After: 17") as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        with pytest.raises(AgentCoreError) as refused:
            await port.list_targets(GATEWAY)
        assert (refused.value.kind, refused.value.retry_after) == (ErrorKind.THROTTLED, 17)


@pytest.mark.parametrize(
    "fault",
    [
        {"code": "ThrottlingException"},
        {"code": "InternalServerException"},
        {"code": "ServiceUnavailableException"},
        {"kind": "close"},
        {"kind": "reset"},
    ],
    ids=lambda fault: fault.get("code") or fault["kind"],
)
async def test_each_call_is_one_request_whatever_the_environment_says_of_retries(
    simulator: SimulatorServer, aws: pytest.MonkeyPatch, port: Boto3AgentCore, fault: dict[str, Any]
) -> None:
    """One ticket, one request: the SDK's own retries would go past the quota scheduler."""
    aws.setenv("AWS_RETRY_MODE", "adaptive")
    aws.setenv("AWS_MAX_ATTEMPTS", "5")
    simulator.admin.add_fault(count=None, **fault)
    calls = [
        port.list_targets(GATEWAY),
        port.get_target(GATEWAY, "abcdefghij"),
        port.get_gateway(GATEWAY),
        port.create_target(GATEWAY, spec(), client_token=TOKEN, fence=yes),
        port.update_target(GATEWAY, "abcdefghij", spec(), fence=yes),
        port.synchronize_target(GATEWAY, "abcdefghij", fence=yes),
        port.delete_target(GATEWAY, "abcdefghij", fence=yes),
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, AgentCoreError) for result in results)
    operations = sorted(entry["operation"] for entry in simulator.admin.requests(limit=1000))
    assert operations == [
        "CreateGatewayTarget",
        "DeleteGatewayTarget",
        "GetGateway",
        "GetGatewayTarget",
        "ListGatewayTargets",
        "SynchronizeGatewayTargets",
        "UpdateGatewayTarget",
    ]
