"""Requests that break the service's model, and the words of the refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentcore_simulator import Request

from .conftest import GATEWAY, Simulation, server
from .refusals import refusal

NAME_PATTERN = "([0-9a-zA-Z][-]?){1,100}"


def test_the_wording_is_that_of_the_service(sim: Simulation) -> None:
    message = (
        "1 validation error detected: Value at 'name' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {NAME_PATTERN}"
    )
    status, error, body = post(sim, name="bad_name")
    assert (status, error) == (400, "ValidationException")
    assert body == {
        "message": message,
        "reason": "FieldValidationFailed",
        "fieldList": [
            {"name": "name", "message": f"Member must satisfy regular expression pattern: {NAME_PATTERN}"}
        ],
    }


def test_all_errors_come_in_one_message(sim: Simulation) -> None:
    _, _, body = post(sim, name="bad_name", description="", clientToken="short")
    assert body["message"].startswith("3 validation errors detected: Value at ")
    assert [field["name"] for field in body["fieldList"]] == ["name", "description", "clientToken"]


@pytest.mark.parametrize(
    ("members", "path", "constraint"),
    [
        ({"description": "x" * 201}, "description", "length less than or equal to 200"),
        ({"targetConfiguration": None}, "targetConfiguration", "must not be null"),
        ({"targetConfiguration": {}}, "targetConfiguration", "exactly one of"),
        (
            {"targetConfiguration": {"mcp": {}, "http": {}}},
            "targetConfiguration",
            "exactly one of these members set: [mcp, http, inference]",
        ),
        (
            {"targetConfiguration": server("http://plain.example.com")},
            "targetConfiguration.mcp.mcpServer.endpoint",
            "pattern: https://.*",
        ),
        (
            {"targetConfiguration": server(listingMode="SOMETIMES")},
            "targetConfiguration.mcp.mcpServer.listingMode",
            "enum value set: [DEFAULT, DYNAMIC]",
        ),
        (
            {"targetConfiguration": server(resourcePriority=1001)},
            "targetConfiguration.mcp.mcpServer.resourcePriority",
            "value less than or equal to 1000",
        ),
        (
            {"metadataConfiguration": {"allowedRequestHeaders": ["x"] * 11}},
            "metadataConfiguration.allowedRequestHeaders",
            "length less than or equal to 10",
        ),
        (
            {"metadataConfiguration": {"allowedQueryParameters": ["ok", "x" * 41]}},
            "metadataConfiguration.allowedQueryParameters.2.member",
            "length less than or equal to 40",
        ),
    ],
)
def test_constraints_name_their_member(
    sim: Simulation, members: dict[str, Any], path: str, constraint: str
) -> None:
    status, error, body = post(sim, **members)
    assert (status, error, body["reason"]) == (400, "ValidationException", "FieldValidationFailed")
    assert path in [field["name"] for field in body["fieldList"]]
    assert constraint in body["message"]


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"name": 7}, "'name' must be of type string"),
        ({"targetConfiguration": "x"}, "'targetConfiguration' must be of type structure"),
        ({"targetConfiguration": server(resourcePriority=True)}, "resourcePriority' must be of type integer"),
        ({"metadataConfiguration": {"allowedRequestHeaders": [1]}}, "1.member' must be of type string"),
    ],
)
def test_wrong_types_cannot_be_parsed(sim: Simulation, members: dict[str, Any], text: str) -> None:
    status, error, body = post(sim, **members)
    assert (status, error, body["reason"]) == (400, "ValidationException", "CannotParse")
    assert text in body["message"]


@pytest.mark.parametrize("name", ["-a", "a--b", "a.b", "a" * 101, "a\n"])
def test_illegal_names_are_refused(sim: Simulation, name: str) -> None:
    assert post(sim, name=name)[0] == 400


@pytest.mark.parametrize("name", ["a", "a-", "-".join("a" * 100), "A-1"])
def test_legal_names_are_accepted(sim: Simulation, name: str) -> None:
    assert post(sim, name=name)[0] == 202


def test_unknown_members_are_ignored_and_not_stored(sim: Simulation) -> None:
    status, _, body = post(sim, surprise=1, targetConfiguration=server(novelty={"a": 1}))
    assert status == 202
    assert body["targetConfiguration"] == server()
    assert "surprise" not in body


@pytest.mark.parametrize("raw", [b"{", b"[]", b'"x"', b"\xff\xfe", b'{"name": "\\ud800"}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(sim: Simulation, raw: bytes) -> None:
    status, error, body = send(sim, "POST", f"/gateways/{GATEWAY}/targets/", raw)
    assert (status, error, body["reason"]) == (400, "ValidationException", "CannotParse")


def test_deep_nesting_is_refused_and_not_a_crash(sim: Simulation) -> None:
    schema: Any = {"type": "string"}
    for _ in range(400):
        schema = {"type": "object", "properties": {"p": schema}}
    tool = {"name": "t", "description": "d", "inputSchema": schema}
    arn = "arn:aws:lambda:us-east-1:123456789012:function:tools"
    config = {"mcp": {"lambda": {"lambdaArn": arn, "toolSchema": {"inlinePayload": [tool]}}}}
    status, error, body = post(sim, targetConfiguration=config)
    assert (status, error, body["reason"]) == (400, "ValidationException", "CannotParse")


def test_page_sizes_are_checked(sim: Simulation) -> None:
    path = f"/gateways/{GATEWAY}/targets/"
    assert send(sim, "GET", path, query="maxResults=1001")[0] == 400
    assert send(sim, "GET", path, query="maxResults=0")[0] == 400
    assert send(sim, "GET", path, query="maxResults=many")[2]["reason"] == "CannotParse"
    assert send(sim, "GET", path, query="maxResults=1000")[0] == 200


def test_an_arn_in_place_of_the_gateway_id_is_access_denied(sim: Simulation) -> None:
    arn = f"arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/{GATEWAY}"
    with refusal("AccessDeniedException", 403, "bedrock-agentcore:ListGatewayTargets"):
        sim.control.list_gateway_targets(gatewayIdentifier=arn)


@pytest.mark.parametrize("slash", ["", "/"])
def test_trailing_slashes_make_no_difference(sim: Simulation, slash: str) -> None:
    assert send(sim, "GET", f"/gateways/{GATEWAY}/targets{slash}")[0] == 200
    assert send(sim, "GET", f"/gateways/{GATEWAY}{slash}")[0] == 200
    assert send(sim, "GET", f"/gateways{slash}")[0] == 200


def test_operations_that_are_not_simulated_say_so(sim: Simulation) -> None:
    with refusal("ValidationException", 400, "does not have operation ListGatewayRules"):
        sim.control.list_gateway_rules(gatewayIdentifier=GATEWAY)
    assert send(sim, "GET", "/no/such/path/at/all")[:2] == (404, "UnknownOperationException")


def post(sim: Simulation, **members: Any) -> tuple[int, str | None, Any]:
    """CreateGatewayTarget without the checks of boto3."""
    request = {"name": "tools", "targetConfiguration": server(), **members}
    return send(sim, "POST", f"/gateways/{GATEWAY}/targets/", json.dumps(request).encode())


def send(
    sim: Simulation, method: str, path: str, body: bytes = b"", query: str = ""
) -> tuple[int, str | None, Any]:
    """A raw request: HTTP status, error type and decoded body."""
    scope = "AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/bedrock-agentcore/aws4_request, Signature=0"
    answer = sim.engine.handle(Request(method, path, query, {"authorization": scope}, body))
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-amzn-RequestId"]
    return answer.status, answer.headers.get("x-amzn-errortype"), json.loads(answer.body)
