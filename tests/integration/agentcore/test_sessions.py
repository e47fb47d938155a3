"""Sessions of roles over a real connection: what STS is asked for, and what calls are signed with then."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs

import pytest

from agentcore_simulator import SimulatorServer
from mcp_gateway_operator.agentcore.aws import Boto3AgentCore, Boto3Sessions
from mcp_gateway_operator.agentcore.aws.adapter import REGION_THREADS
from mcp_gateway_operator.agentcore.aws.threads import Threads
from mcp_gateway_operator.agentcore.port import Identity
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.shape import account_and_region
from tests.integration.agentcore.canned import canned
from tests.integration.agentcore.conftest import GATEWAY

ROLE = "arn:aws:iam::222222222222:role/mcp-targets"
NAME = "mcp-gateway-operator@tools"
SPEC = {"name": "tools", "targetConfiguration": {"mcp": {"mcpServer": {"endpoint": "https://a.example/mcp"}}}}


def answer(seconds: float) -> str:
    """Return STS's answer to AssumeRole."""
    end = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
        "<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>x</SecretAccessKey>"
        f"<SessionToken>the-token</SessionToken><Expiration>{end}</Expiration></Credentials>"
        "</AssumeRoleResult></AssumeRoleResponse>"
    )


CALLER = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:sts::222222222222:assumed-role/mcp-targets/x</Arn><Account>222222222222</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)


@pytest.fixture
def own(aws: pytest.MonkeyPatch) -> Boto3AgentCore:
    """Call under the credentials of the environment."""
    del aws
    return Boto3AgentCore(region="us-east-1", user_agent="x/1", call_seconds=5)


@pytest.fixture
def sessions(own: Boto3AgentCore) -> Boto3Sessions:
    """Make sessions from the credentials of the environment."""
    return Boto3Sessions(own)


async def test_a_role_is_asked_for_in_its_region_and_signs_what_follows(
    aws: pytest.MonkeyPatch, sessions: Boto3Sessions
) -> None:
    identity = Identity(
        region="eu-west-1", role_arn=ROLE, external_id="acme", tags=(("team", "platform"), ("unit", "x"))
    )
    with canned(body=answer(3600)) as sts:
        aws.setenv("AWS_ENDPOINT_URL", sts.url)
        opened = await sessions.open(identity, name=NAME)
    (request,) = sts.requests
    head, _, body = request.decode().partition("\r\n\r\n")
    form = {key: values[0] for key, values in parse_qs(body).items()}
    assert form == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": NAME,
        "ExternalId": "acme",
        "Tags.member.1.Key": "team",
        "Tags.member.1.Value": "platform",
        "Tags.member.2.Key": "unit",
        "Tags.member.2.Value": "x",
    }
    assert "Credential=test/" in head
    assert "/eu-west-1/sts/" in head
    with canned(body=CALLER) as sts:
        aws.setenv("AWS_ENDPOINT_URL", sts.url)
        caller = await opened.port.caller_identity()
    assert (caller.account, caller.region) == ("222222222222", "eu-west-1")
    with canned(body='{"items": []}') as plane:
        aws.setenv("AWS_ENDPOINT_URL", plane.url)
        again = await sessions.open(Identity(region="us-west-2"), name=NAME)
        await again.port.list_targets("tools-abcdefghij")
    (own,) = plane.requests
    assert b"Credential=test/" in own
    assert b"/us-west-2/" in own
    assert b"Credential=ASIAROLE/" in sts.requests[0]
    assert b"the-token" in sts.requests[0]


async def test_several_sessions_at_once_each_in_its_own_account_and_region(
    simulator: SimulatorServer, port: Boto3AgentCore
) -> None:
    places = [(account, region) for account in ("222222222222", "333333333333") for region in ("eu-west-1",)]
    for account, region in places:
        simulator.admin.account(account).add_role(
            "mcp-targets", trust=["123456789012"], external_id="acme", tag_keys=["team"]
        )
        simulator.admin.account(account, region).create_gateway(GATEWAY)
    sessions = Boto3Sessions(port)
    for account, region in places:
        identity = Identity(
            region=region,
            role_arn=f"arn:aws:iam::{account}:role/mcp-targets",
            external_id="acme",
            tags=(("team", "platform"),),
        )
        opened = await sessions.open(identity, name=NAME)
        left = opened.until - asyncio.get_running_loop().time()
        assert 800 < left <= 3600
        caller = await opened.port.caller_identity()
        assert (caller.account, caller.region) == (account, region)
        target = await opened.port.create_target(GATEWAY, SPEC, client_token="0" * 36, fence=lambda: True)
        assert account_and_region(target.gateway_arn) == (account, region)
        entries = simulator.admin.account(account, region).requests(operation="CreateGatewayTarget")
        assert {(each["session"], each["tags"]["team"]) for each in entries} == {(NAME, "platform")}
    assert simulator.admin.targets(GATEWAY) == []
    wrong = Identity(region="eu-west-1", role_arn="arn:aws:iam::222222222222:role/mcp-targets")
    with pytest.raises(AgentCoreError, match="AccessDenied"):
        await sessions.open(wrong, name=NAME)


async def test_a_denied_role_is_asked_for_once_and_never_without_its_tags(
    aws: pytest.MonkeyPatch, sessions: Boto3Sessions
) -> None:
    body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to perform: sts:TagSession"
    body += "</Message></Error></ErrorResponse>"
    with canned(status="403 Forbidden", body=body) as sts:
        aws.setenv("AWS_ENDPOINT_URL", sts.url)
        identity = Identity(region="eu-west-1", role_arn=ROLE, tags=(("team", "platform"),))
        with pytest.raises(AgentCoreError, match="TagSession") as denied:
            await sessions.open(identity, name=NAME)
    assert denied.value.kind is ErrorKind.CREDENTIALS
    assert len(sts.requests) == 1


async def test_an_arn_is_never_sent_with_the_operators_own_credentials(
    aws: pytest.MonkeyPatch, port: Boto3AgentCore
) -> None:
    with canned() as server:
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        with pytest.raises(AgentCoreError, match="not reached with these credentials"):
            await port.list_targets(
                "arn:aws:bedrock-agentcore:eu-west-1:222222222222:gateway/tools-abcdefghij"
            )
    assert server.requests == []


async def test_what_is_known_of_the_nodes_clock_holds_for_each_new_session(
    aws: pytest.MonkeyPatch, own: Boto3AgentCore
) -> None:
    """Each session is new; one that had to learn it by a refusal would never get as far as a second call."""
    ahead = 2 * 3600.0
    now = datetime.now(UTC) + timedelta(seconds=ahead)
    body = (
        "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired</Message></Error>"
    )
    date = f"Date: {format_datetime(now, usegmt=True)}"
    identity = Identity(region="eu-west-1", role_arn=ROLE)
    with canned(status="403 Forbidden", body=f"{body}</ErrorResponse>", header=date) as sts:
        aws.setenv("AWS_ENDPOINT_URL", sts.url)
        with pytest.raises(AgentCoreError, match="clock") as failed:
            await Boto3Sessions(own).open(identity, name=NAME)
    assert failed.value.kind is ErrorKind.TRANSIENT
    with canned(body=answer(ahead + 3600)) as sts:
        # Clients keep their endpoint.
        aws.setenv("AWS_ENDPOINT_URL", sts.url)
        opened = await Boto3Sessions(own).open(identity, name=NAME)
    # By the node's clock it would end in three hours.
    assert opened.until - asyncio.get_running_loop().time() == pytest.approx(3600, abs=120)
    with canned(body=CALLER) as sts:
        aws.setenv("AWS_ENDPOINT_URL", sts.url)
        await opened.port.caller_identity()
    stamp = re.search(r"x-amz-date: *(\w+)", sts.requests[0].decode(), re.IGNORECASE)
    assert stamp is not None
    signed = datetime.strptime(stamp[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs((signed - now).total_seconds()) < 120


async def test_a_region_that_does_not_answer_leaves_threads_however_many_roles_it_has(
    aws: pytest.MonkeyPatch,
) -> None:
    threads = Threads.of(REGION_THREADS + 2)
    own = Boto3AgentCore(region="us-east-1", user_agent="x/1", call_seconds=30, threads=threads)
    sessions = Boto3Sessions(own)
    with canned(body=answer(3600)) as sts:
        aws.setenv("AWS_ENDPOINT_URL", sts.url)
        roles = [Identity(region="eu-west-1", role_arn=f"{ROLE}-{number}") for number in range(6)]
        opened = [await sessions.open(each, name=NAME) for each in roles]
    with canned(answers=False) as dead:
        aws.setenv("AWS_ENDPOINT_URL", dead.url)
        calls = [
            asyncio.create_task(each.port.list_targets("tools-abcdefghij"))
            for each in opened
            for _ in range(4)
        ]
        async with asyncio.timeout(60):
            while len(dead.requests) < REGION_THREADS:  # noqa: ASYNC110  -- a thread of the server counts them
                await asyncio.sleep(0.01)
        with canned(body='{"items": []}') as alive:
            aws.setenv("AWS_ENDPOINT_URL", alive.url)
            assert (await own.list_targets("tools-abcdefghij")).items == ()
        assert len(dead.requests) == REGION_THREADS
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    await own.close()
