"""What counts as a difference between a spec and a target."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway_operator.api.types import ApiKeySpec, IamSpec, MCPServerSpec, McpToolSchema, S3ToolSchema
from mcp_gateway_operator.targets.shape import (
    FieldDiff,
    Flat,
    describe_diffs,
    digest_of,
    field_diffs,
    filled_in_by_aws,
    flatten,
    flatten_target,
    target_request,
)
from tests.unit.targets.builders import (
    ACCOUNT,
    ARN,
    FOREIGN,
    NAME,
    OURS,
    PROVIDER,
    REGION,
    SPEC,
    spec,
    summary,
    target,
)
from tests.unit.targets.strategies import KEY_PROVIDER, answers, specs


def flat(of: MCPServerSpec, *, name: str = NAME) -> Flat:
    """Return the comparable form of a spec's request."""
    return flatten(target_request(of, name=name, mark=OURS), region=REGION)


@settings(deadline=None)
@given(st.data(), specs())
def test_what_aws_makes_of_a_request_is_no_difference(data: st.DataObject, of: MCPServerSpec) -> None:
    body = target_request(of, name=NAME, mark=OURS)
    held = data.draw(answers(body))
    assert field_diffs(flat(of), flatten(held, region=REGION)) == ()


@settings(deadline=None)
@given(specs(), specs())
def test_symmetry(one: MCPServerSpec, other: MCPServerSpec) -> None:
    there = field_diffs(flat(one), flat(other))
    back = field_diffs(flat(other), flat(one))
    assert there == tuple(FieldDiff(each.field, each.have, each.want) for each in back)
    assert field_diffs(flat(one), flat(one)) == ()


@settings(deadline=None)
@given(specs(), specs())
def test_digest_is_equal_when_there_is_no_difference(one: MCPServerSpec, other: MCPServerSpec) -> None:
    same = digest_of(flat(one)) == digest_of(flat(other))
    assert same == (flat(one) == flat(other)) == (not field_diffs(flat(one), flat(other)))


@settings(deadline=None)
@given(specs())
def test_digest_does_not_depend_on_order(of: MCPServerSpec) -> None:
    form = flat(of)
    assert digest_of(dict(reversed(form.items()))) == digest_of(form)


API_KEY = spec(
    auth_type="ApiKey",
    oauth_provider_arn="",
    oauth_scopes=(),
    api_key=ApiKeySpec(provider_arn=KEY_PROVIDER, location="HEADER", parameter_name="X-Key", prefix="Key"),
)
IAM = spec(auth_type="GatewayIamRole", oauth_scopes=(), iam=IamSpec(service="lambda", region="eu-west-1"))


def with_key(**changes: Any) -> MCPServerSpec:
    """Return the spec with an API key, changed."""
    assert API_KEY.api_key is not None
    return msgspec.structs.replace(API_KEY, api_key=msgspec.structs.replace(API_KEY.api_key, **changes))


@pytest.mark.parametrize(
    ("before", "after", "fields"),
    [
        (SPEC, spec(endpoint="https://other.example.com/mcp"), {"endpoint"}),
        (SPEC, spec(endpoint="https://weather.example.com/mcp/"), {"endpoint"}),
        (SPEC, spec(endpoint="https://weather.example.com/MCP"), {"endpoint"}),
        (SPEC, spec(endpoint="https://weather.example.com:8443/mcp"), {"endpoint"}),
        (SPEC, spec(description="Forecasts"), {"description"}),
        (SPEC, spec(listing_mode="DYNAMIC"), {"listingMode"}),
        (SPEC, spec(resource_priority=0), {"resourcePriority"}),
        (SPEC, spec(mcp_tool_schema=McpToolSchema(inline="{}")), {"mcpToolSchema"}),
        (
            spec(mcp_tool_schema=McpToolSchema(inline="not JSON")),
            spec(mcp_tool_schema=McpToolSchema(inline="not  JSON")),
            {"mcpToolSchema"},
        ),
        (
            spec(mcp_tool_schema=McpToolSchema(inline="{}")),
            spec(mcp_tool_schema=McpToolSchema(s3=S3ToolSchema(uri="s3://b/t"))),
            {"mcpToolSchema"},
        ),
        (
            spec(mcp_tool_schema=McpToolSchema(s3=S3ToolSchema(uri="s3://b/t"))),
            spec(
                mcp_tool_schema=McpToolSchema(
                    s3=S3ToolSchema(uri="s3://b/t", bucket_owner_account_id=ACCOUNT)
                )
            ),
            {"mcpToolSchema.bucketOwnerAccountId"},
        ),
        (SPEC, spec(allowed_request_headers=("X-A",)), {"allowedRequestHeaders"}),
        (SPEC, spec(allowed_response_headers=("X-A",)), {"allowedResponseHeaders"}),
        (SPEC, spec(allowed_query_parameters=("a",)), {"allowedQueryParameters"}),
        (
            spec(allowed_query_parameters=("a",)),
            spec(allowed_query_parameters=("A",)),
            {"allowedQueryParameters"},
        ),
        (SPEC, spec(oauth_scopes=()), {"oauthScopes"}),
        (SPEC, spec(oauth_scopes=("READ",)), {"oauthScopes"}),
        (SPEC, spec(oauth_provider_arn=f"{PROVIDER}2"), {"oauthProviderArn"}),
        (SPEC, spec(oauth_grant_type="TOKEN_EXCHANGE"), {"oauthGrantType"}),
        (SPEC, spec(oauth_default_return_url="https://a.example.com"), {"oauthDefaultReturnUrl"}),
        (SPEC, spec(oauth_custom_parameters={"audience": "a"}), {"oauthCustomParameters"}),
        (
            SPEC,
            spec(certificate_configurations=({"s3": {"uri": "s3://b/c"}},)),
            {"certificateConfigurations.0.s3.uri"},
        ),
        (
            SPEC,
            spec(private_endpoint={"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "r"}}),
            {"privateEndpoint.selfManagedLatticeResource.resourceConfigurationIdentifier"},
        ),
        (SPEC, spec(auth_type="NoAuth"), {"authType", "oauthGrantType", "oauthProviderArn", "oauthScopes"}),
        (
            IAM,
            msgspec.structs.replace(IAM, iam=IamSpec(service="execute-api", region="eu-west-1")),
            {"iam.service"},
        ),
        (IAM, msgspec.structs.replace(IAM, iam=IamSpec(service="lambda")), {"iam.region"}),
        (API_KEY, with_key(provider_arn=f"{KEY_PROVIDER}2"), {"apiKey.providerArn"}),
        (API_KEY, with_key(location="QUERY_PARAMETER"), {"apiKey.location"}),
        (API_KEY, with_key(parameter_name=""), {"apiKey.parameterName"}),
        (API_KEY, with_key(prefix=""), {"apiKey.prefix"}),
    ],
)
def test_every_change_is_seen(before: MCPServerSpec, after: MCPServerSpec, fields: set[str]) -> None:
    assert {each.field for each in field_diffs(flat(after), flat(before))} == fields
    assert digest_of(flat(after)) != digest_of(flat(before))


def test_a_new_name_is_seen() -> None:
    assert field_diffs(flat(SPEC, name="new"), flat(SPEC)) == (FieldDiff("targetName", "new", NAME),)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SPEC, spec(listing_mode="DEFAULT")),
        (SPEC, spec(resource_priority=1000)),
        (SPEC, spec(auth_type="")),
        (SPEC, spec(oauth_grant_type="CLIENT_CREDENTIALS")),
        (SPEC, spec(description="  ")),
        (SPEC, spec(mcp_tool_schema=McpToolSchema())),
        (SPEC, spec(deletion_policy="Retain", drift_policy="Report", capabilities=("tools", "prompts"))),
        (SPEC, spec(endpoint="https://Weather.Example.com:443/mcp")),
        (spec(endpoint="https://weather.example.com"), spec(endpoint="https://weather.example.com/")),
        (
            spec(mcp_tool_schema=McpToolSchema(inline='{"tools": [], "a": 1}')),
            spec(mcp_tool_schema=McpToolSchema(inline='{\n "a":1,\n "tools":[]}')),
        ),
        (spec(allowed_request_headers=("X-A", "X-B")), spec(allowed_request_headers=("x-b", "X-a"))),
        (spec(oauth_scopes=("a", "b")), spec(oauth_scopes=("b", "a"))),
        (with_key(location=""), with_key(location="HEADER")),
    ],
)
def test_what_is_no_change(before: MCPServerSpec, after: MCPServerSpec) -> None:
    assert flat(after) == flat(before)


@pytest.mark.parametrize(
    "description", [f"Forecasts [mcps {OURS}]", f"Forecasts [mcps {FOREIGN}]", " Forecasts\n"]
)
def test_markers_and_outer_white_space_are_no_difference(description: str) -> None:
    have = flatten_target(target(spec(description="Forecasts"), description=description))
    assert field_diffs(flat(spec(description="Forecasts")), have) == ()


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"targetConfiguration": {"mcp": {"lambda": {"lambdaArn": "arn"}}}}, "lambda"),
        ({"targetConfiguration": {"http": {"agentcoreRuntime": {}}}}, "http"),
        ({"targetConfiguration": None}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_a_target_of_another_type_differs(config: dict[str, Any], kind: str) -> None:
    have = flatten({**config, "name": NAME})
    assert FieldDiff("targetType", None, kind) in field_diffs(flat(SPEC), have)


@pytest.mark.parametrize("kind", ["CALLER_IAM_CREDENTIALS", "JWT_PASSTHROUGH", "SOMETHING_NEW"])
def test_authorisation_that_this_version_does_not_write_differs(kind: str) -> None:
    have = flatten({"credentialProviderConfigurations": [{"credentialProviderType": kind}]})
    assert have["authType"] == kind


def test_role_without_what_a_server_needs_of_it_is_no_authorisation() -> None:
    """AWS refuses such a thing for an MCP server, so an answer that shows it has made it up."""
    shown = {
        "name": NAME,
        "credentialProviderConfigurations": [{"credentialProviderType": "GATEWAY_IAM_ROLE"}],
    }
    assert flatten(shown)["authType"] == "NoAuth"
    assert "iam.region" not in flatten(shown, region=REGION)


def test_description_of_differences_is_bounded_and_readable() -> None:
    diffs = field_diffs(flat(spec(description="x" * 170, endpoint="https://new.example.com/mcp")), flat(SPEC))
    text = describe_diffs(diffs)
    assert 'endpoint: "https://weather.example.com/mcp" -> "https://new.example.com/mcp"' in text
    assert text.startswith('description: absent -> "xxx')
    assert len(describe_diffs(diffs * 20)) == 512
    assert describe_diffs(()) == ""


def test_flatten_target_takes_the_name_and_description_of_the_summary() -> None:
    held = msgspec.structs.replace(target(), summary=summary(name="new", description="text"), gateway_arn=ARN)
    assert {each.field for each in field_diffs(flat(SPEC), flatten_target(held, region=REGION))} == {
        "description",
        "targetName",
    }


FILLED, KEPT = FieldDiff("apiKey.prefix", None, "Bearer"), FieldDiff("iam.region", None, "eu-west-1")
CHANGED = FieldDiff("endpoint", "https://a.example.com/", "https://b.example.com/")


@pytest.mark.parametrize(
    ("unkept", "cleared", "filled"),
    [
        ((), (), {}),
        ((FILLED,), (), {"apiKey.prefix": "Bearer"}),
        ((FILLED, KEPT), (CHANGED,), {"apiKey.prefix": "Bearer", "iam.region": "eu-west-1"}),
        ((FILLED,), (FILLED,), {}),
        ((FILLED,), (FieldDiff("apiKey.prefix", None, "Basic"),), {"apiKey.prefix": "Bearer"}),
        ((FILLED, KEPT), (KEPT,), {}),
        ((FILLED, CHANGED), (), {}),
    ],
)
def test_what_aws_filled_in_is_told_from_what_it_kept_or_changed(
    unkept: tuple[FieldDiff, ...], cleared: tuple[FieldDiff, ...], filled: dict[str, Any]
) -> None:
    assert filled_in_by_aws(unkept, cleared=cleared) == filled
