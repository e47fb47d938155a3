"""`import`: manifests that ask for nothing but what is there."""

from __future__ import annotations

import random
import re
import string
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentcore_simulator import AdminClient
from mcp_gateway_operator.api.manifests import manifests
from mcp_gateway_operator.api.types import MCPServerSpec
from mcp_gateway_operator.cli.fleet.spec_of_target import manifest_of, object_name, objections, spec_of
from mcp_gateway_operator.targets.shape import Target, TargetStatus, TargetSummary, target_request
from tests.support.world import GATEWAY, PROVIDER
from tests.unit.cli.fleet.account import nothing_written, server, settle, written
from tests.unit.cli.fleet.conftest import Desk
from tests.unit.controller.fields import CODE, IAM, KEY, VPC
from tests.unit.targets.strategies import answers, specs

STAMP = "2026-01-01T00:00:00+00:00"


VALUES: dict[str, list[Any]] = {
    "description": ["forecasts", "é", "long " * 39],
    "listingMode": ["DEFAULT", "DYNAMIC"],
    "resourcePriority": [0, 1, 1000],
    "allowedRequestHeaders": [["X-One"], ["X-One", "X-Two"]],
    "allowedQueryParameters": [["a"], ["a", "b"]],
    "allowedResponseHeaders": [["X-Three"]],
    "mcpToolSchema": [CODE["mcpToolSchema"], {"s3": {"uri": "s3://my-bucket/tools.json"}}],
    "privateEndpoint": [VPC],
    "certificateConfigurations": [[{"s3": {"uri": "s3://my-bucket/ca.pem"}}]],
}
AUTHORIZATIONS: list[dict[str, Any]] = [
    {"authType": "NoAuth"},
    {"authType": "OAuth2", "oauthProviderArn": PROVIDER, "oauthScopes": ["read", "write"]},
    {"oauthProviderArn": PROVIDER, "oauthGrantType": "TOKEN_EXCHANGE", "oauthCustomParameters": {"a": "b"}},
    IAM,
    {"authType": "GatewayIamRole", "iam": {"service": "lambda", "region": "eu-west-1"}},
    KEY,
    {"authType": "ApiKey", "apiKey": {**KEY["apiKey"], "location": "QUERY_PARAMETER", "parameterName": "k"}},
]


def shown_as(body: dict[str, Any], held: dict[str, Any]) -> Target:
    """Return the target that AWS shows for a request, holding its configuration in a shape of its own."""
    row = TargetSummary(
        target_id="ABCDE12345",
        name=body["name"],
        status=TargetStatus.READY,
        created_at=STAMP,
        updated_at=STAMP,
        description=body.get("description"),
    )
    arn = f"arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/{GATEWAY}"
    return Target(summary=row, gateway_arn=arn, config=held)


@st.composite
def targets(draw: st.DrawFn) -> Target:
    """A target as AWS may show what a spec asked for."""
    body = target_request(draw(specs()), name="any-name", mark=None)
    return shown_as(body, draw(answers(body)))


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])  # each has dozens of draws
@given(target=targets())
def test_any_target_is_what_its_manifest_asks_for(target: Target) -> None:
    is_said_in_full(target)


def test_a_thousand_targets_are_what_their_manifests_ask_for() -> None:
    rng = random.Random(0)  # noqa: S311  -- repeatable, not secret
    for number in range(1000):
        pick = {field: rng.choice(values) for field, values in VALUES.items() if rng.random() < 0.5}
        spec = {**pick, **rng.choice(AUTHORIZATIONS), "endpoint": f"https://s{number}.example.com/mcp"}
        body = target_request(msgspec.convert(spec, MCPServerSpec), name=f"server-{number}", mark=None)
        is_said_in_full(shown_as(body, body))


def is_said_in_full(target: Target) -> None:
    """Assert that a target's manifest, written and read, asks for what the target is."""
    spec = spec_of(target, GATEWAY)
    assert not [each for each in objections(spec, target) if "cannot be said" in each], spec
    text = msgspec.json.encode(manifest_of(spec, name="x", namespace=""))
    again = msgspec.json.decode(text)["spec"]
    assert msgspec.convert(again, MCPServerSpec) == msgspec.convert(spec, MCPServerSpec)


def target_name(text: str) -> str:
    """Return what AWS takes for a name: no hyphen at an end, none beside another."""
    return re.sub("-+", "-", text).strip("-") or "0"


@given(
    names=st.lists(
        st.text(f"{string.ascii_letters}{string.digits}-", max_size=199).map(target_name), max_size=20
    )
)
def test_names_are_valid_and_unique(names: list[str]) -> None:
    taken: set[str] = set()
    found = [object_name(name, taken) for name in [*names, *names]]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name) for name in found)


def test_what_is_imported_and_adopted_plans_to_no_change_but_the_marker(
    desk: Desk, aws: AdminClient, tmp_path: Any
) -> None:
    settle(desk, aws, "kept")
    for name in ("Search", "search"):
        aws.create_target(GATEWAY, name=name, targetConfiguration=server())
    aws.create_target(
        GATEWAY, name="lambda", targetConfiguration={"mcp": {"openApiSchema": {"inlinePayload": "{}"}}}
    )
    aws.clear_requests()
    result = desk("import", GATEWAY, "--adopt", exits=2)
    assert [each.name for each in manifests(result.stdout)] == ["search", "search-2"]
    assert not [each for each in manifests(result.stdout) if each.problems]
    assert "(lambda) on demo-abcdefghij is left out: targetType cannot be said in a spec" in result.stderr
    assert "Manifests written for 2 of 4 targets; left out: 1; with an MCPServer already: 1." in (
        result.stderr
    )
    file = written(tmp_path / "all.yaml", *yaml.safe_load_all(result.stdout))
    answer = desk.json("plan", "-f", file, "--allow-adoption", exits=2)
    assert {each["action"] for each in answer["objects"]} == {"adopt"}
    nothing_written(desk, aws)


def test_a_gateway_that_cannot_be_read_is_an_error(desk: Desk, aws: AdminClient) -> None:
    aws.configure(denied_actions=["*"])
    assert "could not be listed" in desk("import", GATEWAY, exits=1).stderr


@pytest.mark.parametrize("count", [0, 1])
def test_few_targets_are_no_special_case(desk: Desk, aws: AdminClient, count: int) -> None:
    for number in range(count):
        aws.create_target(GATEWAY, name=f"one-{number}", targetConfiguration=server())
    result = desk("import", GATEWAY, "--no-cluster")
    assert len(list(manifests(result.stdout))) == count
    assert f"Manifests written for {count} of {count} target" in result.stderr


def test_a_gateway_that_is_named_twice_is_written_once(desk: Desk, aws: AdminClient) -> None:
    aws.create_target(GATEWAY, name="by-hand", targetConfiguration=server())
    result = desk("import", GATEWAY, GATEWAY)
    assert [each.name for each in manifests(result.stdout)] == ["by-hand"]
    assert result.stderr.startswith("Manifests written for 1 of 1 target; left out: 0;")
