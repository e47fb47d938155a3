"""Targets as AgentCore reports them, reduced to what decisions need, and the ownership marker on them.

AgentCore targets cannot be tagged; the description is the only free text that every List shows (external-dns
keeps its ownership in Cloud Map descriptions for the same reason). The format is frozen: targets in AWS carry
it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

MAX_DESCRIPTION: Final = 200
"""Characters of a target's description (service model, TargetDescription)."""

# From the beginning of white space only: tried from each blank of a long run, it would be quadratic.
_MARKER: Final = re.compile(r"(?<!\s)\s*\[mcps ([a-z2-7]{6})/([a-z2-7]{12})\]")


def _code(text: str, length: int) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.b32encode(digest).decode().lower()[:length]


@lru_cache(maxsize=64)
def owner_code(owner_id: str) -> str:
    """Return the six characters that name an installation in a marker."""
    return _code(owner_id, 6)


@lru_cache(maxsize=1024)
def marker_of(owner_id: str, namespace: str, name: str) -> str:
    """Return `OWNER/OBJECT` for one object of one installation."""
    subject = "\0".join((owner_id, namespace, name))
    return f"{owner_code(owner_id)}/{_code(subject, 12)}"


def find_marker(description: str | None) -> str | None:
    """Return the last marker in a description as `OWNER/OBJECT`, wherever somebody's edit left it."""
    if not description or "[mcps " not in description:
        return None
    found = _MARKER.findall(description)
    return "/".join(found[-1]) if found else None


def without_marker(description: str | None) -> str:
    """Return a description without markers and without white space around it."""
    return _MARKER.sub("", description).strip() if description else ""


def with_marker(description: str, mark: str | None) -> str:
    """Return the description to send: the text, shortened where it must be, and the marker behind it.

    White space around the text is left out, for it is not compared either.
    """
    description = description.strip()
    if mark is None:
        return description[:MAX_DESCRIPTION]
    suffix = f"[mcps {mark}]"
    if not description:
        return suffix
    return f"{description[: MAX_DESCRIPTION - len(suffix) - 1].rstrip()} {suffix}"


def gateway_of_arn(arn: str) -> str:
    """Return the gateway id at the end of `arn:aws:bedrock-agentcore:REGION:ACCOUNT:gateway/ID`, or ""."""
    head, found, gateway_id = arn.rpartition(":gateway/")
    return gateway_id if found and head.startswith("arn:") else ""


def bare(gateway: str) -> str:
    """Return a gateway's id alone, of its ARN or of itself."""
    return gateway.rpartition("/")[2]


def account_and_region(arn: str) -> tuple[str, str]:
    """Return the account and the Region of an ARN, each "" when the text is no ARN."""
    parts = arn.split(":", 5)
    return (parts[4], parts[3]) if len(parts) == 6 and parts[0] == "arn" else ("", "")  # noqa: PLR2004  -- an ARN has six parts


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
    def marker(self) -> str | None:
        """The marker on it as OWNER/OBJECT, or None."""
        return find_marker(self.description)

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
