"""What differs between a desired target and the one AWS holds, in the words of the spec.

Both sides are reduced to the same flat form first, in which whatever AWS manages, defaults or reorders
looks alike. An update is sent only for a difference that survives this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from mcp_gateway_operator.targets.shape.desired import AS_WRITTEN, present, tidy
from mcp_gateway_operator.targets.shape.target import Target, without_marker

POLICY_SESSION_HEADER: Final = "x-amzn-bedrock-agentcore-policy-session-id"
"""A gateway with a policy engine adds it to every target and refuses it in requests."""

_HTTPS: Final = 443

Flat = dict[str, Any]
NO_FIELDS: Final[Flat] = {}
"""No fields; never written to, for ten thousand objects share it."""


class FieldDiff(msgspec.Struct, frozen=True):
    """One field that differs; the values are in the comparable form, None where absent."""

    field: str
    want: Any
    have: Any


def flatten(body: Mapping[str, Any], *, region: str = "") -> Flat:
    """Return a request's or an answer's comparable form: spec field to value, absent fields left out.

    Args:
        body: AWS's shape with `name`, `description` and the configuration keys of `Target.config`.
        region: the gateway's Region; an IAM provider without a Region means this one.
    """
    configuration = body.get("targetConfiguration") or {}
    mcp = configuration.get("mcp") or {}
    server = mcp.get("mcpServer") or {}
    metadata = body.get("metadataConfiguration") or {}
    flat = {
        "targetName": body.get("name"),
        "description": without_marker(body.get("description")),
        "endpoint": _address(server.get("endpoint")),
        "listingMode": server.get("listingMode") or "DEFAULT",
        "resourcePriority": 1000 if (priority := server.get("resourcePriority")) is None else priority,
        "allowedRequestHeaders": _headers(metadata.get("allowedRequestHeaders")),
        "allowedQueryParameters": _unordered(metadata.get("allowedQueryParameters")),
        "allowedResponseHeaders": _headers(metadata.get("allowedResponseHeaders")),
        "targetType": None if server else next(iter(mcp or configuration), "unknown"),
        **_tool_schema(tidy(server.get("mcpToolSchema")) or {}),
        **_leaves("privateEndpoint", tidy(body.get("privateEndpoint"))),
        **_leaves("certificateConfigurations", tidy(body.get("certificateConfigurations"))),
        **_credentials(body.get("credentialProviderConfigurations") or [], region),
    }
    return present(flat)


def flatten_target(target: Target, *, region: str = "") -> Flat:
    """Return the comparable form of a target that AWS answered."""
    named = {"name": target.summary.name, "description": target.summary.description}
    return flatten({**target.config, **named}, region=region)


def _leaves(path: str, value: Any) -> Flat:
    """Return the values inside nested objects by their dotted paths, so that each differs by itself.

    Lists of texts are sorted: subnets and security groups have no order.
    """
    match value:
        case dict() if not path.endswith(f".{AS_WRITTEN}"):
            inner = value
        case list() if all(isinstance(item, str) for item in value):
            return {path: sorted(value)}
        case list():
            inner = {str(index): item for index, item in enumerate(value)}
        case _:
            return {path: value}
    return {
        key: leaf for name, item in inner.items() for key, leaf in _leaves(f"{path}.{name}", item).items()
    }


def _address(endpoint: str | None) -> str | None:
    """Return an endpoint as every spelling of the same address comes out (RFC 3986, section 6.2)."""
    if not endpoint:
        return None
    try:
        parts = urlsplit(endpoint)
        default_port = parts.port == _HTTPS
    except ValueError:
        return endpoint
    user, at, host = parts.netloc.rpartition("@")
    host = host.lower().removesuffix(f":{_HTTPS}") if default_port else host.lower()
    return parts._replace(netloc=f"{user}{at}{host}", path=parts.path or "/").geturl()


def _tool_schema(schema: dict[str, Any]) -> Flat:
    """Compare an inline schema as JSON, not as text; the bucket's owner is a field that AWS may fill in."""
    if "inlinePayload" in schema:
        return {"mcpToolSchema": {"inline": _canonical_json(schema["inlinePayload"])}}
    s3 = schema.get("s3") or {}
    return {
        "mcpToolSchema": {"s3": s3["uri"]} if "uri" in s3 else None,
        "mcpToolSchema.bucketOwnerAccountId": s3.get("bucketOwnerAccountId"),
    }


def _canonical_json(text: str) -> str:
    """Return a JSON text without its white space and order of keys; any other text as it is."""
    try:
        return msgspec.json.encode(msgspec.json.decode(text), order="deterministic").decode()
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return text


def _unordered(values: list[str] | None) -> list[str]:
    return sorted(set(values or ()))


def _headers(names: list[str] | None) -> list[str]:
    return sorted({name.lower() for name in names or ()} - {POLICY_SESSION_HEADER})


def _credentials(providers: list[Mapping[str, Any]], region: str) -> Flat:
    if not providers:
        return {"authType": "NoAuth"}
    kind = providers[0].get("credentialProviderType")
    provider = providers[0].get("credentialProvider") or {}
    match kind:
        case "OAUTH":
            oauth = provider.get("oauthCredentialProvider") or {}
            return {
                "authType": "OAuth2",
                "oauthProviderArn": oauth.get("providerArn"),
                "oauthScopes": _unordered(oauth.get("scopes")),
                "oauthGrantType": oauth.get("grantType") or "CLIENT_CREDENTIALS",
                "oauthDefaultReturnUrl": oauth.get("defaultReturnUrl"),
                "oauthCustomParameters": oauth.get("customParameters"),
            }
        case "GATEWAY_IAM_ROLE":
            iam = provider.get("iamCredentialProvider") or {}
            if not iam:
                # An MCP server target cannot be made with it, so it is what AWS shows where there is nothing.
                return {"authType": "NoAuth"}
            return {
                "authType": "GatewayIamRole",
                "iam.service": iam.get("service"),
                "iam.region": iam.get("region") or region,
            }
        case "API_KEY":
            key = provider.get("apiKeyCredentialProvider") or {}
            return {
                "authType": "ApiKey",
                "apiKey.providerArn": key.get("providerArn"),
                # The service model names no default: taken as HEADER, so that an answer that spells it out
                # is no drift.
                "apiKey.location": key.get("credentialLocation") or "HEADER",
                "apiKey.parameterName": key.get("credentialParameterName"),
                "apiKey.prefix": key.get("credentialPrefix"),
            }
        case _:
            return {"authType": kind}


def field_diffs(want: Flat, have: Flat) -> tuple[FieldDiff, ...]:
    """Return the fields that differ, in the order of their names."""
    return tuple(
        FieldDiff(field, want.get(field), have.get(field))
        for field in sorted(want.keys() | have.keys())
        if want.get(field) != have.get(field)
    )


def filled_in_by_aws(unkept: tuple[FieldDiff, ...], *, cleared: tuple[FieldDiff, ...]) -> Flat:
    """Return the fields that AWS filled in by itself, as the answer to our own write shows them.

    Such a field is one that the write left out. One that it was to clear, and that still has its old value,
    is not: AWS kept that. Any other difference puts all of them in doubt.

    Args:
        unkept: what differs between the write and its answer.
        cleared: what differed before the write.
    """
    before = {each.field: each.have for each in cleared}
    filled = all(each.want is None and before.get(each.field) != each.have for each in unkept)
    return {each.field: each.have for each in unkept} if unkept and filled else NO_FIELDS


def digest_of(value: object) -> str:
    """Return 16 hexadecimal characters that stand for a comparable form or a diff."""
    canonical = msgspec.json.encode(value, order="deterministic")
    return hashlib.sha256(canonical).hexdigest()[:16]


def describe_diffs(diffs: tuple[FieldDiff, ...], *, values: bool = True, limit: int = 512) -> str:
    """Return `field: have -> want` pairs for people, at most `limit` characters.

    Args:
        diffs: what differs.
        values: False for names alone, where what AWS has is, or may be, another's.
        limit: characters.
    """
    if values:
        text = "; ".join(f"{d.field}: {_show(d.have)} -> {_show(d.want)}" for d in diffs)
    else:
        text = ", ".join(d.field for d in diffs)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _show(value: object) -> str:
    return "absent" if value is None else msgspec.json.encode(value).decode()[:120]
