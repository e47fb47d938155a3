"""Two teams on one MCPGateway: what it permits one of them, it refuses the other."""

from __future__ import annotations

from typing import Any, Final

import yaml

from mcp_gateway_operator.api import names
from mcp_gateway_operator_demo.environment import REGION

GATEWAY: Final = "teams-gateway-abcdefghij"
CLASS: Final = "tools"
TEAMS: Final = ("team-a", "team-b")
"""The first may use the gateway."""
SERVER: Final = "search"
_ACCOUNT: Final = "123456789012"
_VERSION: Final = f"{names.GROUP}/{names.VERSION}"


def the_class() -> str:
    """Return the MCPGateway that permits the gateway to the first team alone."""
    allow = {
        "namespaces": {"matchLabels": {"kubernetes.io/metadata.name": TEAMS[0]}},
        "authTypes": ["NoAuth"],
        "endpoints": ["https://*.mcp.example.com"],
    }
    arn = f"arn:aws:bedrock-agentcore:{REGION}:{_ACCOUNT}:gateway/{GATEWAY}"
    return _text(names.CLASS_KIND, CLASS, {"gatewayArn": arn, "allow": [allow]})


def server(team: str) -> str:
    """Return a team's MCPServer, which names the MCPGateway."""
    spec = {
        "gatewayRef": {"name": CLASS},
        "targetName": f"{team}-{SERVER}",
        "endpoint": f"https://{team}.mcp.example.com/mcp",
        "capabilities": ["tools"],
        "authType": "NoAuth",
    }
    return _text(names.KIND, SERVER, spec)


def _text(kind: str, name: str, spec: dict[str, Any]) -> str:
    document = {"apiVersion": _VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
    return yaml.safe_dump(document)
