"""Ordered faults: errors, lost answers, hangs, resets, delays."""

from __future__ import annotations

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from agentcore_simulator import Engine, Request, for_profile

from .conftest import GATEWAY, Simulation, oauth
from .refusals import refusal


@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 429), ("InternalServerException", 500), ("ServiceUnavailableException", 503)],
)
def test_an_error_for_the_next_calls(sim: Simulation, code: str, status: int) -> None:
    sim.admin.add_fault(operation="ListGatewayTargets", code=code, count=2)
    for _ in range(2):
        with refusal(code, status):
            sim.rows()
    assert sim.rows() == []


def test_an_error_can_come_after_the_effect(sim: Simulation) -> None:
    sim.admin.add_fault(operation="CreateGatewayTarget", commit=True)
    with refusal("InternalServerException", 500):
        sim.create()
    assert [row["name"] for row in sim.rows()] == ["tools"]


@pytest.mark.parametrize(("kind", "error"), [("close", ConnectionClosedError), ("hang", ReadTimeoutError)])
@pytest.mark.parametrize("commit", [True, False])
def test_a_lost_answer(sim: Simulation, kind: str, error: type[Exception], commit: bool) -> None:
    sim.admin.add_fault(operation="CreateGatewayTarget", kind=kind, commit=commit)
    with pytest.raises(error):
        sim.create()
    assert len(sim.rows()) == (1 if commit else 0)
    (entry,) = sim.admin.requests(operation="CreateGatewayTarget")
    assert entry["effect"] == kind


def test_a_commit_that_the_service_refuses_is_lost_all_the_same(sim: Simulation) -> None:
    sim.ready()
    sim.admin.add_fault(operation="CreateGatewayTarget", kind="close", commit=True)
    with pytest.raises(ConnectionClosedError):
        sim.create()


def test_faults_choose_their_calls(sim: Simulation) -> None:
    one, two = sim.ready("one"), sim.ready("two")
    sim.admin.add_fault(operation="GetGatewayTarget", target=two, count=None)
    sim.admin.add_fault(operation="CreateGatewayTarget", name="three", skip=1)
    sim.status(one)
    for _ in range(3):
        with refusal("InternalServerException", 500):
            sim.get(two)
    three = sim.create("three")["targetId"]
    sim.advance(1)
    sim.admin.delete_target(three)
    with refusal("InternalServerException", 500):
        sim.create("three")
    sim.create("three")
    sim.admin.clear_faults()
    sim.get(two)


def test_probability_spares_some_calls(sim: Simulation) -> None:
    sim.admin.add_fault(operation="ListGatewayTargets", count=None, probability=0.5)
    path = f"/gateways/{GATEWAY}/targets/"
    scope = {
        "authorization": "AWS4-HMAC-SHA256 Credential=k/20261122/us-east-1/bedrock-agentcore/aws4_request"
    }
    statuses = [sim.engine.handle(Request("GET", path, "", scope)).status for _ in range(400)]
    assert 140 < statuses.count(500) < 260


def test_a_delay_is_told_to_the_transport(sim: Simulation) -> None:
    sim.configure(latency=0.1)
    sim.admin.add_fault(kind="delay", delay=2)
    scope = {
        "authorization": "AWS4-HMAC-SHA256 Credential=k/20261122/us-east-1/bedrock-agentcore/aws4_request"
    }
    answer = sim.engine.handle(Request("GET", "/gateways/", "", scope))
    assert answer.status == 200
    assert answer.delay == pytest.approx(2.1)
    assert sim.engine.handle(Request("GET", "/gateways/", "", scope)).delay == pytest.approx(0.1)


def test_denied_actions_and_expired_credentials(sim: Simulation) -> None:
    sim.configure(denied_actions=["GetGateway"])
    with refusal("AccessDeniedException", 403, "not authorized to perform: bedrock-agentcore:GetGateway"):
        sim.control.get_gateway(gatewayIdentifier=GATEWAY)
    sim.rows()
    sim.configure(denied_actions=["SynchronizeGatewayTargets"])
    sim.create("one")
    sim.configure(switches={"sync_permission_on_write": True})
    with refusal("AccessDeniedException", 403, "bedrock-agentcore:SynchronizeGatewayTargets"):
        sim.create("two")
    sim.configure(denied_actions=["*"])
    with refusal("AccessDeniedException", 403):
        sim.rows()
    sim.configure(expired_credentials=True)
    with refusal("ExpiredTokenException", 403):
        sim.rows()
    with refusal("ExpiredToken", 403):
        sim.sts.get_caller_identity()


@pytest.mark.parametrize("action", ["GetWorkloadAccessToken", "GetResourceOauth2Token"])
def test_rights_to_fetch_tokens_can_be_needed(sim: Simulation, action: str) -> None:
    sim.configure(denied_actions=[action])
    target = sim.ready("one", credentialProviderConfigurations=oauth())
    sim.configure(switches={"provider_permissions": True})
    denial = ("AccessDeniedException", 403, f"bedrock-agentcore:{action}")
    with refusal(*denial):
        sim.create("two", credentialProviderConfigurations=oauth())
    with refusal(*denial):
        sim.update(target, "one", credentialProviderConfigurations=oauth())
    with refusal(*denial):
        sim.synchronize(target)
    assert sim.create("plain")["status"] == "CREATING"
    assert sim.delete(target)["status"] == "DELETING"


def test_sts_fails_too(sim: Simulation) -> None:
    sim.admin.add_fault(operation="sts:GetCallerIdentity", code="ServiceUnavailableException")
    with refusal("ServiceUnavailableException", 503):
        sim.sts.get_caller_identity()
    sim.admin.add_fault(operation="sts:GetCallerIdentity", kind="hang")
    with pytest.raises(ReadTimeoutError):
        sim.sts.get_caller_identity()
    assert sim.sts.get_caller_identity()["Account"] == "123456789012"


def test_chaos_spoils_some_calls_and_not_all() -> None:
    engine = Engine(for_profile("chaos"), clock=lambda: 0.0)
    scope = {
        "authorization": "AWS4-HMAC-SHA256 Credential=k/20261122/us-east-1/bedrock-agentcore/aws4_request"
    }
    answers = [engine.handle(Request("GET", "/gateways/", "", scope)) for _ in range(2000)]
    good = sum(answer.status == 200 and answer.effect == "answer" for answer in answers)
    assert 1600 < good < 1960
    assert {answer.effect for answer in answers} == {"answer", "close", "reset"}
    assert {answer.status for answer in answers} == {200, 429, 500}
