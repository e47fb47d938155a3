"""The spec that would make a target what it is: the way back from AWS's shape."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServerSpec
from mcp_gateway_operator.api.validation import validate
from mcp_gateway_operator.targets.shape import (
    Target,
    account_and_region,
    field_diffs,
    flatten,
    flatten_target,
    target_request,
    without_marker,
)

_ABSENT: Final[tuple[object, ...]] = (None, "", [], {})
_LONGEST: Final = 63
"""Characters of an object's name: one that is longer is no label's value."""


def spec_of(target: Target, gateway_id: str, governor: str = "") -> dict[str, Any]:
    """Return the fields of a spec, as a manifest has them, for a target as AWS shows it.

    Args:
        target: as AWS shows it.
        gateway_id: its gateway's id, or its ARN where it is of another account or Region.
        governor: the MCPGateway of that gateway.
    """
    config = target.config
    server = ((config.get("targetConfiguration") or {}).get("mcp") or {}).get("mcpServer") or {}
    metadata = config.get("metadataConfiguration") or {}
    return _present(
        {
            **({"gatewayRef": {"name": governor}} if governor else {"gatewayId": gateway_id}),
            "targetName": target.summary.name,
            "endpoint": server.get("endpoint"),
            "description": without_marker(target.summary.description),
            "capabilities": ["tools"],
            **_authorization(config.get("credentialProviderConfigurations") or []),
            "listingMode": server.get("listingMode"),
            "resourcePriority": server.get("resourcePriority"),
            "mcpToolSchema": _tools(server.get("mcpToolSchema") or {}),
            **{
                field: metadata.get(field)
                for field in ("allowedRequestHeaders", "allowedQueryParameters", "allowedResponseHeaders")
            },
            "privateEndpoint": config.get("privateEndpoint"),
            "certificateConfigurations": config.get("certificateConfigurations"),
        }
    )


def objections(spec: dict[str, Any], target: Target) -> list[str]:
    """Return why a spec cannot stand for a target; none is the proof that the operator changes nothing."""
    try:
        typed = msgspec.convert(spec, MCPServerSpec)
        wanted = target_request(typed, name=target.summary.name, mark=None)
    except (msgspec.ValidationError, ValueError) as error:
        return [str(error)]
    region = account_and_region(target.gateway_arn)[1]
    diffs = field_diffs(flatten(wanted, region=region), flatten_target(target, region=region))
    found = [f"{each.field} cannot be said in a spec" for each in diffs]
    return found + [str(each) for each in validate(typed)]


def object_name(target_name: str, taken: set[str]) -> str:
    """Return a name that no other object has, and note it as taken."""
    base = re.sub(r"[^a-z0-9-]+", "-", target_name.lower()).strip("-")[:_LONGEST].strip("-") or "target"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base[: _LONGEST - len(str(number)) - 1].strip('-')}-{number}"
    taken.add(name)
    return name


def manifest_of(spec: dict[str, Any], *, name: str, namespace: str) -> dict[str, Any]:
    """Return a whole manifest."""
    return {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": names.KIND,
        "metadata": _present({"name": name, "namespace": namespace}),
        "spec": spec,
    }


def _authorization(providers: list[dict[str, Any]]) -> dict[str, Any]:
    if not providers:
        return {"authType": "NoAuth"}
    provider = providers[0].get("credentialProvider") or {}
    match providers[0].get("credentialProviderType"):
        case "OAUTH":
            oauth = provider.get("oauthCredentialProvider") or {}
            return {
                "authType": "OAuth2",
                "oauthProviderArn": oauth.get("providerArn"),
                "oauthScopes": oauth.get("scopes"),
                "oauthGrantType": oauth.get("grantType"),
                "oauthDefaultReturnUrl": oauth.get("defaultReturnUrl"),
                "oauthCustomParameters": oauth.get("customParameters"),
            }
        case "API_KEY":
            key = provider.get("apiKeyCredentialProvider") or {}
            fields = {
                "providerArn": key.get("providerArn"),
                "location": key.get("credentialLocation"),
                "parameterName": key.get("credentialParameterName"),
                "prefix": key.get("credentialPrefix"),
            }
            return {"authType": "ApiKey", "apiKey": _present(fields)}
        case "GATEWAY_IAM_ROLE" if iam := provider.get("iamCredentialProvider"):
            return {"authType": "GatewayIamRole", "iam": _present(iam)}
        case _:
            # With any other one the proof fails, and says so.
            return {"authType": "NoAuth"}


def _tools(schema: dict[str, Any]) -> dict[str, Any]:
    return _present({"inline": schema.get("inlinePayload"), "s3": _present(schema.get("s3") or {})})


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in _ABSENT}
