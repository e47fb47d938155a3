"""Names that users, scripts and other controllers rely on. Changing one breaks them."""

from __future__ import annotations

from typing import Final

GROUP: Final = "mcpgateway.bedrock.aws"
VERSION: Final = "v1alpha1"
KIND: Final = "MCPServer"
PLURAL: Final = "mcpservers"
SINGULAR: Final = "mcpserver"
SHORT_NAMES: Final = ("mcps", "bmcps")
"""kmcp has `mcpservers` and `mcps` as well, in the group kagent.dev: the second name is ours alone."""

CLASS_KIND: Final = "MCPGateway"
CLASS_PLURAL: Final = "mcpgateways"
CLASS_SINGULAR: Final = "mcpgateway"
CLASS_SHORT_NAMES: Final = ("mcpgw",)

FINALIZER: Final = "bedrock.aws/gateway-target-finalizer"
CLASS_FINALIZER: Final = "bedrock.aws/gateway-in-use-finalizer"
"""On an MCPGateway while some MCPServer has a target there."""
LEASE_NAME: Final = "b89ac0a6.bedrock.aws"
GUARD_NAME: Final = f"guard.{GROUP}"
"""The Lease that keeps installations apart; a single namespace's own is called `namespace-` and this."""

GATEWAY_ANNOTATION: Final = f"{GROUP}/gateway"
"""Where a Create may have gone: a place to look, never proof of ownership."""
PAUSED_ANNOTATION: Final = f"{GROUP}/paused"
SYNC_ANNOTATION: Final = f"{GROUP}/sync-requested-at"
RECONCILE_ANNOTATION: Final = f"{GROUP}/reconcile-requested-at"


class ConditionType:
    """Types in `status.conditions`."""

    READY: Final = "Ready"
    SYNCED: Final = "Synced"
    RECONCILING: Final = "Reconciling"
    STALLED: Final = "Stalled"
    AUTHORIZED: Final = "Authorized"
    PAUSED: Final = "Paused"
    PERMITTED: Final = "Permitted"


ACCEPTED: Final = "Accepted"
"""Type of a condition of MCPGateways, which have Ready, Reconciling and Stalled as well."""


class Reason:
    """Reasons in `status.conditions`; the first five are the Go operator's."""

    READY: Final = "GatewayTargetReady"
    VALIDATION_ERROR: Final = "ValidationError"
    CONFIGURATION_ERROR: Final = "ConfigurationError"
    CREATION_ERROR: Final = "CreationError"
    UPDATE_ERROR: Final = "UpdateError"

    QUEUED: Final = "Queued"
    CREATING: Final = "Creating"
    UPDATING: Final = "Updating"
    SYNCHRONIZING: Final = "Synchronizing"
    DELETING: Final = "Deleting"
    DELETION_ERROR: Final = "DeletionError"
    MOVING: Final = "Moving"
    SYNCED: Final = "Synced"
    DRIFTED: Final = "Drifted"
    NOT_CONVERGING: Final = "NotConverging"
    TARGET_FAILED: Final = "TargetFailed"
    PENDING_AUTHORIZATION: Final = "PendingAuthorization"
    AUTHORIZED: Final = "Authorized"
    NAME_CONFLICT: Final = "NameConflict"
    DUPLICATE_MARKER: Final = "DuplicateMarker"
    FOREIGN_MARKER: Final = "ForeignMarker"
    GATEWAY_FULL: Final = "GatewayFull"
    GATEWAY_NOT_FOUND: Final = "GatewayNotFound"
    REFERENCE_NOT_FOUND: Final = "ReferenceNotFound"
    WRONG_ACCOUNT_OR_REGION: Final = "WrongAccountOrRegion"
    ROLE_REFUSED: Final = "RoleRefused"
    PERMITTED: Final = "Permitted"
    NOT_PERMITTED: Final = "NotPermitted"
    ACCESS_DENIED: Final = "AccessDenied"
    DENIED_BY_POLICY: Final = "DeniedByPolicy"
    GATEWAY_ROLE_DENIED: Final = "GatewayRoleDenied"
    REGION_DISABLED: Final = "RegionDisabled"
    CREDENTIALS_REFUSED: Final = "CredentialsRefused"
    SIGNATURE_REFUSED: Final = "SignatureRefused"
    AWS_UNAVAILABLE: Final = "AWSUnavailable"
    THROTTLED: Final = "Throttled"
    PAUSED: Final = "Paused"
    OBSERVED: Final = "Observed"
    SETTLED: Final = "Settled"
