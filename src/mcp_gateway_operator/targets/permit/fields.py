"""What becomes of each field of an MCPServer's spec on a gateway that an MCPGateway governs.

Every field stands here, as a leaf or with the object that it is in; what does not is refused, so a field that
is added is nobody's way around the rules until somebody has thought about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

_ABSENT: Final[tuple[object, ...]] = (None, "", [], (), {})


class Treatment(StrEnum):
    """How a field is treated.

    FREE fields reach AWS as they are, RULED ones if an entry of `allow` covers them, DENIED ones never, and
    LOCAL ones do not reach AWS.
    """

    FREE = "free"
    RULED = "ruled"
    DENIED = "denied"
    LOCAL = "local"


SPEC_FIELDS: Final[Mapping[str, Treatment]] = {
    "endpoint": Treatment.RULED,
    "capabilities": Treatment.LOCAL,
    "gatewayId": Treatment.RULED,
    "gatewayRef.name": Treatment.RULED,
    "targetName": Treatment.FREE,
    "description": Treatment.FREE,
    "authType": Treatment.RULED,
    "oauthProviderArn": Treatment.RULED,
    "oauthScopes": Treatment.FREE,
    "oauthGrantType": Treatment.RULED,
    "oauthDefaultReturnUrl": Treatment.DENIED,
    "oauthCustomParameters": Treatment.DENIED,
    "iam.service": Treatment.FREE,
    "iam.region": Treatment.RULED,
    "apiKey.providerArn": Treatment.RULED,
    "apiKey.location": Treatment.FREE,
    "apiKey.parameterName": Treatment.FREE,
    "apiKey.prefix": Treatment.FREE,
    "allowedRequestHeaders": Treatment.FREE,
    "allowedQueryParameters": Treatment.FREE,
    "allowedResponseHeaders": Treatment.FREE,
    "listingMode": Treatment.FREE,
    "mcpToolSchema.inline": Treatment.FREE,
    "mcpToolSchema.s3": Treatment.DENIED,
    "resourcePriority": Treatment.FREE,
    "privateEndpoint": Treatment.DENIED,
    "certificateConfigurations": Treatment.DENIED,
    "toolSync.interval": Treatment.LOCAL,
    "deletionPolicy": Treatment.LOCAL,
    "driftPolicy": Treatment.LOCAL,
    "managementPolicy": Treatment.LOCAL,
    "adoptionPolicy": Treatment.DENIED,
}
"""Treatment by path. A path that ends at an object speaks of all that is below it."""

AS_ABSENT: Final = {"adoptionPolicy": "Never"}
"""Values that say no more than absence does."""


def denied_fields(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of a plain spec that are never permitted, those that stand in no table included."""
    for path, value in _written(spec, ""):
        if SPEC_FIELDS.get(path, Treatment.DENIED) is Treatment.DENIED and value != AS_ABSENT.get(path):
            yield path


def _written(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield what is written in a plain spec, down to the paths that the table has."""
    for name, each in value.items():
        path = f"{prefix}{name}"
        if each in _ABSENT:
            continue
        if isinstance(each, Mapping) and path not in SPEC_FIELDS:
            yield from _written(each, f"{path}.")
        else:
            yield path, each
