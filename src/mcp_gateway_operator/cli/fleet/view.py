"""What there is to say of one MCPServer in a line: taken from its status alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.shown import shown
from mcp_gateway_operator.targets.known import stored_record

NOT_SEEN: Final = "NotSeen"
"""In the place of a reason: no operator has looked at this generation of the object."""
DEFAULT_GATEWAY: Final = "(default)"
"""In the place of a gateway: the spec names none, and no target is recorded yet."""


class Line(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One MCPServer as its status shows it; moments are RFC 3339, empty where there is none.

    Attributes:
        since: when Ready last changed; of an object that nobody has looked at, when it was made.
        next_try: when the operator tries again, where status says it.
        gateway: as the operator calls it, by id in its own account and Region and by ARN elsewhere.
        gateway_arn: "" where it is not known.
    """

    namespace: str
    name: str
    ready: bool
    stalled: bool
    reason: str
    message: str
    since: str
    next_try: str
    gateway: str
    gateway_arn: str
    target_id: str
    recorded: bool

    @property
    def title(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"


def line_of(obj: MCPServer, gateways: Mapping[str, str] | None = None) -> Line:
    """Return what an object's status says.

    Args:
        obj: the object.
        gateways: by MCPGateway, the ARN of its gateway, as far as they are known.
    """
    named = (gateways or {}).get(obj.spec.class_name, "")
    asked = named or obj.spec.gateway or DEFAULT_GATEWAY
    status, meta, record = obj.status, obj.metadata, stored_record(obj)
    ready = status.condition(ConditionType.READY)
    stalled = status.condition(ConditionType.STALLED)
    if ready is None or not (obj.speaks_of_generation or meta.deletion_timestamp):
        reason, message, since = NOT_SEEN, "No operator has looked at it since it was written.", ""
        if ready is None:
            since = meta.creation_timestamp
    else:
        reason, message, since = ready.reason, ready.message, ready.last_transition_time
    paused = status.condition(ConditionType.PAUSED)
    if paused is not None and paused.status == "True":
        reason, message = paused.reason, paused.message
    if meta.deletion_timestamp:
        reason = reason if reason == Reason.DELETION_ERROR else Reason.DELETING
        since = meta.deletion_timestamp
    return Line(
        namespace=meta.namespace,
        name=meta.name,
        ready=obj.was_ready and not meta.deletion_timestamp,
        stalled=stalled is not None and stalled.status == "True" and reason != NOT_SEEN,
        reason=reason,
        message=shown(message),
        since=since,
        next_try=status.failure.next_attempt if status.failure is not None else "",
        gateway=record.place.gateway_id if record else asked,
        gateway_arn=record.gateway_arn if record else named,
        target_id=record.target_id if record else "",
        recorded=record is not None,
    )


def ago(moment: str, now: datetime) -> str:
    """Return how long ago a moment was, as kubectl writes ages; "-" where there is none."""
    return "-" if (seconds := _seconds(moment, now)) is None else span(-seconds)


def ahead(moment: str, now: datetime) -> str:
    """Return how far ahead a moment is; "-" where there is none."""
    seconds = _seconds(moment, now)
    if seconds is None:
        return "-"
    return f"in {span(seconds)}" if seconds >= 1 else "now"


def span(seconds: float) -> str:
    """Return a time as kubectl writes ages: 42s, 12m, 5h, 3d."""
    whole = max(0, int(seconds))
    for unit, size, limit in (("s", 1, 120), ("m", 60, 7200), ("h", 3600, 172_800)):
        if whole < limit:
            return f"{whole // size}{unit}"
    return f"{whole // 86_400}d"


def _seconds(moment: str, now: datetime) -> float | None:
    try:
        return (datetime.fromisoformat(moment) - now).total_seconds()
    except (ValueError, TypeError):
        return None
