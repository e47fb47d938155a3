"""Specs with optional fields, and where AWS keeps those fields in a target."""

from __future__ import annotations

from typing import Any

from mcp_gateway_operator.targets.shape import without_marker
from tests.support.world import PROVIDER

Config = dict[str, Any]

KEY_PROVIDER = PROVIDER.replace("oauth2credentialprovider/idp", "apikeycredentialprovider/key")
TOOLS = '{"tools": [{"name": "forecast", "description": "", "inputSchema": {"type": "object"}}]}'
CODE: Config = {"oauthGrantType": "AUTHORIZATION_CODE", "mcpToolSchema": {"inline": TOOLS}}
KEY: Config = {"authType": "ApiKey", "apiKey": {"providerArn": KEY_PROVIDER}}
IAM: Config = {"authType": "GatewayIamRole", "iam": {"service": "lambda"}}
VPC: Config = {
    "managedVpcResource": {
        "vpcIdentifier": "vpc-0a1b2c3d",
        "subnetIds": ["subnet-0a1b2c3d", "subnet-0a1b2c3e"],
        "endpointIpAddressType": "IPV4",
    }
}


def server(target: Config) -> Config:
    """Return the part of a target that describes its server."""
    found: Config = target["targetConfiguration"]["mcp"]["mcpServer"]
    return found


def provider(target: Config) -> Config:
    """Return the fields of a target's credential provider."""
    (one,) = target["credentialProviderConfigurations"]
    (fields,) = one["credentialProvider"].values()
    found: Config = fields
    return found


def metadata(target: Config) -> Config:
    """Return what a target passes on."""
    found: Config = target.get("metadataConfiguration", {})
    return found


def vpc(target: Config) -> Config:
    """Return a target's private endpoint in a VPC."""
    found: Config = target["privateEndpoint"]["managedVpcResource"]
    return found


def text(target: Config) -> str | None:
    """Return a target's description as its user wrote it."""
    return without_marker(target.get("description")) or None


def managed(**more: Any) -> Config:
    """Return a spec's private endpoint with more members."""
    return {"privateEndpoint": {"managedVpcResource": {**VPC["managedVpcResource"], **more}}}
