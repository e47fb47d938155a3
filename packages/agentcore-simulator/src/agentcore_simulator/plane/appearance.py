"""How a stored configuration looks in an answer: the service may add to it, reorder it and rewrite it."""

from __future__ import annotations

from typing import Any

import msgspec

from agentcore_simulator.plane.resources import Target
from agentcore_simulator.plane.restricted_headers import POLICY_SESSION_HEADER
from agentcore_simulator.settings import Switches


def shown_config(target: Target, switches: Switches) -> bytes:
    """The replaceable members of `target` as JSON, as Get shows them."""
    plain = not switches.shows_defaults and switches.list_order == "kept" and switches.header_case == "kept"
    if plain and not target.gateway.policy_engine:
        return target.config
    config = target.configuration()
    oauth = _oauth(config)
    if switches.shows_defaults:
        _add_defaults(config, oauth, switches)
    metadata: dict[str, list[str]] = config.get("metadataConfiguration", {})
    if switches.header_case == "lower":
        for member in ("allowedRequestHeaders", "allowedResponseHeaders"):
            if member in metadata:
                metadata[member] = [name.lower() for name in metadata[member]]
    if switches.list_order == "reversed":
        for names in metadata.values():
            names.reverse()
        oauth.get("scopes", []).reverse()
    if target.gateway.policy_engine:
        metadata["allowedRequestHeaders"] = [
            *metadata.get("allowedRequestHeaders", []),
            POLICY_SESSION_HEADER,
        ]
        config["metadataConfiguration"] = metadata
    return msgspec.json.encode(config)


def _oauth(config: dict[str, Any]) -> dict[str, Any]:
    credentials = config.get("credentialProviderConfigurations") or [{}]
    oauth: dict[str, Any] = credentials[0].get("credentialProvider", {}).get("oauthCredentialProvider", {})
    return oauth


def _add_defaults(config: dict[str, Any], oauth: dict[str, Any], switches: Switches) -> None:
    server = config["targetConfiguration"].get("mcp", {}).get("mcpServer")
    if server is not None:
        server.setdefault("listingMode", "DEFAULT")
        server.setdefault("resourcePriority", 1000)
    if oauth:
        oauth.setdefault("grantType", switches.default_grant)
