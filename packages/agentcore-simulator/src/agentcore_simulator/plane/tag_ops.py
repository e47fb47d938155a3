"""Tags, which only gateways have: targets have no ARN."""

from __future__ import annotations

import re

import msgspec

from agentcore_simulator.errors import not_found, quota_exceeded
from agentcore_simulator.plane.calls import Call
from agentcore_simulator.plane.control_plane import ControlPlane
from agentcore_simulator.plane.resources import Gateway
from agentcore_simulator.protocol import partition_of

_GATEWAY_ARN = re.compile(r"arn:([^:]+):bedrock-agentcore:([a-z0-9-]+):([0-9]{12}):gateway/([^/]+)")
_MAX_TAGS = 50


def tag(plane: ControlPlane, call: Call) -> bytes:
    """TagResource (204)."""
    gateway = _tagged(plane, call)
    tags = {**gateway.tags, **call.params["tags"]}
    if len(tags) > _MAX_TAGS:
        raise quota_exceeded(f"A resource has at most {_MAX_TAGS} tags")
    gateway.tags = tags
    return b""


def untag(plane: ControlPlane, call: Call) -> bytes:
    """UntagResource (204)."""
    gateway = _tagged(plane, call)
    gateway.tags = {key: value for key, value in gateway.tags.items() if key not in call.params["tagKeys"]}
    return b""


def list_tags(plane: ControlPlane, call: Call) -> bytes:
    """ListTagsForResource (200)."""
    return msgspec.json.encode({"tags": _tagged(plane, call).tags})


def _tagged(plane: ControlPlane, call: Call) -> Gateway:
    arn: str = call.params["resourceArn"]
    match = _GATEWAY_ARN.fullmatch(arn)
    home = (partition_of(call.caller.region).id, call.caller.region, call.caller.account)
    if match is None or match.group(1, 2, 3) != home:
        raise not_found(f"Resource {arn} not found")
    return plane.gateway(call.caller.account, call.caller.region, match[4])
