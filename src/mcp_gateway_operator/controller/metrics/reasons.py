"""Who has to act when an object is not Ready for a reason: the alerts go by it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from mcp_gateway_operator.api.names import Reason

UNSEEN: Final = "Unseen"
"""Stands for the reason of an object of whose generation nothing was said yet."""


class Actor(StrEnum):
    """Who can help."""

    TENANT = "tenant"
    """Whoever writes the object, or runs the server that it names."""
    CHOICE = "choice"
    """Nobody: it was asked for."""
    PLATFORM = "platform"
    """Whoever runs the operator: rights, quotas, gateways, other installations."""
    SERVER = "server"
    """The server's owner, when it is one object; the platform team, when it is many at once."""
    NOBODY = "nobody"
    """It goes on by itself; the platform team, when it takes long."""


ACTS: Final = {
    **dict.fromkeys(
        (
            Reason.VALIDATION_ERROR,
            Reason.CONFIGURATION_ERROR,
            Reason.NOT_PERMITTED,
            Reason.NAME_CONFLICT,
            Reason.NOT_CONVERGING,
            Reason.GATEWAY_NOT_FOUND,
            Reason.PENDING_AUTHORIZATION,
            Reason.DRIFTED,
            Reason.REFERENCE_NOT_FOUND,
        ),
        Actor.TENANT,
    ),
    **dict.fromkeys((Reason.PAUSED, Reason.OBSERVED), Actor.CHOICE),
    **dict.fromkeys(
        (
            Reason.ACCESS_DENIED,
            Reason.DENIED_BY_POLICY,
            Reason.GATEWAY_ROLE_DENIED,
            Reason.REGION_DISABLED,
            Reason.CREDENTIALS_REFUSED,
            Reason.SIGNATURE_REFUSED,
            Reason.GATEWAY_FULL,
            Reason.WRONG_ACCOUNT_OR_REGION,
            Reason.ROLE_REFUSED,
            Reason.FOREIGN_MARKER,
            Reason.DUPLICATE_MARKER,
        ),
        Actor.PLATFORM,
    ),
    **dict.fromkeys((Reason.TARGET_FAILED, Reason.CREATION_ERROR, Reason.UPDATE_ERROR), Actor.SERVER),
    **dict.fromkeys(
        (
            Reason.QUEUED,
            Reason.CREATING,
            Reason.UPDATING,
            Reason.SYNCHRONIZING,
            Reason.DELETING,
            Reason.MOVING,
            Reason.DELETION_ERROR,
            Reason.AWS_UNAVAILABLE,
            Reason.THROTTLED,
            UNSEEN,
        ),
        Actor.NOBODY,
    ),
}
"""By the reason of Ready. A misspelt gateway of the operator itself has an alert of its own."""
