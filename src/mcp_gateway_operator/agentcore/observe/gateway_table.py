"""What is known of one gateway's targets, from Lists, Gets and the answers of our own writes.

Reads overlap with writes, and AWS may answer a read from before a write after it. So everything here carries
the moment at which the request that brought it began, and older knowledge never replaces newer. All moments
are seconds of the event loop's clock. Nothing here waits or calls.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, KeysView
from typing import Final, NamedTuple, TypedDict, Unpack

import msgspec
from msgspec.structs import force_setattr

from mcp_gateway_operator.agentcore.observe.evidence import Evidence
from mcp_gateway_operator.targets.known import (
    TWO_READS,
    AgentCoreError,
    ErrorKind,
    Existence,
    GatewayView,
    Outage,
    Place,
    Row,
)
from mcp_gateway_operator.targets.shape import TRANSIENT, Target, TargetStatus, TargetSummary

_VANISHED: Final = 1_000
"""Ids of vanished targets remembered per gateway."""


class Change(NamedTuple):
    """What a read or write changed; equal summaries mean that the same state has become credible."""

    target_id: str
    before: TargetSummary | None
    after: TargetSummary | None


class InquiryResult(TypedDict, total=False):
    """What is noted of a gateway itself; the fields are those of `Existence`."""

    known_at: float
    unknown_at: float
    denied_at: float
    lacking: tuple[float, float] | None
    where: tuple[str, str] | None
    where_at: float
    asked: bool
    rolling: bool


class GatewayTable:
    """The targets of one gateway.

    Args:
        gateway_id: whose targets.
        marked_on: on which gateways each marker is, shared by the tables of all gateways.

    Attributes:
        view: what is known of the gateway itself.
    """

    def __init__(self, gateway_id: str, *, marked_on: ReverseIndex | None = None) -> None:
        self.gateway_id = gateway_id
        self.view = GatewayView(place=Place(gateway_id))
        self._marked_on = ReverseIndex() if marked_on is None else marked_on
        self._rows: dict[str, Row] = {}
        self._names = ReverseIndex()
        self._markers = ReverseIndex()
        self._evidence = Evidence()
        self._vanished: dict[str, None] = {}
        self._passed_over: set[str] = set()

    # What is known.

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, target_id: str) -> Row | None:
        """Return a target's row."""
        return self._rows.get(target_id)

    def rows(self) -> tuple[Row, ...]:
        """Return all rows."""
        return tuple(self._rows.values())

    def named(self, name: str) -> tuple[Row, ...]:
        """Return the rows with a name: usually one, more while AWS's view is not yet consistent."""
        return tuple(self._rows[target_id] for target_id in self._names.ids(name))

    def marked(self, marker: str) -> tuple[Row, ...]:
        """Return the rows whose description carries a marker, given as `OWNER/OBJECT`."""
        return tuple(self._rows[target_id] for target_id in self._markers.ids(marker))

    def markers(self) -> KeysView[str]:
        """Return every marker that some row carries, as `OWNER/OBJECT`; a live view."""
        return self._markers.keys()

    def was_listed(self, target_id: str) -> bool:
        """Whether a List of this process has shown the id, also when it has vanished since."""
        row = self._rows.get(target_id)
        return row.listed if row is not None else target_id in self._vanished

    def absences(self, target_id: str) -> tuple[float, float] | None:
        """Return when the first and the latest of an unbroken run of 404s for this id began."""
        return self._evidence.absences(target_id)

    def close(self) -> None:
        """Take this gateway out of what all gateways share: nobody looks at it any more."""
        for mark in self.markers():
            self._marked_on.move(self.gateway_id, mark, None)
        self._marked_on = ReverseIndex()

    # What becomes known.

    def apply_list(self, items: Iterable[TargetSummary], *, began: float, pages: int = 1) -> list[Change]:
        """Take in a complete List and return what it changed.

        A row that the List lacks is removed, except one that a newer read or write gave, one of our own
        Creates that no List has shown yet (for `LIST_LAG` seconds after the answer), and, in a List of
        several pages, one that the List before still had: targets that come and go between two pages shift
        others.
        """
        shown = {item.target_id: item for item in items}
        changes: list[Change] = []
        for item in shown.values():
            changes += self._take_in(item, began=began, listed=True)
        missing = {target_id for target_id in self._rows if target_id not in shown}
        gone = {
            target_id
            for target_id in missing
            if (row := self._rows[target_id]).read_began <= began
            and self._evidence.may_vanish(target_id, listed=row.listed, began=began)
        }
        if pages > 1:
            gone &= self._passed_over
        self._passed_over = missing - gone
        changes += [self._remove(target_id) for target_id in gone]
        self.view = GatewayView(place=self.view.place, listed_at=began)
        for target_id in self._evidence.forget(began):
            if (known := self._rows.get(target_id)) is not None:
                self._put(known.summary, began=known.read_began, listed=False)
        for target_id in list(self._vanished)[: max(0, len(self._vanished) - _VANISHED)]:
            del self._vanished[target_id]
        return changes

    def apply_failed_list(self, error: AgentCoreError, *, began: float) -> bool:
        """Note that a List failed and return whether that is news."""
        missing_since, missing, last = self.view.missing_since, self.view.missing, self.view.error
        # It is kept, and would keep everything that the call had at hand.
        error.__traceback__ = error.__context__ = error.__cause__ = None
        if error.kind is not ErrorKind.NOT_FOUND:
            # The run of 404s must be unbroken to be believed; a throttled call said nothing.
            if error.kind is not ErrorKind.THROTTLED:
                missing_since = None
        elif missing_since is None:
            missing_since = began
        else:
            missing = missing or began >= missing_since + TWO_READS
        # That there is no such gateway is an answer.
        outage = None if error.kind is ErrorKind.NOT_FOUND else self.view.outage
        self.view = msgspec.structs.replace(
            self.view,
            error=error,
            missing_since=missing_since,
            missing=missing,
            outage=outage,
            existence=Existence() if missing_since is None else self.view.existence,
        )
        return last is None or last.words != error.words

    def apply_outage(self, outage: Outage) -> None:
        """Note what is told of Lists that have failed for long."""
        self.view = msgspec.structs.replace(self.view, outage=outage)

    def apply_inquiry(self, **result: Unpack[InquiryResult]) -> None:
        """Note what is asked, or heard, of the gateway itself; that AWS knows it ends all that was before."""
        before = Existence() if "known_at" in result else self.view.existence
        self.view = msgspec.structs.replace(self.view, existence=msgspec.structs.replace(before, **result))

    def apply_write(self, target: Target, *, began: float, ended: float) -> list[Change]:
        """Take in the answer of our Create, Update or Synchronize."""
        summary = self._complete(target.summary)
        row = self._rows.get(summary.target_id)
        before = row.summary if row is not None else None
        self._evidence.wrote(summary.target_id, ended=ended, updated_at=summary.updated_at, before=before)
        self._evidence.seen(summary.target_id, began=began)
        return self._put(summary, began=began, listed=False)

    def apply_deleted(
        self, target_id: str, status: TargetStatus, *, began: float, ended: float
    ) -> list[Change]:
        """Take in the answer of our Delete: the row shows the status that AWS answered."""
        row = self._rows.get(target_id)
        self._evidence.wrote(target_id, ended=ended, updated_at=None, before=None)
        if row is None:
            return []
        return self._put(msgspec.structs.replace(row.summary, status=status), began=began, listed=False)

    def apply_get(self, target: Target, *, began: float) -> list[Change]:
        """Take in the answer of a Get."""
        return self._take_in(self._complete(target.summary), began=began, listed=False)

    def apply_absent(self, target_id: str, *, began: float) -> None:
        """Note that a Get answered 404. The row goes when a List lacks it, not before."""
        self._evidence.absent(target_id, began=began)
        if (row := self._rows.get(target_id)) is not None:
            absent_at = self._evidence.last_absent(target_id)
            self._rows[target_id] = msgspec.structs.replace(row, absent_at=absent_at)

    # How.

    def _take_in(self, summary: TargetSummary, *, began: float, listed: bool) -> list[Change]:
        """Take in what a read shows of a target, unless more is known of it."""
        target_id = summary.target_id
        self._evidence.seen(target_id, began=began)
        row = self._rows.get(target_id)
        outdated = self._evidence.outdated(target_id, began=began)
        if outdated or (row is not None and began < row.read_began):
            if listed and row is not None and not row.listed:
                self._rows[target_id] = msgspec.structs.replace(row, listed=True)
            return []
        self._evidence.agree(target_id, summary.status, began=began)
        changes = self._put(summary, began=began, listed=listed)
        if not changes and row is not None and not row.settled and self._rows[target_id].settled:
            return [Change(target_id, summary, summary)]
        return changes

    def _put(self, summary: TargetSummary, *, began: float, listed: bool) -> list[Change]:
        target_id = summary.target_id
        row = self._rows.get(target_id)
        before = row.summary if row is not None else None
        if before == summary:
            # The equal one that is there already: memory does not move.
            summary = before
        else:
            # Held once, together with what the object's status holds. Nobody has hashed these texts yet.
            for name in ("target_id", "name", "updated_at"):
                force_setattr(summary, name, sys.intern(getattr(summary, name)))
            target_id = summary.target_id
            self._names.move(target_id, before.name if before else None, summary.name)
            self._mark(target_id, row.summary.marker if row is not None else None, summary.marker)
        fingerprint = row.fingerprint if row is not None else None
        if listed and fingerprint != (new := summary.fingerprint):
            fingerprint = new
        credible = self._evidence.credible(summary, began=began)
        self._rows[target_id] = Row(
            place=self.view.place,
            summary=summary,
            read_began=began,
            fingerprint=fingerprint,
            ready=credible and summary.status == TargetStatus.READY,
            settled=credible and summary.status not in TRANSIENT,
            listed=listed or self.was_listed(target_id),
            absent_at=self._evidence.last_absent(target_id),
        )
        self._vanished.pop(target_id, None)
        return [] if before is summary else [Change(target_id, before, summary)]

    def _mark(self, target_id: str, before: str | None, after: str | None) -> None:
        if before == after:
            return
        new = after is not None and not self._markers.get(after)
        self._markers.move(target_id, before, after)
        left = before is not None and not self._markers.get(before)
        self._marked_on.move(self.gateway_id, before if left else None, after if new else None)

    def _remove(self, target_id: str) -> Change:
        row = self._rows.pop(target_id)
        self._names.move(target_id, row.summary.name, None)
        self._mark(target_id, row.summary.marker, None)
        if row.listed:
            self._vanished[target_id] = None
        return Change(target_id, row.summary, None)

    def _complete(self, summary: TargetSummary) -> TargetSummary:
        """Fill in what only Lists are sure to show: a full answer may leave defaulted fields out."""
        row = self._rows.get(summary.target_id)
        if row is None:
            return summary
        listed, priority = row.summary, summary.resource_priority
        return msgspec.structs.replace(
            summary,
            listing_mode=summary.listing_mode or listed.listing_mode,
            resource_priority=listed.resource_priority if priority is None else priority,
        )


class ReverseIndex(dict[str, str | tuple[str, ...]]):
    """Ids by key. Nearly every key has one id, which then stands for itself; several stand in a tuple."""

    def ids(self, key: str) -> tuple[str, ...]:
        """Return the ids under a key, oldest entry first."""
        ids = self.get(key, ())
        return (ids,) if isinstance(ids, str) else ids

    def move(self, item: str, before: str | None, after: str | None) -> None:
        """Take an id from one key to another; None is no key."""
        if before == after:
            return
        if before is not None:
            self._put(before, tuple(each for each in self.ids(before) if each != item))
        if after is not None:
            self._put(after, (*self.ids(after), item))

    def _put(self, key: str, ids: tuple[str, ...]) -> None:
        if ids:
            self[key] = ids[0] if len(ids) == 1 else ids
        else:
            del self[key]
