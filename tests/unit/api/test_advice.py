from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_gateway_operator.api.advice import advice
from tests.unit.api.cases import KEY_ARN, merged
from tests.unit.api.endpoint_table import NEVER

SCHEMA = {"type": "object"}


def _object(change: dict[str, Any], name: str = "github") -> dict[str, Any]:
    return {
        "apiVersion": "mcpgateway.bedrock.aws/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": name},
        "spec": merged(change),
    }


def _said(change: dict[str, Any], name: str = "github") -> list[str]:
    return [str(each) for each in advice(_object(change, name))]


def _tools(*tools: Any) -> dict[str, Any]:
    return {"mcpToolSchema": {"inline": json.dumps({"tools": list(tools)})}}


def test_says_nothing_of_an_ordinary_object() -> None:
    assert _said({}) == []
    assert _said(_tools({"name": "search", "inputSchema": SCHEMA})) == []


@pytest.mark.parametrize("endpoint", NEVER)
def test_warns_of_what_aws_never_reaches(endpoint: str) -> None:
    (said,) = _said({"endpoint": endpoint})

    assert said.startswith(
        "spec.endpoint: AWS calls the endpoint over the internet and never reaches this one"
    )
    assert NEVER[endpoint] in said
    assert "or write privateEndpoint" in said


@pytest.mark.parametrize("endpoint", NEVER)
def test_says_nothing_where_the_endpoint_is_private(endpoint: str) -> None:
    lattice = {"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}}

    assert _said({"endpoint": endpoint, "privateEndpoint": lattice}) == []


def test_gives_the_encoded_form_of_an_arn_in_the_path() -> None:
    arn = "arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/a"

    (said,) = _said({"endpoint": f"https://a.example.com/runtimes/{arn}/invocations"})

    assert said.endswith(
        f"write arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A123456789012%3Aruntime%2Fa instead of {arn}"
    )


def test_points_from_a_secret_in_the_query_to_the_provider_without_showing_it() -> None:
    (said,) = _said({"endpoint": "https://a.example.com/mcp?v=1&api_key=hush-hush"})

    assert "write authType: ApiKey with apiKey: {providerArn: ..., location: QUERY_PARAMETER" in said
    assert "parameterName: api_key" in said
    assert "hush" not in said


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_tools(), "it lists no tools"),
        (
            _tools(
                {"name": "a"},
                {"name": "b", "inputSchema": None},
                {"name": "c", "inputSchema": {"type": "array"}},
            ),
            "the tools 'a', 'b', 'c' lack an inputSchema of type object",
        ),
        (
            _tools(*({"name": name, "inputSchema": SCHEMA} for name in ("a b", "a/b", "größe", "ab_-9"))),
            "many models take letters, digits, _ and - alone in the name of a tool: rename 'a b', 'a/b', 'g",
        ),
        (
            _tools({"name": "a", "inputSchema": {"properties": {"x": {"$ref": "#/$defs/x"}}}}),
            "the schemas of 'a' use $ref or $defs",
        ),
        (
            _tools({"name": "a" * 56, "inputSchema": SCHEMA}),
            "agents see TARGET___TOOL, and many models take 64",
        ),
    ],
)
def test_warns_of_tools_that_agents_stumble_over(change: dict[str, Any], says: str) -> None:
    (said,) = _said(change)

    assert said.startswith(f"spec.mcpToolSchema.inline: {says}")


def test_tells_a_label_that_was_meant_as_an_annotation() -> None:
    labels = {"mcpgateway.bedrock.aws/paused": "true", "mcpgateway.bedrock.aws/team": "a"}
    labelled = _object({})
    labelled["metadata"]["labels"] = labels

    (said,) = map(str, advice(labelled))

    assert said.startswith("metadata.labels[mcpgateway.bedrock.aws/paused]: a label does nothing")
    assert list(advice({**labelled, "metadata": {"labels": [*labels]}})) == []


def test_a_tool_of_64_characters_with_its_target_is_fine() -> None:
    assert _said(_tools({"name": "a" * 55, "inputSchema": SCHEMA})) == []


@pytest.mark.parametrize(
    ("change", "name", "path"),
    [({}, "a" * 61, "metadata.name"), ({"targetName": "a" * 61}, "a", "spec.targetName")],
)
def test_warns_of_a_target_whose_name_leaves_no_room(change: dict[str, Any], name: str, path: str) -> None:
    (said,) = _said(change, name)

    assert said.startswith(f"{path}: agents see each tool as TARGET___TOOL")
    assert _said({"targetName": "short"}, "a" * 61) == []


def test_points_to_server_side_apply_where_the_copy_does_not_fit() -> None:
    # Go writes "<" in six characters.
    fits = _object({"mcpToolSchema": {"inline": "[" + "1," * 60000 + "1]"}})
    escaped = _object({"mcpToolSchema": {"inline": json.dumps(["<" * 45_000])}})
    beside = {**fits, "metadata": {"name": "a", "annotations": {"b": "x" * 200_000}}}

    assert [each.path for each in advice(fits)] == []
    assert [each.path for each in advice(escaped)] == ["metadata.annotations"]
    (said,) = advice(beside)
    assert "use kubectl apply --server-side" in said.message


@pytest.mark.parametrize(
    "content", [{}, {"spec": 5, "metadata": []}, {"spec": {"endpoint": 5, "mcpToolSchema": "x"}}]
)
def test_any_object_can_be_looked_at(content: dict[str, Any]) -> None:
    assert list(advice(content)) == []


def test_a_key_that_is_kept_by_a_provider_is_no_secret_in_the_query() -> None:
    key = {"providerArn": KEY_ARN, "location": "QUERY_PARAMETER", "parameterName": "key"}

    assert _said({"authType": "ApiKey", "apiKey": key}) == []
