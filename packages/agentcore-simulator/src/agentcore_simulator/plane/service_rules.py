"""Rules that the service applies beyond its model: credentials by target type, headers, immutable types."""

from __future__ import annotations

from typing import Any

from agentcore_simulator.errors import ServiceError, validation
from agentcore_simulator.plane.resources import MCP_SERVER, Gateway, Target, Traits
from agentcore_simulator.plane.restricted_headers import POLICY_SESSION_HEADER, header_problem
from agentcore_simulator.settings import Switches

NO_TOOL_SCHEMA = "No MCP tool schema found"
"""What the service says of a static schema, inline or in S3, that has no tools."""
_MAX_HEADERS = 10

_CREDENTIALS: dict[str, frozenset[str]] = {
    MCP_SERVER: frozenset({"GATEWAY_IAM_ROLE", "OAUTH", "API_KEY"}),
    "OPEN_API_SCHEMA": frozenset({"GATEWAY_IAM_ROLE", "OAUTH", "API_KEY"}),
    "LAMBDA": frozenset({"GATEWAY_IAM_ROLE"}),
    "API_GATEWAY": frozenset({"GATEWAY_IAM_ROLE", "API_KEY"}),
    "SMITHY_MODEL": frozenset({"GATEWAY_IAM_ROLE", "OAUTH"}),
    "AGENTCORE_RUNTIME": frozenset(
        {"GATEWAY_IAM_ROLE", "CALLER_IAM_CREDENTIALS", "OAUTH", "JWT_PASSTHROUGH"}
    ),
}
"""Outbound authorization that each target type supports (developer guide, "outbound authorization").
Types that are not listed are not checked."""

_NEEDS_CREDENTIALS = frozenset({"LAMBDA", "SMITHY_MODEL"})
_PROVIDER = {
    "OAUTH": "oauthCredentialProvider",
    "API_KEY": "apiKeyCredentialProvider",
    "GATEWAY_IAM_ROLE": "iamCredentialProvider",
}


def check_write(config: dict[str, Any], traits: Traits, gateway: Gateway, switches: Switches) -> None:
    """Check a Create or Update of a target.

    Raises:
        ServiceError: ValidationException for the first rule that `config` breaks.
    """
    if traits.bad_schema and switches.bad_tool_schema == "refuse":
        raise validation(NO_TOOL_SCHEMA)
    _check_credentials(config, traits, gateway)
    if switches.foreign_providers == "refuse":
        _check_home(config, gateway)
    _check_headers(config.get("metadataConfiguration", {}), gateway)


def _check_credentials(config: dict[str, Any], traits: Traits, gateway: Gateway) -> None:
    credentials = config.get("credentialProviderConfigurations")
    if not credentials:
        if traits.type in _NEEDS_CREDENTIALS:
            raise validation(f"Target type {traits.type} requires a credential provider configuration")
        return
    kind: str = credentials[0]["credentialProviderType"]
    provider: dict[str, Any] = credentials[0].get("credentialProvider", {})
    supported = _CREDENTIALS.get(traits.type)
    if supported is not None and kind not in supported:
        raise validation(f"Credential provider type {kind} is not supported for {traits.variant} targets")
    _check_provider(kind, provider, traits)
    if kind == "CALLER_IAM_CREDENTIALS" and gateway.config.get("authorizerType") not in {
        "AWS_IAM",
        "AUTHENTICATE_ONLY",
    }:
        raise validation(
            "CALLER_IAM_CREDENTIALS requires a gateway with authorizer type AWS_IAM or AUTHENTICATE_ONLY"
        )
    oauth = provider.get("oauthCredentialProvider", {})
    if oauth.get("grantType") == "TOKEN_EXCHANGE" and traits.static_schema:
        raise validation("mcpToolSchema is not supported with grant type TOKEN_EXCHANGE")
    if traits.consent and traits.listing_mode == "DYNAMIC":
        raise validation("Listing mode DYNAMIC is not supported with grant type AUTHORIZATION_CODE")


def _check_provider(kind: str, provider: dict[str, Any], traits: Traits) -> None:
    member = _PROVIDER.get(kind)
    if kind == "GATEWAY_IAM_ROLE":
        if traits.type == MCP_SERVER and "iamCredentialProvider" not in provider:
            raise validation(
                "IamCredentialProvider is required for mcpServer targets using IAM authentication"
            )
        if traits.type in {"LAMBDA", "API_GATEWAY", "SMITHY_MODEL"} and "iamCredentialProvider" in provider:
            raise validation(f"IamCredentialProvider is not supported for {traits.variant} targets")
    elif member is not None and member not in provider:
        raise validation(f"{member} is required for credential provider type {kind}")
    if any(given != member for given in provider):
        raise validation(f"The credential provider does not match credential provider type {kind}")


def _check_home(config: dict[str, Any], gateway: Gateway) -> None:
    """Credential providers live in the account, Region and partition of the gateway (developer guide)."""
    home = gateway.arn.split(":")[:5]
    for credential in config.get("credentialProviderConfigurations", []):
        for provider in credential.get("credentialProvider", {}).values():
            arn: str = provider.get("providerArn", "")
            parts = [*arn.split(":"), *[""] * 5][:5]
            # The service model lets parts be empty; the service's name is not compared.
            if any(parts[place] not in {"", home[place]} for place in (1, 3, 4)):
                raise validation(
                    f"Credential provider {arn} must be in the same account and Region as the gateway"
                )


def _check_headers(metadata: dict[str, Any], gateway: Gateway) -> None:
    for member in ("allowedRequestHeaders", "allowedResponseHeaders"):
        names: list[str] = metadata.get(member, [])
        for name in names:
            problem = header_problem(name)
            if problem is not None:
                raise validation(problem, fields=[(f"metadataConfiguration.{member}", problem)])
    requested = len(metadata.get("allowedRequestHeaders", []))
    if gateway.policy_engine and requested >= _MAX_HEADERS:
        raise validation(
            f"A gateway with a policy engine takes at most {_MAX_HEADERS - 1} allowedRequestHeaders: "
            f"it adds {POLICY_SESSION_HEADER}"
        )


def check_same_type(target: Target, traits: Traits) -> None:
    """Refuse to turn a target into one of another type.

    Raises:
        ServiceError: ValidationException naming both types.
    """
    if (target.traits.family, target.traits.variant) != (traits.family, traits.variant):
        raise validation(
            f"Target configuration cannot be updated from {target.traits.variant} to {traits.variant}"
        )


def check_synchronizable(target: Target, switches: Switches) -> None:
    """Refuse to synchronize a target whose tools the service does not fetch.

    Raises:
        ServiceError: ValidationException saying why.
    """
    traits = target.traits
    if traits.type != MCP_SERVER:
        raise validation(f"Target type {traits.type} is not supported for synchronization")
    if traits.static_schema:
        raise validation(
            "Target has a static tool schema (mcpToolSchema) configured and cannot be synchronized. "
            "Remove the static schema through UpdateGatewayTarget to enable dynamic tool synchronization."
        )
    if traits.listing_mode == "DYNAMIC" and switches.sync_dynamic_listing == "refuse":
        raise validation("Targets with listing mode DYNAMIC cannot be synchronized")


def busy(message: str, switches: Switches) -> ServiceError:
    """The error of a write to a target in a state that refuses it; its kind is a switch."""
    if switches.busy_error == "validation":
        return validation(message, reason="ResourceConflict")
    return ServiceError("ConflictException", message)
