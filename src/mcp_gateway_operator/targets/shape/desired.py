"""The request that makes AgentCore hold what a spec says, built from the spec alone."""

from __future__ import annotations

from typing import Any

from mcp_gateway_operator.api.types import AuthType, MCPServerSpec
from mcp_gateway_operator.targets.shape import marker as markers
from mcp_gateway_operator.targets.shape.nested import present, tidy


def target_request(spec: MCPServerSpec, *, name: str, mark: str | None) -> dict[str, Any]:
    """Return Create's and Update's body in AWS's shape, without gatewayIdentifier and clientToken.

    Absent fields are left out and never sent empty: botocore refuses empty lists and strings, and on
    Update an omitted field is cleared.

    Args:
        spec: a valid spec.
        name: the target's name; always sent, what AWS makes of a missing one is not documented.
        mark: `OWNER/OBJECT` for the description, None to write no marker.
    """
    body: dict[str, Any] = {
        "name": name,
        "description": markers.with_marker(spec.description, mark),
        "targetConfiguration": {"mcp": {"mcpServer": _server(spec)}},
        "credentialProviderConfigurations": _credentials(spec),
        "metadataConfiguration": present(
            {
                "allowedRequestHeaders": list(spec.allowed_request_headers),
                "allowedQueryParameters": list(spec.allowed_query_parameters),
                "allowedResponseHeaders": list(spec.allowed_response_headers),
            }
        ),
        "privateEndpoint": tidy(spec.private_endpoint),
        "certificateConfigurations": tidy(spec.certificate_configurations),
    }
    return present(body)


def _server(spec: MCPServerSpec) -> dict[str, Any]:
    return present(
        {
            "endpoint": spec.endpoint,
            "listingMode": spec.listing_mode,
            "resourcePriority": spec.resource_priority,
            "mcpToolSchema": _tool_schema(spec),
        }
    )


def _tool_schema(spec: MCPServerSpec) -> dict[str, Any] | None:
    schema = spec.mcp_tool_schema
    if schema is None:
        return None
    if schema.inline:
        return {"inlinePayload": schema.inline}
    if schema.s3 is not None and schema.s3.uri:
        s3 = {"uri": schema.s3.uri, "bucketOwnerAccountId": schema.s3.bucket_owner_account_id}
        return {"s3": present(s3)}
    return None


def _credentials(spec: MCPServerSpec) -> list[dict[str, Any]]:
    match AuthType(spec.auth_type or AuthType.OAUTH2):
        case AuthType.OAUTH2:
            return [_provider("OAUTH", "oauthCredentialProvider", _oauth(spec))]
        case AuthType.GATEWAY_IAM_ROLE:
            iam = spec.iam
            fields = {"service": iam.service, "region": iam.region} if iam else {}
            return [_provider("GATEWAY_IAM_ROLE", "iamCredentialProvider", present(fields))]
        case AuthType.API_KEY:
            return [_provider("API_KEY", "apiKeyCredentialProvider", _api_key(spec))]
        case AuthType.NO_AUTH:
            # No authorisation is the absence of a provider; AWS refuses a bare GATEWAY_IAM_ROLE instead.
            return []


def _provider(kind: str, member: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"credentialProviderType": kind, "credentialProvider": {member: fields}}


def _oauth(spec: MCPServerSpec) -> dict[str, Any]:
    fields = {
        "providerArn": spec.oauth_provider_arn,
        # What AWS takes a missing grant type for is not documented, so it is always sent.
        "grantType": spec.oauth_grant_type or "CLIENT_CREDENTIALS",
        "defaultReturnUrl": spec.oauth_default_return_url,
        "customParameters": spec.oauth_custom_parameters,
    }
    return present(fields) | {"scopes": list(spec.oauth_scopes)}


def _api_key(spec: MCPServerSpec) -> dict[str, Any]:
    key = spec.api_key
    if key is None:
        return {}
    return present(
        {
            "providerArn": key.provider_arn,
            "credentialLocation": key.location,
            "credentialParameterName": key.parameter_name,
            "credentialPrefix": key.prefix,
        }
    )
