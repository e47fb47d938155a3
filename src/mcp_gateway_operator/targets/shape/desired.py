"""The request that makes AgentCore hold what a spec says, built from the spec alone."""

from __future__ import annotations

from typing import Any, Final

from mcp_gateway_operator.api.types import AuthType, MCPServerSpec
from mcp_gateway_operator.targets.shape.target import with_marker

_ABSENT: Final[tuple[object, ...]] = (None, "", [], (), {})
AS_WRITTEN: Final = "tags"
"""A tag may have an empty value, which is not the same as no such tag."""


def present(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value: `""`, `[]`, `{}` and null mean absent."""
    return {key: value for key, value in fields.items() if value not in _ABSENT}


def tidy(value: Any) -> Any:
    """Return a value without what is absent in it, at any depth.

    botocore refuses empty texts and lists, and an answer may spell an absent member as null.
    """
    match value:
        case dict():
            return present({key: item if key == AS_WRITTEN else tidy(item) for key, item in value.items()})
        case list() | tuple():
            return [item for item in map(tidy, value) if item not in _ABSENT]
        case _:
            return value


def target_request(spec: MCPServerSpec, *, name: str, mark: str | None) -> dict[str, Any]:
    """Return Create's and Update's body in AWS's shape, without gatewayIdentifier and clientToken.

    Absent fields are left out and never sent empty: botocore refuses empty lists and strings, and on
    Update an omitted field is cleared.

    Args:
        spec: a valid spec.
        name: the target's name; always sent, what AWS makes of a missing one is not documented.
        mark: `OWNER/OBJECT` for the description, None to write no marker.
    """
    server = present(
        {
            "endpoint": spec.endpoint,
            "listingMode": spec.listing_mode,
            "resourcePriority": spec.resource_priority,
            "mcpToolSchema": _tool_schema(spec),
        }
    )
    body: dict[str, Any] = {
        "name": name,
        "description": with_marker(spec.description, mark),
        "targetConfiguration": {"mcp": {"mcpServer": server}},
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
    fields: dict[str, Any]
    match AuthType(spec.auth_type or AuthType.OAUTH2):
        case AuthType.OAUTH2:
            kind, member = "OAUTH", "oauthCredentialProvider"
            fields = {
                "providerArn": spec.oauth_provider_arn,
                # What AWS takes a missing grant type for is not documented, so it is always sent.
                "grantType": spec.oauth_grant_type or "CLIENT_CREDENTIALS",
                "defaultReturnUrl": spec.oauth_default_return_url,
                "customParameters": spec.oauth_custom_parameters,
            }
            fields = present(fields) | {"scopes": list(spec.oauth_scopes)}
        case AuthType.GATEWAY_IAM_ROLE:
            kind, member = "GATEWAY_IAM_ROLE", "iamCredentialProvider"
            fields = present({"service": spec.iam.service, "region": spec.iam.region}) if spec.iam else {}
        case AuthType.API_KEY:
            kind, member = "API_KEY", "apiKeyCredentialProvider"
            fields = {}
            if (key := spec.api_key) is not None:
                fields = {
                    "providerArn": key.provider_arn,
                    "credentialLocation": key.location,
                    "credentialParameterName": key.parameter_name,
                    "credentialPrefix": key.prefix,
                }
                fields = present(fields)
        case AuthType.NO_AUTH:
            # No authorisation is the absence of a provider; AWS refuses a bare GATEWAY_IAM_ROLE instead.
            return []
    return [{"credentialProviderType": kind, "credentialProvider": {member: fields}}]
