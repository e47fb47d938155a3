"""Targets as AgentCore reports them, reduced to what decisions need."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

TRANSIENT: Final = frozenset({"CREATING", "UPDATING", "SYNCHRONIZING", "DELETING"})
"""States (bedrock-agentcore-control service model, TargetStatus) that end by themselves.

READY is in none of these sets, and a state that this project does not know counts as settled and not READY.
"""
FAILED: Final = frozenset({"FAILED", "UPDATE_UNSUCCESSFUL", "SYNCHRONIZE_UNSUCCESSFUL"})
PENDING_AUTH: Final = frozenset({"CREATE_PENDING_AUTH", "UPDATE_PENDING_AUTH", "SYNCHRONIZE_PENDING_AUTH"})


class TargetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One row of ListGatewayTargets. Instants are ISO 8601 text as AWS sent it: compare with `instant`."""

    target_id: str
    name: str
    status: str
    created_at: str
    updated_at: str
    description: str | None = None
    resource_priority: int | None = None
    listing_mode: str | None = None
    last_synchronized_at: str | None = None

    @property
    def fingerprint(self) -> tuple[object, ...]:
        """What a List shows of a change, the status first.

        While what follows the status is what was verified before, no Get is needed.
        """
        return (
            self.status,
            self.updated_at,
            self.name,
            self.description,
            self.listing_mode,
            self.resource_priority,
        )


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A target in full, as Get, Create, Update and Synchronize answer it.

    `config` is the answer's configuration in AWS's own shape and not normalised: the keys
    `targetConfiguration`, `credentialProviderConfigurations`, `metadataConfiguration`,
    `privateEndpoint` and `certificateConfigurations`, those that were present.
    """

    summary: TargetSummary
    gateway_arn: str
    status_reasons: tuple[str, ...] = ()
    config: dict[str, Any]
    authorization_url: str | None = None


def instant(text: str) -> datetime:
    """Parse an AWS timestamp; two spellings of one moment compare equal.

    Raises:
        ValueError: the text is not ISO 8601.
    """
    return datetime.fromisoformat(text)
