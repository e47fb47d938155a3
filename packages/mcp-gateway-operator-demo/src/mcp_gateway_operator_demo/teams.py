"""Two teams on one MCPGateway in another account: what it permits one of them, it refuses the other."""

from __future__ import annotations

from typing import Any, Final

import yaml

from agentcore_simulator import AdminClient
from mcp_gateway_operator.api import names

GATEWAY: Final = "teams-gateway-abcdefghij"
CLASS: Final = "tools"
TEAMS: Final = ("team-a", "team-b")
"""The first may use the gateway."""
SERVER: Final = "search"
ACCOUNT: Final = "222222222222"
"""Of the gateway; the operator is in another one."""
REGION: Final = "eu-west-1"
ROLE: Final = "mcp-targets"
_HOME: Final = "123456789012"
_EXTERNAL_ID: Final = "acme"
_VERSION: Final = f"{names.GROUP}/{names.VERSION}"


def prepare(aws: AdminClient) -> None:
    """Make the account: its gateway, and the role that the operator's account may assume."""
    there = aws.account(ACCOUNT, REGION)
    there.create_gateway(GATEWAY)
    there.add_role(ROLE, trust=[_HOME], external_id=_EXTERNAL_ID)


def targets(aws: AdminClient) -> list[str]:
    """Return the names of the targets in that account."""
    return [each["name"] for each in aws.account(ACCOUNT, REGION).targets(GATEWAY)]


def target_of(team: str) -> str:
    """Return the name of a team's target."""
    return f"{team}-{SERVER}"


def manifests() -> str:
    """Return the MCPGateway, and an MCPServer of each team that names it."""
    return yaml.safe_dump_all([_the_class(), *map(_server, TEAMS)])


def _the_class() -> dict[str, Any]:
    """The gateway is permitted to the first team alone, under the role."""
    allow = {
        "namespaces": {"matchLabels": {"kubernetes.io/metadata.name": TEAMS[0]}},
        "authTypes": ["NoAuth"],
        "endpoints": ["https://*.mcp.example.com"],
    }
    arn = f"arn:aws:bedrock-agentcore:{REGION}:{ACCOUNT}:gateway/{GATEWAY}"
    aws = {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}", "externalId": _EXTERNAL_ID}
    return _object(names.CLASS_KIND, {"name": CLASS}, {"gatewayArn": arn, "aws": aws, "allow": [allow]})


def _server(team: str) -> dict[str, Any]:
    spec = {
        "gatewayRef": {"name": CLASS},
        "targetName": target_of(team),
        "endpoint": f"https://{team}.mcp.example.com/mcp",
        "capabilities": ["tools"],
        "authType": "NoAuth",
    }
    return _object(names.KIND, {"name": SERVER, "namespace": team}, spec)


def _object(kind: str, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": _VERSION, "kind": kind, "metadata": metadata, "spec": spec}
