from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway_operator.api.endpoints import ENDPOINT, raw_arn, secret_parameters, unreachable
from tests.unit.api.endpoint_table import ADMITTED, ALWAYS, NEVER, REFUSED

RUNTIME = "https://bedrock-agentcore.us-east-1.amazonaws.com/runtimes"
ARN = "arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/agent_a-Ab12"
ENCODED = "arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A123456789012%3Aruntime%2Fagent_a-Ab12"


def _said(endpoint: str) -> list[str]:
    return [rule.message for rule in ENDPOINT if not rule.holds(endpoint)]


def test_the_tables_are_large() -> None:
    assert len(REFUSED) >= 60
    assert len(ADMITTED) >= 40


@pytest.mark.parametrize("endpoint", REFUSED)
def test_refuses_what_cannot_be_a_url_with_a_host(endpoint: str) -> None:
    assert any(REFUSED[endpoint] in message for message in _said(endpoint))


@pytest.mark.parametrize("endpoint", ADMITTED)
def test_admits_whatever_can_be_one(endpoint: str) -> None:
    assert _said(endpoint) == []


@given(st.text(alphabet=" /:.@[]#%0aA-_\\é\n", max_size=20))
def test_the_rules_end_for_whatever_stands_behind_the_scheme(text: str) -> None:
    assert all(isinstance(rule.holds(f"https://{text}"), bool) for rule in ENDPOINT)


@pytest.mark.parametrize("endpoint", NEVER)
def test_says_why_aws_never_reaches_an_address(endpoint: str) -> None:
    assert NEVER[endpoint] in unreachable(endpoint)


@pytest.mark.parametrize("endpoint", ALWAYS)
def test_says_nothing_of_what_aws_may_reach(endpoint: str) -> None:
    assert unreachable(endpoint) == ""


@pytest.mark.parametrize("endpoint", [*REFUSED, *ADMITTED, "https://[", "https://[::1"])
def test_any_endpoint_can_be_looked_at(endpoint: str) -> None:
    assert isinstance(unreachable(endpoint), str)
    assert len(raw_arn(endpoint)) == 2
    assert isinstance(secret_parameters(endpoint), list)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (f"/{ARN}/invocations?qualifier=DEFAULT", (ARN, ENCODED)),
        (f"/{ARN}", (ARN, ENCODED)),
        (f"/{ARN}/runtime-endpoint/prod/invocations", (f"{ARN}/runtime-endpoint/prod",) * 2),
        (f"/{ARN.replace(':', '%3A')}/invocations", (ARN.replace(":", "%3A"), ENCODED)),
        (f"/{ARN.replace('/', '%2F')}/invocations", (ARN.replace("/", "%2F"), ENCODED)),
        (f"/{ENCODED}/invocations", ("", "")),
        (f"/{ENCODED.lower()}/invocations", ("", "")),
        (f"/x?arn={ARN}", ("", "")),
        ("/warning:a/b", ("", "")),
    ],
)
def test_finds_an_arn_that_is_not_encoded(path: str, found: tuple[str, str]) -> None:
    written, encoded = raw_arn(f"{RUNTIME}{path}")

    assert written == found[0]
    assert encoded == found[1].replace(":", "%3A").replace("/", "%2F")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("api_key=1&a=b", ["api_key"]),
        ("APIKey=1", ["APIKey"]),
        ("subscriptionKey=1&accessToken=2", ["subscriptionKey", "accessToken"]),
        ("X-Functions-Key=1", ["X-Functions-Key"]),
        ("code=1", ["code"]),
        ("accesstoken=1&x-apikey=2&clientsecret=3", ["accesstoken", "x-apikey", "clientsecret"]),
        ("api%5Fkey=1", ["api_key"]),
        ("passphrase=1&appkey=2&sessionId=3&otp=4", ["passphrase", "appkey", "sessionId", "otp"]),
        ("qualifier=DEFAULT&monkey=1&keyboard=2&tokens", []),
        ("", []),
    ],
)
def test_names_the_parameters_that_look_like_a_secret(query: str, names: list[str]) -> None:
    assert secret_parameters(f"https://mcp.example.com/mcp?{query}") == names
