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


def the_class() -> str:
    """Return the MCPGateway that permits the gateway to the first team alone, under the role."""
    allow = {
        "namespaces": {"matchLabels": {"kubernetes.io/metadata.name": TEAMS[0]}},
        "authTypes": ["NoAuth"],
        "endpoints": ["https://*.mcp.example.com"],
    }
    arn = f"arn:aws:bedrock-agentcore:{REGION}:{ACCOUNT}:gateway/{GATEWAY}"
    aws = {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}", "externalId": _EXTERNAL_ID}
    return _text(names.CLASS_KIND, CLASS, {"gatewayArn": arn, "aws": aws, "allow": [allow]})


def server(team: str) -> str:
    """Return a team's MCPServer, which names the MCPGateway."""
    spec = {
        "gatewayRef": {"name": CLASS},
        "targetName": target_of(team),
        "endpoint": f"https://{team}.mcp.example.com/mcp",
        "capabilities": ["tools"],
        "authType": "NoAuth",
    }
    return _text(names.KIND, SERVER, spec)


def _text(kind: str, name: str, spec: dict[str, Any]) -> str:
    document = {"apiVersion": _VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
    return yaml.safe_dump(document)
