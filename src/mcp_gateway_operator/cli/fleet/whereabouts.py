"""Gateways as these commands call them: by id in the caller's own account and Region, by ARN elsewhere."""

from __future__ import annotations

from mcp_gateway_operator.api.mcpgateway import MCPGateway
from mcp_gateway_operator.api.mcpgateway_rules import GatewayArn
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.targets.known import Place, Record, stored_moves, stored_record
from mcp_gateway_operator.targets.shape import gateway_of_arn

Where = tuple[str, str]
"""An account and a Region."""


def records_of(obj: MCPServer) -> list[Record]:
    """Return what an object's status records: its target, and those of a move."""
    return [each for each in (stored_record(obj), *stored_moves(obj)) if each is not None]


def recorded_at(record: Record, home: Where | None) -> str:
    """Return where a record's target is, as it is called from `home`: its ARN says more than an id."""
    text = record.place.gateway_id
    return at_home(record.gateway_arn if gateway_of_arn(record.gateway_arn) == text else text, home)


def class_at(named: MCPGateway | None, home: Where | None) -> str:
    """Return where the gateway of an MCPGateway is, "" where there is none."""
    return at_home(named.spec.gateway_arn, home) if named is not None and named.arn is not None else ""


def at_home(gateway: str, home: Where | None) -> str:
    """Return a gateway's id where it is in an account and Region, its ARN where it is not, or may not be."""
    arn = GatewayArn.parse(gateway)
    return Place.of(arn, home).gateway_id if arn is not None and home is not None else gateway


def short(gateway: str) -> str:
    """Return what a gateway of another account or Region is called in a table; an id is short enough."""
    arn = GatewayArn.parse(gateway)
    return Place(gateway).target(arn.gateway_id) if arn is not None else gateway
