"""Which changes of an object have its circle looked for anew."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec

from mcp_gateway_operator.api.spec import GatewayRef
from mcp_gateway_operator.api.types import MCPServer, MCPServerStatus, PlacedBy
from mcp_gateway_operator.controller.gather import Circles
from tests.unit.targets.builders import ARN, ELSEWHERE, GATEWAY, TARGET, UID, meta, spec


def server(*, placed_by: PlacedBy | None) -> MCPServer:
    """Return an object with a target that its MCPGateway would have on another gateway."""
    status = MCPServerStatus(
        target_id=TARGET, recorded_for=UID, gateway_id=GATEWAY, gateway_arn=ARN, placed_by=placed_by
    )
    return MCPServer(
        metadata=meta(), spec=spec(gateway_id="", gateway_ref=GatewayRef(name="tools")), status=status
    )


def test_an_object_that_another_mcpgateway_leads_by_its_status_alone_is_looked_at_anew() -> None:
    """One that an MCPGateway of another gateway has placed stays where it is, and so waits for nobody."""
    stays = server(placed_by=PlacedBy(class_="tools", gateway_arn=ARN))
    goes = server(placed_by=None)
    ports: Any = SimpleNamespace(
        informer=SimpleNamespace(get=lambda _key: None), observers=SimpleNamespace(table=lambda _id: None)
    )
    index: Any = None
    circles = Circles(
        ports,
        index,
        default_of=lambda obj: GATEWAY if obj.status.placed_by else ELSEWHERE,
        users=lambda _id: (),
    )
    forgotten: list[bool] = []
    circles.forget = lambda: forgotten.append(True)  # type: ignore[method-assign]  # to see it
    circles.follow(stays, msgspec.structs.replace(stays, metadata=meta(resource_version="7")))
    assert not forgotten
    circles.follow(stays, goes)
    assert forgotten
