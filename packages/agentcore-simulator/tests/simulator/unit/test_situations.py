"""Scenario files, other writers, and the remaining ways to be unlucky."""

from __future__ import annotations

import boto3
import pytest

from agentcore_simulator import AdminRefusedError, Request, attach
from agentcore_simulator.admin import situations

from .conftest import GATEWAY, Simulation, oauth
from .refusals import refusal

DOCUMENT = b"""
settings:
  durations: {creating: 2}
  switches: {transient_writes: accept}
gateways:
  - gatewayId: demo-abcdefghij
  - gatewayId: other-abcdefghij
    policyEngine: true
targets:
  - gatewayId: demo-abcdefghij
    name: theirs
    description: made by Terraform
    targetConfiguration: {mcp: {mcpServer: {endpoint: "https://theirs.example.com/mcp"}}}
scenarios:
  - {endpoint: "https://cold.*", outcome: failed, recover_after: 1}
  - {name: "slow-*", duration: 30, latency: 0.4}
faults:
  - {operation: ListGatewayTargets, code: ThrottlingException}
writers:
  - {name: theirs, every: 10, edit: {description: theirs again}}
"""


def test_a_document_brings_about_a_situation(sim: Simulation) -> None:
    situations.apply_situation(sim.engine.plane, situations.parse_situation(DOCUMENT), sim.now)
    with refusal("ThrottlingException", 429):
        sim.rows()
    (row,) = sim.rows()
    assert (row["name"], row["description"]) == ("theirs", "made by Terraform")
    sim.advance(10)
    assert sim.rows()[0]["description"] == "theirs again"
    cold = sim.create("cold")["targetId"]
    slow = sim.create("slow-1")["targetId"]
    sim.advance(2)
    assert (sim.status(cold), sim.status(slow)) == ("FAILED", "CREATING")
    sim.admin.call("POST", "situation", {"gateways": [{"gatewayId": GATEWAY}]})  # again: nothing doubles
    assert len(sim.admin.state()["gateways"]) == 2


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (b"colour: red", "colour"),
        (b"settings: [", "cannot be used"),
        (b"\xff", "cannot be used"),
        (b"scenarios: [{outcome: party}]", "party"),
    ],
)
def test_a_document_that_makes_no_sense_is_refused(document: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        situations.parse_situation(document)


def test_targets_need_a_gateway(sim: Simulation) -> None:
    with pytest.raises(AdminRefusedError, match="no gateway nowhere-abcdefghij"):
        sim.admin.apply(targets=[{"gatewayId": "nowhere-abcdefghij", "name": "x"}])
    with pytest.raises(AdminRefusedError, match="transient_writes"):
        sim.admin.apply(settings={"switches": {"transient_writes": "maybe"}})


def test_another_writer_wins_again_and_again(sim: Simulation) -> None:
    target = sim.ready(description="mine")
    sim.admin.add_writer(name="tools", every=30, edit={"description": "theirs"}, times=2)
    sim.advance(30)
    first = sim.get(target)
    assert first["description"] == "theirs"
    sim.update(target, description="mine")
    sim.advance(30)
    assert sim.get(target)["description"] == "theirs"
    sim.update(target, description="mine")
    sim.advance(300)
    assert sim.get(target)["description"] == "mine"  # two rounds were ordered


def test_another_writer_leaves_alone_what_is_as_it_wants(sim: Simulation) -> None:
    target = sim.ready(description="theirs")
    before = sim.get(target)["updatedAt"]
    sim.admin.add_writer(every=1, edit={"description": "theirs"})
    sim.advance(10)
    assert sim.get(target)["updatedAt"] == before
    sim.admin.clear_writers()
    sim.update(target)
    sim.advance(10)
    assert "description" not in sim.get(target)


def test_another_writer_can_delete(sim: Simulation) -> None:
    sim.ready("a-1")
    sim.ready("b-1")
    sim.admin.add_writer(name="a-*", delete=True, every=5)
    sim.advance(5)
    assert [row["name"] for row in sim.rows()] == ["b-1"]


def test_other_writers_survive_a_snapshot(sim: Simulation) -> None:
    target = sim.ready()
    sim.admin.add_writer(every=30, edit={"description": "theirs"})
    sim.advance(20)
    sim.admin.restore(sim.admin.snapshot())
    sim.advance(10)
    assert sim.get(target)["description"] == "theirs"


def test_latency_by_target(sim: Simulation) -> None:
    sim.admin.add_scenario(name="slow-*", latency=0.4)
    slow, quick = sim.ready("slow-1"), sim.ready("quick")
    scope = {
        "authorization": "AWS4-HMAC-SHA256 Credential=k/20261122/us-east-1/bedrock-agentcore/aws4_request"
    }
    delays = [
        sim.engine.handle(Request("GET", f"/gateways/{GATEWAY}/targets/{target}/", headers=scope)).delay
        for target in (slow, quick)
    ]
    assert delays == [0.4, 0.0]


def test_lists_can_miss_rows(sim: Simulation) -> None:
    for number in range(10):
        sim.ready(f"t{number}")
    sim.configure(consistency={"list_misses": 0.3})
    lengths = {len(sim.rows()) for _ in range(20)}
    assert max(lengths) <= 10
    assert len(lengths) > 2


def test_consent_is_completed_through_the_data_plane(sim: Simulation) -> None:
    data_plane = boto3.client(
        "bedrock-agentcore",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    attach(data_plane, sim.engine)
    target = sim.ready(credentialProviderConfigurations=oauth("AUTHORIZATION_CODE"))
    data = sim.get(target)["authorizationData"]["oauth2"]
    uri = data["authorizationUrl"].rsplit("=", 1)[1].replace("%3A", ":")
    with refusal("ResourceNotFoundException", 404):
        data_plane.complete_resource_token_auth(userIdentifier={"userId": "me"}, sessionUri=uri)
    data_plane.complete_resource_token_auth(userIdentifier={"userId": data["userId"]}, sessionUri=uri)
    assert sim.status(target) == "READY"
