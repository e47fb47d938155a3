"""How long what is held is good, and whether something that takes time may begin meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Term:
    """The time for which something is held: counted from before it was asked for, and renewed again.

    Args:
        duration: seconds for which it is good.
        call_seconds: how long something that the holder begins may take.
        clock: seconds that never run backwards.
        what: named in log lines.
    """

    def __init__(
        self, *, duration: float, call_seconds: float, clock: Callable[[], float], what: dict[str, Any]
    ) -> None:
        self._duration = duration
        self._call_seconds = call_seconds
        self._clock = clock
        self._log = log.bind(**what)
        self._good_until = float("-inf")
        self._shut_since = 0.0
        self._told_shut = False
        self._retired = False
        self.waived = False
        """Whether the work goes on without."""

    @property
    def held(self) -> bool:
        """Whether it is held now, or worked without."""
        return self.valid_for(0.0)

    def valid_for(self, seconds: float) -> bool:
        """Return whether it outlives the next `seconds`. Callable from any thread."""
        return self.waived or self._clock() + seconds < self._good_until

    def may_begin(self) -> bool:
        """Return whether a call may begin now: the term outlives it. Callable from any thread."""
        return not self._retired and self.valid_for(self._call_seconds)

    @property
    def shut_for(self) -> float:
        """For how many seconds it has been held and yet no call may begin; 0 while one may.

        Renewals that fail or take too long do that.
        """
        if self.waived or self._retired or not self.held:
            return 0.0
        return max(0.0, self._clock() - self._shut_since)

    def retire(self) -> None:
        """Let nothing begin any more; it is held on, so that what has begun can end."""
        self._retired = True

    def waive(self) -> None:
        """Work without: the caller found that it cannot be had and goes on all the same."""
        self.waived = True

    def demand(self) -> None:
        """Take a waiver back."""
        self.waived = False

    def _begin(self, sent: float) -> None:
        """Note that what was asked for at `sent` was granted."""
        if not self.held:
            self._shut_since = self._clock()
        self._tell_if_shut()
        self._good_until = sent + self._duration
        if self.may_begin():
            self._shut_since = self._good_until - self._call_seconds

    def _end(self) -> None:
        self._good_until = float("-inf")

    def _tell_if_shut(self) -> None:
        """Say once that nothing may begin although it is held, until it was seen to stay open."""
        shut = self.shut_for
        if shut and not self._told_shut:
            self._log.warning(
                "nothing is written: the lease is held, but renewals fail or take so long that it may end "
                "before a call does",
                seconds=round(shut, 1),
                call_seconds=self._call_seconds,
            )
        self._told_shut = shut > 0
