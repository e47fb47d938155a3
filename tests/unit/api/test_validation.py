from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway_operator.api.aws_values import forbidden_headers
from mcp_gateway_operator.api.tool_list import refused
from mcp_gateway_operator.api.types import IamSpec, MCPServerSpec
from mcp_gateway_operator.api.validation import validate, validate_plain
from tests.unit.api.cases import BAD, GOOD, KEY_ARN, ODD, Bad, Odd, merged


def _spec(plain: dict[str, Any]) -> MCPServerSpec:
    return msgspec.convert(plain, MCPServerSpec)


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_refuses_offline_what_the_api_server_refuses(case: Bad) -> None:
    problems = validate_plain(case.spec, closed=True)

    said = {problem.path: problem.message for problem in reversed(problems)}
    assert case.path in said
    assert (case.offline or case.says) in " ".join(
        each.message for each in problems if each.path == case.path
    )


@pytest.mark.parametrize(
    "case",
    [case for case in BAD if "unknown" not in case.name and "number" not in case.name],
    ids=lambda case: case.name,
)
def test_refuses_at_reconcile_what_admission_refuses(case: Bad) -> None:
    assert case.path in {problem.path for problem in validate(_spec(case.spec))}


@pytest.mark.parametrize("case", ODD, ids=lambda case: case.name)
def test_reports_no_odd_spec_beyond_what_aws_refuses(case: Odd) -> None:
    assert tuple(each.path for each in validate_plain(case.spec, closed=True)) == case.reported
    assert tuple(each.path for each in validate(_spec(case.spec))) == case.reported


def test_a_problem_reads_as_path_and_advice() -> None:
    (problem,) = validate(_spec(merged({"authType": "GatewayIamRole"})))

    assert str(problem) == (
        "spec.iam: iam is required when authType is GatewayIamRole: "
        "write for example iam: {service: bedrock-agentcore}"
    )


def test_reports_every_problem_at_once_fields_before_rules_across_fields() -> None:
    spec = MCPServerSpec(endpoint="http://a", gateway_id="arn:aws:a", iam=IamSpec(), deletion_policy="Never")

    assert [each.path for each in validate(spec)] == [
        "spec.endpoint",
        "spec.capabilities",
        "spec.gatewayId",
        "spec.iam.service",
        "spec.deletionPolicy",
        "spec.oauthProviderArn",
        "spec.iam",
    ]


@pytest.mark.parametrize("name", ["Authorization", "COOKIE", "x-amzn-trace-id", "X-Forwarded-For", "Host"])
def test_names_the_header_that_aws_refuses(name: str) -> None:
    (problem,) = validate(_spec(merged({"allowedRequestHeaders": ["X-Tenant", name]})))

    assert problem.path == "spec.allowedRequestHeaders"
    assert problem.message == f"AWS does not pass on the header {name}: remove it from allowedRequestHeaders"


def test_a_header_that_the_target_has_at_aws_is_no_problem() -> None:
    spec = _spec(merged({"allowedRequestHeaders": ["Authorization", "Cookie"]}))

    (problem,) = validate(spec, held_headers=("authorization",))

    assert "Cookie" in problem.message


def test_the_header_of_the_api_key_cannot_be_passed_on_too() -> None:
    key = {"providerArn": KEY_ARN, "parameterName": "X-Api-Key"}
    spec = merged({"authType": "ApiKey", "apiKey": key, "allowedRequestHeaders": ["x-api-key"]})

    (problem,) = validate(_spec(spec))
    in_the_query = merged({**spec, "apiKey": {**key, "location": "QUERY_PARAMETER"}})

    assert "the header of the API key" in problem.message
    assert validate(_spec(in_the_query)) == ()


def test_custom_runtime_headers_and_sessions_are_passed_on() -> None:
    names = ["X-Amzn-Bedrock-AgentCore-Runtime-Custom-Tenant", "Mcp-Session-Id", "X-Amz-Date"]

    assert forbidden_headers(names) == ()
    assert forbidden_headers([*names, "X-AMZN-Request-Id", "Te"]) == ("X-AMZN-Request-Id", "Te")


_TEXTS = st.sampled_from(
    ["", " ", "\n", "tools", "https://", "arn:", "s3", "inline", "6h", "OAuth2", "x" * 3000, "\x00é"]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(MCPServerSpec.__struct_encode_fields__), _JSON))
def test_whatever_a_file_holds_ends_in_problems_and_never_in_a_crash(change: dict[str, Any]) -> None:
    for problem in validate_plain({**GOOD, **change}, closed=True):
        assert problem.path.startswith("spec.")
        assert problem.message


@given(st.sampled_from(ODD), st.sampled_from(ODD))
def test_a_typed_and_a_plain_spec_get_the_same_verdict(one: Odd, other: Odd) -> None:
    plain = merged({**one.change, **other.change})

    assert bool(validate(_spec(plain))) == bool(validate_plain(plain, closed=True))


def test_of_a_whole_json_rpc_message_it_says_what_is_wanted() -> None:
    message = '{"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "a"}]}}'

    (said,) = refused(message, "github")

    assert "only what stands in its result is wanted" in said


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"oauthScopes": [None]}, "must be a text, and this is null: write one, or remove it"),
        ({"capabilities": "tools"}, "must be a list: write ['tools']"),
        ({"description": 1.5}, "must be a text: write it in quotes"),
        ({"resourcePriority": 1.5}, "must be a whole number"),
    ],
)
def test_of_a_value_of_another_type_it_says_what_to_write(change: dict[str, Any], says: str) -> None:
    problems = validate_plain(merged(change), closed=True)

    assert says in [each.message for each in problems]
