"""Target names and ARNs."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway_operator.api.aws_values import default_target_name
from mcp_gateway_operator.targets.shape import account_and_region, gateway_of_arn

AGENTCORE = re.compile("([0-9a-zA-Z][-]?){1,100}")
KUBERNETES = st.from_regex(
    r"[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?){0,4}", fullmatch=True
).filter(lambda name: len(name) <= 253)
LONG = st.text("ab-.", min_size=150, max_size=251).map(lambda text: f"a{text}z")


@given(KUBERNETES | LONG)
def test_every_name_becomes_legal(name: str) -> None:
    result = default_target_name(name)
    assert AGENTCORE.fullmatch(result)
    assert default_target_name(result) == result
    kept = re.sub("[^a-z0-9]", "", name)[:100]
    assert re.sub("-", "", result) == kept


@given(st.from_regex("([0-9a-z]-?){0,99}[0-9a-z]", fullmatch=True))
def test_a_legal_name_stays(name: str) -> None:
    assert default_target_name(name) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("weather", "weather"),
        ("weather.v2", "weather-v2"),
        ("weather--v2", "weather-v2"),
        ("a.-b", "a-b"),
        ("x" * 253, "x" * 100),
        (f"{'ab-' * 50}c", f"{'ab-' * 49}ab"),
        (f"{'x' * 100}-y", "x" * 100),
    ],
)
def test_default_names(name: str, expected: str) -> None:
    assert default_target_name(name) == expected


@pytest.mark.parametrize(
    ("arn", "gateway", "where"),
    [
        (
            "arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/tools-abcdefghij",
            "tools-abcdefghij",
            ("123456789012", "us-east-1"),
        ),
        (
            "arn:aws-us-gov:bedrock-agentcore:us-gov-west-1:123456789012:gateway/g-0123456789",
            "g-0123456789",
            ("123456789012", "us-gov-west-1"),
        ),
        ("arn:aws:iam::123456789012:role/gateway", "", ("123456789012", "")),
        ("tools-abcdefghij", "", ("", "")),
        ("not:an:arn:at:all:gateway/tools-abcdefghij", "", ("", "")),
        ("", "", ("", "")),
    ],
)
def test_arns(arn: str, gateway: str, where: tuple[str, str]) -> None:
    assert gateway_of_arn(arn) == gateway
    assert account_and_region(arn) == where
