"""What our writes and AWS's 404s say of the reads of a target: which count, and which are believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from mcp_gateway_operator.targets.known import LIST_LAG, TWO_READS
from mcp_gateway_operator.targets.shape import FAILED, TRANSIENT, TargetStatus, TargetSummary, instant

_FORGET: Final = 600.0
"""Seconds after which a write or a 404 no longer bears on any read that may still be under way."""


class _Write(msgspec.Struct):
    """Our last write to a target.

    Attributes:
        ended: when it was answered.
        updated_at: what the answer said, None where that tells a read after the write from one before.
        before: the target as it was known before an Update or Synchronize.
        agreed_since: begin of the first of the reads since that agree on `agreed_status`.
        moved: a read since has shown a state in which the write is under way.
    """

    ended: float
    updated_at: str | None
    before: TargetSummary | None
    agreed_since: float | None = None
    agreed_status: TargetStatus | None = None
    moved: bool = False


class _Absence(msgspec.Struct):
    """404s of one id: the first and latest of the unbroken run, if it is unbroken, and the latest of all."""

    first: float | None
    latest: float


@dataclass(slots=True, eq=False)
class Evidence:
    """Our writes to the targets of one gateway, and the 404s of their ids; moments are loop seconds."""

    _writes: dict[str, _Write] = field(default_factory=dict)
    _absences: dict[str, _Absence] = field(default_factory=dict)

    def wrote(
        self, target_id: str, *, ended: float, updated_at: str | None, before: TargetSummary | None
    ) -> None:
        """Note the answer of a write; `updated_at` is None where it has none.

        Whether a Synchronize moves `updatedAt` is not documented, and two writes in one second need not show
        either: then it proves nothing.
        """
        same = before is not None and before.updated_at == updated_at
        self._writes[target_id] = _Write(ended, None if same else updated_at, before)

    def outdated(self, target_id: str, *, began: float) -> bool:
        """Whether a read began before our last write was answered."""
        write = self._writes.get(target_id)
        return write is not None and began <= write.ended

    def agree(self, target_id: str, status: TargetStatus, *, began: float) -> None:
        """Note the status that a read shows after our last write."""
        write = self._writes.get(target_id)
        if write is None:
            return
        write.moved = write.moved or status in TRANSIENT
        if write.agreed_status != status:
            write.agreed_since, write.agreed_status = began, status

    def credible(self, summary: TargetSummary, *, began: float) -> bool:
        """Whether a read begun at this moment is believed.

        After a write of ours only a read begun after its answer counts, and of those only one whose
        `updatedAt` is not older than the answer's, or one begun `LIST_LAG` seconds later: a lagging List
        agrees with itself for as long as it lags. Where `updatedAt` proves nothing, a read counts that shows
        what the write brought about, or that came after one which did, or a failure; else two that agree.
        """
        write = self._writes.get(summary.target_id)
        if write is None:
            return True
        if began <= write.ended:
            return False
        if write.updated_at is not None:
            return began > write.ended + LIST_LAG or _not_older(summary.updated_at, write.updated_at)
        if write.before is not None and (write.moved or _speaks(summary, write.before)):
            return True
        return (
            write.agreed_since is not None
            and write.agreed_status == summary.status
            and began - write.agreed_since >= TWO_READS
        )

    def may_vanish(self, target_id: str, *, listed: bool, began: float) -> bool:
        """Whether a List that lacks a target is believed: one never `listed` may be too new for that List."""
        write = self._writes.get(target_id)
        return write is None or began > (write.ended if listed else write.ended + LIST_LAG)

    def absent(self, target_id: str, *, began: float) -> None:
        """Note that a Get answered 404."""
        if self.outdated(target_id, began=began):
            return
        absence = self._absences.get(target_id)
        if absence is None:
            self._absences[target_id] = _Absence(began, began)
            return
        absence.first = began if absence.first is None else min(absence.first, began)
        absence.latest = max(absence.latest, began)

    def seen(self, target_id: str, *, began: float) -> None:
        """Note that a read showed a target: that ends a run of 404s."""
        absence = self._absences.get(target_id)
        if absence is not None and began > absence.latest:
            absence.first = None

    def absences(self, target_id: str) -> tuple[float, float] | None:
        """Return when the first and the latest of an unbroken run of 404s for this id began."""
        absence = self._absences.get(target_id)
        if absence is None or absence.first is None:
            return None
        return absence.first, absence.latest

    def last_absent(self, target_id: str) -> float | None:
        """Return when the latest Get that answered 404 began, also if the target was seen since."""
        absence = self._absences.get(target_id)
        return absence.latest if absence is not None else None

    def forget(self, now: float) -> set[str]:
        """Forget what bears on no read any more, and return the ids of which something was forgotten."""
        writes = {key for key, write in self._writes.items() if write.ended < now - _FORGET}
        absences = {key for key, absence in self._absences.items() if absence.latest < now - _FORGET}
        for key in writes:
            del self._writes[key]
        for key in absences:
            del self._absences[key]
        return writes | absences


def _speaks(summary: TargetSummary, before: TargetSummary) -> bool:
    """Whether a read can be of no moment before a write, or claims nothing that a user would rely on."""
    indexed = summary.last_synchronized_at != before.last_synchronized_at
    return indexed or summary.status not in (TargetStatus.READY, before.status) or summary.status in FAILED


def _not_older(text: str, reference: str) -> bool:
    """Compare two timestamps, in whole seconds when one has no more: Lists may cut what answers have."""
    try:
        one, other = instant(text), instant(reference)
        return one >= (other if one.microsecond else other.replace(microsecond=0))
    except (TypeError, ValueError):
        # Not a timestamp, or one with and one without an offset: proves nothing either way.
        return False
