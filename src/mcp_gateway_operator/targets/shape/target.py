"""Targets as AgentCore reports them, reduced to what decisions need."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec


class TargetStatus(StrEnum):
    """States of a target (bedrock-agentcore-control service model, TargetStatus).

    A state that this version does not know is kept under AWS's own word; it counts as settled and not READY.
    """

    CREATING = "CREATING"
    UPDATING = "UPDATING"
    SYNCHRONIZING = "SYNCHRONIZING"
    DELETING = "DELETING"
    READY = "READY"
    FAILED = "FAILED"
    UPDATE_UNSUCCESSFUL = "UPDATE_UNSUCCESSFUL"
    SYNCHRONIZE_UNSUCCESSFUL = "SYNCHRONIZE_UNSUCCESSFUL"
    CREATE_PENDING_AUTH = "CREATE_PENDING_AUTH"
    UPDATE_PENDING_AUTH = "UPDATE_PENDING_AUTH"
    SYNCHRONIZE_PENDING_AUTH = "SYNCHRONIZE_PENDING_AUTH"

    @classmethod
    def _missing_(cls, value: object) -> TargetStatus | None:
        return _unknown(value) if isinstance(value, str) else None


@lru_cache(maxsize=64)
def _unknown(word: str) -> TargetStatus:
    status = str.__new__(TargetStatus, word)
    status._name_ = status._value_ = word
    return status


TRANSIENT: Final = frozenset(
    {TargetStatus.CREATING, TargetStatus.UPDATING, TargetStatus.SYNCHRONIZING, TargetStatus.DELETING}
)
"""States that end by themselves."""
FAILED: Final = frozenset(
    {TargetStatus.FAILED, TargetStatus.UPDATE_UNSUCCESSFUL, TargetStatus.SYNCHRONIZE_UNSUCCESSFUL}
)
PENDING_AUTH: Final = frozenset(
    {
        TargetStatus.CREATE_PENDING_AUTH,
        TargetStatus.UPDATE_PENDING_AUTH,
        TargetStatus.SYNCHRONIZE_PENDING_AUTH,
    }
)
"""States in which a person is waited for."""


class Fingerprint(NamedTuple):
    """What a List shows of a change; while all but the status is what was verified, no Get is needed."""

    status: TargetStatus
    updated_at: str
    name: str
    description: str | None
    listing_mode: str | None
    resource_priority: int | None

    def configured_like(self, other: Fingerprint) -> bool:
        """Compare all but the status: a target that fails and recovers keeps its configuration."""
        return self._replace(status=other.status) == other

    def touched_like(self, other: Fingerprint) -> bool:
        """Whether two differ in `updatedAt`, and in nothing else but perhaps the status."""
        same = self._replace(updated_at=other.updated_at)
        return same != self and same.configured_like(other)


class TargetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One row of ListGatewayTargets. Instants are ISO 8601 text as AWS sent it: compare with `instant`."""

    target_id: str
    name: str
    status: TargetStatus
    created_at: str
    updated_at: str
    description: str | None = None
    resource_priority: int | None = None
    listing_mode: str | None = None
    last_synchronized_at: str | None = None

    @property
    def fingerprint(self) -> Fingerprint:
        """What of this a List is compared by."""
        return Fingerprint(
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
