"""A platform team in a `World`: MCPGateways, labels of namespaces, and what reached which gateway."""

from __future__ import annotations

from typing import Any

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.mcpgateway import MCPGateway
from mcp_gateway_operator.api.mcpgateway_codec import decode_gateway
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.runtime.cluster import NAMESPACES, PatchType
from tests.support.world import GATEWAY, OTHER_GATEWAY, World

ALLOW: dict[str, Any] = {
    "namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "team-a"}},
    "authTypes": ["OAuth2"],
    "grantTypes": ["CLIENT_CREDENTIALS"],
    "endpoints": ["https://weather.example.com"],
    "providers": ["idp"],
}
DISCOVERY = f"/apis/{names.GROUP}/{names.VERSION}"
WRITES = {"CreateGatewayTarget", "UpdateGatewayTarget", "SynchronizeGatewayTargets", "DeleteGatewayTarget"}


def arn(gateway_id: str, *, account: str = "123456789012", region: str = "us-east-1") -> str:
    """Return a gateway's ARN."""
    return f"arn:aws:bedrock-agentcore:{region}:{account}:gateway/{gateway_id}"


class Platform:
    """What the platform team does in a world, and what it looks at."""

    def __init__(self, world: World, *, served: bool = True) -> None:
        self.world = world
        if served:
            self.serve()
        for name in ("team-a", "team-b"):
            if name != "team-a":
                world.api.store.create(NAMESPACES, None, {"metadata": {"name": name}})
            world.api.store.patch(
                NAMESPACES,
                None,
                name,
                {"metadata": {"labels": {"kubernetes.io/metadata.name": name}}},
                kind=PatchType.MERGE,
            )

    def serve(self) -> None:
        """Serve the kind."""
        self.world.api.serve(MCPGATEWAYS, names.CLASS_KIND)
        self.world.api.paths[DISCOVERY] = msgspec.json.encode(
            {"resources": [{"name": names.PLURAL}, {"name": names.CLASS_PLURAL}]}
        )

    async def make(
        self,
        name: str = "tools",
        *,
        gateway: str = GATEWAY,
        gateway_arn: str = "",
        allow: list[dict[str, Any]] | None = None,
        **spec: Any,
    ) -> MCPGateway:
        """Make an MCPGateway, which permits `ALLOW` where nothing else is said."""
        body = {
            "apiVersion": f"{names.GROUP}/{names.VERSION}",
            "kind": names.CLASS_KIND,
            "metadata": {"name": name},
            "spec": {
                "gatewayArn": gateway_arn or arn(gateway),
                "allow": [ALLOW] if allow is None else allow,
                **spec,
            },
        }
        return decode_gateway(await self.world.user.create(MCPGATEWAYS, None, body))

    async def get(self, name: str = "tools") -> MCPGateway:
        """Return an MCPGateway as it is now."""
        return decode_gateway(await self.world.user.get(MCPGATEWAYS, None, name))

    async def edit(self, name: str = "tools", **patch: Any) -> None:
        """Merge a patch (`spec=`, `metadata=`)."""
        await self.world.user.patch(MCPGATEWAYS, None, name, patch, kind=PatchType.MERGE)

    async def force(self, name: str = "tools") -> None:
        """Remove an MCPGateway although it is in use."""
        await self.delete(name)
        if self.exists(name):
            await self.edit(name, metadata={"finalizers": None})

    def exists(self, name: str = "tools") -> bool:
        """Whether there is an MCPGateway of this name."""
        return any(key == ("", name) for key, _ in self.world.api.store.select(MCPGATEWAYS, None))

    async def delete(self, name: str = "tools") -> None:
        """Delete an MCPGateway."""
        await self.world.user.delete(MCPGATEWAYS, None, name)

    async def label(self, namespace: str, **labels: str | None) -> None:
        """Label a namespace."""
        await self.world.user.patch(
            NAMESPACES, None, namespace, {"metadata": {"labels": labels}}, kind=PatchType.MERGE
        )

    def requests(self, gateway_id: str | None = None) -> list[str]:
        """Return the operations that reached a gateway, of all of them where none is named."""
        return [
            entry["operation"]
            for entry in self.world.aws.requests(limit=100_000)
            if not entry["operation"].startswith("sts:")
            and entry["operation"] != "GetGateway"
            and (gateway_id is None or gateway_id in str(entry))
        ]

    def object_writes(self, plural: str = names.PLURAL) -> list[str]:
        """Return the operators' writes to objects of one kind, as verb and subresource."""
        return [
            f"{request.verb} {request.subresource}".strip()
            for request in self.world.api.writes()
            if request.client.startswith("operator")
            and request.resource is not None
            and request.resource.plural == plural
        ]

    def writes(self) -> list[str]:
        """Return the operations that change something at AWS."""
        return [each for each in self.requests() if each in WRITES]


__all__ = ["ALLOW", "GATEWAY", "OTHER_GATEWAY", "Platform", "arn"]
