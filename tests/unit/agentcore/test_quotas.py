"""The --aws-quotas setting."""

from __future__ import annotations

import pytest

from mcp_gateway_operator.agentcore.quota import Op, Quotas


def test_the_default_is_the_service_quota() -> None:
    """The default is the service quota."""
    quotas = Quotas.parse("default")
    assert [quotas.rate(op) for op in Op] == [5, 5, 5, 5, 10, 10, 10]
    assert quotas.gateway_writes == 5


def test_unlimited_lifts_every_limit() -> None:
    """Unlimited lifts every limit."""
    quotas = Quotas.parse("unlimited")
    assert {quotas.rate(op) for op in Op} == {None}
    assert quotas.gateway_writes is None


def test_a_list_changes_what_it_names() -> None:
    """A list changes what it names."""
    quotas = Quotas.parse("create=2.5, sync=1,synchronize=3,list=unlimited,gateway-writes=7")
    assert quotas == Quotas(create=2.5, synchronize=3, list=None, gateway_writes=7)
    assert Quotas.parse("gateway-writes=unlimited").gateway_writes is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("creates=5", "'creates=5' is not a quota"),
        ("create", "'create' is not a quota"),
        ("create=5,,get=3", "'' is not a quota"),
        ("create=fast", "create=fast is not a number of calls per second"),
        ("create=0", "above 0"),
        ("get=-1", "above 0"),
        ("get=nan", "above 0"),
        ("list=inf", "above 0"),
        ("gateway-writes=2.5", "not a whole number"),
        ("gateway-writes=0", "above 0"),
    ],
)
def test_a_wrong_setting_says_what_to_write(text: str, says: str) -> None:
    """A wrong setting says what to write."""
    with pytest.raises(ValueError, match=says):
        Quotas.parse(text)
