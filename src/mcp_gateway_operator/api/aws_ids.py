"""Ids of gateways and codes of Regions: what cannot be one, and what was meant by it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from mcp_gateway_operator.api.schema import shown

REGION: Final = "[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}"
"""The code of a Region in any partition: us-east-1, us-gov-west-1, us-isob-east-1, eusc-de-east-1."""
_IN_A_TEXT: Final = re.compile(rf"(?<![a-z-]){REGION}(?![0-9])")
_GATEWAY_ID: Final = re.compile("([0-9a-z]-?){1,100}-[0-9a-z]{10}")  # service model: GatewayIdentifier
_LONGEST_GATEWAY_ID: Final = 2 * 100 + 1 + 10
_LOOKED_AT: Final = 2048
"""Characters of what stands for an id or a Region that are searched for one."""


def is_gateway_id(text: str) -> bool:
    """Return whether AWS could have given a gateway this id: what cannot be one holds no target."""
    return len(text) <= _LONGEST_GATEWAY_ID and _has_its_form(text)


@lru_cache(maxsize=1024)
def _has_its_form(text: str) -> bool:
    # A fleet has few gateways, and a pass asks for its own some ten times.
    return _GATEWAY_ID.fullmatch(text) is not None


def no_gateway_id(text: str) -> str:
    """Return the sentence about a text that is no gateway's id: what it is, and what to write."""
    parts = re.split(r"[^0-9a-zA-Z-]+", text[:_LOOKED_AT])
    meant = next((each.lower() for each in parts if is_gateway_id(each.lower())), "")
    if text.startswith("arn:"):
        what = "an ARN"
    elif "://" in text or ".gateway." in text:
        what = "an address"
    else:
        what = "in capitals" if meant == text.lower() else "not the id of a gateway"
    if meant:
        return f"{shown(text)} is {what}: write the gateway's id, {meant}"
    return (
        f"{shown(text)} is {what}: write the gateway's id, which is its name in lower case, a dash and ten"
        " characters, for example tools-abcdefghij (aws bedrock-agentcore-control list-gateways shows it)"
    )


def is_region(text: str) -> bool:
    """Return whether a Region could have this code."""
    return len(text) <= _LOOKED_AT and re.fullmatch(REGION, text) is not None


def no_region(text: str) -> str:
    """Return the sentence about a text that is no Region's code, with what to write."""
    meant = _IN_A_TEXT.search(text[:_LOOKED_AT].lower())
    wish = meant[0] if meant else "the code of one, for example us-east-1"
    return f"{shown(text)} is not the code of an AWS Region: write {wish}"
