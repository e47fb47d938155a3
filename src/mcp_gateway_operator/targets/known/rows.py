"""What is known of a gateway and of its targets; instants are seconds of the event loop's clock."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from mcp_gateway_operator.targets.known.errors import AgentCoreError
from mcp_gateway_operator.targets.known.records import Place
from mcp_gateway_operator.targets.shape import Fingerprint, TargetSummary

LIST_LAG = 60.0
"""Seconds for which a List may not show what a write did; AWS promises no bound, this is ours."""
TWO_READS = 2.0
"""Seconds between two reads that are believed where they agree: a single one may be stale (the Terraform
provider asks for READY twice in a row for the same reason)."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A target as last read.

    Attributes:
        read_began: when the read or write that gave the summary began.
        fingerprint: what the last List that showed it said; Lists are compared with Lists only, for a
            Get may spell the same thing in another way.
        ready: READY, and credibly so after our own last write.
        settled: not in a transient state, and read after our own last write was answered.
        listed: a List of this process has shown the id.
        absent_at: when the latest Get that answered 404 for it began, also if it was seen since; None when
            none did in the last ten minutes.
    """

    place: Place
    summary: TargetSummary
    read_began: float
    fingerprint: Fingerprint | None
    ready: bool
    settled: bool
    listed: bool = False
    absent_at: float | None = None

    @property
    def target(self) -> str:
        """The target, as `Place.target` names it."""
        return self.place.target(self.summary.target_id)


class Circle(msgspec.Struct, frozen=True, kw_only=True):
    """Objects that wait for each other, so that none of them ever goes first.

    Attributes:
        members: those in it as words, an object itself among them; "" where there is no circle.
        for_names: names are waited for in it.
        for_room: room on full gateways is.
    """

    members: str
    for_names: bool
    for_room: bool


NO_CIRCLE: Final = Circle(members="", for_names=False, for_room=False)


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """Lists of a gateway that have failed for so long that objects say so.

    While it lasts it changes once at most, when it is `lost`: statuses follow it, word for word.

    Attributes:
        error: why the latest List failed when this was last told.
        last_good: the time of day of the last List that succeeded, None when none of this process did.
        lost: it has lasted so long that what was known is not known any more.
    """

    error: AgentCoreError
    last_good: datetime | None
    lost: bool


class Existence(msgspec.Struct, frozen=True, kw_only=True):
    """What AWS says of a gateway itself since its Lists answer that there is none.

    Attributes:
        known_at: when GetGateway last knew it; what was heard before counts no more.
        unknown_at: when the latest GetGateway began that did not know it.
        denied_at: when the latest GetGateway began that AWS denied.
        lacking: when the first and the latest of an unbroken run of ListGateways began that lack it, all
            sent with credentials of one account.
        where: the account and Region that the latest answer is from, None where AWS did not say.
        where_at: when it was last asked for that.
        asked: a GetGateway is due or on its way.
        rolling: so are ListGateways.
    """

    known_at: float | None = None
    unknown_at: float | None = None
    denied_at: float | None = None
    lacking: tuple[float, float] | None = None
    where: tuple[str, str] | None = None
    where_at: float = 0.0
    asked: bool = False
    rolling: bool = False


class GatewayView(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one gateway.

    Attributes:
        listed_at: start of the newest complete successful List, None before the first.
        error: why the latest List failed, None when it did not.
        missing_since: since when Lists answer that the gateway does not exist.
        missing: they said so twice, and none has succeeded since.
        outage: what is told of Lists that have failed for long.
        existence: what AWS says of the gateway itself, while `missing_since` stands.
    """

    place: Place
    listed_at: float | None = None
    error: AgentCoreError | None = None
    missing_since: float | None = None
    missing: bool = False
    outage: Outage | None = None
    existence: Existence = Existence()
