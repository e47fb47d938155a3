"""What an outage says: why AWS does not show what a gateway holds, since when, and who can end it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets.known import NOWHERE, AgentCoreError, ErrorKind, Outage, Place, State
from mcp_gateway_operator.targets.rules.refusal_causes import CAUSES, Actor, cause_of

_OF_ALL: Final = {
    ErrorKind.ACCESS_DENIED,
    ErrorKind.CREDENTIALS,
    ErrorKind.THROTTLED,
    ErrorKind.TRANSIENT,
}
OUTAGES: Final = frozenset(
    {each.reason for each in CAUSES if each.kinds & _OF_ALL} | {Reason.VALIDATION_ERROR}
)
"""The reasons that an outage can have."""


def reason_of(error: AgentCoreError, place: Place = NOWHERE) -> str:
    """Return the reason that conditions give for a List of a gateway, or for any call, that failed so."""
    cause = cause_of(error, known=(place.gateway_id,))
    if cause is not None:
        return cause.reason
    return Reason.VALIDATION_ERROR if error.kind is ErrorKind.VALIDATION else Reason.AWS_UNAVAILABLE


def why_unlisted(place: Place, error: AgentCoreError) -> str:
    """Return why the targets of a gateway are not known, without a word on since when."""
    if error.kind is ErrorKind.CREDENTIALS:
        return why_refused(error)
    why = f"The targets of gateway {place.gateway_id} cannot be listed: {error.message or error.code}"
    cause = cause_of(error, known=(place.gateway_id,))
    if cause is None or cause.actor is Actor.NOBODY:
        return why
    return f"{why.rstrip('.')}. {cause.advice} ({cause.actor})."


def why_refused(error: AgentCoreError) -> str:
    """Return what credentials mean that AWS does not accept; nothing is wrong with any object."""
    cause = cause_of(error)
    assert cause is not None
    return (
        "AWS cannot be asked with the operator's credentials, so nothing is read or sent for any MCPServer: "
        f"{(error.message or error.code).rstrip('.')}. {cause.advice} ({cause.actor}). One call every 30 "
        "seconds tests whether that has been done; files and variables are read again for it."
    )


def why_unheard(state: State, outage: Outage) -> str:
    """Return why what AWS holds is in doubt, and the moment of the last look: a text that does not age."""
    last = last_good_of(state, outage)
    since = f" The last list that succeeded was at {last}." if last else ""
    return f"{why_unlisted(state.place, outage.error).rstrip('.')}.{since}"


def last_good_of(state: State, outage: Outage) -> str:
    """Return when AWS last showed the targets of the gateway, after a restart as status says; "" if never."""
    return state.obj.status.last_synchronized if outage.last_good is None else stamp(outage.last_good)


def stamp(moment: datetime) -> str:
    """Return a Kubernetes timestamp: RFC 3339, whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
