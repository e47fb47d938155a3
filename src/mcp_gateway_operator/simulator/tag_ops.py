"""Tags, which only gateways have: targets have no ARN."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from .errors import not_found, quota_exceeded

if TYPE_CHECKING:
    from .calls import Call
    from .state import Gateway
    from .world import World

_GATEWAY_ARN = re.compile(r"arn:[^:]+:bedrock-agentcore:([a-z0-9-]+):([0-9]{12}):gateway/([^/]+)")
_MAX_TAGS = 50


def tag(world: World, call: Call) -> bytes:
    """TagResource (204)."""
    gateway = _tagged(world, call)
    tags = {**gateway.tags, **call.params["tags"]}
    if len(tags) > _MAX_TAGS:
        raise quota_exceeded(f"A resource has at most {_MAX_TAGS} tags")
    gateway.tags = tags
    return b""


def untag(world: World, call: Call) -> bytes:
    """UntagResource (204)."""
    gateway = _tagged(world, call)
    gateway.tags = {key: value for key, value in gateway.tags.items() if key not in call.params["tagKeys"]}
    return b""


def list_tags(world: World, call: Call) -> bytes:
    """ListTagsForResource (200)."""
    return msgspec.json.encode({"tags": _tagged(world, call).tags})


def _tagged(world: World, call: Call) -> Gateway:
    arn: str = call.params["resourceArn"]
    match = _GATEWAY_ARN.fullmatch(arn)
    if match is None or match.group(1, 2) != (call.caller.region, call.caller.account):
        raise not_found(f"Resource {arn} not found")
    return world.gateway(call.caller.account, call.caller.region, match[3])
