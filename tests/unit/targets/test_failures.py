"""Classes of failure, and how often a failed target is repaired."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway_operator.targets.known import Drift
from mcp_gateway_operator.targets.rules import at_war, backoff, classify
from mcp_gateway_operator.targets.rules.drift import DRIFT_BASE, DRIFT_MAX
from mcp_gateway_operator.targets.rules.failed_target import REPAIR_BASE, REPAIR_MAX
from mcp_gateway_operator.targets.rules.failure_reasons import FailureClass

PROBE = "Failed to connect and fetch tools from the provided MCP target server."
ADVICE = "Please check the server endpoint or tool capability support."
HANDSHAKE = "to the initialize handshake."
ROLE = "arn:aws:sts::123456789012:assumed-role/gw/mcp-iam-auth-session"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (f"{PROBE} Error - Authorization error when sending message", FailureClass.UNAUTHORIZED),
        (
            f"{PROBE} Error - Unable to connect to the MCP server. Please check the server",
            FailureClass.UNREACHABLE,
        ),
        (f"{PROBE} Error - Runtime initialization time exceeded.", FailureClass.RUNTIME_STARTUP),
        (f"{PROBE} Error - Received error (400) from runtime.", FailureClass.RUNTIME_STARTUP),
        (f"{PROBE} Error - Method not found: resources/templates/list", FailureClass.INVALID_SCHEMA),
        (
            f"{PROBE} Error - An internal error occurred while processing the request.",
            FailureClass.UNKNOWN,
        ),
        (
            f"{PROBE} {ADVICE} Unable to connect to the MCP server. Please check the server",
            FailureClass.UNREACHABLE,
        ),
        (
            f"{PROBE} {ADVICE}",
            FailureClass.INVALID_SCHEMA,
        ),
        (PROBE, FailureClass.UNREACHABLE),
        (
            f"MCP server 'https://weather.example.com/mcp' returned HTTP 400 {HANDSHAKE}",
            FailureClass.INVALID_SCHEMA,
        ),
        (
            f"MCP server 'https://weather.example.com/mcp' returned HTTP 401 {HANDSHAKE}",
            FailureClass.UNAUTHORIZED,
        ),
        (
            f"MCP server 'https://weather.example.com/mcp' returned HTTP 429 {HANDSHAKE}",
            FailureClass.THROTTLED,
        ),
        (
            f"MCP server 'https://weather.example.com/mcp' returned HTTP 503 {HANDSHAKE}",
            FailureClass.UNREACHABLE,
        ),
        (
            f"MCP server 'https://forbidden.example.com/throttle' returned HTTP 400 {HANDSHAKE}",
            FailureClass.INVALID_SCHEMA,
        ),
        ("Gateway service is not authorized to assume the execution role", FailureClass.GATEWAY_ROLE),
        (
            f"User: {ROLE} is not authorized to perform: bedrock-agentcore:InvokeAgentRuntime on resource: r",
            FailureClass.GATEWAY_ROLE,
        ),
        ("Gateway execution role lacks permission to invoke the function", FailureClass.GATEWAY_ROLE),
        ("No MCP tool schema found", FailureClass.INVALID_SCHEMA),
        ("Rate exceeded", FailureClass.THROTTLED),
        ("The moon is in the wrong phase", FailureClass.UNKNOWN),
        ("", FailureClass.UNKNOWN),
    ],
)
def test_classes(reason: str, expected: FailureClass) -> None:
    assert classify([reason]) is expected


def test_no_reason_is_unknown() -> None:
    assert classify(()) is FailureClass.UNKNOWN


@given(st.lists(st.text(max_size=200), max_size=10))
def test_every_text_has_a_class(reasons: list[str]) -> None:
    assert classify(reasons) in FailureClass


REPAIRS = (REPAIR_BASE, REPAIR_MAX), (DRIFT_BASE, DRIFT_MAX)


@given(st.integers(0, 10_000), st.sampled_from(REPAIRS))
def test_backoff_grows_to_its_bound(attempts: int, bounds: tuple[float, float]) -> None:
    base, maximum = bounds
    first, second = (backoff(attempts + each, base=base, maximum=maximum) for each in (0, 1))
    assert base <= first <= second <= maximum


@pytest.mark.parametrize(("base", "maximum"), REPAIRS)
@pytest.mark.parametrize("calls_a_repair", [1, 2])
def test_a_target_that_stays_broken_costs_little(base: float, maximum: float, calls_a_repair: int) -> None:
    """At most twelve calls an hour after the first ten minutes, a Get before each repair included."""
    moments: list[float] = []
    now = 0.0
    for attempt in range(100):
        now += backoff(attempt, base=base, maximum=maximum)
        moments.append(now)
    for start in (600.0, *(moment for moment in moments if moment >= 600.0)):
        repairs = sum(start <= moment < start + 3600.0 for moment in moments)
        assert repairs * calls_a_repair <= 12


@pytest.mark.parametrize(
    ("attempts", "idle", "fought"), [(4, 0.0, False), (5, 3600.0, True), (5, 3601.0, False)]
)
def test_a_target_is_fought_over_from_the_fifth_repair_until_an_hour_of_peace(
    attempts: int, idle: float, fought: bool
) -> None:
    assert at_war(Drift(attempts=attempts, not_before=1000.0), 1000.0 + idle) is fought
